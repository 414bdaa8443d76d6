"""What each audience reads, taken from the rendered pages."""

import dataclasses
import re
from typing import Any, Protocol

import polars as pl
import pytest

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.build import build_content
from pipelines.publish.content import SiteContent, SiteInputs
from pipelines.publish.site import render_site
from pipelines.publish.words import say


class Parsed(Protocol):
    """What conftest.Page offers."""

    links: list[str]
    ids: list[str]
    elements: list[tuple[str, dict[str, str | None]]]

    def text(self, language: str) -> str: ...


Pages = dict[str, Parsed]
MEMBERS = {"garam", "naru", "dasom", "saebyeok", "areum", "jangsan", "taeyang"}
# Each factory's own figures of the closed day, as its page writes them.
OWN = {
    "garam": ("18,437", "9,282", "4.137", "4.862", "27,719"),
    "naru": ("14,954", "3.418"),
    "dasom": ("11,628", "4.571"),
    "saebyeok": ("7,316", "1.176"),
    "areum": ("5,895", "0.897"),
    "jangsan": ("6,243", "1.043"),
}


def rendered(inputs: SiteInputs, **changes: Any) -> dict[str, str]:
    pages = render_site(build_content(dataclasses.replace(inputs, **changes)))
    return {name: page.decode() for name, page in pages.items() if name.endswith(".html")}


def test_every_audience_has_a_folder_of_its_own(files: dict[str, bytes]) -> None:
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders == MEMBERS | {"operator"}
    assert {name for name in files if "/" not in name} == {
        "index.html",
        "style.css",
        "language.js",
        "icon.svg",
    }


def test_the_operator_reads_the_cluster_s_day(pages: Pages) -> None:
    text = pages["operator/index.html"].text("ko")
    assert "2025년 11월 10일 (월) 잠정" in text
    assert "82,518 kWh" in text
    assert "34.435 tCO2e" in text
    assert "65 %" in text
    assert "참여 기업군 10 미만" in text
    assert "측정률 97%" in text
    english = pages["operator/index.html"].text("en")
    assert "Mon 10 Nov 2025 Provisional" in english
    assert "Contributors fewer than 10" in english


def test_what_went_wrong_comes_first_and_gaps_before_all(pages: Pages) -> None:
    text = pages["operator/index.html"].text("en")
    order = [
        "New gaps in the offsets (1): factory.naru.energy",
        "(1): taeyang",
        "Dead letters of the last 8 days: 22",
    ]
    places = [text.index(sentence) for sentence in order]
    assert places == sorted(places)
    assert places[-1] < text.index("82,518")


def test_a_gap_of_an_earlier_night_is_listed_but_is_no_news(pages: Pages) -> None:
    text = pages["operator/index.html"].text("en")
    assert "[1200, 1288)" in text
    assert "[40, end unknown )" in text
    assert "Earlier Thu 6 Nov 03:00" in text
    assert "factory.areum.counts" not in text[: text.index("Offsets that could not be read")]


def test_a_quiet_night_says_so(inputs: SiteInputs) -> None:
    alive = inputs.liveness.with_columns(last_event=pl.lit(inputs.nominal).dt.convert_time_zone("UTC"))
    published = inputs.releases.filter(pl.col("status") == "published")
    profiles = inputs.profiles.filter(pl.col("process") != "heat_treatment")
    pages = rendered(
        inputs,
        liveness=alive,
        report=inputs.report.filter(pl.col("reasons").is_null()),
        gaps=inputs.gaps.clear(),
        dead_letters=inputs.dead_letters.clear(),
        releases=published,
        profiles=profiles,
    )
    assert say("notice.none", "ko") in pages["operator/index.html"]
    assert 'class="notice notice-warning"' not in pages["operator/index.html"]


def test_the_operator_sees_deliveries_and_no_member_s_value(pages: Pages) -> None:
    page = pages["operator/index.html"]
    text = page.text("ko")
    assert "dasom" in text
    assert "83%" in text
    assert "알 수 없는 단위 14" in text
    assert "11월 8일 (토) 16:41" in text
    assert "2일 10시간" in text
    for own in OWN.values():
        assert not [value for value in own if value in text]
    assert "가람 1공장" not in text  # a factory's own name of itself is for its own pages


