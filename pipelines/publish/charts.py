"""Charts as inline SVG: numerals only as text, so that the language switch needs no second chart.

Belongs here: drawing, and making the drawing deterministic and fit to stand in a page. Does not belong here:
captions, legends, which values may be drawn.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK = "#1d2733"
MUTED = "#566273"
LINE = "#d9dfe6"
KNOWN = "#0f6170"
PARTIAL = "#b9dbe0"
GAP_FACE = "#f1f3f5"
GAP_HATCH = "#aab3be"
BAND = "#f0dcb4"
REFERENCE = "#8a5a00"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "digital-cluster",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "hatch.linewidth": 0.8,
    "hatch.color": GAP_HATCH,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": LINE,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "path.simplify": False,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_POINTS_PER_INCH = 72
_PAD_INCH = 2 / _POINTS_PER_INCH


@dataclass(frozen=True)
class Bar:
    """A bar: the label under it (empty: none), its height (null: not known), whether it is whole.

    `whole` false draws it lighter: an hour that was interpolated, a day that is provisional.
    """

    label: str
    height: float | None
    whole: bool


def bar_chart(
    bars: Sequence[Bar], chart_id: str, width: int, height: int, ticks: int = 4, ceiling: float = 0.0
) -> str:
    """Draw bars from zero; what is not known is a hatched gap over the full height, never a bar of zero.

    Args:
        bars: from left to right.
        chart_id: prefix of the ids in the drawing.
        width: in CSS pixels.
        height: in CSS pixels.
        ticks: about how many steps the value axis has.
        ceiling: the value axis reaches at least this far.
    """

    def draw(axes: Axes) -> None:
        known = [bar.height for bar in bars if bar.height is not None]
        axes.set_xlim(-0.6, len(bars) - 0.4)
        _value_axis(axes, ticks, [*known, ceiling, 0.0])
        for place, bar in enumerate(bars):
            if bar.height is None:
                _gap(axes, place)
            else:
                color = KNOWN if bar.whole else PARTIAL
                axes.bar(place, bar.height, width=0.74, color=color, edgecolor=KNOWN, linewidth=1, zorder=2)
        axes.set_xticks(range(len(bars)), [bar.label for bar in bars])

    return _svg(draw, chart_id, width, height)


@dataclass(frozen=True)
class Strip:
    """What a strip draws, each in the unit of its axis; null or empty: nothing.

    Args:
        low: left end of the axis.
        high: right end.
        centre: tick of the published centre.
        interval: line of its interval.
        quartiles: box from the first to the third.
        named: diamonds.
        own: dot.
    """

    low: float
    high: float
    centre: float | None
    interval: tuple[float, float] | None
    quartiles: tuple[float, float] | None
    named: tuple[float, ...]
    own: float | None


_STRIP_WIDTH, _STRIP_MARGIN = 168, 6


def strip_chart(strip: Strip) -> str:
    """Draw one figure on one line, small enough for a table's cell: the numbers stand beside it as text."""
    ground = f'<line x1="0" x2="{_STRIP_WIDTH}" y1="8" y2="8" stroke="{LINE}"/>'
    return (
        f'<svg class="strip" aria-hidden="true" focusable="false" viewBox="0 0 {_STRIP_WIDTH} 16">'
        f"{ground}{''.join(_strip_parts(strip))}</svg>"
    )


