"""The static site: rendering content to pages and bringing them to a folder without touching what is right.

Belongs here: templates, page names, writing. Does not belong here: what may be shown to whom (content).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.charts import Bar, Strip, bar_chart, comparison_chart, strip_chart
from pipelines.publish.content import (
    OPERATOR,
    Benchmark,
    BenchmarkLine,
    Comparison,
    FactoryPage,
    FigureHistory,
    MemberContent,
    OwnBenchmarkLine,
    OwnBenchmarkTable,
    SiteContent,
)
from pipelines.publish.figures import OEE, SHOWN
from pipelines.publish.for_members import guide
from pipelines.publish.kpi_tables import DAY, MONTH
from pipelines.publish.words import exact, globals_for_pages, grouped, is_total, shown_digits, shown_value

_HERE = Path(__file__).parent
_ASSETS = ("style.css", "language.js", "icon.svg")
_MARKER = ".digital-cluster-site"
_MARKER_BYTES = b"Written by digital-cluster: whatever else is put into this folder is removed.\n"
_TEMPORARY = ".tmp"
_GUIDE, _BENCHMARKS = "for-members.html", "benchmarks.html"
_WHOLE_PERCENT = 100.0
# Drawing costs most of a site; the same numbers are the same drawing.
_bars, _compared = (lru_cache(maxsize=1024)(draw) for draw in (bar_chart, comparison_chart))


@dataclass(frozen=True)
class SiteReport:
    """What writing a site changed: paths relative to its folder, sorted."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def render_site(content: SiteContent) -> dict[str, bytes]:
    """Render every file of the site: relative path -> bytes; the same content gives the same bytes."""
    files = {"index.html": _render("audiences.html.j2", content, root="./", audience=None)}
    files |= {name: _asset(name) for name in _ASSETS}
    files |= _audience(OPERATOR, "operator.html.j2", content, member=None)
    for member in content.members:
        files |= _audience(member.member, "member.html.j2", content, member=member)
    return dict(sorted(files.items()))


def write_site(content: SiteContent, folder: Path) -> SiteReport:
    """Bring a folder to exactly the rendered site; a file that is right already keeps even its mtime.

    Everything is rendered before the first file is touched, and each file is replaced whole. A run that died
    in between leaves old and new pages, each whole; the next run completes them.

    Raises:
        OperatorError: the folder holds something that no site run wrote.
    """
    files = render_site(content)
    _claim(folder)
    written: list[str] = []
    unchanged: list[str] = []
    for name, page in files.items():
        (written if _bring(folder / name, page) else unchanged).append(name)
    removed = _remove_stale(folder, {*files, _MARKER})
    return SiteReport(tuple(written), tuple(unchanged), removed)


def _audience(
    audience: str, template: str, content: SiteContent, member: MemberContent | None
) -> dict[str, bytes]:
    files = {f"{audience}/{name}": _asset(name) for name in _ASSETS}
    pages = {"index.html": template, _BENCHMARKS: "benchmark_page.html.j2", "about.html": "about.html.j2"}
    if member is not None:
        pages[_GUIDE] = "for_members.html.j2"
    for page, source in pages.items():
        files[f"{audience}/{page}"] = _render(source, content, root="./", audience=audience, member=member)
    return files


def _render(
    template: str, content: SiteContent, root: str, audience: str | None, member: MemberContent | None = None
) -> bytes:
    page = _environment().get_template(template)
    return page.render(site=content, root=root, audience=audience, member=member, shown=SHOWN).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= globals_for_pages() | {
        "history_chart": _history_chart,
        "hours_chart": _hours_chart,
        "comparison_chart": _comparison_chart,
        "strip": _strip,
        "guide": guide(),
        "GUIDE": _GUIDE,
        "BENCHMARKS": _BENCHMARKS,
        "places_of": _places_of,
    }
    return environment


@cache
def _asset(name: str) -> bytes:
    return (_HERE / "assets" / name).read_bytes()


def _history_chart(history: FigureHistory, chart_id: str) -> Markup:
    """Draw the published values as shown, not as stored: the drawing gives no digit more than the text."""
    bars = tuple(
        Bar(
            label=str(figure.day.day),
            height=None
            if figure.value is None
            else float(shown_value(figure.kpi, figure.value, figure.grid_step)),
            whole=not figure.provisional,
        )
        for figure in history.days
    )
    ceiling = _WHOLE_PERCENT if history.today.kpi == OEE else 0.0
    drawing = _bars(bars, chart_id, width=330, height=120, ticks=3, ceiling=ceiling)
    return Markup(drawing)  # noqa: S704 - our own drawing


