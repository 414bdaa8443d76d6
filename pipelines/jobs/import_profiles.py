"""The profile of a factory whose readings are imported: made from the mapping, or checked against it.

Belongs here: what an import says of its factory. Does not belong here: sending (pipelines.jobs.importing)
and profiles as nights use them (pipelines.jobs.profiles).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.connectors.source import Source
from pipelines.connectors.store import ClusterStore
from pipelines.domain.onramp import unusable
from pipelines.schemas.contracts import contract
from pipelines.schemas.decode import MessageDecoder
from pipelines.schemas.mapping import FileMapping
from pipelines.schemas.messages import OffsetRange
from pipelines.schemas.streams import factory_topic
from pipelines.schemas.tables import RAW

Profile = Mapping[str, Any]
_TIES = ("carrier", "parent")


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


def profiles_to_publish(
    mapping: FileMapping, factory: str, known: Sequence[Profile], first_start: datetime
) -> list[Profile]:
    """Return the profiles that must be published before the readings make sense; none if all is said.

    A factory without a profile gets one from the mapping, valid from its first reading. A profile that begins
    later is carried back to the first reading; one that lacks the meter gets it, with a higher sequence.

    Args:
        mapping: what the file is.
        factory: id of the factory.
        known: its profiles so far, in any order, repeated ones included.
        first_start: start of the first reading (UTC).

    Raises:
        OperatorError: a profile contradicts the mapping: another zone, or the meter is another one.
    """
    if not known:
        return [_new_profile(mapping, factory, first_start)]
    current = _in_force(known)
    for profile in current:
        _check_agrees(mapping, factory, profile)
    amended = [_with_meter(p, mapping) for p in current]
    changed = [after for before, after in zip(current, amended, strict=True) if after is not before]
    if first_start < current[0]["valid_from"]:
        return [{**amended[0], "valid_from": first_start}, *changed]
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
        "machine": None,
        "register_digits": meter.register_digits,
        "maximum_per_h": meter.maximum_per_h,
        "bidirectional": meter.bidirectional,
    }


def _new_profile(mapping: FileMapping, factory: str, first_start: datetime) -> Profile:
    said = mapping.factory
    return {
        "factory": factory,
        "valid_from": first_start,
        "name": said.name or factory,
        "zone": mapping.zone,
        "geography": said.geography,
        "process": said.process,
        "region": said.region,
        "size_class": said.size_class,
        "maturity": said.maturity,
        "meters": [_meter(mapping)],
        "machines": [],
        "shifts": [],
        "holidays": [],
        "products": [],
        "sequence": 0,
        "template": None,
    }


def _check_agrees(mapping: FileMapping, factory: str, profile: Profile) -> None:
    if profile["zone"] not in (None, mapping.zone):
        raise unusable(
            f"factory {factory} has the zone {profile['zone']}, the mapping says {mapping.zone}; "
            "set factory.zone in the mapping",
            f"공장 {factory}의 시간대는 {profile['zone']}인데 매핑은 {mapping.zone}입니다. "
            "매핑의 factory.zone을 고치세요",
        )
    wanted = _meter(mapping)
    for meter in profile["meters"]:
        differing = [k for k in _TIES if meter[k] != wanted[k]] if meter["meter"] == wanted["meter"] else []
        if differing:
            key = differing[0]
            raise unusable(
                f"meter {wanted['meter']} of factory {factory} has the {key} {meter[key]}, the mapping says "
                f"{wanted[key]}; name another meter.id or mend meter.{key} in the mapping",
                f"공장 {factory}의 계량기 {wanted['meter']}: {key}이(가) {meter[key]}인데 "
                f"매핑은 {wanted[key]}입니다. "
                f"매핑의 meter.id나 meter.{key}을(를) 고치세요",
            )


def _with_meter(profile: Profile, mapping: FileMapping) -> Profile:
    if any(m["meter"] == mapping.meter.id for m in profile["meters"]):
        return profile
    return {
        **profile,
        "meters": [*profile["meters"], _meter(mapping)],
        "sequence": profile["sequence"] + 1,
    }
