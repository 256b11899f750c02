"""Plain rules: what a forecast must beat, and what young series get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.calendar import Rhythm
from trendloom.forecast.metrics import Floats64, mean_or_zero

__all__ = ["seasonal_naive", "smoothing", "theta", "young"]

_DAMPING = 0.9  # of a young series' growth, from a quarter to the next


def seasonal_naive(history: Floats64, ahead: int, season: int) -> Floats64:
    """Returns the last season repeated, (ahead, n)."""
    return np.asarray(history[-season:][np.arange(ahead) % season])


def smoothing(history: Floats64, ahead: int, rhythm: Rhythm, *, half_life: float = 6.0) -> Floats64:
    """Returns exponential smoothing of the deseasonalised series plus its plain weekly profile, (ahead, n)."""
    profile, level = _profile(history, rhythm.season)
    weights = 0.5 ** (np.arange(len(history))[::-1] * rhythm.weeks / half_life)
    flat = _weighted(weights, level)
    return np.asarray(np.maximum(flat + profile[(len(history) + np.arange(ahead)) % rhythm.season], 0.0))


def theta(history: Floats64, ahead: int, rhythm: Rhythm) -> Floats64:
    """Returns the theta forecast, (ahead, n): smoothing with half of the deseasonalised trend.

    Source: Assimakopoulos and Nikolopoulos 2000, as simple exponential smoothing with drift (Hyndman and Billah 2003).
    """
    _, level = _profile(history, rhythm.season)
    known = np.isfinite(level)
    steps = np.arange(len(level))[:, None] * known
    count = known.sum(axis=0)
    middle = steps.sum(axis=0) / count
    spread = (((steps - middle) ** 2) * known).sum(axis=0)
    drift = ((steps - middle) * np.nan_to_num(level) * known).sum(axis=0) / np.maximum(spread, 1e-12)
    grown = np.arange(1, ahead + 1)[:, None] * drift / 2
    return np.asarray(np.maximum(smoothing(history, ahead, rhythm) + grown, 0.0))


def _profile(history: Floats64, season: int) -> tuple[Floats64, Floats64]:
    """Returns the mean of each place in the season less the mean, (season, n), and the series without it."""
    mean = mean_or_zero(history)
    profile = np.stack([mean_or_zero(history[place::season]) for place in range(season)]) - mean
    profile = np.nan_to_num(profile)
    return profile, history - profile[np.arange(len(history)) % season]


def _weighted(weights: NDArray[np.floating], values: Floats64) -> Floats64:
    known = np.isfinite(values)
    total = (weights[:, None] * known).sum(axis=0)
    return np.asarray((weights[:, None] * np.where(known, values, 0.0)).sum(axis=0) / np.maximum(total, 1e-12))


def young(
    history: Floats64, ahead: int, rhythm: Rhythm, profile: tuple[Floats64, Floats64] | None
) -> tuple[Floats64, Floats64]:
    """Returns forecast and scale of its error for series under a year and some weeks, both (ahead, n).

    A smoothed level with a damped trend, and the season that the grown-up series of the panel share, on the square-root
    scale. The scale is that of a random walk with the series' own steps: it widens with the square root of time.

    Args:
        history: (t, n), NaN before a series starts.
        ahead: Periods to forecast.
        rhythm: The rhythm.
        profile: Pooled season of past (t,) and coming (ahead,) periods as deviations of the root relative to the mean.
    """
    mean = np.maximum(mean_or_zero(history), 1e-12)
    roots: NDArray[np.float64] = np.sqrt(np.maximum(history, 0.0) / mean)
    past, coming = profile if profile is not None else (np.zeros(len(history)), np.zeros(ahead))
    rest = roots - past[:, None]
    ages = np.arange(len(rest))[::-1] * rhythm.weeks
    level = _weighted(0.5 ** (ages / 6.0), rest)
    slow = _weighted(0.5 ** (ages / 26.0), rest)
    quarters = np.arange(1, ahead + 1)[:, None] * rhythm.weeks / 13.0
    growth = 0.15 * (level - slow) * (1 - _DAMPING**quarters) / (1 - _DAMPING)
    point = np.maximum(level + growth + coming[:, None], 0.0)
    steps = np.diff(rest, axis=0)
    known = np.isfinite(steps)
    step = np.abs(np.where(known, steps, 0.0)).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    spread = 1.25 * np.maximum(step, 0.02) * np.sqrt(1 + quarters * 3)  # 1.25: mean absolute to standard deviation
    return mean * point**2, np.asarray(2 * mean * np.maximum(point, 0.1) * spread)
