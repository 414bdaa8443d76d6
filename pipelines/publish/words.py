"""Words, dates and numbers of the site in Korean and English.

Belongs here: looking up sentences, formats per language, the one rounding of every shown number. Does not
belong here: what is shown (content) and where it stands (templates).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from pipelines.domain.baseline import NO_BASELINE, OTHER_LENGTH, OTHER_VERSION, ZERO_BASELINE, Change
from pipelines.domain.entitlement import Missing
from pipelines.domain.kpi_formulas import Definition
from pipelines.domain.peer_groups import EVERYBODY
from pipelines.publish.content import Term
from pipelines.publish.figures import CO2E, ENERGY, OEE, PER_UNIT
from pipelines.reference.kpis import kpi_book

LANGUAGES = ("ko", "en")
DASH = "–"
MINUS = "−"
_MOST_DIGITS = 8
_FINEST = Decimal("1e-12")
_WEEKDAYS = {"ko": "월화수목금토일", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTRIBUTORS = {"fewer than 10": "contributors.few", "10+": "contributors.many"}


@dataclass(frozen=True)
class Scale:
    """How a KPI is shown: its unit's word, and by what its stored value is multiplied."""

    unit: str
    factor: Decimal
    least_digits: int
    most_digits: int


SCALES = {
    ENERGY: Scale("unit.kwh", Decimal(1), 0, 1),
    CO2E: Scale("unit.tonne", Decimal("0.001"), 2, 3),
    OEE: Scale("unit.percent", Decimal(100), 1, 1),
    PER_UNIT: Scale("unit.kwh_per_unit", Decimal(1), 2, 3),
}
_SCALE_OF_UNIT = {
    "1": Scale("unit.percent", Decimal(100), 1, 1),
    "s": Scale("unit.h", 1 / Decimal(3600), 1, 2),
    "d": Scale("unit.d", Decimal(1), 1, 1),
    "kWh": Scale("unit.kwh", Decimal(1), 0, 1),
    "kWh/unit": Scale("unit.kwh_per_unit", Decimal(1), 2, 3),
    "kWh/h": Scale("unit.kwh_per_h", Decimal(1), 1, 2),
    "kg CO2e": Scale("unit.tonne", Decimal("0.001"), 2, 3),
    "t CO2e/unit": Scale("unit.kg_per_unit", Decimal(1000), 2, 3),
    "kg CO2e/h": Scale("unit.kg_per_h", Decimal(1), 1, 2),
    "unit/h": Scale("unit.units_per_h", Decimal(1), 1, 2),
    "index": Scale("unit.index", Decimal(1), 2, 3),
    "person": Scale("unit.person", Decimal(1), 0, 0),
    "1/200000 h": Scale("unit.per_200k_h", Decimal(1), 1, 2),
    "1/1000000 h": Scale("unit.per_1m_h", Decimal(1), 1, 2),
    "KRW/(t km)": Scale("unit.krw_per_tkm", Decimal(1), 0, 1),
}


@cache
def vocabulary() -> dict[str, dict[str, str]]:
    """Return every sentence by key and language."""
    text = (Path(__file__).parent / "words.yaml").read_text(encoding="utf-8")
    words: dict[str, dict[str, str]] = yaml.safe_load(text)
    return words


def say(key: str, language: str, **arguments: object) -> str:
    """Return a sentence in one language; arguments are formatted for it.

    Raises:
        KeyError: the vocabulary lacks the sentence or its translation.
    """
    return vocabulary()[key][language].format(**{k: argument(v, language) for k, v in arguments.items()})


def both(key: str, **arguments: object) -> Markup:
    """Return a sentence in both languages, of which the page shows one."""
    spans = (
        f'<span class="t" lang="{language}">{escape(say(key, language, **arguments))}</span>'
        for language in LANGUAGES
    )
    return Markup("".join(spans))  # noqa: S704 - every part was escaped above


def either(korean: str, english: str) -> Markup:
    """Return a name in both languages, of which the page shows one; once where both are equal."""
    if korean == english:
        return escape(korean)
    return Markup('<span class="t" lang="ko">{}</span><span class="t" lang="en">{}</span>').format(
        korean, english
    )


def argument(value: object, language: str) -> str:
    """Format an argument of a sentence: words, dates, instants, whole numbers, names in two languages."""
    match value:
        case Term():
            return say(value.key, language)
        case dict():
            return str(value[language])
        case datetime():
            return instant_text(value, language)
        case date():
            return day_text(value, language)
        case int():
            return grouped(Decimal(value), 0)
        case _:
            return str(value)


def grouped(value: Decimal, digits: int) -> str:
    """Write a number with groups of three, rounded half even to `digits`: Korean and English agree on it."""
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    text = f"{abs(rounded):,f}"
    return f"{MINUS}{text}" if rounded < 0 else text


def exact(value: float) -> Decimal:
    """Return a float as the shortest decimal that names it, so that rounding sees what a person would."""
    return Decimal(repr(float(value)))


