"""The YAML of a table's disclosure policy.

Belongs here: its keys, and every reason to refuse a value. Does not belong here: what the limits mean
(pipelines.domain.disclosure.policy).
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final, NoReturn

import yaml

from pipelines.connectors.exact_csv import fault
from pipelines.domain.disclosure.policy import Dominance, PriorPosterior, TablePolicy

_COUNTS: Final = {"min_contributors": 0, "coalition": 1}
_PERCENTS: Final = (
    "p_percent",
    "share_limit_percent",
    "holding_p_percent",
    "frequency_range_percent",
    "bound_percent",
)
_MAY_BE_ZERO: Final = ("frequency_range_percent", "bound_percent")
_MARKS: Final = ("strict", "nonnegative", "integer", "zero_unsafe")
KEYS: Final = (*_COUNTS, "dominance", "p_percent", "pq", *_PERCENTS[1:], *_MARKS, "frozen")


def read_table_policy(path: Path) -> tuple[TablePolicy, Path | None]:
    """Read a policy and the path of its file of frozen cells (null: none), which is beside the policy.

    Raises:
        OperatorError: UNUSABLE_INPUT: no YAML of keys, an unknown key, or a value out of its range.
    """
    given = _mapping(path)
    values: dict[str, object] = {}
    for key, value in given.items():
        where = f"{path.name}, key {key}"
        if key in _COUNTS:
            values[key] = _count(where, value, _COUNTS[key])
        elif key in _PERCENTS:
            values[key] = _zero(where, value) if key in _MAY_BE_ZERO else _positive(where, value)
        elif key in _MARKS:
            values[key] = _mark(where, value)
        elif key == "dominance":
            values[key] = tuple(_dominance(where, rule) for rule in _list(where, value))
        elif key == "pq":
            pair = _pair(where, value, ("p", "q"))
            values[key] = PriorPosterior(_positive(where, pair["p"]), _positive(where, pair["q"]))
    return TablePolicy(**values), _frozen(path, given.get("frozen"))  # type: ignore[arg-type]


def _mapping(path: Path) -> Mapping[str, object]:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise fault(
            f"{path}: can't be read ({error.strerror}); name a policy file that exists",
            f"{path}: 읽을 수 없습니다({error.strerror}). 있는 정책 파일을 지정하세요",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise fault(
            f"{path.name}, row {line}: not readable as YAML; correct it",
            f"{path.name} {line}행: YAML로 읽을 수 없습니다. 고치세요",
        ) from error
    if given is None:
        return {}
    if not isinstance(given, dict):
        _refuse(path.name, "write keys and values, such as min_contributors: 3")
    for key in given:
        if key not in KEYS:
            _refuse(f"{path.name}, key {key}", f"unknown; use {', '.join(KEYS)}")
    return given


def _frozen(path: Path, named: object) -> Path | None:
    if named is None:
        return None
    if not isinstance(named, str):
        _refuse(f"{path.name}, key frozen", "write the name of a file")
    beside = path.parent / named
    return beside if beside.exists() else Path(named)


def _dominance(where: str, rule: object) -> Dominance:
    pair = _pair(where, rule, ("n", "k_percent"))
    percent = _positive(where, pair["k_percent"])
    return Dominance(_count(where, pair["n"], 1), percent)


def _pair(where: str, value: object, keys: tuple[str, str]) -> Mapping[str, object]:
    if not isinstance(value, dict) or set(value) != set(keys):
        _refuse(where, f"write {{{keys[0]}: ..., {keys[1]}: ...}}")
    return value


def _list(where: str, value: object) -> list[object]:
    if not isinstance(value, list):
        _refuse(where, "write a list of rules, such as [{n: 1, k_percent: 75}]")
    return value


def _count(where: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        _refuse(where, f"write a whole number of at least {least}")
    return value


def _positive(where: str, value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(where, "write a number above 0")
    if not (math.isfinite(value) and value > 0):
        _refuse(where, "write a number above 0")
    return Fraction(repr(value))


def _zero(where: str, value: object) -> Fraction:
    return Fraction(0) if value == 0 and not isinstance(value, bool) else _positive(where, value)


def _mark(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(where, "write true or false")
    return value


def _refuse(where: str, remedy: str) -> NoReturn:
    raise fault(f"{where}: {remedy}", f"{where}: 값을 쓸 수 없습니다. {remedy}")
