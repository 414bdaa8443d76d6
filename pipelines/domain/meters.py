"""Meters: from readings of registers, intervals and power to hourly amounts with coverage and quality.

Belongs here: the rules of a meter. Does not belong here: units (pipelines.domain.units), the sharing out of
spans to hours (pipelines.domain.spans), which readings are fetched, and what is published.

How the rules are read here, where they leave room:

- **Drop of a register.** A roll-over if the register's digits are known and the usage that it implies is
  plausible: at most what the meter's maximum allows in that time, or, without a maximum, less than half of
  the register's range. Else a reset: what was counted since zero is added, as a lower bound (`estimated`),
  and its time is not covered, because what flowed before the reset is unknown.
- **Bidirectional** registers may count down: a drop is a flow back, unless only the difference across the
  wrap is plausible. A reset of such a register can't be told from a flow back.
- **Maximum.** A difference may exceed maximum x time by one count of the register, else every step of a
  coarse register that is read each second would look like a jump; the hour as a whole may not.
- **Longer than the maximum gap.** A difference, or an interval that long, is not spread: it becomes one
  `unallocated` row with coverage 0. Its owner is the window in which the closing reading lies (for an
  interval, the window of the side that its stamp names). Power samples that far apart say nothing.
- **Overlapping intervals** of one kind: every instant counts once, by the reading with the highest sequence,
  then the later record timestamp, then the greater rate; contested time is `estimated` and not covered.
- **Several kinds from one meter**: in each hour the strongest kind that knows anything of it: registers, then
  intervals, then mean power, then power. An amount that could not be allocated, while the meter sent
  readings of another kind (or shorter ones) right beside its closing reading, may have been counted in the
  hours already: it is `suspect`.
- **Export.** A bidirectional meter's quantity is what came in less what went out, and may be negative; what
  went out is also kept apart in `exported` (positive), summed over the finest spans that the meter sent.
  Import is quantity + exported. A span that was read as one number is one direction: its net is all that is
  known. Power that changes its sign between two samples does so where the line between them crosses zero.
- **Suspect** is a mark beside the quality, so that who accepts it gets back what the quality is without it. A
  row is accepted if it lies wholly within accepted time of its meter.
- **Meter change.** Opening and closing values of the master data are readings at `valid_from` and `valid_to`
  and beat a reading of the same instant. Nothing is counted outside a meter's validity; of two rows of one
  meter the later begins where the earlier ends.
- **Coverage** counts time of the hour (not of the meter's validity in it) in spans that lie wholly within it.
"""

import numpy as np
import polars as pl

from pipelines.domain.calendar import INSTANT, hours_of
from pipelines.domain.spans import Codes, Floats, Ints, Overlaps, Timeline, counted, overlaps, summed, worst
from pipelines.domain.units import CANONICAL_UNITS

QUALITIES = ("measured", "interpolated", "estimated")
MEASURED, INTERPOLATED, ESTIMATED = range(3)
SUSPECT = "suspect"
KINDS = ("register", "interval", "mean_power", "power")
ENERGY_KEY = ("factory", "meter", "carrier", "allocation", "start", "end")
ENERGY_SCHEMA = pl.Schema({
    "factory": pl.String(), "meter": pl.String(), "carrier": pl.String(), "allocation": pl.String(),
    "start": INSTANT, "end": INSTANT, "quantity": pl.Float64(), "exported": pl.Float64(), "unit": pl.String(),
    "coverage": pl.Float64(), "quality": pl.String(),
})  # fmt: skip

HOURLY_SCHEMA = pl.Schema({**ENERGY_SCHEMA, "window_start": INSTANT})
_JUDGED = (*HOURLY_SCHEMA.names(), "suspect")

_REGISTER, _INTERVAL, _MEAN_POWER, _POWER = range(4)
_HOUR_US = 3_600_000_000
_EVER_US = 2**62
_BY_MASTER = 2**63 - 1
_HEADER = ("factory", "meter", "carrier", "kind", "unit", "stamp", "length_s")
_ROUNDING = 1 + 1e-9
_SPAN_COLUMNS = (
    "generation", "start", "end", "amount", "rate", "skew", "quality", "suspect", "covered", "moved",
)  # fmt: skip


