"""Searching what was published for numbers that must not be in it: canaries, planted where they are secret.

A canary is a number of at least seven significant digits that nothing else has. It is found in text where a
whole number token agrees with it in the first six digits and lies where one of the ways to write it puts it
(as it is, per cent, kWh as MWh or back), and in bytes as an exact little-endian double or single, also inside
base64. Nothing in here knows where the bytes come from.
"""

import base64
import io
import json
import math
import random
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

DIGITS = 6
LEAST_DIGITS = 7
# A share as per cents; kWh as MWh, MWh as kWh (kg as t, and back).
SCALES = (1.0, 100.0, 0.001, 1000.0)
_TOKEN = re.compile(r"(?<![0-9A-Za-z.,])\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|(?<![0-9A-Za-z])\.\d+")
_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{6,}")
_SINGLE_IN_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_-])([A-Za-z0-9+/_-]{6})(?![A-Za-z0-9+/_-])")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
# Ten characters hold no double.
_SHORT = 10
# Within the agreement of six digits: one part in a hundred thousand of the first of them.
_NEAR = 10.0 ** (1 - DIGITS)


@dataclass(frozen=True)
class Finding:
    """A canary in a place: which, written how."""

    place: str
    canary: str
    written: str


@dataclass
class Planter:
    """Makes canaries that no mistake is made about: no two of them agree in their first six digits.

    Args:
        seed: the same seed plants the same numbers.
    """

    seed: int
    planted: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - nothing is secured by it
        self._taken: set[str] = set()

    def number(self, low: float, high: float) -> float:
        """Draw a number that may be kept."""
        return self._random.uniform(low, high)

    def plant(self, **values: float) -> bool:
        """Keep values by name, if all of them are unlike those before; else none."""
        digits = [d for value in values.values() for d in near(value)]
        long = all(len(significant(repr(value))) >= LEAST_DIGITS for value in values.values())
        if not long or len(set(digits)) < len(digits) or self._taken & set(digits):
            return False
        self._taken |= set(digits)
        self.planted |= values
        return True


