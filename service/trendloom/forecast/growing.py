"""What emerges: the probability that a series is a tenth, or a quarter, higher in the coming year than in the last.

Logistic regressions and extremely randomised trees (Geurts, Ernst and Wehenkel, 2006) over all series learn it from
earlier origins whose year is known by now; their log odds are averaged. The outcome is the mean of the coming year over
that of the last, asked at several marks of growth, and the order of series is that of their mean log odds: neighbouring
marks say nearly the same, and few series pass a high one. Probabilities are those of the mark itself. Chosen at origins
whose outcome was known before the years that are reported (`docs/forecasting.md` has the table).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression

from trendloom.forecast.calendar import Rhythm
from trendloom.forecast.engine import Engine
from trendloom.forecast.features import others_of, periods_of, ratio_of, slope_of, year_on_year
from trendloom.forecast.metrics import Floats64, mean_or_zero
from trendloom.forecast.structural import Parts

__all__ = ["MARKS", "Growing", "growing_chances"]

MARKS = (0.1, 0.25)  # growth of the coming year over the last
_ORDER = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)  # marks whose log odds make the order
_STRENGTH = 0.002  # inverse of the penalty on the standardised features
_TREES = 100
_LEAF = 15  # outcomes
_TRIED = 0.33  # share of the features that a split chooses from
_SUREST = 0.005  # a share of outcomes is no nearer than this to 0 or 1
_ROWS = 400  # known outcomes that a probability needs
_FLOOR = 0.1  # share of a series' mean added to both sides of a ratio
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Growing:
    """What is said of each series at the end of the grid.

    Attributes:
        score: (n,) the order, higher means more likely to grow; NaN where too little is known.
        probability: (len(MARKS), n) of growth beyond each mark; NaN as above.
        rows: Known outcomes that it was learned from.
    """

    score: Floats64
    probability: Floats64
    rows: int


@dataclass(frozen=True, kw_only=True)
class _Past:
    """A view of the past alone: (t, n) history and the signal that helps most, what the shapes see, and groups of the series."""

    history: Floats64
    signal: Floats64 | None
    parts: Parts
    groups: Sequence[NDArray[np.int64]]


def growing_chances(engine: Engine) -> Growing:
    """Returns for each series at the end of the engine's grid how likely the coming year is to be higher."""
    grid = engine.grid
    now, count = len(grid.values), grid.values.shape[1]
    nothing = Growing(score=np.full(count, np.nan), probability=np.full((len(MARKS), count), np.nan), rows=0)
    lessons, outcome = _lessons(engine)
    if len(outcome) < _ROWS:
        return nothing
    middle, spread = np.nanmean(lessons, axis=0), np.nanstd(lessons, axis=0) + _TINY

    def standard(values: Floats64) -> Floats64:
        return np.asarray(np.nan_to_num(np.clip((values - middle) / spread, -3, 3)))

    every, known = np.arange(count), standard(lessons)
    coming = standard(_features(_past(engine, now, every, engine.outlook(now).parts), grid.rhythm))
    passed = outcome[:, None] > np.array(_ORDER)
    odds = (_of_regressions(known, passed, coming) + _of_trees(known, passed, coming, seed=grid.seed)) / 2
    young = ~engine.grown(now)
    score = odds.mean(axis=1)
    probability = 1 / (1 + np.exp(-odds[:, [_ORDER.index(mark) for mark in MARKS]].T))
    score[young], probability[:, young] = np.nan, np.nan
    return Growing(score=score, probability=np.minimum.accumulate(probability, axis=0), rows=len(outcome))


def _lessons(engine: Engine) -> tuple[Floats64, Floats64]:
    """Returns features (rows, f) at earlier origins whose year is known by now, and growth in that year (rows,)."""
    grid, year = engine.grid, engine.grid.rhythm.season
    rows, growth = [np.zeros((0, 1))], [np.zeros(0)]
    for origin, parts in engine.training():
        if not year + periods_of(grid.rhythm, 26) <= origin <= len(grid.values) - year:
            continue
        columns = engine.trained
        found = _features(_past(engine, origin, columns, parts), grid.rhythm)
        came = grid.values[origin : origin + year, columns].mean(axis=0)
        last = grid.values[origin - year : origin, columns].mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            grew = np.where(last > 0, came / last - 1, np.nan)
        counts = engine.grown(origin)[columns] & np.isfinite(grew) & np.isfinite(found).any(axis=1)
        rows.append(found[counts])
        growth.append(grew[counts])
    return np.concatenate(rows[1:] or rows), np.concatenate(growth)