def hourly_energy(
    readings: pl.DataFrame,
    meters: pl.DataFrame,
    windows: pl.DataFrame,
    *,
    max_gap_s: int,
    unit_multipliers: pl.DataFrame,
    running: pl.DataFrame | None = None,
    accepted: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Turn readings into hourly amounts per meter; the rules stand at the head of this module.

    Args:
        readings: ``factory, meter, carrier, kind, unit, stamp, length_s [s], sequence, at [us, UTC], value,
            record_timestamp`` (the profile's carrier wins; readings whose unit does not fit it are left out,
            see `misfit_meters`) with ``at`` in the windows and at
            least `max_gap_s` to both sides, and of each meter the last register reading before that. In any
            order, with duplicates; readings of meters that are not in `meters` give no rows.
        meters: ``factory, meter, carrier, unit, register_digits, maximum_per_h, bidirectional, valid_from,
            valid_to, opening_value, closing_value``, nullable as in the factory profile's contract.
        windows: ``factory, start, end`` [us, UTC]: one local day each, disjoint within a factory.
        max_gap_s: longest difference that is spread over hours [s].
        unit_multipliers: ``carrier, kind, unit, multiplier`` of pipelines.domain.units.unit_multipliers.
        running: ``factory, meter, start, end``: when what the meter feeds was certainly running. An hour
            within such a span whose readings never moved is `suspect`. Null: flat lines are not judged.
        accepted: ``factory, meter, start, end``: disjoint spans in which somebody accepted what is suspect.
            Null: none.

    Returns:
        HOURLY_SCHEMA (ENERGY_SCHEMA and ``window_start`` of the window that owns the row), sorted by
        ENERGY_KEY: one `hour` row for every hour of a window in which the meter is
        valid, with quantity in the carrier's canonical unit (null, coverage 0, quality null where nothing is
        known; the sum of what is known where coverage is less than 1), and the `unallocated` rows. `exported`
        is what of it flowed back; null where the quantity is, and of a meter that is not bidirectional.

    Raises:
        ValueError: what ingest refuses: a carrier, kind or unit that the multipliers do not know, an interval
            without length; or a meter of the master data whose unit does not fit its carrier.
    """
    generations = _generations(meters, unit_multipliers, windows)
    placed = _placed(readings, generations, unit_multipliers)
    spans = [
        _register_spans(_registers(placed, generations), generations),
        _interval_spans(placed, generations, _INTERVAL),
        _interval_spans(placed, generations, _MEAN_POWER),
        _power_spans(placed, generations),
    ]
    max_gap_us = max_gap_s * 1_000_000
    short = pl.col("end") - pl.col("start") <= max_gap_us
    hours = _valid_hours(generations, windows)
    by_kind = [_distributed(_once(kind.filter(short)), hours) for kind in spans]
    hourly = _with_limits(_strongest(hours, by_kind), generations, running)
    long = _unallocated(
        [kind.filter(~short) for kind in spans[:_POWER]], placed, windows, generations, max_gap_us
    )
    rows = _judged(pl.concat([_per_meter(hourly), long]), accepted)
    return rows.select(HOURLY_SCHEMA.names()).sort(ENERGY_KEY)


def misfit_meters(
    readings: pl.DataFrame, meters: pl.DataFrame, unit_multipliers: pl.DataFrame
) -> pl.DataFrame:
    """Count the readings whose unit does not fit the carrier that the master data gives their meter.

    They passed ingest, which knows only the carrier that they claim; `hourly_energy` leaves them out.

    Args:
        readings: ``factory``, ``meter``, ``kind``, ``unit``.
        meters: ``factory``, ``meter``, ``carrier``.
        unit_multipliers: ``carrier``, ``kind``, ``unit``.

    Returns:
        ``factory``, ``meter``, ``readings`` (a count), sorted; empty if all fit.
    """
    carriers = meters.select("factory", "meter", "carrier").unique()
    fitting = carriers.join(unit_multipliers, on="carrier").select("factory", "meter", "kind", "unit")
    return (
        readings.join(carriers, on=["factory", "meter"], how="semi")
        .join(fitting, on=["factory", "meter", "kind", "unit"], how="anti")
        .group_by("factory", "meter")
        .agg(readings=pl.len().cast(pl.Int64))
        .sort("factory", "meter")
    )


def _us(column: str) -> pl.Expr:
    return pl.col(column).cast(INSTANT).to_physical().cast(pl.Int64)


def _generations(meters: pl.DataFrame, unit_multipliers: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Index the meters by row of master data, with disjoint validity and limits in canonical units."""
    begin = _us("valid_from").fill_null(-_EVER_US)
    stop = _us("valid_to").fill_null(_EVER_US)
    ordered = (
        meters.unique()
        .join(windows.select("factory").unique(), on="factory", how="semi")
        .with_columns(begin=begin, stop=stop, meter_unit="unit")
        .sort("factory", "meter", "begin", "stop", "carrier")
        .with_columns(
            stop=pl.min_horizontal("stop", pl.col("begin").shift(-1).over("factory", "meter")),
            unit=pl.col("carrier").replace_strict(CANONICAL_UNITS, default=None, return_dtype=pl.String),
        )
    )
    amounts, rates = (
        unit_multipliers.filter(kind=kind).select("carrier", meter_unit="unit", **{kind: "multiplier"})
        for kind in ("register", "power")
    )
    scaled = (
        ordered.join(amounts, on=["carrier", "meter_unit"], how="left", maintain_order="left")
        .join(rates, on=["carrier", "meter_unit"], how="left", maintain_order="left")
        .with_columns(one_count=pl.coalesce("register", "power"))
    )
    _refuse(scaled.filter(pl.col("one_count").is_null()), "meter_unit")
    return scaled.select(
        "factory", "meter", "carrier", "unit", "begin", "stop", "one_count", "bidirectional",
        generation=pl.int_range(pl.len(), dtype=pl.Int64),
        modulus=pl.lit(10.0).pow(pl.col("register_digits")) * pl.col("one_count"),
        maximum_per_h=pl.col("maximum_per_h") * pl.col("one_count"),
        opening=pl.col("opening_value") * pl.col("one_count"),
        closing=pl.col("closing_value") * pl.col("one_count"),
    )  # fmt: skip


