from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.units import (
    CANONICAL_UNITS,
    UnitTable,
    carrier_unit_multiplier,
    conversion_factor,
    unit_multipliers,
)

UNITS = pl.DataFrame(
    [
        ("kWh", "MWh", 0.001), ("MWh", "GJ", 3.6), ("GJ", "TJ", 0.001), ("t", "kg", 1000.0),
        ("kg", "g", 1000.0),
        ("m3", "L", 1000.0), ("kL", "L", 1000.0), ("Nm3", "Sm3", 1.05491488193301), ("MJ/L", "GJ/kL", 1.0),
    ],
    schema=["from_unit", "to_unit", "multiplier"],
    orient="row",
)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("kWh", "MWh", 0.001),
        ("MWh", "kWh", 1000.0),
        ("kWh", "GJ", 0.0036),
        ("TJ", "kWh", 1e9 / 3600),
        ("g", "t", 1e-6),
        ("kWh", "kWh", 1.0),
        ("m3", "kL", 1.0),
    ],
)
def test_chains_and_inverses_convert(source: str, target: str, factor: float) -> None:
    assert conversion_factor(UNITS, source, target) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target"),
    [("m3", "Nm3"), ("kWh", "kg"), ("furlong", "kWh"), ("furlong", "furlong"), ("kWh", "")],
)
def test_what_no_chain_connects_has_no_factor(source: str, target: str) -> None:
    assert conversion_factor(UNITS, source, target) is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["kWh", "MWh", "GJ", "TJ"]), st.sampled_from(["kWh", "MWh", "GJ", "TJ"]))
def test_there_and_back_is_where_one_was(source: str, target: str) -> None:
    there, back = conversion_factor(UNITS, source, target), conversion_factor(UNITS, target, source)
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1.0, rel=1e-12)


def test_exact_conversion_rounds_nothing() -> None:
    assert UnitTable(UNITS).factor("kWh", "TJ") == Fraction(36, 10_000_000)
    assert UnitTable(UNITS).factor("TJ", "kWh") == Fraction(10_000_000, 36)
    assert UnitTable(UNITS).factor("Nm3", "Sm3") == Fraction("1.05491488193301")
    assert UnitTable(UNITS).factor("m3", "Nm3") is None


def test_a_row_of_the_table_beats_the_inverse_of_its_opposite() -> None:
    both = pl.DataFrame({"from_unit": ["a", "b"], "to_unit": ["b", "a"], "multiplier": [3.0, 0.333]})
    assert conversion_factor(both, "b", "a") == 0.333


@pytest.mark.parametrize(
    ("carrier", "kind", "unit", "multiplier"),
    [
        ("electricity", "register", "MWh", 1000.0),
        ("electricity", "power", "kW", 1.0),
        ("electricity", "mean_power", "W", 0.001),
        ("electricity", "power", "MW", 1000.0),
        ("heat", "power", "kW", 0.0036),
        ("steam", "interval", "MWh", 3.6),
        ("water", "register", "L", 0.001),
        ("natural_gas", "power", "Nm3/h", 1.0),
        ("lpg", "register", "t", 1000.0),
        ("natural_gas", "register", "m3", None),
        ("compressed_air", "interval", "m3", None),
        ("natural_gas", "register", "kWh", None),
        ("electricity", "register", "kW", None),
        ("electricity", "power", "kWh", None),
        ("electricity", "unknown", "kWh", None),
        ("coal", "register", "kg", None),
        ("electricity", "register", "furlong", None),
    ],
)
def test_a_reading_comes_to_the_carriers_unit_or_not_at_all(
    carrier: str, kind: str, unit: str, multiplier: float | None
) -> None:
    found = carrier_unit_multiplier(UNITS, carrier, kind, unit)
    assert found == (None if multiplier is None else pytest.approx(multiplier, rel=1e-12))


def test_the_table_of_multipliers_says_the_same_as_the_single_look_up() -> None:
    table = unit_multipliers(UNITS)
    assert table["multiplier"].null_count() == 0
    for row in table.iter_rows(named=True):
        single = carrier_unit_multiplier(UNITS, row["carrier"], row["kind"], row["unit"])
        assert single == row["multiplier"]
    canonical = table.filter(kind="register", multiplier=1.0).select("carrier", "unit").rows()
    assert {pair for pair in CANONICAL_UNITS.items() if pair[0] not in ("water", "diesel")} <= set(canonical)
