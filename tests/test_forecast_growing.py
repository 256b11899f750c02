"""The chance that a year is higher than the last: learned from earlier years of all series."""

import numpy as np

from tests.forecast_series import drawn, panel
from trendloom.forecast.engine import Engine
from trendloom.forecast.forecasting import grid_of
from trendloom.forecast.growing import MARKS, growing_chances
from trendloom.forecast.prepare import prepare
from trendloom.forecast.signals import Signal

WEEKS, SERIES = 240, 60


def engine(values: np.ndarray, signal: np.ndarray | None = None) -> Engine:
    given = panel(values)
    return Engine(grid_of(given, prepare(given), [] if signal is None else [Signal(name="s", values=signal)], 52, 0))


def climbing(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns series that all climb for two years and fall for two, begun at any time, and their growth of the coming year."""
    chance = np.random.default_rng(seed)
    phase = chance.random(SERIES) * 208
    time = np.arange(WEEKS + 52)[:, None]
    level = 0.5 * np.abs(((time + phase) % 208) / 104 - 1)
    values = 0.05 * np.exp(2 * level + chance.normal(0, 0.05, (WEEKS + 52, SERIES)))
    return values[:WEEKS], values[WEEKS:].mean(axis=0) / values[WEEKS - 52 : WEEKS].mean(axis=0) - 1


def order(score: np.ndarray, grew: np.ndarray) -> float:
    """Returns the share of pairs of a grown and a not grown series that the score orders rightly."""
    high, low = score[grew > MARKS[0]], score[grew <= MARKS[0]]
    return float((high[:, None] > low).mean())


def test_what_climbs_for_two_years_is_told_from_what_falls() -> None:
    values, grew = climbing(0)
    found = growing_chances(engine(values))
    assert order(found.score, grew) > 0.85
    assert (found.probability[0] >= found.probability[1]).all()
    assert found.probability[0][grew > MARKS[0]].mean() > found.probability[0][grew <= MARKS[0]].mean() + 0.2


def test_a_leading_signal_is_used_where_the_past_says_nothing() -> None:
    chance = np.random.default_rng(1)
    steps = np.repeat(chance.normal(0, 0.25, (8, SERIES)), 52, axis=0)[: WEEKS + 104]  # a level for each year
    values = 0.05 * np.exp(steps + chance.normal(0, 0.05, steps.shape))
    own, leading = values[:WEEKS], values[52 : WEEKS + 52]  # the signal knows the year to come
    grew = values[WEEKS : WEEKS + 52].mean(axis=0) / own[-52:].mean(axis=0) - 1
    assert order(growing_chances(engine(own, leading)).score, grew) > 0.9
    assert order(growing_chances(engine(own)).score, grew) < 0.85


def test_too_short_a_past_gives_no_chance() -> None:
    found = growing_chances(engine(drawn(150, 8)))
    assert found.rows == 0
    assert np.isnan(found.score).all()
    assert np.isnan(found.probability).all()
