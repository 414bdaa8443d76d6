"""Checks of incoming rows: whether a row may enter, and if not, the one reason why.

Belongs here: reason codes of rows, as pure expressions. Does not belong here: whether bytes decode
(pipelines.schemas.decode), keeping dead letters (pipelines.connectors), and figures that are kept but doubted
(`suspect`, pipelines.domain.meters).

A row gets the first reason that applies, in the order of REASONS. A detail names the field and what is wrong
with it, never a value that a member measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import polars.selectors as cs

from pipelines.domain.calendar import INSTANT, known_zone
from pipelines.domain.orders import ORDER_STEPS
from pipelines.domain.safety import SAFETY_KINDS

REASONS = (
    "other_cluster",
    "tenant_mismatch",
    "unknown_factory",
    "event_in_future",
    "before_joined",
    "not_finite",
    "negative_amount",
    "not_a_share",
    "unknown_carrier",
    "unknown_kind",
    "unknown_unit",
    "incompatible_unit",
    "interval_without_length",
    "empty_period",
    "unknown_zone",
    "bad_calendar",
    "bad_id",
)
Check = tuple[pl.Expr, str, str]
Items = Mapping[str, pl.DataFrame]

_ID = r"^[a-z0-9][a-z0-9-]{0,39}$"
_IDS = ("factory", "meter", "machine", "product")
_OVER_TIME = ("interval", "mean_power")
_PERIODS = (("at", "until"), ("start", "end"))
# What orders, stock, shipments, hours and costs count can't be less than nothing.
_AMOUNTS = {
    "order": ("quantity",),
    "shipment": ("load_t", "capacity_t", "distance_km", "cost_krw"),
    "event": ("worked_h", "attended_h", "headcount", "cost_krw"),
    "product": ("quantity", "mass_kg_per_unit"),
}
_AMOUNTS_OF_ITEMS = {"inputs": ("amount_per_unit",)}
_SHARES_OF_ITEMS = {"inputs": ("primary_share",)}
_WORDS = {"order": ("step", ORDER_STEPS), "event": ("kind", SAFETY_KINDS)}
_CALIBRATION_DATES = ("calibrated_on", "calibration_due")
_WEEKDAYS = 7
_MINUTES_OF_TWO_DAYS = 2 * 1440
_VERDICT = pl.Schema({"reason": pl.String, "detail": pl.String})


@dataclass(frozen=True)
class RowRules:
    """What a row of a topic may be.

    Args:
        allowed_factories: factories for which the topic's tenant may write.
        other_cluster_factories: those of them that belong to another cluster: their rows are skipped and
            counted, they are no dead letters.
        joined: factory -> instant (UTC) from which on it belongs to this cluster; a factory that is not in it
            is unknown.
        future_tolerance_s: how far an event may lie after its record's timestamp [s].
        unit_multipliers: carrier, kind, unit, multiplier (pipelines.domain.units.unit_multipliers).
        event_time: column that says when a row happened [us, UTC].
    """

    allowed_factories: frozenset[str]
    other_cluster_factories: frozenset[str]
    joined: Mapping[str, datetime]
    future_tolerance_s: int
    unit_multipliers: pl.DataFrame
    event_time: str = "at"


def reasons(rows: pl.DataFrame, rules: RowRules) -> pl.DataFrame:
    """Say of each row why it may not enter.

    Args:
        rows: decoded rows of one topic: ``factory``, ``record_timestamp`` [us, UTC], the event time, and the
            contract's columns. What a stream lacks is not checked; list columns are checked item by item.
        rules: what the topic allows.

    Returns:
        ``reason`` (one of REASONS; null: the row is fine) and ``detail`` (null with it), in the rows' order.

    Raises:
        polars.exceptions.ColumnNotFoundError: factory, record timestamp or event time is absent.
    """
    items = {
        name: rows.lazy().with_row_index("row").select("row", name).explode(name).drop_nulls(name).collect()
        for name, kind in rows.schema.items()
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
    }
    unfolded = {name: frame.unnest(name) for name, frame in items.items()}
    judged = _with_units(rows.with_row_index("row"), rules.unit_multipliers)
    checks = [
        *_tenant_checks(rules),
        *_time_checks(rules),
        *_finite_checks(rows, unfolded),
        *_operations_checks(rows),
        *_item_checks(unfolded),
        *_unit_checks(judged, unfolded, rules.unit_multipliers),
        *_period_checks(rows),
        *_calendar_checks(rows, unfolded),
        *_id_checks(rows, unfolded),
    ]
    # Nearly all rows are fine: first ask which checks strike at all, and tell reasons of those only.
    strikes = judged.select(
        wrong.fill_null(value=False).any().alias(f"{n}") for n, (wrong, _, _) in enumerate(checks)
    )
    struck = [check for check, does in zip(checks, strikes.row(0), strict=True) if does]
    if not struck:
        return pl.DataFrame(schema=_VERDICT).clear(rows.height)
    verdicts = [pl.when(wrong.fill_null(value=False)) for wrong, _, _ in struck]
    return judged.select(
        reason=pl.coalesce(v.then(pl.lit(c[1])) for v, c in zip(verdicts, struck, strict=True)),
        detail=pl.coalesce(v.then(pl.lit(c[2])) for v, c in zip(verdicts, struck, strict=True)),
    )


def _rows_of(broken: pl.DataFrame) -> pl.Expr:
    return pl.col("row").is_in(broken["row"].unique().implode())


def _tenant_checks(rules: RowRules) -> list[Check]:
    factory = pl.col("factory")
    elsewhere = sorted(rules.other_cluster_factories & rules.allowed_factories)
    return [
        (factory.is_in(elsewhere), "other_cluster", "factory belongs to another cluster"),
        (
            ~factory.is_in(sorted(rules.allowed_factories)),
            "tenant_mismatch",
            "factory is not one for which the topic's tenant may write",
        ),
        (~factory.is_in(sorted(rules.joined)), "unknown_factory", "factory is of no member of the cluster"),
    ]


def _time_checks(rules: RowRules) -> list[Check]:
    event = pl.col(rules.event_time)
    latest = pl.col("record_timestamp") + pl.duration(seconds=rules.future_tolerance_s)
    joined = pl.col("factory").replace_strict(
        list(rules.joined), pl.Series(list(rules.joined.values()), dtype=INSTANT), default=None
    )
    late = f"{rules.event_time} lies more than {rules.future_tolerance_s} s after the record's timestamp"
    return [
        (event > latest, "event_in_future", late),
        (event < joined, "before_joined", f"{rules.event_time} lies before the factory joined"),
    ]


def _finite_checks(rows: pl.DataFrame, items: Items) -> list[Check]:
    return [
        *(
            (~pl.col(name).is_finite(), "not_finite", f"{name} is not a finite number")
            for name in rows.select(cs.float()).columns
        ),
        *(
            (
                _rows_of(frame.filter(~pl.col(name).is_finite())),
                "not_finite",
                f"{of}.{name} is not a finite number",
            )
            for of, frame in items.items()
            for name in frame.select(cs.float()).columns
        ),
    ]


def _operations_checks(rows: pl.DataFrame) -> list[Check]:
    """Check the amounts and the kinds of events of operations; their streams are known by their columns."""
    columns = set(rows.columns)
    amounts = sorted({name for owner in columns & set(_AMOUNTS) for name in _AMOUNTS[owner]} & columns)
    return [
        *((pl.col(name) < 0, "negative_amount", f"{name} is negative") for name in amounts),
        *(
            (~pl.col(name).is_in(words), "unknown_kind", f"{name} is not one of {', '.join(words)}")
            for owner, (name, words) in _WORDS.items()
            if {owner, name} <= columns
        ),
    ]


def _item_checks(items: Items) -> list[Check]:
    """Check amounts and shares of listed items."""
    return [
        *(
            (_rows_of(items[of].filter(pl.col(name) < 0)), "negative_amount", f"{of}.{name} is negative")
            for of, names in _AMOUNTS_OF_ITEMS.items()
            if of in items
            for name in names
        ),
        *(
            (
                _rows_of(items[of].filter(~pl.col(name).is_between(0, 1))),
                "not_a_share",
                f"{of}.{name} is not between 0 and 1",
            )
            for of, names in _SHARES_OF_ITEMS.items()
            if of in items
            for name in names
        ),
    ]


def _with_units(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Add `fits`: whether the table has the row's carrier, kind and unit; only to rows that have them."""
    if not {"carrier", "kind", "unit"} <= set(rows.columns):
        return rows
    known = table.select("carrier", "kind", "unit").unique().with_columns(fits=pl.lit(value=True))
    return rows.join(known, on=["carrier", "kind", "unit"], how="left", maintain_order="left")


