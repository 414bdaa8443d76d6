import pytest

from pipelines.connectors.kafka import KafkaConnection
from pipelines.connectors.topics import ensure_topics
from pipelines.demo.broker import LocalBroker
from tests.perf.energy import Request
from tests.perf.harness import Side, circumstances, measure, run_once, tell
from tests.perf.readings import Load, power_chunks, publish, send

pytestmark = [pytest.mark.perf, pytest.mark.kafka]

ONE = Load("one", factories=4, messages=250_000, readings=1)
MANY = Load("many", factories=4, messages=12_500, readings=100)
UC2_RECORDS = 1_000_000
TOLERATED_GROWTH = 1.2


@pytest.fixture(scope="module")
def connection(broker: LocalBroker) -> KafkaConnection:
    return KafkaConnection(broker.bootstrap_servers)


@pytest.fixture(scope="module")
def one(connection: KafkaConnection) -> Load:
    publish(connection, ONE)
    return ONE


@pytest.fixture(scope="module")
def many(connection: KafkaConnection) -> Load:
    publish(connection, MANY)
    return MANY


def side(name: str, load: Load, broker: LocalBroker, factories: int | None = None) -> Side:
    """Ask a side to read the first factories of a load; all by default."""
    topics = tuple(load.topics[:factories])
    request = Request(broker.bootstrap_servers, topics, load.messages)
    return Side(name, request, len(topics) * load.messages * load.readings)


@pytest.mark.parametrize(("workload", "load"), [("consume", "one"), ("consume-batch", "many")])
def test_consuming_beside_fastavro(
    workload: str, load: str, broker: LocalBroker, request: pytest.FixtureRequest
) -> None:
    published = request.getfixturevalue(load)
    reference = side("consume-reference", published, broker, factories=1)
    measure(workload, side("consume", published, broker), [reference], broker)


@pytest.mark.parametrize(("workload", "load"), [("ingest-one", "one"), ("ingest-100", "many")])
def test_ingesting_beside_fastavro_and_parquet(
    workload: str, load: str, broker: LocalBroker, request: pytest.FixtureRequest
) -> None:
    published = request.getfixturevalue(load)
    reference = side("ingest-reference", published, broker, factories=1)
    measure(workload, side("ingest", published, broker), [reference], broker)


@pytest.mark.parametrize("load", ["one", "many"])
def test_where_the_time_of_ingest_goes(
    load: str, broker: LocalBroker, request: pytest.FixtureRequest
) -> None:
    asked = side("ingest-stages", request.getfixturevalue(load), broker)
    told = run_once(asked, broker)["answer"]
    tell({"workload": f"ingest-stages-{load}", "records": asked.records, **told, **circumstances()})


def test_summing_up_each_minute_of_each_sensor_beside_stock_beam_and_dictionaries(
    broker: LocalBroker, connection: KafkaConnection
) -> None:
    ensure_topics(connection, ["uc2"], keep_forever=True)
    send(connection, "uc2", power_chunks(0, UC2_RECORDS))

    def reading(name: str, records: int) -> Side:
        return Side(name, Request(broker.bootstrap_servers, ("uc2",), records), records)

    references = [
        reading("uc2-stock-beam", UC2_RECORDS // 50),
        reading("uc2-dictionaries", UC2_RECORDS // 4),
    ]
    measure("uc2", reading("uc2", UC2_RECORDS), references, broker)


@pytest.mark.parametrize("readings", [1, 100])
def test_ten_times_the_readings_take_no_more_memory_to_ingest(
    readings: int, broker: LocalBroker, connection: KafkaConnection
) -> None:
    peaks_mib = {}
    for million in (1, 10):
        load = Load(f"flat{million}x{readings}", 4, million * 250_000 // readings, readings)
        publish(connection, load)
        asked = side("ingest", load, broker)
        told = run_once(asked, broker)
        assert told["answer"] == {"readings": load.records}
        tell({"workload": "ingest-memory", "records": load.records, "readings_per_message": readings, **told})
        peaks_mib[million] = told["peak_memory_mib"]
    assert peaks_mib[10] <= TOLERATED_GROWTH * peaks_mib[1]
