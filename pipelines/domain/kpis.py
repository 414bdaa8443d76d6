"""The KPIs of machines, factories, peer groups' inputs and members, by day, month and rolling 12 months.

Belongs here: which units a day's KPIs are computed for, and how they roll up: over machines, factories, days
and months by adding a formula's sums, never by reading facts again. Does not belong here: the arithmetic of
one unit (pipelines.domain.kpi_evaluation), the daily elements (pipelines.domain.daily_elements) and what may
be shown to whom (benchmarks, disclosure).

How the rules are read here, where they leave room:

- A formula whose elements all are a machine's is evaluated per machine and day; a factory is the sum of its
  machines. One with an element of the factory (its main meters, orders, people) is evaluated per factory and
  day, with its machines' elements added up: as soon as one machine lacks one, the factory lacks it.
- A machine that ran but has no counts lacks them; one that never ran made nothing.
- A ratio of elements that different streams tell (energy by meters, output by counters) has no value below
  the coverage of comparisons: nothing weighs the one by what is known of the other.
- Coverage: of machines the known share of the planned time, weighted by it; with an element of the factory
  also that element's own, weighted by the time that it stands for. Where nothing was planned nothing can be
  missing: covered whole, if the elements are known.
- A subject has a row for every KPI of which its factories share an element, with a reason where there is no
  value; and always for what the catalogue expects of every factory.
- A month holds the days so far; who changes the version of a formula within it has a row of each version,
  whose coverage counts the days of the other as not covered. Rolling 12 months end with a closed month;
  months without a row weigh as much as the others, and cover nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.daily_elements import CARBON, OF_FACTORY
from pipelines.domain.kpi_evaluation import PLANNED, UNKNOWN, Elements, divided, rolled_up, unit_sums
from pipelines.domain.kpi_formulas import Definition, Element, KpiBook, sources_of
from pipelines.domain.machine_time import ALL_PRODUCTS
from pipelines.domain.sums import exact_sum

SUSPECT = "suspect_excluded"
MIXED = "mixed_product_classes"
MONTHS = 12
_DAY_S = 86_400.0
UNIT_COST = "baseline_unit_cost_krw"
_NO_PRODUCT = ""  # a row of what a machine without counts made
_KPI = ["kpi", "version"]
_MACHINE = ["day", "factory", "machine"]
FIGURE_COLUMNS = (
    "day", "period", "level", "subject", "kpi", "definition_version", "numerator", "denominator", "value",
    "unit", "reason", "coverage", "product_class", "status", "sums", "weight", "covered", "basis",
)  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Who is in a cluster on each day.

    Args:
        factories: ``day, factory, member, process`` (null: not known), ``product_class`` (null: none, or
            several), ``mixed`` (several): one row per factory that belongs to the cluster on the day.
        products: ``factory, profile_version, product, product_class``.
    """

    factories: pl.DataFrame
    products: pl.DataFrame


def places_of(
    rows: pl.DataFrame, profiles: pl.DataFrame, cluster: ClusterDefinition, days: Iterable[date]
) -> Places:
    """Find each day's factories, with what the profile under which they were computed says.

    Args:
        rows: daily elements of the days.
        profiles: ``factory, profile_version, process, products, valid_to``, sorted by factory and validity.
        cluster: owners.
        days: local dates.
    """
    owners = pl.DataFrame(
        [(day, f.factory, f.member) for day in sorted(days) for f in cluster.factories if f.belongs_on(day)],
        schema={"day": pl.Date, "factory": pl.String, "member": pl.String},
        orient="row",
    )
    used = rows.group_by("day", "factory").agg(pl.col("profile_version").max())
    products = (
        profiles.select("factory", "profile_version", "products")
        .unique(["factory", "profile_version"], keep="last", maintain_order=True)
        .filter(pl.col("products").list.len() > 0)
        .explode("products")
        .unnest("products")
        .select("factory", "profile_version", "product", "product_class")
    )
    classes = products.group_by("factory", "profile_version").agg(
        pl.col("product_class").drop_nulls().unique().alias("classes")
    )
    processes = profiles.unique(["factory", "profile_version"], keep="last", maintain_order=True)
    latest = profiles.filter(pl.col("valid_to").is_null()).unique("factory", keep="last", maintain_order=True)
    of_profile = ["factory", "profile_version"]
    several = pl.col("classes").list.len().fill_null(0)
    factories = (
        owners.join(used, on=["day", "factory"], how="left")
        .join(processes.select(*of_profile, "process"), on=of_profile, how="left")
        .join(latest.select("factory", latest="process"), on="factory", how="left")
        .join(classes, on=of_profile, how="left")
        .select(
            "day", "factory", "member",
            process=pl.coalesce("process", "latest"),
            product_class=pl.when(several == 1).then(pl.col("classes").list.first()),
            mixed=several > 1,
        )
        .sort("day", "factory")
    )  # fmt: skip
    return Places(factories, products)