def test_a_message_of_a_gateway_is_nobody_s_but_the_gateway_s(pages: Pages) -> None:
    text = pages["operator/index.html"].text("en")
    assert "gateway.changwon-west.energy" in text
    assert "Another tenant's factory 5" in text


@pytest.mark.parametrize("member", sorted(OWN))
def test_a_member_reads_its_own_figures_and_nobody_else_s(member: str, pages: Pages) -> None:
    text = pages[f"{member}/index.html"].text("ko")
    assert all(value in text for value in OWN[member])
    others = [value for other, own in OWN.items() if other != member for value in own]
    assert not [value for value in others if re.search(rf"(?<![\d.,]){re.escape(value)}(?![\d.,])", text)]
    assert not [other for other in MEMBERS - {member} if other in text]
    assert "factory.naru.energy" not in text


def test_the_chart_of_a_member_holds_no_other_member_s_row(
    inputs: SiteInputs, files: dict[str, bytes]
) -> None:
    """Dropping everybody else's rows changes no byte of the member's pages."""
    mine = pl.col("factory").is_in(["naru"])
    alone = rendered(
        inputs,
        facts_energy=inputs.facts_energy.filter(mine),
        facts_machine=inputs.facts_machine.filter(mine),
        kpis=inputs.kpis.filter(pl.col("subject").str.contains("^naru(/|$)")),
        baselines=inputs.baselines.filter(pl.col("subject") == "naru"),
        emissions=inputs.emissions.filter(mine),
        profiles=inputs.profiles.filter(mine),
        liveness=inputs.liveness.filter(mine),
        report=inputs.report.filter(mine),
        dead_letters=inputs.dead_letters.filter(mine),
        gaps=inputs.gaps.clear(),
    )
    for page in ("naru/index.html", "naru/about.html"):
        assert alone[page].encode() == files[page]


