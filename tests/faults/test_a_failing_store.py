"""A store that fills up or can't be written: one line, exit code STORE, nothing half-visible."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.outcomes import ExitCode
from tests.faults.trial import SECOND, History

# A night writes larger files as it goes: leases, Parquet files of raw rows, Delta's log, facts, pages.
LIMITS_BYTES = (pytest.param(100, marks=pytest.mark.faults), 1_000, 40_000)


@pytest.mark.parametrize("largest_file_bytes", LIMITS_BYTES)
def test_a_full_disk_ends_the_night_in_one_line_and_the_next_is_whole(
    archived: History, tmp_path: Path, largest_file_bytes: int
) -> None:
    own = archived.between.copy(tmp_path / "own")
    full = own.night(SECOND, largest_file_bytes=largest_file_bytes)
    assert full.code == ExitCode.STORE, full.errors
    (line,) = full.error_lines()
    assert "check DC_STORE" in line
    after = own.night(SECOND)
    assert after.code == 0, after.errors
    assert own.content().differing(archived.last) == []


def test_a_store_that_is_no_folder_ends_the_night_in_one_line(archived: History, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    ending = replace(archived.between, folder=tmp_path).night(SECOND)
    assert ending.code == ExitCode.STORE, ending.errors
    (line,) = ending.error_lines()
    assert str(tmp_path / "store") in line


def test_a_site_that_cannot_be_written_ends_the_night_in_one_line_and_keeps_its_figures(
    archived: History, tmp_path: Path
) -> None:
    own = archived.between.copy(tmp_path / "own")
    (tmp_path / "own" / "site").rename(tmp_path / "own" / "aside")
    (tmp_path / "own" / "site").symlink_to(tmp_path / "file" / "below")
    (tmp_path / "file").write_text("not a folder")
    ending = own.night(SECOND)
    assert ending.code == ExitCode.STORE, ending.errors
    (line,) = ending.error_lines()
    assert "DC_SITE" in line
    (tmp_path / "own" / "site").unlink()
    (tmp_path / "own" / "aside").rename(tmp_path / "own" / "site")
    assert own.night(SECOND).places("commit") == []
    assert own.content().differing(archived.last) == []