def _refuse(unknown: pl.DataFrame, unit: str) -> None:
    if unknown.height:
        row = unknown.sort("factory", "meter", unit).row(0, named=True)
        raise ValueError(
            f"{row['factory']}/{row['meter']}: unit {row[unit]!r} ({row['carrier']}) has no multiplier"
        )


def _placed(
    readings: pl.DataFrame, generations: pl.DataFrame, unit_multipliers: pl.DataFrame
) -> pl.DataFrame:
    """Bring readings to their row of master data and to canonical units; those of no meter fall away.

    What repeats from row to row (one message carries many readings) is looked up once per run of equal rows.
    """
    changes = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in _HEADER)
    numbered = readings.with_columns(changes=changes).with_columns(run=pl.col("changes").cum_sum())
    headers = (
        numbered.filter("changes")
        .select("run", *_HEADER)
        .rename({"carrier": "sent_carrier"})
        .join(
            generations.select("generation", "factory", "meter", "carrier", "begin", "stop"),
            on=["factory", "meter"],
        )
        .join(unit_multipliers, on=["carrier", "kind", "unit"], how="left")
    )
    _check_headers(headers, unit_multipliers)
    looked_up = headers.select(
        "run", "generation", "multiplier", "begin", "stop",
        rank=pl.col("kind").cast(pl.Enum(KINDS)).to_physical().cast(pl.Int8),
        length=pl.col("length_s").cast(pl.Int64) * 1_000_000,
        ends=pl.col("stamp") == "end",
    )  # fmt: skip
    middle = pl.col("at") + pl.when("ends").then(-pl.col("length") // 2).otherwise(pl.col("length") // 2)
    instant = pl.when(pl.col("rank").is_in([_INTERVAL, _MEAN_POWER])).then(middle).otherwise("at")
    return (
        numbered.select("run", "sequence", "value", at=_us("at"), sent=_us("record_timestamp"))
        .join(looked_up.drop_nulls("multiplier"), on="run")
        .filter(instant >= pl.col("begin"), instant < pl.col("stop"))
        .with_columns(value=pl.col("value") * pl.col("multiplier"))
        .drop("run", "begin", "stop", "multiplier")
    )


def _check_headers(headers: pl.DataFrame, unit_multipliers: pl.DataFrame) -> None:
    refused = headers.join(
        unit_multipliers,
        left_on=["sent_carrier", "kind", "unit"],
        right_on=["carrier", "kind", "unit"],
        how="anti",
    )
    _refuse(refused.filter(pl.col("multiplier").is_null()), "unit")
    over_time = pl.col("kind").is_in(["interval", "mean_power"])
    lasts = (pl.col("length_s") > 0).fill_null(value=False)
    lengthless = headers.filter(over_time & ~lasts).sort("factory", "meter")
    if lengthless.height:
        row = lengthless.row(0, named=True)
        raise ValueError(f"{row['factory']}/{row['meter']}: a reading over an interval has no length_s")


def _latest(readings: pl.DataFrame, *key: str) -> pl.DataFrame:
    """Sort by key; of equal keys keep the highest sequence, then the later record, then the greater value."""
    rising = pl.lit(value=False)
    equal = pl.lit(value=True)
    for name in key:
        rising = rising | (equal & (pl.col(name) > pl.col(name).shift()))
        equal = equal & (pl.col(name) == pl.col(name).shift())
    if readings.select(rising.all()).item():  # null (the first row has none before it) is ignored
        return readings
    repeated = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in key)
    return readings.sort(*key, "sequence", "sent", "value").filter(~repeated.fill_null(value=False))


