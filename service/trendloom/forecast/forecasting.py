"""From a panel of series to a forecast of each, with quantiles, and a report of what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import ConfigError, InputError
from trendloom.forecast.calendar import Dates, Rhythm, following, year_position
from trendloom.forecast.combine import Combined, combine, rehearsed_error
from trendloom.forecast.days import day_shares, to_days, to_weeks
from trendloom.forecast.engine import Engine, Grid, first_origin
from trendloom.forecast.explaining import explain
from trendloom.forecast.features import groups_of
from trendloom.forecast.growing import growing_chances
from trendloom.forecast.intervals import measured_bands, normal_quantile
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.panel import Panel
from trendloom.forecast.prepare import Prepared, merged, prepare
from trendloom.forecast.rivals import Native, rivals_of
from trendloom.forecast.signals import Signal, on_grid
from trendloom.forecast.simple import young
from trendloom.forecast.spread import means_of
from trendloom.forecast.structural import season_profile, skew_of
from trendloom.forecast.turning import WITHIN, turning_points
from trendloom.threads import on_one_thread

__all__ = ["Forecasts", "forecast", "grid_of", "quarter_of"]

_WEEKLY = Rhythm(frequency="weekly", season=52, weeks=1.0)
_POOL = 5  # grown-up series that a shared season needs


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """What is to come.

    Attributes:
        dates: (h,) datetime64[D].
        point: (h, n) medians; NaN where a series has no forecast.
        levels: The quantiles asked for.
        quantiles: (q, h, n).
        quarters: Means over a quarter, (h / quarter, n). Not the means of the medians: those of counts that are mostly
            small and sometimes large lie lower.
        quarter_quantiles: (q, h / quarter, n), from errors of such means: narrower than those of single periods.
        models: For each series what its forecast is: combined, seasonal-naive, young, constant, or none.
        reasons: Why a series has no forecast.
        treated: How often each treatment of the input was used.
        notes: For a series what was done to it.
        facts: Settings, weights and measured errors, as plain values.
        explained: For a series what its forecast is made of.
        rivals: Where asked for, point and quantiles of each single model.
        seconds: What each of them took.
    """

    dates: Dates
    point: Floats64
    levels: tuple[float, ...]
    quantiles: Floats64
    quarters: Floats64
    quarter_quantiles: Floats64
    models: tuple[str, ...]
    reasons: dict[str, str]
    treated: dict[str, int]
    notes: dict[str, list[str]]
    facts: dict[str, object] = field(default_factory=dict)
    explained: dict[str, dict[str, float | str]] = field(default_factory=dict)
    rivals: dict[str, tuple[Floats64, Floats64]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Point (h, n) and quantiles (q, h, n) of some series, with what each is called.

    `quarters`: median and quantiles of means over a quarter, (1 + q, h / quarter, n); None where they were not measured.
    """

    point: Floats64
    quantiles: Floats64
    models: list[str]
    quarters: Floats64 | None = None


@on_one_thread
def forecast(
    panel: Panel,
    horizon: int,
    *,
    quantiles: Sequence[float] = (0.1, 0.9),
    signals: Sequence[Signal] = (),
    seed: int = 0,
    rivals: bool = False,
    explained: bool = False,
    clock: Callable[[], float] = lambda: 0.0,
) -> Forecasts:
    """Returns the forecast of every series for the `horizon` periods after the panel's last date.

    Args:
        panel: The series.
        horizon: Periods to forecast.
        quantiles: Each above 0 and below 1.
        signals: Leading authors, weather, holidays; each used if it helped at earlier origins.
        seed: Of everything random; the same seed and series give the same forecast.
        rivals: Whether to return each single model's forecast too.
        explained: Whether to say what each forecast is made of, and when it may turn.
        clock: Returns seconds, for the time that rivals take.

    Raises:
        ConfigError: The horizon or a quantile is out of range.
    """
    levels = _checked(panel, horizon, quantiles, signals)
    ready = prepare(panel)
    facts: dict[str, object] = {}
    sheet = _Sheet(horizon, len(panel.names), len(levels), quarter_of(panel.rhythm))
    grid = grid_of(panel, ready, signals, horizon, seed)
    old = _grown(ready, grid)
    chosen = None
    extra: dict[str, Any] = {}
    if old.any():
        chosen = _best(_only(grid, old), [signal.name for signal in signals], facts)
        sheet.place(old, _from_combined(chosen, panel=panel, ready=ready, columns=old, horizon=horizon, levels=levels))
        if explained:
            extra["explained"] = _told(chosen, panel, old, facts)
        if rivals:
            native = Native(panel, ready, old, horizon)
            found = rivals_of(chosen[0], chosen[1].rehearsed, native, quantiles=levels, clock=clock)
            extra["rivals"], extra["seconds"] = found
    fresh = ~old & ~ready.constant & np.isfinite(ready.values).any(axis=0)
    if fresh.any():
        sheet.place(
            fresh, _young(grid, chosen, columns=fresh, panel=panel, ready=ready, horizon=horizon, levels=levels)
        )
    sheet.repeat(ready)
    return Forecasts(
        dates=following(panel.dates, panel.rhythm, horizon),
        point=np.maximum(sheet.point - ready.shift, ready.lowest),
        levels=levels,
        quantiles=np.maximum(sheet.bands - ready.shift, ready.lowest),
        quarters=np.maximum(sheet.wide[0] - ready.shift, ready.lowest),
        quarter_quantiles=np.maximum(sheet.wide[1:] - ready.shift, ready.lowest),
        models=tuple(sheet.models),
        reasons={panel.names[i]: why for i, why in ready.reasons.items()},
        treated=merged([panel.treated, ready.treated]),
        notes={name: panel.notes.get(name, []) + ready.notes.get(name, []) for name in {**panel.notes, **ready.notes}},
        facts=facts,
        **extra,
    )


