"""What the signs of liveness look at, and the limits that they judge by.

Belongs here: the frames that every sign reads, with their columns; the limits; the form of a flag. Does not
belong here: a sign itself, the limits' values (pipelines.reference/liveness.csv).
"""

from dataclasses import dataclass

import polars as pl

SILENT, FEW_EVENTS, FLAT_LINE = "silent", "few_events", "flat_line"
COPIED_DAY, COPIED_FACTORY = "copied_day", "copied_factory"
NO_SHIFT_PATTERN, GHOST, ZERO_RUN = "no_shift_pattern", "ghost", "zero_run"
REASONS = (
    SILENT, FEW_EVENTS, FLAT_LINE, COPIED_DAY, COPIED_FACTORY, NO_SHIFT_PATTERN, GHOST, ZERO_RUN,
)  # fmt: skip
WHOLE_STREAM = "*"
MEASURED = "energy"
BY_MACHINE = ("states", "counts")
WORK, REST = "work", "rest"
PLACE = ["factory", "day"]
ROW = [*PLACE, "stream", "source"]
HOUR_S = 3600.0
_DECIMALS = 6
_LAST_WORKING_WEEKDAY = 5


@dataclass(frozen=True)
class Limits:
    """Limits of the signs; what each means, its unit and why: pipelines/reference/liveness.csv."""

    look_back_days: int
    learn_least_days: int
    silent_h: float
    silent_gaps: float
    silent_stream_days: int
    silent_source_days: int
    silent_sparse_days: float
    silent_grace_days: int
    few_measured_share: float
    few_reported_share: float
    few_least_expected: float
    flat_days: int
    flat_running_h: int
    flat_unknown_h: int
    flat_distinct_share: float
    flat_least_h: int
    copied_share: float
    copied_least_h: int
    copied_least_states_h: int
    copied_least_digits: int
    copied_most_sources: int
    shift_days: int
    shift_least_days: int
    shift_least_h: int
    shift_difference: float
    shift_running_share: float
    ghost_running_h: int
    zero_least_h: int
    zero_least_days: int
    weight_silent: int
    weight_few_events: int
    weight_flat_line: int
    weight_copied_day: int
    weight_copied_factory: int
    weight_no_shift_pattern: int
    weight_ghost: int
    weight_zero_run: int

    def weight(self, reason: str) -> int:
        """Return what a reason adds to a row's rank."""
        weight: int = getattr(self, f"weight_{reason}")
        return weight


@dataclass(frozen=True)
class Observed:
    """All that is judged together: days to report and the days before them; nobody mutates the frames.

    Args:
        days: `factory, day, start, end` [us, UTC] of each local day, `kind` (work: its calendar plans some
            time; rest; without a calendar Monday to Friday is work), `planned_s` (planned time of all
            machines [s]; null: no calendar), `asked` (whether it is reported), `new` (whether the factory
            joined so lately that nothing is missed yet).
        source_days: as `pipelines.domain.liveness.deliveries.source_days`.
        amounts: hours of facts_energy: `factory, meter, day, start` [us, UTC], `quantity` [canonical unit;
            null: not known].
        machine_hours: hours of facts_machine: `factory, machine, day, start` [us, UTC], `pbt_s` (null: no
            calendar), `apt_s` [s].
        output: `factory, machine, day, start` [us, UTC], `pq` [product units; null: not counted].
        meters: of each day's profile: `factory, day, meter, carrier, parent` (null: a main meter), `machine`
            (null: of none); each meter of a day once.
        machines: of each day's profile: `factory, day, machine`.
        declared: `factory, day, stream`: what the factory's trade template says it sends from the start.
    """

    days: pl.DataFrame
    source_days: pl.DataFrame
    amounts: pl.DataFrame
    machine_hours: pl.DataFrame
    output: pl.DataFrame
    meters: pl.DataFrame
    machines: pl.DataFrame
    declared: pl.DataFrame

    @property
    def asked(self) -> pl.DataFrame:
        """The factory-days to report."""
        return self.days.filter("asked")


def day_kinds(days: pl.DataFrame, machine_hours: pl.DataFrame) -> pl.DataFrame:
    """Add `kind` and `planned_s` to factory-days: what Observed.days says of them.

    Args:
        days: `factory, day`.
        machine_hours: as in `Observed`.
    """
    planned = machine_hours.group_by(PLACE).agg(
        planned_s=pl.when(pl.col("pbt_s").is_not_null().any()).then(pl.col("pbt_s").sum())
    )
    by_calendar = pl.col("planned_s") > 0
    by_week = pl.col("day").dt.weekday() <= _LAST_WORKING_WEEKDAY
    works = pl.coalesce(by_calendar, by_week)
    return days.join(planned, on=PLACE, how="left").with_columns(
        kind=pl.when(works).then(pl.lit(WORK)).otherwise(pl.lit(REST))
    )


def rounded(value: pl.Expr) -> pl.Expr:
    """Round an hour's amount, so that equal use is equal whatever the register's offset left in it."""
    return value.round(_DECIMALS)


def flags(rows: pl.DataFrame, reason: str, evidence: dict[str, pl.Expr]) -> pl.DataFrame:
    """Make flags: factory, day, stream, source, reason, evidence (canonical JSON).

    Args:
        rows: with `factory, day, stream, source`.
        reason: one of REASONS.
        evidence: name -> expression over `rows`; what is not a number must be text.
    """
    said = pl.struct(*(value.alias(name) for name, value in sorted(evidence.items()))).struct.json_encode()
    return rows.select(*ROW, reason=pl.lit(reason), evidence=said)


def iso(instant: pl.Expr) -> pl.Expr:
    """Write an instant (UTC) as text."""
    return instant.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
