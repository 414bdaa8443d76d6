"""The command `attack`: exact input, bounds worked by hand, and faults."""

import csv
import sys
from pathlib import Path

import pytest

from pipelines import cli

# The pattern of the textbook: a 2 x 2 block is withheld in a table of 3 x 3 with margins. With
# x = (a,s): (a,l) = 50 - 20 - x = 30 - x, (b,s) = 40 - 10 - x = 30 - x, (b,l) = 60 - 15 - (30 - x) = 15 + x.
# So x is 0..30, (a,l) and (b,s) are 0..30, (b,l) is 15..45.
BLOCK = """size,region,value
*,*,150
s,*,40
m,*,45
l,*,65
*,a,50
*,b,60
*,c,40
s,a,
m,a,20
l,a,
s,b,
m,b,15
l,b,
s,c,10
m,c,10
l,c,20
"""


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["digital-cluster", "attack", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def read() -> list[list[str]]:
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def attacked(
    monkeypatch: pytest.MonkeyPatch, text: str, *options: str, by: str = "region"
) -> list[list[str]]:
    arguments = [written("in.csv", text), "--by", by, "--out", "out.csv", *options]
    assert run(monkeypatch, *arguments) == 0
    return read()


def test_a_withheld_block_is_bounded_as_worked_by_hand_in_the_order_of_the_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attacked(monkeypatch, BLOCK, by="region,size")
    assert Path("out.csv").read_text(encoding="utf-8") == (
        "region,size,lower,upper\na,s,0.0,30.0\na,l,0.0,30.0\nb,s,0.0,30.0\nb,l,15.0,45.0\n"
    )


def test_the_output_does_not_depend_on_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    header, *rows = BLOCK.splitlines(keepends=True)
    found = attacked(monkeypatch, BLOCK, by="region,size")
    turned = attacked(monkeypatch, header + "".join(reversed(rows)), by="region,size")
    assert turned == [found[0], *reversed(found[1:])]


def test_two_withheld_in_every_row_and_column_can_still_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows a: x1 + x2 = 5, b: x3 + x4 = 5, columns s: x1 + x3 = 9... with all >= 0: x2 + x4 = 1,
    # so x2 <= 1 and x1 >= 4: bounds are far from [0, 5].
    text = "r,c,value\n*,*,10\na,*,5\nb,*,5\n*,s,9\n*,l,1\na,s,\na,l,\nb,s,\nb,l,\n"
    rows = attacked(monkeypatch, text, by="r,c")[1:]
    assert [row[2:] for row in rows] == [["4.0", "5.0"], ["0.0", "1.0"]] * 2


def test_an_absent_combination_is_no_zero_and_enters_no_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "r,c,value\n*,*,10\na,*,\nb,*,4\n*,s,10\na,s,\n"
    # a,* = 10 - 4; (b,s) is absent, so s = a,s + b,s is no equation; c has the one code s: a,* = a,s.
    assert attacked(monkeypatch, text, by="r,c")[1:] == [["a", "*", "6.0", "6.0"], ["a", "s", "6.0", "6.0"]]
    wider = text + "*,l,0\n"  # now c has s and l: a,* = a,s + a,l lacks a,l, so a,s is free
    assert attacked(monkeypatch, wider, by="r,c")[1:] == [["a", "*", "6.0", "6.0"], ["a", "s", "0.0", ""]]


def test_a_cell_without_any_sum_is_unbounded_and_signed_cells_have_no_least_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert attacked(monkeypatch, "region,value\na,\nb,1\n")[1:] == [["a", "0.0", ""]]
    assert attacked(monkeypatch, "region,value\na,\nb,-1\n", "--signed")[1:] == [["a", "", ""]]
    text = "region,value\n*,-3\na,\nb,\nc,4\n"
    assert attacked(monkeypatch, text, "--signed")[1:] == [["a", "", ""], ["b", "", ""]]


def test_a_hierarchy_adds_the_sums_of_its_inner_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    # north = a + b = 10 is withheld: 30 - 20; a = 10 - 4.
    written("h.csv", "child,parent\na,north\nb,north\nc,south\nnorth,*\nsouth,*\n")
    text = "region,value\n*,30\nnorth,\na,\nb,4\nsouth,20\nc,\n"
    rows = attacked(monkeypatch, text, "--hierarchy", "region=h.csv")[1:]
    assert rows == [["north", "10.0", "10.0"], ["a", "6.0", "6.0"], ["c", "20.0", "20.0"]]


def test_a_level_that_is_not_whole_gives_no_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    written("h.csv", "child,parent\na,north\nb,north\nc,south\nnorth,*\nsouth,*\n")
    text = "region,value\n*,30\nnorth,\na,7\nsouth,20\n"  # b is absent: north = a + b is none
    assert attacked(monkeypatch, text, "--hierarchy", "region=h.csv")[1:] == [["north", "10.0", "10.0"]]
    text = "region,value\n*,30\nnorth,\na,7\nb,2\n"  # south is absent
    assert attacked(monkeypatch, text, "--hierarchy", "region=h.csv")[1:] == [["north", "9.0", "9.0"]]


def test_a_printed_value_is_known_within_half_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    # * = 95..105, b = 35..45: a = 50..70. Without rounding it is 60.
    text = "region,value\n*,100\na,\nb,40\n"
    assert attacked(monkeypatch, text)[1:] == [["a", "60.0", "60.0"]]
    assert attacked(monkeypatch, text, "--rounding", "10")[1:] == [["a", "50.0", "70.0"]]
    # * = 0..5 by non-negativity, not -5..5
    assert attacked(monkeypatch, "region,value\n*,0\na,\nb,\n", "--rounding", "10")[1:] == [
        ["a", "0.0", "5.0"], ["b", "0.0", "5.0"],
    ]  # fmt: skip


def test_rounded_values_may_miss_their_sum_and_exact_ones_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "region,value\n*,100\na,33\nb,33\nc,33\nd,\n"
    assert attacked(monkeypatch, text, "--rounding", "1")[1:] == [["d", "0.0", "3.0"]]
    wrong = "region,value\n*,100\na,33\nb,33\nc,33\n"
    attacked(monkeypatch, wrong, "--rounding", "1")
    assert run(monkeypatch, "in.csv", "--by", "region", "--out", "out.csv") == 3


def test_whole_numbers_have_tighter_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    # * = 9.5..10.5 means 10; b = 2.5..3.5 means 3
    text = "region,value\n*,10\na,\nb,3\n"
    assert attacked(monkeypatch, text, "--rounding", "1")[1:] == [["a", "6.0", "8.0"]]
    assert attacked(monkeypatch, text, "--rounding", "1", "--integer")[1:] == [["a", "7", "7"]]


def test_bounds_of_whole_numbers_are_exact_where_the_linear_ones_are_fractions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The 3-dimensional table with all margins over one dimension equal to 1 (2 x 2 x 2 of even parity): the
    # linear bounds of an inner cell reach 1/2 where the whole numbers are fixed. Here (p = q + r, q = r):
    # 2 q = p by two breakdowns of the same parts; p known within 2..3.9 gives q = 1..1.95, whole: 1.
    cells = ["a,b,value", "*,*,", "x,*,", "y,*,", "*,u,", "*,v,", "x,u,0", "x,v,", "y,u,", "y,v,0"]
    written("k.csv", "a,b,lower,upper\n*,*,2,3.9\n")
    # x = xv, y = yu, u = yu, v = xv: * = xv + yu; no parity here: xv is 0..3
    rows = attacked(monkeypatch, "\n".join(cells) + "\n", "--integer", "--knows", "k.csv", by="a,b")[1:]
    assert [row for row in rows if row[:2] in (["*", "*"], ["x", "v"])] == [
        ["*", "*", "2", "3"], ["x", "v", "0", "3"],
    ]  # fmt: skip


def test_parity_that_only_whole_numbers_know_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # Unknown: the six cells below; the three
    # pair sums x+y = y+z = x+z = t force 2x = t: with t = 0..1 whole, x is 0 and t is 0, linear: x up to 1/2.
    rows = ["a,b,c,value"]
    # cells: (1,2,*) = x + y etc. are built as sums over a dimension with two codes each
    rows += ["p,p,*,", "p,p,p,", "p,p,q,"]  # t1 = x + y
    rows += ["q,*,p,", "q,p,p,", "q,q,p,"]  # t2 = y' + z
    written("k.csv", "a,b,c,lower,upper\np,p,*,0,1\nq,*,p,0.2,1.7\n")
    found = attacked(monkeypatch, "\n".join(rows) + "\n", "--integer", "--knows", "k.csv", by="a,b,c")[1:]
    assert [row[3:] for row in found] == [["0", "1"]] * 3 + [["1", "1"], ["0", "1"], ["0", "1"]]


def test_what_the_attacker_knows_narrows_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "region,value\n*,100\na,\nb,\nc,\n"
    written("k.csv", "region,value\na,30\n")
    rows = attacked(monkeypatch, text, "--knows", "k.csv")[1:]
    assert rows == [["a", "30.0", "30.0"], ["b", "0.0", "70.0"], ["c", "0.0", "70.0"]]
    written("k.csv", "region,lower,upper\na,20,\nb,,50\n")
    rows = attacked(monkeypatch, text, "--knows", "k.csv")[1:]
    assert rows == [["a", "20.0", "100.0"], ["b", "0.0", "50.0"], ["c", "0.0", "80.0"]]


@pytest.mark.parametrize(
    ("text", "options", "named"),
    [
        ("region,value\n*,11\na,5\nb,5\n", [], "(*) = (a) + (b)"),
        ("region,value\n*,5\na,6\nb,\n", [], "(*) = (a) + (b)"),
        ("r,c,value\n*,*,10\na,*,5\nb,*,6\n*,s,\n*,l,\n", [], "(*, *) = (a, *) + (b, *)"),
        # every sum alone can hold; together * = 5 + 7 and * = 20 + l can't
        (
            "r,c,value\n*,*,\na,*,5\nb,*,7\n*,s,20\n*,l,\na,s,\na,l,\nb,s,\nb,l,\n", [],
            "(*, *) = (*, l) + (*, s)",
        ),
        ("region,value\n*,10\na,\nb,\n", ["--knows", "k.csv"], "(*) = (a) + (b)"),
        ("region,value\n*,10\na,4\nb,\n", ["--knows", "k.csv"], "(a) = x"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_ends_with_3_and_a_violated_equation(
    text: str, options: list[str], named: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    written("k.csv", "region,value\na,30\n")
    written("out.csv", "an earlier answer\n")
    by = text.split(",value", maxsplit=1)[0]
    assert run(monkeypatch, written("in.csv", text), "--by", by, "--out", "out.csv", *options) == 3
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert named in told[0]
    assert not Path("out.csv").exists()


def test_values_may_miss_their_sum_by_the_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    # 1e-6 below a thousand, 1e-9 of the largest above: 1e12 tolerates 1,000
    attacked(monkeypatch, "region,value\n*,10.0000009\na,5\nb,5\nc,\n")
    assert float(read()[1][1]) == pytest.approx(0.0, abs=1e-6)
    attacked(monkeypatch, "region,value\n*,1000000000900\na,400000000000\nb,600000000000\n")
    found = attacked(monkeypatch, "region,value\n*,1000000000000\na,0.1\nb,\n")
    assert float(found[1][1]) == pytest.approx(1e12, abs=1e3)
    assert run(monkeypatch, written("in.csv", "region,value\n*,10.000002\na,5\nb,5\n"), "--by", "region",
               "--out", "out.csv") == 3  # fmt: skip


def test_sums_of_decimals_are_not_inconsistent_by_their_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = attacked(monkeypatch, "region,value\n*,0.6\na,0.1\nb,0.2\nc,\n")
    assert found[1:] == [["c", "0.3", "0.3"]]


def test_a_table_with_nothing_empty_gives_the_header_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attacked(monkeypatch, "\ufeffregion,value\n*,3\na,3\n") == [["region", "lower", "upper"]]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("region,val\na,1\n", [], "in.csv, row 1, column 'val'"),
        ("region,value,note\na,1,\n", [], "in.csv, row 1, column 'note'"),
        ("value\n1\n", [], "in.csv, row 1, column region"),
        ("region,value\na,1\na,2\n", [], "in.csv, row 3, column region"),
        ("region,value\n,1\n", [], "in.csv, row 2, column region"),
        ("region,value\na,one\n", [], "in.csv, row 2, column value"),
        ("region,value\na,-1\n", [], "in.csv, row 2, column value"),
        ("region,value\na,1.5\n", ["--integer"], "in.csv, row 2, column value"),
        ("region,value\na,1\n", ["--hierarchy", "h.csv"], "--hierarchy"),
        ("region,value\na,1\n", ["--hierarchy", "size=h.csv"], "--hierarchy"),
        ("region,value\na,1\n", ["--hierarchy", "region=absent.csv"], "absent.csv"),
        ("region,value\nz,1\n", ["--hierarchy", "region=h.csv"], "in.csv, row 2, column region"),
        ("region,value\na,1\n", ["--hierarchy", "region=twice.csv"], "twice.csv, row 3, column child"),
        ("region,value\na,1\n", ["--hierarchy", "region=open.csv"], "open.csv, row 2, column parent"),
        ("region,value\na,1\n", ["--hierarchy", "region=circle.csv"], "circle.csv, row 2, column parent"),
        ("region,value\na,1\n", ["--hierarchy", "region=root.csv"], "root.csv, row 2, column child"),
        ("region,value\na,1\n", ["--rounding", "0"], "--rounding"),
        ("region,value\na,1\n", ["--rounding", "nan"], "--rounding"),
        ("region,value\na,\n", ["--knows", "absent_cell.csv"], "absent_cell.csv, row 2, column region"),
        ("region,value\na,\n", ["--knows", "half.csv"], "half.csv, row 1"),
        ("region,value\na,\n", ["--knows", "upside.csv"], "upside.csv, row 2, column upper"),
        ("region,value\na,\n", ["--knows", "empty.csv"], "empty.csv, row 2, column value"),
        ("value,value\na,1\n", ["--by", "value"], "--by"),
        ("region,value\na,1\n", ["--by", "region,region"], "--by"),
    ],
)
def test_unusable_input_ends_with_2_and_is_told_with_row_and_column(
    text: str, options: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    written("h.csv", "child,parent\na,north\nnorth,*\n")
    written("twice.csv", "child,parent\na,*\na,*\n")
    written("open.csv", "child,parent\na,north\n")
    written("circle.csv", "child,parent\na,b\nb,a\n")
    written("root.csv", "child,parent\n*,a\na,*\n")
    written("absent_cell.csv", "region,value\nz,1\n")
    written("half.csv", "region,lower\na,1\n")
    written("upside.csv", "region,lower,upper\na,2,1\n")
    written("empty.csv", "region,value\na,\n")
    written("out.csv", "an earlier answer\n")
    by = [] if "--by" in options else ["--by", "region"]
    assert run(monkeypatch, written("in.csv", text), *by, "--out", "out.csv", *options) == 2
    assert told in capsys.readouterr().err
    assert not Path("out.csv").exists() or told == "--by"
