"""Restating: what changed, which version it gets, what the history keeps, and both commits of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connectors.canonical import canonical_tables
from pipelines.connectors.store import ClusterStore, arrow_frame, day_bucket_predicate
from pipelines.jobs.restating import FINAL, PROVISIONAL, FactoryDay, Replaced, replace_facts, replace_figures
from pipelines.schemas.tables import EMISSIONS, FACTS_ENERGY, FACTS_HISTORY

MONDAY, TUESDAY = date(2025, 11, 3), date(2025, 11, 4)
NIGHTS = [datetime(2025, 11, 4 + n, 3, tzinfo=UTC) for n in range(5)]
LATE = "late_data"


@dataclass
class Facts:
    """The energy facts of a store, replaced night by night."""

    store: ClusterStore
    consumed: int = 0

    def replace(
        self, rows: pl.DataFrame, night: int, causes: Mapping[FactoryDay, str] | None = None
    ) -> Replaced:
        self.consumed += 1
        days = {(day, 0) for day in rows["day"]}
        touched = dict.fromkeys(rows.select("factory", "day").unique().iter_rows(), LATE)
        return replace_facts(
            self.store,
            self.store.open(FACTS_ENERGY),
            rows,
            days,
            causes=touched if causes is None else causes,
            consumed={"raw_energy": self.consumed},
            known_at=NIGHTS[night],
        )

    def rows(self) -> list[tuple[object, ...]]:
        """Return hour, quantity, status, version and night (by number) of every fact, in order of hour."""
        facts = self.store.open(FACTS_ENERGY).scan().sort("factory", "start").collect()
        return [
            (row["start"].hour, row["quantity"], row["status"], row["version"], NIGHTS.index(row["known_at"]))
            for row in facts.iter_rows(named=True)
        ]

    def history(self) -> list[tuple[object, ...]]:
        """Return version, cause, old and new quantity (null: no row) and night of every history row."""
        past = self.store.open(FACTS_HISTORY).scan().sort("version", "key").collect()
        return [
            (row["version"], row["cause"], quantity(row["old_row"]), quantity(row["new_row"]),
             NIGHTS.index(row["known_at"]))
            for row in past.iter_rows(named=True)
        ]  # fmt: skip

    def version(self) -> int:
        return self.store.open(FACTS_ENERGY).version

    def bytes(self) -> dict[str, bytes]:
        tables = canonical_tables(self.store)
        return {name: tables[name] for name in ("facts_energy", "facts_history")}


def quantity(row: str | None) -> float | None:
    return None if row is None else json.loads(row)["quantity"]


def facts_of(
    *quantities: float | None, status: str = FINAL, factory: str = "a1", day: date = MONDAY
) -> pl.DataFrame:
    """Return computed facts of a factory-day: one hour for each quantity."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    hours = range(len(quantities))
    rows = pl.DataFrame(
        {
            "day": [day for _ in hours],
            "bucket": [0 for _ in hours],
            "factory": [factory for _ in hours],
            "meter": ["main" for _ in hours],
            "carrier": ["electricity" for _ in hours],
            "allocation": ["hour" for _ in hours],
            "start": [midnight + timedelta(hours=h) for h in hours],
            "end": [midnight + timedelta(hours=h + 1) for h in hours],
            "quantity": list(quantities),
            "exported": [None for _ in hours],
            "unit": ["kWh" for _ in hours],
            "coverage": [0.0 if q is None else 1.0 for q in quantities],
            "quality": [None if q is None else "measured" for q in quantities],
            "status": [status for _ in hours],
            "profile_version": ["p1" for _ in hours],
        },
        schema_overrides={"bucket": pl.Int32, "quantity": pl.Float64, "quality": pl.String},
    )
    empty = arrow_frame(FACTS_ENERGY.schema.empty_table()).drop("version", "known_at")
    return rows.cast(dict(empty.schema)).select(empty.columns)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(ClusterStore(str(tmp_path), "c1"))


def test_new_facts_are_version_1_and_make_no_history(facts: Facts) -> None:
    replaced = facts.replace(facts_of(1.0, None), 0)
    assert facts.rows() == [(0, 1.0, FINAL, 1, 0), (1, None, FINAL, 1, 0)]
    assert facts.history() == []
    assert (replaced.rows, replaced.days, replaced.restated) == (2, 1, {})


def test_facts_that_did_not_change_are_not_written_again(facts: Facts) -> None:
    facts.replace(facts_of(1.0, None), 0)
    before = facts.bytes()
    replaced = facts.replace(facts_of(1.0, None), 1)
    assert (replaced.rows, replaced.days, replaced.restated) == (0, 0, {})
    assert facts.bytes() == before


