"""How good a forecast was: scaled error, direction, coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats64",
    "coverage",
    "direction",
    "known_mean",
    "mase",
    "mean_or_zero",
    "scale_of",
    "season_error",
    "smape",
    "three_class",
]

Floats64 = NDArray[np.float64]
_FLAT = 0.05  # growth of the mean below which a series counts as flat (etidav/HERMES, its constant)


def scale_of(history: Floats64, season: int) -> Floats64:
    """Returns the mean absolute seasonal difference of each series, (n,); NaN where there is no full season.

    Args:
        history: (t, n), NaN where nothing was observed.
        season: Periods of a season.

    Source: Hyndman and Koehler 2006, the denominator of the seasonal MASE.
    """
    if len(history) <= season:
        return np.full(history.shape[1], np.nan)
    return known_mean(np.abs(history[season:] - history[:-season]))


def mase(truth: Floats64, forecast: Floats64, history: Floats64, season: int) -> Floats64:
    """Returns the mean absolute scaled error of each series, (n,); NaN where the history has no seasonal difference."""
    scale = scale_of(history, season)
    return np.asarray(np.where(scale > 0, known_mean(np.abs(truth - forecast)) / np.where(scale > 0, scale, 1), np.nan))


def smape(truth: Floats64, forecast: Floats64) -> Floats64:
    """Returns the symmetric absolute percentage error of each series, (n,), 0..2; periods that are zero in both are left out."""
    size = (np.abs(truth) + np.abs(forecast)) / 2
    return known_mean(np.where(size > 0, np.abs(truth - forecast) / np.where(size > 0, size, 1), np.nan))


def direction(ahead: Floats64, before: Floats64) -> NDArray[np.int64]:
    """Returns 1, 0 or -1 for each series: the mean ahead is over 5 % above, about as, or over 5 % below the mean before."""
    base = known_mean(before)
    growth = np.where(base > 0, (known_mean(ahead) - base) / np.where(base > 0, base, 1), 0.0)
    return np.where(growth > _FLAT, 1, np.where(growth < -_FLAT, -1, 0)).astype(np.int64)


def three_class(truth: Floats64, forecast: Floats64, history: Floats64, season: int) -> Floats64:
    """Returns 1 for each series whose direction was forecast, 0 for the others, (n,)."""
    before = history[-season:]
    return np.asarray(direction(truth, before) == direction(forecast, before), dtype=np.float64)


def coverage(truth: Floats64, low: Floats64, high: Floats64) -> Floats64:
    """Returns the share of known periods inside the interval for each series, (n,)."""
    inside = ((truth >= low) & (truth <= high)).astype(np.float64)
    return known_mean(np.where(np.isfinite(truth), inside, np.nan))


def season_error(truth: Floats64, forecast: Floats64, periods: int) -> Floats64:
    """Returns the mean absolute percentage error of the means of `periods` periods (a quarter), (n,), as vendors report it."""
    blocks = max(len(truth) // periods, 1)
    errors = []
    for block in range(blocks):
        part = slice(block * periods, (block + 1) * periods)
        real, said = known_mean(truth[part]), known_mean(forecast[part])
        errors.append(np.where(real > 0, np.abs(said - real) / np.where(real > 0, real, 1), np.nan))
    return known_mean(np.stack(errors))


def mean_or_zero(values: Floats64) -> Floats64:
    """Returns the mean over known values along the first axis, 0 where none is known."""
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def known_mean(values: Floats64) -> Floats64:
    """Returns the mean over known values along the first axis, NaN where none is known."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
