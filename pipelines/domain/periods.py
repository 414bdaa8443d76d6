"""Calendar periods of figures: days, months and rolling 12 months.

Belongs here: where a period ends, which month it belongs to, which one came before. Does not belong here:
shifts and time zones (calendar).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

PeriodName = Literal["day", "month", "rolling12"]
YEAR_MONTHS: Final = 12
_MONTHS: Final = {"month": 1, "rolling12": YEAR_MONTHS}


class Period(NamedTuple):
    """A day, a calendar month, or 12 of them.

    Args:
        start: first local date.
        name: which kind.
    """

    start: date
    name: PeriodName

    @property
    def end(self) -> date:
        """First local date after it."""
        if self.name == "day":
            return self.start + timedelta(days=1)
        return months_after(self.start, _MONTHS[self.name])

    @property
    def month(self) -> date:
        """First of the month that it ends with: whose panel its figures have."""
        return (self.end - timedelta(days=1)).replace(day=1)

    @property
    def before(self) -> "Period":
        """The period of the same kind that it is compared with: a day or a month earlier."""
        if self.name == "day":
            return Period(self.start - timedelta(days=1), "day")
        return Period(months_after(self.start, -1), self.name)

    @property
    def months(self) -> Iterator["Period"]:
        """The whole months of rolling 12 months, oldest first; none of another period."""
        count = YEAR_MONTHS if self.name == "rolling12" else 0
        return (Period(months_after(self.start, n), "month") for n in range(count))


def months_after(first: date, months: int) -> date:
    """Return the first of the month that is so many months after another's."""
    place = first.year * YEAR_MONTHS + first.month - 1 + months
    return date(place // YEAR_MONTHS, place % YEAR_MONTHS + 1, 1)


def first_of_month(day: date) -> date:
    """Return the first date of a date's month."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first date of the month after a month's first date."""
    return months_after(month, 1)


def days_in(month: date) -> int:
    """Return how many days a month has."""
    return (next_month(month) - month).days
