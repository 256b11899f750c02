"""Series of one table, brought in order: what was found on the way is counted, nothing is repaired in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import InputError
from trendloom.forecast.calendar import Dates, Rhythm, complete, recognise
from trendloom.forecast.metrics import Floats64

__all__ = ["MISSING", "Panel", "Table", "panel_of", "read_panel"]

Moments = NDArray[np.datetime64]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_OTHER = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as they were read: header and rows of text, the number of each row's line beside it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Series on a complete calendar.

    Attributes:
        dates: (t,) datetime64[D], one every period.
        values: (t, n), NaN where nothing was given.
        names: Of the n series.
        date_name: Header of the date column.
        date_format: How its dates were written; `%-d` and `%-m` are day and month without a leading zero.
        rhythm: How often the series are observed.
        treated: How often each treatment was used, over the whole table.
        notes: For a series what was done to it.
    """

    dates: Dates
    values: Floats64
    names: tuple[str, ...]
    date_name: str
    date_format: str
    rhythm: Rhythm
    treated: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def written(self, dates: Dates) -> list[str]:
        """Returns dates in the way that the table writes them."""
        return [_written(day, self.date_format) for day in dates.tolist()]


def read_panel(table: Table) -> Panel:
    """Returns the series of a wide table: dates in the first column, a series in every other.

    Rows in another order are sorted; rows of one date are averaged; dates that are left out become gaps; cells that are
    empty or hold text are gaps; each is counted in `treated`.

    Raises:
        InputError: No column of dates, no series, a name twice, rows of other lengths, several times of one day, or dates
            without one rhythm.
    """
    names = _names(table)
    treated: Counter[str] = Counter()
    notes: dict[str, list[str]] = {}
    moments, style = _moments(table)
    dates = moments.astype("datetime64[D]")
    style = _as_written(moments, style, table, treated)
    values = _numbers(table, names, treated, notes)
    order = np.argsort(dates, kind="stable")
    if (np.diff(dates.astype(np.int64)) < 0).any():
        treated["rows not in order of date"] = int((np.diff(dates.astype(np.int64)) < 0).sum())
    dates, values = _averaged(dates[order], values[order], treated)
    rhythm = recognise(dates)
    whole, places = complete(dates, rhythm)
    full = np.full((len(whole), values.shape[1]), np.nan)
    full[places] = values
    if len(whole) > len(dates):
        treated["dates left out"] = len(whole) - len(dates)
    return Panel(
        dates=whole,
        values=full,
        names=names,
        date_name=table.header[0],
        date_format=style,
        rhythm=rhythm,
        treated=dict(treated),
        notes=notes,
    )


def panel_of(dates: Dates, values: Floats64, *, names: Sequence[str]) -> Panel:
    """Returns the panel of values (t, n) on sorted, distinct dates (t,); dates that are left out become gaps.

    Raises:
        InputError: The dates have no one rhythm.
    """
    days = dates.astype("datetime64[D]")
    rhythm = recognise(days)
    whole, places = complete(days, rhythm)
    full = np.full((len(whole), values.shape[1]), np.nan)
    full[places] = values
    return Panel(dates=whole, values=full, names=tuple(names), date_name="date", date_format=_FORMATS[0], rhythm=rhythm)


def _names(table: Table) -> tuple[str, ...]:
    names = tuple(name.strip() for name in table.header[1:])
    if not table.header:
        raise InputError("expected a line with the names of the columns and rows of values, got an empty file")
    if not names:
        other = next((name for sign, name in _OTHER.items() if sign in table.header[0]), None)
        hint = f"write commas between cells in place of {other}" if other else "add a column per series"
        raise InputError(f"expected a date column and at least one series, got one column: {hint}")
    if any(_parsed([table.header[0].strip()], style) is not None for style in _FORMATS):
        raise InputError(
            f"expected a first line with the names of the columns, got a date, {table.header[0]!r}: add a line of names"
        )
    all_names = (table.header[0].strip(), *names)
    twice = [name for name, count in Counter(all_names).items() if count > 1]
    if twice:
        raise InputError(
            f"expected distinct names of columns, got {twice[0]!r} {all_names.count(twice[0])} times: rename one"
        )
    if not table.rows:
        raise InputError("expected rows of dates and values, got a header alone")
    return names


