"""The wheel as others get it, and the locks that it is installed with."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements/test.lock", "requirements/bootstrap.lock")
ASKED_OF_THE_WHEEL = """
from pathlib import Path
import pipelines
from pipelines.connectors.clusters import load_clusters
from pipelines.connectors.topics import topic_settings
from pipelines.jobs.importing import load_mapping
from pipelines.publish.inventory_schemas import inventory_schema
from pipelines.publish.site import _asset, _environment
from pipelines.publish.words import globals_for_pages
from pipelines.reference.kpis import kpi_book
from pipelines.reference.tables import units
from pipelines.schemas.contracts import contract, packaged_folder
from pipelines.schemas.tables import TABLES

print(Path(pipelines.__file__).parent)
print(packaged_folder("avro"))
print(packaged_folder("infra"))
assert contract("energy")["name"] == "EnergyReadings"
assert topic_settings("factory.a1.profile").config["cleanup.policy"] == "compact"
assert [c.cluster for c in load_clusters(packaged_folder("infra") / "clusters")]
assert load_mapping(Path("steel_uci851"))
assert inventory_schema()["title"]
assert units().height > 0
assert kpi_book().newest()
assert len(TABLES) > 8
assert _asset("style.css") and _environment().get_template("operator.html.j2") and globals_for_pages()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in this process by the locked hatchling."""
    folder = tmp_path_factory.mktemp("dist")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("avro", "*.avsc"),
        ("avro/history", "*.avsc"),
        ("infra/clusters", "*.yaml"),
        ("infra/kafka", "*.yaml"),
        ("infra/mappings", "*.yaml"),
        ("pipelines/reference", "*.csv"),
        ("pipelines/reference", "*.yaml"),
        ("pipelines/publish", "*.yaml"),
        ("pipelines/publish/assets", "*"),
        ("pipelines/publish/templates", "*.j2"),
    ],
)
def test_the_wheel_holds_every_file_that_the_code_reads(names: set[str], folder: str, pattern: str) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob(pattern) if path.is_file()}
    packed = {name if name.startswith("pipelines/") else f"pipelines/{name}" for name in wanted}
    assert packed
    assert packed - names == set()


def test_the_wheel_holds_every_module_and_no_test(names: set[str]) -> None:
    modules = {
        p.relative_to(ROOT).as_posix() for top in ("pipelines", "flows") for p in (ROOT / top).rglob("*.py")
    }
    assert modules - names == set()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipelines", "flows"}
    assert "pipelines/avro/__init__.py" not in names, "it would shadow PyPI's avro"


def test_the_wheel_alone_finds_its_contracts_topics_mappings_and_templates(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    asked = subprocess.run(
        [sys.executable, "-c", ASKED_OF_THE_WHEEL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    package = tmp_path / "pipelines"
    assert asked.stdout.split() == [str(package), str(package / "avro"), str(package / "infra")]


def test_the_wheel_brings_both_commands(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (place,) = [name for name in opened.namelist() if name.endswith("entry_points.txt")]
        text = opened.read(place).decode()
    assert "digital-cluster = pipelines.cli:main" in text
    assert "digital-cluster-flow = flows.__main__:main" in text


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_by_hash_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--(extra-)?index|--find-links|-i )", text, re.MULTILINE)
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin.splitlines()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