@dataclass
class Searcher:
    """Looks for canaries, all at once.

    Args:
        canaries: value by name; a name says whose it is and what.

    Raises:
        ValueError: a canary has too few digits, or two are one number.
    """

    canaries: Mapping[str, float]
    _by_digits: dict[str, list[str]] = field(init=False, repr=False)
    _doubles: dict[int, str] = field(init=False, repr=False)
    _singles: dict[int, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_digits: dict[str, list[str]] = defaultdict(list)
        for name, value in self.canaries.items():
            if len(significant(repr(abs(value)))) < LEAST_DIGITS:
                raise ValueError(f"{name}: {value!r} has fewer than {LEAST_DIGITS} significant digits")
            by_digits[leading(repr(abs(value)))].append(name)
        self._by_digits = dict(by_digits)
        self._doubles = {as_number(struct.pack("<d", v)): n for n, v in self.canaries.items()}
        self._singles = {as_number(struct.pack("<f", v)): n for n, v in self.canaries.items()}
        if len(self._doubles) != len(self.canaries):
            raise ValueError("two canaries are one number: neither tells whose it is")

    def search(self, files: Mapping[str, bytes]) -> list[Finding]:
        """Search names and contents of files, and the statistics of those that are Parquet."""
        found = [f for name in files for f in self.in_text(f"name of {name}", name)]
        for name, content in files.items():
            found += self.in_bytes(name, content)
            if content[:4] == b"PAR1":
                found += self.in_text(f"statistics of {name}", "\n".join(statistics(content)))
                found += self.in_text(f"rows of {name}", rows_as_text(content))
            else:
                found += self.in_text(name, content.decode("utf-8", errors="replace"))
        return found

    def in_text(self, place: str, text: str) -> list[Finding]:
        """Find canaries among the whole number tokens of a text."""
        tokens = set(_TOKEN.findall(_SHA256.sub(" ", text)))
        return [
            Finding(place, name, token)
            for token in sorted(tokens)
            for name in self._named(token.replace(",", ""))
        ]

    def in_bytes(self, place: str, content: bytes) -> list[Finding]:
        """Find canaries as exact doubles and singles, as they are and in base64."""
        found = [Finding(place, n, "double") for n in _windows(content, 8, self._doubles)]
        found += [Finding(place, n, "single") for n in _windows(content, 4, self._singles)]
        runs = [run.translate(_URL_SAFE) for run in set(_BASE64.findall(content)) if len(run) > _SHORT]
        for shift in range(4):
            # What doesn't begin with the run begins at one of its next three characters.
            decoded = b" ".join(_decoded(run[shift:]) for run in runs)
            found += [Finding(place, n, "double in base64") for n in _windows(decoded, 8, self._doubles)]
        for run in set(_SINGLE_IN_BASE64.findall(content)):
            number = as_number(base64.b64decode(run.translate(_URL_SAFE) + b"=="))
            if number in self._singles:
                found.append(Finding(place, self._singles[number], "single in base64"))
        return found

    def _named(self, token: str) -> Iterator[str]:
        digits = significant(token)
        if len(digits) < DIGITS:
            return
        number = float(token)
        for name in sorted({name for place in near(number) for name in self._by_digits.get(place, ())}):
            value = abs(self.canaries[name])
            if any(math.isclose(number, value * scale, rel_tol=_NEAR) for scale in SCALES):
                yield name


def significant(text: str) -> str:
    """Return the digits of a number from its first that is not zero on, its exponent aside."""
    mantissa = re.split("[eE]", text)[0]
    return mantissa.replace(".", "").replace("-", "").lstrip("0")


def leading(text: str) -> str:
    """Return the first six significant digits of a number."""
    return significant(text)[:DIGITS].ljust(DIGITS, "0")


def near(number: float) -> set[str]:
    """Return the leading digits that a number may have been cut or rounded from.

    1.23456 and 1.23457 both tell of 1.234567, 10.0000 of 9.999996.
    """
    digits = leading(repr(abs(number)))
    below = str(int(digits) - 1)
    return {digits, below if len(below) == DIGITS else "9" * DIGITS}


def as_number(raw: bytes) -> int:
    """Return little-endian bytes as an unsigned number."""
    return int.from_bytes(raw, "little")


def statistics(parquet: bytes) -> Iterator[str]:
    """Yield the least and the greatest value of each column of each row group, and the columns' names."""
    metadata = pq.ParquetFile(io.BytesIO(parquet)).metadata
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            yield column.path_in_schema
            if column.statistics is not None and column.statistics.has_min_max:
                yield f"{column.statistics.min!r} {column.statistics.max!r}"


def rows_as_text(parquet: bytes) -> str:
    """Return all rows of a Parquet file, floats in full."""
    rows = pq.ParquetFile(io.BytesIO(parquet)).read().to_pylist()
    return "\n".join(json.dumps(row, default=str, ensure_ascii=False) for row in rows)


def files_below(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder by its path in it."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def written_forms(value: float) -> dict[str, bytes]:
    """Return every form in which a value must be found: for proving that the search has teeth."""
    double, single = struct.pack("<d", value), struct.pack("<f", value)
    return {
        "plain": repr(value).encode(),
        "cut": f"{value:#.6g}".encode(),
        "grouped": f"{value:,.3f}".encode(),
        "scientific": f"{value:.6e}".encode(),
        "per cent": f"{100 * value:.7g}%".encode(),
        "MWh": f"{value / 1000:.9f} MWh".encode(),
        "kWh": f"{value * 1000:.3f}kWh".encode(),
        "tooltip": f'title="{value!r}"'.encode(),
        "sort key": f'data-sort="{value:015.4f}"'.encode(),
        "double": b"\x00" + double,
        "single": b"\x01\x02" + single,
        "double in base64": base64.b64encode(double),
        "single in base64": base64.b64encode(single),
        "double inside base64": base64.b64encode(b"k" + double + b"more"),
        "double in base64 for links": base64.urlsafe_b64encode(b"ke" + double),
    }


def _decoded(run: bytes) -> bytes:
    """Decode base64 without padding; a single character at the end says nothing."""
    whole = run[: len(run) - (len(run) % 4 == 1)]
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))


def _windows(content: bytes, width: int, wanted: Mapping[int, str]) -> Iterable[str]:
    """Yield names of the wanted numbers that stand anywhere in the bytes."""
    if len(content) < width:
        return
    numbers = np.fromiter(wanted, dtype=np.uint64, count=len(wanted))
    kind = np.dtype(f"<u{width}")
    for shift in range(width):
        count = (len(content) - shift) // width
        some = np.frombuffer(content, kind, count, shift) if count > 0 else np.empty(0, kind)
        hits = some[np.isin(some, numbers.astype(kind))]
        yield from sorted({wanted[int(hit)] for hit in hits})
