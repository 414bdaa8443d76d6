"""Which factors a month is computed by: chosen once, kept, and changed by a restatement only.

Belongs here: the tables factor_sets and factor_choices. Does not belong here: choosing a row among the
factors (pipelines.domain.emissions), reading an operator's files (factor_tables).

The first night that sees a month takes what was known then. A factor that appears later, in the package or
in a file, changes nothing of the month until a restatement chooses anew.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

import polars as pl

from pipelines.connectors.objects import canonical_json
from pipelines.connectors.store import ClusterStore, OpenTable
from pipelines.domain.carbon.ledger import Basis
from pipelines.domain.emissions.evaluation import Request
from pipelines.domain.emissions.fuels import Conversion, fuel_pairs, ncv_gcv_ratios
from pipelines.domain.emissions.lookup import factor_rows
from pipelines.domain.emissions.rates import Tables
from pipelines.domain.emissions.unconfirmed import factor_activities
from pipelines.domain.units import UnitTable
from pipelines.jobs.night import Night
from pipelines.reference import tables as reference
from pipelines.schemas.tables import FACTOR_CHOICES, FACTOR_SETS

Frames = Mapping[str, pl.DataFrame]
_OWN = ("emission_factors", "fuel_properties")
_DATED = (*_OWN, "parameters")
_PURPOSE = "disclosure"


@dataclass(frozen=True)
class Choice:
    """What a month is computed by: a row of factor_choices."""

    sequence: int
    factor_set: str
    purpose: str
    gwp_set: str
    accepted_instruments: str


class Choices:
    """The choices of a store, as of any sequence."""

    def __init__(self, store: ClusterStore) -> None:
        self._sets = store.open(FACTOR_SETS)
        self._read: dict[tuple[str, str], str] = {}
        self.table = store.open(FACTOR_CHOICES)
        self._rows = self.table.scan().collect().sort("sequence")

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest choice; 0: there is none."""
        return 0 if self._rows.is_empty() else int(self._rows["sequence"].to_list()[-1])

    def of_months(self, until: int | None = None) -> dict[date, Choice]:
        """Return the choice of each month, as far as those up to a sequence say (null: all)."""
        rows = self._rows if until is None else self._rows.filter(pl.col("sequence") <= until)
        return {
            row["month"]: Choice(
                row["sequence"],
                row["factor_set"],
                row["purpose"],
                row["gwp_set"],
                row["accepted_instruments"],
            )
            for row in rows.iter_rows(named=True)
        }

    def frames(self, factor_set: str) -> Frames:
        """Return the tables of a set, typed."""
        return _frames(self._content(factor_set, "content"))

    def bases(self, until: int | None = None) -> dict[date, Basis]:
        """Return the basis of each month."""
        return {month: self.basis(choice) for month, choice in self.of_months(until).items()}

    def basis(self, choice: Choice) -> Basis:
        """Return the basis that a choice means."""
        accepted = tuple(one for one in choice.accepted_instruments.split(";") if one)
        tables = _tables(self._content(choice.factor_set, "content"))
        return Basis(tables, Request(choice.purpose, None, choice.gwp_set, accepted_instruments=accepted))

    def own_rows(self) -> Frames:
        """Return the rows that restatements added so far."""
        if self._rows.is_empty():
            return {}
        return _frames(self._content(str(self._rows["factor_set"].to_list()[-1]), "own"))

    def knows(self, factor_set: str) -> bool:
        """Say whether a set is stored."""
        return self._sets.scan().filter(pl.col("factor_set") == factor_set).collect().height > 0

    def _content(self, factor_set: str, column: str) -> str:
        if (factor_set, column) not in self._read:
            rows = self._sets.scan().filter(pl.col("factor_set") == factor_set).select(column).collect()
            self._read[factor_set, column] = str(rows.item())
        return self._read[factor_set, column]

    def store_set(self, content: str, own: str, night: Night) -> str:
        """Store a set, if it isn't; returns its name."""
        name = hashlib.sha256(content.encode()).hexdigest()[:16]
        if not self.knows(name):
            row = pl.DataFrame({"factor_set": [name], "content": [content], "own": [own]})
            self._sets.append(_stamped(row, night), {})
        return name


def choose_for_new_months(night: Night, months: Iterable[date]) -> None:
    """Choose what is known tonight for months that have no choice yet.

    Raises:
        OperatorError: the store failed or a rival committed.
    """
    choices = Choices(night.store)
    fresh = sorted({*months} - {*choices.of_months()})
    if fresh:
        own = choices.own_rows()
        policy = night.cluster.carbon
        name = choices.store_set(_text(known_tables(night, own)), _text(own), night)
        chosen = Choice(0, name, _PURPOSE, policy.gwp_set, ";".join(policy.accepted_instruments))
        append_choices(choices, dict.fromkeys(fresh, chosen), None, night)


