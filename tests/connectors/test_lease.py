"""The lease: one holder, renewed while it lives, free when it is given back, expired or dead."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import obstore
import pytest
from obstore.store import ObjectStore

from pipelines.connectors import lease as lease_module
from pipelines.connectors.lease import Lease, LeaseRecord, current_lease, process_started
from pipelines.connectors.objects import open_objects, put_json
from pipelines.domain.outcomes import ExitCode, OperatorError

HOUR_S = 3600.0
LATER_S = 1_000_000.0


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = LATER_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_objects(str(tmp_path))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def held(objects: ObjectStore) -> LeaseRecord:
    record = current_lease(objects)[1]
    assert record is not None
    return record


def put_record(objects: ObjectStore, number: int, record: LeaseRecord) -> None:
    put_json(objects, f"_lease/{number:012d}.json", asdict(record))


def refused(objects: ObjectStore, clock: Clock) -> bool:
    try:
        with Lease(objects, "other", HOUR_S, clock):
            return False
    except OperatorError as error:
        return error.code is ExitCode.LEASE_HELD


def record_of(clock: Clock, host: str = "elsewhere", pid: int = 1) -> LeaseRecord:
    return LeaseRecord("somebody", host, pid, "1", clock.now_s + HOUR_S)


def test_a_lease_is_held_inside_and_free_afterwards(objects: ObjectStore, clock: Clock) -> None:
    with Lease(objects, "me", HOUR_S, clock):
        assert held(objects).holder == "me"
        assert held(objects).pid == os.getpid()
        assert refused(objects, clock)
    assert held(objects).released
    assert not refused(objects, clock)


def test_a_lease_is_given_back_when_the_run_fails(objects: ObjectStore, clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError), Lease(objects, "me", HOUR_S, clock):
        raise ZeroDivisionError
    assert not refused(objects, clock)


def test_a_holder_on_another_host_keeps_it_until_it_expires(objects: ObjectStore, clock: Clock) -> None:
    put_record(objects, 1, record_of(clock))
    assert refused(objects, clock)
    clock.now_s += HOUR_S - 1
    assert refused(objects, clock)
    clock.now_s += 1
    assert not refused(objects, clock)


def test_the_refusal_names_the_holder_in_one_line(objects: ObjectStore, clock: Clock) -> None:
    put_record(objects, 1, record_of(clock, pid=77))
    with pytest.raises(OperatorError, match="process 77 on elsewhere") as refusal:
        Lease(objects, "me", HOUR_S, clock).__enter__()
    assert "\n" not in refusal.value.english


def test_the_heartbeat_moves_the_expiry_on(
    objects: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    put = lease_module.put_json

    def put_and_tell(*arguments: object) -> None:
        put(*arguments)  # type: ignore[arg-type]
        renewed.set()

    with Lease(objects, "me", 0.02, clock):
        assert held(objects).expires_at_s == pytest.approx(LATER_S + 0.02)
        clock.now_s += HOUR_S
        monkeypatch.setattr(lease_module, "put_json", put_and_tell)
        assert renewed.wait(10)
        assert held(objects).expires_at_s == pytest.approx(LATER_S + HOUR_S + 0.02)
        assert refused(objects, clock)


def test_one_failed_heartbeat_does_not_end_the_renewals(
    objects: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls, renewed = lease_module.put_json, [0], threading.Event()

    def fail_once(*arguments: object) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise OperatorError("the store is away", "저장소 없음", ExitCode.STORE)
        put(*arguments)  # type: ignore[arg-type]
        renewed.set()

    monkeypatch.setattr(lease_module, "put_json", fail_once)
    with Lease(objects, "me", 0.02, clock):
        assert renewed.wait(10)


def test_a_dead_process_of_this_host_holds_nothing(objects: ObjectStore, clock: Clock) -> None:
    with Lease(objects, "me", HOUR_S, clock):
        mine = held(objects)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    put_record(objects, 5, replace(mine, pid=ended.pid, released=False))
    assert not refused(objects, clock)


def test_a_killed_process_that_nobody_waited_for_holds_nothing(objects: ObjectStore, clock: Clock) -> None:
    with Lease(objects, "me", HOUR_S, clock):
        mine = held(objects)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    put_record(
        objects, 5, replace(mine, pid=child.pid, process_started=process_started(child.pid), released=False)
    )
    assert refused(objects, clock)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the process table
    assert not refused(objects, clock)
    child.communicate()


def test_a_pid_that_another_process_got_holds_nothing(objects: ObjectStore, clock: Clock) -> None:
    with Lease(objects, "me", HOUR_S, clock):
        mine = held(objects)
    put_record(objects, 5, replace(mine, process_started="1", released=False))
    assert not refused(objects, clock)


def test_a_pid_of_another_host_is_not_looked_up_here(objects: ObjectStore, clock: Clock) -> None:
    put_record(objects, 1, record_of(clock, pid=2**22 + 1))
    assert refused(objects, clock)


def test_of_many_that_take_it_at_once_one_wins(objects: ObjectStore, clock: Clock) -> None:
    takers = 8
    start, done = threading.Barrier(takers), threading.Barrier(takers)

    def take(number: int) -> bool:
        start.wait()
        lease = Lease(objects, f"run-{number}", HOUR_S, clock)
        try:
            lease.__enter__()
        except OperatorError:
            done.wait()
            return False
        done.wait()
        lease.__exit__(None, None, None)
        return True

    with ThreadPoolExecutor(takers) as pool:
        assert sum(pool.map(take, range(takers))) == 1


def test_a_taker_that_looked_long_ago_does_not_get_a_number_that_was_swept(
    objects: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw number 1 free and slept; 2 came and went, 3 is held, and 2 is free to be created again."""
    with Lease(objects, "first", HOUR_S, clock):
        pass
    seen = current_lease(objects)
    with Lease(objects, "second", HOUR_S, clock):
        pass
    with Lease(objects, "third", HOUR_S, clock):
        answers = iter([seen])
        look = lease_module.current_lease
        monkeypatch.setattr(lease_module, "current_lease", lambda store: next(answers, None) or look(store))
        assert refused(objects, clock)
        monkeypatch.undo()
        assert held(objects).holder == "third"


def test_a_holder_that_outlived_its_lease_does_not_touch_its_successors(
    objects: ObjectStore, clock: Clock
) -> None:
    with Lease(objects, "slow", HOUR_S, clock):
        clock.now_s += 2 * HOUR_S
        with Lease(objects, "next", HOUR_S, clock):
            assert held(objects).holder == "next"
        clock.now_s -= 2 * HOUR_S
        put_record(objects, 9, record_of(clock))
    assert not held(objects).released
    assert held(objects).holder == "somebody"


def test_old_numbers_are_swept(objects: ObjectStore, clock: Clock) -> None:
    for _ in range(3):
        with Lease(objects, "me", HOUR_S, clock):
            pass
    assert [m["path"] for chunk in obstore.list(objects, "_lease") for m in chunk] == [
        "_lease/000000000003.json"
    ]
