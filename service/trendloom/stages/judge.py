"""Counts to trends with a stage each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.stages.bench import Bench
from trendloom.stages.counted import Counted
from trendloom.stages.evidence import Evidence, Spans, benjamini_hochberg, upper_tail
from trendloom.stages.rows import trend_rows
from trendloom.stages.stories import Retold, tell_once

__all__ = ["Study", "judge"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MIN_WINDOWS = {"week": 8, "month": 6}
_MIN_PEOPLE = 10  # in the last span, to be called
_MIN_EVENTS = 25  # people in all spans, to be tested; chosen by the total alone, which says nothing about growth
_Q = 0.1
_EXACT, _EXACT_GROWTH = 1.0, 1.15
_SEASON_LEVEL, _SEASON_Z, _MOVED = 1.67, 2.5, 3.0
_NEW = {"week": 26, "month": 6}
_PIECE = 0.7  # share of its recent posts that makes a trend a piece of another
_GAP = 3  # windows for which a rise may fail the test without starting anew


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a dump says.

    Attributes:
        trends: A row per trend, strongest first.
        series: A row per trend and window.
        members: A row per trend and post.
        step: Week or month.
        now: End of the last complete window; None without any post that has a time.
        report: What was counted and what was not.
    """

    trends: pl.DataFrame
    series: pl.DataFrame
    members: pl.DataFrame
    step: str
    now: date | None
    report: dict[str, int]


def _retold(evidence: Evidence, trend: int) -> Retold:
    low, high = np.log(evidence.low[trend]), np.log(evidence.high[trend])
    return Retold(
        log_growth=float(np.log(evidence.growth[trend])), error=float(high - low) / 3.92, z=float(evidence.z[trend])
    )


def judge(tally: Counted, names: pl.DataFrame) -> Study:
    """Returns the study of a tally: growth, interval, q-value and stage of every trend.

    A trend rises where it grew since its season a year before beyond chance (false discovery rate 0.1), beyond what
    ordinary trends drift, and also against exactly the same weeks; it emerges while that is new, at most 26 weeks.

    Args:
        tally: Counts (see `trendloom.counting.tally`).
        names: trend_id, kind, label; trends that it does not name are left out.
    """
    bench = Bench(tally)
    shown, test = bench.evidence(bench.shown), bench.test(bench.tested)
    long_enough = bench.windows >= _MIN_WINDOWS[tally.windows.step]
    tested = long_enough & np.isfinite(test.growth) & (test.now + test.past >= _MIN_EVENTS)
    up, down = np.ones(bench.count), np.ones(bench.count)
    up[tested] = benjamini_hochberg(upper_tail(test.z[tested]))
    down[tested] = benjamini_hochberg(upper_tail(-test.z[tested]))
    rising = tested & (up <= _Q) & (shown.low > 1) & (test.now >= _MIN_PEOPLE) & _same_season(bench)
    called = np.flatnonzero(rising)
    under = _stories(bench, test, called)
    since = _since(bench, called, needed=_least_z(up[tested]))
    seasonal = _seasonal(bench)
    new = bench.windows - _NEW[tally.windows.step]
    stage = np.full(bench.count, "steady", dtype=object)
    stage[seasonal] = "seasonal"
    stage[tested & (down <= _Q) & (shown.high < 1)] = "fading"
    told = np.array([trend for trend in called.tolist() if trend not in under], dtype=np.int64)
    under |= _pieces(bench, told, np.flatnonzero(~rising & (test.z > 0)))
    for trend in called.tolist():
        stage[trend] = "steady" if trend in under else "emerging" if since[trend] >= new else "rising"
    q = np.where(test.growth >= 1, up, down)
    return Study(
        trends=trend_rows(bench, names, shown, z=test.z, stage=stage, q=q, since=since, under=under),
        series=tally.series,
        members=tally.members,
        step=tally.windows.step,
        now=tally.windows.now,
        report=dict(tally.report) | {"tested": int(tested.sum())},
    )


def _same_season(bench: Bench) -> NDArray[np.bool_]:
    """Returns which trends are also above exactly the same weeks a year before, so that no short season is called."""
    if bench.exact is None:
        return np.ones(bench.count, dtype=bool)
    exact = bench.test(bench.exact)
    return (exact.z >= _EXACT) & (exact.growth >= _EXACT_GROWTH)


