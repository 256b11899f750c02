"""Events of files: counts by the hour or day read from CSV, events written."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.errors import InputError
from trendloom.pipeline.output import check_apart, check_ending, write_table
from trendloom.stages.events import DAILY, HOURLY, Pace, events

__all__ = ["Counts", "Found", "find_events", "read_counts"]

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "series": pl.String,
    "start": pl.String,
    "end": pl.String,
    "peak": pl.String,
    "count": pl.Float64,
    "usual": pl.Float64,
    "once_in_days": pl.Float64,
}
_STYLES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_HOUR = 3_600_000_000  # microseconds
_MOST = 1_000_000  # places from the first time to the last


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Series of counts on every hour or day from the first to the last.

    Attributes:
        times: (t,) when each was counted, written as in the file.
        series: (t,) counts by name, NaN where none were taken.
        pace: By the hour or by the day.
    """

    times: pl.Series
    series: dict[str, NDArray[np.float64]]
    pace: Pace


def read_counts(path: Path) -> Counts:
    """Returns the series of a wide CSV file; times that are left out and empty cells count nothing.

    Raises:
        InputError: The file cannot be read, has no times or series, a time twice, no line of names, a name twice, no hourly or
            daily step, or a cell that is no count.
    """
    try:
        _check_header(path)
        table = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError as exc:
        raise InputError(f"expected a CSV file of counts at {path}, found none") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path.name} is not in UTF-8: save it as CSV in UTF-8") from exc
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise InputError(f"{path.name} cannot be read as CSV in UTF-8 ({exc})") from exc
    if table.width < 2 or not table.height:
        raise InputError(
            f"{path.name}: expected times in the first column and a series in each other, with rows and commas between cells"
        )
    first, *names = table.columns
    read = _times(table[first].str.strip_chars())
    if read is None:
        raise InputError(f"{path.name}: expected times such as 2025-03-01 14:00:00 in the column {first!r}")
    stamps, style = read
    micro = stamps.to_physical().to_numpy()
    gaps = np.diff(np.sort(micro))
    step = int(gaps.min()) if len(gaps) else _HOUR
    if step not in (_HOUR, 24 * _HOUR) or (gaps % step).any():
        raise InputError(f"{path.name}: expected one row an hour or one a day, each time once")
    places = (micro - micro.min()) // step
    count = int(places.max()) + 1
    if count > _MOST:
        raise InputError(f"{path.name}: expected at most {_MOST:,} rows from the first time to the last, got {count:,}")
    series = {}
    for name in names:
        series[name] = np.full(count, np.nan)
        series[name][places] = _counted(table[name], f"{path.name}, column {name!r}")
    times = pl.Series(micro.min() + step * np.arange(count)).cast(pl.Datetime("us"))
    return Counts(times=times.dt.to_string(style), series=series, pace=HOURLY if step == _HOUR else DAILY)


def _check_header(path: Path) -> None:
    """Raises where the first line is none of distinct names; a UnicodeDecodeError where it is not in UTF-8."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = [name.strip() for name in next(csv.reader([file.readline()]), [])]
    if names and _times(pl.Series(names[:1])) is not None:
        raise InputError(f"{path.name}: expected a first line with the names of the columns, got a time, {names[0]!r}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path.name}: expected distinct names of columns, got {twice!r} twice: rename one")


def _times(text: pl.Series) -> tuple[pl.Series, str] | None:
    """Returns the times and how they are written."""
    for style in _STYLES:
        found = text.str.to_datetime(style, strict=False, time_unit="us")
        if not found.null_count():
            return found, style
    return None


def _counted(cells: pl.Series, place: str) -> NDArray[np.float64]:
    text = cells.str.strip_chars().replace("", None)
    found = text.cast(pl.Float64, strict=False)
    wrong = text.filter((found.is_null() & text.is_not_null()) | (found < 0) | ~found.is_finite())
    if len(wrong):
        raise InputError(f"{place}: expected counts of 0 or more, or empty cells, got {wrong[0]!r}")
    return found.fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file's series say.

    Attributes:
        events: A row per event.
        short: Names of series with too few counts to judge any.
        least: Counts from which one is judged, in words.
    """

    events: pl.DataFrame
    short: list[str]
    least: str


def find_events(counts: Path, output: Path) -> Found:
    """Returns the events of a file's series, and writes them.

    Raises:
        InputError: As `read_counts`; or the output cannot be written.
    """
    check_ending(output)
    check_apart([output], [counts])
    read = read_counts(counts)
    hours = 1 if read.pace is HOURLY else 24
    rows = []
    for name, values in read.series.items():
        for event in events(values, read.pace):
            moments = [read.times[place] for place in (event.start, event.end, event.peak)]
            rows.append((name, *moments, event.count, event.usual, event.once_in * hours / 24))
    found = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    write_table(found.lazy(), output)
    short = [name for name, values in read.series.items() if np.isfinite(values).sum() <= read.pace.least]
    return Found(events=found, short=short, least=f"{read.pace.least + 1} {'hours' if hours == 1 else 'days'}")
