"""How good forecasts would have been: the same forecast from earlier dates, against what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trendloom.errors import ConfigError, NotEnoughData
from trendloom.forecast.forecasting import Forecasts, forecast
from trendloom.forecast.metrics import Floats64, coverage, known_mean, mase, scale_of, season_error, smape, three_class
from trendloom.forecast.panel import Panel
from trendloom.forecast.signals import Signal, at_origin

__all__ = ["MEASURES", "Backtest", "Replay", "Score", "backtest"]

LEVELS = (0.025, 0.1, 0.9, 0.975)
MEASURES = (
    "mase",
    "smape",
    "accuracy",
    "coverage_80",
    "width_80",
    "coverage_95",
    "width_95",
    "season_error",
)
_MEDIAN = ("season_error",)  # of which vendors report the median over series
_REST = "trendloom, rest"  # of the series: too young for the other models, or without any change
_DRAWS = 1000  # of series, for the intervals


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean of a measure over series and origins, with its 95 % interval over series; NaN where none has it.

    Of `season_error` the median over series of its mean over origins.
    """

    middle: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One origin: what was known, what was forecast, what happened.

    Attributes:
        origin: Periods that were known.
        found: The forecast.
        truth: (h, n) NaN where nothing was observed.
        measures: For each model and measure (n,), NaN where a series has none. Those of `trendloom` are of the series that
            the other models forecast too; of the rest, where there are some, those of `trendloom, rest`.
        seconds: For each model.
    """

    origin: int
    found: Forecasts
    truth: Floats64
    measures: dict[str, dict[str, Floats64]]
    seconds: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """All origins together.

    Attributes:
        replays: By origin, the latest first.
        scores: For each model and measure.
        seconds: For each model the mean time of an origin.
        by_series: (n,) MASE of the forecast, the mean over origins.
        treated: How often each treatment of the input was used.
    """

    replays: tuple[Replay, ...]
    scores: dict[str, dict[str, Score]]
    seconds: dict[str, float]
    by_series: Floats64
    treated: dict[str, int]


def backtest(
    panel: Panel,
    horizon: int,
    *,
    origins: int = 4,
    signals: Sequence[Signal] = (),
    seed: int = 0,
    clock: Callable[[], float] = lambda: 0.0,
) -> Backtest:
    """Returns how the forecast did from `origins` earlier dates, a quarter apart, the latest a horizon before the end.

    Each origin sees the panel cut off there and nothing else.

    Args:
        panel: The series.
        horizon: Periods to forecast.
        origins: How many earlier dates.
        signals: As in `forecast`; of what is not known in advance each origin sees its past alone.
        seed: As in `forecast`, and of the draws of series.
        clock: Returns seconds; for the time that models take.

    Raises:
        ConfigError: The number of origins is out of range.
        NotEnoughData: No origin leaves a series with enough history.
    """
    if origins < 1:
        raise ConfigError(f"--origins: expected 1 or more, got {origins}")
    quarter = max(1, round(13 / panel.rhythm.weeks))
    replays = []
    for number in range(origins):
        known = len(panel.dates) - horizon - number * quarter
        if known >= 2:
            replay = _replay(panel, known, horizon, signals, seed=seed, clock=clock)
            if np.isfinite(replay.found.point).any():
                replays.append(replay)
    if not replays:
        raise NotEnoughData(
            f"expected a history before the last {horizon} periods that allows a forecast, got {len(panel.dates)} "
            "periods in all: give a shorter --horizon or longer series"
        )
    chance = np.random.default_rng([seed, 9])
    models = sorted(dict.fromkeys(m for replay in replays for m in replay.measures), key=lambda model: model == _REST)
    each = {model: [replay for replay in replays if model in replay.measures] for model in models}
    errors = [r.measures[model]["mase"] for r in replays for model in ("trendloom", _REST) if model in r.measures]
    return Backtest(
        replays=tuple(replays),
        scores={
            model: {name: _score([r.measures[model][name] for r in each[model]], chance, name) for name in MEASURES}
            for model in models
        },
        seconds={model: float(np.mean([r.seconds[model] for r in each[model]])) for model in models},
        by_series=known_mean(np.stack(errors)),
        treated=replays[0].found.treated,
    )


def _replay(
    panel: Panel,
    known: int,
    horizon: int,
    signals: Sequence[Signal],
    *,
    seed: int,
    clock: Callable[[], float],
) -> Replay:
    cut = replace(panel, dates=panel.dates[:known], values=panel.values[:known])
    start = clock()
    found = forecast(
        cut,
        horizon,
        quantiles=LEVELS,
        signals=[at_origin(signal, panel, known, horizon) for signal in signals],
        seed=seed,
        rivals=True,
        clock=clock,
    )
    took = clock() - start
    truth = panel.values[known : known + horizon]
    measured = {**_ours(found), **found.rivals}
    seconds = {"trendloom": took, _REST: took, **found.seconds}
    measures = {
        model: _measures(truth, point, bands, panel.values[:known], panel.rhythm.season)
        for model, (point, bands) in measured.items()
    }
    return Replay(origin=known, found=found, truth=truth, measures=measures, seconds=seconds)


def _ours(found: Forecasts) -> dict[str, tuple[Floats64, Floats64]]:
    """Returns point and quantiles of the series that the rivals forecast too, and of the others where there are some."""
    ours = np.isfinite(found.point).all(axis=0)
    beside = np.zeros_like(ours)
    for point, _ in found.rivals.values():
        beside |= np.isfinite(point).all(axis=0)
    parts = {"trendloom": ours & beside, _REST: ours & ~beside}
    return {
        name: (np.where(columns, found.point, np.nan), np.where(columns, found.quantiles, np.nan))
        for name, columns in parts.items()
        if columns.any()
    }


def _measures(truth: Floats64, point: Floats64, bands: Floats64, history: Floats64, season: int) -> dict[str, Floats64]:
    """Returns each measure of each series, (n,)."""
    said = np.isfinite(point).all(axis=0)
    scale = scale_of(history, season)
    unit = np.where(scale > 0, scale, np.nan)

    def kept(values: Floats64) -> Floats64:
        return np.where(said, values, np.nan)

    low95, low80, high80, high95 = bands
    return {
        "mase": kept(mase(truth, point, history, season)),
        "smape": kept(smape(truth, point)),
        "accuracy": kept(three_class(truth, point, history, season)),
        "coverage_80": kept(coverage(truth, low80, high80)),
        "width_80": kept((high80 - low80).mean(axis=0) / unit),
        "coverage_95": kept(coverage(truth, low95, high95)),
        "width_95": kept((high95 - low95).mean(axis=0) / unit),
        "season_error": kept(season_error(truth, point, max(1, season // 4))),
    }


def _score(values: list[Floats64], chance: np.random.Generator, measure: str) -> Score:
    each = known_mean(np.stack(values))  # over origins
    each = each[np.isfinite(each)]
    if not len(each):
        return Score(middle=float("nan"), low=float("nan"), high=float("nan"))
    over = np.median if measure in _MEDIAN else np.mean
    drawn = [over(each[chance.integers(0, len(each), len(each))]) for _ in range(_DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Score(middle=float(over(each)), low=float(low), high=float(high))
