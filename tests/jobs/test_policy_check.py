"""`digital-cluster policy check`: what limits would release, over the KPIs of a store that stays as it is."""

import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.connectors.store import ClusterStore
from pipelines.demo.session import DEMO_CLUSTER
from pipelines.domain.cluster import ClassPolicy, DisclosurePolicy
from pipelines.domain.disclosure.exposure import SealedFigure
from pipelines.domain.disclosure.ledger import FIGURE_SCHEMA
from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.periods import Period
from pipelines.domain.releasing import NightRelease, Scene
from pipelines.jobs import policy_check
from pipelines.schemas.tables import KPIS
from tests.jobs.conftest import Answer, Demo
from tests.perf.energy import night_on

Judged = dict[date, tuple[list[Period], list[str]]]
POLARS_KPIS = pl.DataFrame(KPIS.schema.empty_table()).schema
NIGHT = ("--from", "2025-11-06", "--to", "2025-11-06")


@pytest.fixture(scope="module")
def definition(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's own cluster file, where a test may change its copy."""
    path = tmp_path_factory.mktemp("policy") / f"{DEMO_CLUSTER}.yaml"
    path.write_text((demo.hub.root / "clusters" / path.name).read_text(encoding="utf-8"), encoding="utf-8")
    return path


def changed(definition: Path, folder: Path, old: str, new: str) -> Path:
    text = definition.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / definition.name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def one_night(demo: Demo, definition: Path) -> tuple[Answer, pl.DataFrame]:
    """What the night of 6 November says by the demo's own definition: it judges the 5th."""
    before = demo.hub.state(DEMO_CLUSTER)
    out = definition.parent / "checked.csv"
    answer = demo.hub.run("policy", "check", definition, *NIGHT, "--out", out)
    assert answer.code == 0, answer.err
    assert demo.hub.state(DEMO_CLUSTER) == before
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    return answer, pl.read_csv(out, try_parse_dates=True)


def test_what_is_printed_begins_by_saying_that_it_is_confidential(
    one_night: tuple[Answer, pl.DataFrame],
) -> None:
    answer, _ = one_night
    assert answer.out.startswith("CONFIDENTIAL / 대외비: ")


def test_a_night_judges_the_figures_of_the_day_before(
    demo: Demo, one_night: tuple[Answer, pl.DataFrame]
) -> None:
    _, checked = one_night
    released = demo.rows("releases").filter(pl.col("period_start") == pl.date(2025, 11, 5))
    assert set(checked["figure_id"]) == set(released["figure_id"])
    assert {str(night) for night in checked["night"]} == {"2025-11-06"}


def test_every_withheld_figure_of_contributors_has_a_reason(one_night: tuple[Answer, pl.DataFrame]) -> None:
    _, checked = one_night
    withheld = checked.filter(pl.col("status") == "withheld", pl.col("holdings") > 0)
    assert withheld.height > 0
    assert withheld["reasons"].null_count() == 0
    # Two firms treat heat: no figure of theirs can pass, whatever it is about.
    two = checked.filter(pl.col("breakdown") == "process", pl.col("group") == "heat_treatment")
    assert set(two["status"]) == {"withheld"}


def test_the_lines_add_up_to_the_file(one_night: tuple[Answer, pl.DataFrame]) -> None:
    answer, checked = one_night
    published = (checked["status"] == "published").sum()
    withheld = checked.filter(pl.col("status") == "withheld")
    assert answer.line("night 2025-11-06").startswith(
        f"{checked.height} figures, {published} published, {withheld.height} withheld; "
        f"{withheld['holdings'].sum()} of {checked['holdings'].sum()} contributions lost"
    )
    of_oee = checked.filter(pl.col("kpi") == "oee", pl.col("breakdown") == "size")
    assert answer.line("oee, size, day").startswith(f"{of_oee.height} figures, ")


def test_limits_that_nobody_meets_publish_only_who_waived_protection(
    demo: Demo, definition: Path, tmp_path: Path
) -> None:
    strict = changed(definition, tmp_path, "      min_contributors: 3\n", "      min_contributors: 20\n")
    answer = demo.hub.run("policy", "check", strict, *NIGHT, "--out", tmp_path / "out.csv")
    assert answer.code == 0, answer.err
    checked = pl.read_csv(tmp_path / "out.csv")
    published = checked.filter(pl.col("status") == "published")["figure_id"].str.split("/")
    assert {(f[-3].split("@")[0], f[-2], f[-1]) for f in published} == {
        ("energy_kwh_per_unit", "named", "dasom"), ("oee", "named", "dasom"),
    }  # fmt: skip
    others = checked.filter(pl.col("status") != "published", pl.col("holdings") > 0)
    assert others["reasons"].str.contains("min_contributors").all()


def test_a_class_without_limits_is_not_released(demo: Demo, definition: Path, tmp_path: Path) -> None:
    text = definition.read_text(encoding="utf-8")
    start, end = text.index("    A:\n"), text.index("    B:\n")
    without = tmp_path / definition.name
    without.write_text(text[:start] + text[end:], encoding="utf-8")
    answer = demo.hub.run("policy", "check", without, *NIGHT)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[1:] == []


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (("--from", "2025-11-07", "--to", "2025-11-06"), "--to 2025-11-06 is before --from 2025-11-07"),
        (("--from", "2020-01-01", "--to", "2020-01-02"), "has no KPIs for nights from 2020-01-01"),
    ],
)
def test_a_span_without_nights_ends_with_2(
    demo: Demo, definition: Path, tmp_path: Path, span: tuple[str, ...], told: str
) -> None:
    (tmp_path / "out.csv").write_text("an earlier answer\n", encoding="utf-8")
    answer = demo.hub.run("policy", "check", definition, *span, "--out", tmp_path / "out.csv")
    assert answer.code == 2
    assert told in answer.err
    assert not (tmp_path / "out.csv").exists()