def day_figures(rows: pl.DataFrame, places: Places, book: KpiBook, in_force: pl.DataFrame) -> pl.DataFrame:
    """Derive every KPI of some days for each machine, factory, peer and member of a cluster.

    Args:
        rows: daily elements (pipelines.domain.daily_elements) of the days, whole days.
        places: of the days.
        book: the catalogue.
        in_force: ``day, kpi, version``: the version that each day is computed by.

    Returns:
        FIGURE_COLUMNS, sorted by day, level, subject and KPI. ``sums`` are the formula's sums over the units
        that have them all; ``coverage`` = ``covered`` / ``weight`` is over all units. ``value`` null: see
        ``reason``: `missing_element:<name>`, `negative_element:<name>`, `insufficient_coverage`,
        `zero_denominator`, `mixed_product_classes` (output of several classes can't be added),
        `suspect_excluded`, or the reason of an emission factor. Marks with a value: `suspect_excluded`,
        `above_one`.

    Source: ISO 22400-2 (OEE over a mix of products is a ratio of sums); GHG Protocol (co2e_kg).
    """
    wanted = set(in_force.select("kpi", "version").unique().iter_rows())
    definitions = [d for d in book.all_versions() if (d.kpi, d.version) in wanted]
    known = rows.join(places.factories, on=["day", "factory"], how="semi")
    of_machines = known.filter(pl.col("machine") != OF_FACTORY)
    wide = _machine_rows(of_machines, book.elements)
    final_days = _final_days(known)
    machines = _machine_units(of_machines, wide, places, definitions, book, final_days)
    factories = pl.concat([
        _factory_units(known, wide, definitions, book, final_days),
        _combined(
            machines.filter(pl.col("kpi").is_in([d.kpi for d in definitions if d.base == "machine"])),
            ["day", "factory"],
            definitions,
        ).drop("product_class"),
    ], how="diagonal")  # fmt: skip
    factories = _completed(
        factories.drop("mixed", strict=False), places.factories, definitions, in_force, final_days
    )
    expected = pl.col("kpi").is_in(sorted(book.expected())) & (pl.col("level") != "machine")
    shown = _levels(machines, factories, definitions).filter(pl.col("shared") | expected)
    return _figures(shown.join(in_force, on=["day", *_KPI], how="semi"), definitions, "day")


def month_figures(days: pl.DataFrame, book: KpiBook, last_day: date) -> pl.DataFrame:
    """Roll days up to months.

    Args:
        days: all rows of period day of whole months: FIGURE_COLUMNS.
        book: the catalogue.
        last_day: the newest day that is closed: months that end later go on, and stay provisional.

    Returns:
        FIGURE_COLUMNS of period month; ``day`` is the first of the month.
    """
    definitions = _used(days, book)
    month = pl.col("day").dt.truncate("1mo")
    units = _units(days).with_columns(day=month)
    subject = ["day", "level", "subject"]
    all_versions = units.group_by(*subject, "kpi").agg(all_weight=exact_sum(pl.col("weight")))
    ended = pl.col("day").dt.month_end() <= last_day
    months = (
        _combined(units, subject, definitions)
        .join(all_versions, on=[*subject, "kpi"])
        .with_columns(weight="all_weight", final=pl.col("final") & ended)
    )
    return _figures(_with_means(months, definitions), definitions, "month")


