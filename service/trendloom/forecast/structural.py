"""The structural forecast: a level, a smoothed profile of the year, and a little of last year's growth.

For all series at once, on several scales and widths of smoothing whose forecasts are averaged. A profile week by week
from a few years is mostly noise; near weeks and recent years say more (a kernel smoother over the circle of the year).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.calendar import WEEKS_A_YEAR, Rhythm
from trendloom.forecast.metrics import Floats64

__all__ = ["HALF_LIVES", "SHAPES", "Mixture", "Parts", "Shape", "decompose", "project", "season_profile", "skew_of"]

Floats32 = NDArray[np.float32]
HALF_LIVES = (3.0, 6.0, 12.0, 26.0, 52.0)  # weeks: how fast the level forgets
_TREND = 10.0  # weeks: width of the trend that is taken off before the profile is measured
_LOG_FLOOR = 0.03  # share of a series' mean that is added before taking the logarithm
_PATTERNS = 3  # of the year that series share
_SERIES_A_PATTERN = 8  # below that many series for a pattern there are fewer patterns
_OWN = 0.65  # share of a profile beyond the patterns that is kept
_AT_ONCE, _LATER = 0.3, 0.5  # of last year's growth that goes on: added at once, as levels lag, and over a year
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One way to see a series: scale, width of the year's profile (weeks), and weight of a year against the next."""

    scale: Literal["sqrt", "log"]
    width: float
    decay: float = 0.6


SHAPES: tuple[Shape, ...] = tuple(Shape(scale=s, width=w) for s in ("sqrt", "log") for w in (0.8, 1.5, 3.0))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a shape sees in each of n series up to an origin, on the shape's scale.

    Attributes:
        shape: The shape.
        season: (h, n) profile of the coming periods.
        past: (season, n) profile of the last year's periods.
        levels: (len(HALF_LIVES), n) level without season, by half-life.
        growth: (n,) year-on-year change of the last half year, without season.
        rest: (up to 78 weeks, n) the last periods without season, NaN before a series starts.
        mean: (n,) mean of the history.
    """

    shape: Shape
    season: Floats32
    past: Floats32
    levels: Floats64
    growth: Floats64
    rest: Floats32
    mean: Floats64


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How levels and growth are used: a weight for each half-life (summing to 1), and the share of growth that goes on."""

    levels: tuple[float, ...]
    slope: float


def to_scale(values: Floats64, mean: Floats64, scale: str) -> Floats64:
    """Returns values on the scale of a shape, relative to each series' mean."""
    relative = values / mean
    return np.sqrt(relative) if scale == "sqrt" else np.log(relative + _LOG_FLOOR)


def from_scale(scaled: Floats64, mean: Floats64, scale: str) -> Floats64:
    """Returns values from their scaled form, never below 0."""
    if scale == "sqrt":
        return np.asarray(mean * np.maximum(scaled, 0.0) ** 2)
    return np.asarray(np.maximum(mean * (np.exp(np.minimum(scaled, 50.0)) - _LOG_FLOOR), 0.0))


def _year_kernel(position: Floats64, known: int, rhythm: Rhythm, shape: Shape) -> Floats64:
    """Returns (t + h, t): how much each past period says about the season of each period."""
    gap = np.abs(position[:, None] - position[None, :known])
    gap = np.minimum(gap, WEEKS_A_YEAR - gap)
    age = (known - 1 - np.arange(known)) // rhythm.season
    return np.asarray(np.exp(-0.5 * (gap / shape.width) ** 2) * shape.decay**age)


def _smoother(periods: int, width: float) -> Floats64:
    """Returns (t, t) Gaussian weights between periods, `width` in periods."""
    steps = np.arange(periods)
    return np.asarray(np.exp(-0.5 * ((steps[:, None] - steps[None, :]) / width) ** 2))


def _weighted(kernel: Floats64, values: Floats64, known: Floats64 | None) -> Floats64:
    """Returns kernel-weighted means of columns; `known` (t, n) is 1 where a value counts, None where all do."""
    if known is None:
        return np.asarray((kernel / np.maximum(kernel.sum(axis=1, keepdims=True), _TINY)) @ values)
    return np.asarray(kernel @ (values * known) / np.maximum(kernel @ known, _TINY))


def decompose(history: Floats64, position: Floats64, rhythm: Rhythm, shapes: Sequence[Shape] = SHAPES) -> list[Parts]:
    """Returns level, growth and profile of each series for each shape.

    Args:
        history: (t, n), at least one year; NaN before a series starts, nowhere else.
        position: (t + h,) place in the year of each past and coming period, in weeks.
        rhythm: The series' rhythm.
        shapes: The ways to look at it.
    """
    periods = len(history)
    finite = np.isfinite(history)
    known = None if finite.all() else finite.astype(np.float64)
    clean = np.where(finite, history, 0.0)
    count = finite.sum(axis=0)
    mean = np.maximum(clean.sum(axis=0) / np.maximum(count, 1), _TINY)
    smoother = _smoother(periods, _TREND / rhythm.weeks)
    parts = []
    for shape in shapes:
        scaled = np.where(finite, to_scale(clean, mean, shape.scale), 0.0)
        trend = _yearly_mean(scaled, known, rhythm.season)
        kernel = _year_kernel(position, periods, rhythm, shape)
        for _ in range(2):
            season = _weighted(kernel, scaled - trend, known)
            rest = scaled - season[:periods]
            trend = _weighted(smoother, rest, known)
        parts.append(_part(shape, season, rest, known=known, mean=mean, rhythm=rhythm))
    return parts


