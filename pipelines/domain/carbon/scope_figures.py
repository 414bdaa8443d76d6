"""Lines of the ledger as figures of scopes: what of a factory's month enters a total of the cluster.

Belongs here: which lines count, when a factory has no value, what of an amount is public (its factors). Does
not belong here: statements (statements), peer groups, what may be published (benchmarks, disclosure).

How the rules are read here, where they leave room:

- What two members traded and both tell alike is in the seller's fuel: the buyer's amount is in no scope, and
  has a figure of its own. That holds in every group, so that groups add up to everybody's total.
- A line that can't be told leaves its factory without a value; so does one of an estimated amount, for
  totals hold measured amounts only. A line of an unknown activity may be of any scope.
- GWP sets are never added: a month whose lines of a scope were computed by several has no value of it.
- A factory without any line of a scope has no row: it may have none, or not have told.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.domain.carbon.entries import BOUGHT, CONTRACT, METER
from pipelines.domain.carbon.ledger import METERED, SOLD_ON, WITHOUT_USE
from pipelines.domain.carbon.statements import Exclusion
from pipelines.domain.factory_energy import is_publishable
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.kpis import FIGURE_COLUMNS, SUSPECT
from pipelines.domain.sums import exact_sum

SCOPE_1, LOCATION, MARKET = "co2e_scope1_kg", "co2e_scope2_location_kg", "co2e_scope2_market_kg"
TRANSFERS, TOGETHER = "co2e_transfers_kg", "co2e_scope12_location_kg"
PER_UNIT, BY_OUTPUT = "co2e_scope12_t_per_unit", "co2e_t_per_unit"
SEVERAL_SETS, INCOMPLETE = "several_gwp_sets", "incomplete"
_IDLE = (METERED, SOLD_ON, CONTRACT, WITHOUT_USE)
_WITHDRAWN, _UNSTATED = "withdrawn", "unstated"
_PLACE = ["month", "factory", "activity_id"]
_OF_FACTORY = ["month", "factory", "kpi"]
_DAY_S = 86_400.0


def scope_figures(
    lines: pl.DataFrame,
    activities: pl.DataFrame,
    definitions: Sequence[Definition],
    members: Mapping[str, str],
    exclusions: Sequence[Exclusion] = (),
) -> pl.DataFrame:
    """Add the lines of whole months up to figures of factories and members.

    Args:
        lines: rows of emission_lines, all versions of the months.
        activities: newest rows of the table activities: ``month, factory, activity_id, activity, source,
            start, end`` [local dates], ``coverage`` [1; null: no meter].
        definitions: the catalogue's monthly totals; one of several elements adds what its elements add.
        members: owner by factory; others are left out.
        exclusions: what the cluster's boundary leaves out.

    Returns:
        FIGURE_COLUMNS of period month [kg CO2e], levels factory and member, sorted by day, level, subject and
        KPI. ``value`` null: see ``reason`` (`several_gwp_sets`, `incomplete:<lines>`, `suspect_excluded`).
        ``basis``: the same activities by the factors first used for them [kg CO2e]; null: there are none.
        ``status`` provisional: a factor is carried forward, or the other side of a transfer doesn't agree.
    """
    newest = _with_basis(lines).join(activities, on=_PLACE, how="left")
    kept = newest.filter(
        pl.col("reason").ne_missing(_WITHDRAWN),
        pl.col("factory").is_in(sorted(members)),
        *(~_is_covered(one) for one in exclusions),
    )
    tagged = pl.concat([
        kept.filter(pl.any_horizontal(_counts(name) for name in definition.formula.elements)).with_columns(
            kpi=pl.lit(definition.kpi)
        )
        for definition in definitions
    ])  # fmt: skip
    unmatched = kept.filter(pl.col("matched").eq_missing(other=False)).select("month", "factory").unique()
    factories = _of_factories(tagged, unmatched).with_columns(level=pl.lit("factory"), subject="factory")
    owners = pl.DataFrame(
        sorted(members.items()), schema={"factory": pl.String, "member": pl.String}, orient="row"
    )
    both = pl.concat([
        factories.drop("factory"),
        _of_members(factories.join(owners, on="factory")),
    ], how="diagonal")  # fmt: skip
    return _figures(both, definitions)


def _with_basis(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the newest lines, with what the first line of the same version of the activity told."""
    key = [*_PLACE, "method"]
    ordered = lines.sort(*key, "version")
    last = ordered.unique(key, keep="last", maintain_order=True)
    first = (
        ordered.drop_nulls("co2e_kg")
        .unique([*key, "activity_version"], keep="first", maintain_order=True)
        .select(*key, "activity_version", basis="co2e_kg")
    )
    return last.join(first, on=[*key, "activity_version"], how="left")


def _is_covered(exclusion: Exclusion) -> pl.Expr:
    own = pl.col("factory") == exclusion.factory
    return own if exclusion.activity is None else own & pl.col("activity").eq_missing(exclusion.activity)


def _counts(element: str) -> pl.Expr:
    """Say which lines an element adds."""
    traded = ((pl.col("transfer") == BOUGHT) & pl.col("matched")).fill_null(value=False)
    of_2, method = pl.col("scope") == "2", pl.col("method")
    if element == TRANSFERS:
        return traded & (method == "location")
    idle = pl.col("reason").is_in(_IDLE).fill_null(value=False)
    of_any = (pl.col("scope") == "-") & ~idle
    own = {
        SCOPE_1: pl.col("scope") == "1",
        LOCATION: of_2 & (method == "location"),
        MARKET: of_2 & (method == "market"),
    }[element]
    return (own | of_any) & ~traded


