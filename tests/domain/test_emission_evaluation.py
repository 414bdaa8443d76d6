"""What holds for any list of activities."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.emissions.activities import Activity, Claim
from pipelines.domain.emissions.evaluation import Request, evaluate
from pipelines.domain.emissions.figures import Figure
from tests.domain.emission_tables import TABLES

KINDS = [
    ("electricity", "kWh", "KR"), ("electricity", "MWh", "KR"), ("city_gas_lng", "Nm3", "KR"),
    ("city_gas_lng", "MJ_gcv", "KR"), ("diesel", "L", "KR"), ("natural_gas", "TJ", "GLOBAL"),
    ("bituminous_coal_fuel", "t", "KR"), ("district_heat", "GJ", "KR-KDHC-SUDOGWON"),
    ("wood", "GJ", "GLOBAL"),
    ("HFC-134a", "kg", "KR"), ("limestone_use", "t", "KR"), ("unobtainium", "kg", "KR"),
]  # fmt: skip
AMOUNTS = st.decimals(0, 10**6, places=3).map(Fraction)
DATES = st.dates(date(2015, 1, 1), date(2026, 6, 1))


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    kind, unit, geography = draw(st.sampled_from(KINDS))
    start = draw(DATES)
    end = start + timedelta(days=draw(st.integers(1, 800)))
    return Activity("a", kind, draw(AMOUNTS), unit, start, end, geography)


def co2e(figures: list[Figure]) -> list[Fraction | None]:
    return [made.co2e_kg for made in figures]


@settings(max_examples=40, deadline=None)
@given(st.lists(activities(), max_size=5), st.randoms())
def test_the_order_of_the_activities_changes_no_figure_and_no_total(
    rows: list[Activity], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    figures, totals = evaluate(rows, TABLES, Request())
    others, other_totals = evaluate(shuffled, TABLES, Request())
    assert sorted(map(str, co2e(figures))) == sorted(map(str, co2e(others)))
    by_key = {(t.method, t.gwp_set): (t.co2e_kg, t.reasons) for t in totals}
    assert by_key == {(t.method, t.gwp_set): (t.co2e_kg, t.reasons) for t in other_totals}


@settings(max_examples=60, deadline=None)
@given(activities(), st.integers(1, 20))
def test_a_figure_is_proportional_to_its_amount(one: Activity, times: int) -> None:
    more = replace(one, amount=(one.amount or Fraction(0)) * times)
    for single, multiple in zip(
        evaluate([one], TABLES, Request())[0], evaluate([more], TABLES, Request())[0], strict=True
    ):
        assert multiple.co2e_kg == (None if single.co2e_kg is None else single.co2e_kg * times)


@settings(max_examples=60, deadline=None)
@given(activities(), st.data())
def test_a_period_cut_in_two_emits_what_the_whole_does(one: Activity, data: st.DataObject) -> None:
    days = (one.end - one.start).days
    cut = data.draw(st.integers(0, days))
    whole = evaluate([one], TABLES, Request())[0][0].co2e_kg
    if cut in {0, days}:
        return
    middle, share = one.start + timedelta(days=cut), Fraction(cut, days)
    amount = one.amount or Fraction(0)
    parts = [
        replace(one, end=middle, amount=amount * share),
        replace(one, start=middle, amount=amount * (1 - share)),
    ]
    halves = [evaluate([part], TABLES, Request())[0][0].co2e_kg for part in parts]
    if None in halves:
        assert whole is None
    else:
        assert whole == sum(half for half in halves if half is not None)


@settings(max_examples=40, deadline=None)
@given(AMOUNTS, AMOUNTS, st.sampled_from(["REC", "PPA", "green_premium"]), DATES)
def test_no_claim_changes_the_location_based_figure_nor_raises_the_market_based_one(
    used: Fraction, claimed: Fraction, instrument: str, start: date
) -> None:
    plain = Activity("a", "electricity", used, "kWh", start, start + timedelta(days=30), "KR")
    claim = Claim(claimed, instrument, "c", None, None, None, Fraction(0))
    without = evaluate([plain], TABLES, Request())[0]
    location, market = evaluate([replace(plain, claims=(claim,))], TABLES, Request())[0]
    assert location.co2e_kg == without[0].co2e_kg
    if market.co2e_kg is None:
        assert without[1].co2e_kg is None or claimed > used
    else:
        assert without[1].co2e_kg is not None
        assert 0 <= market.co2e_kg <= without[1].co2e_kg


@settings(max_examples=30, deadline=None)
@given(st.lists(activities(), min_size=1, max_size=6))
def test_totals_add_what_is_known_once_and_count_the_rest(rows: list[Activity]) -> None:
    figures, totals = evaluate(rows, TABLES, Request())
    for method in ("location", "market"):
        own = [f for f in figures if f.method == method or f.scope in {"1", "-"}]
        added = sum((t.co2e_kg or Fraction(0) for t in totals if t.method == method), Fraction(0))
        assert added == sum((f.co2e_kg or Fraction(0) for f in own), Fraction(0))
        missing = sum(f.co2e_kg is None for f in own)
        for total in totals:
            if total.method == method:
                assert (f"incomplete:{missing}" in total.reasons) == (missing > 0)


UNITS = ["kWh", "MWh", "TJ", "GJ_gcv", "MJ_ncv", "kcal_gcv", "TOE", "L", "kg", "t", "Nm3", "Sm3", "m3", "tkm"]
NAMES = sorted(
    {f.activity for f in TABLES.factors}
    | {p.fuel for p in TABLES.pairs}
    | {"SF6", "CO2", "steam", "unobtainium"}
)
PLACES = ["KR", "GLOBAL", "US", "KR-KDHC-DAEGU", "XX"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(NAMES), st.sampled_from(UNITS), st.sampled_from(PLACES),
    st.sampled_from(["disclosure", "k_ets", "cbam", "inventory"]),
    st.sampled_from(["SAR", "AR4", "AR5", "AR6", "AR6-sf6_25200"]), st.sampled_from([None, 1, 2]),
    st.one_of(st.none(), DATES), activities(),
)  # fmt: skip
def test_whatever_is_asked_there_is_a_figure_or_a_reason(
    name: str, unit: str, place: str, purpose: str, gwp: str, tier: int | None, as_of: date | None,
    one: Activity,
) -> None:  # fmt: skip
    asked = replace(one, activity=name, unit=unit, geography=place, tier=tier, amount=Fraction(1))
    for made in evaluate([asked], TABLES, Request(purpose, as_of, gwp))[0]:
        assert (made.co2e_kg is None) == (not made.parts or any(p.co2e_kg is None for p in made.parts))
        assert made.co2e_kg is not None or made.reasons
        assert (made.match == "none") == (
            not made.rows and not (made.parts or "unit_not" in str(made.reasons))
        )
        assert made.provisional == any(code.startswith("carried_forward") for code in made.reasons)