def basis_for(night: Night, month: date) -> Basis:
    """Return by what a month is computed; of one without a choice, what would be chosen tonight."""
    choices = Choices(night.store)
    chosen = choices.of_months().get(month)
    if chosen is not None:
        return choices.basis(chosen)
    policy = night.cluster.carbon
    tables = _tables(_text(known_tables(night, choices.own_rows())))
    accepted = policy.accepted_instruments
    return Basis(tables, Request(_PURPOSE, None, policy.gwp_set, accepted_instruments=accepted))


def choose_anew(
    night: Night, months: Iterable[date], added: Frames, gwp_set: str | None, note: str
) -> list[date]:
    """Choose what is known tonight, with an operator's rows, for months that had a choice before.

    Args:
        night: its nominal date says what is known.
        months: those without a choice are left out.
        added: rows of emission_factors and fuel_properties that are kept for later months too.
        gwp_set: another set; null: each month's own.
        note: why.

    Returns:
        The months whose choice differs from the one before.
    """
    choices = Choices(night.store)
    before = choices.of_months()
    own = _merged(choices.own_rows(), added)
    name = choices.store_set(_text(known_tables(night, own)), _text(own), night)
    accepted = ";".join(night.cluster.carbon.accepted_instruments)
    chosen = {
        month: Choice(0, name, before[month].purpose, gwp_set or before[month].gwp_set, accepted)
        for month in sorted({*months} & {*before})
    }
    differing = {m: c for m, c in chosen.items() if _said(c) != _said(before[m])}
    if differing:
        append_choices(choices, differing, note, night)
    return list(differing)


def append_choices(choices: Choices, chosen: Mapping[date, Choice], note: str | None, night: Night) -> None:
    """Append choices in the order of their months."""
    first = choices.last_sequence + 1
    rows = pl.DataFrame(
        [
            (first + n, month, *_said(choice), note)
            for n, (month, choice) in enumerate(sorted(chosen.items()))
        ],
        schema={
            "sequence": pl.Int64, "month": pl.Date, "factor_set": pl.String, "purpose": pl.String,
            "gwp_set": pl.String, "accepted_instruments": pl.String, "note": pl.String,
        },
        orient="row",
    )  # fmt: skip
    choices.table.append(_stamped(rows, night), {})


def known_tables(night: Night, own: Frames) -> Frames:
    """Return the factor tables with own rows, as far as they are known on the night's date."""
    day = night.nominal.date()
    frames = {
        "emission_factors": reference.emission_factors() if night.factors is None else night.factors,
        "fuel_properties": reference.fuel_properties(),
        "gwp": reference.gwps(),
        "parameters": reference.parameters(),
        "units": reference.units(),
    }
    known_from = pl.coalesce("published_on", "valid_from")
    return {
        name: frame.filter(known_from.is_null() | (known_from <= day)) if name in _DATED else frame
        for name, frame in _merged(frames, own).items()
    }


def changed_months(table: OpenTable, choices: Choices) -> set[date]:
    """Return the months that were chosen for after what a table has consumed."""
    done = table.position(FACTOR_CHOICES.name)
    actions = choices.table.changes_since(done)
    if actions is None:
        return {*choices.of_months()}
    paths = [action["path"] for action in actions if action["kind"] == "add"]
    return {*choices.table.read_files(paths, ["month"])["month"]} if paths else set()


def _said(choice: Choice) -> tuple[str, str, str, str]:
    return (choice.factor_set, choice.purpose, choice.gwp_set, choice.accepted_instruments)


def _stamped(rows: pl.DataFrame, night: Night) -> pl.DataFrame:
    return rows.with_columns(known_at=pl.lit(night.nominal).cast(pl.Datetime("us", "UTC")))


def _merged(frames: Frames, added: Frames) -> Frames:
    merged = dict(frames)
    for name, rows in added.items():
        merged[name] = reference.with_rows(name, merged[name], rows) if name in merged else rows
    return merged


def _text(frames: Frames) -> str:
    """Write tables as canonical JSON, every cell as the text that the reader of the tables takes."""
    return canonical_json({name: _texts(frame) for name, frame in sorted(frames.items())}).decode()


def _texts(frame: pl.DataFrame) -> list[dict[str, str | None]]:
    as_text = frame.with_columns(
        pl.col(name).list.join(";").replace("", None)
        if isinstance(kind, pl.List)
        else pl.col(name).cast(pl.String)
        for name, kind in frame.schema.items()
    )
    return as_text.to_dicts()


@cache
def _frames(content: str) -> Frames:
    read: dict[str, list[dict[str, str | None]]] = json.loads(content)
    return {
        name: reference.typed(
            pl.DataFrame(rows, schema=dict.fromkeys(reference.COLUMNS[name], pl.String)).select(
                reference.COLUMNS[name]
            )
        )
        for name, rows in read.items()
    }


@cache
def _tables(content: str) -> Tables:
    frames = _frames(content)
    return Tables(
        factor_rows(frames["emission_factors"]),
        fuel_pairs(frames["fuel_properties"]),
        frames["gwp"],
        frames["parameters"],
        Conversion(UnitTable(frames["units"]), ncv_gcv_ratios(frames["parameters"])),
        factor_activities(reference.unconfirmed()),
    )
