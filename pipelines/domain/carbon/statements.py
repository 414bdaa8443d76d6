"""Statements: sums of a factory, member or cluster over a month or year, with their boundary.

Belongs here: what is within a boundary, sums by scope and method, what a statement says of them. Does not
belong here: emissions of an entry (ledger), versions and why they differ (restatement).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from pipelines.domain.carbon.entries import BOUGHT, METER
from pipelines.domain.carbon.ledger import Line
from pipelines.domain.emissions.figures import Figure, Method
from pipelines.domain.emissions.totals import BOTH_SCOPES, Total, sums_by_set

TRANSFERS = "transfers"
UNMATCHED, MISSING_FACTORY = "unmatched_transfer", "factory_without_activities"


@dataclass(frozen=True)
class Exclusion:
    """What a statement leaves out, and why.

    Args:
        factory: its id.
        activity: name of the activity; null: all of the factory.
        reason: in the operator's words.
    """

    factory: str
    activity: str | None
    reason: str

    def covers(self, line: Line) -> bool:
        """Say whether a line is left out."""
        return self.leaves_out(line.entry.factory, line.entry.activity)

    def leaves_out(self, factory: str, activity: str) -> bool:
        """Say whether a factory's activity is left out."""
        return self.factory == factory and self.activity in {None, activity}


@dataclass(frozen=True)
class Boundary:
    """What a statement is about.

    Args:
        approach: of consolidation: operational_control, financial_control or equity_share.
        factories: whose activities are in it, sorted.
        exclusions: what of them is left out.
        leased: factories on leased sites.
    """

    approach: str
    factories: tuple[str, ...]
    exclusions: tuple[Exclusion, ...] = ()
    leased: tuple[str, ...] = ()

    def content(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "approach": self.approach,
            "factories": list(self.factories),
            "exclusions": [[e.factory, e.activity, e.reason] for e in self.exclusions],
            "leased": list(self.leased),
        }

    @classmethod
    def of(cls, content: Mapping[str, list[list[str]] | list[str] | str]) -> "Boundary":
        """Return the boundary of plain values."""
        return cls(
            str(content["approach"]),
            tuple(str(f) for f in content["factories"]),
            tuple(Exclusion(e[0], e[1], e[2]) for e in content["exclusions"]),
            tuple(str(f) for f in content["leased"]),
        )


@dataclass(frozen=True)
class Sum:
    """One sum of a statement.

    Args:
        scope: 1, 2, 1+2, or transfers: what was eliminated because two factories of the boundary traded it.
        method: location, market, or - where there is only one.
        activities: figures in it; those that can't be told are missing, not in it.
        total: of one GWP set.
    """

    scope: str
    method: Method
    activities: int
    total: Total


@dataclass(frozen=True)
class Account:
    """A statement without its name and version.

    Args:
        sums: scope 1, scope 2 twice, both twice, transfers; each GWP set apart.
        provisional: something in it may still change by itself.
        reasons: codes of the whole statement.
        coverage: mean share of the metered days' hours that was measured, weighted by days; null: no meter.
        estimated_share: share of the located emissions whose amount isn't measured; null: nothing emitted.
    """

    sums: tuple[Sum, ...]
    provisional: bool
    reasons: tuple[str, ...]
    coverage: float | None
    estimated_share: float | None


def within(lines: Sequence[Line], boundary: Boundary) -> list[Line]:
    """Return the lines of a boundary."""
    factories = frozenset(boundary.factories)
    return [
        line
        for line in lines
        if line.entry.factory in factories and not any(e.covers(line) for e in boundary.exclusions)
    ]


def counted(lines: Sequence[Line], boundary: Boundary) -> list[Line]:
    """Return the lines that a statement adds: what two of its factories traded is in the seller's fuel."""
    return [
        line
        for line in within(lines, boundary)
        if not (_is_inner(line, boundary) and line.matched and line.transfer == BOUGHT)
    ]


