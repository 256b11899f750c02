"""Counts to trends with a stage each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.stages.bench import Bench
from trendloom.stages.counted import Counted
from trendloom.stages.evidence import Evidence, Spans, benjamini_hochberg, sizes_to_weights, upper_tail
from trendloom.stages.rises import Rise, Rises
from trendloom.stages.rows import LOUDEST, trend_rows
from trendloom.stages.stories import Retold, tell_once
from trendloom.threads import on_one_thread

__all__ = ["MIN_PEOPLE", "MIN_WINDOWS", "STAGES", "Study", "compared", "judge"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

STAGES = ("emerging", "rising", "peaking", "burst", "steady", "seasonal", "fading")
MIN_WINDOWS = {"week": 8, "month": 6}
"""Windows of history from which rises are judged."""
MIN_PEOPLE = 20
"""People who must show a trend in the last 13 weeks for it to be called."""
_MIN_EVENTS = 25  # people in all spans, to be tested; chosen by the total alone, which says nothing about growth
_Q = 0.1
_TIMES = 2.0  # what looking at a dozen overlapping times is worth
_ODDS = 2.0  # log weight of a rise against a strong season of the trend's own
_PASSING = 3  # tests that usually pass: the weights are best at the level that so many give
_LEAST_RISE = 0.2  # log growth
_BURST_LEAD = 0.5  # evidence by which a burst must beat a rise
_SEASON_LEVEL, _SEASON_Z, _MOVED = 1.67, 2.5, 3.0
_NEW = {"week": 26, "month": 6}
_PIECE = 0.7  # share of its recent posts that makes a trend a piece of another


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


def _retold(rise: Rise, trend: int) -> Retold:
    return Retold(log_growth=float(rise.log_growth[trend]), error=float(rise.error[trend]), z=float(rise.z[trend]))


def judge(tally: Counted, names: pl.DataFrame) -> Study:
    """Returns the study of a tally: growth, interval, q-value and stage of every trend.

    A trend rises where its history holds a rise beyond the usual season of its type and the usual drift of trends
    (`trendloom.stages.rises`; false discovery rate 0.1 over all trends that are tested), that no strong season of its
    own explains; it emerges while the rise is new, at most 26 weeks.

    Args:
        tally: Counts (see `trendloom.counting.tally`).
        names: trend_id, kind, label; trends that it does not name are left out.
    """
    bench = Bench(tally)
    shown = bench.evidence(bench.shown)
    stage = np.full(bench.count, "steady", dtype=object)
    stage[_seasonal(bench)] = "seasonal"
    verdict = _untested(shown, stage)
    if bench.windows >= MIN_WINDOWS[tally.windows.step]:
        verdict = _verdict(bench, shown, stage)
    return Study(
        trends=_rows(bench, names, verdict),
        series=tally.series,
        members=tally.members,
        step=tally.windows.step,
        now=tally.windows.now,
        report=dict(tally.report) | {"tested": verdict.tested},
    )


def compared(tally: Counted, names: pl.DataFrame) -> pl.DataFrame:
    """Returns the trends of a tally, untested: people, share and growth against the same weeks a year before.

    The columns of `judge`, in a twentieth of its time; what `judge` tells of a rise that this growth leaves open is not
    in it.
    """
    bench = Bench(tally)
    steady = np.full(bench.count, "steady", dtype=object)
    return _rows(bench, names, _untested(bench.evidence(bench.shown), steady))


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """What is said of the trends.

    Attributes:
        stage: (trends,) the stage of each.
        grown: The growth that is reported.
        z: (trends,) evidence of a rise.
        q: (trends,) q-value of a rise or fall, the lesser.
        since: First window of what rose or burst.
        under: Trends that another one tells, and which.
        without: Growth of called trends without their ten loudest authors.
        tested: How many were tested.
    """

    stage: NDArray[np.object_]
    grown: Evidence
    z: Floats
    q: Floats
    since: dict[int, int] = field(default_factory=dict)
    under: dict[int, int] = field(default_factory=dict)
    without: dict[int, float] = field(default_factory=dict)
    tested: int = 0


def _untested(shown: Evidence, stage: NDArray[np.object_]) -> _Verdict:
    """Returns what is said of trends that nothing was tested of."""
    return _Verdict(stage=stage, grown=shown, z=np.zeros(len(stage)), q=np.ones(len(stage)))


def _rows(bench: Bench, names: pl.DataFrame, verdict: _Verdict) -> pl.DataFrame:
    """Returns a row per trend, strongest first."""
    return trend_rows(
        bench,
        names,
        verdict.grown,
        without=verdict.without,
        z=verdict.z,
        stage=verdict.stage,
        q=verdict.q,
        since=verdict.since,
        under=verdict.under,
    )


@on_one_thread
def _verdict(bench: Bench, shown: Evidence, stage: NDArray[np.object_]) -> _Verdict:
    """Returns what is said of trends with history enough; `stage` holds what is seasonal, and steady otherwise."""
    rises = Rises(bench.tally, bench.phi)
    tests, told, under = _told_once(bench, rises)
    up, down, tested = tests.up, tests.down, tests.tested
    called = np.union1d(told, list(under)).astype(np.int64)
    others = np.setdiff1d(np.flatnonzero(rises.up.z > 0), called)
    under |= _pieces(bench, told, others)
    burst = _bursts(rises, tested)
    stage[tested & (down <= _Q) & (rises.down.odds >= _ODDS) & (shown.growth < 1)] = "fading"
    stage[np.setdiff1d(list(burst), [*called, *under]).astype(np.int64)] = "burst"
    stage[called] = "steady"  # what another trend tells has no stage of its own
    new = bench.windows - _NEW[bench.tally.windows.step]
    for trend, turned in zip(told.tolist(), rises.turned(told).tolist(), strict=True):
        rising = "emerging" if rises.up.begun[trend] >= new else "rising"
        stage[trend] = "burst" if trend in burst else "peaking" if turned else rising
    return _Verdict(
        stage=stage,
        grown=_grown(shown, rises, told),
        z=rises.up.z,
        q=np.minimum(up, down),
        since=dict(zip(called.tolist(), rises.up.begun[called].tolist(), strict=True)) | burst,
        under=under,
        without=_without_loudest(bench, rises, told),
        tested=int(tested.sum()),
    )


@dataclass(frozen=True, kw_only=True)
class _Tests:
    """(trends,) q-values of rises and of falls, 1 where nothing was tested, and what was."""

    up: Floats
    down: Floats
    tested: NDArray[np.bool_]


def _told_once(bench: Bench, rises: Rises) -> tuple[_Tests, Ints, dict[int, int]]:
    """Returns the tests, the rising trends that are told, and those that one of them tells.

    One rise shows in a look, in its type and colour, in its type. Counted as several discoveries it would make room for
    false ones elsewhere, so that what another call tells leaves the tests, and these are done again.
    """
    enough = bench.people >= MIN_PEOPLE
    first = _tests(rises, rises.people >= _MIN_EVENTS)
    rising = np.flatnonzero(_rising(rises, first) & enough)
    silent = np.zeros(0, dtype=np.int64)  # what does not pass alone tells nothing
    while True:  # once more for every round of silent ones, usually once
        under = _stories(bench, rises, np.setdiff1d(rising, silent))
        retold = np.isin(np.arange(bench.count), list(under))
        again = _tests(rises, first.tested & ~retold)
        passed = np.flatnonzero(_rising(rises, again) & enough)
        failed = np.setdiff1d(list(under.values()), passed).astype(np.int64)
        if not len(failed):
            break
        silent = np.union1d(silent, failed)
    up, down = np.where(retold, first.up, again.up), np.where(retold, first.down, again.down)
    return _Tests(up=up, down=down, tested=first.tested), np.setdiff1d(passed, silent), under


def _tests(rises: Rises, tested: NDArray[np.bool_]) -> _Tests:
    """Returns the tests of some trends.

    The best of a dozen overlapping times has about twice the tail of a normal variable (6,600 trends of 18 dumps without
    any rise), which the p-values are doubled for.
    """
    up, down = np.ones(len(tested)), np.ones(len(tested))
    level = _Q * _PASSING / max(int(tested.sum()), _PASSING)
    weight = sizes_to_weights(rises.expected[tested], level=level)
    up[tested] = benjamini_hochberg(np.minimum(_TIMES * upper_tail(rises.up.z[tested]) / weight, 1.0))
    down[tested] = benjamini_hochberg(np.minimum(_TIMES * upper_tail(-rises.down.z[tested]) / weight, 1.0))
    return _Tests(up=up, down=down, tested=tested)


def _rising(rises: Rises, tests: _Tests) -> NDArray[np.bool_]:
    passed = tests.tested & (tests.up <= _Q)
    return np.asarray(passed & (rises.up.odds >= _ODDS) & (rises.up.log_growth >= _LEAST_RISE))


def _bursts(rises: Rises, tested: NDArray[np.bool_]) -> dict[int, int]:
    """Returns the window in which a burst began, of trends that a burst explains better than a rise."""
    z, at = rises.bursts()
    places = 3 * 13  # that were looked at
    q = np.ones(len(z))
    q[tested] = benjamini_hochberg(np.minimum(places * upper_tail(z[tested]), 1.0))
    found = np.flatnonzero(tested & (q <= _Q) & (z > rises.up.z + _BURST_LEAD))
    return {int(trend): int(at[trend]) for trend in found}


def _grown(shown: Evidence, rises: Rises, told: Ints) -> Evidence:
    """Returns the growth that is reported: of called trends that a plain comparison leaves open, that of their curve."""
    growth, low, high = shown.growth.copy(), shown.low.copy(), shown.high.copy()
    open_ = told[~(shown.low[told] > 1)]
    middle, half = rises.up.log_growth * rises.up.done, 1.96 * rises.up.error * rises.up.done
    growth[open_], low[open_], high[open_] = (np.exp(v[open_]) for v in (middle, middle - half, middle + half))
    return replace(shown, growth=growth, low=low, high=high)


def _without_loudest(bench: Bench, rises: Rises, told: Ints) -> dict[int, float]:
    """Returns the growth of each called trend without its ten loudest authors of the last 13 weeks (3 months)."""
    tally = bench.tally
    recent = bench.recent[bench.window]
    found = {}
    for trend in told.tolist():
        authors, posts = np.unique(tally.row_author[recent & (bench.trend == trend)], return_counts=True)
        loudest = np.argsort(-posts, kind="stable")[:LOUDEST]
        theirs = np.isin(tally.post_author, authors[loudest])
        rest = rises.without(trend, theirs)
        found[trend] = float(np.exp(rest.log_growth[0] * rest.done[0]))
    return found


def _stories(bench: Bench, rises: Rises, called: Ints) -> dict[int, int]:
    """Returns the trends that another called one tells better."""
    post = bench.tally.row_post.astype(np.int64)
    mine = np.isin(bench.trend, called)
    recent = mine & bench.recent[bench.window]
    posts = len(bench.tally.post_window)

    def without(trend: int, parts: Ints) -> Retold:
        gone = np.zeros(posts, dtype=bool)
        gone[post[mine & np.isin(bench.trend, parts)]] = True
        return _retold(rises.without(trend, gone), 0)

    return tell_once(
        called, bench.trend[recent], post[recent], posts, whole=lambda trend: _retold(rises.up, trend), without=without
    )


def _pieces(bench: Bench, told: Ints, candidates: Ints) -> dict[int, int]:
    """Returns the trends on their way up that are mere pieces of a called one, too small to be called themselves."""
    post = bench.tally.row_post.astype(np.int64)
    recent = bench.recent[bench.window]
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


def _seasonal(bench: Bench) -> NDArray[np.bool_]:
    """Returns the trends that moved within the year and are where they were in the same weeks a year before."""
    if not bench.shown.seasonal:
        return np.zeros(bench.count, dtype=bool)
    length, end = bench.shown.length, bench.windows
    block = np.full(end, -1, dtype=np.int64)
    year = bench.tally.windows.year
    for top in (end, end - year):  # this season against half a year before, in both years where they are known
        half = top - year // 2
        if half >= length:
            block[top - length : top] = 0
            block[half - length : half] = 1
    moved = bench.evidence(Spans(block=block, seasonal=False, length=length))
    same = bench.evidence(bench.shown)
    level = (same.growth > 1 / _SEASON_LEVEL) & (same.growth < _SEASON_LEVEL) & (np.abs(same.z) < _SEASON_Z)
    return level & (np.abs(moved.z) >= _MOVED) & (same.now + same.past >= _MIN_EVENTS)