def _registers(placed: pl.DataFrame, generations: pl.DataFrame) -> pl.DataFrame:
    """Return the register readings in order, with the opening and closing values of the master data."""
    columns = ("generation", "at", "value", "sequence", "sent")
    known = [
        generations.filter(pl.col(value).is_not_null(), pl.col(instant).abs() != _EVER_US).select(
            "generation",
            at=instant,
            value=value,
            sequence=pl.lit(_BY_MASTER, pl.Int64),
            sent=pl.lit(0, pl.Int64),
        )
        for value, instant in (("opening", "begin"), ("closing", "stop"))
    ]
    read = placed.filter(pl.col("rank") == _REGISTER).select(columns)
    return _latest(pl.concat([read, *(k.select(columns) for k in known if k.height)]), "generation", "at")


def _register_spans(registers: pl.DataFrame, generations: pl.DataFrame) -> pl.DataFrame:
    """Turn consecutive register values into amounts: differences, roll-overs, resets."""
    limits = generations.select("generation", "modulus", "maximum_per_h", "one_count", "bidirectional")
    pairs = (
        registers.with_columns(
            start=pl.col("at").shift(),
            before=pl.col("value").shift(),
            same=pl.col("generation") == pl.col("generation").shift(),
        )
        .filter("same")
        .join(limits, on="generation", how="left", maintain_order="left")
    )
    difference = pl.col("value") - pl.col("before")
    ceiling = pl.col("maximum_per_h") * (pl.col("at") - pl.col("start")) / _HOUR_US + pl.col("one_count")
    wrapped = difference - pl.col("modulus") * difference.sign()
    plausible = (wrapped.abs() <= ceiling).fill_null(pl.col("modulus") / 2 > wrapped.abs())
    one_way = (pl.col("before") < pl.col("modulus")) & (pl.col("value") >= 0) & (wrapped >= 0)
    two_way = (difference.abs() > ceiling).fill_null(difference.abs() > pl.col("modulus") / 2)
    drops = difference < 0
    wraps = (plausible & pl.when("bidirectional").then(two_way).otherwise(drops & one_way)).fill_null(
        value=False
    )
    reset = drops & ~wraps & ~pl.col("bidirectional")
    amount = (
        pl.when(wraps)
        .then(wrapped)
        .when(reset)
        .then(pl.col("value").clip(lower_bound=0))
        .otherwise(difference)
    )
    # Without a maximum, a value not far below the one before is rather a faulty reading than a new start.
    implausible = (amount.abs() > ceiling).fill_null(reset & (pl.col("value") > pl.col("before") / 2))
    negative = ~pl.col("bidirectional") & (pl.min_horizontal("value", "before") < 0)
    quality = pl.when(reset).then(ESTIMATED).otherwise(MEASURED)
    spans = pairs.select(
        "generation",
        "sequence",
        "start",
        end="at",
        amount=amount,
        quality=quality.cast(pl.Int8),
        suspect=implausible | negative,
        covered=~reset,
        # A closing value of the master data belongs to the last day of the meter's life.
        owned_at=pl.col("at") - (pl.col("sequence") == _BY_MASTER).cast(pl.Int64),
    )
    return _with_rate(spans)


