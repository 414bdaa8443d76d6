"""What the operator and the members read of benchmarks: spreads, trends, names, and what is not shown."""

import dataclasses
import re
from typing import Any

import polars as pl
import pytest

from pipelines.domain.entitlement import Missing
from pipelines.publish.build import build_content
from pipelines.publish.content import OwnBenchmark, SiteContent, SiteInputs
from pipelines.publish.member_benchmarks import before, shown_periods
from pipelines.publish.site import render_site
from pipelines.publish.words import group_words, say
from tests.publish.conftest import DAY, MONTH, Page


def operator_text(pages: dict[str, Page], language: str = "en") -> str:
    return pages["operator/benchmarks.html"].text(language)


def text_of(inputs: SiteInputs, name: str, **changes: Any) -> str:
    return Page(render_site(build_content(dataclasses.replace(inputs, **changes)))[name].decode()).text("en")


def own(content: SiteContent, member: str, breakdown: str, kpi: str, period: str = "month") -> OwnBenchmark:
    page = next(m for m in content.members if m.member == member)
    table = next(t for t in page.tables if t.breakdown == breakdown)
    lines = [line for family in table.families for line in family.lines if line.kpi == kpi]
    assert len(lines) == 1, (member, breakdown, kpi)
    return lines[0].periods[period]


def test_the_operator_reads_centre_spread_trend_and_name(pages: dict[str, Page]) -> None:
    text = operator_text(pages)
    assert (
        "Availability Closed day – No figure Latest month 80 % 95% interval 70–90 · "
        "Quartiles 75 ( 65–80 ), 85 ( 80–95 ) · Same members 75 → 80 · Named reference Naru Castings 79 · "
        "Nov 2025 · Coverage 97% · Contributors: 10+" in text
    )
    assert (
        "95% 구간 70–90 · 사분위 75 ( 65–80 ), 85 ( 80–95 ) · 같은 회원사 75 → 80 · 등대공장 나루주조 79 · "
        "2025년 11월 · 측정률 97% · 참여 기업군 10 이상" in operator_text(pages, "ko")
    )
    assert "Contributors: fewer than 10 · Provisional" in text


def test_a_withheld_trend_looks_withheld_beside_its_figure(pages: dict[str, Page]) -> None:
    assert re.search(r"Latest month 95 % Same members – Withheld", operator_text(pages))


def test_tables_stand_by_breakdown_with_anchors_and_counts(pages: dict[str, Page]) -> None:
    page = pages["operator/benchmarks.html"]
    for breakdown in ("cluster", "process", "size"):
        assert f"#benchmarks-{breakdown}" in page.links
        assert f"benchmarks-{breakdown}" in page.ids
    text = operator_text(pages)
    # Of everybody: three figures of the day, three of the month of which one is too little measured.
    assert "Whole cluster 5 of 6 published By process 3 of 5 published By size 1 of 2 published" in text
    assert (
        text.index("By size 1 of 2")
        < text.index("Electricity per unit Casting")
        < text.index("Availability Small")
    )


def test_what_has_no_number_in_a_breakdown_is_folded_with_its_status(pages: dict[str, Page]) -> None:
    text = operator_text(pages)
    assert "Lines without any published figure: 1" in text
    folded = text[text.index("Lines without any published figure: 1") :]
    assert re.search(r"First pass yield.*? – No figure – Too little measured", folded)


def test_withheld_is_explained_once_in_one_sentence(pages: dict[str, Page]) -> None:
    for language in ("en", "ko"):
        for name in ("operator/benchmarks.html", "garam/benchmarks.html"):
            assert pages[name].text(language).count(say("sentence.withheld", language)) == 1


def test_a_member_stands_in_a_third_where_thirds_are_published(
    content: SiteContent, pages: dict[str, Page]
) -> None:
    # Naru: (0.8123 - 2 x 0.0111) x 1.01 = 0.798: between 0.75 and 0.85; the centre is 0.80.
    naru = own(content, "naru", "cluster", "availability")
    assert naru.standing is not None
    assert (naru.standing.place, naru.own.value) == ("middle", pytest.approx(0.798, abs=1e-3))
    # Taeyang: (0.8123 - 7 x 0.0111) x 1.01 = 0.742 is below the first third; of the month it sent enough.
    taeyang = own(content, "taeyang", "cluster", "availability")
    assert taeyang.standing is not None
    assert taeyang.standing.place == "worse"
    text = pages["naru/benchmarks.html"].text("en")
    assert (
        "79.8 % middle Reference 80 % · Gap to the reference −0.2 pp Thirds at 75 , 85 · 95% interval" in text
    )


def test_without_thirds_a_grid_step_decides(content: SiteContent) -> None:
    # Areum, small: (0.8123 - 5 x 0.0111) x 1.01 = 0.764, within 0.05 of 0.75.
    areum = own(content, "areum", "size", "availability")
    assert areum.standing is not None
    assert areum.standing.place == "same"


def test_of_several_factories_sums_come_first(content: SiteContent) -> None:
    # Garam 1 and 2 in the whole cluster: (0.8123 + 0.8012) x 1.01 / 2, both of one denominator.
    garam = own(content, "garam", "cluster", "availability")
    assert garam.own.value == pytest.approx((0.8123 + 0.8012) * 1.01 / 2)


