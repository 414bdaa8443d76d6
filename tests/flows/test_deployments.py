"""`infra/prefect.yaml`: one deployment a cluster, and `prefect deploy` loads it."""
# ruff: noqa: PLC0415 - Prefect reads its surroundings on import, and a fixture sets them first

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / "infra/prefect.yaml").read_text())[
        "deployments"
    ]
    return found


def of_flow(deployments: list[dict[str, Any]], flow: str) -> list[dict[str, Any]]:
    return [one for one in deployments if one["entrypoint"] == f"flows/{flow}.py:{flow}"]


def test_every_night_is_at_three_in_seoul(deployments: list[dict[str, Any]]) -> None:
    nights = of_flow(deployments, "nightly")
    assert nights
    for deployment in nights:
        (schedule,) = deployment["schedules"]
        assert (schedule["cron"], schedule["timezone"]) == ("0 3 * * *", "Asia/Seoul")


def test_a_restatement_of_every_cluster_waits_for_somebody_to_start_it(
    deployments: list[dict[str, Any]],
) -> None:
    restatements = of_flow(deployments, "restate")
    assert [one["name"] for one in restatements] == [one["name"] for one in of_flow(deployments, "nightly")]
    for deployment in restatements:
        assert deployment["schedules"] == []
        assert "cause" not in deployment["parameters"]


def test_every_deployment_runs_one_at_a_time(deployments: list[dict[str, Any]]) -> None:
    for deployment in deployments:
        assert deployment["concurrency_limit"]["limit"] == 1
        assert deployment["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
        assert deployment["work_pool"]["name"] == "digital-cluster"


def test_every_deployment_is_of_a_defined_cluster_and_named_for_it(
    deployments: list[dict[str, Any]],
) -> None:
    for deployment in deployments:
        cluster = deployment["parameters"]["cluster"]
        assert (REPOSITORY / "infra" / "clusters" / f"{cluster}.yaml").exists()
        assert deployment["name"] == cluster
    places = {(deployment["entrypoint"], deployment["name"]) for deployment in deployments}
    assert len(places) == len(deployments)


@pytest.mark.usefixtures("prefect_home")
def test_parameters_of_deployments_are_those_of_the_flow(deployments: list[dict[str, Any]]) -> None:
    from flows.nightly import nightly
    from flows.restate import restate

    flows = {"flows/nightly.py:nightly": nightly.fn, "flows/restate.py:restate": restate.fn}
    for deployment in deployments:
        known = set(inspect.signature(flows[deployment["entrypoint"]]).parameters)
        assert set(deployment["parameters"]) <= known


@pytest.mark.slow
def test_prefect_deploy_loads_the_file_without_a_question(prefect_api: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="digital-cluster", type="process"))
        command = ["--no-prompt", "deploy", "--prefect-file", "infra/prefect.yaml", "--all"]
        answer = subprocess.run(
            [sys.executable, "-m", "prefect", *command],
            cwd=REPOSITORY,
            env=os.environ | {"PREFECT_API_URL": prefect_api},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        deployed = client.read_deployment_by_name("nightly/changwon-demo")
        by_hand = client.read_deployment_by_name("restate/changwon-demo")

    (schedule,) = deployed.schedules
    assert schedule.active
    assert (getattr(schedule.schedule, "cron", None), getattr(schedule.schedule, "timezone", None)) == (
        "0 3 * * *",
        "Asia/Seoul",
    )
    assert deployed.global_concurrency_limit is not None
    assert deployed.global_concurrency_limit.limit == 1
    assert deployed.concurrency_options is not None
    assert deployed.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert deployed.work_pool_name == "digital-cluster"
    assert deployed.parameters == {"cluster": "changwon-demo"}
    assert deployed.entrypoint == "flows/nightly.py:nightly"
    (step,) = deployed.pull_steps or []
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": str(REPOSITORY)}}
    assert by_hand.schedules == []
    assert by_hand.parameter_openapi_schema["required"] == ["cause"]
