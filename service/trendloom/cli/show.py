"""What people see in colour: tables and sparklines on stdout, words on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = ["drawn_bar", "err", "notes", "out", "phases", "sparkline", "trend_table"]

_WIDTH = 120  # characters where stdout is no terminal
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)
err = Console(stderr=True, soft_wrap=True)

_BLOCKS = "▁▂▃▄▅▆▇█"


def notes(lines: Sequence[str]) -> bool:
    """Prints lines on stderr, as they are; returns whether there are any."""
    for line in lines:
        err.print(line, highlight=False, markup=False)
    return bool(lines)


class _Rate(ProgressColumn):
    """Photos per second."""

    def render(self, task: Task) -> Text:
        """Returns the rate as text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@contextmanager
def drawn_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a callback (done, total) that draws a bar with rate and time left."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def phases() -> Iterator[Callable[[str], None]]:
    """Yields a callback that names the phase a study is in."""
    if not err.is_terminal:
        yield lambda name: print(f"{name} ...", file=sys.stderr, flush=True)
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=err, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda name: progress.update(task, description=name)


def sparkline(values: list[float | None], width: int = 26) -> str:
    """Returns values as blocks from zero to their largest, averaged down to `width` characters; blank where none is known."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    first = len(values) % step
    groups = ([values[:first]] if first else []) + [values[n : n + step] for n in range(first, len(values), step)]
    known = [[value for value in group if value is not None] for group in groups]
    means = [sum(group) / len(group) if group else None for group in known]
    top = max((mean for mean in means if mean is not None), default=0.0)
    return "".join(
        " " if mean is None else _BLOCKS[0 if top <= 0 else round(mean / top * (len(_BLOCKS) - 1))] for mean in means
    )


def _with_interval(value: float | None, low: float | None, high: float | None, form: str, *, hidden: bool) -> str:
    if value is None:
        return "too few people" if hidden else "-"
    if low is None or high is None:
        return format(value, form)
    return f"{value:{form}} ({low:{form}}-{high:{form}})"


def trend_table(trends: pl.DataFrame, series: pl.DataFrame) -> Table:
    """Returns the trend list as a table: place, name, stage, share and growth with intervals, people, sparkline."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in (
        ("#", "right"),
        ("trend", "left"),
        ("stage", "left"),
        ("share %", "left"),
        ("growth x", "left"),
        ("people", "right"),
        ("share over time", "left"),
    ):
        table.add_column(
            name,
            justify="right" if side == "right" else "left",
            no_wrap=name != "trend",
            min_width=16 if name == "trend" else None,
        )
    shares = {str(t[0]): g["share"].to_list() for t, g in series.sort("window_start").group_by(["trend_id"])}
    colours = {"emerging": "dark_orange", "rising": "orange1", "fading": "steel_blue", "seasonal": "cyan"}
    for place, row in enumerate(trends.iter_rows(named=True), 1):
        hidden = bool(row.get("suppressed"))
        share = [None if row[c] is None else 100 * row[c] for c in ("share", "share_low", "share_high")]
        table.add_row(
            str(place),
            row["label"],
            Text(row["stage"], style=colours.get(row["stage"], "")),
            _with_interval(share[0], share[1], share[2], ".1f", hidden=hidden),
            _with_interval(row["growth"], row["growth_low"], row["growth_high"], ".1f", hidden=hidden),
            "-" if row["authors"] is None else f"{row['authors']:,}",
            sparkline(shares.get(row["trend_id"], [])),
        )
    return table