def test_no_value_chart_rank_or_payload_of_a_member_reaches_the_operator(
    inputs: SiteInputs, files: dict[str, bytes]
) -> None:
    """With every number of every member turned about, no byte of any of the operator's files changes."""
    numbers = ("numerator", "denominator", "value", "coverage")

    def turned(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        # Other sizes in another order; what is unknown stays unknown.
        return frame.with_columns((1_000_003.7 - pl.col(n)).alias(n) for n in columns)

    other = render_site(
        build_content(
            dataclasses.replace(
                inputs,
                kpis=turned(inputs.kpis, *numbers),
                baselines=turned(inputs.baselines, "value"),
                facts_energy=turned(inputs.facts_energy, "quantity"),
                facts_machine=turned(inputs.facts_machine, "apt_s"),
                emissions=turned(inputs.emissions, "co2e_kg", "energy_kwh"),
                report=inputs.report.with_columns(expected=pl.lit(1.0), received=pl.lit(1, pl.Int64)),
            )
        )
    )
    changed = {name for name in files.keys() | other.keys() if files.get(name) != other.get(name)}
    assert {name.split("/")[0] for name in changed} == MEMBERS
    assert [name for name in files if name.startswith("operator/")]


def test_the_operator_reads_questions_without_evidence_most_pressing_first(pages: Pages) -> None:
    text = pages["operator/index.html"].text("en")
    asked = text[text.index("Is the data alive") :]
    # Dasom and taeyang have 60 each: by id. Naru's is of an earlier day.
    told = "dasom Member Dasom Foundry To ask Is a meter assigned to the right factory?"
    assert asked.index(told) < asked.index("Is the gateway still connected?")
    assert "Was a day sent twice?" not in asked
    assert "Factories with a question about their data (2): dasom, taeyang" in text
    assert "물어볼 것이 있는 사업장 2곳: dasom, taeyang" in pages["operator/index.html"].text("ko")
    for secret in ("dasom-furnace", "another factory", "23 "):
        assert secret not in asked.split("Show the streams")[0]


def test_no_evidence_reaches_the_operator(inputs: SiteInputs, files: dict[str, bytes]) -> None:
    """With other evidence, counts and meters the operator's pages stay as they are."""
    other = inputs.report.with_columns(
        evidence=pl.when(pl.col("reasons").is_not_null()).then(pl.lit("{}")),
        expected=pl.lit(1.0),
        received=pl.lit(1, pl.Int64),
        source=pl.when(pl.col("source") == "*").then(pl.lit("*")).otherwise(pl.lit("other")),
    )
    content = build_content(dataclasses.replace(inputs, report=other)).operator
    assert content.asked == build_content(inputs).operator.asked
    assert b"another factory" not in files["operator/index.html"]


def test_a_member_reads_its_own_evidence_as_questions(pages: Pages) -> None:
    naru, dasom = (pages[f"{m}/index.html"].text("en") for m in ("naru", "dasom"))
    # Two meters, one question; what its own day resembles is named.
    assert (
        "Fri 7 Nov naru Energy naru-furnace, naru-main: the readings of Fri 7 Nov 2025 equal those of "
        "Wed 5 Nov 2025, hour by hour. Was a day sent twice?" in naru
    )
    assert "하루치가 두 번 보내졌습니까?" in pages["naru/index.html"].text("ko")
    # Of another factory it learns that sentence, and nothing more.
    assert "Mon 10 Nov 2025 equal those of another factory. Is the meter assigned" in dasom
    silent = pages["taeyang/index.html"].text("en")
    assert "nothing arrived from Sat 8 Nov 16:41 to the end of Mon 10 Nov 2025" in silent
    assert "Questions about our data" not in pages["garam/index.html"].text("en")


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ('{"silent":{"last_event":null}}', "nothing arrived in the month up to"),
        (
            '{"few_events":{"expected":1440,"received":1000}}',
            "1,000 of about 1,440 events of Mon 10 Nov 2025",
        ),
        (
            '{"flat_line":{"from":"2025-11-10T00:00:00Z","hours":6,"zero":false}}',
            "6 hours from Mon 10 Nov 09:00",
        ),
        ('{"flat_line":{"from":"2025-11-10T00:00:00Z","hours":6,"zero":true}}', "did not move for 6 hours"),
        ('{"no_shift_pattern":{"days":3}}', "in and out of the shifts on 3 working days"),
        ('{"ghost":{"events":9,"in_profile":false}}', "it sent on Mon 10 Nov 2025 but is in no profile"),
        ('{"ghost":{"hours":4,"meter":"m-1"}}', "worked for 4 hours on Mon 10 Nov 2025 while its meter m-1"),
        ('{"zero_run":{"days_before":6,"hours":24}}', "though it moved on the 6 days like it before"),
    ],
)
def test_every_reason_has_its_question(inputs: SiteInputs, evidence: str, told: str) -> None:
    reason = evidence.split('"')[1]
    report = inputs.report.with_columns(
        reasons=pl.when(factory="dasom").then(pl.lit(reason)),
        evidence=pl.when(factory="dasom").then(pl.lit(evidence)),
    )
    page = rendered(inputs, report=report)["dasom/index.html"]
    assert told in page


def test_what_lasts_is_asked_once(inputs: SiteInputs) -> None:
    silent = inputs.report.filter(factory="taeyang")
    before = silent.with_columns(day=pl.col("day") - pl.duration(days=1))
    page = rendered(inputs, report=pl.concat([silent, before]))["taeyang/index.html"]
    assert page.count("nothing arrived from") == 1


def test_a_member_stands_beside_the_published_reference(pages: Pages) -> None:
    naru, dasom, jangsan = (pages[f"{m}/index.html"].text("en") for m in ("naru", "dasom", "jangsan"))
    # 3.418 - 4.25 = -0.832, more than a step of 0.25 below
    assert "Better Gap to the reference −0.832" in naru
    # 4.571 - 4.25 = 0.321, more than a step above
    assert "Worse Gap to the reference +0.321" in dasom
    # 1.043 - 1.05 = -0.007, within a step of 0.05
    assert "About the same Gap to the reference −0.007" in jangsan