def _stories(bench: Bench, evidence: Evidence, called: Ints) -> dict[int, int]:
    """Returns the trends that another called one tells better."""
    post = bench.tally.row_post.astype(np.int64)
    mine = np.isin(bench.trend, called)
    recent = mine & (bench.tested.block[bench.window] == 0)
    posts = len(bench.tally.post_window)

    def without(trend: int, parts: Ints) -> Retold:
        gone = np.zeros(posts, dtype=bool)
        gone[post[mine & np.isin(bench.trend, parts)]] = True
        return _retold(bench.test(bench.tested, (bench.trend == trend) & ~gone[post]), trend)

    return tell_once(
        called, bench.trend[recent], post[recent], posts, whole=lambda trend: _retold(evidence, trend), without=without
    )


def _pieces(bench: Bench, told: Ints, candidates: Ints) -> dict[int, int]:
    """Returns the trends on their way up that are mere pieces of a called one, too small to be called themselves."""
    post = bench.tally.row_post.astype(np.int64)
    recent = bench.shown.block[bench.window] == 0
    mine = recent & np.isin(bench.trend, candidates)
    size = np.bincount(bench.trend[mine], minlength=bench.count)
    pieces: dict[int, int] = {}
    for trend in told.tolist():
        held = np.zeros(len(bench.tally.post_window), dtype=bool)
        held[post[recent & (bench.trend == trend)]] = True
        inside = np.bincount(bench.trend[mine & held[post]], minlength=bench.count)
        for piece in np.flatnonzero((size > 0) & (inside >= _PIECE * size)).tolist():
            pieces.setdefault(piece, trend)
    return pieces


def _spans_at(bench: Bench, end: int) -> Spans:
    """Returns the comparison at an earlier end: the same season a year before, else today's past."""
    today, spans = bench.tested, bench.tested_at(end)
    if spans.seasonal or not today.seasonal:
        return spans
    block = today.block.copy()
    block[block == 0] = -1
    block[end - today.length : end] = 0
    return Spans(block=block, seasonal=False, length=today.length)


def _least_z(q: Floats) -> float:
    """Returns the evidence that a trend needed to pass the test, among as many trends."""
    passed = max(int((q <= _Q).sum()), 1)
    return -NormalDist().inv_cdf(_Q * passed / max(len(q), passed))


def _since(bench: Bench, called: Ints, *, needed: float) -> dict[int, int]:
    """Returns the first window of the current rise of each called trend: from it on, the test held."""
    first = {int(trend): bench.windows - 1 for trend in called}
    if not len(called):
        return first
    keep = np.isin(bench.trend, called)
    failed = dict.fromkeys(first, 0)
    earliest = max(bench.windows - bench.tally.windows.year, 3)
    for end in range(bench.windows - 1, earliest, -1):
        then = bench.test(_spans_at(bench, end), keep)
        for trend in first:
            if failed[trend] > _GAP:
                continue
            held = then.z[trend] >= needed
            failed[trend] = 0 if held else failed[trend] + 1
            if held:
                first[trend] = end - 1
    return first


def _seasonal(bench: Bench) -> NDArray[np.bool_]:
    """Returns the trends that moved within the year and are where they were in the same weeks a year before."""
    if bench.exact is None:
        return np.zeros(bench.count, dtype=bool)
    length, end = bench.exact.length, bench.windows
    block = np.full(end, -1, dtype=np.int64)
    year = bench.tally.windows.year
    for top in (end, end - year):  # this season against half a year before, in both years where they are known
        half = top - year // 2
        if half >= length:
            block[top - length : top] = 0
            block[half - length : half] = 1
    moved = bench.evidence(Spans(block=block, seasonal=False, length=length))
    same = bench.evidence(bench.exact)
    level = (same.growth > 1 / _SEASON_LEVEL) & (same.growth < _SEASON_LEVEL) & (np.abs(same.z) < _SEASON_Z)
    return level & (np.abs(moved.z) >= _MOVED) & (same.now + same.past >= _MIN_EVENTS)
