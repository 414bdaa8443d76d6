"""Bringing pages to a folder."""

import dataclasses
from pathlib import Path

import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish import site
from pipelines.publish.build import build_content
from pipelines.publish.content import SiteContent, SiteInputs
from pipelines.publish.site import render_site, write_site


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_content_gives_the_same_bytes(inputs: SiteInputs, files: dict[str, bytes]) -> None:
    assert render_site(build_content(inputs)) == files


def test_the_order_of_rows_does_not_matter(inputs: SiteInputs, files: dict[str, bytes]) -> None:
    frames = ("releases", "kpis", "facts_energy", "facts_machine", "emissions", "liveness", "dead_letters")
    turned = {name: getattr(inputs, name).reverse() for name in frames}
    assert render_site(build_content(dataclasses.replace(inputs, **turned))) == files


def test_a_second_write_changes_nothing_not_even_a_time_stamp(content: SiteContent, tmp_path: Path) -> None:
    first = write_site(content, tmp_path / "site")
    before = snapshot(tmp_path / "site")
    second = write_site(content, tmp_path / "site")
    assert snapshot(tmp_path / "site") == before
    assert (second.written, second.removed) == ((), ())
    assert second.unchanged == first.written
    assert "garam/index.html" in first.written


def test_only_what_differs_is_replaced(content: SiteContent, tmp_path: Path) -> None:
    write_site(content, tmp_path)
    page = tmp_path / "naru" / "index.html"
    right = page.read_bytes()
    page.write_bytes(b"half a pa")
    report = write_site(content, tmp_path)
    assert report.written == ("naru/index.html",)
    assert page.read_bytes() == right


def test_a_member_that_left_leaves_no_page_behind(content: SiteContent, tmp_path: Path) -> None:
    write_site(content, tmp_path)
    without = dataclasses.replace(content, members=tuple(m for m in content.members if m.member != "areum"))
    report = write_site(without, tmp_path)
    assert not (tmp_path / "areum").exists()
    assert "areum/index.html" in report.removed


def test_what_a_dead_run_left_is_cleared_and_completed(
    content: SiteContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    bring = site._bring

    def dies(path: Path, page: bytes) -> bool:
        nonlocal calls
        calls += 1
        if calls == 12:
            path.parent.mkdir(exist_ok=True)
            path.with_name(path.name + ".tmp").write_bytes(page[:20])
            raise KeyboardInterrupt
        return bring(path, page)

    monkeypatch.setattr(site, "_bring", dies)
    with pytest.raises(KeyboardInterrupt):
        write_site(content, tmp_path / "died")
    monkeypatch.undo()
    write_site(content, tmp_path / "died")
    write_site(content, tmp_path / "whole")
    died, whole = snapshot(tmp_path / "died"), snapshot(tmp_path / "whole")
    assert {name: page[0] for name, page in died.items()} == {name: page[0] for name, page in whole.items()}


def test_nothing_is_touched_before_everything_is_rendered(
    content: SiteContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise RuntimeError("no template")

    write_site(content, tmp_path)
    before = snapshot(tmp_path)
    monkeypatch.setattr(site, "_render", fails)
    with pytest.raises(RuntimeError):
        write_site(content, tmp_path)
    assert snapshot(tmp_path) == before


def test_a_folder_that_is_no_site_is_left_alone(content: SiteContent, tmp_path: Path) -> None:
    treasure = tmp_path / "thesis.doc"
    treasure.write_text("years of work")
    with pytest.raises(OperatorError) as refused:
        write_site(content, tmp_path)
    assert refused.value.code is ExitCode.SETTINGS
    assert list(tmp_path.iterdir()) == [treasure]


def test_no_page_knows_the_clock(files: dict[str, bytes]) -> None:
    """The only instants are the night's nominal time, days, and times of events."""
    for name, page in files.items():
        assert b"<dc:date>" not in page, name
        assert b"matplotlib" not in page.lower() or b'id="' in page, name
        assert b"2025-11-11T" not in page, name
