"""How rises pass from one part of the audience to the next: who is ahead, who follows, and everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.stages.counted import Counted
from trendloom.stages.curves import REACH, WIDTH, rise_column, weekly

__all__ = ["PARTS", "Arrival", "Passage", "passage"]

Floats = NDArray[np.float64]

PARTS = 3
_LEAST = 24.0  # people who show a trend, in all parts
_BACKS = {"week": np.arange(-20.0, 46.0, 2.0), "month": np.arange(-5.0, 11.0, 0.5)}  # windows before the last
_LAGS = {"week": np.arange(-6.0, 25.0, 2.0), "month": np.arange(-1.5, 6.0, 0.5)}  # windows
_USUAL = {"week": 6.0, "month": 1.5}  # windows by which a trend's own lags stray from the usual ones
_ROUNDS = 15  # of the fit of level and height; more moves no lag by a window


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


@dataclass(frozen=True, kw_only=True)
class Passage:
    """How long rises take from one part to the next.

    Attributes:
        lags: (2,) windows from the first part to the second, and on to the third: usual ones, of all trends together.
        errors: (2,) their posterior standard deviations.
        trends: Trends that this was learned from.
        arrivals: For each of them when it reached each part.
    """

    lags: Floats
    errors: Floats
    trends: int
    arrivals: dict[str, tuple[Arrival, ...]]


@dataclass(frozen=True, kw_only=True)
class _Counts:
    people: Floats  # (3, windows) once a season
    active: Floats  # (3, windows)


def passage(parts: Sequence[Counted], trends: Sequence[str], mixing: Floats) -> Passage:
    """Returns how rising trends passed through three parts of an audience.

    In each part the share of people who show a trend is a level and a logistic rise whose middle comes a lag later than
    in the part before; counts are Poisson. Who belongs to which part is known with errors only: each part's curve is the
    mixture of the true ones by `mixing`, so that mistaken members do not pull the parts together. Lags are summed over
    trends, since one trend says little; a trend's own lags are drawn towards the usual ones. All priors are flat but this.

    Args:
        parts: Three tallies up to the same day, each of its own authors, from who is ahead to the last.
        trends: Trend ids that rose.
        mixing: (3, 3) for each part the share of its members that truly belong to each.
    """
    step = parts[0].windows.step
    backs, lags = _BACKS[step], _LAGS[step]
    likely: dict[str, Floats] = {}
    people: dict[str, Floats] = {}
    for trend in trends:
        counts = _counts(parts, trend)
        if counts.people.sum() >= _LEAST:
            likely[trend] = _likelihood(counts, mixing, backs, lags, WIDTH[step])
            people[trend] = counts.people.sum(axis=1)
    if not likely:
        return Passage(lags=np.full(2, np.nan), errors=np.full(2, np.nan), trends=0, arrivals={})
    usual = _posterior(np.sum([_log_sum(one) for one in likely.values()], axis=0))
    means = np.array([usual.sum(axis=1 - axis) @ lags for axis in range(2)])
    errors = np.sqrt([usual.sum(axis=1 - axis) @ (lags - means[axis]) ** 2 for axis in range(2)])
    spread = np.hypot(errors, _USUAL[step])
    near = -0.5 * (((lags - means[0]) / spread[0]) ** 2)[:, None] - 0.5 * (((lags - means[1]) / spread[1]) ** 2)[None]
    return Passage(
        lags=means,
        errors=np.asarray(errors),
        trends=len(likely),
        arrivals={name: _arrivals(_posterior(one + near), backs, lags, people[name]) for name, one in likely.items()},
    )


def _counts(parts: Sequence[Counted], trend: str) -> _Counts:
    starts = sorted({start for tally in parts for start in tally.windows.starts})
    place = {start: n for n, start in enumerate(starts)}
    people, active = np.zeros((PARTS, len(starts))), np.zeros((PARTS, len(starts)))
    for n, tally in enumerate(parts):
        where = [place[start] for start in tally.windows.starts]  # a part may begin later than the others
        active[n, where] = tally.active
        if trend in tally.trends:
            rows = tally.row_trend == tally.trends.index(trend)
            columns = (tally.row_trend[rows] * 0, tally.row_window[rows], tally.row_voice[rows])
            which, window, voice = (c.astype(np.int64) for c in columns)
            reach = REACH[tally.windows.step]
            counts = weekly(which, window, voice, tally.stratum, tally.exposure, trends=1, reach=reach)
            people[n, where] = counts.by_window[0]
    return _Counts(people=people, active=active)


def _likelihood(counts: _Counts, mixing: Floats, backs: Floats, lags: Floats, width: float) -> Floats:
    """Returns (backs, lags, lags) log likelihoods at the best level and height, by expectation and maximisation."""
    windows = counts.people.shape[1]
    first, second, third = np.meshgrid(backs, lags, lags, indexing="ij")
    middles = np.stack([first, first - second, first - second - third])  # (3, b, l, l)
    rises = {middle: rise_column(windows, middle, width)[:, 0] for middle in np.unique(middles).tolist()}
    level = counts.active
    found = np.empty(first.shape)
    for n in range(len(backs)):
        curves = np.stack(
            [[[rises[m] for m in row] for row in part] for part in middles[:, n].tolist()]
        )  # (3, l, l, t)
        risen = np.einsum("gc,cijt->ijgt", mixing, curves) * counts.active
        low = np.full(risen.shape[:2], counts.people.sum() / max(level.sum(), 1.0) / 2)
        high = low.copy()
        expected = _expected(low, high, level, risen)
        for _ in range(_ROUNDS):
            ratio = counts.people / expected
            low = low * (ratio * level).sum(axis=(2, 3)) / max(level.sum(), 1.0)
            high = high * (ratio * risen).sum(axis=(2, 3)) / np.maximum(risen.sum(axis=(2, 3)), 1e-9)
            expected = _expected(low, high, level, risen)
        found[n] = (counts.people * np.log(expected) - expected).sum(axis=(2, 3))
    return found


def _expected(low: Floats, high: Floats, level: Floats, risen: Floats) -> Floats:
    return np.asarray(low[..., None, None] * level + high[..., None, None] * risen + 1e-9)


def _log_sum(log: Floats) -> Floats:
    """Returns the log of the sum over middles of the first part, (lags, lags)."""
    most = log.max()
    return np.asarray(most + np.log(np.exp(log - most).sum(axis=0) + 1e-300))


def _posterior(log: Floats) -> Floats:
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum())


def _arrivals(weight: Floats, backs: Floats, lags: Floats, people: Floats) -> tuple[Arrival, ...]:
    grid = np.meshgrid(backs, lags, lags, indexing="ij")
    middles = (grid[0], grid[0] - grid[1], grid[0] - grid[1] - grid[2])
    found = []
    for middle, count in zip(middles, people.tolist(), strict=True):
        back = float((weight * middle).sum())
        error = float(np.sqrt((weight * (middle - back) ** 2).sum()))
        found.append(Arrival(back=back, error=error, people=count))
    return tuple(found)