class _Sheet:
    """Collects the answers on all series."""

    def __init__(self, horizon: int, series: int, levels: int, quarter: int) -> None:
        self.quarter = quarter
        self.point = np.full((horizon, series), np.nan)
        self.bands = np.full((levels, horizon, series), np.nan)
        self.wide = np.full((1 + levels, horizon // quarter, series), np.nan)
        self.models = ["none"] * series

    def place(self, columns: NDArray[np.bool_], answer: _Answer) -> None:
        """Writes an answer on some of the series."""
        where = np.flatnonzero(columns)
        self.point[:, where] = answer.point
        self.bands[:, :, where] = answer.quantiles
        wide = means_of(np.concatenate([answer.point[None], answer.quantiles]), self.quarter)
        self.wide[:, :, where] = wide if answer.quarters is None else answer.quarters
        for i, name in zip(where, answer.models, strict=True):
            self.models[i] = name

    def repeat(self, ready: Prepared) -> None:
        """Writes the last value of the series that never change."""
        for i in np.flatnonzero(ready.constant):
            self.point[:, i], self.bands[:, :, i], self.models[i] = ready.values[-1, i], ready.values[-1, i], "constant"
            self.wide[:, :, i] = ready.values[-1, i]


def quarter_of(rhythm: Rhythm) -> int:
    """Returns the periods of a quarter."""
    return max(1, rhythm.season // 4)


def _checked(panel: Panel, horizon: int, quantiles: Sequence[float], signals: Sequence[Signal]) -> tuple[float, ...]:
    """Returns the quantiles as numbers; raises where a setting is out of range."""
    most = 2 * panel.rhythm.season
    if not 1 <= horizon <= most:
        raise ConfigError(f"--horizon: expected 1 to {most} periods (two years), got {horizon}")
    if any(not 0 < q < 1 for q in quantiles):
        raise ConfigError(f"--quantiles: expected numbers above 0 and below 1, got {', '.join(map(str, quantiles))}")
    if len(set(quantiles)) < len(quantiles):
        raise ConfigError(f"--quantiles: expected each once, got {', '.join(map(str, quantiles))}")
    for signal in signals:
        periods, series = signal.values.shape
        if series != len(panel.names) or periods < len(panel.dates):
            raise InputError(f"expected a signal of shape {panel.values.shape} or longer, got {signal.values.shape}")
    return tuple(float(q) for q in quantiles)


def _told(
    chosen: tuple[Engine, Combined], panel: Panel, columns: NDArray[np.bool_], facts: dict[str, object]
) -> dict[str, dict[str, float | str]]:
    turning = turning_points(chosen[0])
    facts["turning points, on origins held out"] = {
        f"within {weeks} weeks": held for weeks, held in zip(WITHIN, turning.calibration, strict=True)
    }
    names = [panel.names[i] for i in np.flatnonzero(columns)]
    return explain(chosen[0], chosen[1], turning, growing_chances(chosen[0]), panel=panel, names=names)


def grid_of(panel: Panel, ready: Prepared, signals: Sequence[Signal], horizon: int, seed: int) -> Grid:
    """Returns the series on the grid that forecasts are made on: days become weeks, the rest stays."""
    values, dates, rhythm, ahead = ready.values, panel.dates, panel.rhythm, horizon
    if rhythm.frequency == "daily":
        values, dates = to_weeks(ready.values, panel.dates)
        rhythm, ahead = _WEEKLY, -(-horizon // 7)
    return Grid(
        values=values,
        signals=tuple(on_grid(signal, panel, ahead) for signal in signals),
        position=year_position(np.concatenate([dates, following(dates, rhythm, ahead)])),
        groups=groups_of(panel.names),
        rhythm=rhythm,
        horizon=ahead,
        seed=seed,
    )


def _grown(ready: Prepared, grid: Grid) -> NDArray[np.bool_]:
    """Returns which series are old enough for the structural forecast, (n,)."""
    finite = np.isfinite(grid.values)
    span = np.where(finite.any(axis=0), len(finite) - finite.argmax(axis=0), 0)
    return np.asarray((span >= first_origin(grid.rhythm)) & ~ready.constant)


def _only(grid: Grid, columns: NDArray[np.bool_]) -> Grid:
    return replace(
        grid,
        values=grid.values[:, columns],
        signals=tuple(signal[:, columns] for signal in grid.signals),
        groups=[codes[columns] for codes in grid.groups],
    )


def _best(grid: Grid, names: Sequence[str], facts: dict[str, object]) -> tuple[Engine, Combined]:
    """Returns the engine and its combination, with those signals that were better than without at earlier origins.

    The signal that helps most alone comes first; another one must help beside those that were taken before it.
    """
    bare = Engine(replace(grid, signals=()))
    best, error = _rehearsed(bare)
    _tell(facts, bare, best, error)
    engine, without, told, alone = bare, error["combined"], {}, {}
    for place, signal in enumerate(grid.signals):
        alone[place] = bare.beside((signal,))
        with_it = _rehearsed(alone[place])[1]["combined"]
        told[place] = {
            "used": False,
            "error_without": without,
            "error_with": with_it,
            "series": int(np.isfinite(signal).any(axis=0).sum()),
            "known in advance": len(signal) > len(grid.values),
        }
    order = sorted(
        (place for place in told if told[place]["error_with"] < without), key=lambda p: told[p]["error_with"]
    )
    for place in order:
        signal = grid.signals[place]
        other = alone[place] if engine is bare else bare.beside((*engine.grid.signals, signal))
        found, now = _rehearsed(other)
        if now["combined"] < error["combined"]:
            engine, best, error = other, found, now
            told[place]["used"] = True
            _tell(facts, engine, best, error)
    if told:
        facts["signals"] = {names[place]: row for place, row in told.items()}
    return engine, best


def _rehearsed(engine: Engine) -> tuple[Combined, dict[str, float]]:
    found = combine(engine, len(engine.grid.values))
    return found, rehearsed_error(engine, found)


def _tell(facts: dict[str, object], engine: Engine, found: Combined, error: dict[str, float]) -> None:
    """Notes what was chosen, and the errors that it was chosen by."""
    last = len(engine.grid.values)
    facts["weights"] = {
        "trees' correction": round(found.weights.correction, 3),
        "seasonal-naive": round(found.weights.naive, 3),
        "theta": round(found.weights.theta, 3),
    }
    facts["level"] = {
        "weights of half-lives of 3, 6, 12, 26, 52 weeks": [round(w, 3) for w in found.outlook.mixture.levels],
        "share of last year's growth": round(found.outlook.mixture.slope, 3),
    }
    facts["earlier origins"] = [last - n for n in found.rehearsed]
    facts["error there, in mean seasonal differences"] = {name: round(value, 4) for name, value in error.items()}


def _from_combined(
    chosen: tuple[Engine, Combined],
    *,
    panel: Panel,
    ready: Prepared,
    columns: NDArray[np.bool_],
    horizon: int,
    levels: tuple[float, ...],
) -> _Answer:
    engine, found = chosen
    highest = ready.highest[columns] + ready.shift[columns]
    native, quarter = Native(panel, ready, columns, horizon), quarter_of(panel.rhythm)
    point, residuals = native.of(engine, found.point, found.rehearsed, found.said)
    point = np.minimum(point, highest)
    bands = measured_bands(point, residuals, found.spread, quantiles=levels, block=quarter, highest=highest)
    lifts = [np.where(found.naive, 0.0, skew_of(engine.outlook(n).parts)) for n in found.rehearsed]
    residuals = native.errors(engine, found.rehearsed, found.said, wide=quarter, lifts=lifts)
    means = means_of(point, quarter) + np.where(found.naive, 0.0, skew_of(found.outlook.parts))
    both = (0.5, *levels)
    wide = measured_bands(means, residuals, found.spread, quantiles=both, block=1, highest=highest, centred=False)
    names = ["seasonal-naive" if naive else "combined" for naive in found.naive]
    return _Answer(point=point, quantiles=bands, models=names, quarters=wide)


def _young(
    grid: Grid,
    chosen: tuple[Engine, Combined] | None,
    *,
    columns: NDArray[np.bool_],
    panel: Panel,
    ready: Prepared,
    horizon: int,
    levels: tuple[float, ...],
) -> _Answer:
    """Returns the forecast of series that are too short for a season of their own."""
    profile = None
    if chosen is not None and chosen[0].grid.values.shape[1] >= _POOL:
        parts = chosen[1].outlook.parts
        past = np.median([np.median(p.past, axis=1) for p in parts if p.shape.scale == "sqrt"], axis=0)
        known = len(grid.values)
        profile = (np.resize(past[::-1], known)[::-1].astype(np.float64), season_profile(parts))
    point, scale = young(grid.values[:, columns], grid.horizon, grid.rhythm, profile)
    if panel.rhythm.frequency == "daily":
        days = ready.values[:, columns]
        last = np.nan_to_num(grid.values[-1, columns])
        shares = day_shares(days)
        point, scale = to_days(last, point, shares, horizon), to_days(scale[0], scale, shares, horizon)
    highest = ready.highest[columns] + ready.shift[columns]
    point = np.minimum(point, highest)
    bands = np.stack([point + normal_quantile(q) * scale for q in levels]) if levels else np.empty((0, *point.shape))
    bands = np.minimum(np.maximum(bands, 0.0), highest)
    return _Answer(point=point, quantiles=bands, models=["young"] * point.shape[1])