def _with_rate(spans: pl.DataFrame) -> pl.DataFrame:
    return spans.with_columns(
        rate=pl.col("amount") / (pl.col("end") - pl.col("start")),
        skew=pl.lit(0.0),
        moved=pl.col("amount") != 0,
    )


def _interval_spans(placed: pl.DataFrame, generations: pl.DataFrame, rank: int) -> pl.DataFrame:
    """Turn interval or mean-power readings into amounts over [start, end)."""
    limits = generations.select("generation", "maximum_per_h", "bidirectional")
    length = pl.col("length")
    start = pl.col("at") - pl.when("ends").then(length).otherwise(0)
    hours = length / _HOUR_US if rank == _MEAN_POWER else pl.lit(1.0)
    ceiling = pl.col("maximum_per_h") * length / _HOUR_US * _ROUNDING
    amount = pl.col("value") * hours
    negative = ~pl.col("bidirectional") & (amount < 0)
    suspect = negative | (amount.abs() > ceiling).fill_null(value=False)
    one_per_stamp = _latest(placed.filter(pl.col("rank") == rank), "generation", "ends", "at")
    spans = (
        one_per_stamp.with_columns(start=start, end=start + length)
        .pipe(_latest, "generation", "start", "end")
        .join(limits, on="generation", how="left", maintain_order="left")
        .select(
            "generation", "sequence", "sent", "start", "end",
            amount=amount,
            quality=pl.lit(MEASURED, pl.Int8),
            suspect=suspect,
            covered=pl.lit(value=True),
            owned_at=pl.when("ends").then(pl.col("end") - 1).otherwise("start"),
        )
    )  # fmt: skip
    return _with_rate(spans)


def _power_spans(placed: pl.DataFrame, generations: pl.DataFrame) -> pl.DataFrame:
    """Turn consecutive power samples into trapezoids."""
    limits = generations.select("generation", "maximum_per_h", "bidirectional")
    samples = _latest(placed.filter(pl.col("rank") == _POWER), "generation", "at")
    pairs = (
        samples.with_columns(
            start=pl.col("at").shift(),
            before=pl.col("value").shift(),
            same=pl.col("generation") == pl.col("generation").shift(),
        )
        .filter("same")
        .join(limits, on="generation", how="left", maintain_order="left")
    )
    hours = (pl.col("at") - pl.col("start")) / _HOUR_US
    negative = ~pl.col("bidirectional") & (pl.min_horizontal("value", "before") < 0)
    largest = pl.max_horizontal(pl.col("value").abs(), pl.col("before").abs())
    suspect = negative | (largest > pl.col("maximum_per_h") * _ROUNDING).fill_null(value=False)
    spans = pairs.select(
        "generation", "start",
        end="at",
        amount=(pl.col("before") + pl.col("value")) / 2 * hours,
        skew=(pl.col("value") - pl.col("before")) / 2 * hours,
        quality=pl.lit(MEASURED, pl.Int8),
        suspect=suspect,
        covered=pl.lit(value=True),
    )  # fmt: skip
    rate = pl.col("amount") / (pl.col("end") - pl.col("start"))
    return spans.with_columns(rate=rate, moved=pl.col("skew") != 0)