def span_figures(days: pl.DataFrame, book: KpiBook, start: date, end: date, period: str) -> pl.DataFrame:
    """Roll days up to one span of local dates [start, end), such as a baseline.

    Args:
        days: rows of period day of the span: FIGURE_COLUMNS.
        book: the catalogue.
        start: first local date.
        end: first local date after the span.
        period: what the span is called.

    Returns:
        FIGURE_COLUMNS; ``day`` is `start`. Days of which a subject has no row weigh as much as the others,
        and cover nothing; so do days of another version of a formula.
    """
    definitions = _used(days, book)
    subject = ["level", "subject"]
    length = (end - start).days
    missing = days.group_by(subject).agg(stretch=length / pl.col("day").n_unique())
    units = _units(days).with_columns(day=pl.lit(start))
    all_versions = units.group_by(*subject, "kpi").agg(all_weight=exact_sum(pl.col("weight")))
    spans = (
        _combined(units, ["day", *subject], definitions)
        .join(all_versions, on=[*subject, "kpi"])
        .join(missing, on=subject)
        .with_columns(weight=pl.col("all_weight") * pl.col("stretch"))
    )
    return _figures(_with_means(spans, definitions), definitions, period)


def rolling_figures(months: pl.DataFrame, book: KpiBook, ends: Sequence[date]) -> pl.DataFrame:
    """Roll closed months up to the 12 months that end with each of some months.

    Args:
        months: rows of period month: FIGURE_COLUMNS; only closed ones of the windows are there.
        book: the catalogue.
        ends: firsts of the months that the windows end with.

    Returns:
        FIGURE_COLUMNS of period rolling12; ``day`` is the first local date of the 12 months.
    """
    definitions = _used(months, book)
    windows = pl.DataFrame({"end": sorted(ends)}, schema={"end": pl.Date}).join(
        pl.DataFrame({"back": list(range(MONTHS))}), how="cross"
    ).select(
        window=pl.col("end").dt.offset_by(f"-{MONTHS - 1}mo"),
        day=pl.col("end").dt.offset_by("-" + pl.col("back").cast(pl.String) + "mo"),
    )  # fmt: skip
    units = _units(months).join(windows, on="day").with_columns(day="window")
    years = _combined(units, ["day", "level", "subject"], definitions).with_columns(
        weight=pl.col("weight") * MONTHS / pl.col("parts")
    )
    return _figures(_with_means(years, definitions), definitions, "rolling12")


_UNIT_COLUMNS = (
    "sums", "fault", "weight", "covered", "suspect", "final", "product_class", "shared",
)  # fmt: skip


def _levels(
    machines: pl.DataFrame, factories: pl.DataFrame, definitions: Sequence[Definition]
) -> pl.DataFrame:
    """Name the units of each level and add factories up: day, level, subject, kpi, version, _UNIT_COLUMNS."""
    own_meter = pl.col("told") == pl.col("needed")
    machine = pl.concat_str("factory", "machine", separator="/")
    peer = pl.concat_str("member", "process", separator="/")
    by = ["day", "level", "subject"]
    levels = [
        machines.filter(own_meter).with_columns(level=pl.lit("machine"), subject=machine),
        factories.with_columns(level=pl.lit("factory"), subject="factory"),
        _combined(
            factories.drop_nulls("process").with_columns(level=pl.lit("peer"), subject=peer), by, definitions
        ),
        _combined(factories.with_columns(level=pl.lit("member"), subject="member"), by, definitions),
    ]
    return pl.concat([frame.select(*by, *_KPI, *_UNIT_COLUMNS) for frame in levels])


def _combined(units: pl.DataFrame, by: Sequence[str], definitions: Sequence[Definition]) -> pl.DataFrame:
    """Add units up: `by`, kpi, version, _UNIT_COLUMNS, ``parts`` (units) and ``whole`` (those with sums).

    Output of several product classes is not added, whether they meet within one unit or between two.
    """
    classes = pl.col("product_class").drop_nulls()
    rolled = rolled_up(
        units,
        by,
        definitions,
        suspect=pl.col("suspect").any(),
        final=pl.col("final").all(),
        shared=pl.col("shared").any(),
        parts=pl.len(),
        whole=pl.col("sums").is_not_null().sum(),
        classes=classes.n_unique(),
        one_class=classes.min(),
        mixed=(pl.col("fault") == MIXED).any(),
    )
    several = pl.col("mixed").fill_null(value=False) | (pl.col("classes") > 1)
    return _without_mixtures(
        rolled.with_columns(product_class=pl.when(~several).then("one_class"), mixed=several), definitions
    ).drop("classes", "one_class", "mixed")


