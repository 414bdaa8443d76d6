"""The YAML of a table's disclosure policy.

Belongs here: the file, its key for frozen cells, and the errors that name file and key. Does not belong here:
the keys of rules (pipelines.connectors.rule_keys), and what the limits mean (pipelines.domain.disclosure).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import yaml

from pipelines.connectors.exact_csv import fault
from pipelines.connectors.rule_keys import RULE_KEYS, FieldError, table_rules
from pipelines.domain.disclosure.policy import TablePolicy

KEYS: Final = (*RULE_KEYS, "frozen")


def read_table_policy(path: Path) -> tuple[TablePolicy, Path | None]:
    """Read a policy and the path of its file of frozen cells (null: none), which is beside the policy.

    Raises:
        OperatorError: UNUSABLE_INPUT: no YAML of keys, an unknown key, or a value out of its range.
    """
    given = _mapping(path)
    try:
        rules = table_rules(given)
    except FieldError as error:
        _refuse(f"{path.name}, key {error.field}", error.remedy)
    return rules, _frozen(path, given.get("frozen"))


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


def _refuse(where: str, remedy: str) -> NoReturn:
    raise fault(f"{where}: {remedy}", f"{where}: 값을 쓸 수 없습니다. {remedy}")
