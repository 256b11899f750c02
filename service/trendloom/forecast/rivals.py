"""Each single model's forecast with intervals measured in the same way, to stand beside the combination."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.days import day_shares, to_days
from trendloom.forecast.engine import Engine
from trendloom.forecast.intervals import measured_bands
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.panel import Panel
from trendloom.forecast.prepare import Prepared
from trendloom.forecast.simple import seasonal_naive, smoothing, theta
from trendloom.forecast.spread import means_of, spread_of, truth_of
from trendloom.forecast.structural import decompose

__all__ = ["Native", "rivals_of"]

_ONCE = (1.5 / 2.0) ** 0.5


class Native:
    """Brings forecasts from the engine's grid to the series' own periods: days of weeks, else as they are."""

    def __init__(self, panel: Panel, ready: Prepared, columns: NDArray[np.bool_], horizon: int) -> None:
        self.panel, self.columns, self.horizon = panel, columns, horizon
        self.values = ready.values[:, columns]
        self.shift, self.lowest, self.highest = ready.shift[columns], ready.lowest[columns], ready.highest[columns]

    def of(
        self, engine: Engine, point: Floats64, origins: Sequence[int], said: Sequence[Floats64]
    ) -> tuple[Floats64, list[Floats64]]:
        """Returns the forecast (h, n), and for each earlier origin (h, n) its errors on the scale of the spread."""
        if self.panel.rhythm.frequency == "daily":
            point = to_days(engine.grid.values[-1], point, day_shares(self.values), self.horizon)
        return point, self.errors(engine, origins, said)

    def errors(
        self,
        engine: Engine,
        origins: Sequence[int],
        said: Sequence[Floats64],
        *,
        wide: int = 1,
        lifts: Sequence[Floats64] | None = None,
    ) -> list[Floats64]:
        """Returns for each earlier origin (h / wide, n) its errors of means over `wide` periods, on the scale of the spread.

        `lifts`: (n,) for each origin, added to the means that were said.
        """
        now, season = len(engine.grid.values), engine.grid.rhythm.season
        found = []
        nothing = [np.zeros(1)] * len(origins)
        for origin, past, lift in zip(origins, said, lifts or nothing, strict=True):
            spread = spread_of(engine.grid.values[:origin], season)
            if self.panel.rhythm.frequency == "daily":
                truth, forecast = self._days_then(engine, origin, past)
            else:
                truth, forecast = truth_of(engine, origin, now), past
            error = np.sqrt(means_of(truth, wide)) - np.sqrt(means_of(forecast, wide) + lift)
            found.append(error / spread * means_of(self._seen_once(engine, origin), wide))
        return found

    def _seen_once(self, engine: Engine, origin: int) -> Floats64:
        """Returns (h, n) what errors of an earlier origin are worth now.

        A season that was seen once repeats its noise: the variance of such an error is 1 + 1 of the noise; seen twice, as
        it is now, 1 + 1/2.
        """
        season, now = engine.grid.rhythm.season, len(engine.grid.values)
        age = np.arange(engine.grid.horizon)[:, None] - engine.start
        worth = np.where((origin + age < 2 * season) & (now + age >= 2 * season), _ONCE, 1.0)
        return worth if len(worth) == self.horizon else np.repeat(worth, 7, axis=0)[: self.horizon]

    def _days_then(self, engine: Engine, origin: int, weeks: Floats64) -> tuple[Floats64, Floats64]:
        until = len(self.values) % 7 + origin * 7
        days = to_days(engine.grid.values[origin - 1], weeks, day_shares(self.values[:until]), self.horizon)
        truth = np.full(days.shape, np.nan)
        known = self.values[until : until + self.horizon]
        truth[: len(known)] = known
        truth[:, ~engine.grown(origin)] = np.nan
        return truth, days


def rivals_of(
    engine: Engine,
    origins: Sequence[int],
    native: Native,
    *,
    quantiles: Sequence[float],
    clock: Callable[[], float],
) -> tuple[dict[str, tuple[Floats64, Floats64]], dict[str, float]]:
    """Returns by model point (h, n) and quantiles (q, h, n) over all of the panel's series, and the seconds each takes."""
    now = len(engine.grid.values)
    spread = spread_of(engine.grid.values, engine.grid.rhythm.season)
    highest = native.highest + native.shift
    found = {}
    for name, weeks in engine.outlook(now).models.items():
        said = [engine.outlook(origin).models[name] for origin in origins]
        point, residuals = native.of(engine, weeks, origins, said)
        point = np.minimum(point, highest)
        block = max(1, native.panel.rhythm.season // 4)
        bands = measured_bands(point, residuals, spread, quantiles=quantiles, block=block, highest=highest)
        found[name] = _wide(point, native), _wide(bands, native)
    return found, _seconds(engine, clock)


def _wide(values: Floats64, native: Native) -> Floats64:
    """Returns values on the series' own scale, among all series of the panel, NaN for the others."""
    full = np.full((*values.shape[:-1], len(native.columns)), np.nan)
    full[..., native.columns] = np.maximum(values - native.shift, native.lowest)
    return full


def _seconds(engine: Engine, clock: Callable[[], float]) -> dict[str, float]:
    grid = engine.grid
    history, ahead, rhythm = grid.values, grid.horizon, grid.rhythm
    runs: dict[str, Callable[[], object]] = {
        "seasonal-naive": lambda: seasonal_naive(history, ahead, rhythm.season),
        "smoothing": lambda: smoothing(history, ahead, rhythm),
        "theta": lambda: theta(history, ahead, rhythm),
        "structural": lambda: decompose(history, grid.position, rhythm),
    }
    found = {}
    for name, run in runs.items():
        start = clock()
        run()
        found[name] = clock() - start
    return found
