"""What the test run itself promises: no silent skip where CI is set, time by group, the summary last."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SAMPLE = """
import pytest

def test_that_passes(): pass

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail(): raise AssertionError

@pytest.fixture
def broker_of_nobody(): pytest.skip("no broker here")

def test_that_lacks_something(broker_of_nobody): pass
"""
MODULE_THAT_SKIPS = 'import pytest\npytest.skip("no chromium here", allow_module_level=True)\n'


def run_pytest(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a small test tree under our conftest."""
    (folder / "tests" / "group").mkdir(parents=True)
    shutil.copy(HERE / "conftest.py", folder / "tests")
    (folder / "tests" / "group" / "test_sample.py").write_text(SAMPLE)
    (folder / "tests" / "group" / "test_module.py").write_text(MODULE_THAT_SKIPS)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -q -ra --continue-on-collection-errors -p no:cacheprovider\n"
    )
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests"],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(HERE.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_ci_is_set_what_would_skip_fails_and_says_why(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, CI="true")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "may not be skipped where CI is set: Skipped: no broker here" in ended.stdout
    assert "may not be skipped where CI is set: Skipped: no chromium here" in ended.stdout
    assert "1 passed, 1 xfailed, 2 errors" in ended.stdout.splitlines()[-1]


def test_elsewhere_a_skip_is_a_skip_and_the_last_line_is_the_summary(tmp_path: Path) -> None:
    lines = run_pytest(tmp_path).stdout.splitlines()
    assert "1 passed, 2 skipped, 1 xfailed" in lines[-1]
    assert any("tests/group (2 tests)" in line for line in lines[:-1])
