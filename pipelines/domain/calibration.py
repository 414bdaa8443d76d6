"""Calibration of meters: what is told, and whether it still held.

Belongs here: the state of a meter's calibration on a day. Does not belong here: the contract of profiles, how
it is shown.
"""

from datetime import date

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