def _unit_checks(rows: pl.DataFrame, items: Items, table: pl.DataFrame) -> list[Check]:
    checks: list[Check] = []
    if "fits" in rows.columns:
        checks += [
            (
                ~pl.col(name).is_in(table[name].unique().implode()),
                f"unknown_{name}",
                f"{name} is not in the table",
            )
            for name in ("carrier", "kind", "unit")
        ]
        checks += [
            (pl.col("fits").is_null(), "incompatible_unit", "unit does not fit the carrier and the kind")
        ]
    if "meters" in items:
        meters = items["meters"]
        strange = meters.join(table, on="carrier", how="anti")
        unknown = meters.join(table, on="unit", how="anti")
        unfit = meters.join(table, on=["carrier", "unit"], how="anti")
        checks += [
            (_rows_of(strange), "unknown_carrier", "meters.carrier is not in the table"),
            (_rows_of(unknown), "unknown_unit", "meters.unit is not in the table"),
            (_rows_of(unfit), "incompatible_unit", "meters.unit does not fit the meter's carrier"),
        ]
    return checks


def _period_checks(rows: pl.DataFrame) -> list[Check]:
    checks: list[Check] = []
    if {"kind", "stamp", "length_s"} <= set(rows.columns):
        over_time = pl.col("kind").is_in(_OVER_TIME)
        lasts = (pl.col("length_s") > 0).fill_null(value=False)
        sided = pl.col("stamp").is_in(["start", "end"])
        checks += [
            (
                over_time & ~lasts,
                "interval_without_length",
                "length_s of an interval is absent or not positive",
            ),
            (over_time & ~sided, "interval_without_length", "stamp of an interval is neither start nor end"),
        ]
    checks += [
        (pl.col(last) <= pl.col(first), "empty_period", f"{last} is not after {first}")
        for first, last in _PERIODS
        if {first, last} <= set(rows.columns)
    ]
    return checks


