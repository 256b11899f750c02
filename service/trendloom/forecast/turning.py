"""When a trend turns: the probability that its peak lies within the coming quarter, half year, year.

A peak is the highest point of the series without its season, as 13-week means, since a quarter before, that is followed
within a quarter by a fall of at least a twentieth. A logistic regression over all series learns it from earlier origins
whose outcome is known; how well its probabilities held is measured on origins that it had not learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from trendloom.forecast.engine import Engine
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.structural import HALF_LIVES, Parts, to_scale

__all__ = ["WITHIN", "Turning", "turning_points"]

WITHIN = (13, 26, 52)  # weeks
_FALL = 0.05  # of the level, within a quarter after the peak
_STRENGTH = 0.02  # inverse of the penalty on the standardised features
_ROWS = 400  # known outcomes that a probability needs
_BINS = 5
_FOLDS = 5
_BETTER = 0.98  # of the share's Brier score: above it the regression tells series apart too little


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Probabilities of a peak, and how such probabilities held.

    Attributes:
        probability: (len(WITHIN), n), NaN where too few outcomes are known.
        calibration: For each of WITHIN what was held out (`later origins`, or `other series` where the history knows too
            few outcomes to hold out time), rows, share that peaked, mean probability, Brier score, that of the known share
            alone, per bin (probability said, share that peaked, rows), and `plain`: whether the regression was hardly better
            than the share alone, which then is the probability of every series. Rows 0: nothing could be held out.
    """

    probability: Floats64
    calibration: tuple[dict[str, object], ...]


def turning_points(engine: Engine) -> Turning:
    """Returns the probability of a peak for each series at the end of the engine's grid."""
    grid = engine.grid
    now = len(grid.values)
    quarter = max(1, round(13 / grid.rhythm.weeks))
    outlook = engine.outlook(now)
    ahead = [max(1, round(weeks / grid.rhythm.weeks)) for weeks in WITHIN]
    probability = np.full((len(ahead), grid.values.shape[1]), np.nan)
    calibration: list[dict[str, object]] = []
    seen = {origin: _features(parts) for origin, parts in engine.training()}
    for i, periods in enumerate(ahead):
        known = _outcomes(engine, seen, periods, quarter)
        held = _held_out(known, gap=periods + quarter)
        calibration.append(held)
        model = _fit(known.rows, known.truth)
        if held.get("plain"):
            probability[i] = known.truth.mean()
        elif model is not None:
            probability[i] = model.say(_features(outlook.parts))
    probability = np.where(np.isnan(probability), np.nan, np.fmax.accumulate(probability, axis=0))
    probability[:, ~outlook.grown] = np.nan
    return Turning(probability=probability, calibration=tuple(calibration))