def _moments(table: Table) -> tuple[Moments, str]:
    """Returns the first column's dates with their times of day, and how they are written.

    Two ways may read every cell (day or month first): the one whose dates have a rhythm is taken.
    """
    cells = [row[0].strip() for row in table.rows]
    ways = []
    for style in _FORMATS:
        found = _parsed(cells, style)
        if found is not None:
            ways.append((found, style))
    if not ways:
        at = next((i for i, c in enumerate(cells) if all(_parsed([c], s) is None for s in _FORMATS)), 0)
        raise InputError(
            f"expected dates in the first column ({table.header[0]!r}), got {cells[at]!r} in line {table.lines[at]}: "
            "write them all in one way, such as 2024-01-29"
        )
    regular = [way for way in ways if _regular(way[0].astype("datetime64[D]"))]
    if len(regular) > 1:
        raise InputError(
            f"dates such as {cells[0]!r} can be read as {regular[0][1]} and as {regular[1][1]}: write them as 2024-01-29"
        )
    return (regular or ways)[0]


def _as_written(moments: Moments, style: str, table: Table, treated: Counter[str]) -> str:
    """Returns the style with the time of day that rows have, and without the leading zeros that they have not.

    Raises:
        InputError: A day has rows of several times.
    """
    days = moments.astype("datetime64[D]")
    times = moments - days
    if len(np.unique(moments)) > len(np.unique(days)):
        place = int((times != times[0]).argmax())
        raise InputError(
            f"expected one row a day, week or month, got several times of one day, {table.rows[place][0].strip()!r} in line "
            f"{table.lines[place]}: bring hours to days first"
        )
    if (other := int((times != times[-1]).sum())) > 0:
        treated["dates with another time of day than the last"] = other
    clock = moments[-1].item()
    for token in ("%H:%M:%S", "%H:%M"):
        style = style.replace(token, clock.strftime(token))
    padded = all(len(row[0].strip()) == len(_written(clock, style)) for row in table.rows)
    return style if padded else style.replace("%d", "%-d").replace("%m", "%-m")


def _written(day: date, style: str) -> str:
    """Returns a date as text; `%-d` and `%-m`, which not every platform knows, without leading zeros."""
    return day.strftime(style.replace("%-d", str(day.day)).replace("%-m", str(day.month)))


def _parsed(cells: Sequence[str], style: str) -> Moments | None:
    try:
        if style == "%Y%m%d" and any(len(c) != 8 for c in cells):
            return None
        return np.array([datetime.strptime(c, style) for c in cells], dtype="datetime64[s]")
    except ValueError:
        return None


def _regular(dates: Dates) -> bool:
    try:
        recognise(np.unique(dates))
    except InputError:
        return False
    return True


def _numbers(
    table: Table, names: tuple[str, ...], treated: Counter[str], notes: dict[str, list[str]]
) -> NDArray[np.float64]:
    """Returns the cells as numbers, (rows, n); what is no number is NaN and counted."""
    values = np.empty((len(table.rows), len(names)))
    for i, row in enumerate(table.rows):
        cells = row[1:]
        if len(cells) > len(names):
            raise InputError(
                f"expected {len(names) + 1} cells a line, got {len(row)} in line {table.lines[i]}: is a comma in a number?"
            )
        try:
            values[i, : len(cells)] = _plain(cells)
        except ValueError:
            values[i, : len(cells)] = [
                _number(c, names[j], table.lines[i], treated, notes) for j, c in enumerate(cells)
            ]
        if len(cells) < len(names):
            values[i, len(cells) :] = np.nan
            treated["cells left out at the end of a line"] += len(names) - len(cells)
    endless = np.isinf(values)
    if endless.any():
        treated["infinite values"] = int(endless.sum())
        values[endless] = np.nan
    return values


def _plain(cells: Sequence[str]) -> Floats64:
    """Returns cells as numbers; raises ValueError where one is none, `1_000` too, which is a number to Python alone."""
    if "_" in "".join(cells):
        raise ValueError
    return np.array(cells, dtype=np.float64)


def _number(cell: str, name: str, line: int, treated: Counter[str], notes: dict[str, list[str]]) -> float:
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        return float(_plain([text])[0])
    except ValueError:
        treated["cells with text"] += 1
        found = notes.setdefault(name, [])
        if not any(note.startswith("text") for note in found):
            found.append(f"text in a cell counts as missing, first {text[:30]!r} in line {line}")
        return float("nan")


def _averaged(dates: Dates, values: Floats64, treated: Counter[str]) -> tuple[Dates, Floats64]:
    """Returns one row a date: the mean of those that share one."""
    distinct, first = np.unique(dates, return_index=True)
    if len(distinct) == len(dates):
        return dates, values
    treated["rows with a date that was there before"] = len(dates) - len(distinct)
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0.0), first, axis=0)
    count = np.add.reduceat(known, first, axis=0, dtype=np.int64)
    return distinct, np.where(count > 0, total / np.maximum(count, 1), np.nan)