def _without_mixtures(units: pl.DataFrame, definitions: Sequence[Definition]) -> pl.DataFrame:
    """Take their sums from units whose output is of several classes (``mixed``), where output counts."""
    counting = [d.kpi for d in definitions if d.counts_output]
    mixed = pl.col("mixed").fill_null(value=False) & pl.col("kpi").is_in(counting)
    return units.with_columns(
        sums=pl.when(~mixed).then("sums"),
        fault=pl.when(mixed).then(pl.lit(MIXED)).otherwise("fault"),
        covered=pl.when(mixed).then(0.0).otherwise("covered"),
    )


def _machine_rows(rows: pl.DataFrame, elements: Elements) -> pl.DataFrame:
    """Return machines' elements, a row per machine and product, and a column per element; ``why:...``.

    A machine without counts gets a row of product `_NO_PRODUCT`: of nothing where it never ran, else of
    quantities that are not known. One that counts but has no times gets a row of times that are not known.
    """
    wide = _wide(rows, [*_MACHINE, "product"], elements)
    counts = rows.filter(pl.col("product") != ALL_PRODUCTS)
    timed = rows.filter(pl.col("element") == "apt_s").select(*_MACHINE, ran=pl.col("quantity") != 0)
    made = [e.element for e in elements.values() if _is_made(e) and e.element != "pru_s"]
    place = ["day", "factory"]
    of_others = counts.group_by(place).agg(shared=pl.col("element").unique())
    uncounted = (
        timed.join(counts, on=_MACHINE, how="anti")
        .join(of_others, on=place, how="left")
        .with_columns(
            *(
                # Nothing was made; but what the factory doesn't count at all stays missing.
                pl.when(~pl.col("ran") & pl.col("shared").list.contains(name).fill_null(value=True))
                .then(0.0)
                .alias(name)
                for name in made
            ),
            pru_s=pl.lit(0.0),
            product=pl.lit(_NO_PRODUCT),
        )
        .drop("ran", "shared")
    )
    untimed = (
        counts.select(_MACHINE)
        .unique()
        .join(timed, on=_MACHINE, how="anti")
        .with_columns(product=pl.lit(ALL_PRODUCTS))
    )
    return pl.concat([wide, uncounted, untimed], how="diagonal").sort(*_MACHINE, "product")


def _is_made(element: Element) -> bool:
    return element.stands == "product" and element.measured_at == "machine"


def _wide(rows: pl.DataFrame, by: Sequence[str], elements: Elements) -> pl.DataFrame:
    """Give each element a column, and each that lacks for a reason of its own a column ``why:<element>``."""
    names = sorted(set(rows["element"]) & set(elements))
    reasoned = sorted(set(rows.drop_nulls("reason")["element"]) & set(elements))
    here = pl.col("element")
    return rows.group_by(by).agg(
        *(pl.col("quantity").filter(here == name).first().alias(name) for name in names),
        *(pl.col("reason").filter(here == name).first().alias(f"why:{name}") for name in reasoned),
    )


