"""The long proof: 120 nights, everybody alone and all pairs, of thirty-one members.

Runs in `make audit-sim`.
"""

import time
from collections import Counter

import pytest

from pipelines.domain.disclosure.audit import AuditReport, audit
from tests.simulated.nights import Gate
from tests.simulated.parks import thirty_one_members

COALITION = 2


@pytest.mark.audit_sim
def test_nobody_learns_more_in_120_nights_than_protection_allows() -> None:
    park = thirty_one_members(COALITION)
    began = time.perf_counter()
    gate = Gate(park)
    for night in park.nights():
        gate.release(night)
        figures, seconds = gate.figures[night.date].height, time.perf_counter() - began
        _say(f"{night.date}: {figures} figures, {seconds:.0f} s so far")
    ran = time.perf_counter()
    report = audit(gate.sealed, COALITION, park.policy.persistence_percent, _say_how_far)
    _print_summary(gate, report, ran - began, time.perf_counter() - ran)
    assert report.alarms == ()


def _print_summary(gate: Gate, report: AuditReport, nights_s: float, audit_s: float) -> None:
    newest = gate.ledger.unique("figure_id", keep="last")
    statuses = Counter(newest.select("period", "status").iter_rows())
    lines = [f"nights: {len(gate.figures)}", f"sealed figures: {len(gate.sealed)}"]
    lines += [f"{period} {status}: {count}" for (period, status), count in sorted(statuses.items())]
    for variable in sorted({row.variable for row in report.rows}):
        tightest = min(row.tightest for row in report.rows if row.variable == variable)
        lines.append(f"tightest interval of {variable}: {tightest:.1%} to either side")
    lines.append(f"seconds: {nights_s:.0f} of nights, {audit_s:.0f} of audit")
    _say("\n".join(lines))


def _say_how_far(done: int, total: int) -> None:
    _say(f"audit: {done} of {total} systems")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what `make audit-sim` is for
