"""Files of tables: breakdowns named by options, hierarchies, cells with their codes.

Belongs here: options and files -> dimensions and keys, every fault with its row and column. Does not belong
here: what is done with the cells (pipelines.jobs.disclosure_files).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from pipelines.connectors.exact_csv import ExactTable, fault, read_exact
from pipelines.domain.disclosure.tables import ROOT, Dimension, Key, flat


def split_names(option: str, text: str) -> list[str]:
    """Read a list of dimensions such as `region,size`.

    Raises:
        OperatorError: UNUSABLE_INPUT: an empty name, or one that stands twice.
    """
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise fault(
            f"{option} {text!r} is no list of columns: name each once, such as region,size",
            f"{option} {text!r}은(는) 열 목록이 아닙니다. region,size처럼 한 번씩만 쓰세요",
        )
    return names


def hierarchy_files(options: Sequence[str]) -> list[Path]:
    """Return the files that options `dim=FILE` name, whatever else is wrong with them."""
    return [Path(option.partition("=")[2].strip()) for option in options if "=" in option]


def split_hierarchies(options: Sequence[str], dimensions: Sequence[str]) -> dict[str, Path]:
    """Read options `dim=FILE`.

    Raises:
        OperatorError: UNUSABLE_INPUT: another form, an unknown dimension, or one that is named twice.
    """
    found: dict[str, Path] = {}
    for option in options:
        name, equals, path = (part.strip() for part in option.partition("="))
        if not (equals and path) or name not in dimensions or name in found:
            listed = ", ".join(dimensions)
            raise fault(
                f"--hierarchy {option!r} is not usable: write DIM=FILE, once for each of {listed}",
                f"--hierarchy {option!r}을(를) 쓸 수 없습니다. {listed}마다 한 번 DIM=FILE로 쓰세요",
            )
        found[name] = Path(path)
    return found


def read_hierarchy(name: str, path: Path) -> Dimension:
    """Read a file `child,parent`; top parents are `*`.

    Raises:
        UnusableFileError: an empty cell, `*` as child, a child with two parents, a parent that is nowhere a
            child, or a circle.
    """
    table = read_exact(path, ["child", "parent"], ())
    table.need("child")
    table.need("parent")
    parents: dict[str, str] = {}
    for row, child, parent in table.cells.drop_nulls().select("row", "child", "parent").iter_rows():
        if child == ROOT:
            table.refuse(
                row, "child", "* is the root and has no parent; take the row out",
                "*은(는) 최상위이므로 부모가 없습니다. 행을 빼세요",
            )  # fmt: skip
        elif child in parents:
            table.refuse(
                row, "child", f"{child} has a parent already ({parents[child]}); keep one",
                f"{child}의 부모가 이미 있습니다({parents[child]}). 하나만 남기세요",
            )  # fmt: skip
        else:
            parents[child] = parent
    for row, child, parent in table.cells.drop_nulls().select("row", "child", "parent").iter_rows():
        if parent != ROOT and parent not in parents:
            table.refuse(
                row, "parent", f"{parent} is nowhere a child; add a row {parent},*",
                f"{parent}이(가) child 열에 없습니다. {parent},* 행을 추가하세요",
            )  # fmt: skip
        elif child in parents and _circular(child, parents):
            table.refuse(
                row, "parent", f"{child} lies under itself; mend the circle",
                f"{child}이(가) 자기 자신의 아래에 있습니다. 순환을 고치세요",
            )  # fmt: skip
    table.check()
    return Dimension(name, dict(sorted(parents.items())))


def _circular(code: str, parents: Mapping[str, str]) -> bool:
    seen: set[str] = set()
    while code in parents:
        if code in seen:
            return True
        seen.add(code)
        code = parents[code]
    return False


def dimensions_of(
    table: ExactTable, names: Sequence[str], hierarchies: Mapping[str, Path]
) -> list[Dimension]:
    """Return the dimensions: from their hierarchy, else flat from the codes that the table has.

    Codes that a hierarchy lacks are noted as faults of the table.
    """
    found = []
    for name in names:
        codes = table.cells[name].drop_nulls().unique()
        if name not in hierarchies:
            found.append(flat(name, codes))
            continue
        dimension = read_hierarchy(name, hierarchies[name])
        unknown = set(codes) - set(dimension.parents) - {ROOT}
        file = hierarchies[name].name
        for row, code in (
            table.cells.filter(pl.col(name).is_in(sorted(unknown))).select("row", name).iter_rows()
        ):
            table.refuse(
                row, name, f"{code} is not in {file}; add it there, or correct it",
                f"{code}이(가) {file}에 없습니다. 추가하거나 고치세요",
            )  # fmt: skip
        found.append(dimension)
    return found


def keys_of(table: ExactTable, names: Sequence[str]) -> list[Key]:
    """Return each row's key; empty codes and keys that stand twice are noted as faults."""
    for name in names:
        table.need(name)
    keys = [tuple(row) for row in table.cells.select(names).iter_rows()]
    first: dict[Key, int] = {}
    for row, key in zip(table.cells["row"], keys, strict=True):
        if None not in key and key in first:
            table.refuse(
                row, names[0], f"the same cell as in row {first[key]}; keep one",
                f"{first[key]}행과 같은 칸입니다. 하나만 남기세요",
            )  # fmt: skip
        first.setdefault(key, row)
    return keys