def _machine_units(
    rows: pl.DataFrame,
    wide: pl.DataFrame,
    places: Places,
    definitions: Sequence[Definition],
    book: KpiBook,
    final_days: pl.DataFrame,
) -> pl.DataFrame:
    """Evaluate machines: _MACHINE, kpi, version, _UNIT_COLUMNS, ``told`` and ``needed`` (own meters)."""
    mine = [d for d in definitions if d.of_machine]
    units = unit_sums(wide, mine, book.elements, _MACHINE)
    classes = (
        rows.join(places.products, on=["factory", "profile_version", "product"])
        .group_by(_MACHINE)
        .agg(classes=pl.col("product_class").drop_nulls().unique())
        .with_columns(n=pl.col("classes").list.len())
        .select(*_MACHINE, product_class=pl.when(pl.col("n") == 1).then(pl.col("classes").list.first()),
                mixed=pl.col("n") > 1)
    )  # fmt: skip
    weighed = _weighed(units, _told(rows, _MACHINE, mine, book), mine, book, _MACHINE, final_days)
    # That a machine has no counts on a day is told by its factory's others: it gives a row all the same.
    shared = _told(rows, ["day", "factory"], mine, book).select("day", "factory", *_KPI, of_factory="shared")
    return _without_mixtures(
        weighed.join(classes, on=_MACHINE, how="left")
        .join(shared, on=["day", "factory", *_KPI], how="left")
        .with_columns(shared=pl.col("of_factory").fill_null(value=False)),
        definitions,
    )


def _factory_units(
    rows: pl.DataFrame,
    wide: pl.DataFrame,
    definitions: Sequence[Definition],
    book: KpiBook,
    final_days: pl.DataFrame,
) -> pl.DataFrame:
    """Evaluate what only factories have as a whole: day, factory, kpi, version, _UNIT_COLUMNS but class."""
    place = ["day", "factory"]
    mine = [d for d in definitions if d.base == "factory"]
    own = [e for e in book.elements.values() if e.measured_at == "machine"]
    names = [e.element for e in own if e.element in wide.columns]
    whole = {n: pl.col(n).is_not_null().all() for n in names}
    added = wide.group_by(*place, "product").agg(
        *(
            pl.when(whole[n] & (pl.col(n).n_unique() == 1)).then(pl.col(n).first()).alias(n)
            if n == "pru_s"
            else pl.when(whole[n]).then(exact_sum(pl.col(n))).alias(n)
            for n in names
        ),
        *(pl.col(f"why:{n}").drop_nulls().min() for n in names if f"why:{n}" in wide.columns),
    )
    of_factory = rows.filter(pl.col("machine") == OF_FACTORY)
    joined = added.join(
        _wide(of_factory, [*place, "product"], book.elements),
        on=[*place, "product"],
        how="full",
        coalesce=True,
    ).sort(*place, "product")
    if UNIT_COST in joined.columns:  # of what an idle machine made nothing of, no unit cost is missing
        nothing = pl.col("product") == _NO_PRODUCT
        joined = joined.with_columns(pl.when(nothing).then(0.0).otherwise(UNIT_COST).alias(UNIT_COST))
    planned = wide.group_by(place).agg(
        *(exact_sum(pl.col(n)).alias(n) if n in names else pl.lit(None, pl.Float64).alias(n)
          for n in (PLANNED, UNKNOWN))
    )  # fmt: skip
    share = 1.0 - pl.col(UNKNOWN).fill_null(0.0) / pl.col(PLANNED)
    known = planned.select(*place, known=pl.when(pl.col(PLANNED) > 0).then(share.clip(lower_bound=0.0)))
    units = unit_sums(joined, mine, book.elements, place).join(known, on=place, how="left")
    units = units.with_columns(coverage=pl.col("known").fill_null(1.0)).drop("known")
    machine_only = [e.element for e in own]
    relevant = rows.filter((pl.col("machine") == OF_FACTORY) | pl.col("element").is_in(machine_only))
    return _weighed(units, _told(relevant, place, mine, book), mine, book, place, final_days)


