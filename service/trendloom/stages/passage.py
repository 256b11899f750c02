"""When a rise reached each part of the audience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trendloom.stages.counted import Counted
from trendloom.stages.curves import REACH, WIDTH, Prior, fit, rise_column, weekly

__all__ = ["Arrival", "passage"]

_MEAN, _VARIANCE = 1.0, 0.5  # of the log of a rise that is known to be one
_AHEAD = 26  # windows after the last one in which the middle of a rise may lie
_PAST = 0.8  # share of the history in which it may lie, at most a year
_LEAST = 8.0  # people


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """The middle of a rise in one part of the audience.

    Attributes:
        back: Windows before the last one; negative where it is still to come.
        error: Its posterior standard deviation.
        people: Who showed the trend, once a season.
    """

    back: float
    error: float
    people: float


def passage(parts: Mapping[str, Counted], trend: str) -> dict[str, Arrival]:
    """Returns the arrival of a rising trend in each part (cohort, country) that has enough people to say.

    The rise is a logistic curve within strata as in `trendloom.stages.rises`; its middle has a flat prior over the last
    year and up to half a year ahead.

    Args:
        parts: Tallies of the parts of one study: the same windows, each its own authors.
        trend: Trend id.
    """
    found = {}
    for name, tally in parts.items():
        if trend not in tally.trends:
            continue
        step, windows = tally.windows.step, len(tally.windows.starts)
        rows = tally.row_trend == tally.trends.index(trend)
        columns = (tally.row_trend[rows] * 0, tally.row_window[rows], tally.row_voice[rows])
        which, window, voice = (c.astype(np.int64) for c in columns)
        counts = weekly(which, window, voice, tally.stratum, tally.exposure, trends=1, reach=REACH[step])
        people = float(counts.by_window.sum())
        if people < _LEAST:
            continue
        backs = np.arange(-min(_AHEAD, windows), min(tally.windows.year, _PAST * windows))
        prior = Prior(mean=np.full((1, 1), _MEAN), variance=np.full((1, 1), _VARIANCE))
        each = np.array([float(fit(counts, rise_column(windows, b, WIDTH[step]), prior).marginal[0]) for b in backs])
        weight = np.exp(each - each.max())
        weight /= weight.sum()
        back = float(weight @ backs)
        found[name] = Arrival(back=back, error=float(np.sqrt(weight @ (backs - back) ** 2)), people=people)
    return found
