"""`emissions evaluate`: totals, uncertainty, plausibility."""

import math
from pathlib import Path

import pytest

from tests.jobs.emission_command import (
    IN_2023,
    Y23,
    Rows,
    check,
    evaluated,
    near,
    own_factor,
    power,
    with_factors,
)


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_totals_add_scope_1_to_both_methods_and_never_two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(
        monkeypatch,
        f"a,electricity,1000,kWh,{Y23},KR\nb,electricity,1000,kWh,2022-01-01,2023-01-01,KR\n"
        f"c,natural_gas,1,TJ,{Y23},GLOBAL\nd,diesel,1,kg,{Y23},KR\nw,wood,1,TJ,{Y23},GLOBAL\n",
    )
    totals = [r for r in rows if r["activity_id"] == "*"]
    assert [(r["method"], r["gwp_set"]) for r in totals] == [
        ("location", "AR5"), ("location", "unstated"), ("market", "AR5"), ("market", "unstated"),
    ]  # fmt: skip
    assert {r["scope"] for r in totals} == {"1+2"}
    # 417.3 + 56100 + 28 + 26.5 + wood's 840 + 1060; 454.1
    for first, second in (totals[:2], totals[2:]):
        assert float(first["co2e_kg"]) == near(417.3 + 56154.5 + 1900)
        assert (first["co2_kg"], first["ch4_kg"], first["n2o_kg"], first["co2_biogenic_kg"]) == (
            "56100.0", "31.0", "4.1", "112000.0",
        )  # fmt: skip
        assert second["co2e_kg"] == "454.1"
        assert first["reason"].startswith("incomplete:1;")
        assert second["reason"].startswith("incomplete:1;")


def test_where_nothing_is_known_the_total_is_null_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = evaluated(monkeypatch, f"a,electricity,1000,kWh,{Y23},XX\n")
    for method in ("location", "market"):
        check(rows, "*", method, co2e_kg="", reason="incomplete:1", gwp_set="AR5")


def test_what_no_table_knows_may_be_of_scope_1_or_2_and_what_has_none_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = f"a,electricity,1000,kWh,{Y23},KR\n"
    rows = evaluated(monkeypatch, known + f"x,unobtainium,1,t,{Y23},KR\n")
    assert rows[-1]["reason"].startswith("incomplete:1;")
    rows = evaluated(monkeypatch, known + f"x,cbam_good_cn_72142000,1,t,{Y23},KR\n")
    assert "incomplete" not in rows[-1]["reason"]


def test_totals_are_sums_of_exact_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.04173 kg each: floats added one by one drift, figures rounded to grams would lose 2 %.
    rows = evaluated(monkeypatch, power(0.1, *IN_2023) * 3000)
    check(rows, "*", "location", co2e_kg=125.19)
    each = [float(r["co2e_kg"]) for r in rows[:-2:2]]
    assert sum(each) != 125.19
    assert math.fsum(each) == near(125.19)


UNCERTAIN = ",uncertainty_pct,factor_uncertainty_pct,factor_group"


def uncertain(monkeypatch: pytest.MonkeyPatch, cells: list[str], *options: str) -> Rows:
    """Evaluate 1000 kWh of 2023 under one composite row (417.3 kg), once per list of uncertainties."""
    rows = "".join(power(1000, *IN_2023, f",{one}") for one in cells)
    return evaluated(monkeypatch, rows, *options, more=UNCERTAIN)