def _yearly_mean(values: Floats64, known: Floats64 | None, season: int) -> Floats64:
    """Returns for each period the mean of the year around it, (t, n)."""
    periods = len(values)
    ones = np.ones_like(values) if known is None else known
    total = np.vstack([np.zeros_like(values[:1]), (values * ones).cumsum(axis=0)])
    count = np.vstack([np.zeros_like(ones[:1]), ones.cumsum(axis=0)])
    first = np.clip(np.arange(periods) - season // 2, 0, max(periods - season, 0))
    last = np.minimum(first + season, periods)
    within = count[last] - count[first]
    return np.asarray(np.where(within > 0, (total[last] - total[first]) / np.maximum(within, 1), 0.0))


def _part(
    shape: Shape, season: Floats64, rest: Floats64, *, known: Floats64 | None, mean: Floats64, rhythm: Rhythm
) -> Parts:
    periods, year = len(rest), rhythm.season
    ages = np.arange(periods)[::-1] * rhythm.weeks
    recent = np.stack([0.5 ** (ages / half) for half in HALF_LIVES])
    shown = rest if known is None else np.where(known > 0, rest, np.nan)
    spread = np.sqrt(_weighted(np.ones((1, periods)), rest**2, known)[0])
    return Parts(
        shape=shape,
        season=_in_common(season[periods:], season[max(periods - year, 0) : periods], spread).astype(np.float32),
        past=season[max(periods - year, 0) : periods].astype(np.float32),
        levels=_level(recent, rest, known),
        growth=_growth(rest, known, year),
        rest=shown[-(year + year // 2) :].astype(np.float32),
        mean=mean,
    )


def _level(recent: Floats64, rest: Floats64, known: Floats64 | None) -> Floats64:
    """Returns weighted means of each column, (weights, n), in which what lies far off counts as less far off.

    Two steps of Huber's M-estimator, its bound at one and a half mean absolute deviations.
    """
    found = _weighted(recent, rest, known)
    rows = np.ones((1, len(rest)))
    for i in range(len(recent)):
        bound = 1.5 * _weighted(rows, np.abs(rest - found[i]), known)[0]
        for _ in range(2):
            near = np.clip(rest, found[i] - bound, found[i] + bound)
            found[i] = _weighted(recent[i : i + 1], near, known)[0]
    return found


def _in_common(coming: Floats64, past: Floats64, spread: Floats64) -> Floats64:
    """Returns the profile of the coming periods, (h, n), with what it shares with no other series made smaller.

    A few patterns of the year explain most of what series truly repeat; the rest of a profile is largely noise. The
    patterns are the leading singular vectors of all profiles, each in units of its series' restlessness.
    """
    series = coming.shape[1]
    rank = min(_PATTERNS, series // _SERIES_A_PATTERN)
    if not rank:
        return coming
    unit = np.maximum(spread, 1e-9)
    scaled = past / unit
    _, vectors = np.linalg.eigh(scaled @ scaled.T)
    leading = scaled.T @ vectors[:, -rank:]
    leading /= np.maximum(np.linalg.norm(leading, axis=0), _TINY)
    shared = (coming / unit @ leading) @ leading.T * unit
    return np.asarray(shared + _OWN * (coming - shared))


def _growth(rest: Floats64, known: Floats64 | None, year: int) -> Floats64:
    """Returns the mean of the last half year less that of the half year a year before, 0 where that is not known."""
    half = year // 2
    if len(rest) < year + half:
        return np.zeros(rest.shape[1])
    then = slice(-(year + half), -year)
    change = rest[-half:].mean(axis=0) - rest[then].mean(axis=0)
    return np.asarray(change if known is None else np.where(known[then].all(axis=0), change, 0.0))


def project(parts: Sequence[Parts], mixture: Mixture, rhythm: Rhythm) -> Floats64:
    """Returns the forecast, (h, n): the mean over shapes of level, growth and profile, back on the series' own scale."""
    weights = np.asarray(mixture.levels)
    total = np.zeros(parts[0].season.shape)
    years = (_AT_ONCE + _LATER * np.arange(1, len(total) + 1) / rhythm.season)[:, None]
    for part in parts:
        scaled = weights @ part.levels + part.season + mixture.slope * part.growth * years
        total += from_scale(scaled, part.mean, part.shape.scale)
    return total / len(parts)


def skew_of(parts: Sequence[Parts]) -> Floats64:
    """Returns what the mean of each series' periods lies above the square of the mean root, (n,).

    That is the variance of the roots: here of their quick changes, half the mean squared step (von Neumann 1941), so that
    neither level nor season counts.
    """
    main = next(part for part in parts if part.shape.scale == "sqrt")
    steps = np.diff(main.rest.astype(np.float64), axis=0) ** 2
    known = np.isfinite(steps)
    variance = np.where(known, steps, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1) / 2
    return np.asarray(main.mean * variance)


def season_profile(parts: Sequence[Parts]) -> Floats64:
    """Returns the pooled profile of the coming periods on the square-root scale, (h,): the median over series."""
    roots = [part.season for part in parts if part.shape.scale == "sqrt"]
    return np.asarray(np.median(np.mean(roots, axis=0), axis=1), dtype=np.float64)
