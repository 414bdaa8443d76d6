"""What a verifier does by hand: hours from a pack's own files, with nothing of our software.

Belongs here: the README's formula for an hour, over CSV files and plain Python. Does not belong here:
anything imported from `pipelines`.
"""

import csv
import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path

Row = dict[str, str]
_KINDS = ("register", "interval", "mean_power", "power")


def rows_of(folder: Path, name: str) -> list[Row]:
    """Read one of a pack's tables."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recomputed_hours(folder: Path) -> list[tuple[Row, float]]:
    """Return each sampled hour with the amount that its readings give."""
    readings, meters = rows_of(folder, "sample_readings"), rows_of(folder, "meters")
    digits = {(m["factory"], m["meter"]): m["register_digits"] for m in meters}
    longest = json.loads((folder / "pack.json").read_text(encoding="utf-8"))["max_gap_s"]
    found = []
    for hour in rows_of(folder, "sample_hours"):
        place = (hour["factory"], hour["meter"])
        own = [
            r for r in readings if (r["factory"], r["meter"]) == place and r["hour_start"] == hour["start"]
        ]
        kinds = [k for k in _KINDS if any(r["kind"] == k for r in own)]
        first, last = _seconds(hour["start"]), _seconds(hour["end"])
        for kind in kinds:
            amounts = _amounts(
                [r for r in own if r["kind"] == kind], kind, digits[place], first, last, longest
            )
            if amounts:
                found.append((hour, sum(amounts)))
                break
    return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _amounts(
    rows: list[Row], kind: str, digits: str, first: float, last: float, longest: float
) -> list[float]:
    ordered = sorted(
        rows,
        key=lambda r: (
            int(r["device"]), _seconds(r["at"]), int(r["sequence"]), r["record_timestamp"], float(r["value"]),
        ),
    )  # fmt: skip
    latest = list({(r["device"], r["at"], r["stamp"]): r for r in ordered}.values())
    if kind in {"interval", "mean_power"}:
        return [_of_interval(r, kind, first, last) for r in latest]
    pairs = [(a, b) for a, b in pairwise(latest) if a["device"] == b["device"]]
    return [
        _of_pair(a, b, kind, digits, first, last)
        for a, b in pairs
        if _seconds(b["at"]) > first
        and _seconds(a["at"]) < last
        and _seconds(b["at"]) - _seconds(a["at"]) <= longest
    ]


def _of_interval(row: Row, kind: str, first: float, last: float) -> float:
    length = float(row["length_s"])
    begin = _seconds(row["at"]) - (length if row["stamp"] == "end" else 0.0)
    overlap = min(last, begin + length) - max(first, begin)
    return (
        float(row["value"])
        * float(row["multiplier"])
        * overlap
        / (3600.0 if kind == "mean_power" else length)
    )


def _of_pair(before: Row, after: Row, kind: str, digits: str, first: float, last: float) -> float:
    begin, end = _seconds(before["at"]), _seconds(after["at"])
    start, stop = max(first, begin), min(last, end)
    v1, v2 = (float(r["value"]) * float(r["multiplier"]) for r in (before, after))
    if kind == "register":
        wrap = 10.0 ** int(digits) * float(after["multiplier"]) if v2 < v1 and digits else 0.0
        return (v2 - v1 + wrap) * (stop - start) / (end - begin)
    at_start, at_stop = (v1 + (v2 - v1) * (t - begin) / (end - begin) for t in (start, stop))
    return (at_start + at_stop) / 2 * (stop - start) / 3600.0
