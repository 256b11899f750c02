"""Intervals that were measured: errors of the same forecaster at earlier origins (split conformal prediction)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.metrics import Floats64

__all__ = ["error_quantiles", "measured_bands", "normal_quantile", "spread_out"]

_GUARD = 0.01  # moved outwards on either side: years differ more than the few that were seen
_WIDER = 1.15  # a part of the horizon that no rehearsal reached is as uncertain as the last one that was, and this more
_NO_EVIDENCE = 1.25  # seasonal differences of a standard deviation, where no error was measured: that of a normal one
_LEAST = 30  # errors that a part must have for quantiles of its own


def error_quantiles(
    residuals: Sequence[Floats64], quantiles: Sequence[float], block: int, *, centred: bool = True
) -> Floats64:
    """Returns quantiles of past errors by period ahead, (q, h), on the scale of the residuals.

    Args:
        residuals: (h, n) of each earlier origin, NaN where not known.
        quantiles: Each above 0 and below 1.
        block: Periods that share their quantiles: a quarter.
        centred: Whether the forecast is taken for the median: its quantile is 0, and it lies between the others.

    Source: Vovk et al. 2005, split conformal prediction; pooled over series and origins.
    """
    horizon = len(residuals[0]) if residuals else 0
    found = np.zeros((len(quantiles), horizon))
    known: NDArray[np.float64] | None = None
    for start in range(0, horizon, block):
        part = slice(start, start + block)
        errors = np.concatenate([r[part].ravel() for r in residuals])
        errors = errors[np.isfinite(errors)]
        if len(errors) >= _LEAST:
            known = np.array([_quantile(errors, q, centred=centred) for q in quantiles])
        elif known is not None:
            known = known * _WIDER
        else:
            known = np.full(len(quantiles), np.nan)
        found[:, part] = known[:, None]
    return found


def _quantile(errors: Floats64, q: float, *, centred: bool) -> float:
    if q == 0.5:
        return 0.0 if centred else float(np.median(errors))
    outer = max(q - _GUARD, q / 2) if q < 0.5 else min(q + _GUARD, (1 + q) / 2)
    value = float(np.quantile(errors, outer))
    if not centred:
        return value
    return min(value, 0.0) if q < 0.5 else max(value, 0.0)


def spread_out(point: Floats64, errors: Floats64, spread: Floats64, *, highest: Floats64) -> Floats64:
    """Returns the forecast's quantiles, (q, h, n): the point moved by errors on the square-root scale.

    Args:
        point: (h, n), not negative.
        errors: (q, h) from `error_quantiles`.
        spread: (n,) unit of the errors.
        highest: (n,) what no quantile exceeds.
    """
    moves = errors[:, :, None] * spread
    moved = np.where(moves == 0, point, np.maximum(np.sqrt(point) + moves, 0.0) ** 2)
    return np.asarray(np.minimum(moved, np.maximum(highest, point)))


def normal_quantile(q: float) -> float:
    """Returns the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(q)


def measured_bands(
    point: Floats64,
    residuals: Sequence[Floats64],
    spread: Floats64,
    *,
    quantiles: Sequence[float],
    block: int,
    highest: Floats64,
    centred: bool = True,
) -> Floats64:
    """Returns the forecast's quantiles, (q, h, n), from errors at earlier origins.

    Where no origin lies far enough back they are as wide as the seasonal differences themselves.
    """
    errors = np.full((len(quantiles), len(point)), np.nan)
    if residuals:
        errors = error_quantiles(residuals, quantiles, block, centred=centred)
    walk = np.array([[normal_quantile(q)] for q in quantiles]).reshape(-1, 1) * _NO_EVIDENCE
    return spread_out(point, np.where(np.isnan(errors), walk, errors), spread, highest=highest)