def _calendar_checks(rows: pl.DataFrame, items: Items) -> list[Check]:
    checks: list[Check] = []
    if "zone" in rows.columns:
        zones = [zone for zone in rows["zone"].drop_nulls().unique() if not _is_zone(zone)]
        checks += [(pl.col("zone").is_in(zones), "unknown_zone", "zone is not an IANA time zone")]
    if "holidays" in rows.columns:
        dates = pl.element().str.to_date("%Y-%m-%d", strict=False)
        odd = pl.col("holidays").list.eval(dates.is_null()).list.any()
        checks += [(odd, "bad_calendar", "a holiday is not a date YYYY-MM-DD")]
    if "meters" in items:
        meters = items["meters"]
        checks += [
            (
                _rows_of(meters.filter(told & date.is_null())),
                "bad_calendar",
                f"meters.{name} is not YYYY-MM-DD",
            )
            for name in _CALIBRATION_DATES
            if name in meters.columns
            for told, date in [
                (pl.col(name).is_not_null(), pl.col(name).str.to_date("%Y-%m-%d", strict=False))
            ]
        ]
    if "shifts" in items:
        begins, ends = pl.col("start_minute"), pl.col("end_minute")
        fine = (
            pl.col("weekday").is_between(1, _WEEKDAYS) & (begins >= 0) & (begins < ends)
            & (ends <= _MINUTES_OF_TWO_DAYS)
        )  # fmt: skip
        wrong = _rows_of(items["shifts"].filter(~fine))
        checks += [(wrong, "bad_calendar", "a shift has no week day 1-7, or does not end after its start")]
    return checks


def _is_zone(zone: str) -> bool:
    try:
        known_zone(zone)
    except ValueError:
        return False
    return True


def _id_checks(rows: pl.DataFrame, items: Items) -> list[Check]:
    form = "is not of the form [a-z0-9][a-z0-9-]{0,39}"
    return [
        *(
            (pl.col(name).is_in(_bad_ids(rows[name]).implode()), "bad_id", f"{name} {form}")
            for name in _IDS
            if name in rows.columns
        ),
        *(
            (_rows_of(frame.filter(~pl.col(name).str.contains(_ID))), "bad_id", f"{of}.{name} {form}")
            for of, frame in items.items()
            for name in _IDS
            if name in frame.columns
        ),
    ]


def _bad_ids(ids: pl.Series) -> pl.Series:
    """Return the distinct ids that have not the form of one: there are far fewer ids than rows."""
    distinct = ids.drop_nulls().unique()
    return distinct.filter(~distinct.str.contains(_ID))