@pytest.mark.parametrize(
    ("cells", "percent"),
    [
        # one factory: sqrt(a^2 + f^2) = 5
        (["3,4,"], 5.0),
        # independent meters, exact factor: a / sqrt(n)
        (["6,0,"] * 4, 3.0),
        # one factor, exact meters: all of f
        (["0,7,"] * 5, 7.0),
        # both: sqrt(a^2 / n + f^2), not sqrt((a^2 + f^2) / n)
        (["12,4,"] * 16, 5.0),
        # two groups of factors: f / sqrt(2)
        (["0,10,north", "0,10,south"], 10 / math.sqrt(2)),
        # a group of two and one alone: sqrt((2/3)^2 + (1/3)^2) f
        (["0,9,north", "0,9,north", "0,9,south"], math.sqrt(5) * 3),
        # different factors of one group go together: (4 + 8) / 2
        (["0,4,north", "0,8,north"], 6.0),
    ],
)
def test_the_uncertainty_of_a_total_knows_what_is_shared(
    cells: list[str], percent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("location", "market"):
        check(
            uncertain(monkeypatch, cells), "*", method,
            uncertainty_low_pct=near(percent), uncertainty_high_pct=near(percent), reason="",
        )  # fmt: skip


def test_what_is_not_known_of_an_uncertainty_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = uncertain(monkeypatch, ["3,4,", "3,,", ",5,"])
    told = [(r["uncertainty_low_pct"], r["reason"]) for r in rows[:6:2]]
    assert told == [("5.0", ""), ("", "factor_uncertainty_unknown"), ("5.0", "amount_uncertainty_unknown")]
    # E = 2 x 417.3: amounts 3 and unknown, one factor of 4 and 5: sqrt((3/2)^2 + (9/2)^2)
    check(
        rows, "*", "location",
        uncertainty_low_pct=near(math.sqrt(1.5**2 + 4.5**2)),
        reason=f"amount_uncertainty_unknown;uncertainty_covers:{2 / 3!r}",
    )  # fmt: skip


def test_ranges_that_are_not_symmetric_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # lignite: CO2 10 % below, 13.86 % above; no CH4, N2O row
    rows = evaluated(monkeypatch, f"a,lignite,1,TJ,{Y23},GLOBAL,5\n", more=",uncertainty_pct")
    check(
        rows,
        "a",
        uncertainty_low_pct=near(math.hypot(5, 10)),
        uncertainty_high_pct=near(math.hypot(5, 13.86)),
    )


def test_accepted_bounds_of_ch4_and_n2o_are_groups_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"a,natural_gas,1,TJ,{Y23},GLOBAL,0\n"
    rows = ["ipcc2006-manufacturing-natural_gas-ch4", "ipcc2006-manufacturing-natural_gas-n2o"]
    accept = [part for one in rows for part in ("--accept", one)]
    found = evaluated(monkeypatch, row, *accept, more=",uncertainty_pct")
    # CO2 56100 - 3.21 % + 3.92 %; CH4 1 (0.3 to 3) x 28; N2O 0.1 (0.03 to 0.3) x 265
    low = math.sqrt((56100 * 3.21) ** 2 + (28 * 70) ** 2 + (26.5 * 70) ** 2) / 56154.5
    high = math.sqrt((56100 * 3.92) ** 2 + (28 * 200) ** 2 + (26.5 * 200) ** 2) / 56154.5
    check(found, "a", uncertainty_low_pct=near(low), uncertainty_high_pct=near(high), reason="")
    found = evaluated(monkeypatch, row, *accept[:2], more=",uncertainty_pct")
    check(found, "a", uncertainty_low_pct="", reason="factor_uncertainty_unknown")


def test_the_ncv_of_a_mass_errs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    row = f"a,natural_gas,1,t,{Y23},GLOBAL,0,\nb,natural_gas,1,t,{Y23},GLOBAL,0,5\n"
    rows = ["ipcc2006-manufacturing-natural_gas-ch4", "ipcc2006-manufacturing-natural_gas-n2o"]
    accept = [part for one in rows for part in ("--accept", one)]
    found = evaluated(monkeypatch, row, *accept, more=",uncertainty_pct,factor_uncertainty_pct")
    # NCV -3.13 %: CO2 hypot(3.21, 3.13), CH4 and N2O hypot(70, 3.13)
    gases = [56100 * math.hypot(3.21, 3.13), 28 * math.hypot(70, 3.13), 26.5 * math.hypot(70, 3.13)]
    check(found, "a", uncertainty_low_pct=near(math.hypot(*gases) / 56154.5))
    check(found, "b", uncertainty_low_pct=near(5 * math.hypot(56100, 28, 26.5) / 56154.5))


def test_an_accepted_bound_of_another_value_is_inconsistent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = own_factor(
        factor_id="ipcc2006-stationary-gasoline-co2", activity="gasoline", geography="GLOBAL", basis="lhv",
        gas="CO2", gwp_set="none", unit="kgCO2/TJ", value="70000", valid_from="2006-01-01", valid_to="",
    )  # fmt: skip
    accept = ("--accept", "ipcc2006-stationary-gasoline-co2")
    evaluated(monkeypatch, power(1, *IN_2023), *accept, *with_factors(changed), code=3)
    assert "69300" in capsys.readouterr().err
    evaluated(monkeypatch, power(1, *IN_2023), *accept)


def test_an_amount_that_is_out_of_line_is_flagged_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(amounts: list[float]) -> list[bool]:
        rows = evaluated(monkeypatch, "".join(power(a, *IN_2023) for a in amounts))[:-2]
        assert all(r["co2e_kg"] for r in rows)
        return ["amount_implausible" in r["reason"].split(";") for r in rows[::2]]

    # kWh read as Wh once: 1,200,000 where the median is 1,100
    assert flags([1000, 1100, 1_200_000, 1050, 1150]) == [False, False, True, False, False]
    # MWh entered as kWh: 1.0 of 1,100 is more than a thousandth less, but not by much
    assert flags([1000, 1100, 1.09, 1150, 1200]) == [False, False, True, False, False]
    assert flags([1000, 1100, 1.1, 1150, 1100]) == [False] * 5
    assert flags([1000, 1100, 1_100_000, 1050, 1150]) == [False] * 5
    assert flags([1, 1, 5000, 1]) == [False] * 4


def test_an_energy_on_the_other_basis_is_flagged_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(rows: list[str]) -> list[bool]:
        found = evaluated(monkeypatch, "".join(f"{row}\n" for row in rows))
        return ["basis_suspect" in r["reason"].split(";") for r in found if r["activity_id"] != "*"]

    net, gross = f"a,city_gas_lng,38500,MJ_ncv,{Y23},KR", f"b,city_gas_lng,42700,MJ_gcv,{Y23},KR"
    volume = f"c,city_gas_lng,1000,Nm3,{Y23},KR"
    assert flags([net, gross]) == [False, True]
    # a bill in gross MJ that was entered as net
    assert flags([volume, f"d,city_gas_lng,42700,MJ_ncv,{Y23},KR"]) == [False, True]
    # 42.7 / 38.5 within 2 %: 43500 yes, 43600 no
    assert flags([net, f"b,city_gas_lng,43500,MJ_gcv,{Y23},KR"]) == [False, True]
    assert flags([net, f"b,city_gas_lng,43600,MJ_gcv,{Y23},KR"]) == [False, False]
    assert flags([net, "b,city_gas_lng,42700,MJ_gcv,2022-01-01,2023-01-01,KR"]) == [False, False]
    assert flags([gross]) == [False]
