"""What errors are measured against: the truth as far as it was known, and a unit of uncertainty."""

from __future__ import annotations

import numpy as np

from trendloom.forecast.engine import Engine
from trendloom.forecast.features import unit_of
from trendloom.forecast.metrics import Floats64

__all__ = ["means_of", "spread_of", "truth_of"]


def spread_of(history: Floats64, season: int) -> Floats64:
    """Returns the mean absolute seasonal difference of the roots, (n,), the unit of a series' uncertainty."""
    return unit_of(np.sqrt(history), season)


def truth_of(engine: Engine, origin: int, now: int) -> Floats64:
    """Returns what came after an earlier origin as far as it is known now, (h, n); NaN beyond, and for series too young."""
    grid = engine.grid
    truth = np.full((grid.horizon, grid.values.shape[1]), np.nan)
    known = grid.values[origin : min(origin + grid.horizon, now)]
    truth[: len(known)] = known
    truth[:, ~engine.grown(origin)] = np.nan
    return truth


def means_of(values: Floats64, wide: int) -> Floats64:
    """Returns the means of `wide` periods each, (..., h / wide, n) of (..., h, n); what is left over at the end is left out."""
    whole = values.shape[-2] // wide
    blocks = values[..., : whole * wide, :].reshape(*values.shape[:-2], whole, wide, values.shape[-1])
    return np.asarray(blocks.mean(axis=-2))
