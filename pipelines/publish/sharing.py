"""Which KPIs each member shares: what the operator may know of one member.

Belongs here: the state of a KPI of a member (shared, too little measured, lacking), from reasons alone. Does
not belong here: any value; the first thing that happens to KPIS in here is that its numbers are dropped.
"""

import polars as pl

from pipelines.publish.content import SharedKpis, SiteInputs
from pipelines.publish.kpi_tables import MONTH, month_of
from pipelines.publish.senders import current_factories
from pipelines.reference.kpis import kpi_book

_TOO_LITTLE = ("insufficient_coverage", "suspect_excluded")


def shared_kpis(inputs: SiteInputs) -> tuple[SharedKpis, ...]:
    """List which KPIs each member with a factory on the closed day shares in its month.

    A KPI is shared where nothing of it is missing and enough was measured, whatever it amounts to: that its
    denominator is zero would be a value. Without a figure of the month the day's counts. What is of closed
    months only is in no list.
    """
    states = _states(inputs)
    present = {factory.member for factory in current_factories(inputs)}
    members = sorted((m for m in inputs.cluster.members if m.member in present), key=lambda m: m.member)
    order = [d.kpi for d in kpi_book().newest() if not d.monthly]
    return tuple(
        SharedKpis(
            member.member,
            member.name_ko,
            member.name_en,
            *(
                tuple(k for k in order if states.get((member.member, k), "lacking") == state)
                for state in ("shared", "too_little", "lacking")
            ),
        )
        for member in members
    )


def _states(inputs: SiteInputs) -> dict[tuple[str, str], str]:
    """Return the state of each member and KPI."""
    known = inputs.kpis.select(
        "day",
        "period",
        "level",
        "subject",
        "kpi",
        reason=_first_reason(),
        has_value=pl.col("value").is_not_null(),
    )
    month = (pl.col("period") == MONTH) & (pl.col("day") == month_of(inputs.day))
    today = (pl.col("period") == "day") & (pl.col("day") == inputs.day)
    states = known.filter((pl.col("level") == "member") & (month | today)).with_columns(
        state=pl.when(pl.col("has_value"))
        .then(pl.lit("shared"))
        .when(pl.col("reason").is_in(_TOO_LITTLE))
        .then(pl.lit("too_little"))
        .when(pl.col("reason").str.starts_with("missing_element") | (pl.col("reason") == "not_computed"))
        .then(pl.lit("lacking"))
        .otherwise(pl.lit("shared"))
    )
    # The month is sorted last, so that it holds where both are known.
    ordered = states.sort(pl.col("period") == MONTH, "subject", "kpi")
    return {(s, k): state for s, k, state in ordered.select("subject", "kpi", "state").iter_rows()}


def _first_reason() -> pl.Expr:
    return pl.col("reason").fill_null("").str.split(";").list.first()