def _told(
    rows: pl.DataFrame, by: Sequence[str], definitions: Sequence[Definition], book: KpiBook
) -> pl.DataFrame:
    """Say what the rows of a formula's elements tell beside their quantities.

    Returns:
        `by`, kpi, version, ``shared`` (some element has a row), ``suspect, final``; of the elements that are
        not only a machine's the one that is ``lacking`` in some row (the cost of one product: the others
        would pass as all of it), the least ``given`` coverage, the longest ``stands_s``, and how many are
        ``told``.
    """
    used = pl.DataFrame(
        [
            (d.kpi, d.version, name, book.elements[name].measured_at != "machine")
            for d in definitions
            for name in sources_of(d.formula.elements, book.elements)
        ],
        schema={"kpi": pl.String, "version": pl.String, "element": pl.String, "other": pl.Boolean},
        orient="row",
    )
    other = pl.col("other")
    return (
        rows.select(*by, "element", "quantity", "coverage", "weight_s", "suspect", "status")
        .join(used, on="element")
        .group_by(*by, *_KPI)
        .agg(
            shared=pl.lit(value=True),
            suspect=pl.col("suspect").any(),
            final=(pl.col("status") == "final").all(),
            lacking=pl.col("element").filter(other & pl.col("quantity").is_null()).min(),
            given=pl.col("coverage").filter(other).min(),
            stands_s=pl.col("weight_s").filter(other).max(),
            told=pl.col("element").filter(other).n_unique(),
        )
    )


