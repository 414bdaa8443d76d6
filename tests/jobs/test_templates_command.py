"""`digital-cluster templates`: the packaged ones, those of DC_TEMPLATES, those of --templates."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.domain.outcomes import OperatorError

OWN = """
templates:
  - id: {id}
    version: "{version}"
    name: {{ko: 우리 것, en: Ours}}
    process: other
    streams: {{start: [energy]}}
    carriers: [electricity]
    products: [{{product_class: cast-things, unit: piece, name: {{ko: 주물, en: Castings}}}}]
    kpis: [energy_kwh]
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["templates", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_a_row_for_each_trade() -> None:
    rows = run("list").splitlines()
    assert len(rows) == 11
    assert rows[1].startswith("casting,1,casting,주조,Casting,energy;states;counts,electricity;natural_gas")


def test_a_file_of_the_command_line_wins_over_the_folder_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "a.yaml").write_text(OWN.format(id="ours", version="folder"), encoding="utf-8")
    monkeypatch.setenv("DC_TEMPLATES", str(folder))
    assert "version: folder" in run("show", "ours")
    named = tmp_path / "named.yaml"
    named.write_text(OWN.format(id="ours", version="named"), encoding="utf-8")
    assert "version: named" in run("show", "ours", "--templates", str(named))
    assert len(run("list", "--templates", str(named)).splitlines()) == 12


def test_an_id_that_no_template_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(OperatorError, match="there is no template 'castin'; known: casting, moulds"):
        run("show", "castin")
