"""The mapping of a measurement file: what its columns, stamps and numbers mean, and whose they are.

Belongs here: the YAML model, its checks, the rules that it stands for. Does not belong here: reading the
measurement file (pipelines.connectors.tabular) and turning cells into readings (pipelines.domain.onramp).
"""

import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.domain.onramp import ISO, NumberRule, StampRule, unusable
from pipelines.schemas.streams import ID_PATTERN

_FORMAT_NEEDS = (("%Y", "%y"), ("%m", "%b", "%B"), ("%d",))
_SECONDS_PER_MINUTE = 60


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone, such as Asia/Seoul") from None
    return name


def _whole_format(text: str) -> str:
    if text == ISO:
        return text
    directives = re.findall(r"%\.f|%[A-Za-z]", text)
    if not all(any(d in directives for d in needed) for needed in _FORMAT_NEEDS):
        raise ValueError("name year, month and day (such as %d/%m/%Y %H:%M), or write iso")
    if "%z" in directives and not text.endswith("%z"):
        raise ValueError("%z can only be the last part")
    if any(d in directives for d in ("%M", "%S")) and not {"%H", "%I"} & set(directives):
        raise ValueError("minutes need their hour (%H)")
    return text


Id = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]
Text = Annotated[str, Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_known_zone)]
TimeFormat = Annotated[Text, AfterValidator(_whole_format)]
Position = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileLayout(_Strict):
    """How the file is laid out; what is not said is UTF-8 CSV with a comma and the header in row 1."""

    encoding: Literal["utf-8", "cp949", "utf-16"] = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    sheet: Text | None = Field(None, description="Sheet of a workbook; null: its only one.")
    header_row: int = Field(1, ge=1, description="Row of the column names, counted from 1.")
    first_row: int | None = Field(None, ge=2, description="First row of values; null: after the header.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_row is not None and self.first_row <= self.header_row:
            raise ValueError("first_row must come after header_row")
        return self


class TimeMapping(_Strict):
    """What the stamps mean."""

    columns: tuple[Text, ...] = Field(min_length=1, description="Joined by one space, such as date and time.")
    format: TimeFormat = Field(description="iso, or a strptime format.")
    zone: Zone = Field(description="Zone of stamps without an offset.")
    stamp: Literal["start", "end", "instant"]
    interval_minutes: float | None = Field(None, gt=0)
    midnight: Literal["starts_its_date", "ends_its_date"] = "starts_its_date"
    order: Literal["ascending", "descending", "any"] = "ascending"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.stamp == "instant") != (self.interval_minutes is None):
            raise ValueError("stamp start or end needs interval_minutes, stamp instant has none")
        if self.midnight == "ends_its_date" and self.stamp == "start":
            raise ValueError("midnight ends_its_date can't be said of the start of an interval")
        if not float((self.interval_minutes or 0) * _SECONDS_PER_MINUTE).is_integer():
            raise ValueError("interval_minutes must be whole seconds")
        return self


class ValueMapping(_Strict):
    """Which column holds the values, and in what unit and form."""

    column: Text | None = None
    any_of: tuple[Text, ...] = Field((), description="Names of which the file has exactly one.")
    position: Position | None = Field(None, description="Number of the column, counted from 1.")
    unit: Text
    kind: Literal["register", "interval", "power", "mean_power"]
    multiplier: float = Field(1.0, gt=0)
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    missing: tuple[Text, ...] = Field((), description="Texts that mean no value, beside the empty cell.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((self.column is not None, bool(self.any_of), self.position is not None)) != 1:
            raise ValueError("name the values by exactly one of column, any_of and position")
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal must differ")
        return self


class MeterMapping(_Strict):
    """The meter that the values are of."""

    id: Id
    carrier: Literal[
        "electricity", "natural_gas", "lpg", "diesel", "heat", "steam", "water", "compressed_air"
    ]
    parent: Id | None = Field(None, description="The meter that contains this one; null: a main meter.")
    register_digits: int | None = Field(None, ge=1, le=15)
    maximum_per_h: float | None = Field(None, gt=0)
    bidirectional: bool = False


class FactoryMapping(_Strict):
    """What the profile of a factory says that has none yet."""

    name: Text | None = Field(None, description="null: the factory's id.")
    zone: Zone | None = Field(None, description="Zone of its calendar; null: the stamps' zone.")
    geography: str = Field(pattern=r"^[A-Z]{2}$")
    process: Literal[
        "casting", "moulds", "forming", "welding", "surface_treatment", "heat_treatment",
        "car_parts", "ship_parts", "footwear", "textiles", "other",
    ] = "other"  # fmt: skip
    region: Text | None = None
    size_class: Literal["micro", "small", "medium"] | None = None
    maturity: Literal["basic", "intermediate1", "intermediate2", "advanced"] | None = None


class FileMapping(_Strict):
    """The mapping of one kind of file; docs/import.md explains it."""

    file: FileLayout = FileLayout()
    time: TimeMapping
    value: ValueMapping
    meter: MeterMapping
    factory: FactoryMapping

    @model_validator(mode="after")
    def _kind_fits_stamp(self) -> Self:
        instants = self.value.kind in ("register", "power")
        if instants != (self.time.stamp == "instant"):
            raise ValueError(
                "register and power are read at an instant; interval and mean_power have a start or an end"
            )
        return self

    @property
    def zone(self) -> str:
        """Zone of the factory's calendar."""
        return self.factory.zone or self.time.zone

    def stamp_rule(self) -> StampRule:
        """Return what the stamps mean."""
        minutes = self.time.interval_minutes
        return StampRule(
            format=self.time.format,
            zone=self.time.zone,
            stamp=self.time.stamp,
            ends_its_date=self.time.midnight == "ends_its_date",
            order=self.time.order,
            length_s=None if minutes is None else round(minutes * _SECONDS_PER_MINUTE),
        )

    def number_rule(self) -> NumberRule:
        """Return how numbers are written."""
        value = self.value
        return NumberRule(value.multiplier, value.decimal, value.thousands, frozenset(value.missing))

    def canonical(self) -> str:
        """Return the mapping as one text that depends neither on comments nor on the order of its keys."""
        return self.model_dump_json()


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def parse_mapping(text: str, name: str) -> FileMapping:
    """Read a mapping.

    Args:
        text: its YAML.
        name: the file's name, for errors.

    Raises:
        OperatorError: it is no YAML, or a key is missing, unknown or wrong: one line with the first.
    """
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _refusal(name, "", f"is no YAML ({_one_line(error)})") from error
    try:
        return FileMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _refusal(name, place, _one_line(first["msg"])) from error


def _refusal(name: str, place: str, wrong: str) -> Exception:
    where = f"{name}, {place}" if place else name
    return unusable(
        f"mapping {where}: {wrong}; correct the mapping (docs/import.md)",
        f"매핑 {where}: {wrong}. 매핑을 고치세요(docs/import.md)",
    )