def _strip_parts(strip: Strip) -> Iterator[str]:
    def at(value: float) -> float:
        share = 0.5 if strip.high == strip.low else (value - strip.low) / (strip.high - strip.low)
        return _STRIP_MARGIN + share * (_STRIP_WIDTH - 2 * _STRIP_MARGIN)

    if strip.quartiles:
        left, right = map(at, strip.quartiles)
        yield f'<rect x="{left:.1f}" y="3" width="{right - left:.1f}" height="10" fill="{BAND}"/>'
    if strip.interval:
        left, right = map(at, strip.interval)
        yield f'<line x1="{left:.1f}" x2="{right:.1f}" y1="8" y2="8" stroke="{REFERENCE}" stroke-width="2"/>'
    if strip.centre is not None:
        x = at(strip.centre)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="14" stroke="{REFERENCE}" stroke-width="2.5"/>'
    for value in strip.named:
        x = at(value)
        yield f'<path d="M{x:.1f} 3l5 5l-5 5l-5 -5z" fill="none" stroke="{INK}" stroke-width="1.5"/>'
    if strip.own is not None:
        yield f'<circle cx="{at(strip.own):.1f}" cy="8" r="4.5" fill="{KNOWN}"/>'


def comparison_chart(own: str, reference: str, step: str, chart_id: str, width: int, height: int) -> str:
    """Draw the own value on a line with the published reference and what counts as about the same.

    Args:
        own: the own value as shown.
        reference: the published value as shown.
        step: step of the public grid, in the same unit: within one it is about the same.
        chart_id: prefix of the ids in the drawing.
        width: in CSS pixels.
        height: in CSS pixels.
    """
    value, middle, near = float(own), float(reference), float(step)

    def draw(axes: Axes) -> None:
        reach = max(abs(value - middle), near) * 1.35
        axes.set_xlim(middle - reach, middle + reach)
        axes.set_ylim(0, 1)
        axes.axhline(0.5, color=LINE, linewidth=1.2, zorder=1)
        axes.add_patch(Rectangle((middle - near, 0.28), 2 * near, 0.44, facecolor=BAND, zorder=2))
        axes.plot([middle, middle], [0.22, 0.78], color=REFERENCE, linewidth=2, zorder=3)
        axes.plot([value], [0.5], marker="o", markersize=9, color=KNOWN, zorder=4)
        axes.text(middle, 0.16, reference, ha="center", va="top", color=REFERENCE)
        axes.text(value, 0.84, own, ha="center", va="bottom", color=KNOWN, fontweight="bold")
        axes.set_axis_off()

    return _svg(draw, chart_id, width, height)


def _value_axis(axes: Axes, ticks: int, values: Sequence[float]) -> None:
    """Let the axis end on a numbered line; where nothing is known it has no numbers at all."""
    low, high = min(values), max(values)
    axes.grid(axis="y", color=LINE, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    if low == high:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    steps = MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    axes.set_ylim(steps[0], steps[-1])
    axes.set_yticks(steps)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.10g}"))


def _gap(axes: Axes, place: int) -> None:
    low, high = axes.get_ylim()
    axes.add_patch(
        Rectangle(
            (place - 0.5, low),
            1.0,
            high - low,
            facecolor=GAP_FACE,
            edgecolor=GAP_HATCH,
            hatch="////",
            linewidth=0,
            zorder=1.5,
        )
    )


def _svg(draw: Callable[[Axes], None], chart_id: str, width: int, height: int) -> str:
    with mpl.rc_context(_STYLE):
        size = (width / _POINTS_PER_INCH, height / _POINTS_PER_INCH)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=_PAD_INCH, h_pad=_PAD_INCH))
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    return _for_page(buffer.getvalue(), chart_id)


def _for_page(svg: str, chart_id: str) -> str:
    """Keep the drawing only: no prolog, no namespaces, no page-wide style; ids that are unique in a page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r' (width|height)="[\d.]+pt"| version="1.1"', "", body)
    body = re.sub(r'(?<= id=")([^"]+)', rf"{chart_id}-\1", body)
    body = re.sub(r"(?<=url\(#)([^)]+)", rf"{chart_id}-\1", body)
    body = re.sub(r'xlink:href="#([^"]+)', rf'href="#{chart_id}-\1', body)
    body = re.sub(r"font-family: [^;\"]+;? ?", "", body)
    # A hundredth of a pixel is enough, and tells no digit of what is drawn that its text doesn't.
    body = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", body)
    body = body.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return re.sub(r"\s*\n\s*", " ", body).strip()
