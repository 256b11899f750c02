"""What the correction may look at: everything is known at the origin, and told in units that compare across series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.calendar import WEEKS_A_YEAR, Rhythm
from trendloom.forecast.metrics import Floats64, mean_or_zero, scale_of
from trendloom.forecast.structural import HALF_LIVES, Parts

__all__ = ["Sight", "groups_of", "look", "others_of", "periods_of", "ratio_of", "slope_of", "unit_of", "year_on_year"]

_FLOOR = 0.1  # share of a series' mean added to both sides of a ratio
_REFERENCE = HALF_LIVES.index(12.0)
_WINDOWS = (13, 26, 52)  # weeks


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that is seen from one origin.

    Attributes:
        history: (t, n) up to the origin, NaN before a series starts.
        signals: (t, n) each, NaN where there is none; (t + h, n) of one that is known in advance.
        position: (h,) place of the coming periods in the year, in weeks.
        parts: What the shapes see.
        base: (h, n) the structural forecast.
        groups: Codes of the series, (n,) each.
        rhythm: The rhythm.
    """

    history: Floats64
    signals: Sequence[Floats64]
    position: Floats64
    parts: Sequence[Parts]
    base: Floats64
    groups: Sequence[NDArray[np.int64]]
    rhythm: Rhythm


def groups_of(names: Sequence[str]) -> list[NDArray[np.int64]]:
    """Returns what names have in common: for `fr_coat` a code for the first word and one for the second, where words repeat.

    Names must all have the same number of words; a word that is mostly unique to its series makes no group.
    """
    words = [name.replace("/", "_").split("_") for name in names]
    if not words or len({len(w) for w in words}) != 1:
        return []
    groups = []
    for place in range(len(words[0])):
        distinct, codes = np.unique([w[place] for w in words], return_inverse=True)
        if 2 <= len(distinct) <= min(len(names) / 3, 200):
            groups.append(codes.astype(np.int64))
    return groups


def unit_of(history: Floats64, season: int) -> Floats64:
    """Returns the unit of errors for each series, (n,): its mean seasonal difference, or a share of its mean without one."""
    scale = scale_of(history, season)
    mean = mean_or_zero(history)
    return np.where(scale > 0.02 * mean, scale, np.maximum(0.1 * mean, 1e-12))


class _Columns:
    """Collects columns of (h, n) as float32."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.found: list[NDArray[np.float32]] = []

    def add(self, *columns: NDArray[np.floating]) -> None:
        self.found += [np.broadcast_to(c, self.shape).astype(np.float32) for c in columns]


def look(sight: Sight) -> NDArray[np.float32]:
    """Returns (h, n, f) float32: the features of every series and coming period, NaN where the past is too short."""
    columns = _Columns(sight.base.shape)
    unit = unit_of(sight.history, sight.rhythm.season)
    _calendar(columns, sight, unit)
    _last_years(columns, sight, unit)
    _levels(columns, sight)
    _growth(columns, sight)
    _nature(columns, sight, unit)
    for signal in sight.signals:
        _signal(columns, sight, signal[: len(sight.history)])
        if len(signal) > len(sight.history):
            _known_ahead(columns, sight, signal)
    return np.stack(columns.found, axis=-1)


def periods_of(rhythm: Rhythm, weeks: float) -> int:
    """Returns how many periods of a rhythm make so many weeks, at least one."""
    return max(1, round(weeks / rhythm.weeks))


def _main(parts: Sequence[Parts]) -> Parts:
    """Returns the shape that features are told on: square root, middle width."""
    return parts[1]


def _calendar(columns: _Columns, sight: Sight, unit: Floats64) -> None:
    ahead, main = len(sight.base), _main(sight.parts)
    mean = main.mean
    angle = sight.position[:, None] * (2 * np.pi / WEEKS_A_YEAR)
    columns.add(np.arange(1, ahead + 1)[:, None] / sight.rhythm.season, np.sin(angle), np.cos(angle))
    columns.add(sight.base / unit, sight.base / mean, main.season)
    columns.add(main.season - main.past[-periods_of(sight.rhythm, 4) :].mean(axis=0))
    columns.add(sight.parts[0].season - sight.parts[2].season)


def _last_years(columns: _Columns, sight: Sight, unit: Floats64) -> None:
    """Adds the same weeks one and two years before, smoothed, against the forecast."""
    ahead, year = len(sight.base), sight.rhythm.season
    wide = 5 if sight.rhythm.frequency == "weekly" else 1
    smooth = _moving_mean(sight.history[-(2 * year + wide) :], wide)
    for back in (1, 2):
        if len(smooth) < back * year:
            columns.add(np.full((1, 1), np.nan))
            continue
        stop = len(smooth) - (back - 1) * year
        before = smooth[stop - year : stop]
        columns.add((before[np.arange(ahead) % year] - sight.base) / unit)


def _moving_mean(values: Floats64, wide: int) -> Floats64:
    """Returns centred means of `wide` periods, the edges repeated."""
    if wide == 1:
        return values
    half = wide // 2
    padded = np.concatenate([values[:1]] * half + [values] + [values[-1:]] * half)
    total = np.concatenate([np.zeros_like(padded[:1]), padded.cumsum(axis=0)])
    if np.isfinite(values).all():
        return np.asarray((total[wide:] - total[:-wide]) / wide)
    return np.asarray(np.mean([padded[i : i + len(values)] for i in range(wide)], axis=0))


def _levels(columns: _Columns, sight: Sight) -> None:
    main = _main(sight.parts)
    reference, rest = main.levels[_REFERENCE], main.rest
    for weeks in (2, 4, 8, 26, 52):
        columns.add(rest[-periods_of(sight.rhythm, weeks) :].mean(axis=0) - reference)
    columns.add(main.levels[0] - reference, main.levels[-1] - reference, main.growth)
    for weeks in (26, 52):
        columns.add(slope_of(rest[-periods_of(sight.rhythm, weeks) :]) * sight.rhythm.season)


def slope_of(values: NDArray[np.floating]) -> Floats64:
    """Returns the least-squares slope per period of each column."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return np.asarray(steps @ values / max(float((steps**2).sum()), 1.0))


