"""Outside signals: weather, search interest, holidays, leading authors; each is used only if it helped at earlier origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trendloom.errors import InputError
from trendloom.forecast.calendar import Dates, following
from trendloom.forecast.days import to_weeks
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.panel import Panel

__all__ = ["Signal", "align", "at_origin", "on_grid"]

_BRIDGED = 5  # periods at the end of a signal that its last value stands for


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One outside signal beside each series.

    Attributes:
        name: What it is called.
        values: (t + a, n), a of the coming periods, NaN where there is none. Periods that are given beyond the series'
            last date, the whole horizon through, are taken as known in advance at any origin, as holidays are.
    """

    name: str
    values: Floats64


def align(signal: Panel, panel: Panel, *, name: str = "signal", horizon: int = 0) -> tuple[Signal, dict[str, int]]:
    """Returns the signal beside each series of `panel` and up to `horizon` coming dates, and what was missed.

    A signal of shorter periods is averaged from each date of the series to the next. A column belongs to the series of its name, or to all whose name has it as a word (`fr` to `fr_coat` and `fr_shirt`).

    Raises:
        InputError: No column or no date of the signal is one of the series'.
    """
    there = {column: i for i, column in enumerate(signal.names)}
    columns = [_column(own, there) for own in panel.names]
    if max(columns) < 0:
        raise InputError(
            f"{name}: expected columns of the signal named like the series ({panel.names[0]}, ...) or like a word of their "
            f"names, got {', '.join(signal.names[:3])}"
        )
    dates = np.concatenate([panel.dates, following(panel.dates, panel.rhythm, horizon + 1)])
    if signal.rhythm.weeks < panel.rhythm.weeks:
        signal = _averaged(signal, dates)
    values, matched = _dated(signal, dates[:-1], len(panel.dates), columns)
    if not matched:
        raise InputError(
            f"{name}: expected a signal for the dates of the series, {panel.dates[0]} to {panel.dates[-1]}, "
            f"got {signal.dates[0]} to {signal.dates[-1]}"
        )
    missed = {
        "series without a signal": columns.count(-1),
        "signal columns without a series": len(there) - len(set(columns) - {-1}),
        "dates without a signal": len(panel.dates) - matched,
    }
    if horizon and np.isnan(values[len(panel.dates) :]).all(axis=1).any():
        values = values[: len(panel.dates)]  # not known through the whole horizon: used as far as the series go
    return Signal(name=name, values=values), {what: count for what, count in missed.items() if count}


def _averaged(signal: Panel, dates: Dates) -> Panel:
    """Returns the signal's means from each of the dates up to the next; NaN where a stretch has no value."""
    place = np.searchsorted(dates, signal.dates, side="right") - 1
    inside = (place >= 0) & (place < len(dates) - 1)
    known = np.isfinite(signal.values) & inside[:, None]
    total, count = np.zeros((2, len(dates) - 1, signal.values.shape[1]))
    np.add.at(total, place[inside], np.where(known, signal.values, 0.0)[inside])
    np.add.at(count, place[inside], known[inside])
    some = np.isin(np.arange(len(dates) - 1), place[inside])
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return replace(signal, dates=dates[:-1][some], values=means[some])


def _column(own: str, there: dict[str, int]) -> int:
    """Returns the place of the column for a series, -1 where there is none."""
    if own in there:
        return there[own]
    return next((there[word] for word in own.replace("/", "_").split("_") if word in there), -1)


def _dated(signal: Panel, dates: Dates, known: int, columns: Sequence[int]) -> tuple[Floats64, int]:
    """Returns the values of chosen columns at some dates, and how many of the first `known` dates the signal has."""
    _, ours, theirs = np.intersect1d(dates, signal.dates, return_indices=True)
    values = np.full((len(dates), len(columns)), np.nan)
    for i, column in enumerate(columns):
        if column >= 0:
            values[ours, i] = signal.values[theirs, column]
    return values, int((ours < known).sum())


def at_origin(signal: Signal, panel: Panel, known: int, horizon: int) -> Signal:
    """Returns the signal as an earlier origin knew it: up to it, and through the horizon where it is known in advance."""
    ahead = horizon if len(signal.values) > len(panel.dates) else 0
    return replace(signal, values=signal.values[: known + ahead])


def on_grid(signal: Signal, panel: Panel, ahead: int) -> Floats64:
    """Returns the signal on the grid that forecasts are made on: (t, n), or (t + ahead, n) where it is known in advance."""
    past, coming = signal.values[: len(panel.dates)], signal.values[len(panel.dates) :]
    if panel.rhythm.frequency == "daily":
        past = to_weeks(past, panel.dates)[0]
        whole = len(coming) // 7 * 7
        coming = coming[:whole].reshape(-1, 7, coming.shape[1]).mean(axis=1)
    if len(coming):
        coming = np.concatenate([coming, np.repeat(coming[-1:], max(ahead - len(coming), 0), axis=0)])[:ahead]
    return _bridged(np.concatenate([past, coming]), len(past))


def _bridged(values: Floats64, known: int) -> Floats64:
    """Returns a signal with gaps bridged, and a short one at its end; what is negative counts from the lowest value up."""
    for i in range(values.shape[1]):
        there = np.flatnonzero(np.isfinite(values[:, i]))
        if len(there):
            last = max(there[-1] + 1, min(there[-1] + _BRIDGED, known))
            inside = np.arange(there[0], last)
            values[inside, i] = np.interp(inside, there, values[there, i])
            values[:, i] -= min(float(np.nanmin(values[:known, i])) if (there < known).any() else 0.0, 0.0)
    return values
