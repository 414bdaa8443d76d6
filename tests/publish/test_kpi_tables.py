"""The KPI tables of pages: periods, before and after, what is left out, who sees what."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Any, Protocol

import polars as pl
import pytest

from pipelines.domain.cluster import BaselinePeriod
from pipelines.publish.build import build_content
from pipelines.publish.content import KpiLine, KpiTable, SiteContent, SiteInputs
from pipelines.publish.figures import Own
from pipelines.publish.released import baseline_month
from pipelines.publish.site import render_site
from pipelines.publish.words import figure_text, say, scale_of


class Parsed(Protocol):
    """What conftest.Page offers."""

    def text(self, language: str) -> str: ...


Pages = dict[str, Parsed]


def table_of(content: SiteContent, member: str, factory: str | None = None) -> KpiTable:
    found = next(m for m in content.members if m.member == member)
    if factory is None:
        return found.kpis
    return next(f.kpis for f in found.factories if f.factory == factory)


def line_of(table: KpiTable, kpi: str) -> KpiLine:
    return next(line for group in table.groups for line in group.lines if line.kpi == kpi)


def page_of(inputs: SiteInputs, audience: str, page: str = "index", **changes: Any) -> str:
    """Render one audience's page alone: the others' charts take their time."""
    content = build_content(dataclasses.replace(inputs, **changes))
    alone = dataclasses.replace(content, members=tuple(m for m in content.members if m.member == audience))
    return render_site(alone)[f"{audience}/{page}.html"].decode()


def test_a_line_has_day_month_year_baseline_and_change(content: SiteContent) -> None:
    line = line_of(table_of(content, "naru", "naru"), "units_per_worker_h")
    # Factory 2: 44.13 + 2 x 1.17 = 46.47 on the day, 2 % more in the month: 47.3994; baseline 40.
    assert line.day.value == pytest.approx(46.47)
    assert line.month.value == pytest.approx(47.3994)
    assert line.rolling.value == pytest.approx(46.0053)
    assert line.baseline.value == pytest.approx(40.0)
    assert line.change.value == pytest.approx(0.184985)
    assert (line.change.in_points, line.change.verdict) == (False, "better")


def test_the_member_reads_it_in_both_languages(pages: Pages) -> None:
    korean, english = (pages["naru/index.html"].text(language) for language in ("ko", "en"))
    assert "생산성 (P)" in korean
    assert "46.5 단위/시간" in korean
    assert "+18.5% 개선" in korean
    assert "2025년 10월 27일 – 11월 2일" in korean
    # 0.0213 + 2 x 0.0017 = 0.0247, in the month x 1.1 = 0.02717; baseline 0.029: 0.183 points less.
    assert "−0.2 pp better" in english
    assert "Productivity (P)" in english
    assert "27 Oct – 2 Nov 2025" in english


def test_a_total_is_not_compared_with_that_of_another_length(content: SiteContent) -> None:
    table = table_of(content, "naru", "naru")
    change = line_of(table, "energy_kwh").change
    assert (change.value, change.reason) == (None, "period_length_differs")
    assert line_of(table, "jobs").change.value == pytest.approx(0.225)  # a level: 49 people, 40 before


def test_nothing_can_be_said_in_per_cent_of_zero(content: SiteContent) -> None:
    change = line_of(table_of(content, "naru", "naru"), "order_lead_time_d").change
    assert (change.value, change.reason) == (None, "zero_baseline")


def test_a_null_says_why_and_a_zero_denominator_in_the_kpi_s_own_words(pages: Pages) -> None:
    korean, english = (pages["naru/index.html"].text(language) for language in ("ko", "en"))
    assert "평균 복구 시간 (고장 횟수로 나눔) ↓ 하루 · 잠정 – 고장 없음" in korean
    assert "First pass yield ↑ Day · Provisional – Too little measured" in english
    assert "100% 초과" in korean


def test_a_change_repeats_no_reason_that_a_figure_beside_it_gives(inputs: SiteInputs) -> None:
    lacking = pl.when(pl.col("kpi") == "availability").then(pl.lit("missing_element:apt_s"))
    baselines = inputs.baselines.with_columns(
        value=pl.when(pl.col("kpi") != "availability").then("value"), reason=lacking.otherwise("reason")
    )
    page = page_of(inputs, "naru", baselines=baselines)
    assert page.count('title="missing_element:apt_s">') == 2
    assert page.count("실제 생산 시간 (APT) 없음") == 1
    assert f'title="missing_element:apt_s"><span class="t" lang="ko">{say("missing.value", "ko")}' in page


def test_what_is_never_sent_stands_in_one_line_and_not_in_rows(content: SiteContent, pages: Pages) -> None:
    table = table_of(content, "naru", "naru")
    assert "unit_cost_index" in table.not_shared
    assert "load_factor" in table.not_shared
    shown = {line.kpi for group in table.groups for line in group.lines}
    assert shown.isdisjoint(table.not_shared)
    assert "cost" not in {group.group for group in table.groups}
    text = pages["naru/index.html"].text("en")
    assert re.search(r"Not shared: [^.]*Load factor", text)
    assert "Cost (C)" not in text


def test_a_machine_has_a_line_and_only_columns_that_somebody_fills(
    content: SiteContent, pages: Pages
) -> None:
    table = table_of(content, "naru", "naru")
    assert table.machine_columns == (("oee", "day"), ("mtbf_fe_s", "month"))
    assert [(line.machine, line.name) for line in table.machines] == [("m1", "주조기 1호"), ("m2", "m2")]
    # Factory 2: 0.5123 + 2 x 0.0131 = 0.5385, the second machine 0.0737 more.
    assert [line.figures[0].value for line in table.machines] == pytest.approx([0.5385, 0.6122])
    text = pages["naru/index.html"].text("ko")
    # 53.85 and 61.22 %, the first rounded half to even
    assert "주조기 1호 m1 OEE 53.8 % 측정률 94%" in text
    assert "m2 OEE 61.2 %" in text
    assert "평균 고장 간격 (이달) – 고장 없음" in text


def test_without_machines_in_the_profile_there_is_no_table_of_machines(inputs: SiteInputs) -> None:
    profiles = inputs.profiles.with_columns(pl.col("machines").list.head(0))
    assert 'id="machines-' not in page_of(inputs, "naru", profiles=profiles)


def test_without_a_baseline_the_page_says_so_and_has_no_empty_columns(inputs: SiteInputs) -> None:
    page = page_of(inputs, "naru", baselines=inputs.baselines.clear())
    assert say("kpis.no_baseline", "ko") in page
    assert say("column.kpi_change", "ko") not in page


def test_before_there_are_twelve_months_the_page_says_so(inputs: SiteInputs) -> None:
    young = page_of(inputs, "naru", kpis=inputs.kpis.filter(pl.col("period") != "rolling12"))
    assert say("kpis.no_rolling", "ko") in young
    assert f">{say('column.kpi_rolling', 'ko')}</span>" not in young


def test_a_changed_formula_is_another_figure(inputs: SiteInputs) -> None:
    newer = pl.when(pl.col("kpi") == "availability").then(pl.lit("2")).otherwise("definition_version")
    content = build_content(
        dataclasses.replace(inputs, kpis=inputs.kpis.with_columns(definition_version=newer))
    )
    change = line_of(table_of(content, "naru", "naru"), "availability").change
    assert (change.value, change.reason) == (None, "definition_version_differs")


def figures_of(table: KpiTable) -> Iterator[Own]:
    for group in table.groups:
        for line in group.lines:
            yield from (line.day, line.month, line.rolling, line.baseline)
    for machine in table.machines:
        yield from machine.figures


def test_no_page_but_its_owner_s_holds_a_kpi_of_a_member(content: SiteContent, pages: Pages) -> None:
    """Every KPI whose text only one member has stands on that member's pages only."""
    owners: dict[str, set[str]] = {}
    for member in content.members:
        tables = chain(*map(figures_of, (member.kpis, *(f.kpis for f in member.factories))))
        past = (figure for f in member.factories for day in f.days for figure in day.figures)
        for figure in chain(tables, past, member.figures, (c.own for c in member.comparisons)):
            if figure.value is not None:
                unit = say(scale_of(figure.kpi).unit, "en")
                owners.setdefault(f"{figure_text(figure.kpi, figure.value)} {unit}", set()).add(member.member)
    lone = {text: next(iter(of)) for text, of in owners.items() if len(of) == 1 and text[3].isdigit()}
    assert len(lone) > 50
    for name, page in pages.items():
        words = page.text("en")
        others = (text for text, owner in lone.items() if owner != name.split("/")[0])
        assert not [text for text in others if re.search(rf"(?<![\d.,]){re.escape(text)}", words)], name