def _growth(columns: _Columns, sight: Sight) -> None:
    """Adds log ratios of the last weeks to the same a year before: of the series, of all, of its groups."""
    for weeks in _WINDOWS:
        own = year_on_year(sight.history, weeks, sight.rhythm)
        columns.add(own, *others_of(own, sight.groups))


def others_of(own: Floats64, groups: Sequence[NDArray[np.int64]]) -> list[Floats64]:
    """Returns means of a value (n,): of all series, then of each series' group in each of the groupings, (n,) each."""
    known = np.isfinite(own)
    found = [np.full(len(own), _mean(own))]
    for codes in groups:
        total = np.bincount(codes, np.where(known, own, 0.0))
        count = np.bincount(codes, known)
        found.append((total / np.maximum(count, 1))[codes])
    return found


def _mean(values: Floats64) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def year_on_year(values: Floats64, weeks: float, rhythm: Rhythm) -> Floats64:
    """Returns (n,) log ratios of the last `weeks` to the same a year before, NaN where less is known."""
    periods, year = periods_of(rhythm, weeks), rhythm.season
    if len(values) < year + periods:
        return np.full(values.shape[1], np.nan)
    floor = _FLOOR * mean_or_zero(values) + 1e-12
    now = values[-periods:].mean(axis=0) + floor
    then = values[-year - periods : -year].mean(axis=0) + floor
    return np.asarray(np.log(now / then))


def _nature(columns: _Columns, sight: Sight, unit: Floats64) -> None:
    """Adds how large, rough, persistent and seasonal a series is, and its groups."""
    main = _main(sight.parts)
    rest = main.rest.astype(np.float64)
    known = np.isfinite(rest)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, rest - np.where(known, rest, 0).sum(axis=0) / count, 0.0)
    variance = (centred**2).sum(axis=0) / count
    columns.add(np.log(main.mean), unit / main.mean, np.sqrt(variance), main.season.std(axis=0))
    columns.add(np.sqrt((np.diff(centred, axis=0) ** 2).sum(axis=0) / count))
    columns.add((centred[1:] * centred[:-1]).sum(axis=0) / count / np.maximum(variance, 1e-9))
    columns.add(rest[-periods_of(sight.rhythm, 8) :].mean(axis=0) / np.maximum(np.sqrt(variance), 1e-6))
    columns.add(*[codes.astype(np.float64) for codes in sight.groups])


def _known_ahead(columns: _Columns, sight: Sight, signal: Floats64) -> None:
    """Adds what is known of the coming periods, and how it differs from the same periods a year before."""
    known, year, ahead = len(sight.history), sight.rhythm.season, len(sight.base)
    past, coming = signal[:known], signal[known : known + ahead]
    usual = mean_or_zero(past)
    spread = np.sqrt(mean_or_zero((past - usual) ** 2)) + 1e-12
    columns.add((coming - usual) / spread)
    if known < year:
        columns.add(np.full((1, 1), np.nan))
        return
    before = past[known - year + np.arange(ahead) % year]
    columns.add((coming - before) / spread)


def _signal(columns: _Columns, sight: Sight, signal: Floats64) -> None:
    """Adds how a signal grows, and how it stands to the series now and usually."""
    history = sight.history
    for weeks in _WINDOWS:
        columns.add(year_on_year(signal, weeks, sight.rhythm))
    both = np.isfinite(signal) & np.isfinite(history)
    count = np.maximum(both.sum(axis=0), 1)
    mean_signal = np.where(both, signal, 0).sum(axis=0) / count + 1e-12
    mean_own = np.where(both, history, 0).sum(axis=0) / count + 1e-12
    usual = np.log(mean_signal / mean_own)
    for weeks in (13, 52):
        ratio = ratio_of(signal, history, (mean_signal, mean_own), periods_of(sight.rhythm, weeks))
        columns.add(ratio, ratio - usual)


def ratio_of(signal: Floats64, history: Floats64, means: tuple[Floats64, Floats64], periods: int) -> Floats64:
    """Returns (n,) log ratios of a signal to the series over the last periods; a share of their means floors both."""
    now, own = signal[-periods:].mean(axis=0), history[-periods:].mean(axis=0)
    return np.asarray(np.log((now + _FLOOR * means[0]) / (own + _FLOOR * means[1])))