def test_who_gave_nothing_sees_what_is_missing_instead_of_the_benchmark(pages: Pages) -> None:
    text = pages["taeyang/index.html"].text("en")
    assert "What is missing: taeyang: energy used is missing (stream: Energy)." in text
    assert "Published reference" not in text


def test_a_missing_number_is_a_dash_with_a_word_and_never_zero(pages: Pages) -> None:
    text = pages["taeyang/index.html"].text("ko")
    assert "– 전력 자료 없음" in text
    assert "– 자료 없음" in text
    assert not re.search(r"(?<![\d.,:])0(\.0+)? kWh", text)


def test_missing_hours_are_named_and_counted(pages: Pages) -> None:
    assert "24시간 가운데 3시간의 전력 사용량을 알 수 없습니다" in pages["garam/index.html"].text("ko")
    assert "612 kWh" in pages["garam/index.html"].text("ko")


def test_a_sub_meter_never_enters_an_hour(content: SiteContent) -> None:
    for member in content.members:
        for factory in member.factories:
            assert all(hour.energy_kwh is None or hour.energy_kwh < 2000 for hour in factory.hours)


def test_an_hour_is_missing_when_one_main_meter_is(inputs: SiteInputs, content: SiteContent) -> None:
    garam = next(m for m in content.members if m.member == "garam")
    first = next(f for f in garam.factories if f.factory == "garam-1")
    assert [hour.start.hour for hour in first.hours if hour.energy_kwh is None] == [3, 4, 13]
    assert [hour.start.hour for hour in first.hours if hour.quality == "interpolated"] == [14, 15]
    assert len(first.hours) == 24
    assert inputs.nominal.tzinfo is not None


def test_withheld_is_one_sentence_and_names_no_limit(pages: Pages) -> None:
    for language in ("ko", "en"):
        sentence = say("sentence.withheld", language)
        assert not re.search(r"\d", sentence)
        assert sentence in pages["operator/index.html"].text(language)
        for name, page in pages.items():
            text = page.text(language)
            assert not re.search(r"dominance|min_contributors|우월|임계|3개사|at least 3", text), name
    assert "0.784" not in pages["operator/index.html"].text("ko")


def test_each_status_looks_its_own_way(inputs: SiteInputs) -> None:
    oee = pl.col("kpi") == "oee"
    today = oee & (pl.col("period_start") == inputs.day)
    seen = {}
    for status in ("withheld", "not_estimable", "insufficient_coverage"):
        releases = inputs.releases.with_columns(
            status=pl.when(today).then(pl.lit(status)).otherwise("status"),
            value=pl.when(today).then(None).otherwise("value"),
        )
        seen[status] = rendered(inputs, releases=releases)["operator/index.html"]
        assert say(f"sentence.{status}", "ko") in seen[status]
    seen["absent"] = rendered(inputs, releases=inputs.releases.filter(~today))["operator/index.html"]
    assert say("sentence.absent", "ko") in seen["absent"]
    assert len(set(seen.values())) == 4


def test_a_value_of_a_withheld_figure_is_never_shown(inputs: SiteInputs) -> None:
    leaky = inputs.releases.with_columns(
        value=pl.when(pl.col("group") == "heat_treatment").then(0.784).otherwise("value")
    )
    pages = rendered(inputs, releases=leaky)
    assert all("0.784" not in page for name, page in pages.items() if not name.startswith("taeyang/"))


def test_the_newest_revision_is_shown(content: SiteContent) -> None:
    energy = content.operator.figures[0]
    assert energy.days[0].value == 79119.0
    assert energy.days[0].revision == 2


def test_the_factor_is_named_with_how_far_it_was_carried(pages: Pages) -> None:
    for name in ("operator/index.html", "naru/index.html"):
        assert (
            "Emission factor kr-grid-consumption-2023 · 0.4173 kgCO2e/kWh · "
            "Carried forward 2 years, provisional" in pages[name].text("en")
        )


