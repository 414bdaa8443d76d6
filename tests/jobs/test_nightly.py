"""The night as a whole: its lease, its report, its exit code, what it leaves behind, and a second one."""

import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipelines.connectors.lease import Lease, current_lease
from pipelines.connectors.objects import get_json
from pipelines.domain.outcomes import ExitCode
from pipelines.jobs.ingest import IngestReport
from pipelines.jobs.night import nominal_time
from pipelines.jobs.nightly import STATUS_PATH, STEPS, NightReport
from pipelines.jobs.summary import summary_lines
from pipelines.schemas.tables import FACTS_ENERGY
from tests.jobs.conftest import SEOUL, Park, instant

MONDAY = date(2025, 11, 3)
NIGHT = datetime(2025, 11, 4, 3, tzinfo=SEOUL)
GAP: dict[str, object] = {
    "topic": "factory.a.energy", "partition": 0, "first_offset": 10, "end_offset": 15,
    "reason": "offsets_deleted",
}  # fmt: skip


@pytest.fixture
def sent(park: Park) -> Park:
    """A park whose factory a has sent Monday."""
    park.send_profiles(park.a)
    park.send(park.topic(), [park.energy(park.a, instant(MONDAY), [1.0] * 24)], instant(MONDAY, 24))
    return park


def report() -> NightReport:
    return NightReport("park", NIGHT.isoformat(), MONDAY)


@pytest.mark.parametrize(
    ("as_of", "nominal"),
    [
        ("2025-11-04T03:00+09:00", "2025-11-04T03:00+09:00"),
        ("2025-11-04T02:59:59+09:00", "2025-11-03T03:00+09:00"),
        ("2025-11-04T23:59+09:00", "2025-11-04T03:00+09:00"),
        ("2025-11-03T18:00+00:00", "2025-11-04T03:00+09:00"),
    ],
    ids=["at-three", "before-three", "late-in-the-day", "in-another-zone"],
)
def test_the_nominal_time_is_the_latest_three_oclock(as_of: str, nominal: str) -> None:
    found = nominal_time(datetime.fromisoformat(as_of), "Asia/Seoul")
    assert found == datetime.fromisoformat(nominal)


def test_a_night_at_any_time_of_the_day_leaves_the_same_bytes(sent: Park, tmp_path: Path) -> None:
    other = sent.copied(tmp_path / "other")
    assert sent.nightly(NIGHT).code == 0
    assert other.nightly(NIGHT + timedelta(hours=20, minutes=17)).code == 0
    for table in ("facts_energy", "kpis", "releases"):
        assert sent.rows(table).equals(other.rows(table))
    pages = sorted(p.relative_to(sent.hub.root) for p in (sent.hub.root / "site").rglob("*") if p.is_file())
    assert pages
    assert all((sent.hub.root / p).read_bytes() == (other.hub.root / p).read_bytes() for p in pages)


def test_a_second_night_says_that_there_is_nothing_new_and_changes_nothing(sent: Park) -> None:
    first = sent.nightly(NIGHT)
    before = sent.hub.state("park")
    second = sent.nightly(NIGHT)
    assert (first.code, second.code) == (0, 0)
    assert "nothing new" not in first.out
    assert "nothing new" in second.line("result")
    assert sent.hub.state("park") == before


def test_a_night_gives_its_lease_back_and_leaves_no_staging(sent: Park) -> None:
    assert sent.nightly(NIGHT).code == 0
    record = current_lease(sent.hub.store("park").objects)[1]
    assert record is not None
    assert record.released
    assert list((sent.hub.root / "store" / "park" / "_staging").rglob("*")) == []


def test_a_night_remembers_when_the_last_good_one_was(sent: Park) -> None:
    assert sent.nightly(NIGHT).code == 0
    assert get_json(sent.hub.store("park").objects, STATUS_PATH) == {
        "last_good_night": "2025-11-04T03:00:00+09:00",
        "day": "2025-11-03",
    }


def test_while_another_run_holds_the_lease_a_night_does_nothing(sent: Park) -> None:
    assert sent.nightly(NIGHT).code == 0
    before = sent.hub.state("park")
    with Lease(sent.hub.store("park").objects, "other", 60.0, lambda: datetime.now(SEOUL).timestamp()):
        refused = sent.nightly(NIGHT + timedelta(days=1))
    assert refused.code == ExitCode.LEASE_HELD
    assert len(refused.err.splitlines()) == 1
    assert sent.hub.state("park") == before


def test_the_rest_of_a_dead_run_is_swept(sent: Park) -> None:
    sent.hub.store("park").put("_staging/dead/piece-000000", b"half")
    assert sent.nightly(NIGHT).code == 0
    assert list((sent.hub.root / "store" / "park" / "_staging").rglob("*")) == []


