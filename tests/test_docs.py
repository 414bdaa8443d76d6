"""Pages that the code makes, links between pages, commands and settings that pages name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer.main
from pydantic import BaseModel

from docs.reference_pages import PAGES
from pipelines.cli import app
from pipelines.connectors.cluster_form import ClusterForm
from pipelines.connectors.clusters import load_cluster
from pipelines.connectors.rule_keys import RULE_KEYS
from pipelines.domain.checks import REASONS
from pipelines.domain.outcomes import MEANINGS, ExitCode
from pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = [
    ROOT / "README.md",
    ROOT / "README.ko.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")
REASONS_OF_DECODING = {
    "too_large",
    "null_value",
    "wrong_magic",
    "truncated",
    "unknown_schema",
    "schema_incompatible",
    "undecodable",
    "leftover_bytes",
}
HANGUL = re.compile(r"[가-힣]")


def code_blocks(text: str) -> str:
    """Return everything that a page sets as code."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def commands() -> Iterator[str]:
    """Yield every command of the menu, with its group before it."""
    menu = typer.main.get_command(app)
    for name, command in menu.commands.items():  # type: ignore[attr-defined]
        yield name
        yield from (f"{name} {inner}" for inner in getattr(command, "commands", {}))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_says_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = [link for link, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_settings_and_commands_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {f"DC_{name.upper()}" for name in Settings.model_fields} | {"DC_WRITE_SCREENSHOTS", "DC_SHARED"}
    named = set(re.findall(r"\bDC_[A-Z_]+[A-Z]\b(?!_?\*)", text))
    assert named - known == set()
    menu = set(commands())
    called = re.findall(r"\bdigital-cluster ([a-z][a-z-]+)(?: ([a-z]+)\b)?", code_blocks(text))
    assert {f"{a} {b}" if f"{a} {b}" in menu else a for a, b in called} - menu == set()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", code_blocks(page.read_text(encoding="utf-8"))))
    assert named - targets == set()


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_has_a_meaning_in_english_and_in_korean(code: ExitCode) -> None:
    english, korean = MEANINGS[code]
    assert not HANGUL.search(english)
    assert HANGUL.search(korean)


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    page = (ROOT / "docs" / "dead-letters.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    assert explained == (set(REASONS) - {"other_cluster"}) | REASONS_OF_DECODING


def test_the_example_of_a_cluster_file_can_be_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "cluster-definition.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    (tmp_path / "park.yaml").write_text(example[1], encoding="utf-8")
    assert load_cluster(tmp_path, "park").trees["process"]["die-casting"] == "casting"


def test_every_key_of_a_cluster_file_is_explained() -> None:
    page = (ROOT / "docs" / "cluster-definition.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", page))
    assert (form_keys(ClusterForm) | set(RULE_KEYS)) - named == {"ko", "en", "from", "to"}


def form_keys(form: object) -> set[str]:
    """Return the keys of a form and of the forms in it."""
    if isinstance(form, type) and issubclass(form, BaseModel):
        fields = form.model_fields.items()
        own = {field.alias or name for name, field in fields}
        return own | {key for _, field in fields for key in form_keys(field.annotation)}
    return {key for part in get_args(form) for key in form_keys(part)}


def test_both_readmes_show_the_result_and_begin_with_the_two_commands() -> None:
    for name in ("README.md", "README.ko.md"):
        opening = (ROOT / name).read_text(encoding="utf-8").split("\n## ")[0]
        assert "docs/images/operator.png" in opening
        assert "make nightly" in opening
        assert "make test" in opening
