from contextlib import ExitStack
from typing import Self

import pytest

from pipelines import cli
from pipelines.demo import session
from pipelines.demo.broker import BrokerUnavailable
from pipelines.domain.outcomes import ExitCode
from pipelines.settings import Settings

PRODUCTION = {
    "kafka_bootstrap_servers": "kafka.example:9093",
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "PLAIN",
    "kafka_sasl_username": "u",
    "kafka_sasl_password": "p",
}


class Broker:
    """Stands for the local broker: what the settings say matters here, not Kafka."""

    bootstrap_servers = "127.0.0.1:1"

    def __init__(self, *_arguments: object, **_options: object) -> None:
        self.stopped = False

    def __enter__(self) -> Self:
        return self

    def stop(self) -> None:
        self.stopped = True


def test_a_demo_never_meets_the_configured_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LocalBroker", Broker)
    with cli.session(Settings.model_validate({"source": "kafka", **PRODUCTION}), "local") as found:
        assert found.kafka_bootstrap_servers == "127.0.0.1:1"
        assert found.kafka_security_protocol == "PLAINTEXT"
        assert found.kafka_sasl_password is None


def test_a_night_that_is_no_demo_meets_the_configured_broker() -> None:
    settings = Settings.model_validate({"source": "kafka", **PRODUCTION})
    for broker in ("configured", "either"):
        with cli.session(settings, broker) as found:
            assert found is settings


def test_where_the_broker_cannot_be_had_one_line_says_so_and_the_archive_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoBroker(Broker):
        def __enter__(self) -> Self:
            raise BrokerUnavailable("No jars.", "jar 파일이 없습니다.", ExitCode.SOURCE)

    monkeypatch.setattr(session, "LocalBroker", NoBroker)
    said: list[str] = []
    with ExitStack() as stack:
        found = stack.enter_context(
            session.local_broker(Settings.model_validate({"source": "kafka"}), said.append)
        )
        assert found.source == "archive"
    assert len(said) == 1
    assert "\n" not in said[0]
    assert "No jars." in said[0]
