"""Statements as rows: whose there are, what each says, its name.

Belongs here: subjects and periods of a cluster, rows of the table emission_statements. Does not belong here:
sums (pipelines.domain.carbon.statements), which versions are made (carbon).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl

from pipelines.connectors.objects import canonical_json
from pipelines.domain.carbon.ledger import Basis, Line
from pipelines.domain.carbon.statements import Account, Boundary, Exclusion, Sum, account
from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.emissions.gases import BIOGENIC
from pipelines.domain.emissions.lookup import Percent
from pipelines.domain.periods import next_month
from pipelines.schemas.tables import EMISSION_STATEMENTS

# What a version is told apart by: not when it was made, nor what was known beside it.
MADE_WITH = ("version", "ledger_sequence", "choice_sequence", "cause", "note", "known_at")
CONTENT = [name for name in EMISSION_STATEMENTS.schema.names if name not in MADE_WITH]


@dataclass(frozen=True)
class Subject:
    """Whom a statement is about."""

    level: str
    subject: str
    factories: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """A statement's name, period and boundary.

    Args:
        end: first local date after the period.
    """

    statement_id: str
    subject: Subject
    period: str
    start: date
    end: date
    boundary: Boundary


def statements_of(cluster: ClusterDefinition, months: Iterable[date]) -> list[Statement]:
    """Return every statement of some months and of their years: factories, members, the cluster."""
    wanted = sorted({*months})
    periods = [("month", month, next_month(month)) for month in wanted]
    periods += [("year", date(y, 1, 1), date(y + 1, 1, 1)) for y in sorted({m.year for m in wanted})]
    made = []
    for period, start, end in periods:
        present = tuple(
            sorted(
                f.factory for f in cluster.factories if f.joined < end and (f.left is None or f.left > start)
            )
        )
        for subject in _subjects(cluster, present):
            name = f"{cluster.cluster}/{subject.level}/{subject.subject}/{period}/{start}"
            boundary = boundary_of(cluster, subject.factories)
            made.append(Statement(name, subject, period, start, end, boundary))
    return made


def _subjects(cluster: ClusterDefinition, present: Sequence[str]) -> list[Subject]:
    factories = [Subject("factory", f, (f,)) for f in present]
    members = [
        Subject("member", m.member, own)
        for m in cluster.members
        if (own := tuple(f for f in cluster.factories_of(m.member) if f in present))
    ]
    return [*factories, *members, Subject("cluster", cluster.cluster, tuple(present))]


def boundary_of(cluster: ClusterDefinition, factories: tuple[str, ...]) -> Boundary:
    """Return what the cluster's policy says of some factories."""
    policy = cluster.carbon
    return Boundary(
        policy.approach,
        factories,
        tuple(Exclusion(f, activity, why) for f, activity, why in policy.exclusions if f in factories),
        tuple(f for f in policy.leased if f in factories),
    )


def statement_rows(
    one: Statement, lines: Sequence[Line], bases: Mapping[date, Basis], *, closed: bool
) -> list[dict[str, Any]]:
    """Return the rows of a statement: the columns CONTENT; none, if nothing in it was ever told.

    Args:
        one: the statement.
        lines: of the whole ledger.
        bases: by month.
        closed: whether its days are all final.
    """
    own = [line for line in lines if one.start <= line.entry.month < one.end]
    months = {month: bases[month] for month in {line.entry.month for line in own}}
    if not months:
        return []
    sets = {month: basis.request.set_name for month, basis in months.items()}
    said = account(own, one.boundary, sets, closed=closed)
    purposes = ";".join(sorted({basis.request.purpose for basis in months.values()}))
    return [_row(one, said, made, purposes) for made in said.sums]


def _row(one: Statement, said: Account, made: Sum, purposes: str) -> dict[str, Any]:
    total = made.total
    reasons = ";".join((*total.reasons, *said.reasons))
    return {
        "statement_id": one.statement_id,
        "level": one.subject.level,
        "subject": one.subject.subject,
        "period": one.period,
        "period_start": one.start,
        "period_end": one.end,
        "scope": made.scope,
        "method": made.method,
        **mass_columns(total.masses_kg),
        "co2e_kg": rounded(total.co2e_kg),
        "gwp_set": total.gwp_set or "unstated",
        **percent_columns(total.percent),
        "estimated_co2e_kg": rounded(made.estimated_kg),
        "activities": made.activities,
        "coverage": said.coverage,
        "estimated_share": said.estimated_share,
        "provisional": said.provisional,
        "reason": reasons or None,
        "purpose": purposes,
        "boundary": canonical_json(one.boundary.content()).decode(),
    }


def mass_columns(masses: Mapping[str, Fraction]) -> dict[str, float | str | None]:
    """Return masses by gas as columns; gases without a column as canonical JSON."""
    others = {gas: float(kg) for gas, kg in masses.items() if gas not in {"CO2", "CH4", "N2O", BIOGENIC}}
    return {
        "co2_kg": rounded(masses.get("CO2")),
        "ch4_kg": rounded(masses.get("CH4")),
        "n2o_kg": rounded(masses.get("N2O")),
        "other_gases": canonical_json(others).decode() if others else None,
        "co2_biogenic_kg": rounded(masses.get(BIOGENIC)),
    }


def percent_columns(percent: Percent | None) -> dict[str, float | None]:
    """Return 95 % distances as columns."""
    low, high = (None, None) if percent is None else percent
    return {"uncertainty_low_pct": low, "uncertainty_high_pct": high}


def rounded(value: Fraction | None) -> float | None:
    """Round an exact figure once, to the nearest float."""
    return None if value is None else float(value)


def content_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows with the columns CONTENT and their types."""
    empty = pl.DataFrame(EMISSION_STATEMENTS.schema.empty_table())
    return pl.DataFrame(rows, schema={name: empty.schema[name] for name in CONTENT})
