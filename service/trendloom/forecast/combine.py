"""One forecast from several: weights, intervals and the fall-back to seasonal naive, all learned from earlier origins."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.engine import Engine, Outlook, first_origin
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.spread import spread_of, truth_of

__all__ = ["Combined", "Weights", "combine", "rehearsals", "rehearsed_error"]

_SOFTNESS = 0.01  # relative loss at which a combination's weight falls to 1/e
_REHEARSALS = 4
_FADING = 0.5  # weight of a rehearsal against the one after it: trees that learn from more past are worth more
_CLIP = 10.0  # units: an error beyond counts as this much
_CORRECTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHARES = (0.0, 0.1, 0.2, 0.3)  # of a plain model
_USUAL = (0.75, 0.0, 0.05)  # correction, naive, theta, that weights are pulled towards
_PULLS = (0.05, 1.0, 1.0)  # relative loss that a whole unit away from the usual is worth
_FEW = 10.0  # the same of a correction that was learned from one series; falls with the square of the series
_ROUNDS = 3  # rehearsals that seasonal naive must win
_CLEARLY = 0.95  # of the combination's error: below it seasonal naive counts as the winner for a series


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How the models were put together: share of the trees' correction, and of the plain models beside it."""

    correction: float
    naive: float
    theta: float


@dataclass(frozen=True, kw_only=True)
class Combined:
    """The forecast from one origin.

    Attributes:
        point: (h, n) median forecast.
        spread: (n,) width unit on the square-root scale.
        naive: (n,) whether the answer is seasonal naive, which won the rehearsals.
        weights: Of the combination.
        outlook: All models.
        rehearsed: The earlier origins that it was learned from.
        said: What the combination said there, (h, n) each.
    """

    point: Floats64
    spread: Floats64
    naive: NDArray[np.bool_]
    weights: Weights
    outlook: Outlook
    rehearsed: tuple[int, ...]
    said: list[Floats64]


def rehearsals(engine: Engine, origin: int) -> list[int]:
    """Returns earlier origins to learn from: those a whole horizon back, or nearer ones where the history is short."""
    grid = engine.grid
    quarter, year = max(1, grid.rhythm.season // 4), grid.rhythm.season
    whole = [origin - min(grid.horizon, year) - quarter * j for j in range(_REHEARSALS)]
    kept = [n for n in whole if n >= first_origin(grid.rhythm) + quarter]
    if len(kept) >= 2:
        return kept
    near = [origin - quarter * j for j in range(1, _REHEARSALS + 1)]
    return sorted({n for n in kept + near if n >= first_origin(grid.rhythm)}, reverse=True)


def combine(engine: Engine, origin: int) -> Combined:
    """Returns the combined forecast from `origin` with what the rehearsals taught."""
    now = engine.outlook(origin)
    past = rehearsals(engine, origin)
    weights = _weights(engine, origin, past)
    mixed = [_mix(engine.outlook(n), weights) for n in past]
    naive = _naive_wins(engine, origin, past, mixed)
    said = [np.where(naive, engine.outlook(n).models["seasonal-naive"], m) for n, m in zip(past, mixed, strict=True)]
    return Combined(
        point=np.where(naive, now.models["seasonal-naive"], _mix(now, weights)),
        spread=spread_of(engine.grid.values[:origin], engine.grid.rhythm.season),
        naive=naive,
        weights=weights,
        outlook=now,
        rehearsed=tuple(past),
        said=said,
    )


def rehearsed_error(engine: Engine, found: Combined) -> dict[str, float]:
    """Returns the mean error in units of the combination and of each model at the earlier origins; NaN without any."""
    totals: dict[str, list[float]] = {}
    now = len(engine.grid.values)
    for n, said in zip(found.rehearsed, found.said, strict=True):
        outlook, truth = engine.outlook(n), truth_of(engine, n, now)
        known = np.isfinite(truth)
        if not known.any():
            continue
        for name, values in {"combined": said, **outlook.models}.items():
            errors = np.minimum(np.abs(values - truth) / outlook.unit, _CLIP)
            totals.setdefault(name, []).append(float(errors[known].mean()))
    if not totals:
        return {"combined": float("nan")}
    return {name: float(np.mean(values)) for name, values in totals.items()}


def _mix(outlook: Outlook, weights: Weights) -> Floats64:
    main = np.maximum(outlook.models["structural"] + weights.correction * outlook.correction * outlook.unit, 0.0)
    plain = weights.naive * outlook.models["seasonal-naive"] + weights.theta * outlook.models["theta"]
    return np.asarray((1 - weights.naive - weights.theta) * main + plain)


def _weights(engine: Engine, origin: int, past: list[int]) -> Weights:
    """Returns the mean of all combinations on a grid, each weighted by its error at the earlier origins.

    Years differ, and a few rehearsals see few of them: weights far from the usual pay a little more, and so do corrections
    that were learned from few series.
    """
    grid = np.array(list(itertools.product(_CORRECTIONS, _SHARES, _SHARES)))
    choices = [Weights(correction=c, naive=a, theta=b) for c, a, b in grid.tolist()]
    total = np.zeros(len(choices))
    for place, n in enumerate(past):
        outlook, truth = engine.outlook(n), truth_of(engine, n, origin)
        known = np.isfinite(truth)
        if not known.any():
            continue
        counts = _FADING**place * min(origin - n, engine.grid.horizon)
        for i, choice in enumerate(choices):
            errors = np.minimum(np.abs(_mix(outlook, choice) - truth) / outlook.unit, _CLIP)
            total[i] += counts * errors[known].mean()
    penalty = (grid - _USUAL) ** 2 @ _PULLS + _FEW * (grid[:, 0] / engine.grid.values.shape[1]) ** 2
    if total.any():
        penalty += total / total.min() - 1
    weight = np.exp(-(penalty - penalty.min()) / _SOFTNESS)
    mean = weight @ grid / weight.sum()
    return Weights(correction=float(mean[0]), naive=float(mean[1]), theta=float(mean[2]))


def _naive_wins(engine: Engine, origin: int, past: list[int], said: list[Floats64]) -> NDArray[np.bool_]:
    """Returns for which series seasonal naive is the answer.

    For those where it was better at every one of three or more rehearsals, and clearly so together; for all, where it was
    better over all of them. Rehearsals of which less than half of the horizon is known decide nothing.
    """
    series = engine.grid.values.shape[1]
    wins, rounds = np.ones(series, dtype=bool), np.zeros(series, dtype=int)
    totals = np.zeros((2, series))
    for n, forecast in zip(past, said, strict=True):
        truth = truth_of(engine, n, origin)
        known = np.isfinite(truth)
        if not known[len(truth) // 2 :].any():
            continue
        outlook = engine.outlook(n)
        ours = np.where(known, np.abs(forecast - truth), 0).sum(axis=0) / outlook.unit
        naive = np.where(known, np.abs(outlook.models["seasonal-naive"] - truth), 0).sum(axis=0) / outlook.unit
        totals += np.stack([ours, naive])
        wins &= ~known.any(axis=0) | (naive < ours)
        rounds += known.any(axis=0)
    if totals[1].sum() < totals[0].sum():
        return np.ones(series, dtype=bool)
    return np.asarray(wins & (rounds >= _ROUNDS) & (totals[1] < _CLEARLY * totals[0]))
