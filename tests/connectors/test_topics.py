from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.topics import TopicDifference, TopicReport, ensure_topics, topic_settings
from pipelines.schemas.streams import STREAMS

DAYS_35_MS = "3024000000"


@pytest.mark.parametrize("stream", sorted(set(STREAMS) - {"profile"}))
def test_a_stream_keeps_its_records_for_35_days(stream: str) -> None:
    settings = topic_settings(f"factory.a1.{stream}")
    assert settings.partitions == 1
    assert settings.config["retention.ms"] == DAYS_35_MS
    assert settings.config["cleanup.policy"] == "delete"
    assert settings.config["max.message.bytes"] == "8388608"


def test_profiles_are_compacted_and_never_deleted() -> None:
    for keep_forever in (False, True):
        config = topic_settings("factory.a1.profile", keep_forever=keep_forever).config
        assert config["cleanup.policy"] == "compact"
        assert config["retention.ms"] == "-1"


def test_demo_and_import_topics_keep_records_of_any_age() -> None:
    config = topic_settings("gateway.g1.energy", keep_forever=True).config
    assert config["retention.ms"] == "-1"
    assert config["message.timestamp.before.max.ms"] == str(2**63 - 1)
    assert config["message.timestamp.after.max.ms"] == str(2**63 - 1)


@pytest.mark.parametrize("name", ["cluster.park.benchmarks", "member.naru.kpis"])
def test_outputs_are_compacted_and_take_the_nominal_time_of_any_night(name: str) -> None:
    config = topic_settings(name).config
    assert config["cleanup.policy"] == "compact"
    assert config["retention.ms"] == "-1"
    assert config["message.timestamp.before.max.ms"] == str(2**63 - 1)
    assert config["max.message.bytes"] == "8388608"


def test_a_topic_of_no_stream_gets_the_defaults() -> None:
    assert topic_settings("hub.dead-letters").config["retention.ms"] == DAYS_35_MS


@pytest.mark.kafka
def test_topics_are_created_once_and_a_second_time_changes_nothing(
    connection: KafkaConnection, fresh_topic: Callable[[str], str]
) -> None:
    names = [fresh_topic("energy"), fresh_topic("profile")]
    assert ensure_topics(connection, names) == TopicReport(tuple(sorted(names)), ())
    assert ensure_topics(connection, names) == TopicReport((), ())
    resource = ConfigResource(ResourceType.TOPIC, names[1])
    admin = AdminClient(connection.config())
    (answer,) = admin.describe_configs([resource]).values()
    assert answer.result()["cleanup.policy"].value == "compact"


@pytest.mark.kafka
def test_an_existing_topic_that_differs_is_reported_and_left_alone(
    connection: KafkaConnection, fresh_topic: Callable[[str], str]
) -> None:
    name = fresh_topic("energy")
    ensure_topics(connection, [name])
    report = ensure_topics(connection, [name], keep_forever=True)
    assert report.created == ()
    assert TopicDifference(name, "retention.ms", "-1", DAYS_35_MS) in report.differences
    assert ensure_topics(connection, [name]) == TopicReport((), ())
