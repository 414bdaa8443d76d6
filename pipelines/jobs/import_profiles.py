"""The profile of a factory that is imported: made from what the import says, or brought together with it.

Belongs here: what an import says of its factory. Does not belong here: sending (pipelines.jobs.importing)
and profiles as nights use them (pipelines.jobs.profiles).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.connectors.source import Source
from pipelines.connectors.store import ClusterStore
from pipelines.domain.aas_profile import ProfileClaim, entry_key, missing_of
from pipelines.domain.onramp import unusable
from pipelines.schemas.contracts import contract
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.mapping import FileMapping
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.streams import factory_topic
from pipelines.schemas.tables import RAW

Profile = Mapping[str, Any]
_TIES = ("carrier", "parent")
_BLANK: Profile = {
    "region": None,
    "size_class": None,
    "maturity": None,
    "meters": [],
    "machines": [],
    "shifts": [],
    "holidays": [],
    "products": [],
    "sequence": 0,
    "template": None,
}


def stored_profiles(store: ClusterStore, factory: str) -> list[Profile]:
    """Return every profile of a factory that a night has ingested, as records of the contract."""
    if not store.exists(RAW["profile"]):
        return []
    rows = store.open(RAW["profile"]).scan().filter(pl.col("factory") == factory).collect()
    return [_record(row) for row in rows.to_dicts()]


def topic_profiles(source: Source, decoder: MessageDecoder, factory: str) -> list[Profile]:
    """Return every profile of a factory that its topic holds, ingested or not.

    Args:
        source: where the topic is read.
        decoder: of the profile contract.
        factory: id of the factory.
    """
    topic = factory_topic(factory, "profile")
    if topic not in source.topics():
        return []
    return [
        _record(row)
        for bounds in source.bounds([topic])
        for batch in source.read(OffsetRange(bounds.partition, bounds.earliest, bounds.end), decoder)
        for row in batch.rows.to_pylist()
        if row["factory"] == factory
    ]


def _record(row: Mapping[str, Any]) -> Profile:
    return {f["name"]: row[f["name"]] for f in contract("profile")["fields"]}


@dataclass(frozen=True)
class Claims:
    """What an import says of its factory's profile.

    Args:
        source: what errors call the import in English and Korean: the mapping, the file.
        zone: zone of the calendar; must be the profile's, unless that is null.
        defaults: the other fields of a profile for a factory that has none.
        claimed: what changes a profile that says otherwise; null: nothing does.
        meters: meters of the readings: each is added where it is missing, and must agree in what ties it.
    """

    source: tuple[str, str]
    zone: str
    defaults: Mapping[str, Any]
    claimed: ProfileClaim | None
    meters: tuple[Mapping[str, Any], ...]


def profiles_to_publish(
    mapping: FileMapping, factory: str, known: Sequence[Profile], first_start: datetime
) -> list[Profile]:
    """Return the profiles that must be published before a file's readings make sense: `claimed_profiles`."""
    said = mapping.factory
    defaults = {
        "name": said.name or factory,
        "geography": said.geography,
        "process": said.process,
        "region": said.region,
        "size_class": said.size_class,
        "maturity": said.maturity,
    }
    claims = Claims(("the mapping", "매핑"), mapping.zone, defaults, None, (_meter(mapping),))
    return claimed_profiles(claims, factory, known, first_start)


def claimed_profiles(
    claims: Claims, factory: str, known: Sequence[Profile], first_start: datetime
) -> list[Profile]:
    """Return the profiles that must be published before an import makes sense; none if all is said.

    A factory without a profile gets one, valid from its first reading. A profile that begins later is carried
    back to the first reading; one that lacks a meter, or says otherwise than the import claims, gets it, with
    a higher sequence.

    Args:
        claims: what the import says.
        factory: id of the factory.
        known: its profiles so far, in any order, repeated ones included.
        first_start: start of the first reading (UTC).

    Raises:
        OperatorError: a profile contradicts the import: another zone, or a meter is another one; or a new
            entry lacks what it needs.
    """
    if not known:
        fresh = {
            **_BLANK,
            "factory": factory,
            "valid_from": first_start,
            "zone": claims.zone,
            **claims.defaults,
        }
        return [{**_amended(fresh, claims, factory), "sequence": 0}]
    current = _in_force(known)
    amended = [_amended(p, claims, factory) for p in current]
    changed: list[Profile] = [
        {**after, "sequence": before["sequence"] + 1}
        for before, after in zip(current, amended, strict=True)
        if after != before
    ]
    if first_start < current[0]["valid_from"]:
        first = changed[0] if amended[0] != current[0] else current[0]
        return [{**first, "valid_from": first_start}, *changed]
    return changed


