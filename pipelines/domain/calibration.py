"""Calibration of meters: what is told, and whether it still held.

Belongs here: the state of a meter's calibration on a day. Does not belong here: the contract of profiles, how
it is shown.
"""

from datetime import date

import polars as pl

CALIBRATION = ("calibrated_on", "calibration_due", "calibration_certificate")
NOT_TOLD, VALID, OVERDUE, WITHOUT_DUE_DATE = "not told", "valid", "overdue", "due date not told"


def calibration_state(calibrated_on: str | None, calibration_due: str | None, day: date) -> str:
    """Say how a meter's calibration stood on a local date.

    Args:
        calibrated_on: local date YYYY-MM-DD of the last one; null: not told.
        calibration_due: local date by which the next one is due; null: not told.
        day: the last day whose readings count: on the due date itself the calibration still holds.
    """
    if calibrated_on is None:
        return NOT_TOLD
    if calibration_due is None:
        return WITHOUT_DUE_DATE
    return OVERDUE if date.fromisoformat(calibration_due) < day else VALID


def with_calibration(meters: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Say of meters what is told of their calibration, and how it stood.

    Args:
        meters: ``factory, meter, last_day`` (last day with hours; null: none) and the columns CALIBRATION.
        profiles: ``factory, meter`` and CALIBRATION, of all profiles, oldest first: what its own
            profile doesn't tell of a meter, the newest that tells it does.

    Returns:
        `meters` with CALIBRATION (texts; `not told` where null) and ``calibration``, in their order.
    """
    told = profiles.filter(pl.col("calibrated_on").is_not_null())
    newest = told.group_by("factory", "meter", maintain_order=True).agg(pl.col(CALIBRATION).last())
    both = meters.join(newest, on=["factory", "meter"], how="left", suffix="_told", maintain_order="left")
    silent = pl.col("calibrated_on").is_null()
    filled = both.with_columns(
        pl.when(silent).then(pl.col(f"{n}_told")).otherwise(n).alias(n) for n in CALIBRATION
    )
    states = [
        calibration_state(on, due, day or date.max)
        for on, due, day in filled.select("calibrated_on", "calibration_due", "last_day").iter_rows()
    ]
    return filled.select(meters.columns).with_columns(
        pl.col(CALIBRATION).fill_null(NOT_TOLD), calibration=pl.Series(states, dtype=pl.String)
    )