def test_the_operator_reads_which_kpis_a_member_shares(content: SiteContent, pages: Pages) -> None:
    naru = next(s for s in content.operator.sharing if s.member == "naru")
    # That there was no failure (mttr) is a value: it isn't told.
    assert {"oee", "units_per_worker_h", "mttr_fe_s"} <= set(naru.shared)
    assert naru.too_little == ("first_pass_yield",)
    assert {"unit_cost_index", "load_factor"} <= set(naru.lacking)
    text = pages["operator/index.html"].text("en")
    assert "KPIs shared by members" in text
    assert "No failure" not in text
    silent = next(s for s in content.operator.sharing if s.member == "taeyang")
    assert "oee" in silent.lacking  # nothing on the day, and nothing of the month
    assert "energy_kwh" in silent.shared  # silent on the day, not in the month


def released(inputs: SiteInputs, *rows: tuple[date, date, str, float | None]) -> pl.DataFrame:
    """Return the ledger with OEE figures of months: (start, end, status, value)."""
    base = inputs.releases.filter(pl.col("kpi") == "oee").row(0, named=True)
    more = [
        {
            **base, "sequence": 1000 + n, "figure_id": f"changwon-demo/cluster/*/month/{start}/oee@1",
            "period": "month", "period_start": start, "period_end": end, "status": status, "value": value,
            "provisional": False, "grid_step": 0.05,
        }
        for n, (start, end, status, value) in enumerate(rows)
    ]  # fmt: skip
    return pl.concat([inputs.releases, pl.DataFrame(more, schema=inputs.releases.schema)])


