"""The command `disclose`: exact input, output, reasons, exit codes."""

import csv
import stat
import sys
from pathlib import Path

import pytest

from pipelines import cli

Rows = list[dict[str, str]]

# One firm in (b,s); the table needs a block: (b,l) in its row, and the same two columns of one more row.
RECORDS = """region,size,firm,group,note,kwh
a,s,f1,g1,,30
a,s,f2,g2,,20
a,s,f3,g3,,10
a,l,f4,g4,,40
a,l,f5,g5,,50
a,l,f6,g6,,60
b,s,f7,g7,,25
b,l,f8,g8,,35
b,l,f9,g9,x,45
b,l,f10,g10,,55
c,s,f11,g11,,70
c,s,f12,g12,,80
c,s,f13,g13,,90
c,l,f14,g14,,70
c,l,f15,g15,,80
c,l,f16,g16,,90
"""
RULES = "min_contributors: 3\np_percent: 10\n"


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["digital-cluster", "disclose", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def read() -> Rows:
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def options(policy: str = RULES, by: str = "region,size") -> list[str]:
    return ["--by", by, "--policy", written("policy.yaml", policy), "--out", "out.csv"]


def disclosed(
    monkeypatch: pytest.MonkeyPatch, records: str, *more: str, policy: str = RULES, by: str = "region,size"
) -> Rows:
    assert run(monkeypatch, written("in.csv", records), *options(policy, by), "--value", "kwh", *more) == 0
    return read()


def ready(
    monkeypatch: pytest.MonkeyPatch, cells: str, *more: str, policy: str = RULES, by: str = "r"
) -> Rows:
    assert run(monkeypatch, "--cells", written("cells.csv", cells), *options(policy, by), *more) == 0
    return read()


def brief(rows: Rows, *columns: str) -> dict[str, tuple[str, ...]]:
    dims = [c for c in rows[0] if c not in ("status", "value", "contributors", "lower", "upper", "reason")]
    return {",".join(row[d] for d in dims): tuple(row[c] for c in columns) for row in rows}


def test_the_answer_has_its_exact_form_with_totals_last(monkeypatch: pytest.MonkeyPatch) -> None:
    disclosed(monkeypatch, RECORDS, "--contributor", "firm")
    # The block {a, b} x {s, l}: (b,s) 25, (b,l) 135 in b = 160, (a,s) 60, (a,l) 150 in a = 210; of these
    # rows s is 85, l is 285. x = (b,s): (a,s) = 85 - x, (b,l) = 160 - x, (a,l) = 125 + x: x in 0..85.
    assert Path("out.csv").read_text(encoding="utf-8") == (
        "region,size,status,value,contributors,lower,upper,reason\n"
        "a,l,secondary,,3,125.0,210.0,secondary\n"
        "a,s,secondary,,3,0.0,85.0,secondary\n"
        "a,*,published,210.0,6,210.0,210.0,\n"
        "b,l,secondary,,3,75.0,160.0,secondary\n"
        "b,s,primary,,1,0.0,85.0,min_contributors;p_percent\n"
        "b,*,published,160.0,4,160.0,160.0,\n"
        "c,l,published,240.0,3,240.0,240.0,\n"
        "c,s,published,240.0,3,240.0,240.0,\n"
        "c,*,published,480.0,6,480.0,480.0,\n"
        "*,l,published,525.0,9,525.0,525.0,\n"
        "*,s,published,325.0,7,325.0,325.0,\n"
        "*,*,published,850.0,16,850.0,850.0,\n"
    )
    assert stat.S_IMODE(Path("out.csv").stat().st_mode) == 0o600


def test_the_same_bytes_in_any_order_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    header, *rows = RECORDS.splitlines(keepends=True)
    answers = set()
    for order in (rows, rows[::-1], sorted(rows)):
        disclosed(monkeypatch, header + "".join(order))  # every row its own contributor
        answers.add(Path("out.csv").read_bytes())
    assert len(answers) == 1


def test_contributions_are_added_per_holding_else_contributor_else_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = "r,firm,group,kwh\na,f1,g,1\na,f1,g,1\na,f2,g,1\na,f3,,1\n"
    few = "min_contributors: 1\n"
    assert brief(disclosed(monkeypatch, records, policy=few, by="r"), "contributors")["a"] == ("4",)
    rows = disclosed(monkeypatch, records, "--contributor", "firm", policy=few, by="r")
    assert brief(rows, "contributors")["a"] == ("3",)
    rows = disclosed(monkeypatch, records, "--contributor", "firm", "--holding", "group", policy=few, by="r")
    assert brief(rows, "contributors")["a"] == ("2",)


def test_a_cell_is_the_sum_of_weight_times_value_in_decimals(monkeypatch: pytest.MonkeyPatch) -> None:
    records = "r,w,kwh\na,3,0.1\na,1,0.3\na,0,7\n"
    rows = disclosed(monkeypatch, records, "--weight", "w", policy="{}", by="r")
    assert brief(rows, "value", "contributors")["a"] == ("0.6", "2")  # the weight 0 contributes nothing


def test_a_holding_has_a_waiver_only_if_all_its_rows_have(monkeypatch: pytest.MonkeyPatch) -> None:
    # 100 of 120: unsafe by (1,75) unless g waived; then s = 10: 10 of 120
    rule = "dominance: [{n: 1, k_percent: 75}]\n"
    records = "r,g,w,kwh\na,g,1,60\na,g,{},40\na,h,0,10\na,i,0,10\nb,j,0,1\nb,k,0,1\n"
    waivers = ["--holding", "g", "--waiver", "w"]
    rows = disclosed(monkeypatch, records.format(1), *waivers, policy=rule, by="r")
    assert brief(rows, "status")["a"] == ("published",)
    rows = disclosed(monkeypatch, records.format(0), *waivers, policy=rule, by="r")
    assert brief(rows, "status", "reason")["a"] == ("primary", "dominance")


def test_a_record_without_a_value_is_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = disclosed(monkeypatch, "r,kwh\na,1\na,\nb,\n", policy="{}", by="r")
    assert brief(rows, "value") == {"a": ("1.0",), "*": ("1.0",)}  # b has no record
    assert capsys.readouterr().err == (
        "note: 2 records without a value were left out / 참고: 값이 없는 레코드 2건은 제외했습니다\n"
    )


def test_a_file_without_records_has_no_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disclosed(monkeypatch, "r,kwh\n", by="r") == []


def test_signed_whole_numbers_come_out_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    # a is one holding's 3 - 5 = -2: |a| <= 2 x 1.5 = 3. With c = 6 (|c| <= 9) withheld too, a + c = 4:
    # a in 4 - 9 .. 4 + 9, so a is -3..3, and b and the total can stay.
    policy = "min_contributors: 2\nnonnegative: false\ninteger: true\nbound_percent: 50\n"
    records = "r,g,kwh\na,k,3\na,k,-5\n" + "".join(f"b,b{i},3\nc,c{i},{i}\n" for i in range(1, 4))
    rows = disclosed(monkeypatch, records, "--holding", "g", policy=policy, by="r")
    found = brief(rows, "status", "value", "lower", "upper")
    assert found["a"] == ("primary", "", "-3", "3")
    assert found["b"] == ("published", "9", "9", "9")


def test_inner_nodes_of_a_hierarchy_are_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    written("h.csv", "child,parent\nx,north\ny,north\nz,south\nnorth,*\nsouth,*\n")
    rows = disclosed(monkeypatch, "r,kwh\nx,1\ny,2\nz,4\n", "--hierarchy", "r=h.csv", policy="{}", by="r")
    assert [(row["r"], row["value"]) for row in rows] == [
        ("north", "3.0"), ("south", "4.0"), ("x", "1.0"), ("y", "2.0"), ("z", "4.0"), ("*", "7.0"),
    ]  # fmt: skip


def test_linked_tables_share_their_cells_and_lack_the_dimensions_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = "r,c,k,kwh\na,s,u,1\na,l,v,2\nb,s,v,4\n"
    rows = disclosed(monkeypatch, records, "--linked", "k", "--linked", "c,k", policy="{}", by="r,c")
    assert list(rows[0])[:3] == ["r", "c", "k"]
    found = brief(rows, "value")
    assert found["*,*,*"] == ("7.0",)
    assert found["*,s,*"] == ("5.0",)  # of r,c and of c,k: once
    assert found["*,*,v"] == ("6.0",)
    assert found["*,s,v"] == ("4.0",)
    assert "a,*,u" not in found
    assert "b,l,*" not in found  # a combination without a record
    assert len(rows) == len(found) == 13  # 8 of r,c; u and v; 3 of c,k


def test_what_a_lone_holding_and_a_coalition_can_know_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    # four equal firms: one other knows 10 of the rest; of two others the last one's rest is 10: 10 < 1? safe
    records = "r,g,kwh\n" + "".join(f"{r},{r}{i},10\n" for r in "ab" for i in range(3))
    rows = disclosed(monkeypatch, records, "--holding", "g", policy="p_percent: 10\ncoalition: 1\n", by="r")
    assert {row["status"] for row in rows} == {"published"}
    rows = disclosed(monkeypatch, records, "--holding", "g", policy="p_percent: 10\ncoalition: 2\n", by="r")
    assert brief(rows, "status", "reason")["a"] == ("primary", "min_contributors;p_percent")


def test_a_zero_cell_is_published_unless_the_policy_calls_it_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    records = "r,kwh\na,0\na,0\n" + "b,5\n" * 4 + "c,7\n" * 4
    found = brief(disclosed(monkeypatch, records, by="r"), "status", "value", "contributors")
    assert found["a"] == ("published", "0.0", "0")
    rows = disclosed(monkeypatch, records, policy=RULES + "zero_unsafe: true\n", by="r")
    assert brief(rows, "status", "contributors", "reason")["a"] == ("primary", "0", "zero")
    # b (20) is withheld with it; the smallest published value is c: 28? 0 can seem at most 20: the total goes
    assert float(brief(rows, "upper")["a"][0] or "inf") >= 20


def test_ready_cells_come_out_in_the_order_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = "r,value,contributors,x1,x2\n*,240,13,90,60\nb,40,4,10,10\na,100,2,90,10\nc,100,7,30,20\n"
    rows = ready(monkeypatch, cells)
    assert [(row["r"], row["status"], row["reason"]) for row in rows] == [
        ("*", "published", ""), ("b", "secondary", "secondary"),
        ("a", "primary", "min_contributors;p_percent"), ("c", "published", ""),
    ]  # fmt: skip
    assert brief(rows, "lower", "upper")["a"] == ("0.0", "140.0")


def test_contributions_that_are_not_given_are_taken_as_large_as_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a: x1 = 60, x2 could be 40: rest 0 < 6; b: x1 = 10, x2 at most 10: rest 20 >= 1; c needs none
    cells = "r,value,contributors,x1,x2\na,100,5,60,\nb,40,4,10,\nc,90,5,20,20\n*,230,14,60,20\n"
    rows = ready(monkeypatch, cells, policy="p_percent: 10\n")
    found = brief(rows, "status", "reason")
    assert found["a"] == ("primary", "p_percent;assumed_x")
    assert found["b"] == ("secondary", "secondary;assumed_x")
    assert found["c"] == ("published", "")
    # without a rule of sizes nothing is assumed
    bare = "r,value,contributors\na,100,5\n*,100,5\n"
    assert brief(ready(monkeypatch, bare, policy="min_contributors: 3\n"), "reason")["a"] == ("",)


def test_the_status_of_ready_cells_may_be_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = "r,value,contributors,status\na,50,5,primary\nb,40,4,published\nc,90,5,\n*,180,14,\n"
    found = brief(ready(monkeypatch, cells, policy="min_contributors: 3\n"), "status")
    assert found == {"a": ("primary",), "b": ("published",), "c": ("secondary",), "*": ("published",)}


def test_a_lone_contributor_of_a_ready_cell_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = "r,value,contributors\na,100,1\nb,10,1\nc,120,4\nd,160,4\n*,390,10\n"
    found = brief(ready(monkeypatch, cells, policy="min_contributors: 3\n"), "status")
    assert found["c"] == ("secondary",)
    assert found["d"] == ("published",)


def test_frozen_cells_are_read_from_the_file_beside_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = "r,value,contributors\na,100,1\nb,10,4\nc,120,4\nd,160,4\n*,390,13\n"
    written("frozen.csv", "r,status\nb,published\nd,withheld\n")
    policy = "min_contributors: 3\nfrozen: frozen.csv\n"
    assert brief(ready(monkeypatch, cells, policy=policy), "status", "reason") == {
        "a": ("primary", "min_contributors"), "b": ("published", "frozen"), "c": ("published", ""),
        "d": ("frozen", "frozen"), "*": ("published", ""),
    }  # fmt: skip


def test_no_input_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = written("cells.csv", "r,value,contributors\na,100,5\n*,100,5\n")
    written("frozen.csv", "r,status\na,published\n")
    arguments = ["--cells", cells, *options("frozen: frozen.csv\n", "r")[:-1]]
    for target in ("frozen.csv", "cells.csv", "policy.yaml"):
        assert run(monkeypatch, *arguments, target) == 2
    assert sorted(p.name for p in Path().iterdir()) == ["cells.csv", "frozen.csv", "policy.yaml"]


def test_protection_that_can_not_be_reached_ends_with_4_and_lists_the_cells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = "r,value,contributors\na,100,1\nb,10,4\n*,110,5\n"
    written("frozen.csv", "r,status\nb,published\n*,published\n")
    written("out.csv", "an earlier answer\n")
    policy = "min_contributors: 3\nfrozen: frozen.csv\n"
    assert run(monkeypatch, "--cells", written("cells.csv", cells), *options(policy, "r")) == 4
    assert "(a)" in capsys.readouterr().err
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("total", ["111", "110.00001"])
def test_ready_cells_that_do_not_add_up_end_with_3(
    total: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = f"r,value,contributors\na,100,5\nb,10,4\n*,{total},9\n"
    assert run(monkeypatch, "--cells", written("cells.csv", cells), *options(by="r")) == 3
    assert "(*) = (a) + (b)" in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_ready_cells_may_miss_their_sum_by_a_billionth(monkeypatch: pytest.MonkeyPatch) -> None:
    ready(monkeypatch, "r,value,contributors\na,100,5\nb,10,4\n*,110.00000001,9\n", policy="{}")


def test_holdings_of_ready_cells_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = "r,value,contributors,x1,x2,x3\na,40,4,10,10,10\nb,40,4,10,10,10\n*,80,8,10,10,10\n"
    rows = ready(monkeypatch, cells, policy="p_percent: 10\ncoalition: 2\n")
    assert {row["status"] for row in rows} == {"published"}


@pytest.mark.parametrize(
    ("records", "more", "told"),
    [
        ("r,kwh\n*,1\n", [], "in.csv, row 2, column r"),
        ("r,kwh\n,1\n", [], "in.csv, row 2, column r"),
        ("r,kwh\na,much\n", [], "in.csv, row 2, column kwh"),
        ("r,kwh\na,-1\n", [], "cell (*) is negative"),
        ("r\na\n", [], "in.csv, row 1, column kwh"),
        ("r,kwh,w\na,1,2\n", ["--waiver", "w"], "in.csv, row 2, column w"),
        ("r,kwh,w\na,1,\n", ["--waiver", "w"], "in.csv, row 2, column w"),
        ("r,kwh,w\na,1,-1\n", ["--weight", "w"], "in.csv, row 2, column w"),
        ("r,kwh,w\na,1,\n", ["--weight", "w"], "in.csv, row 2, column w"),
        ("r,kwh\na,1\n", ["--holding", "g"], "in.csv, row 1, column g"),
        ("r,kwh\nnorth,1\n", ["--hierarchy", "r=h.csv"], "in.csv, row 2, column r"),
        ("r,kwh\nz,1\n", ["--hierarchy", "r=h.csv"], "in.csv, row 2, column r"),
        ("r,kwh\na,1\n", ["--cells", "in.csv"], "--cells"),
        ("r,kwh\na,1\n", ["--linked", "r,r"], "--linked"),
    ],
)
def test_unusable_records_end_with_2_and_are_told_with_row_and_column(
    records: str, more: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    written("h.csv", "child,parent\na,north\nnorth,*\n")
    written("out.csv", "an earlier answer\n")
    arguments = [written("in.csv", records), *options(by="r"), "--value", "kwh", *more]
    assert run(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("r,value,contributors,note\na,1,1,\n", "row 1, column note"),
        ("r,value,contributors,x2\na,1,1,\n", "row 1, column x2"),
        ("r,value,contributors\na,,1\n", "row 2, column value"),
        ("r,value,contributors\na,1,\n", "row 2, column contributors"),
        ("r,value,contributors\na,1,1.5\n", "row 2, column contributors"),
        ("r,value,contributors\na,1,0\n", "row 2, column contributors"),
        ("r,value,contributors\na,-1,1\n", "row 2, column value"),
        ("r,value,contributors\na,1,1\na,1,1\n", "row 3, column r"),
        ("r,value,contributors,x1,x2\na,9,3,1,2\n", "row 2, column x2"),
        ("r,value,contributors,x1,x2\na,9,3,,2\n", "row 2, column x2"),
        ("r,value,contributors,x1,x2\na,9,1,5,4\n", "row 2, column x2"),
        ("r,value,contributors,x1\na,9,1,10\n", "row 2, column x1"),
        ("r,value,contributors,status\na,9,1,secret\n", "row 2, column status"),
    ],
)
def test_unusable_ready_cells_end_with_2_and_are_told_with_row_and_column(
    cells: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--cells", written("cells.csv", cells), *options(by="r")) == 2
    assert f"cells.csv, {told}" in capsys.readouterr().err
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("min_contributor: 3\n", "key min_contributor"),
        ("min_contributors: three\n", "key min_contributors"),
        ("min_contributors: -1\n", "key min_contributors"),
        ("p_percent: 0\n", "key p_percent"),
        ("p_percent: true\n", "key p_percent"),
        ("coalition: 0\n", "key coalition"),
        ("strict: 1\n", "key strict"),
        ("dominance: {n: 1, k_percent: 75}\n", "key dominance"),
        ("dominance: [{n: 1}]\n", "key dominance"),
        ("pq: {p: 10}\n", "key pq"),
        ("- 1\n", "policy.yaml"),
        ("a: [\n", "policy.yaml, row"),
        ("frozen: absent.csv\n", "absent.csv"),
        ("frozen: unknown.csv\n", "unknown.csv, row 2, column r"),
        ("frozen: wrong.csv\n", "wrong.csv, row 2, column status"),
    ],
)
def test_an_unusable_policy_ends_with_2_and_names_the_key(
    policy: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written("unknown.csv", "r,status\nz,published\n")
    written("wrong.csv", "r,status\na,hidden\n")
    written("out.csv", "an earlier answer\n")
    arguments = [written("in.csv", "r,kwh\na,1\n"), *options(policy, "r"), "--value", "kwh"]
    assert run(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_the_bounds_of_the_answer_are_those_of_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = disclosed(monkeypatch, RECORDS, "--contributor", "firm")
    withheld = [(row["region"], row["size"], row["lower"], row["upper"]) for row in rows if not row["value"]]
    monkeypatch.setattr(
        sys, "argv", ["digital-cluster", "attack", "out.csv", "--by", "region,size", "--out", "attack.csv"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    with Path("attack.csv").open(encoding="utf-8", newline="") as file:
        assert [tuple(row) for row in csv.reader(file)][1:] == withheld