def test_a_day_with_summer_time_has_its_own_number_of_hours(inputs: SiteInputs) -> None:
    profiles = inputs.profiles.with_columns(zone=pl.lit("Europe/Berlin"))
    spring = dataclasses.replace(inputs, profiles=profiles, day=pl.Series(["2025-03-30"]).str.to_date()[0])
    cluster = dataclasses.replace(
        spring.cluster,
        factories=tuple(dataclasses.replace(f, joined=spring.day) for f in spring.cluster.factories),
    )
    content = build_content(dataclasses.replace(spring, cluster=cluster))
    assert {len(f.hours) for m in content.members for f in m.factories} == {23}


def test_a_page_without_any_row_is_still_a_page(inputs: SiteInputs) -> None:
    nothing = {
        field: getattr(inputs, field).clear()
        for field in (
            "releases", "kpis", "baselines", "facts_energy", "facts_machine", "emissions", "profiles",
            "liveness", "dead_letters", "gaps", "report",
        )
    }  # fmt: skip
    pages = rendered(inputs, **nothing)
    assert "–" in pages["operator/index.html"]
    assert "미집계" in pages["naru/index.html"]


def test_a_member_called_operator_is_refused(inputs: SiteInputs) -> None:
    members = (dataclasses.replace(inputs.cluster.members[0], member="operator"),)
    with pytest.raises(OperatorError) as refused:
        build_content(
            dataclasses.replace(inputs, cluster=dataclasses.replace(inputs.cluster, members=members))
        )
    assert refused.value.code is ExitCode.INCONSISTENT


def test_names_are_words_not_markup(inputs: SiteInputs) -> None:
    hostile = "<script>alert(1)</script>"
    members = tuple(dataclasses.replace(m, name_ko=hostile, name_en=hostile) for m in inputs.cluster.members)
    cluster = dataclasses.replace(inputs.cluster, members=members, name_ko=hostile)
    letters = inputs.dead_letters.with_columns(reason=pl.lit(hostile))
    profiles = inputs.profiles.with_columns(name=pl.lit(hostile), process=pl.lit(hostile))
    for page in rendered(inputs, cluster=cluster, dead_letters=letters, profiles=profiles).values():
        assert hostile not in page


def test_no_link_leaves_its_folder_and_nothing_is_fetched(files: dict[str, bytes], pages: Pages) -> None:
    for name, page in pages.items():
        folder = name.rpartition("/")[0]
        for link in page.links:
            assert not re.match(r"[a-z]+:|//|/", link), f"{name} -> {link}"
            target, _, anchor = link.partition("#")
            if target:
                assert ".." not in target
                assert (f"{folder}/{target}" if folder else target) in files, f"{name} -> {link}"
            if anchor:
                there = pages[f"{folder}/{target}"] if target else page
                assert anchor in there.ids, f"{name} -> {link}"
    for name, page in files.items():
        if not name.endswith(".svg"):
            assert b"http:" not in page, name
            assert b"https:" not in page, name
        assert b"@import" not in page


def test_pages_can_be_read_by_a_screen_reader(pages: Pages) -> None:
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        for tag, attributes in page.elements:
            if tag == "th":
                assert attributes.get("scope") in {"row", "col", "rowgroup"}, name
            if tag == "figure":
                assert attributes["aria-labelledby"] in page.ids, name
            if tag == "img":
                assert "alt" in attributes, name
            if tag == "svg":
                assert attributes["aria-hidden"] == "true", name
            labelled = attributes.get("aria-labelledby")
            assert labelled is None or labelled in page.ids, name
        assert ("html", {"lang": "ko"}) in page.elements
        assert sum(tag == "h1" for tag, _ in page.elements) == 1


def test_both_languages_say_the_same_number_of_things(pages: Pages) -> None:
    for name, page in pages.items():
        marked = [a["lang"] for _, a in page.elements if "t" in (a.get("class") or "").split()]
        assert marked.count("ko") == marked.count("en") > 0, name