@cache
def scale_of(kpi: str) -> Scale:
    """Return how a KPI is shown.

    Raises:
        KeyError: no such KPI, or its unit has no words yet.
    """
    if kpi in SCALES:
        return SCALES[kpi]
    return _SCALE_OF_UNIT[_definition(kpi).unit]


def _definition(kpi: str) -> Definition:
    found = kpi_book().find(kpi)
    if found is None:
        raise KeyError(kpi)
    return found


def kpi_words(kpi: str) -> Markup:
    """Return a KPI's name: the pages' own word for it, else the catalogue's."""
    if f"kpi.{kpi}" in vocabulary():
        return both(f"kpi.{kpi}")
    definition = _definition(kpi)
    return either(definition.name_ko, definition.name_en)


def kpi_meaning(kpi: str) -> Markup:
    """Return what a KPI tells, as the catalogue says it."""
    definition = _definition(kpi)
    return either(definition.meaning_ko, definition.meaning_en)


def is_total(kpi: str) -> bool:
    """Say whether a KPI is a total: of a group it says nothing about where one member stands."""
    return _definition(kpi).is_total


def kpi_name_list(kpis: Iterable[str]) -> Markup:
    """Return names of KPIs, joined, in both languages."""
    return Markup(", ").join(kpi_words(kpi) for kpi in kpis)


def breakdown_words(breakdown: str) -> Markup:
    """Return what groups are made by; of several traits all of them."""
    if f"breakdown.{breakdown}" in vocabulary():
        return both(f"breakdown.{breakdown}")
    return Markup(" × ").join(both(f"trait.{trait}") for trait in breakdown.split("-"))


def group_words(breakdown: str, group: str) -> Markup:
    """Return a group's name: a code in words where the vocabulary has them."""
    if group == EVERYBODY:
        return both("group.everybody")
    traits = zip(breakdown.split("-"), group.split("+"), strict=True)
    return Markup(" · ").join(
        both(f"{trait}.{code}")
        if f"{trait}.{code}" in vocabulary()
        else Markup("<code>{}</code>").format(code)
        for trait, code in traits
    )


def lack_key(missing: Missing) -> str:
    """Return the end of the key of the sentence that says what a factory lacks."""
    if missing.what == "stream":
        return "stream" if missing.element in kpi_book().elements else "all_streams"
    return f"{missing.what}_known" if missing.coverage is not None else missing.what


def lack_arguments(missing: Missing) -> dict[str, object]:
    """Return the arguments of that sentence."""
    element = kpi_book().elements.get(missing.element or "")
    more: dict[str, object] = {}
    if element is not None:
        stream = f"stream.{element.stream}"
        more["element"] = {"ko": element.name_ko, "en": element.name_en}
        more["stream"] = Term(stream) if stream in vocabulary() else element.stream
    if missing.coverage is not None:
        more["share"] = share_text(missing.coverage)
    return {"factory": missing.factory, **more}


def change_text(value: float, *, in_points: bool) -> dict[str, str]:
    """Write a change since the baseline by language: per cent, of a share percentage points."""
    signed = _signed(value)
    if in_points:
        return {"ko": f"{signed}%p", "en": f"{signed} pp"}
    return {"ko": f"{signed}%", "en": f"{signed}%"}


def verdict_shown(change: Change) -> str | None:
    """Return a change's verdict; of one that is written as nothing: the same."""
    return "same" if change.value is not None and _signed(change.value).startswith("±") else change.verdict


def _signed(share: float) -> str:
    text = grouped(exact(share) * 100, 1)
    if text.strip(f"0.,{MINUS}") == "":
        return f"±{text.removeprefix(MINUS)}"
    return text if text.startswith(MINUS) else f"+{text}"


def reason_words(code: str, kpi: str | None = None) -> Markup | None:
    """Return a reason code in words; null: the vocabulary lacks it and the code speaks alone.

    Args:
        code: as tables carry it, `missing_element:pq`.
        kpi: whose reason it is: some say better what a zero denominator means.
    """
    name, _, element = code.partition(":")
    if kpi is not None and name == "zero_denominator" and f"zero.{kpi}" in vocabulary():
        return both(f"zero.{kpi}")
    known = kpi_book().elements.get(element)
    if known is not None and f"reason.{code}" not in vocabulary() and f"reason_of.{name}" in vocabulary():
        return both(f"reason_of.{name}", element={"ko": known.name_ko, "en": known.name_en})
    key = reason_key(code)
    return None if key is None else both(key)


def shown_digits(kpi: str, value: float, grid_step: float | None = None) -> int:
    """Return how many decimals a value of a KPI is shown with: the public grid's, else by its size."""
    scale = scale_of(kpi)
    if grid_step is not None:
        step = (exact(grid_step) * scale.factor).quantize(_FINEST).normalize()
        exponent = int(step.as_tuple().exponent)
        # A step such as a twelfth of an hour has no end: then as many as tell two points apart.
        return max(0, -step.adjusted() if -exponent > _MOST_DIGITS else -exponent)
    size = abs(exact(value) * scale.factor)
    return scale.least_digits if size >= (100 if kpi == ENERGY else 10) else scale.most_digits