def _of_regressions(rows: Floats64, passed: NDArray[np.bool_], coming: Floats64) -> Floats64:
    """Returns log odds (n, marks) for coming rows (n, f), a logistic regression for each mark.

    Where only one kind of outcome is known, they are the same for all.
    """
    found = np.zeros((len(coming), passed.shape[1]))
    for mark, truth in enumerate(passed.T):
        if truth.all() or not truth.any():
            share = (truth.sum() + 0.5) / (len(truth) + 1)
            found[:, mark] = np.log(share / (1 - share))
        else:
            fitted = LogisticRegression(C=_STRENGTH, max_iter=500).fit(rows, truth)
            found[:, mark] = fitted.decision_function(coming)
    return found


def _of_trees(rows: Floats64, passed: NDArray[np.bool_], coming: Floats64, *, seed: int) -> Floats64:
    """Returns log odds (n, marks) for coming rows (n, f), of the shares of outcomes in the leaves of trees for all marks."""
    trees = ExtraTreesRegressor(_TREES, min_samples_leaf=_LEAF, max_features=_TRIED, random_state=seed)
    share = np.clip(trees.fit(rows, passed.astype(np.float64)).predict(coming), _SUREST, 1 - _SUREST)
    return np.asarray(np.log(share / (1 - share)))


def _past(engine: Engine, origin: int, columns: NDArray[np.int64], parts: Sequence[Parts]) -> _Past:
    grid = engine.grid
    return _Past(
        history=grid.values[:origin, columns],
        signal=grid.signals[0][:origin, columns] if grid.signals else None,
        parts=parts[1],
        groups=[codes[columns] for codes in grid.groups],
    )


def _features(past: _Past, rhythm: Rhythm) -> Floats64:
    """Returns (n, f): growth, level without season, nature of the series, the signal beside it, and the same of others."""
    own = {weeks: year_on_year(past.history, weeks, rhythm) for weeks in (4, 8, 13, 26, 52)}
    rest = past.parts.rest.astype(np.float64)

    def mean(weeks: int) -> Floats64:
        return np.asarray(rest[-periods_of(rhythm, weeks) :].mean(axis=0))

    recent = past.history[-rhythm.season :].mean(axis=0)
    usual = mean_or_zero(past.history)
    floor = _FLOOR * usual + _TINY
    with np.errstate(invalid="ignore", divide="ignore"):
        nature = [
            np.log(recent + _TINY),
            np.abs(np.diff(rest, axis=0)).mean(axis=0),
            rest[-rhythm.season :].std(axis=0),
            np.log((recent + floor) / (np.nanmax(past.history, axis=0) + floor)),
            np.log((recent + floor) / (usual + floor)),
            np.log(past.history[-2 * rhythm.season :].std(axis=0) / recent + _TINY),
        ]
    slopes = [slope_of(rest[-periods_of(rhythm, weeks) :]) for weeks in (26, 52)]
    levels = {weeks: mean(weeks) - mean(52) for weeks in (4, 8, 13, 26)}
    columns = [*own.values(), *levels.values(), *slopes, past.parts.growth, *nature]
    shared = [own[13], own[52], levels[13]]
    if past.signal is not None:
        leading = {weeks: year_on_year(past.signal, weeks, rhythm) for weeks in (13, 26, 52)}
        columns += [*leading.values(), *_beside(past.signal, past.history, rhythm.season)]
        shared.append(leading[52])
    for values in shared:
        columns += others_of(values, past.groups)
    return np.stack(columns, axis=1)


def _beside(signal: Floats64, history: Floats64, year: int) -> list[Floats64]:
    """Returns log ratios of signal and series: over the last quarter, half year, year, and the half year against usual."""
    means = (mean_or_zero(signal) + _TINY, mean_or_zero(history) + _TINY)
    quarter, half, whole = (ratio_of(signal, history, means, max(1, year // part)) for part in (4, 2, 1))
    return [quarter, half, whole, half - np.log(means[0] / means[1])]
