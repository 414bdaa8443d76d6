"""Matched elements of an AAS file -> what they claim of a factory's profile.

Belongs here: fields and entries of a profile from elements, their types and units. Does not belong here:
bringing a claim together with the profiles that there are (pipelines.jobs.import_profiles).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.domain.aas import AasNode, Matched, id_from, refuse
from pipelines.domain.aas_series import seconds_of, unit_of

_LISTS = ("meters", "machines", "products", "shifts")
_KEYS = {"meters": "meter", "machines": "machine", "products": "product"}
_NEEDED = {
    "meters": ("meter", "carrier", "unit"),
    "machines": ("machine", "name"),
    "products": ("product", "unit", "product_class"),
    "shifts": ("weekday", "start_minute", "end_minute"),
}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class ProfileClaim:
    """What a file claims of a factory's profile.

    Args:
        fields: fields of the profile by name, only those that the file has.
        entries: entries of its lists (meters, machines, products, shifts), each with the fields that it has.
        holidays: local dates (YYYY-MM-DD).
    """

    fields: Mapping[str, Any]
    entries: Mapping[str, tuple[Mapping[str, Any], ...]]
    holidays: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is claimed."""
        return not (self.fields or self.holidays or any(self.entries.values()))


@dataclass
class _Claims:
    fields: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in _LISTS})
    holidays: list[str] = field(default_factory=list)


def read_profile_claim(matched: Matched, file: str) -> ProfileClaim:
    """Collect what the submodels of a file claim of the profile.

    A planned cycle time becomes PRU [s]. An element without a value claims nothing. Entries of one id are
    one: a later one adds to an earlier one.

    Args:
        matched: the file.
        file: its name, for errors.

    Raises:
        OperatorError: a value that is not of its field's type or unit, an entry that lacks what it needs, two
            elements that contradict each other: with file and path.
    """
    claims = _Claims()
    for node, owner in matched.nodes:
        _gather(node, owner, file, claims)
    merged = {name: tuple(_merged(name, found)) for name, found in claims.entries.items()}
    return ProfileClaim(claims.fields, merged, tuple(dict.fromkeys(claims.holidays)))


def missing_of(name: str, entry: Mapping[str, Any]) -> list[str]:
    """Return what a new entry of a profile's list needs and lacks."""
    return [f for f in _NEEDED[name] if entry.get(f) is None]


def entry_key(name: str) -> str | None:
    """Return the field that identifies the entries of a profile's list; null: they have none."""
    return _KEYS.get(name)


def _gather(node: AasNode, owner: str | None, file: str, claims: _Claims) -> None:
    row = node.row
    if row.stream == "profile" and row.role == "entry" and row.field:
        entry = {c.row.field.partition(".")[2]: _value(c, file) for c in _entry_values(node) if c.row.field}
        said = {name: value for name, value in entry.items() if value is not None}
        claims.entries[row.field].append(_with_key(row.field, said, node, owner, file))
        return
    if row.stream == "profile" and row.role == "value" and row.field:
        _claim_field(node, row.field, file, claims)
        return
    for child in node.children:
        _gather(child, owner, file, claims)


def _entry_values(node: AasNode) -> Iterator[AasNode]:
    for child in node.children:
        if child.row.role == "value":
            yield child
        else:
            yield from _entry_values(child)


def _with_key(
    name: str, entry: dict[str, Any], node: AasNode, owner: str | None, file: str
) -> dict[str, Any]:
    key = _KEYS.get(name)
    if key is None or key in entry:
        return entry
    named = id_from(owner or "") if node.path.count("/") == 0 else ""
    if not named:
        raise refuse(file, node.path, f"has no id of its {key}", f"{key}의 id가 없습니다")
    return {key: named, **entry}


def _claim_field(node: AasNode, name: str, file: str, claims: _Claims) -> None:
    value = _value(node, file)
    if value is None:
        return
    if name == "holidays":
        if not _DATE.match(value):
            raise _no(node, file, value, "date, such as 2025-12-25", "날짜(예: 2025-12-25)")
        claims.holidays.append(value)
        return
    if claims.fields.setdefault(name, value) != value:
        raise refuse(
            file,
            node.path,
            f"says {value!r}, another element says {claims.fields[name]!r}",
            f"{value!r}인데 다른 곳에는 {claims.fields[name]!r}입니다",
        )


def _value(node: AasNode, file: str) -> Any:  # noqa: ANN401 - of the field's type
    """Return a value as its field's type; null: the element has none."""
    text, name = (node.element.value or "").strip(), node.row.field or ""
    if not text or name not in _TYPES:
        return text or None
    parse, english, korean = _TYPES[name]
    value = parse(text, node)
    if value is None:
        raise _no(node, file, text, english, korean)
    return value


def _id(text: str, _node: AasNode) -> str | None:
    return text if id_from(text) == text else None


def _truth(text: str, _node: AasNode) -> bool | None:
    return _TRUTHS.get(text.lower())


def _whole(text: str, _node: AasNode) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _positive(text: str, _node: AasNode) -> float | None:
    number = seconds_of(text)
    return None if number is None or number <= 0 else float(number)


def _seconds(text: str, node: AasNode) -> float | None:
    seconds = seconds_of(text, unit_of(node.element, node.row.unit))
    return None if seconds is None or seconds <= 0 else float(seconds)


_AN_ID = (_id, "id: use a-z, 0-9 and hyphens, at most 40", "id: a-z, 0-9, 하이픈으로 40자까지 쓰세요")
_A_WHOLE_NUMBER = (_whole, "whole number", "정수")
_TYPES: Mapping[str, tuple[Callable[[str, AasNode], Any], str, str]] = {
    **dict.fromkeys(
        ("meters.meter", "meters.parent", "meters.machine", "machines.machine", "products.product"), _AN_ID
    ),
    **dict.fromkeys(
        ("meters.register_digits", "shifts.weekday", "shifts.start_minute", "shifts.end_minute"),
        _A_WHOLE_NUMBER,
    ),
    "meters.bidirectional": (_truth, "truth value: true or false", "참/거짓 값: true 또는 false"),
    "meters.maximum_per_h": (_positive, "number above zero", "0보다 큰 수"),
    "products.pru_s": (_seconds, "length of time in s, min, h or ms", "시간 길이: s, min, h, ms"),
}


def _no(node: AasNode, file: str, text: str, english: str, korean: str) -> Exception:
    return refuse(
        file, node.path, f"{text!r} is no {english}", f"{text!r}은(는) 올바른 값이 아닙니다 ({korean})"
    )


def _merged(name: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    key = _KEYS.get(name)
    if key is None:
        return entries
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        found[entry[key]] = found.get(entry[key], {}) | entry
    return list(found.values())