def _in_force(known: Sequence[Profile]) -> list[Profile]:
    """Return the profile that wins at each instant, oldest first."""
    ordered = sorted(known, key=lambda p: (p["valid_from"], p["sequence"]))
    return list({p["valid_from"]: p for p in ordered}.values())


def _meter(mapping: FileMapping) -> dict[str, Any]:
    meter = mapping.meter
    return {
        "meter": meter.id,
        "carrier": meter.carrier,
        "unit": mapping.value.unit,
        "parent": meter.parent,
        "register_digits": meter.register_digits,
        "maximum_per_h": meter.maximum_per_h,
        "bidirectional": meter.bidirectional,
    }


def _amended(profile: Profile, claims: Claims, factory: str) -> Profile:
    """Return the profile as the import wants it; itself if it says all that already."""
    _check_zone(claims, factory, profile)
    claimed = profile if claims.claimed is None else _with_claim(profile, claims.claimed, claims.source)
    return _with_meters(claimed, claims, factory)


def _check_zone(claims: Claims, factory: str, profile: Profile) -> None:
    if profile["zone"] not in (None, claims.zone):
        english, korean = claims.source
        raise unusable(
            f"factory {factory} has the zone {profile['zone']}, {english} says {claims.zone}; "
            f"set factory.zone in {english}",
            f"공장 {factory}의 시간대는 {profile['zone']}인데 {korean}은(는) {claims.zone}입니다. "
            f"{korean}의 factory.zone을 고치세요",
        )


def _with_claim(profile: Profile, claim: ProfileClaim, source: tuple[str, str]) -> Profile:
    """Return the profile with the fields that a file has, and with its entries."""
    fields = {name: value for name, value in claim.fields.items() if name != "zone"}
    lists = {name: _joined(name, profile[name], new, source) for name, new in claim.entries.items() if new}
    holidays = {"holidays": list(claim.holidays)} if claim.holidays else {}
    return {**profile, **fields, **lists, **holidays}


def _joined(
    name: str,
    entries: Sequence[Mapping[str, Any]],
    said: Sequence[Mapping[str, Any]],
    source: tuple[str, str],
) -> list[Mapping[str, Any]]:
    """Join entries by id, the said fields winning; entries without ids are replaced as a whole."""
    key = entry_key(name)
    if key is None:
        for entry in said:
            _check_whole(name, "", entry, source)
        return [_filled(name, entry) for entry in said]
    joined = list(entries)
    for entry in said:
        place = next((i for i in reversed(range(len(joined))) if joined[i][key] == entry[key]), None)
        if place is None:
            _check_whole(name, entry[key], entry, source)
            joined.append(_filled(name, entry))
        else:
            joined[place] = {**joined[place], **entry}
    return joined


def _check_whole(name: str, which: str, entry: Mapping[str, Any], source: tuple[str, str]) -> None:
    missing = missing_of(name, entry)
    if missing:
        english, korean = source
        raise unusable(
            f"{english}: an entry of {name} {which} has no {missing[0]}; add it",
            f"{korean}: {name} {which} 항목에 {missing[0]}이(가) 없습니다. 추가하세요",
        )


def _filled(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new entry with what it doesn't say at its contract's default."""
    fields = next(f["type"]["items"]["fields"] for f in contract("profile")["fields"] if f["name"] == name)
    return {f["name"]: entry.get(f["name"], f.get("default")) for f in fields}


def _with_meters(profile: Profile, claims: Claims, factory: str) -> Profile:
    """Return the profile with the meters of the readings, those that it lacks at its end."""
    for wanted in claims.meters:
        for meter in profile["meters"]:
            if meter["meter"] == wanted["meter"]:
                _check_ties(claims.source, factory, meter, wanted)
    present = {m["meter"] for m in profile["meters"]}
    missing = [_filled("meters", m) for m in claims.meters if m["meter"] not in present]
    return {**profile, "meters": [*profile["meters"], *missing]} if missing else profile


def _check_ties(
    source: tuple[str, str], factory: str, meter: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    differing = [key for key in _TIES if key in wanted and meter[key] != wanted[key]]
    if differing:
        key = differing[0]
        english, korean = source
        raise unusable(
            f"meter {wanted['meter']} of factory {factory} has the {key} {meter[key]}, {english} says "
            f"{wanted[key]}; name another meter.id or mend meter.{key} in {english}",
            f"공장 {factory}의 계량기 {wanted['meter']}: {key}이(가) {meter[key]}인데 "
            f"{korean}은(는) {wanted[key]}입니다. {korean}의 meter.id나 meter.{key}을(를) 고치세요",
        )
