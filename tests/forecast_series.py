"""Drawn series for the tests of forecasts: a level that drifts, a season, noise."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast import Panel, Table, read_panel

Values = NDArray[np.float64]


def drawn(weeks: int = 220, series: int = 12, *, seed: int = 0, noise: float = 0.08) -> Values:
    """Returns (weeks, series) positive values below 1 with a yearly season each, and a level that wanders."""
    chance = np.random.default_rng(seed)
    time = np.arange(weeks)[:, None]
    level = np.cumsum(chance.normal(0, 0.01, (weeks, series)), axis=0)
    season = 0.4 * np.cos(2 * np.pi * (time / 52.18 - chance.random(series)))
    return np.asarray(0.05 * np.exp(level + season + chance.normal(0, noise, (weeks, series))))


def table(values: Values, *, start: str = "2018-01-01", step: int = 7, names: list[str] | None = None) -> Table:
    """Returns a table of dated rows, NaN as an empty cell."""
    days = np.datetime64(start) + np.arange(len(values)) * np.timedelta64(step, "D")
    names = names or [f"s{i}" for i in range(values.shape[1])]
    rows = [
        [str(day), *("" if np.isnan(v) else f"{v:.9g}" for v in row)] for day, row in zip(days, values, strict=True)
    ]
    return Table(header=["week", *names], rows=rows, lines=list(range(2, len(rows) + 2)))


def panel(values: Values, **how: object) -> Panel:
    """Returns the panel of drawn values."""
    return read_panel(table(values, **how))  # type: ignore[arg-type]  # passed on


def write(path: Path, given: Table) -> Path:
    """Returns the path of a CSV file with the table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(given.header), *given.rows])
    return path


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    return header, rows