def shown_value(kpi: str, value: float, grid_step: float | None = None) -> Decimal:
    """Return a value as it is shown, in the shown unit: what charts may draw of a published figure."""
    digits = shown_digits(kpi, value, grid_step)
    scaled = exact(value) * scale_of(kpi).factor
    return scaled.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)


def figure_text(kpi: str, value: float, grid_step: float | None = None) -> str:
    """Write a value of a KPI without its unit."""
    return grouped(shown_value(kpi, value, grid_step), shown_digits(kpi, value, grid_step))


def signed_text(kpi: str, value: float, digits: int) -> str:
    """Write a difference of a KPI with its sign."""
    text = grouped(exact(value) * scale_of(kpi).factor, digits)
    if text.strip("0.,") == "":
        return f"±{text}"
    return text if text.startswith(MINUS) else f"+{text}"


def share_text(share: float) -> str:
    """Write a share as whole per cents; only what is whole is 100%, only nothing is 0%."""
    percent = int((exact(share) * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    if percent == 100 and share < 1:  # noqa: PLR2004 - per cents
        return "99%"
    if percent == 0 and share > 0:
        return "<1%"
    return f"{percent}%"


def day_text(day: date, language: str) -> str:
    """Write a date with its weekday."""
    weekday = _WEEKDAYS[language][day.weekday()]
    if language == "ko":
        return f"{day.year}년 {day.month}월 {day.day}일 ({weekday})"
    return f"{weekday} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day_text(day: date, language: str) -> str:
    """Write a date without its year."""
    weekday = _WEEKDAYS[language][day.weekday()]
    if language == "ko":
        return f"{day.month}월 {day.day}일 ({weekday})"
    return f"{weekday} {day.day} {_MONTHS[day.month - 1]}"


def span_text(first: date, last: date, language: str) -> str:
    """Write a span of local dates, both included."""
    same_year = first.year == last.year
    if language == "ko":
        year = "" if same_year else f"{last.year}년 "
        return f"{first.year}년 {first.month}월 {first.day}일 – {year}{last.month}월 {last.day}일"
    begin, end = (f"{d.day} {_MONTHS[d.month - 1]}" for d in (first, last))
    return f"{begin}{'' if same_year else f' {first.year}'} – {end} {last.year}"


def instant_text(instant: datetime, language: str) -> str:
    """Write a local date and time to the minute."""
    return f"{short_day_text(instant.date(), language)} {instant:%H:%M}"


def instant_words(instant: datetime) -> Markup:
    """Write a local date and time to the minute, in both languages, unbroken."""
    words = either(instant_text(instant, "ko"), instant_text(instant, "en"))
    return Markup('<span class="instant">{}</span>').format(words)


def age_words(minutes: int) -> Markup:
    """Write an age in its two largest units."""
    hours, rest = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        words = both("age.days", days=days, hours=hours_of_day)
    elif hours:
        words = both("age.hours", hours=hours, minutes=rest)
    else:
        words = both("age.minutes", minutes=rest)
    return Markup('<span class="instant">{}</span>').format(words)


def reason_key(reason: str) -> str | None:
    """Return the key of a reason code's words; null: the vocabulary lacks it and the code speaks alone."""
    keys = (f"reason.{reason}", f"reason.{reason.split(':', 1)[0]}")
    return next((key for key in keys if key in vocabulary()), None)


def contributors_key(contributors: str) -> str:
    """Return the key of the words for how many contributed.

    Raises:
        KeyError: neither of the two forms that may be published.
    """
    return _CONTRIBUTORS[contributors]


def globals_for_pages() -> dict[str, Any]:
    """Return the functions that templates call."""
    return {
        "t": both,
        "either": either,
        "say": say,
        "DASH": DASH,
        "SCALES": SCALES,
        "OWN_REASONS": (NO_BASELINE, OTHER_VERSION, OTHER_LENGTH, ZERO_BASELINE),
        "scale_of": scale_of,
        "kpi_words": kpi_words,
        "kpi_meaning": kpi_meaning,
        "is_total": is_total,
        "kpi_name_list": kpi_name_list,
        "breakdown_words": breakdown_words,
        "group_words": group_words,
        "lack_key": lack_key,
        "lack_arguments": lack_arguments,
        "change_text": change_text,
        "verdict_shown": verdict_shown,
        "reason_words": reason_words,
        "month_words": lambda day: either(
            f"{day.year}년 {day.month}월", f"{_MONTHS[day.month - 1]} {day.year}"
        ),
        "span_words": lambda first, last: either(*(span_text(first, last, ln) for ln in LANGUAGES)),
        "figure_text": figure_text,
        "signed_text": signed_text,
        "shown_digits": shown_digits,
        "share_text": share_text,
        "age_words": age_words,
        "contributors_key": contributors_key,
        "day_words": lambda day: either(day_text(day, "ko"), day_text(day, "en")),
        "short_day_words": lambda day: either(short_day_text(day, "ko"), short_day_text(day, "en")),
        "instant_words": instant_words,
        "exact": exact,
        "grouped": grouped,
    }