def _once(spans: pl.DataFrame) -> pl.DataFrame:
    """Let every instant count once: where spans of a meter overlap, cut them and keep the strongest."""
    columns = spans.select(_SPAN_COLUMNS)
    overlapping = (pl.col("start") < pl.col("end").shift()) & (
        pl.col("generation") == pl.col("generation").shift()
    )
    contested = spans.filter(overlapping)["generation"].unique()
    if contested.is_empty():
        return columns
    clean = columns.filter(~pl.col("generation").is_in(contested.implode()))
    cut = _cut(spans.filter(pl.col("generation").is_in(contested.implode())))
    return pl.concat([clean, cut]).sort("generation", "start")


def _cut(spans: pl.DataFrame) -> pl.DataFrame:
    ends = [spans.select("generation", instant=side) for side in ("start", "end")]
    cuts = pl.concat(ends).unique().sort("generation", "instant").with_row_index("cell")
    cells = cuts.with_columns(pl.col("cell").cast(pl.Int64), cell_end=pl.col("instant").shift(-1))
    places = cells.select("generation", "instant", "cell")
    pieces = (
        spans.join(places, left_on=["generation", "start"], right_on=["generation", "instant"])
        .rename({"cell": "first"})
        .join(places, left_on=["generation", "end"], right_on=["generation", "instant"])
        .with_columns(cell=pl.int_ranges("first", "cell"))
        .explode("cell", empty_as_null=False)
        .sort("cell", "sequence", "sent", "rate", "start", "end")
        .group_by("cell", maintain_order=True)
        .agg(pl.all().last(), claims=pl.len())
        .join(cells.select("cell", cell_start="instant", cell_end="cell_end"), on="cell")
    )
    whole = (pl.col("cell_start") == pl.col("start")) & (pl.col("cell_end") == pl.col("end"))
    visible = pl.col("rate") * (pl.col("cell_end") - pl.col("cell_start"))
    alone = pl.col("claims") == 1
    doubt = pl.when(~alone).then(ESTIMATED).when(~whole).then(INTERPOLATED).otherwise(MEASURED).cast(pl.Int8)
    return pieces.with_columns(
        start="cell_start",
        end="cell_end",
        amount=pl.when(whole).then("amount").otherwise(visible),
        quality=pl.max_horizontal("quality", doubt),
        covered=whole & alone,
    ).select(_SPAN_COLUMNS)


