"""Each check over nights is needed: with it off, the audit finds what can be derived; with it on, nothing.

Three small parks of one kind of figure, each made so that one check matters. The audit is the same always.
"""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from pipelines.domain.disclosure.audit import AuditReport, audit
from pipelines.domain.disclosure.release import Checks
from pipelines.domain.disclosure.so_far import MonthsSoFar
from tests.simulated.history import Park, Plant, Silence
from tests.simulated.nights import Gate
from tests.simulated.parks import policy

FIRST = date(2025, 12, 1)  # December and January are alike: 31 days each, and nearly the same weekdays
FIVE = tuple(
    Plant(f"f0{n}", kwh, "casting", "north")
    for n, kwh in enumerate((2_900.0, 3_100.0, 2_700.0, 3_300.0, 3_000.0), start=1)
)
NEWCOMER = Plant("f06", 20_000.0, "casting", "north")
ALL = "park/cluster/*"


def park(plants: tuple[Plant, ...], days: int, *silences: Silence) -> Park:
    return Park(
        plants,
        policy(1),
        FIRST,
        days,
        silences,
        breakdowns=(),
        shown=("energy_kwh",),
        months_before=0,
        seed=7,
    )


def audited(gate: Gate) -> AuditReport:
    return audit(gate.sealed, coalition=1, persistence_percent=Fraction(5))


def alarms(report: AuditReport) -> list[tuple[str, str, date, str]]:
    return sorted({(row.holding, row.period, row.start, row.attacker) for row in report.alarms})


def combined(report: AuditReport) -> set[str]:
    """All figures that combine to what is too tight."""
    return {release.figure_id for row in report.alarms for release in row.releases}


def values(gate: Gate, figure: str) -> list[tuple[str, float | None]]:
    """All that the ledger says of a figure, oldest first."""
    rows = gate.ledger.filter(figure_id=f"{ALL}/{figure}/energy_kwh@1").sort("sequence")
    return list(rows.select("status", "value").iter_rows())


# The newcomer's data of 3 December come three nights late: the day's total with it, minus the one without it.
SILENT = Silence("f06", date(2025, 12, 3), date(2025, 12, 4), until=date(2025, 12, 7))
LATE = park((*FIVE, replace(NEWCOMER, kwh=3_200.0)), 8, SILENT)


def test_two_versions_of_a_day_may_not_differ_by_one_holding() -> None:
    gate = Gate(LATE).run()
    assert [status for status, _ in values(gate, "day/2025-12-03")] == ["published", "withheld"]
    assert alarms(audited(gate)) == []


def test_without_the_history_the_late_holding_is_the_difference_of_two_versions() -> None:
    gate = Gate(LATE, Checks(history=False)).run()
    (_, without), (_, with_it) = values(gate, "day/2025-12-03")
    amount = LATE.versions.filter(subject="f06", day=date(2025, 12, 3)).drop_nulls("value")["value"].item()
    assert without is not None
    assert with_it is not None
    assert abs(with_it - without - amount) <= 1.0  # half a step each
    report = audited(gate)
    assert alarms(report) == [("of-f06", "day", date(2025, 12, 3), "exact")]
    (row,) = report.alarms
    assert combined(report) == {f"{ALL}/day/2025-12-03/energy_kwh@1"}
    assert len(row.releases) == 2  # of two nights
    assert row.lower <= amount <= row.upper <= row.lower + 2.001


def test_a_late_day_that_was_withheld_is_not_the_month_less_its_other_days() -> None:
    gate = Gate(replace(LATE, days=31)).run()
    assert [status for status, _ in values(gate, "month/2025-12-01")] == ["withheld"]
    assert alarms(audited(gate)) == []


# A firm as large as four of the others joins on the 11th of the second month.
JOINS = park((*FIVE, replace(NEWCOMER, joined=date(2026, 1, 11))), 62)
JANUARY = date(2026, 1, 1)
MONTHS = {f"{ALL}/month/{month}/energy_kwh@1" for month in ("2025-12-01", "2026-01-01")}


def test_who_joins_in_mid_month_is_in_no_figure_of_the_month() -> None:
    gate = Gate(JOINS).run()
    panels = {s.panel for s in gate.sealed if "/2026-01-" in s.figure_id}
    assert panels == {("f01", "f02", "f03", "f04", "f05")}
    assert alarms(audited(gate)) == []


def test_without_a_fixed_panel_the_newcomer_is_this_month_minus_what_the_others_used_before() -> None:
    # Judged by persistence too, the month would be withheld: the panel is what makes that needless.
    fixed, open_ = (Gate(JOINS, Checks(fixed_panel=f, persistence=False)).run() for f in (True, False))
    assert alarms(audited(fixed)) == []
    report = audited(open_)
    assert alarms(report) == [("of-f06", "month", JANUARY, "persistent")]
    assert combined(report) == MONTHS


# The same firm joins at the end of the first month, so that it is there for the whole of the second.
COMES = park((*FIVE, replace(NEWCOMER, joined=date(2025, 12, 24))), 62)


def test_a_newcomer_that_the_month_before_would_give_away_stays_outside_the_panel() -> None:
    gate = Gate(COMES).run()
    january = [s for s in gate.sealed if "/2026-01-" in s.figure_id]
    assert {s.panel for s in january} == {("f01", "f02", "f03", "f04", "f05")}
    assert values(gate, "month/2026-01-01")[-1][0] == "published"
    assert alarms(audited(gate)) == []


def test_without_persistence_the_newcomer_is_this_month_minus_the_last() -> None:
    gate = Gate(COMES, Checks(persistence=False)).run()
    assert values(gate, "month/2026-01-01")[-1][0] == "published"
    report = audited(gate)
    assert alarms(report) == [("of-f06", "month", JANUARY, "persistent")]
    assert combined(report) == MONTHS


# The same firm leaves: January is the others' alone, and says what they had of December.
LEAVES = park((*FIVE, replace(NEWCOMER, left=date(2026, 1, 1))), 62)
GAP = Silence("f01", date(2026, 1, 10), date(2026, 1, 11))


@pytest.mark.parametrize("silences", [(), (GAP,)], ids=["whole", "gap"])
def test_who_left_may_not_be_last_month_minus_the_days_of_this_one(silences: tuple[Silence, ...]) -> None:
    gate = Gate(replace(LEAVES, happenings=silences)).run()
    ((_, december),) = values(gate, "month/2025-12-01")
    assert december is not None
    january = gate.ledger.filter(period="day", status="published").filter(pl.col("period_start") >= JANUARY)
    # Of December the others had at least what was seen of their January, less 5 %: the rest is the most that
    # can have been f06's.
    most = december - january["value"].sum() / 1.05
    own = LEAVES.versions.filter(subject="f06")["value"].sum()
    assert most >= 1.1 * own


@pytest.mark.parametrize("silences", [(), (GAP,)], ids=["whole", "gap"])
def test_days_that_are_not_asked_about_would_not_have_been_withheld(
    silences: tuple[Silence, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    park = replace(LEAVES, happenings=silences)
    asked = MonthsSoFar.may_tell
    spared = []

    def always(self: MonthsSoFar, variable: str, month: date, move: Fraction, protected: Fraction) -> bool:
        spared.append(not asked(self, variable, month, move, protected))
        return True

    usual = Gate(park).run()
    monkeypatch.setattr(MonthsSoFar, "may_tell", always)
    assert Gate(park).run().ledger["sha256"].to_list() == usual.ledger["sha256"].to_list()
    assert sum(spared) > 20
