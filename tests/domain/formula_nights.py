"""Nights about one day of six firms, for the tests of formulas: sums by hand, seals out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.domain.disclosure.candidates import Candidate, Contribution
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.release import Checks
from tests.domain.release_night import ALL, BOOK, MAY_4, end_of, night, on_grid, rules

FIRMS = tuple(f"f{i}" for i in range(6))
# of one firm: planned 80,000 s, producing 50,000 s; 1,500 units of 30 s, 1,200 of them good; 3 kWh a unit.
FIRM: Mapping[str, float] = {
    "pbt_s": 80_000.0, "unknown_s": 0.0, "apt_s": 50_000.0, "pq": 1_500.0, "energy_kwh": 4_500.0,
    "pru_s*pq": 45_000.0, "pru_s*gq": 36_000.0, "co2e_kg": 2_250.0,
}  # fmt: skip
GOOD = dict.fromkeys(FIRMS, FIRM)
WITHOUT_HISTORY = Checks(formula_history=False)


def idling(idle_s: float) -> dict[str, Mapping[str, float]]:
    """Return six firms of which one has all the idle time: their availability tells it."""
    busy = FIRM | {"apt_s": 80_000.0}
    return dict.fromkeys(FIRMS[1:], busy) | {"f0": FIRM | {"apt_s": 80_000.0 - idle_s}}


def made(
    kpi: str, firms: Mapping[str, Mapping[str, float]] = GOOD, *, group: str = "x", breakdown: str = "process"
) -> Candidate:
    """Return a figure of a day on a grid of about a thousandth of its value."""
    definition = BOOK.find(kpi)
    assert definition is not None
    formula = definition.formula
    own = []
    for firm, values in sorted(firms.items()):
        sums = tuple(sum(t.coefficient * values[t.column] for t in part.terms) for part in formula.sums)
        below = sums[1] if formula.below else None
        own.append(Contribution(firm, firm, formula.scale * sums[0], below, sums))
    value = sum(c.numerator for c in own) / (sum(c.denominator or 0.0 for c in own) or 1.0)
    step = float(f"{value / 1000:.1g}")
    return Candidate(
        figure_id=f"c/{breakdown}/{group}/day/{MAY_4}/{definition.key}", definition=definition,
        breakdown=breakdown, group=group, period="day", start=MAY_4, end=end_of(MAY_4, "day"),
        contributions=tuple(own), panel=tuple(sorted(firms)),
        statistic="total" if definition.is_total else "ratio_of_sums",
        value=on_grid(value, step), grid_step=step,
    )  # fmt: skip


def aged(candidate: Candidate) -> Candidate:
    """Return a figure of class B, as one that is shown months later is."""
    return replace(candidate, definition=replace(candidate.definition, disclosure_class="B"))


def seals(*given: Sequence[Candidate], checks: Checks = ALL) -> list[SealedFigure]:
    """Return what nights seal, one after the other."""
    past: list[SealedFigure] = []
    for at, candidates in enumerate(given, start=1):
        past += night(candidates, past, rules(night=at), checks).values()
    return past


def kpi_of(sealed: SealedFigure) -> str:
    return sealed.figure_id.split("/")[5].partition("@")[0]
