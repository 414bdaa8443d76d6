"""Charts: deterministic, wordless, honest about what is missing."""

import re

from pipelines.publish.charts import Bar, bar_chart, comparison_chart

BARS = [Bar("0", 12.0, True), Bar("", None, True), Bar("2", 30.0, False), Bar("3", 0.0, True)]


def test_the_same_bars_give_the_same_bytes() -> None:
    assert bar_chart(BARS, "a", 300, 120) == bar_chart(BARS, "a", 300, 120)


def test_ids_of_two_charts_of_a_page_never_meet() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', bar_chart(BARS, name, 300, 120))) for name in ("a", "b")]
    assert ids[0].isdisjoint(ids[1])
    drawing = bar_chart(BARS, "a", 300, 120)
    assert all(
        name.startswith("a-")
        for name in re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", drawing)[0]
        if name
    )


def test_a_missing_hour_is_hatched_and_a_zero_hour_is_not() -> None:
    hatched = bar_chart(BARS, "a", 300, 120)
    whole = bar_chart([bar for bar in BARS if bar.height is not None], "a", 300, 120)
    assert "url(#a-h" in hatched
    assert "url(#a-h" not in whole


def test_the_text_of_a_chart_is_numerals_only() -> None:
    for drawing in (
        bar_chart(BARS, "a", 300, 120),
        comparison_chart("4.137", "4.25", "0.25", "c", 300, 80),
    ):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawing)
        assert texts
        assert all(re.fullmatch(r"[\d.,−-]*", text) for text in texts), texts


def test_a_chart_brings_nothing_from_elsewhere_and_restyles_nothing() -> None:
    drawing = bar_chart(BARS, "a", 300, 120)
    for foreign in ("http", "<style", "<script", "<metadata", "<!DOCTYPE", "<?xml", "font-family", "xlink"):
        assert foreign not in drawing


def test_bars_of_nothing_known_have_no_numbers_to_mislead() -> None:
    drawing = bar_chart([Bar("0", None, True), Bar("1", None, True)], "a", 300, 120)
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawing) == ["0", "1"]


def test_an_own_value_far_from_the_reference_is_still_inside() -> None:
    drawing = comparison_chart("40", "4.25", "0.25", "c", 300, 80)
    width = float(re.findall(r'viewBox="0 0 ([\d.]+)', drawing)[0])
    assert all(0 <= float(x) <= width for x in re.findall(r'<text[^>]* x="([\d.-]+)"', drawing))