def _features(parts: Sequence[Parts]) -> Floats64:
    """Returns (n, f): where the level stands, how it moves, and how restless it is."""
    main = parts[1]
    rest = main.rest.astype(np.float64)
    reference = main.levels[HALF_LIVES.index(12.0)]
    spread = np.maximum(np.nanstd(rest, axis=0), 1e-6)
    count = len(rest)

    def recent(weeks: int) -> Floats64:
        return np.asarray(rest[-max(1, round(weeks * count / 78)) :].mean(axis=0), dtype=np.float64)

    highest = np.nanmax(rest, axis=0)
    columns = [
        (main.levels[0] - reference) / spread,
        (recent(4) - recent(26)) / spread,
        (recent(13) - recent(52)) / spread,
        (recent(26) - recent(52)) / spread,
        main.growth / spread,
        main.growth,
        (highest - reference) / spread,
        (recent(52) - main.levels[-1]) / spread,
        spread,
        np.log(main.mean),
        main.season.std(axis=0) / spread,
    ]
    return np.asarray(np.nan_to_num(np.stack(columns, axis=1)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of peaks: features (r, f), whether one came (r,), from which origin and of which series (r,)."""

    rows: Floats64
    truth: NDArray[np.bool_]
    when: NDArray[np.int64]
    who: NDArray[np.int64]


def _outcomes(engine: Engine, seen: dict[int, Floats64], periods: int, quarter: int) -> _Known:
    """Returns for all origins whose coming periods are known by now whether a peak came within `periods`."""
    grid = engine.grid
    rows, truth, when, who = [], [], [], []
    for origin, parts in engine.training():
        stop = origin + periods + quarter
        if stop > len(grid.values) or periods + quarter > len(parts[1].season) + len(parts[1].past):
            continue
        main = parts[1]
        counts = engine.grown(origin)[engine.trained]
        future = grid.values[origin:stop, engine.trained]
        season = np.resize(main.season, future.shape) if len(future) > len(main.season) else main.season[: len(future)]
        coming = to_scale(future, main.mean, main.shape.scale) - season
        level = _moving(np.vstack([main.rest[-2 * quarter :], coming]), quarter)
        came = _peaked(level, quarter, periods) & counts
        counts &= np.isfinite(level).all(axis=0)
        rows.append(seen[origin][counts])
        truth.append(came[counts])
        when.append(np.full(int(counts.sum()), origin))
        who.append(np.flatnonzero(counts))
    if not rows:
        return _Known(rows=np.zeros((0, 1)), truth=np.zeros(0, bool), when=np.zeros(0, int), who=np.zeros(0, int))
    return _Known(
        rows=np.concatenate(rows), truth=np.concatenate(truth), when=np.concatenate(when), who=np.concatenate(who)
    )


def _moving(values: Floats64, wide: int) -> Floats64:
    total = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])
    return np.asarray((total[wide:] - total[:-wide]) / wide)


def _peaked(level: Floats64, quarter: int, periods: int) -> NDArray[np.bool_]:
    """Returns which columns reach a peak within `periods` after the first quarter of means, and then fall, (n,).

    Args:
        level: (quarter + 1 + periods + quarter, n) means, the one at `quarter` being that of now.
        quarter: Periods of a quarter.
        periods: How far ahead the peak may lie.
    """
    found = np.zeros(level.shape[1], dtype=bool)
    for place in range(quarter, min(quarter + periods, len(level) - quarter - 1) + 1):
        around = level[place - quarter : place + quarter + 1]
        top = level[place]
        found |= (top >= around.max(axis=0)) & (level[place + quarter] < top - _FALL * np.abs(top))
    return found


@dataclass(frozen=True, kw_only=True)
class _Model:
    middle: Floats64
    spread: Floats64
    fitted: LogisticRegression

    def say(self, rows: Floats64) -> Floats64:
        return np.asarray(self.fitted.predict_proba(_standard(rows, self.middle, self.spread))[:, 1])


def _standard(rows: Floats64, middle: Floats64, spread: Floats64) -> Floats64:
    return np.clip((rows - middle) / spread, -3, 3)


def _fit(rows: Floats64, truth: NDArray[np.bool_]) -> _Model | None:
    """Returns a model, None where too few outcomes or only one kind are known."""
    if len(rows) < _ROWS or truth.all() or not truth.any():
        return None
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    fitted = LogisticRegression(C=_STRENGTH, max_iter=500).fit(_standard(rows, middle, spread), truth)
    return _Model(middle=middle, spread=spread, fitted=fitted)


def _held_out(known: _Known, *, gap: int) -> dict[str, object]:
    """Returns how probabilities held where they had not been learned.

    At each origin of the latest quarter they are learned from the origins whose outcome was known then. Where the history
    is too short for that, they are learned from four fifths of the series and held against the other fifth, in turn.
    """
    if not len(known.rows):
        return {"rows": 0}
    late = [n for n in np.unique(known.when) if n >= np.quantile(known.when, 3 / 4)]
    found = _said(known, [(known.when + gap <= n, known.when == n) for n in late])
    held = "later origins"
    if found is None:
        fold = known.who % _FOLDS
        found, held = _said(known, [(fold != i, fold == i) for i in range(_FOLDS)]), "other series"
    if found is None:
        return {"rows": 0}
    said, came, base = found
    edges = np.quantile(said, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = np.searchsorted(edges, said)
    brier, of_share = float(((said - came) ** 2).mean()), float(((base - came) ** 2).mean())
    return {
        "held_out": held,
        "plain": brier > _BETTER * of_share,
        "rows": len(said),
        "peaked": round(float(came.mean()), 3),
        "said": round(float(said.mean()), 3),
        "brier": round(brier, 4),
        "brier_of_past_share": round(of_share, 4),
        "bins": [
            [round(float(said[bins == b].mean()), 3), round(float(came[bins == b].mean()), 3), int((bins == b).sum())]
            for b in range(_BINS)
            if (bins == b).any()
        ],
    }


def _said(
    known: _Known, splits: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
) -> tuple[Floats64, NDArray[np.bool_], Floats64] | None:
    """Returns probability, outcome and the share among what was learned from, over all splits that can be learned."""
    said, came, base = [], [], []
    for learned, tested in splits:
        model = _fit(known.rows[learned], known.truth[learned])
        if model is not None and tested.any():
            said.append(model.say(known.rows[tested]))
            came.append(known.truth[tested])
            base.append(np.full(int(tested.sum()), known.truth[learned].mean()))
    if not said:
        return None
    return np.concatenate(said), np.concatenate(came), np.concatenate(base)
