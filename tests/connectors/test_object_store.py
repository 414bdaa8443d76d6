"""A store behind a URI: the same tables on an S3-compatible server, with the same fence."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.connectors.lease import Lease
from pipelines.connectors.store import ClusterStore
from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.schemas.tables import GAPS

BUCKET = "cluster-store"


@pytest.fixture(scope="module")
def object_store() -> Iterator[dict[str, str]]:
    """An S3-compatible server on the loopback: the environment under which a store reaches it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }
    boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the test server's
    ).create_bucket(Bucket=BUCKET)
    yield environment
    server.stop()


@pytest.fixture
def reached(object_store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in object_store.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("reached")
def test_a_store_behind_a_uri_honours_conditional_puts_and_is_accepted() -> None:
    ClusterStore(f"s3://{BUCKET}/checked", "c1").check_conditional_put()


@pytest.mark.usefixtures("reached")
def test_a_rivals_commit_fences_an_older_handle_on_an_object_store_too() -> None:
    store = ClusterStore(f"s3://{BUCKET}/fenced", "c1")
    first, second = store.open(GAPS), store.open(GAPS)
    first.append(first.empty(), {"app": 1})
    with pytest.raises(OperatorError) as refused:
        second.append(second.empty(), {"app": 1})
    assert refused.value.code is ExitCode.LEASE_HELD
    assert store.table_versions() == {"gaps": 1}


@pytest.mark.usefixtures("reached")
def test_a_lease_on_an_object_store_has_one_holder() -> None:
    objects = ClusterStore(f"s3://{BUCKET}/leased", "c1").objects
    with Lease(objects, "one", 60.0, lambda: 1000.0):  # noqa: SIM117 - the inner one must fail
        with pytest.raises(OperatorError) as refused, Lease(objects, "two", 60.0, lambda: 1000.0):
            pass
    assert refused.value.code is ExitCode.LEASE_HELD


@pytest.mark.faults
def test_a_night_on_an_object_store_ends_and_the_next_finds_nothing_new(
    object_store: dict[str, str], tmp_path: Path
) -> None:
    places = {
        "DC_STORE": f"s3://{BUCKET}/night",
        "DC_ARCHIVE": f"s3://{BUCKET}/archive",
        "DC_SITE": str(tmp_path / "site"),
    }
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "nightly",
        "--demo",
        "--source",
        "archive",
    ]
    said = [
        subprocess.run(
            command, env={**os.environ, **object_store, **places}, capture_output=True, text=True, check=False
        )
        for _ in range(2)
    ]
    assert [run.returncode for run in said] == [0, 0], said[0].stderr[-2000:]
    rows = re.search(r"rows: (\d+) raw rows", said[0].stdout)
    assert rows is not None
    assert int(rows[1]) > 600_000
    assert "nothing new" in said[1].stdout