def with_baseline(inputs: SiteInputs, start: date, end: date) -> Any:
    return dataclasses.replace(inputs.cluster, baseline=BaselinePeriod(start, end))


SEPTEMBER = (date(2025, 9, 1), date(2025, 10, 1))
OCTOBER = (date(2025, 10, 1), date(2025, 11, 1))


def test_the_operator_reads_released_months_only(inputs: SiteInputs) -> None:
    assert "2025년 10월" not in page_of(inputs, "operator", "benchmarks")
    page = page_of(inputs, "operator", "benchmarks", releases=released(inputs, (*OCTOBER, "published", 0.55)))
    assert '<span class="number">55</span>' in page
    assert "2025년 10월" in page
    assert say("released.no_baseline", "ko") in page


def test_the_cluster_s_change_is_that_of_two_released_figures(inputs: SiteInputs) -> None:
    ledger = released(inputs, (*SEPTEMBER, "published", 0.5), (*OCTOBER, "published", 0.6))
    cluster = with_baseline(inputs, *SEPTEMBER)
    page = page_of(inputs, "operator", "benchmarks", releases=ledger, cluster=cluster)
    assert "+10.0%p" in page  # 60 % - 50 %
    assert say("released.compared", "ko") in page


def test_of_a_withheld_baseline_month_nothing_is_compared(inputs: SiteInputs) -> None:
    ledger = released(inputs, (*SEPTEMBER, "withheld", None), (*OCTOBER, "published", 0.6))
    content = build_content(
        dataclasses.replace(inputs, releases=ledger, cluster=with_baseline(inputs, *SEPTEMBER))
    )
    line = next(li for t in content.operator.tables for f in t.families for li in f.lines if li.kpi == "oee")
    assert line.change is not None
    assert (line.change.value, line.change.reason) == (None, "withheld")


def test_a_baseline_month_that_was_never_released_gives_no_change(inputs: SiteInputs) -> None:
    ledger = released(inputs, (*OCTOBER, "published", 0.6))
    content = build_content(
        dataclasses.replace(inputs, releases=ledger, cluster=with_baseline(inputs, *SEPTEMBER))
    )
    line = next(li for t in content.operator.tables for f in t.families for li in f.lines if li.kpi == "oee")
    assert line.change is not None
    assert line.change.reason == "no_baseline"


@pytest.mark.parametrize(
    ("period", "month"),
    [
        (BaselinePeriod(date(2025, 2, 1), date(2025, 3, 1)), date(2025, 2, 1)),
        (BaselinePeriod(date(2025, 12, 1), date(2026, 1, 1)), date(2025, 12, 1)),
        (BaselinePeriod(date(2025, 2, 1), date(2025, 2, 28)), None),
        (BaselinePeriod(date(2025, 2, 2), date(2025, 3, 1)), None),
        (BaselinePeriod(date(2025, 2, 1), date(2025, 4, 1)), None),
        (None, None),
    ],
)
def test_only_a_whole_month_can_be_in_the_ledger(period: BaselinePeriod | None, month: date | None) -> None:
    assert baseline_month(period) == month
