"""Sentences and numbers in two languages."""

import re
from datetime import date, datetime
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.baseline import Change
from pipelines.domain.kpi_formulas import Definition
from pipelines.publish import words
from pipelines.publish.kpi_tables import GROUPS, group_of
from pipelines.publish.words import (
    age_words,
    change_text,
    contributors_key,
    day_text,
    figure_text,
    instant_text,
    reason_words,
    say,
    scale_of,
    share_text,
    signed_text,
    span_text,
    verdict_shown,
    vocabulary,
)
from pipelines.reference.kpis import kpi_book
from pipelines.schemas.streams import STREAMS

SOURCES = Path(words.__file__).parent
DYNAMIC = (
    "reason.", "process.", "status.", "sentence.", "mark.", "quality.", "severity.", "kpi.", "kpi_note.",
    "column.", "about.", "gap_reason.", "benchmark.position.", "unit.", "contributors.", "reason_of.",
    "zero.", "group.", "machine.", "change.", "liveness.ask.", "liveness.own.", "stream.",
    "benchmark.place.", "lacks.", "breakdown.", "trait.", "size.", "maturity.",
)  # fmt: skip


def test_every_sentence_has_both_languages_and_the_same_arguments() -> None:
    for key, sentence in vocabulary().items():
        assert set(sentence) == {"ko", "en"}, key
        named = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in sentence.values()]
        assert named[0] == named[1], key
        assert all(text.strip() == text != "" for text in sentence.values()), key


def test_every_sentence_is_used() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in [*SOURCES.glob("*.py"), *SOURCES.glob("templates/*.j2")]
    )
    unused = [
        key
        for key in vocabulary()
        if not key.startswith(DYNAMIC) and f"'{key}'" not in source and f'"{key}"' not in source
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("kpi", "value", "step", "shown"),
    [
        ("energy_kwh", 82518.0, 1.0, "82,518"),
        ("energy_kwh", 18437.2, None, "18,437"),
        ("energy_kwh", 3.25, None, "3.2"),
        ("energy_kwh", 3.35, None, "3.4"),
        ("energy_kwh", 0.0, None, "0.0"),
        ("energy_kwh", -1234.5, None, "−1,234"),
        ("co2e_kg", 34435.0, 1.0, "34.435"),
        ("co2e_kg", 7693.6, None, "7.694"),
        ("co2e_kg", 51234.0, None, "51.23"),
        ("oee", 0.65, 0.05, "65"),
        ("oee", 0.6525, None, "65.2"),
        ("oee", 0.6535, None, "65.4"),
        ("oee", 1.034, None, "103.4"),
        ("energy_kwh_per_unit", 4.25, 0.25, "4.25"),
        ("energy_kwh_per_unit", 420.0, 20.0, "420"),
        ("energy_kwh_per_unit", 4.1375, None, "4.138"),
        ("energy_kwh_per_unit", 4.1365, None, "4.136"),
        # Steps of two hours, and of a twelfth of an hour.
        ("mtbf_fe_s", 108_000.0, 7_200.0, "30"),
        ("mttr_fe_s", 5_100.0, 300.0, "1.42"),
    ],
)
def test_a_number_is_rounded_once_half_to_even(
    kpi: str, value: float, step: float | None, shown: str
) -> None:
    assert figure_text(kpi, value, step) == shown


@settings(max_examples=50, deadline=None)
@given(st.floats(min_value=-1e9, max_value=1e9))
def test_a_shown_number_is_within_half_a_digit_of_the_value(value: float) -> None:
    text = figure_text("energy_kwh", value)
    shown = float(text.replace(",", "").replace("−", "-"))
    digits = len(text.partition(".")[2])
    assert abs(shown - value) <= 0.5 * 10**-digits * (1 + 1e-9)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100%"), (0.999, "99%"), (0.97, "97%"), (0.001, "<1%"), (0.0, "0%"), (0.125, "12%")],
)
def test_a_share_is_full_only_where_it_is(share: float, shown: str) -> None:
    assert share_text(share) == shown


def test_neighbours_on_every_public_grid_can_be_told_apart() -> None:
    for definition in kpi_book().newest():
        for grid in definition.grids.values():
            texts = {figure_text(definition.kpi, n * grid.step, grid.step) for n in range(1, 40)}
            assert len(texts) == 39, (definition.kpi, grid.step)


@pytest.mark.parametrize("definition", kpi_book().newest(), ids=lambda definition: definition.kpi)
def test_every_kpi_of_the_catalogue_can_be_shown(definition: Definition) -> None:
    assert scale_of(definition.kpi).unit in vocabulary()
    assert group_of(definition) in GROUPS
    assert f"group.{group_of(definition)}" in vocabulary()