def test_the_own_trend_is_that_of_the_same_factories(content: SiteContent) -> None:
    # The day before DAY drifts by 2 % of day 4: OEE / 1.02 against OEE / 1.03.
    oee = own(content, "naru", "cluster", "oee", "day")
    assert (oee.previous, oee.own.value) == (pytest.approx(0.7346 / 1.02), pytest.approx(0.7346 / 1.03))


def test_a_member_reads_of_its_own_groups_only(pages: dict[str, Page]) -> None:
    for member, there, elsewhere in (
        ("areum", "Availability ↑ Small", "Medium"),
        ("naru", "Casting", "Metal forming"),
    ):
        text = pages[f"{member}/benchmarks.html"].text("en")
        assert there in text
        assert elsewhere not in text


def test_who_did_not_contribute_reads_what_is_missing_and_no_figure(
    content: SiteContent, pages: dict[str, Page]
) -> None:
    taeyang = next(m for m in content.members if m.member == "taeyang")
    (table,) = (t for t in taeyang.tables if t.breakdown == "cluster")
    lacking = {one.missing: one.kpis for one in table.not_shown}
    assert lacking[Missing("taeyang", "stream", "energy_kwh")] == ("oee", "energy_kwh", "co2e_kg")
    assert not [li for family in table.families for li in family.lines if li.kpi == "oee"]
    text = pages["taeyang/benchmarks.html"].text("en")
    assert "taeyang: energy used is missing (stream: Energy). OEE , Electricity , Emissions" in text
    assert "65 %" not in text
    assert "82,518" not in text


@pytest.mark.parametrize("value", [0.45, 0.9])
def test_no_byte_of_a_figure_reaches_a_member_that_did_not_contribute(
    inputs: SiteInputs, files: dict[str, bytes], value: float
) -> None:
    """Whatever the figures of the day are, pages, charts and titles of taeyang stay as they are."""
    today = (pl.col("period_start") == DAY) & (pl.col("status") == "published")
    other = inputs.releases.with_columns(
        value=pl.when(today).then(pl.col("value") * value).otherwise("value"),
        interval_low=pl.when(today).then(0.1).otherwise("interval_low"),
    )
    pages = render_site(build_content(dataclasses.replace(inputs, releases=other)))
    changed = {name for name, page in pages.items() if page != files[name]}
    assert "naru/index.html" in changed
    assert not [name for name in changed if name.startswith("taeyang/")]


def test_too_little_coverage_hides_a_figure_and_says_how_little(inputs: SiteInputs) -> None:
    of_naru = (pl.col("subject") == "naru") & (pl.col("kpi") == "oee") & (pl.col("day") == DAY)
    kpis = inputs.kpis.with_columns(coverage=pl.when(of_naru).then(0.42).otherwise("coverage"))
    text = text_of(inputs, "naru/benchmarks.html", kpis=kpis)
    assert (
        "naru: too little of the time was measured (42%)." not in text
    )  # one sentence per lack, not per share
    assert "naru: too little of the time was measured. OEE" in text


def test_who_joined_in_mid_month_waits_for_the_next(inputs: SiteInputs) -> None:
    late = tuple(
        dataclasses.replace(f, joined=DAY) if f.factory == "naru" else f for f in inputs.cluster.factories
    )
    page = text_of(
        inputs, "naru/benchmarks.html", cluster=dataclasses.replace(inputs.cluster, factories=late)
    )
    assert "4.25" not in page
    assert "naru: not in the group in that month" in page


def test_an_older_month_of_class_b_is_named_by_its_month(inputs: SiteInputs) -> None:
    """Each figure shows its own newest month."""
    older = inputs.releases.with_columns(
        pl.when(pl.col("kpi") == "quality_ratio")
        .then(pl.lit(MONTH).dt.offset_by("-3mo"))
        .otherwise(pl.col(n))
        .alias(n)
        for n in ("period_start",)
    )
    assert "Aug 2025" in text_of(inputs, "operator/benchmarks.html", releases=older)


def test_the_periods_beside_released_ones_and_those_before_are_asked_for(inputs: SiteInputs) -> None:
    periods = shown_periods(inputs.releases, DAY)
    assert periods == {
        ("day", DAY), ("day", before("day", DAY)), ("month", MONTH), ("month", before("month", MONTH)),
    }  # fmt: skip
    assert before("rolling12", before("month", MONTH)).isoformat() == "2025-09-01"


def test_strips_hold_no_more_than_positions(files: dict[str, bytes]) -> None:
    page = files["naru/benchmarks.html"].decode()
    strips = re.findall(r'<svg class="strip".*?</svg>', page)
    assert strips
    assert "0.79" not in "".join(strips)
    assert "<circle cx=" in strips[0]
    assert "<circle" not in "".join(
        re.findall(r'<svg class="strip".*?</svg>', files["operator/benchmarks.html"].decode())
    )


def test_groups_of_several_traits_are_named_by_all_of_them() -> None:
    assert "Casting" in group_words("process-size", "casting+small")
    assert "Small" in group_words("process-size", "casting+small")
    assert group_words("region", "gyeongnam-3") == "<code>gyeongnam-3</code>"
