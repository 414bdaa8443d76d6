"""Topics as code: the settings of infra/kafka/topics.yaml, and topics that are created from them.

Belongs here: which settings a topic has, creating it, comparing an existing one. Does not belong here: the
names of topics (pipelines.schemas.streams, pipelines.schemas.outputs) and reading or writing them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported without saying so
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipelines.connectors.kafka import KafkaConnection, broker_error, open_admin
from pipelines.schemas.contracts import packaged_folder
from pipelines.schemas.outputs import parse_output
from pipelines.schemas.streams import parse_topic


@dataclass(frozen=True)
class TopicSettings:
    """What a topic is created with.

    Args:
        partitions: number of partitions.
        replication_factor: copies of each; -1: the broker's default.
        config: topic settings under Kafka's names.
    """

    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, order=True)
class TopicDifference:
    """A setting of an existing topic that is not what topics.yaml says."""

    topic: str
    setting: str
    wanted: str
    found: str


@dataclass(frozen=True)
class TopicReport:
    """What `ensure_topics` did: topics created, and differences of those that were there."""

    created: tuple[str, ...]
    differences: tuple[TopicDifference, ...]


@cache
def _declared() -> dict[str, Any]:
    text = (packaged_folder("infra") / "kafka" / "topics.yaml").read_text(encoding="utf-8")
    declared: dict[str, Any] = yaml.safe_load(text)
    return declared


def topic_settings(name: str, *, keep_forever: bool = False) -> TopicSettings:
    """Return what a topic is created with, by the stream or output in its name.

    Args:
        name: topic name; one of no stream and no output of ours gets the defaults.
        keep_forever: for demo and import topics: records of any age, never deleted.
    """
    topic, output = parse_topic(name), parse_output(name)
    layers = [_declared()["defaults"]]
    if output is not None:
        layers.append(_declared()["outputs"][output])
    if topic is not None:
        layers.append(_declared()["streams"][topic.stream])
    if keep_forever:
        layers.append(_declared()["keep_forever"])
    config: dict[str, str] = {}
    for layer in layers:
        config.update({key: str(setting) for key, setting in layer.get("config", {}).items()})
    flat = {key: setting for layer in layers for key, setting in layer.items()}
    return TopicSettings(flat["partitions"], flat["replication_factor"], config)


def ensure_topics(
    connection: KafkaConnection, names: Sequence[str], *, keep_forever: bool = False
) -> TopicReport:
    """Create the topics that don't exist; report where an existing one differs, and change nothing there.

    Raises:
        OperatorError: the broker can't be reached or refuses (exit code SOURCE).
    """
    wanted = {name: topic_settings(name, keep_forever=keep_forever) for name in names}
    if not wanted:
        return TopicReport((), ())
    admin = open_admin(connection)
    try:
        created = _create(admin, wanted, connection.timeout_s)
        existing = {name: settings for name, settings in wanted.items() if name not in created}
        return TopicReport(tuple(sorted(created)), _differences(admin, existing, connection.timeout_s))
    except KafkaException as error:
        raise broker_error(connection, error.args[0]) from error


def _create(admin: AdminClient, wanted: Mapping[str, TopicSettings], timeout_s: float) -> set[str]:
    """Create topics and return the names of those that were not there."""
    asked = [
        NewTopic(name, s.partitions, s.replication_factor, config=dict(s.config))
        for name, s in wanted.items()
    ]
    created = set()
    for name, answer in admin.create_topics(asked, operation_timeout=timeout_s).items():
        try:
            answer.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            created.add(name)
    return created


def _differences(
    admin: AdminClient, existing: Mapping[str, TopicSettings], timeout_s: float
) -> tuple[TopicDifference, ...]:
    if not existing:
        return ()
    known = admin.list_topics(timeout=timeout_s).topics
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
    found = []
    for resource, answer in admin.describe_configs(resources, request_timeout=timeout_s).items():
        settings = existing[resource.name]
        actual = {key: entry.value for key, entry in answer.result().items()}
        actual["partitions"] = str(len(known[resource.name].partitions))
        for key, value in {**settings.config, "partitions": str(settings.partitions)}.items():
            if actual.get(key) != value:
                found.append(TopicDifference(resource.name, key, value, actual.get(key) or ""))
    return tuple(sorted(found))