def test_the_summary_names_every_step_and_how_long_it_took(sent: Park) -> None:
    seconds = sent.nightly(NIGHT).line("seconds")
    assert [part.split()[0] for part in seconds.split(", ")] == list(STEPS)


def test_a_factory_without_a_measured_hour_is_named_silent(sent: Park) -> None:
    assert sent.nightly(NIGHT).line("silent") == sent.b


def test_the_exit_code_is_that_of_the_worst_that_happened() -> None:
    found = report()
    assert found.exit_code is ExitCode.DONE
    found.facts.left_for_later = 1
    assert found.exit_code is ExitCode.PARTIAL
    found.facts.left_for_later = 0
    found.ingest.cut_partitions = {"factory.a.energy/0/i": 3}
    assert found.exit_code is ExitCode.PARTIAL
    found.ingest.gaps = [GAP]
    assert found.exit_code is ExitCode.GAP


def test_a_gap_is_the_first_line_of_the_summary_whatever_else_happened() -> None:
    found = report()
    found.ingest.cut_partitions = {"factory.a.energy/0/i": 3}
    found.ingest.unclaimed_topics = ["factory.x.energy"]
    found.facts.left_for_later = 2
    found.facts.restated = {("a", MONDAY): "late_data"}
    found.ingest.gaps = [GAP, {**GAP, "end_offset": None, "reason": "topic_recreated"}]
    headings = [heading for heading, _ in summary_lines(found)]
    assert headings[:2] == ["GAP / 누락"] * 2
    assert summary_lines(found)[0][1].startswith("factory.a.energy[0] offsets 10 to 15: offsets_deleted")
    assert summary_lines(found)[1][1].startswith("factory.a.energy[0] offsets 10 to unknown: topic_recreated")


def test_a_night_without_commits_and_pages_has_nothing_new() -> None:
    found = report()
    assert found.nothing_new
    found.commits = 1
    assert not found.nothing_new
    found.commits = 0
    found.site = replace(found.site, written=("index.html",))
    assert not found.nothing_new


def test_what_two_ingests_of_a_night_did_is_added_up() -> None:
    total = IngestReport(Counter({"factory.a.profile": 1}), Counter(profile=1))
    total.add(
        IngestReport(
            Counter({"factory.a.energy": 5}),
            Counter(energy=9),
            Counter(truncated=2),
            skipped=4,
            gaps=[GAP],
            unclaimed_topics=["factory.x.energy"],
        )
    )
    assert total.messages == {"factory.a.profile": 1, "factory.a.energy": 5}
    assert total.rows == {"profile": 1, "energy": 9}
    assert (total.dead, total.skipped, total.gaps) == ({"truncated": 2}, 4, [GAP])


def test_nothing_of_a_run_stands_in_the_status(sent: Park) -> None:
    """A status with a run's id or wall clock would differ between equal histories."""
    assert sent.nightly(NIGHT).code == 0
    text = (sent.hub.root / "store" / "park" / STATUS_PATH).read_text()
    assert set(json.loads(text)) == {"last_good_night", "day"}


def test_when_a_log_was_cleaned_up_everything_is_computed_anew_and_the_summary_says_so(sent: Park) -> None:
    assert sent.nightly(NIGHT).code == 0
    facts = sent.hub.store("park").open(FACTS_ENERGY)
    for number in (1, 2):  # commits that the figures have not consumed
        facts.commit_files([], {"test": number})
    DeltaTable(sent.hub.store("park").table_uri(FACTS_ENERGY.name)).create_checkpoint()
    log = sent.hub.root / "store" / "park" / FACTS_ENERGY.name / "_delta_log"
    for number in range(facts.version):
        (log / f"{number:020d}.json").unlink()
    figures = [sent.rows(table) for table in ("emissions", "elements_daily", "kpis", "releases")]
    again = sent.nightly(NIGHT)
    assert again.code == 0, again.err
    assert again.line("COMPUTED ANEW / 전체 재계산").startswith(
        "activities from facts_energy, emissions from facts_energy, elements_daily from facts_energy, "
        "liveness from facts_energy:"
    )
    assert all(
        a.equals(b)
        for a, b in zip(
            figures, map(sent.rows, ("emissions", "elements_daily", "kpis", "releases")), strict=True
        )
    )
    assert "nothing new" in sent.nightly(NIGHT).out


def test_what_was_read_is_told_by_stream_not_by_topic() -> None:
    found = report()
    found.ingest.messages.update(
        {"factory.a.energy": 10, "factory.b.energy": 5, "gateway.g.energy": 1, "factory.a.states": 2}
    )
    lines = dict(summary_lines(found))
    assert lines["read"] == "18 messages (energy 16, states 2)"