def test_every_stream_that_is_judged_has_a_name() -> None:
    assert {f"stream.{name}" for name in STREAMS if name != "profile"} <= set(vocabulary())


def test_what_a_zero_means_is_said_of_kpis_that_exist() -> None:
    said = {key.removeprefix("zero.") for key in vocabulary() if key.startswith("zero.")}
    assert said <= {d.kpi for d in kpi_book().newest() if d.formula.below}


@pytest.mark.parametrize(
    ("kpi", "value", "shown"),
    [
        ("process_defect_rate", 0.0213, "2.1"),  # per cent
        ("mtbf_fe_s", 112_680.0, "31.3"),  # 31.3 h
        ("mttr_fe_s", 1_500.0, "0.42"),  # 25 min
        ("co2e_t_per_unit", 0.000_123_4, "0.123"),  # kg
        ("order_lead_time_d", 13.43, "13.4"),
        ("jobs", 43.0, "43"),
        ("unit_cost_index", 1.05, "1.050"),
        ("transport_krw_per_tkm", 1234.4, "1,234"),
    ],
)
def test_a_kpi_is_shown_in_a_unit_that_people_use(kpi: str, value: float, shown: str) -> None:
    assert figure_text(kpi, value) == shown


def test_a_change_is_in_per_cent_and_of_a_share_in_points() -> None:
    assert change_text(0.15, in_points=False) == {"ko": "+15.0%", "en": "+15.0%"}
    assert change_text(-0.0121, in_points=True) == {"ko": "−1.2%p", "en": "−1.2 pp"}
    assert change_text(0.0, in_points=True)["en"] == "±0.0 pp"
    assert change_text(-0.0004, in_points=True)["en"] == "±0.0 pp"


def test_a_change_that_is_written_as_nothing_is_called_no_change() -> None:
    assert verdict_shown(Change(-0.0004, in_points=True, verdict="worse", reason=None)) == "same"
    assert verdict_shown(Change(0.0006, in_points=True, verdict="better", reason=None)) == "better"
    assert verdict_shown(Change(None, in_points=True, verdict=None, reason="no_baseline")) is None


def test_a_reason_names_its_element_and_what_a_zero_means() -> None:
    assert "출하 수량 없음" in str(reason_words("missing_element:shipped_quantity"))
    assert "No electricity readings" in str(reason_words("missing_element:energy_kwh"))
    assert "Negative: scrap quantity (SQ)" in str(reason_words("negative_element:sq"))
    assert "No failure" in str(reason_words("zero_denominator", "mtbf_fe_s"))
    assert "Denominator is zero" in str(reason_words("zero_denominator", "nee"))
    assert reason_words("something_new") is None


def test_a_span_of_days_names_the_year_once_where_it_can() -> None:
    first, last = date(2025, 10, 27), date(2025, 11, 2)
    assert span_text(first, last, "ko") == "2025년 10월 27일 – 11월 2일"
    assert span_text(first, last, "en") == "27 Oct – 2 Nov 2025"
    assert span_text(first, date(2026, 1, 1), "en") == "27 Oct 2025 – 1 Jan 2026"


def test_a_difference_carries_its_sign() -> None:
    assert signed_text("energy_kwh_per_unit", 0.321, 3) == "+0.321"
    assert signed_text("energy_kwh_per_unit", -0.832, 3) == "−0.832"
    assert signed_text("energy_kwh_per_unit", 0.0001, 3) == "±0.000"


def test_dates_follow_the_language() -> None:
    assert day_text(date(2025, 11, 10), "ko") == "2025년 11월 10일 (월)"
    assert day_text(date(2025, 11, 10), "en") == "Mon 10 Nov 2025"
    assert instant_text(datetime(2025, 11, 9, 7, 5), "en") == "Sun 9 Nov 07:05"  # noqa: DTZ001 - local text
    assert say("head.as_of", "ko", instant=datetime(2025, 11, 11, 3)) == "기준 시각 11월 11일 (화) 03:00"  # noqa: DTZ001


def test_an_age_is_told_in_its_two_largest_units() -> None:
    assert "3시간 15분" in age_words(195)
    assert "2 d 10 h" in age_words(58 * 60 + 19)
    assert "7 min" in age_words(7)


def test_an_exact_number_of_contributors_can_not_be_worded() -> None:
    assert contributors_key("fewer than 10") == "contributors.few"
    with pytest.raises(KeyError):
        contributors_key("7")


def test_a_missing_sentence_fails_the_build() -> None:
    with pytest.raises(KeyError):
        say("no.such.sentence", "ko")


def test_no_sentence_names_a_limit_of_the_policy() -> None:
    for key in ("sentence.withheld", "status.withheld", "benchmark.not_entitled", "benchmarks.lead"):
        assert not any(re.search(r"\d", text) for text in vocabulary()[key].values()), key