def _valid_hours(generations: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Return the hours of the windows in which each row of master data is valid."""
    opened = windows.select("factory", window_start="start").sort("window_start")
    return (
        hours_of(windows)
        .sort("start")
        .join_asof(opened, left_on="start", right_on="window_start", by="factory", check_sortedness=False)
        .with_columns(start_us=_us("start"), end_us=_us("end"))
        .join(generations, on="factory")
        .filter(pl.col("begin") < pl.col("end_us"), pl.col("stop") > pl.col("start_us"))
        .sort("generation", "start")
    )


def _distributed(spans: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """Share spans out to hours, in the order of `hours`.

    Returns:
        quantity and exported (as if every meter were bidirectional), quality (-1: none), suspect and moved
        (how many of the hour's spans are), covered_us.
    """
    timeline = Timeline(_ints(spans, "generation"), _ints(spans, "start"), _ints(spans, "end"))
    found = overlaps(
        timeline, Timeline(*(_ints(hours, name) for name in ("generation", "start_us", "end_us")))
    )
    quality = spans["quality"].to_numpy()
    part_quality: Codes = np.maximum(quality[found.part_span], np.int8(INTERPOLATED))
    return pl.DataFrame({
        "quantity": summed(spans["amount"].to_numpy(), found, _part_amounts(spans, timeline, found)),
        "exported": _exported(spans, timeline, found),
        "quality": worst(quality, found, part_quality),
        "suspect": _with_parts(_ints(spans, "suspect"), found),
        "covered_us": counted((timeline.end - timeline.start) * _ints(spans, "covered"), found),
        "moved": _with_parts(_ints(spans, "moved"), found),
    })  # fmt: skip


def _with_parts(flags: Ints, found: Overlaps) -> Ints:
    """Count the flagged spans of each hour, those that cross its bounds too."""
    total = counted(flags, found)
    np.add.at(total, found.part_hour, flags[found.part_span])
    return total


def _ints(frame: pl.DataFrame, column: str) -> Ints:
    values: Ints = frame[column].cast(pl.Int64).to_numpy()
    return values


def _part_amounts(spans: pl.DataFrame, timeline: Timeline, found: Overlaps) -> Floats:
    """Integrate the rate of crossing spans over their parts; a trapezoid's rate is linear in time."""
    span = found.part_span
    length = timeline.end[span] - timeline.start[span]
    from_share = (found.part_start - timeline.start[span]) / length
    to_share = (found.part_end - timeline.start[span]) / length
    even = (found.part_end - found.part_start) * spans["rate"].to_numpy()[span]
    amounts: Floats = even + spans["skew"].to_numpy()[span] * (to_share - from_share) * (
        to_share + from_share - 1
    )
    return amounts


def _exported(spans: pl.DataFrame, timeline: Timeline, found: Overlaps) -> Floats:
    """Sum per hour what flowed back: the area below zero of each span's rate, which is linear in time."""
    amount, skew = spans["amount"].to_numpy(), spans["skew"].to_numpy()
    if not (amount < np.abs(skew)).any():  # most often: nothing ever flows back
        return np.zeros(found.first.size)
    whole = _below_zero(amount - skew, amount + skew)
    span = found.part_span
    length = timeline.end[span] - timeline.start[span]
    begin, end = ((bound - timeline.start[span]) / length for bound in (found.part_start, found.part_end))
    flow = [amount[span] + skew[span] * (2 * share - 1) for share in (begin, end)]
    return summed(whole, found, _below_zero(*flow) * (end - begin))


def _below_zero(before: Floats, after: Floats) -> Floats:
    """Return the mean of what a line from `before` to `after` has below zero, as a positive number."""
    low, high = np.minimum(before, after), np.maximum(before, after)
    crossing = np.where((low < 0) & (high > 0), high - low, 1.0)
    area: Floats = np.where(high <= 0, -(low + high) / 2, low * low / (2 * crossing))
    return np.where(low < 0, area, 0.0)


def _strongest(hours: pl.DataFrame, by_kind: list[pl.DataFrame]) -> pl.DataFrame:
    """Take each hour from the strongest kind that knows anything of it; null where none does."""
    known = [kind["quality"] >= 0 for kind in by_kind]
    picked = {
        name: pl.coalesce(pl.when(knows).then(kind[name]) for kind, knows in zip(by_kind, known, strict=True))
        for name in ("quantity", "exported", "quality", "suspect", "covered_us", "moved")
    }
    return hours.with_columns(**picked)


def _with_limits(
    hourly: pl.DataFrame, generations: pl.DataFrame, running: pl.DataFrame | None
) -> pl.DataFrame:
    """Mark hours beyond the meter's maximum, and flat ones while what it feeds was running, as suspect."""
    hours = (pl.col("end_us") - pl.col("start_us")) / _HOUR_US
    limits = generations.select("generation", "maximum_per_h")
    beyond = (pl.col("quantity").abs() > pl.col("maximum_per_h") * hours * _ROUNDING).fill_null(value=False)
    flat = pl.lit(value=False)
    if running is not None:
        spans = running.select("factory", "meter", run_start=_us("start"), run_end=_us("end"))
        inside = (
            hourly.join(spans, on=["factory", "meter"])
            .filter(pl.col("run_start") <= pl.col("start_us"), pl.col("end_us") <= pl.col("run_end"))
            .select("generation", "start")
            .unique()
            .with_columns(runs=pl.lit(value=True))
        )
        hourly = hourly.join(inside, on=["generation", "start"], how="left", maintain_order="left")
        flat = pl.col("runs").fill_null(value=False) & (pl.col("moved") == 0)
    return (
        hourly.drop("maximum_per_h")
        .join(limits, on="generation", maintain_order="left")
        .with_columns(
            suspect=(pl.col("suspect") > 0) | ((beyond | flat) & pl.col("quality").is_not_null()),
            exported=pl.when("bidirectional").then("exported"),
        )
    )


def _per_meter(hourly: pl.DataFrame) -> pl.DataFrame:
    """Join the rows of one meter (before and after a change) to one row per hour."""
    return (
        hourly.group_by("factory", "meter", "carrier", "start", "end", "window_start", maintain_order=True)
        .agg(
            pl.col("unit").first(),
            **{
                name: pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())
                for name in ("quantity", "exported")
            },
            covered_us=pl.col("covered_us").sum(),
            quality=pl.col("quality").max(),
            suspect=pl.col("suspect").any(),
        )
        .with_columns(
            allocation=pl.lit("hour"),
            coverage=pl.col("covered_us") / (pl.col("end") - pl.col("start")).dt.total_microseconds(),
        )
        .select(_JUDGED)
    )


def _judged(rows: pl.DataFrame, accepted: pl.DataFrame | None) -> pl.DataFrame:
    """Name the quality of each row: `suspect` where it is marked so and nobody accepted it."""
    suspect = pl.col("suspect").fill_null(value=False)
    if accepted is not None and not accepted.is_empty():
        spans = accepted.select("factory", "meter", accepted_from="start", accepted_to="end")
        rows = rows.sort("start").join_asof(
            spans.sort("accepted_from"), left_on="start", right_on="accepted_from", by=["factory", "meter"],
            check_sortedness=False,  # sorted above; Polars can't check within groups and would warn
        )  # fmt: skip
        suspect &= ~(pl.col("end") <= pl.col("accepted_to")).fill_null(value=False)
    names = dict(enumerate(QUALITIES))
    named = pl.col("quality").replace_strict(names, default=None, return_dtype=pl.String)
    return rows.with_columns(quality=pl.when(suspect).then(pl.lit(SUSPECT)).otherwise(named))


def _unallocated(
    long: list[pl.DataFrame],
    placed: pl.DataFrame,
    windows: pl.DataFrame,
    generations: pl.DataFrame,
    max_gap_us: int,
) -> pl.DataFrame:
    """Make a row of each amount over more than the maximum gap that a window owns."""
    bounds = windows.select("factory", window_start="start", opens=_us("start"), closes=_us("end"))
    columns = ("generation", "rank", "sequence", "start", "end", "amount", "quality", "suspect", "owned_at")
    rows = pl.concat(
        kind.with_columns(rank=pl.lit(rank, pl.Int8)).select(columns) for rank, kind in enumerate(long)
    )
    owned = (
        rows.join(
            generations.select("generation", "factory", "meter", "carrier", "unit", "bidirectional"),
            on="generation",
        )
        .join(bounds, on="factory")
        .filter(pl.col("opens") <= pl.col("owned_at"), pl.col("owned_at") < pl.col("closes"))
        .sort("generation", "start", "rank", "sequence", "end", descending=[False, False, False, True, True])
        .unique(["factory", "meter", "carrier", "start", "end"], keep="first", maintain_order=True)
    )
    return (
        _beside_others(owned, placed, max_gap_us)
        .with_columns(
            allocation=pl.lit("unallocated"),
            start=pl.from_epoch("start", time_unit="us").cast(INSTANT),
            end=pl.from_epoch("end", time_unit="us").cast(INSTANT),
            quantity="amount",
            exported=pl.when("bidirectional").then((-pl.col("amount")).clip(lower_bound=0.0)),
            coverage=pl.lit(0.0),
        )
        .select(_JUDGED)
    )


def _beside_others(owned: pl.DataFrame, placed: pl.DataFrame, max_gap_us: int) -> pl.DataFrame:
    """Mark amounts as suspect beside whose closing reading the meter sent other kinds or shorter readings."""
    if owned.is_empty():
        return owned
    fine = (pl.col("rank").is_in([_REGISTER, _POWER])) | (pl.col("length") <= max_gap_us)
    others = placed.filter(fine, pl.col("generation").is_in(owned["generation"].unique().implode()))
    near = (
        owned.with_row_index("row")
        .join(others.select("generation", "at", other="rank"), on="generation")
        .filter(
            pl.col("other") != pl.when(pl.col("rank") == _REGISTER).then(_REGISTER).otherwise(-1),
            (pl.col("at") - pl.col("owned_at")).abs() <= max_gap_us,
            pl.col("start") <= pl.col("at"),
            pl.col("at") <= pl.col("end"),
        )["row"]
        .unique()
    )
    beside = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(near.implode())
    return owned.with_columns(suspect=pl.col("suspect").fill_null(value=False) | beside)