def account(
    lines: Sequence[Line], boundary: Boundary, asked_sets: Mapping[date, str], *, closed: bool
) -> Account:
    """Add lines up to a statement.

    Args:
        lines: of its period, of all factories.
        boundary: what is in it.
        asked_sets: the GWP set that each month was computed by.
        closed: whether the period is over and all its days are final.
    """
    own = within(lines, boundary)
    inner = [line for line in own if _is_inner(line, boundary)]
    eliminated = [line for line in inner if line.matched and line.transfer == BOUGHT]
    kept = counted(lines, boundary)
    asked = asked_sets[max(asked_sets)]
    unmatched = len({line.entry.place for line in inner if not line.matched})
    silent = {*boundary.factories} - {line.entry.factory for line in own} - {
        e.factory for e in boundary.exclusions if e.activity is None
    }  # fmt: skip
    reasons = [f"{UNMATCHED}:{unmatched}"] if unmatched else []
    reasons += [f"{MISSING_FACTORY}:{len(silent)}"] if silent else []
    open_entries = any(line.entry.status != "final" for line in own)
    figures = _figures(kept)
    return Account(
        (*_sums(figures, asked), *_transfers(_figures(eliminated), asked)),
        not closed or open_entries or bool(unmatched) or any(f.provisional for f in figures),
        tuple(reasons),
        _coverage(own),
        _estimated_share(kept),
    )


def _is_inner(line: Line, boundary: Boundary) -> bool:
    return line.transfer is not None and line.entry.counterpart in boundary.factories


def _figures(lines: Sequence[Line]) -> list[Figure]:
    return [line.figure for line in lines if line.figure is not None]


def of_scope(figures: Sequence[Figure], scope: str, method: str) -> list[Figure]:
    """Return the figures of a sum; one of unknown scope may well be of 1 or 2, so it is in both together."""
    if scope == "1":
        return [f for f in figures if f.scope == "1"]
    if scope == "2":
        return [f for f in figures if f.scope == "2" and f.method == method]
    return [f for f in figures if f.scope in {"1", "-"} or (f.scope == "2" and f.method == method)]


_SUMS: tuple[tuple[str, Method], ...] = (
    ("1", "-"), ("2", "location"), ("2", "market"), (BOTH_SCOPES, "location"), (BOTH_SCOPES, "market"),
)  # fmt: skip


def _sums(figures: Sequence[Figure], asked: str) -> list[Sum]:
    return [
        made
        for scope, method in _SUMS
        for made in _added(scope, method, of_scope(figures, scope, method), asked)
    ]


def _transfers(figures: Sequence[Figure], asked: str) -> list[Sum]:
    methods: tuple[Method, ...] = ("location", "market")
    return [
        made
        for method in methods
        for made in _added(TRANSFERS, method, [f for f in figures if f.method == method], asked)
    ]


def _added(scope: str, method: Method, figures: Sequence[Figure], asked: str) -> list[Sum]:
    if not figures:
        return []
    return [
        Sum(scope, method, sum(f.gwp_set == total.gwp_set for f in figures if f.co2e_kg is not None), total)
        for total in sums_by_set(figures, method, asked)
    ]


def _coverage(lines: Sequence[Line]) -> float | None:
    metered = {line.entry.place: line.entry for line in lines if line.entry.source == METER}
    days = [((e.end - e.start).days, e.coverage or 0.0) for e in metered.values()]
    total = sum(n for n, _ in days)
    return sum(n * share for n, share in sorted(days)) / total if total else None


def _estimated_share(lines: Sequence[Line]) -> float | None:
    located = [line for line in lines if line.figure is not None and line.figure.method != "market"]
    parts = [
        (line.figure.co2e_kg, Fraction(line.entry.estimated_share or 0.0))
        for line in located
        if line.figure is not None and line.figure.co2e_kg is not None
    ]
    total = sum((co2e for co2e, _ in parts), Fraction(0))
    return float(sum((co2e * share for co2e, share in parts), Fraction(0)) / total) if total else None