def test_a_definition_that_is_too_loose_is_refused(demo: Demo, definition: Path, tmp_path: Path) -> None:
    loose = changed(definition, tmp_path, "      min_contributors: 5\n", "      min_contributors: 4\n")
    answer = demo.hub.run("policy", "check", loose, *NIGHT)
    assert "policy.classes.B.min_contributors: write at least 5" in answer.err
    assert answer.out == ""


A_AND_B = DisclosurePolicy(
    "1",
    {
        "A": ClassPolicy(TablePolicy(3)),
        "B": ClassPolicy(TablePolicy(5), ageing_months=3, periods=frozenset({"month"})),
    },
)
JANUARY, YEAR = Period(date(2026, 1, 1), "month"), Period(date(2025, 2, 1), "rolling12")


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[date, date], Judged]:
    """Simulate nights over a store of January and April 2026, and tell what each was to judge beside what."""
    night = night_on(ClusterStore(str(tmp_path), "perf"), ["f"])
    days = [Period(date(2026, m, d), "day") for m, last in ((1, 31), (4, 30)) for d in range(1, last + 1)]
    rows = [
        dict.fromkeys(KPIS.schema.names)
        | {"day": p.start, "period": p.name, "level": "factory", "subject": "f", "kpi": "oee",
           "definition_version": "1", "known_at": night.as_of}
        for p in (*days, JANUARY, YEAR)
    ]  # fmt: skip
    night.store.open(KPIS).append(pl.DataFrame(rows, schema=POLARS_KPIS, orient="row"), {})
    seen: Judged = {}

    def judge(
        _kpis: pl.DataFrame, periods: Sequence[Period], scene: Scene, past: Sequence[SealedFigure]
    ) -> NightRelease:
        seen[scene.today] = (list(periods), [s.figure_id for s in past])
        figures = ("same", str(scene.today))
        sealed = [
            SealedFigure(f, scene.known_at_us, "publish", (), 3, (), "1", (), "10", 1, ()) for f in figures
        ]
        return NightRelease(pl.DataFrame(schema=FIGURE_SCHEMA), tuple(sealed))

    monkeypatch.setattr(policy_check, "release_periods", judge)

    def simulate(first: date, last: date) -> Judged:
        policy_check.check_policy(night, replace(night.cluster, policy=A_AND_B), first, last)
        return seen

    return simulate


def test_each_night_judges_the_day_before_and_months_when_they_are_final(
    judged: Callable[[date, date], Judged],
) -> None:
    found = judged(date(2026, 1, 31), date(2026, 2, 3))
    # January ends with the 31st and is final 24 h later; what was closed before the first night stays out.
    assert [periods for periods, _ in found.values()] == [
        [Period(date(2026, 1, 30), "day")], [Period(date(2026, 1, 31), "day")], [YEAR, JANUARY], [],
    ]  # fmt: skip


def test_a_month_is_judged_again_when_a_class_is_old_enough(judged: Callable[[date, date], Judged]) -> None:
    found = judged(date(2026, 4, 30), date(2026, 5, 2))
    # Class B shows January three months after its end, on 1 May; it shows no days and no years.
    assert [periods for periods, _ in found.values()] == [
        [Period(date(2026, 4, 29), "day")], [JANUARY, Period(date(2026, 4, 30), "day")], [],
    ]  # fmt: skip


def test_a_night_knows_what_the_nights_before_it_sealed_each_once(
    judged: Callable[[date, date], Judged],
) -> None:
    found = judged(date(2026, 1, 30), date(2026, 2, 1))
    assert [past for _, past in found.values()] == [
        [], ["same", "2026-01-30"], ["same", "2026-01-30", "2026-01-31"],
    ]  # fmt: skip