def _hours_chart(page: FactoryPage, chart_id: str, *, narrow: bool) -> Markup:
    every = 6 if narrow else 3
    bars = tuple(
        Bar(
            label=f"{hour.start:%H}" if place % every == 0 else "",
            height=hour.energy_kwh,
            whole=hour.quality == "measured",
        )
        for place, hour in enumerate(page.hours)
    )
    width, height = (340, 190) if narrow else (940, 230)
    return Markup(_bars(bars, chart_id, width, height))  # noqa: S704 - our own drawing


def _comparison_chart(comparison: Comparison, chart_id: str) -> Markup:
    reference, value = comparison.reference, comparison.own
    if reference is None or reference.value is None or reference.grid_step is None or value.value is None:
        raise ValueError(f"{comparison.process}: nothing to compare")
    digits = shown_digits(value.kpi, value.value)
    drawing = _compared(
        own=grouped(exact(value.value), digits).replace(",", ""),
        reference=str(shown_value(reference.kpi, reference.value, reference.grid_step)),
        step=repr(reference.grid_step),
        chart_id=chart_id,
        width=330,
        height=84,
    )
    return Markup(drawing)  # noqa: S704 - our own drawing


def _places_of(table: OwnBenchmarkTable) -> Counter[str]:
    """Count a member's places, each KPI and group once: of the newest month if it has one, else the day."""
    places: Counter[str] = Counter()
    for line in (line for family in table.families for line in family.lines):
        standings = (line.periods[period].standing for period in (MONTH, DAY))
        places.update([standing.place for standing in standings if standing is not None][:1])
    return places


def _strip(
    lines: Sequence[BenchmarkLine | OwnBenchmarkLine], line: BenchmarkLine | OwnBenchmarkLine, period: str
) -> Markup:
    """Draw one period of a line on the axis that all groups of its KPI share; of one number nothing."""
    drawn = [_drawn(one, period) for one in lines if one.kpi == line.kpi]
    numbers = sorted(number for benchmark, own in drawn for number in _numbers(benchmark, own))
    benchmark, own = _drawn(line, period)
    if benchmark is None or benchmark.figure.value is None or len(set(numbers)) < 2:  # noqa: PLR2004 - an axis
        return Markup("")
    figure = benchmark.figure
    drawing = strip_chart(
        Strip(
            # Two steps of the grid on either side: what is about the same shall look so.
            low=numbers[0] - 2 * (figure.grid_step or 0.0),
            high=numbers[-1] + 2 * (figure.grid_step or 0.0),
            centre=figure.value,
            interval=figure.interval,
            quartiles=(figure.p25.value, figure.p75.value) if figure.p25 and figure.p75 else None,
            named=tuple(one.figure.value for one in benchmark.named if one.figure.value is not None),
            own=own,
        )
    )
    return Markup(drawing)  # noqa: S704 - our own drawing


def _drawn(line: BenchmarkLine | OwnBenchmarkLine, period: str) -> tuple[Benchmark | None, float | None]:
    """Return what a strip may draw of a line's period: of a figure that is not shown nothing."""
    shown = line.periods[period]
    if isinstance(shown, Benchmark):
        return shown, None
    return (None, None) if is_total(line.kpi) else (shown.benchmark, shown.own.value)


def _numbers(benchmark: Benchmark | None, own: float | None) -> Iterator[float]:
    if benchmark is None or benchmark.figure.value is None:
        return
    figure = benchmark.figure
    yield from (figure.value, *(figure.interval or ()))
    yield from (quartile.value for quartile in (figure.p25, figure.p75) if quartile)
    yield from (one.figure.value for one in benchmark.named if one.figure.value is not None)
    if own is not None:
        yield own


def _claim(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not _owned(folder))):
        raise OperatorError(
            f"site: {folder} holds files that are not a site's: name an empty folder, or clear it yourself",
            f"사이트: {folder}에 사이트가 아닌 파일이 있습니다: 빈 폴더를 지정하거나 직접 비우십시오",
            ExitCode.SETTINGS,
        )
    folder.mkdir(parents=True, exist_ok=True)
    _bring(folder / _MARKER, _MARKER_BYTES)


def _owned(folder: Path) -> bool:
    """Say whether a site run wrote this folder, or died while it claimed it."""
    return {path.name for path in folder.iterdir()} & {_MARKER, _MARKER + _TEMPORARY} != set()


def _bring(path: Path, page: bytes) -> bool:
    """Make a file hold these bytes; say whether it had to be replaced."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == page:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        temporary.write_bytes(page)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _remove_stale(folder: Path, expected: set[str]) -> tuple[str, ...]:
    """Remove what this site does not contain: pages of a member that left, leftovers of a dead run."""
    removed = []
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in expected:
            path.unlink()
            removed.append(name)
    return tuple(sorted(removed))
