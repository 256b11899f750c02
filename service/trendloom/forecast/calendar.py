"""Dates of a regular series: which rhythm they have, how they go on, where in the year they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import InputError

__all__ = ["WEEKS_A_YEAR", "Dates", "Frequency", "Rhythm", "complete", "following", "recognise", "year_position"]

Frequency = Literal["daily", "weekly", "monthly"]
Dates = NDArray[np.datetime64]

WEEKS_A_YEAR = 365.25 / 7
_STRETCH = 5  # equal longer steps in a row: another rhythm, no gaps


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often a series is observed.

    Attributes:
        frequency: daily, weekly or monthly.
        season: Periods of a year; of a day these are 364, whole weeks.
        weeks: Length of a period in weeks.
        month_end: Whether monthly dates are the last days of their months.
    """

    frequency: Frequency
    season: int
    weeks: float
    month_end: bool = False


_DAILY = Rhythm(frequency="daily", season=364, weeks=1 / 7)
_WEEKLY = Rhythm(frequency="weekly", season=52, weeks=1.0)


def recognise(dates: Dates) -> Rhythm:
    """Returns the rhythm of sorted, distinct dates; steps of several periods count as gaps.

    Args:
        dates: (t,) datetime64[D], rising.

    Raises:
        InputError: There are fewer than two dates, or the steps have no common rhythm.
    """
    if len(dates) < 2:
        raise InputError(f"expected at least two dates to see how often the series is observed, got {len(dates)}")
    steps = np.diff(dates).astype("timedelta64[D]").astype(np.int64)
    usual = int(np.sort(steps)[(len(steps) - 1) // 2])
    _one_rhythm(steps, usual)
    if usual == 1:
        return _DAILY
    if usual == 7 and _odd(steps % 7 != 0):
        return _WEEKLY
    if 28 <= usual <= 31 and (steps >= 28).all():
        return _monthly(dates)
    kinds, counts = np.unique(steps, return_counts=True)
    common = ", ".join(f"{kinds[i]} days {counts[i]} times" for i in np.argsort(-counts)[:3])
    raise InputError(
        f"expected daily, weekly or monthly dates, got steps of {common}: bring the series to one of the three"
    )


def _one_rhythm(steps: NDArray[np.int64], usual: int) -> None:
    """Raises where a stretch of the dates has a longer rhythm of its own."""
    run = 0
    for place, step in enumerate(steps):
        run = run + 1 if place and abs(step - steps[place - 1]) <= (3 if step > 27 else 0) and step > usual + 3 else 0
        if run >= _STRETCH:
            raise InputError(
                f"expected one frequency, got dates {usual} days apart and, from row {place - run + 1} of the sorted dates on, "
                f"{step} days apart: bring the series to one frequency"
            )


def _odd(off: NDArray[np.bool_]) -> bool:
    """Returns whether no step is off the rhythm; raises where some are."""
    if not off.any():
        return True
    where = int(np.argmax(off))
    raise InputError(
        f"expected weekly dates, got {int(off.sum())} of {len(off)} steps that are not whole weeks, the first after "
        f"row {where + 1} of the sorted dates: bring the series to one frequency"
    )


def _monthly(dates: Dates) -> Rhythm:
    """Returns the monthly rhythm: dates on one day of the month, or each on the last day of its month."""
    months = dates.astype("datetime64[M]")
    days = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    last = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    at_end = bool((days == last).all())
    if not at_end and len(np.unique(days)) > 1:
        raise InputError("expected monthly dates on one day of the month or all on its last day, got different days")
    return Rhythm(
        frequency="monthly", season=12, weeks=WEEKS_A_YEAR / 12, month_end=at_end and bool((last > days.min()).any())
    )


def following(dates: Dates, rhythm: Rhythm, count: int) -> Dates:
    """Returns the `count` dates after the last one, (count,) datetime64[D]."""
    return _steps(dates[-1], rhythm, np.arange(1, count + 1))


def complete(dates: Dates, rhythm: Rhythm) -> tuple[Dates, NDArray[np.int64]]:
    """Returns all dates from the first to the last with no gap, and the place of each given date among them.

    Raises:
        InputError: A date does not fall on the rhythm.
    """
    if rhythm.frequency == "monthly":
        months = dates.astype("datetime64[M]").astype(np.int64)
        places = months - months[0]
    else:
        days = 1 if rhythm.frequency == "daily" else 7
        places = (dates - dates[0]).astype("timedelta64[D]").astype(np.int64) // days
    whole = _steps(dates[0], rhythm, np.arange(int(places[-1]) + 1))
    if len(np.unique(places)) != len(places):
        raise InputError("expected one row a month, got several in one: bring the series to one frequency")
    return whole, places


def _steps(start: np.datetime64, rhythm: Rhythm, counts: NDArray[np.int64]) -> Dates:
    if rhythm.frequency != "monthly":
        return np.asarray(start + counts * np.timedelta64(1 if rhythm.frequency == "daily" else 7, "D"))
    month = start.astype("datetime64[M]")
    if rhythm.month_end:
        return np.asarray((month + counts + 1).astype("datetime64[D]") - 1)
    day = (start - month.astype("datetime64[D]")).astype(np.int64)
    return np.asarray((month + counts).astype("datetime64[D]") + day)


def year_position(dates: Dates) -> NDArray[np.float64]:
    """Returns where in its year each date lies, in weeks, 0..52.2."""
    days = (dates - dates.astype("datetime64[Y]")).astype("timedelta64[D]").astype(np.float64)
    return np.asarray(days / 7.0)