def test_where_nothing_changed_only_a_new_position_is_committed(facts: Facts) -> None:
    facts.replace(facts_of(1.0), 0)
    version = facts.version()
    facts.replace(facts_of(1.0), 1)
    assert facts.version() == version + 1
    assert facts.store.open(FACTS_ENERGY).position("raw_energy") == 2
    facts.consumed -= 1  # the same source version again
    facts.replace(facts_of(1.0), 2)
    assert facts.version() == version + 1


def test_a_day_that_becomes_final_keeps_version_and_known_at(facts: Facts) -> None:
    facts.replace(facts_of(1.0, status=PROVISIONAL), 0)
    replaced = facts.replace(facts_of(1.0, status=FINAL), 1)
    assert facts.rows() == [(0, 1.0, FINAL, 1, 0)]
    assert facts.history() == []
    assert replaced.restated == {}


def test_a_provisional_day_changes_without_a_new_version(facts: Facts) -> None:
    facts.replace(facts_of(1.0, status=PROVISIONAL), 0)
    facts.replace(facts_of(2.0, status=FINAL), 1)
    assert facts.rows() == [(0, 2.0, FINAL, 1, 1)]
    assert facts.history() == []


def test_a_final_day_that_changes_gets_a_version_and_its_old_row_stays_readable(facts: Facts) -> None:
    facts.replace(facts_of(1.0, 5.0), 0)
    replaced = facts.replace(facts_of(2.0, 5.0), 1)
    assert facts.rows() == [(0, 2.0, FINAL, 2, 1), (1, 5.0, FINAL, 2, 1)]
    assert facts.history() == [(2, LATE, 1.0, 2.0, 1)]
    assert replaced.restated == {("a1", MONDAY): LATE}


def test_every_further_change_of_a_final_day_is_a_further_version(facts: Facts) -> None:
    for night, value in enumerate((1.0, 2.0, 2.0, 3.0)):
        facts.replace(facts_of(value), night)
    assert facts.rows() == [(0, 3.0, FINAL, 3, 3)]
    assert facts.history() == [(2, LATE, 1.0, 2.0, 1), (3, LATE, 2.0, 3.0, 3)]


def test_hours_that_appear_or_vanish_on_a_final_day_are_in_the_history(facts: Facts) -> None:
    facts.replace(facts_of(1.0), 0)
    facts.replace(facts_of(1.0, 2.0), 1)
    facts.replace(facts_of(1.0), 2)
    assert facts.rows() == [(0, 1.0, FINAL, 3, 2)]
    assert facts.history() == [(2, LATE, None, 2.0, 1), (3, LATE, 2.0, None, 2)]


def test_a_value_that_becomes_unknown_is_a_change_and_unknown_twice_is_none(facts: Facts) -> None:
    facts.replace(facts_of(1.0), 0)
    facts.replace(facts_of(None), 1)
    facts.replace(facts_of(None), 2)
    assert facts.rows() == [(0, None, FINAL, 2, 1)]
    assert facts.history() == [(2, LATE, 1.0, None, 1)]


def test_what_changes_though_nothing_touched_it_is_a_change_of_method(facts: Facts) -> None:
    facts.replace(facts_of(1.0), 0)
    replaced = facts.replace(facts_of(2.0), 1, causes={})
    assert replaced.restated == {("a1", MONDAY): "method_change"}
    assert facts.history() == [(2, "method_change", 1.0, 2.0, 1)]


def test_another_profile_alone_makes_no_version(facts: Facts) -> None:
    facts.replace(facts_of(1.0), 0)
    replaced = facts.replace(facts_of(1.0).with_columns(profile_version=pl.lit("p2")), 1)
    assert facts.rows() == [(0, 1.0, FINAL, 1, 0)]
    assert facts.store.open(FACTS_ENERGY).scan().collect()["profile_version"].to_list() == ["p2"]
    assert replaced.restated == {}


def test_the_neighbours_of_a_changed_factory_day_stay_as_they_are(facts: Facts) -> None:
    first = pl.concat([facts_of(1.0), facts_of(7.0, factory="b1"), facts_of(9.0, day=TUESDAY)])
    facts.replace(first, 0)
    second = pl.concat([facts_of(2.0), facts_of(7.0, factory="b1"), facts_of(9.0, day=TUESDAY)])
    replaced = facts.replace(second, 1)
    rows = facts.store.open(FACTS_ENERGY).scan().sort("factory", "day").collect()
    assert rows["version"].to_list() == [2, 1, 1]
    assert [NIGHTS.index(k) for k in rows["known_at"]] == [1, 0, 0]
    assert replaced.days == 1  # Tuesday's partition is left alone


