"""`emissions evaluate`: the grid factor, heat, claims, an operator's rows."""

from pathlib import Path

import pytest

from tests.jobs.emission_command import (
    GRID,
    IN_2023,
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


# 16-21. Rows: 2014-16 0.4594 (gases 0.4567, 3.6e-6, 8.5e-6; SAR), 2017-19 gases, 2020-22 0.4541 (no set
# stated), 2023 0.4173 (AR5); reference/emission_factors.csv
@pytest.mark.parametrize(
    ("period", "options", "expected"),
    [
        (
            ("2022-01-01", "2022-12-31"),
            [],
            {
                "co2e_kg": 454.1,
                "factor_match": "exact",
                "gwp_set": "unstated",
                "reason": "gwp_set_differs",
                "co2_kg": "",
            },
        ),
        (
            ("2023-01-01", "2024-01-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "exact",
                "gwp_set": "AR5",
                "reason": "",
                "provisional": "false",
            },
        ),
        # activity from 2024: carried forward, provisional
        (
            ("2024-01-01", "2025-01-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "fallback",
                "reason": "carried_forward:1y",
                "provisional": "true",
            },
        ),
        (("2024-01-01", "2024-01-02"), [], {"reason": "carried_forward:1y"}),
        (("2025-11-01", "2025-12-01"), [], {"co2e_kg": 417.3, "reason": "carried_forward:2y"}),
        (("2024-07-01", "2025-07-01"), [], {"co2e_kg": 417.3, "reason": "carried_forward:2y"}),
        # what was known: the row of 2023 since 2025-12-18, that of 2020-22 since 2025-03-31
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2025-12-17"],
            {"co2e_kg": 454.1, "reason": "carried_forward:1y;gwp_set_differs", "provisional": "true"},
        ),
        (("2023-01-01", "2024-01-01"), ["--as-of", "2025-12-18"], {"co2e_kg": 417.3, "reason": ""}),
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2025-03-30"],
            {"co2e_kg": 477.7, "reason": "carried_forward:4y"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--as-of", "2019-01-01"],
            {"co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period"},
        ),
        # never backward
        (
            ("2013-01-01", "2014-01-01"),
            [],
            {"co2e_kg": "", "factor_match": "none", "reason": "no_factor_for_period", "gwp_set": ""},
        ),
        (("2013-12-31", "2014-01-02"), [], {"co2e_kg": "", "reason": "no_factor_for_period"}),
        # gases by other sets: 0.4747 + 21 x 0.0000125 + 310 x 0.00001
        (
            ("2018-01-01", "2019-01-01"),
            ["--gwp", "SAR"],
            {"co2e_kg": near(478.0625), "gwp_set": "SAR", "co2_kg": 474.7},
        ),
        # by days: three at 0.4777, one at 0.4541
        (
            ("2019-12-29", "2020-01-02"),
            [],
            {
                "co2e_kg": near(250 * (3 * 0.4777 + 0.4541)),
                "factor_match": "exact",
                "co2_kg": "",
                "gwp_set": "AR5;unstated",
                "factor_id": ";".join(f"{GRID}-2017_2019-{g}" for g in ("co2", "ch4", "n2o"))
                + f";{GRID}-2020_2022",
            },
        ),
        (
            ("2022-07-01", "2023-07-01"),
            [],
            {
                "co2e_kg": near(1000 * (184 * 0.4541 + 181 * 0.4173) / 365),
                "factor_id": f"{GRID}-2020_2022;{GRID}-2023",
                "factor_match": "exact",
            },
        ),
        (
            ("2023-07-01", "2024-07-01"),
            [],
            {
                "co2e_kg": 417.3,
                "factor_match": "fallback",
                "factor_id": f"{GRID}-2023",
                "reason": "carried_forward:1y",
            },
        ),
        # by purpose: 2015 was in force at allocation; later years must be named
        (
            ("2015-01-01", "2016-01-01"),
            ["--purpose", "k_ets"],
            {"co2e_kg": near(456.7 + 21 * 0.0036 + 310 * 0.0085), "gwp_set": "SAR", "factor_match": "exact"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "k_ets"],
            {"co2e_kg": "", "factor_match": "none", "reason": "allocation_factor_not_named"},
        ),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "k_ets", "--use", f"electricity={GRID}-2014_2016"],
            {"co2e_kg": 459.4, "gwp_set": "SAR", "factor_match": "fallback", "reason": "carried_forward:7y"},
        ),
        (("2023-01-01", "2024-01-01"), ["--purpose", "inventory"], {"co2e_kg": 417.3}),
        (
            ("2023-01-01", "2024-01-01"),
            ["--purpose", "cbam"],
            {"co2e_kg": "", "reason": "no_factor_for_period"},
        ),
        # a mean of years has no purpose: only by its id
        (
            ("2022-01-01", "2023-01-01"),
            ["--use", f"electricity={GRID}-2021_2023"],
            {"co2e_kg": 433.0, "factor_match": "exact", "gwp_set": "AR5", "reason": ""},
        ),
        (
            ("2020-01-01", "2021-01-01"),
            ["--use", f"electricity={GRID}-2021_2023"],
            {"co2e_kg": "", "reason": "no_factor_for_period"},
        ),
        # one gas row brings its vintage
        (
            ("2018-01-01", "2019-01-01"),
            ["--use", f"electricity={GRID}-2017_2019-co2"],
            {"co2e_kg": near(477.7), "n2o_kg": 0.01},
        ),
        (
            ("2018-01-01", "2019-01-01"),
            ["--use", f"electricity={GRID}-2017_2019"],
            {"co2e_kg": near(478.1), "gwp_set": "SAR", "reason": "gwp_set_differs", "co2_kg": ""},
        ),
    ],
)
def test_the_grid_factor_by_date_knowledge_and_purpose(
    period: tuple[str, str], options: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = evaluated(monkeypatch, power(1, *period, unit="MWh"), *options)
    for one in rows:
        known = one["reason"].split(";")
        one["reason"] = ";".join(code for code in known if code != "factor_uncertainty_unknown")
    check(rows, "e", "location", scope="2", **expected)
    if isinstance(expected.get("co2e_kg"), str):
        check(rows, "e", "market", **expected)


def test_heat_is_of_its_branch_and_needs_no_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = "h,district_heat,10,GJ,{},{},KR-KDHC-{}\n"
    rows = evaluated(monkeypatch, heat.format("2024-01-01", "2025-01-01", "SUDOGWON"))
    # 0.01 TJ x 35058, 0.634, 0.064
    for method in ("location", "market"):
        check(
            rows,
            "h",
            method,
            scope="2",
            co2_kg=near(350.58),
            co2e_kg=near(350.58 + 28 * 0.00634 + 265 * 0.00064),
        )
    # Cheongju has no row of 2024: 2021 carried forward by three years
    rows = evaluated(monkeypatch, heat.format("2024-01-01", "2025-01-01", "CHEONGJU"))
    check(rows, "h", "location", co2_kg=near(679.71), factor_match="fallback", provisional="true")
    assert rows[0]["reason"].startswith("carried_forward:3y")
    rows = evaluated(monkeypatch, heat.format("2023-01-01", "2024-01-01", "SUDOGWON"), "--purpose", "k_ets")
    check(rows, "h", "location", co2e_kg="", reason="no_factor_for_period")


def test_a_default_of_unknown_vintage_is_used_only_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "s,heat_steam_default_average,1,TJ,2023-01-01,2024-01-01,KR\n"
    check(evaluated(monkeypatch, row), "s", "location", scope="2", co2e_kg="", reason="no_factor_for_period")
    use = "heat_steam_default_average=kr-heat-default-average-{}"
    for ids in (["co2"], ["n2o", "co2"], ["co2", "ch4", "n2o"]):
        named = [part for gas in ids for part in ("--use", use.format(gas))]
        check(
            evaluated(monkeypatch, row, *named), "s", "location",
            co2_kg=59510.0, co2e_kg=near(59510 + 28 * 1.832 + 265 * 0.44), factor_match="exact",
        )  # fmt: skip
    steam = "s,steam,1,TJ,2023-01-01,2024-01-01,KR\n"
    check(evaluated(monkeypatch, steam), "s", "market", scope="2", co2e_kg="")
    rows = evaluated(monkeypatch, steam, "--use", "steam=kr-heat-default-chp-co2")
    check(rows, "s", "market", scope="2", co2_kg=60760.0)


CLAIM = ",claimed_kwh,instrument,certificate_id,claim_start,claim_end,market,instrument_kg_per_kwh"


@pytest.mark.parametrize(
    ("claim", "options", "market", "code"),
    [
        # 35: 1000 kWh of 2023 at 0.4173
        ("400,REC,c1,2023-01-01,2024-01-01,KR,", [], near(600 * 0.4173), None),
        ("1000,REC,c1,2023-01-01,2024-01-01,KR,", [], 0.0, None),
        ("400,PPA,,2023-06-01,2023-07-01,KR,0.02", [], near(600 * 0.4173 + 400 * 0.02), None),
        ("400,REC,c1,,,,", [], near(600 * 0.4173), None),
        (",,,,,,", [], 417.3, None),
        # 36
        ("1000.001,REC,c1,2023-01-01,2024-01-01,KR,", [], "", "claim_exceeds_use"),
        # 37
        ("400,REC,c1,2022-12-31,2023-07-01,KR,", [], 417.3, "claim_period"),
        ("400,REC,c1,2023-06-01,2024-01-02,KR,", [], 417.3, "claim_period"),
        ("400,REC,c1,2023-01-01,2024-01-01,JP,", [], 417.3, "claim_market"),
        # 39
        ("400,green_premium,g1,2023-01-01,2024-01-01,KR,", [], 417.3, "instrument_not_accepted"),
        ("400,Green-Premium,g1,2023-01-01,2024-01-01,KR,", [], 417.3, "instrument_not_accepted"),
        (
            "400,green_premium,g1,2023-01-01,2024-01-01,KR,",
            ["--accept-instrument", "green_premium"],
            near(600 * 0.4173),
            None,
        ),
    ],
)
def test_what_is_claimed_changes_the_market_based_figure_only(
    claim: str, options: list[str], market: object, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = evaluated(monkeypatch, power(1000, *IN_2023, f",{claim}"), *options, more=CLAIM)
    check(rows, "e", "location", co2e_kg=417.3, reason="factor_uncertainty_unknown")
    check(rows, "e", "market", co2e_kg=market)
    check(rows, "*", "location", co2e_kg=417.3)
    check(rows, "*", "market", co2e_kg=market)
    reasons = rows[1]["reason"].split(";")
    assert [c for c in reasons if c not in {"no_residual_mix", "factor_uncertainty_unknown"}] == (
        [code] if code else []
    )
    assert ("no_residual_mix" in reasons) == (market != "")
    assert ("incomplete:1" in rows[3]["reason"]) == (market == "")


def test_a_certificate_that_two_activities_claim_counts_for_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = ",400,REC,{},{},2024-01-01,KR,"
    first, second = claim.format("c1", "2023-01-01"), claim.format("c1", "2023-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [r["co2e_kg"] for r in rows] == ["417.3", "", "208.65", "", "625.95", ""]
    assert [r["reason"] for r in rows[1:4:2]] == ["double_claim", "double_claim"]
    assert rows[5]["reason"] == "incomplete:2"
    # A claim that is ignored takes nothing from the other.
    second = claim.format("c1", "2022-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [float(r["co2e_kg"]) for r in rows[1:4:2]] == [near(600 * 0.4173), 208.65]
    second = claim.format("c2", "2023-06-01")
    rows = evaluated(monkeypatch, power(1000, *IN_2023, first) + power(500, *IN_2023, second), more=CLAIM)
    assert [float(r["co2e_kg"]) for r in rows[1:4:2]] == [near(600 * 0.4173), near(100 * 0.4173)]


def test_used_power_is_compared_in_kwh_whatever_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    row = power(3.6, *IN_2023, ",1000,REC,c1,,,,", unit="GJ")
    check(evaluated(monkeypatch, row, more=CLAIM), "e", "market", co2e_kg=0.0)


def test_an_operator_adds_a_year_of_the_grid_and_replaces_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = power(1000, "2024-01-01", "2025-01-01")
    rows = evaluated(monkeypatch, row, *with_factors(own_factor()))
    check(rows, "e", "location", co2e_kg=400.0, factor_id="own", factor_match="exact", provisional="false")
    rows = evaluated(monkeypatch, row, *with_factors(own_factor()), "--as-of", "2025-12-31")
    check(rows, "e", "location", co2e_kg=400.0)
    rows = evaluated(
        monkeypatch, row, *with_factors(own_factor(published_on="2026-06-01")), "--as-of", "2025-12-31"
    )
    check(rows, "e", "location", co2e_kg=417.3, provisional="true")
    same_id = own_factor(
        factor_id=f"{GRID}-2023", valid_from="2023-01-01", valid_to="2024-01-01", value="4E-1"
    )
    rows = evaluated(monkeypatch, row, *with_factors(same_id))
    check(rows, "e", "location", co2e_kg=400.0, factor_id=f"{GRID}-2023", factor_match="fallback")


def test_an_own_row_without_a_purpose_is_used_only_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    row, files = power(1000, "2024-01-01", "2025-01-01"), with_factors(own_factor(purpose=""))
    check(evaluated(monkeypatch, row, *files), "e", "location", co2e_kg=417.3)
    check(evaluated(monkeypatch, row, *files, "--use", "electricity=own"), "e", "location", co2e_kg=400.0)


def test_of_two_rows_of_one_window_the_later_publication_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (
        own_factor()
        + own_factor(factor_id="a", value="0.5", published_on="2025-07-01").splitlines()[1]
        + "\n"
    )
    rows = evaluated(monkeypatch, power(1000, "2024-01-01", "2025-01-01"), *with_factors(both))
    check(rows, "e", "location", co2e_kg=500.0, factor_id="a")


def test_a_residual_mix_of_an_operator_is_the_rest_of_what_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mix = with_factors(own_factor(basis="residual_mix", value="0.6", factor_id="mix"))
    row = power(1000, "2024-01-01", "2025-01-01", ",400,REC,c1,,,,")
    rows = evaluated(monkeypatch, row, *mix, more=CLAIM)
    check(rows, "e", "location", co2e_kg=417.3)
    check(rows, "e", "market", co2e_kg=360.0, factor_id="mix", reason="factor_uncertainty_unknown")


def test_upstream_and_transport_are_scope_3_and_in_no_total(monkeypatch: pytest.MonkeyPatch) -> None:
    haul = own_factor(activity="road_transport", basis="transport", unit="kgCO2e/tkm", value="0.1")
    row = "t,road_transport,50,tkm,2024-01-01,2024-02-01,KR\n"
    rows = evaluated(monkeypatch, row, *with_factors(haul))
    check(rows, "t", scope="3", co2e_kg=5.0, co2_kg="")
    assert len(rows) == 1
