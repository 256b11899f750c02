"""What a forecast is made of, series by series, in numbers that a reader can check against the curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trendloom.forecast.calendar import following
from trendloom.forecast.combine import Combined
from trendloom.forecast.engine import Engine
from trendloom.forecast.growing import MARKS, Growing
from trendloom.forecast.panel import Panel
from trendloom.forecast.turning import WITHIN, Turning

__all__ = ["explain"]


def explain(
    engine: Engine, found: Combined, turning: Turning, growing: Growing, *, panel: Panel, names: Sequence[str]
) -> dict[str, dict[str, float | str]]:
    """Returns for each of the engine's series the parts of its forecast.

    growth: mean of the coming periods over the mean of the last season, less 1. level_year_on_year: change of the level
    without season. high_season: date of the profile's peak. season_swing: peak over trough of the profile. trees_share:
    what the trees' correction moves, over the mean forecast. peak_within_13_weeks and so on: probability of a turn. grows_by_10_percent and so on:
    probability that the mean of the coming year is above that of the last by as much. emergence: its order over series.
    """
    grid, outlook = engine.grid, found.outlook
    main = outlook.parts[1]
    last = np.nanmean(grid.values[-grid.rhythm.season :], axis=0)
    mean = found.point.mean(axis=0)
    moved = (found.weights.correction * outlook.correction * outlook.unit).mean(axis=0)
    root = np.maximum(main.levels[2] + main.season, 0.0) ** 2
    days = following(panel.dates, grid.rhythm, grid.horizon)
    told: dict[str, dict[str, float | str]] = {}
    for i, name in enumerate(names):
        facts: dict[str, float | str] = {
            "growth": _round(mean[i] / last[i] - 1 if last[i] > 0 else np.nan),
            "level_year_on_year": _round(main.growth[i] * 2),
            "high_season": str(days[int(main.season[:, i].argmax())]),
            "season_swing": _round(root[:, i].max() / max(root[:, i].min(), 1e-9)),
            "trees_share": _round(moved[i] / mean[i] if mean[i] > 0 else np.nan),
        }
        for weeks, row in zip(WITHIN, turning.probability, strict=True):
            facts[f"peak_within_{weeks}_weeks"] = _round(row[i])
        facts["emergence"] = _round(growing.score[i])
        for mark, row in zip(MARKS, growing.probability, strict=True):
            facts[f"grows_by_{mark:.0%}".replace("%", "_percent")] = _round(row[i])
        told[name] = facts
    return told


def _round(value: float) -> float:
    return round(float(value), 4)
