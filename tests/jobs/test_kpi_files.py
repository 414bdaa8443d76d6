"""The commands `kpis evaluate` and `kpis from-events`: exact input, output and faults."""

import csv
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.reference.kpis import kpi_book

Rows = list[dict[str, str]]
WINDOW = ["--from", "2025-11-03T08:00:00+09:00", "--to", "2025-11-03T16:00:00+09:00"]


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line as a shell would; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["digital-cluster", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def read(name: str = "out.csv") -> Rows:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluated(monkeypatch: pytest.MonkeyPatch, text: str, *options: str) -> Rows:
    assert run(monkeypatch, "kpis", "evaluate", written("in.csv", text), *options, "--out", "out.csv") == 0
    return read()


def from_events(monkeypatch: pytest.MonkeyPatch, states: str, counts: str, *options: str) -> int:
    files = ["--states", written("s.csv", states), "--counts", written("c.csv", counts)]
    seconds = ["--planned-seconds", "28800", "--ideal-seconds", "30"]
    return run(monkeypatch, "kpis", "from-events", *files, *WINDOW, *seconds, *options, "--out", "out.csv")


def test_the_output_is_in_full_precision_in_the_order_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "unit,pbt_s,apt_s\nz,3,1\na,7,2\n"
    evaluated(monkeypatch, text, "--kpi", "availability", "--rollup")
    assert Path("out.csv").read_text(encoding="utf-8") == (
        "unit,kpi,version,value,reason,coverage\n"
        "z,availability,1,0.3333333333333333,,1.0\n"
        "a,availability,1,0.2857142857142857,,1.0\n"
        "*,availability,1,0.3,,1.0\n"
    )


def test_a_bom_and_windows_line_ends_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(monkeypatch, "\ufeffunit,pbt_s,apt_s\r\n설비 1,4,1\r\n", "--kpi", "availability")
    assert (rows[0]["unit"], rows[0]["value"]) == ("설비 1", "0.25")


def test_every_id_of_the_command_comes_in_its_order_where_one_of_its_elements_is_a_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [e.element for e in kpi_book().elements.values() if e.standard == "iso22400"]
    rows = evaluated(
        monkeypatch, ",".join(["unit", *names, "coverage"]) + "\nm" + "," * (len(names) + 1) + "\n"
    )
    assert [row["kpi"] for row in rows] == [
        "availability", "effectiveness", "quality_ratio", "quality_ratio_time", "oee", "nee",
        "utilisation_efficiency", "allocation_efficiency", "technical_efficiency", "setup_rate",
        "throughput_per_h", "worker_efficiency", "first_pass_yield", "scrap_ratio", "rework_ratio",
        "corrective_maintenance_ratio", "energy_kwh_per_unit", "mtbf_fe_s", "mtbf_fe1_s", "mttr_fe_s",
        "mttr_fe1_s",
    ]  # fmt: skip
    assert {row["reason"].partition(":")[0] for row in rows} == {"missing_element"}
    assert {row["value"] for row in rows} == {""}


def test_a_kpi_none_of_whose_elements_is_a_column_gives_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(monkeypatch, "unit,sq,pq,unknown_s\nm,1,10,\n")
    assert {row["kpi"] for row in rows} == {
        "effectiveness", "quality_ratio", "quality_ratio_time", "nee", "throughput_per_h", "scrap_ratio",
        "rework_ratio", "energy_kwh_per_unit",
    }  # fmt: skip
    assert evaluated(monkeypatch, "unit,sq\nm,1\n", "--kpi", "oee") == []


def test_rows_of_a_unit_are_its_products_and_empty_is_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    header = "unit,pbt_s,apt_s,pru_s,pq,gq\n"
    kpis = ("--kpi", "oee", "--kpi", "quality_ratio", "--kpi", "effectiveness")
    rows = evaluated(monkeypatch, header + "m,1000,800,10,40,30\nm,,,20,20,20\n", *kpis)
    assert [row["value"] for row in rows] == ["0.7", "0.8333333333333334", "1.0"]
    rows = evaluated(monkeypatch, header + "m,1000,800,10,40,30\nm,,,20,20,\n", *kpis)
    assert [row["reason"] for row in rows] == ["missing_element:gq", "missing_element:gq", ""]


def test_a_version_can_be_asked_for_and_columns_of_an_asked_kpi_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = evaluated(monkeypatch, "unit,pq,worked_h\nm,30,4\n", "--kpi", "units_per_worker_h@1")
    assert (rows[0]["kpi"], rows[0]["version"], rows[0]["value"]) == ("units_per_worker_h", "1", "7.5")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("unit,pbt_s,apt\nm,1,2\n", "row 1, column 'apt'"),
        ("unit,pbt_s,worked_h\nm,1,2\n", "row 1, column 'worked_h'"),
        ("unit,pq,pq\nm,1,2\n", "row 1, column pq"),
        ("pq,gq\n1,2\n", "row 1, column unit"),
        ("", "row 1, column unit"),
        ("unit,pq\n,1\n", "row 2, column unit"),
        ("unit,pq\n*,1\n", "row 2, column unit"),
        ("unit,pq\nm,1\nn,many\n", "row 3, column pq"),
        ("unit,pq\nm,nan\n", "row 2, column pq"),
        ("unit,pq\nm,inf\n", "row 2, column pq"),
        ('unit,pq\nm,"1,000"\n', "row 2, column pq"),
        ("unit,pq\nm,5 %\n", "row 2, column pq"),
        ("unit,pq,coverage\nm,1,1.2\n", "row 2, column coverage"),
        ("unit,pq,coverage\nm,1,-0.1\n", "row 2, column coverage"),
        ("unit,pq\nm,1,2\n", "row 2, column 3"),
        ("unit,pbt_s\nm,1\nn,1\nm,2\n", "row 4, column pbt_s"),
        ('unit,pq\nm,"1\n', "row 2"),
    ],
)
def test_an_unusable_file_is_told_with_row_and_column_and_leaves_no_output(
    text: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written("out.csv", "an earlier answer\n")
    assert run(monkeypatch, "kpis", "evaluate", written("in.csv", text), "--out", "out.csv") == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert f"in.csv, {where}" in told[0]
    assert " / 오류: in.csv " in told[0]
    assert sorted(p.name for p in Path().iterdir()) == ["in.csv"]


def test_every_fault_has_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written("in.csv", "unit,pq,gq\nm,a,1\n,2,b\n")
    assert run(monkeypatch, "kpis", "evaluate", "in.csv", "--out", "out.csv") == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert [line.split(":")[1] for line in told] == [
        " in.csv, row 2, column pq", " in.csv, row 3, column unit", " in.csv, row 3, column gq",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["in.csv", "--kpi", "unheard_of", "--out", "out.csv"],
        ["in.csv", "--kpi", "oee@9", "--out", "out.csv"],
        ["absent.csv", "--out", "out.csv"], ["in.csv", "--out", "in.csv"],
        ["in.csv", "--out", "absent/out.csv"], ["in.csv", "--out", "."], ["in.csv"],
        ["in.csv", "--unheard", "--out", "out.csv"],
    ],
)  # fmt: skip
def test_unusable_arguments_leave_no_output_and_no_input_harmed(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written("in.csv", "unit,pq,gq\nm,1,1\n")
    assert run(monkeypatch, "kpis", "evaluate", *arguments) == 2
    assert [p.name for p in Path().iterdir()] == ["in.csv"]


def test_bytes_that_are_no_utf_8_are_told_with_their_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_bytes("unit,pq\nm,1\n설비,2\n".encode("cp949"))
    assert run(monkeypatch, "kpis", "evaluate", "in.csv", "--out", "out.csv") == 2
    assert "in.csv, row 3: not UTF-8" in capsys.readouterr().err


# 8 h from 08:00 in Korea. press: 1 h set-up, 5 h running, 30 min down, 30 min repair, 1 h idle.
STATES = (
    "machine,at,state\n"
    "press,2025-11-03T12:00:00+09:00,running\n"
    "press,2025-11-02T23:00:00Z,setup\n"
    "press,2025-11-03T09:00:00+09:00,running\n"
    "press,2025-11-03T11:00:00+09:00,down\n"
    "press,2025-11-03T11:30:00+09:00,repair\n"
    "press,2025-11-03T15:00:00+09:00,idle\n"
    "lathe,2025-11-03T10:00:00+09:00,running\n"
)
# press makes 500, of which 25 are rejected: 30 s x 475 = 14,250 s of 28,800 s.
COUNTS = (
    "machine,at,total,rejected\n"
    "press,2025-11-03T07:59:00+09:00,1000,40\n"
    "press,2025-11-03T13:00:00+09:00,1300,50\n"
    "press,2025-11-03T15:59:59+09:00,200,15\n"
    "press,2025-11-03T16:00:00+09:00,900,15\n"
)


def test_events_become_kpis_of_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_events(monkeypatch, STATES, COUNTS) == 0
    rows = {(row["unit"], row["kpi"]): row for row in read()}
    values = {kpi: row["value"] for (unit, kpi), row in rows.items() if unit == "press"}
    assert {kpi: float(value) for kpi, value in values.items() if value} == pytest.approx(
        {
            "availability": 18_000 / 28_800,
            "effectiveness": 15_000 / 18_000,
            "quality_ratio": 0.95,
            "quality_ratio_time": 0.95,
            "oee": 14_250 / 28_800,
            "nee": 21_600 / 28_800 * 15 / 18 * 0.95,
            "utilisation_efficiency": 18_000 / 25_200,
            "allocation_efficiency": 25_200 / 28_800,
            "technical_efficiency": 18_000 / 21_600,
            "setup_rate": 3_600 / 21_600,
            "scrap_ratio": 0.05,
            "corrective_maintenance_ratio": 1.0,
            "mtbf_fe_s": 18_000,
            "mtbf_fe1_s": 9_000,
            "mttr_fe_s": 3_600,
            "mttr_fe1_s": 1_800,
        }
    )
    missing = {kpi: rows["press", kpi]["reason"] for kpi, value in values.items() if not value}
    assert missing == {
        "throughput_per_h": "missing_element:aoet_s",
        "rework_ratio": "missing_element:rq",
        "energy_kwh_per_unit": "missing_element:energy_kwh",
    }
    # lathe: 2 h silent of 8 h, nothing counted
    assert (rows["lathe", "availability"]["value"], rows["lathe", "availability"]["coverage"]) == (
        "1.0",
        "0.75",
    )
    assert rows["lathe", "oee"]["reason"] == "missing_element:gq"
    assert rows["lathe", "mtbf_fe_s"]["reason"] == "zero_denominator"


def test_the_elements_of_events_are_written_and_evaluate_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert from_events(monkeypatch, STATES, COUNTS, "--elements", "elements.csv") == 0
    direct = read()
    assert read("elements.csv")[0] == {
        "unit": "press", "pbt_s": "28800.0", "apt_s": "18000.0", "asut_s": "3600.0", "adet_s": "3600.0",
        "adot_s": "1800.0", "pmt_s": "0.0", "cmt_s": "1800.0", "pru_s": "30.0", "pq": "500.0", "gq": "475.0",
        "sq": "25.0", "failures": "1", "tbf_s": "18000.0", "ttr_s": "3600.0", "unknown_s": "0.0",
    }  # fmt: skip
    assert run(monkeypatch, "kpis", "evaluate", "elements.csv", "--out", "out.csv") == 0
    assert read() == direct


@pytest.mark.parametrize(
    ("states", "counts", "options", "told"),
    [
        (STATES + "press,2025-11-03T09:00:00,running\n", COUNTS, [], "s.csv, row 9, column at"),
        (STATES + "press,,running\n", COUNTS, [], "s.csv, row 9, column at"),
        (STATES + ",2025-11-03T09:00:00Z,running\n", COUNTS, [], "s.csv, row 9, column machine"),
        ("machine,at\n", COUNTS, [], "s.csv, row 1, column state"),
        (STATES, COUNTS + "press,2025-11-03T09:00:00Z,,1\n", [], "c.csv, row 6, column total"),
        (STATES, COUNTS + "press,2025-11-03T09:00:00Z,-5,1\n", [], "c.csv, row 6, column total"),
        (STATES, COUNTS + "press,2025-11-03T09:00:00Z,5,x\n", [], "c.csv, row 6, column rejected"),
        (STATES, COUNTS, ["--to", "2025-11-03T08:00:00+09:00"], "--to"),
        (STATES, COUNTS, ["--from", "2025-11-03"], "--from"),
        (STATES, COUNTS, ["--planned-seconds", "-1"], "--planned-seconds"),
        (STATES, COUNTS, ["--ideal-seconds", "nan"], "--ideal-seconds"),
    ],
)  # fmt: skip
def test_unusable_events_are_told_and_leave_no_output(
    states: str, counts: str, options: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    written("out.csv", "an earlier answer\n")
    assert from_events(monkeypatch, states, counts, *options) == 2
    assert told in capsys.readouterr().err
    assert not Path("out.csv").exists()