def _of_factories(tagged: pl.DataFrame, unmatched: pl.DataFrame) -> pl.DataFrame:
    """Add a factory's lines: _OF_FACTORY, total, basis, coverage, reason, final."""
    known = pl.col("co2e_kg").is_not_null()
    sets = tagged.filter(known).group_by("month", "kpi").agg(
        sets=pl.col("gwp_set").fill_null(_UNSTATED).n_unique()
    )  # fmt: skip
    # A meter that began within the month measured nothing of it before.
    measured_d = (pl.col("end") - pl.col("start")).dt.total_days() * pl.col("coverage").fill_null(0.0)
    of_meter = pl.when(pl.col("source") == METER).then(measured_d / pl.col("month").dt.days_in_month())
    added = tagged.group_by(_OF_FACTORY).agg(
        total=exact_sum(pl.col("co2e_kg")),
        basis=exact_sum(pl.col("basis")),
        missing=(~known).sum(),
        estimated=(pl.col("quality").is_not_null() & ~is_publishable()).any(),
        coverage=(exact_sum(of_meter) / of_meter.count()).fill_null(1.0),
        final=~pl.col("provisional").any(),
    )
    several = pl.col("sets").fill_null(0) > 1
    return (
        added.join(sets, on=["month", "kpi"], how="left")
        .join(unmatched.with_columns(open=pl.lit(value=True)), on=["month", "factory"], how="left")
        .select(
            *_OF_FACTORY, "total", "basis", "coverage",
            reason=pl.when(several).then(pl.lit(SEVERAL_SETS))
            .when(pl.col("missing") > 0).then(pl.format(f"{INCOMPLETE}:{{}}", "missing"))
            .when("estimated").then(pl.lit(SUSPECT)),
            final=pl.col("final") & pl.col("open").is_null(),
            parts=pl.lit(1.0),
        )
    )  # fmt: skip


def _of_members(factories: pl.DataFrame) -> pl.DataFrame:
    """Add a member's factories; one without a value leaves the member without."""
    return factories.group_by("month", "member", "kpi").agg(
        total=exact_sum(pl.col("total")),
        basis=exact_sum(pl.col("basis")),
        coverage=pl.col("coverage").mean(),
        reason=pl.col("reason").drop_nulls().sort().first(),
        final=pl.col("final").all(),
        parts=exact_sum(pl.col("parts")),
    ).rename({"member": "subject"}).with_columns(level=pl.lit("member"))  # fmt: skip


def _figures(sums: pl.DataFrame, definitions: Sequence[Definition]) -> pl.DataFrame:
    """Write sums as rows of the table kpis."""
    in_units = pl.DataFrame(
        [(d.kpi, d.version, d.unit) for d in definitions],
        schema={"kpi": pl.String, "definition_version": pl.String, "unit": pl.String},
        orient="row",
    )
    known = pl.col("reason").is_null()
    value = pl.when(known).then("total")
    weight = pl.col("month").dt.days_in_month() * _DAY_S * pl.col("parts")
    covered = pl.when(known).then(weight * pl.col("coverage")).otherwise(0.0)
    return (
        sums.join(in_units, on="kpi")
        .with_columns(
            day="month", period=pl.lit("month"), numerator=value, denominator=pl.lit(None, pl.Float64),
            value=value, product_class=pl.lit(None, pl.String),
            status=pl.when("final").then(pl.lit("final")).otherwise(pl.lit("provisional")),
            sums=pl.when(known).then(pl.concat_list("total")), weight=weight, covered=covered,
            coverage=covered / weight, basis=pl.when(known).then("basis"),
        )
        .select(FIGURE_COLUMNS)
        .sort("day", "level", "subject", "kpi", "definition_version")
    )  # fmt: skip


def per_unit(totals: pl.DataFrame, months: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """Divide both scopes of a month by the output that its figure of electricity per unit divides by.

    Args:
        totals: what `scope_figures` returned.
        months: rows of the same months: FIGURE_COLUMNS.
        definition: of co2e_scope12_t_per_unit.

    Returns:
        FIGURE_COLUMNS, sorted like `totals`, of whoever has both. ``value`` null: a reason of either. The
        lower of both coverages counts.
    """
    place = ["day", "level", "subject"]
    of_output = months.filter(pl.col("kpi") == BY_OUTPUT, pl.col("period") == "month")
    newest = of_output.sort("definition_version").unique(place, keep="last", maintain_order=True)
    why = pl.when(pl.col("value").is_null()).then("reason")
    output = newest.select(
        *place, "product_class", "status", output="denominator", why=why, measured="coverage"
    )
    told = totals.filter(pl.col("kpi") == TOGETHER).drop("product_class", "denominator")
    both = told.join(output, on=place).with_columns(reason=pl.coalesce("reason", "why"))
    known = pl.col("reason").is_null()
    scale, final = definition.formula.scale, pl.all_horizontal(pl.col("status", "status_right") == "final")
    coverage = pl.min_horizontal("coverage", "measured").fill_null(0.0)
    return (
        both.with_columns(
            kpi=pl.lit(definition.kpi), definition_version=pl.lit(definition.version),
            unit=pl.lit(definition.unit), coverage=coverage, covered=pl.col("weight") * coverage,
            numerator=pl.when(known).then(pl.col("value") * scale),
            denominator=pl.when(known).then("output"),
            value=pl.when(known).then(pl.col("value") * scale / pl.col("output")),
            status=pl.when(final).then(pl.lit("final")).otherwise(pl.lit("provisional")),
            sums=pl.when(known).then(pl.concat_list("value", "output")), basis=pl.lit(None, pl.Float64),
        )
        .select(FIGURE_COLUMNS)
        .sort("day", "level", "subject", "kpi", "definition_version")
    )  # fmt: skip