def dying_before_the_table(
    facts: Facts, monkeypatch: pytest.MonkeyPatch, rows: pl.DataFrame, night: int
) -> None:
    """Let a run die between the history's commit and the table's."""

    class Killed(BaseException):
        pass

    def die(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.connectors.store.OpenTable.replace", die)
        with pytest.raises(Killed):
            facts.replace(rows, night)
    facts.consumed -= 1


def test_a_run_that_died_between_history_and_table_is_rolled_forward_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, killed = (Facts(ClusterStore(str(tmp_path / name), "c1")) for name in ("u", "k"))
    first, second = facts_of(1.0, 5.0, None), facts_of(2.0, 5.0, 6.0, 7.0)
    for own in (undisturbed, killed):
        own.replace(first, 0)
    undisturbed.replace(second, 1)
    dying_before_the_table(killed, monkeypatch, second, 1)
    assert killed.bytes()["facts_energy"] != undisturbed.bytes()["facts_energy"]
    killed.replace(second, 1)
    assert killed.bytes() == undisturbed.bytes()


def test_data_that_came_after_the_kill_make_a_version_of_their_own(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts.replace(facts_of(1.0), 0)
    dying_before_the_table(facts, monkeypatch, facts_of(2.0), 1)
    facts.replace(facts_of(3.0), 2)
    assert facts.rows() == [(0, 3.0, FINAL, 3, 2)]
    assert facts.history() == [(2, LATE, 1.0, 2.0, 1), (3, LATE, 2.0, 3.0, 2)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.lists(st.sampled_from([None, 1.0, 2.0]), min_size=1, max_size=3), min_size=2, max_size=4)
)
def test_the_history_leads_from_the_first_state_to_the_last(
    days: list[list[float | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    facts = Facts(ClusterStore(str(tmp_path_factory.mktemp("history")), "c1"))
    state: dict[int, float | None] = {}
    for night, quantities in enumerate(days):
        facts.replace(facts_of(*quantities), night)
        if night == 0:
            state = dict(enumerate(quantities))
    versions = 1
    for row in facts.store.open(FACTS_HISTORY).scan().sort("version", "key").collect().iter_rows(named=True):
        hour = datetime.fromisoformat(json.loads(row["key"])["start"]).hour
        assert (row["old_row"] is not None) == (hour in state)
        assert quantity(row["old_row"]) == state.get(hour)
        versions = row["version"]
        if row["new_row"] is None:
            del state[hour]
        else:
            state[hour] = quantity(row["new_row"])
    assert state == dict(enumerate(days[-1]))
    assert {row[3] for row in facts.rows()} == {versions}
    changes = sum(a != b for a, b in pairwise(days))
    assert versions == 1 + changes


def figures(*values: float) -> pl.DataFrame:
    """Return computed emissions: one hour for each value."""
    midnight = datetime(2025, 11, 3, tzinfo=UTC)
    empty = arrow_frame(EMISSIONS.schema.empty_table()).drop("known_at")
    rows = [
        {"day": MONDAY, "bucket": 0, "factory": "a1", "carrier": "electricity", "scope": 2,
         "method": "location", "allocation": "hour", "start": midnight + timedelta(hours=h),
         "end": midnight + timedelta(hours=h + 1), "energy_kwh": value, "co2e_kg": value / 2}
        for h, value in enumerate(values)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=empty.schema)


def replace_emissions(store: ClusterStore, rows: pl.DataFrame, night: int, consumed: int) -> int:
    table = store.open(EMISSIONS)
    return replace_figures(
        table,
        rows,
        table.read_days([(MONDAY, 0)]),
        day_bucket_predicate([(MONDAY, 0)]),
        consumed={"facts_energy": consumed},
        known_at=NIGHTS[night],
    )


def test_a_figure_that_stays_keeps_when_it_became_known(tmp_path: Path) -> None:
    store = ClusterStore(str(tmp_path), "c1")
    assert replace_emissions(store, figures(1.0, 2.0), 0, 1) == 2
    assert replace_emissions(store, figures(1.0, 3.0), 1, 2) == 1
    rows = store.open(EMISSIONS).scan().sort("start").collect()
    assert rows["energy_kwh"].to_list() == [1.0, 3.0]
    assert [NIGHTS.index(k) for k in rows["known_at"]] == [0, 1]


def test_figures_without_a_change_make_no_commit_but_that_of_a_new_position(tmp_path: Path) -> None:
    store = ClusterStore(str(tmp_path), "c1")
    replace_emissions(store, figures(1.0), 0, 1)
    version = store.open(EMISSIONS).version
    assert replace_emissions(store, figures(1.0), 1, 1) == 0
    assert store.open(EMISSIONS).version == version
    assert replace_emissions(store, figures(1.0), 1, 2) == 0
    assert store.open(EMISSIONS).version == version + 1


def test_a_figure_that_is_gone_is_taken_out(tmp_path: Path) -> None:
    store = ClusterStore(str(tmp_path), "c1")
    replace_emissions(store, figures(1.0, 2.0), 0, 1)
    assert replace_emissions(store, figures(1.0), 1, 2) == 0
    assert store.open(EMISSIONS).scan().collect()["energy_kwh"].to_list() == [1.0]
