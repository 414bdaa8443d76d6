"""Progress and logs: rich on a terminal, structured lines otherwise.

Belongs here: how a run talks. Does not belong here: what it says (pipelines.jobs.summary).
"""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.jobs.progress import Progress as Tell


def is_terminal() -> bool:
    """Say whether a person watches."""
    return sys.stderr.isatty()


# Said of every command, and nothing that anybody could act on: we use no BigQuery; whoever joins has sorted.
_BEAM_WITHOUT_BIGQUERY = "apitools not found"
_POLARS_ON_SORTEDNESS = "Sortedness of columns cannot be checked"


def configure_logs() -> None:
    """Log to standard error: key=value lines, one a fact; call it before Beam is imported."""
    logging.getLogger().addFilter(_tells_something)
    warnings.filterwarnings("ignore", _POLARS_ON_SORTEDNESS, UserWarning)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        # What standard error is when a line is written: that of this moment may be closed by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _tells_something(record: logging.LogRecord) -> bool:
    return _BEAM_WITHOUT_BIGQUERY not in record.getMessage()


@contextmanager
def telling() -> Iterator[Tell]:
    """Give a function that tells progress: bars on a terminal, else a line when a step begins and ends."""
    if not is_terminal():
        yield _telling_in_lines()
        return
    columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks or (done == 0 and bars.tasks[tasks[step]].finished):
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield tell


def _telling_in_lines() -> Tell:
    """Give a function that logs when a step begins and ends; what it said last it doesn't say again."""
    last: list[tuple[str, int, int]] = []

    def tell(step: str, done: int, total: int) -> None:
        if done in (0, total) and last != [(step, done, total)]:
            last[:] = [(step, done, total)]
            structlog.get_logger().info("progress", step=step, done=done, total=total)

    return tell


def print_summary(lines: Sequence[tuple[str, str]]) -> None:
    """Print a summary to standard output: a table on a terminal, one `heading: text` a line otherwise."""
    if not sys.stdout.isatty():
        print("\n".join(f"{heading}: {text}" for heading, text in lines))  # noqa: T201 - the command's output
        return
    table = Table(show_header=False, box=None)
    table.add_column(justify="right", style="bold")
    table.add_column(overflow="fold")
    for heading, text in lines:
        table.add_row(heading, text)
    Console().print(table)
