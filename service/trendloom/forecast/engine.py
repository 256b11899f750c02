"""Forecasts from any origin in the history: every choice is made on what lay before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast import boosting
from trendloom.forecast.calendar import Rhythm
from trendloom.forecast.features import Sight, look, unit_of
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.simple import seasonal_naive, smoothing, theta
from trendloom.forecast.structural import HALF_LIVES, Mixture, Parts, decompose, project

__all__ = ["Engine", "Grid", "Outlook", "first_origin"]

_SLOPES = (0.0, 0.15, 0.3, 0.5, 0.7, 0.95)
_SOFTNESS = 0.005  # relative loss at which a setting's weight falls to 1/e
_ENOUGH = 3  # origins that settings are chosen on
_CHOICE_SERIES = 400  # series that settings are chosen on
_TRAIN_SERIES = 1500  # series that the correction is learned from
_TRAIN_ROWS = 400_000
_CLIP = 5.0  # units: an error beyond counts as this much
_MANY = 20  # series from which errors in common can be told
_COMMON = (
    0.8  # share of an origin's common error that is taken off before trees are fitted: years differ, few were seen
)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Series on one regular grid of weeks or months.

    Attributes:
        values: (t, n), not negative; NaN before a series starts, nowhere else.
        signals: (t, n) each, NaN where there is none; (t + horizon, n) of one that is known in advance at any origin.
        position: (t + horizon,) place in the year of past and coming periods, in weeks.
        groups: Codes of the series by what their names share, (n,) each.
        rhythm: weekly or monthly.
        horizon: Periods to forecast.
        seed: Of everything random.
    """

    values: Floats64
    signals: tuple[Floats64, ...]
    position: Floats64
    groups: Sequence[NDArray[np.int64]]
    rhythm: Rhythm
    horizon: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The view from one origin, (h, n) each.

    Attributes:
        models: Forecast of each model by its name.
        correction: What the trees say, in units.
        unit: (n,) unit of errors.
        parts: What the shapes see.
        mixture: How levels and growth were used.
        grown: (n,) whether a series is old enough.
    """

    models: dict[str, Floats64]
    correction: Floats64
    unit: Floats64
    parts: list[Parts]
    mixture: Mixture
    grown: NDArray[np.bool_]


def first_origin(rhythm: Rhythm) -> int:
    """Returns how many periods a series must have for the structural forecast: a year and eight weeks, or two months."""
    return rhythm.season + max(2, round(8 / rhythm.weeks))


class Engine:
    """Looks ahead from any origin of a grid; what several origins share is computed once."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        chance = np.random.default_rng([grid.seed, 1])
        order = chance.permutation(grid.values.shape[1])
        self._train = np.sort(order[:_TRAIN_SERIES])
        self._choice = np.flatnonzero(np.isin(self._train, order[:_CHOICE_SERIES]))
        finite = np.isfinite(grid.values)
        self.start = np.where(finite.any(axis=0), finite.argmax(axis=0), len(finite))
        self._parts: dict[int, list[Parts]] = {}
        self._losses: dict[int, Floats64] = {}
        self._outlooks: dict[int, Outlook] = {}

    def beside(self, signals: tuple[Floats64, ...]) -> Engine:
        """Returns an engine on the same grid with other signals; what does not depend on them is not computed again."""
        other = Engine(replace(self.grid, signals=signals))
        other._parts, other._losses = self._parts, self._losses
        return other

    def grown(self, origin: int) -> NDArray[np.bool_]:
        """Returns which series are old enough at an origin, (n,)."""
        return np.asarray(origin - self.start >= first_origin(self.grid.rhythm))

    def origins(self, origin: int) -> list[int]:
        """Returns earlier origins whose coming weeks are known in part, every eight weeks (monthly: every second month)."""
        weeks = self.grid.rhythm.weeks
        least, every = max(1, round(4 / weeks)), max(2, round(8 / weeks))
        return list(range(origin - least, first_origin(self.grid.rhythm) - 1, -every))[::-1]

    def outlook(self, origin: int) -> Outlook:
        """Returns every model's forecast from `origin`, knowing the periods before it alone."""
        if origin not in self._outlooks:
            self._outlooks[origin] = self._make(origin)
        return self._outlooks[origin]

    @property
    def trained(self) -> NDArray[np.int64]:
        """Returns the places of the series that the correction is learned from."""
        return self._train

    def training(self) -> list[tuple[int, list[Parts]]]:
        """Returns the earlier origins that lessons are taken from, with what the shapes see of the training series."""
        return [(origin, self._seen(origin)) for origin in self.origins(len(self.grid.values))]

    # ---- one origin

    def _make(self, origin: int) -> Outlook:
        grid = self.grid
        history = grid.values[:origin]
        mixture = self._mixture(origin)
        parts = decompose(history, grid.position[: origin + grid.horizon], grid.rhythm)
        base = project(parts, mixture, grid.rhythm)
        sight = self._sight(origin, slice(None), parts, base)
        return Outlook(
            models={
                "seasonal-naive": seasonal_naive(history, grid.horizon, grid.rhythm.season),
                "smoothing": smoothing(history, grid.horizon, grid.rhythm),
                "theta": theta(history, grid.horizon, grid.rhythm),
                "structural": base,
            },
            correction=self._correct(origin, mixture, sight),
            unit=unit_of(history, grid.rhythm.season),
            parts=parts,
            mixture=mixture,
            grown=self.grown(origin),
        )

    def _sight(self, origin: int, columns: NDArray[np.int64] | slice, parts: Sequence[Parts], base: Floats64) -> Sight:
        grid = self.grid
        return Sight(
            history=grid.values[:origin, columns],
            signals=[signal[: origin + len(signal) - len(grid.values), columns] for signal in grid.signals],
            position=grid.position[origin : origin + grid.horizon],
            parts=parts,
            base=base,
            groups=[codes[columns] for codes in grid.groups],
            rhythm=grid.rhythm,
        )

    def _seen(self, origin: int) -> list[Parts]:
        """Returns what the shapes see of the training series at an earlier origin."""
        if origin not in self._parts:
            grid = self.grid
            history = grid.values[:origin, self._train]
            self._parts[origin] = decompose(history, grid.position[: origin + grid.horizon], grid.rhythm)
        return self._parts[origin]

    # ---- settings

    def _mixture(self, origin: int) -> Mixture:
        """Returns how to use levels and growth: each of 30 settings weighted by its past error.

        With few years to judge by, settings far from the usual pay a little more. Origins of which less than half of the
        horizon is known favour a level that forgets fast, and count only where there are no others.
        """
        origins = self.origins(origin)
        far = [n for n in origins if origin - n >= self.grid.horizon // 2]
        origins = far if len(far) >= _ENOUGH else origins
        total = np.zeros((len(HALF_LIVES), len(_SLOPES)))
        for earlier in origins:
            ahead = min(self.grid.horizon, origin - earlier)
            total += self._loss(earlier)[..., :ahead].sum(axis=-1)
        penalty = _unusual()
        if total.any():
            years = len(origins) * 8 / 52
            penalty = total / total.min() - 1 + penalty / years
        weights = np.exp(-(penalty - penalty.min()) / _SOFTNESS)
        weights /= weights.sum()
        return Mixture(levels=tuple(weights.sum(axis=1).tolist()), slope=float(weights.sum(axis=0) @ np.array(_SLOPES)))

    def _loss(self, origin: int) -> Floats64:
        """Returns the mean error in units of each setting by period ahead, (half-lives, slopes, h); 0 past the end."""
        if origin not in self._losses:
            grid, few = self.grid, self._choice
            columns = self._train[few]
            parts = [_columns(part, few) for part in self._seen(origin)]
            truth = grid.values[origin : origin + grid.horizon, columns]
            unit = unit_of(grid.values[:origin, columns], grid.rhythm.season)
            counts = self.grown(origin)[columns] & np.isfinite(truth).all(axis=0)
            found = np.zeros((len(HALF_LIVES), len(_SLOPES), grid.horizon))
            if counts.any():
                for i in range(len(HALF_LIVES)):
                    level = tuple(float(i == j) for j in range(len(HALF_LIVES)))
                    for j, slope in enumerate(_SLOPES):
                        said = project(parts, Mixture(levels=level, slope=slope), grid.rhythm)[: len(truth)]
                        errors = np.minimum(np.abs(said - truth)[:, counts] / unit[counts], _CLIP)
                        found[i, j, : len(truth)] = errors.mean(axis=1)
            self._losses[origin] = found
        return self._losses[origin]

    # ---- correction

    def _correct(self, origin: int, mixture: Mixture, sight: Sight) -> Floats64:
        rows, targets = self._lessons(origin, mixture)
        if len(targets) < 2000:
            return np.zeros(sight.base.shape)
        return boosting.fit(rows, targets, seed=self.grid.seed).predict(look(sight))

    def _lessons(self, origin: int, mixture: Mixture) -> tuple[NDArray[np.float32], Floats64]:
        """Returns features and errors of the structural forecast at earlier origins, all known at `origin`."""
        grid = self.grid
        rows, targets = [np.zeros((0, 1), np.float32)], [np.zeros(0)]
        earlier = self.origins(origin)
        share = min(1.0, _TRAIN_ROWS / max(1, len(earlier) * grid.horizon * len(self._train)))
        past_errors = {past: found for past in earlier if (found := self._errors(past, origin, mixture)) is not None}
        common = self._common({past: errors for past, (errors, _) in past_errors.items()})
        for past, (errors, counts) in past_errors.items():
            base = project(self._seen(past), mixture, grid.rhythm)
            features = look(self._sight(past, self._train, self._seen(past), base))[: len(errors)][:, counts]
            kept = np.random.default_rng([grid.seed, 2, past]).random(errors.shape) < share
            rows.append(features[kept])
            targets.append((errors - common[past][:, None])[kept])
        rows = rows[1:] or rows
        return np.concatenate(rows), np.concatenate(targets)

    def _errors(self, past: int, origin: int, mixture: Mixture) -> tuple[Floats64, NDArray[np.bool_]] | None:
        """Returns errors in units at one earlier origin as far as known, (a, m), and which series they are of; None without any."""
        grid = self.grid
        base = project(self._seen(past), mixture, grid.rhythm)
        ahead = min(grid.horizon, origin - past)
        truth = grid.values[past : past + ahead, self._train]
        unit = unit_of(grid.values[:past, self._train], grid.rhythm.season)
        counts = self.grown(past)[self._train] & np.isfinite(truth).all(axis=0)
        if not counts.any():
            return None
        return np.clip((truth - base[:ahead])[:, counts] / unit[counts], -_CLIP, _CLIP), counts

    def _common(self, errors: dict[int, Floats64]) -> dict[int, Floats64]:
        """Returns for each origin what is taken off its errors before trees are fitted, by period ahead.

        Most of what all series have in common: a year of its own is no lesson. What signals that are known in advance
        explain of it, by least squares over all origins, is one and stays.
        """
        middle = {p: np.median(e, axis=1) if e.shape[1] >= _MANY else np.zeros(len(e)) for p, e in errors.items()}
        known = [signal for signal in self.grid.signals if len(signal) > len(self.grid.values)]
        if known and middle:
            seen = {
                p: np.stack([_typical(signal[p : p + len(m)]) for signal in known], axis=1) for p, m in middle.items()
            }
            rows, truth = np.concatenate(list(seen.values())), np.concatenate(list(middle.values()))
            mean = rows.mean(axis=0)
            effect = np.linalg.lstsq(rows - mean, truth - truth.mean(), rcond=None)[0]
            middle = {p: m - (seen[p] - mean) @ effect for p, m in middle.items()}
        return {p: _COMMON * m for p, m in middle.items()}


def _typical(values: Floats64) -> Floats64:
    """Returns the median over series of what is known, (t,), 0 where nothing is."""
    known = np.isfinite(values).any(axis=1)
    found = np.zeros(len(values))
    found[known] = np.nanmedian(values[known], axis=1)
    return found


def _unusual() -> Floats64:
    """Returns how far each setting is from a level that forgets in ten weeks and a fifth of the growth, (levels, slopes)."""
    forgets = (np.log2(np.array(HALF_LIVES) / 10) ** 2)[:, None]
    grows = ((np.array(_SLOPES) - 0.2) / 0.25) ** 2
    return np.asarray(0.03 * forgets + 0.06 * grows)


def _columns(part: Parts, columns: NDArray[np.int64]) -> Parts:
    """Returns the parts of some of the series."""
    return replace(
        part,
        season=part.season[:, columns],
        past=part.past[:, columns],
        levels=part.levels[:, columns],
        growth=part.growth[columns],
        rest=part.rest[:, columns],
        mean=part.mean[columns],
    )