def _final_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of which days everything is final; a factor that was carried forward keeps no day open."""
    stated = rows.filter(pl.col("element") != CARBON)
    return stated.group_by("day").agg(day_final=(pl.col("status") == "final").all())


def _weighed(
    units: pl.DataFrame,
    told: pl.DataFrame,
    definitions: Sequence[Definition],
    book: KpiBook,
    by: Sequence[str],
    final_days: pl.DataFrame,
) -> pl.DataFrame:
    """Join what was told, and give each unit its weight [s] and how much of it is covered.

    Returns:
        `by`, kpi, version, _UNIT_COLUMNS but product_class, ``told`` and ``needed`` (elements that are not
        only a machine's: how many have a row, how many the formula has).
    """
    used = {
        d.key: [book.elements[n] for n in sources_of(d.formula.elements, book.elements)] for d in definitions
    }
    kinds = pl.DataFrame(
        [
            (
                d.kpi,
                d.version,
                sum(e.measured_at != "machine" for e in used[d.key]),
                any(e.measured_at == "machine" for e in used[d.key]),
            )
            for d in definitions
        ],
        schema={"kpi": pl.String, "version": pl.String, "needed": pl.UInt32, "timed": pl.Boolean},
        orient="row",
    )  # fmt: skip
    wider = pl.col("needed") > 0
    coverage = pl.when("timed").then(pl.col("coverage")).otherwise(1.0) * pl.col("given").fill_null(1.0)
    covered = pl.col("weight") * pl.col("coverage").fill_null(0.0)
    return (
        units.join(told, on=[*by, *_KPI], how="left")
        .join(kinds, on=_KPI, how="left")
        .join(final_days, on="day", how="left")
        .with_columns(
            fault=pl.coalesce("fault", "missing_element:" + pl.col("lacking")),
            weight=pl.when(wider).then(pl.col("stands_s").fill_null(_DAY_S)).otherwise(
                pl.col("planned").fill_null(0.0)
            ),
            coverage=coverage,
        )
        .select(
            *by, *_KPI, "fault", "weight", "needed",
            sums=pl.when(pl.col("fault").is_null()).then("sums"),
            covered=pl.when(pl.col("fault").is_null()).then(covered).otherwise(0.0),
            suspect=pl.col("suspect").fill_null(value=False),
            final=pl.coalesce("final", "day_final").fill_null(value=False),
            shared=pl.col("shared").fill_null(value=False),
            told=pl.col("told").fill_null(0),
        )
    )  # fmt: skip


def _completed(
    factories: pl.DataFrame,
    places: pl.DataFrame,
    definitions: Sequence[Definition],
    in_force: pl.DataFrame,
    final_days: pl.DataFrame,
) -> pl.DataFrame:
    """Give every factory of a member a row of what the member shares, and of what is expected."""
    kinds = pl.DataFrame(
        [
            (d.kpi, d.version, _nothing(d), _DAY_S if d.base == "factory" else 0.0, d.expected)
            for d in definitions
        ],
        schema={
            "kpi": pl.String, "version": pl.String, "nothing": pl.String, "whole_day": pl.Float64,
            "expected": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip
    known = pl.col("shared").is_not_null()
    rows = (
        places.join(in_force, on="day")
        .join(kinds, on=_KPI)
        .join(factories, on=["day", "factory", *_KPI], how="left")
        .join(final_days, on="day", how="left")
        .with_columns(
            fault=pl.when(known).then("fault").otherwise("nothing"),
            weight=pl.when(known).then("weight").otherwise("whole_day"),
            covered=pl.col("covered").fill_null(0.0),
            suspect=pl.col("suspect").fill_null(value=False),
            final=pl.coalesce("final", "day_final").fill_null(value=False),
            shared=pl.col("shared").fill_null(value=False),
        )
    )
    of_member = pl.col("shared").any().over("day", "member", "kpi") | pl.col("expected")
    return _without_mixtures(rows.filter(of_member), definitions)


def _nothing(definition: Definition) -> str:
    """Name what a factory lacks that has nothing: planned time, which all of a machine's figures rest on."""
    elements = definition.formula.elements
    return f"missing_element:{PLANNED if PLANNED in elements else elements[0]}"


def _used(figures: pl.DataFrame, book: KpiBook) -> list[Definition]:
    wanted = set(figures.select("kpi", "definition_version").unique().iter_rows())
    return [d for d in book.all_versions() if (d.kpi, d.version) in wanted]


def _units(figures: pl.DataFrame) -> pl.DataFrame:
    """Return what of figures is added up: day, level, subject, kpi, version, _UNIT_COLUMNS."""
    codes = pl.col("reason").str.split(";")
    return figures.select(
        "day", "level", "subject", "kpi", "sums", "weight", "covered", "product_class",
        version="definition_version",
        fault=pl.when(pl.col("sums").is_null()).then(codes.list.first()),
        suspect=codes.list.contains(SUSPECT).fill_null(value=False),
        final=pl.col("status") == "final",
        shared=pl.lit(value=True),
    )  # fmt: skip


def _with_means(units: pl.DataFrame, definitions: Sequence[Definition]) -> pl.DataFrame:
    """Make the sum of a stock over time its mean over the days (months) that have it; it has one sum only."""
    stocks = [d.kpi for d in definitions if d.over_time == "mean"]
    mean = pl.concat_list(pl.col("sums").list.first() / pl.col("whole"))
    is_stock = pl.col("kpi").is_in(stocks) & pl.col("sums").is_not_null()
    return units.with_columns(sums=pl.when(is_stock).then(mean).otherwise("sums"))


def _as_measured(definition: Definition) -> Definition:
    """Ask more of a ratio whose elements are measured apart; a machine's ratios are of known time."""
    if definition.is_total or definition.base == "machine" or definition.of_one_stream:
        return definition
    return replace(definition, minimum_coverage=definition.comparison_coverage)


def _figures(units: pl.DataFrame, definitions: Sequence[Definition], period: str) -> pl.DataFrame:
    """Divide, and write units as rows of the table kpis."""
    nothing_to_cover = pl.when(pl.col("sums").is_not_null()).then(1.0).otherwise(0.0)
    weighted = units.with_columns(
        coverage=pl.when(pl.col("weight") > 0)
        .then(pl.col("covered") / pl.col("weight"))
        .otherwise(nothing_to_cover)
    )
    why = pl.col("why")
    reason = pl.concat_str(
        [
            why,
            pl.when(pl.col("suspect") & why.ne_missing(SUSPECT)).then(pl.lit(SUSPECT)),
            pl.when("above_one").then(pl.lit("above_one")),
        ],
        separator=";",
        ignore_nulls=True,
    )
    in_units = pl.DataFrame(
        [(d.kpi, d.version, d.unit) for d in definitions],
        schema={"kpi": pl.String, "version": pl.String, "unit": pl.String},
        orient="row",
    )
    return (
        divided(weighted, [_as_measured(d) for d in definitions])
        .join(in_units, on=_KPI, how="left")
        .with_columns(
            period=pl.lit(period),
            definition_version="version",
            reason=pl.when(reason != "").then(reason),
            status=pl.when("final").then(pl.lit("final")).otherwise(pl.lit("provisional")),
            basis=pl.lit(None, pl.Float64),
        )
        .select(FIGURE_COLUMNS)
        .sort("day", "level", "subject", "kpi", "definition_version")
    )
