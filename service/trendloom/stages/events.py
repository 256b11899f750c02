"""Events in counts by the hour (or day): when mentions leave their daily course further than they do once in four weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAILY", "HOURLY", "Event", "Pace", "events"]

Floats = NDArray[np.float64]

_LEARNS = 0.15  # of the distance to the latest count that the usual one of its hour moves
_CLIP = 3.0  # times the usual count beyond which a count moves it no further
_SPREAD = 0.3  # of the usual count: what counts vary by beside chance
_TAIL = 0.95  # quantile of past surprises above which their tail is fitted
_LEAST = 3.0  # standard deviations
_FEWEST = 38  # past surprises


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How counts come.

    Attributes:
        cycle: Counts in a cycle: 24 of hours in a day, 7 of days in a week.
        past: Counts that the tail is fitted to, at most.
        once: An event is a count whose like comes at most once in so many.
        apart: Counts within which alarms are one event.
    """

    cycle: int
    past: int
    once: int
    apart: int

    @property
    def least(self) -> int:
        """Returns how many counts must come before one that is judged."""
        return self.cycle + _FEWEST


HOURLY = Pace(cycle=24, past=8 * 7 * 24, once=4 * 7 * 24, apart=48)
DAILY = Pace(cycle=7, past=52 * 7, once=52, apart=7)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A run of counts that stand out.

    Attributes:
        start: Place of the first.
        end: Place of the last.
        peak: Place of the one that stands out most.
        count: What was counted there.
        usual: What is usually counted there.
        once_in: How many counts go by until another like it, by the tail before it; at most a million.
    """

    start: int
    end: int
    peak: int
    count: float
    usual: float
    once_in: float


def events(counts: Floats, pace: Pace) -> list[Event]:
    """Returns what stands out in counts (t,), NaN where none were taken; each is judged by what came before it alone.

    The usual count of a place in the cycle is an exponentially weighted mean; surprise is the distance from it over its
    standard deviation. The tail of past surprises is exponential above their 95th percentile (peaks over threshold,
    Pickands 1975, Ann. Stat. 3:119), so that what is rare for this series sets the bar, and not a number of its own.
    """
    usual = _usual(counts, pace.cycle)
    surprise = (counts - usual) / np.sqrt(usual + 1 + (_SPREAD * usual) ** 2)
    rarity = np.zeros(len(counts))
    for place in range(pace.least, len(counts)):
        before = surprise[max(pace.cycle, place - pace.past) : place]
        before = before[np.isfinite(before)]
        if np.isfinite(surprise[place]) and surprise[place] > _LEAST and len(before) >= _FEWEST:
            rarity[place] = _rarity(float(surprise[place]), before)
    alarms = np.flatnonzero(rarity > pace.once)
    found = []
    for run in np.split(alarms, np.flatnonzero(np.diff(alarms) >= pace.apart) + 1) if len(alarms) else []:
        peak = int(run[np.argmax(surprise[run])])
        found.append(
            Event(
                start=int(run[0]),
                end=int(run[-1]),
                peak=peak,
                count=float(counts[peak]),
                usual=float(usual[peak]),
                once_in=float(rarity[peak]),
            )
        )
    return found


def _usual(counts: Floats, cycle: int) -> Floats:
    """Returns what each place is expected to count, from the same places of earlier cycles."""
    expected = np.full(len(counts), np.nan)
    mean = np.full(cycle, np.nan)
    for place, count in enumerate(counts.tolist()):
        at = place % cycle
        expected[place] = mean[at]
        if not np.isfinite(count):
            continue
        if np.isnan(mean[at]):
            mean[at] = count
        else:
            mean[at] += _LEARNS * (min(count, _CLIP * mean[at] + 10) - mean[at])
    return expected


def _rarity(value: float, before: Floats) -> float:
    """Returns once in how many counts a surprise as large is expected."""
    bar = float(np.quantile(before, _TAIL))
    above = before[before > bar]
    scale = float((above - bar).mean()) if len(above) else 1.0
    log = max(value - bar, 0.0) / max(scale, 1e-9) - np.log(1 - _TAIL)
    return float(np.exp(min(log, np.log(1e6))))
