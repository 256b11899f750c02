"""Which posts count in which week or month, and when "now" is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.errors import InputError

__all__ = ["Step", "Windows", "choose_windows", "plausible", "step_named", "window_start"]

Step = Literal["week", "month"]

_FIRST_US = int(datetime(2005, 1, 1, tzinfo=UTC).timestamp() * 1e6)  # photos were not shared socially before
_LAST_US = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1e6)  # later years stand for "no date", as 9999 does
_LONG_WEEKS = 209  # four years of weeks; longer spans are counted by month
_SPARSE_POSTS = 20  # posts a week under which a span of a year or more is counted by month
_STRAY_GAP = timedelta(weeks=26)
_STRAY_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Consecutive half-open UTC windows up to now.

    Attributes:
        step: Week or month.
        starts: First day of each window, ascending without gaps; a Monday or the first of a month.
        now: End of the last window (exclusive).
        index: (posts,) int32, a window per post, -1 for none.
        report: Posts per reason why they count in no window.
    """

    step: Step
    starts: tuple[date, ...]
    now: date | None
    index: NDArray[np.int32]
    report: dict[str, int]

    @property
    def span(self) -> int:
        """Windows in a season's comparison: 13 weeks or 3 months."""
        return 13 if self.step == "week" else 3

    @property
    def year(self) -> int:
        """Windows in a year."""
        return 52 if self.step == "week" else 12


def window_start(day: date, step: Step) -> date:
    """Returns the first day of the window that holds `day`."""
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)


def _next(start: date, step: Step) -> date:
    if step == "week":
        return start + timedelta(days=7)
    return date(start.year + start.month // 12, start.month % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _strays(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns which of the sorted times (microseconds) lie alone, half a year or more from the bulk."""
    gap = _STRAY_GAP // timedelta(microseconds=1)
    allowed = int(_STRAY_SHARE * len(times))
    stray = np.zeros(len(times), dtype=bool)
    if allowed:
        wide = np.flatnonzero(np.diff(times) > gap) + 1
        early, late = wide[wide <= allowed], wide[wide >= len(times) - allowed]
        if early.size:
            stray[: early.max()] = True
        if late.size:
            stray[late.min() :] = True
    return stray


def _choose_step(first: datetime, last: datetime, posts: int) -> Step:
    weeks = (last - first) / timedelta(weeks=1)
    return "month" if weeks >= _LONG_WEEKS or (weeks >= 52 and posts < _SPARSE_POSTS * weeks) else "week"


def _end(step: Step, last: datetime, as_of: datetime | None, recent: int) -> date:
    """Returns the end of the last complete window.

    The window of the last post is complete where what is left of it is no longer than three usual gaps between posts.
    """
    if as_of is not None:
        return window_start(as_of.date(), step)
    start = window_start(last.date(), step)
    end = _next(start, step)
    usual = timedelta(weeks=4) / max(recent, 1)
    allowed = min(max(3 * usual, timedelta(hours=12)), timedelta(days=2 if step == "week" else 5))
    return end if _midnight(end) - last <= allowed else start


def _as_utc(as_of: date | datetime | None) -> datetime | None:
    """Returns the first moment that no longer counts: a date counts up to its start."""
    if as_of is None:
        return None
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC) if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    return _midnight(as_of)


def _times(posted_at: pl.Series) -> NDArray[np.int64]:
    """Returns microseconds since 1970 UTC, the smallest integer for null; naive times are read as UTC."""
    if posted_at.dtype == pl.Null:
        posted_at = posted_at.cast(pl.Datetime("us", "UTC"))
    if not isinstance(posted_at.dtype, pl.Datetime):
        msg = f"expected posted_at as a column of times, got {posted_at.dtype}: convert it before counting"
        raise InputError(msg)
    return posted_at.cast(pl.Datetime("us")).cast(pl.Int64).fill_null(np.iinfo(np.int64).min).to_numpy()


def plausible(posted_at: pl.Series) -> pl.Series:
    """Returns which of a column of UTC times may be right: from 2005 to 2099, and not far from all others."""
    micro = _times(posted_at)
    inside = np.flatnonzero((micro >= _FIRST_US) & (micro < _LAST_US))
    order = inside[np.argsort(micro[inside], kind="stable")]
    found = np.zeros(len(micro), dtype=bool)
    found[order[~_strays(micro[order])]] = True
    return pl.Series(found, dtype=pl.Boolean)


def step_named(name: str) -> Step:
    """Returns the step that a stored run names: months where it says so, else weeks."""
    return "month" if name == "month" else "week"


def choose_windows(posted_at: pl.Series, *, as_of: date | datetime | None = None, step: Step | None = None) -> Windows:
    """Returns the windows of a column of UTC times, one index per row.

    A window is a week, or a month where the span is over four years or there are few posts over a year or more.
    Now is the end of the last complete window, or of the last one that ended by `as_of`. Times before 2005, after
    2099, at or after `as_of`, and a hundredth of the posts or less that lies half a year or more apart from all others
    (a wrong year) count in no window.

    Raises:
        InputError: `posted_at` does not hold times.
    """
    limit = _as_utc(as_of)
    micro = _times(posted_at)
    limit_us = _LAST_US if limit is None else int(limit.timestamp() * 1e6)
    missing = micro == np.iinfo(np.int64).min
    ancient = ~missing & (micro < _FIRST_US)
    endless = micro >= _LAST_US
    future = ~endless & (micro >= limit_us)
    usable = np.flatnonzero(~(missing | ancient | endless | future))
    order = usable[np.argsort(micro[usable], kind="stable")]
    stray = _strays(micro[order])
    report = {
        "no_time": int(missing.sum()),
        "before_2005": int(ancient.sum()),
        "after_2099": int(endless.sum()),
        "after_as_of": int(future.sum()),
        "far_from_all_others": int(stray.sum()),
        "in_the_unfinished_window": 0,
    }
    order = order[~stray]
    index = np.full(len(micro), -1, dtype=np.int32)
    if not len(order):
        return Windows(step=step or "week", starts=(), now=None, index=index, report=report)
    sorted_us = micro[order]
    first, last = (datetime.fromtimestamp(int(us) / 1e6, tz=UTC) for us in (sorted_us[0], sorted_us[-1]))
    chosen = step or _choose_step(first, last, len(order))
    recent = len(order) - int(np.searchsorted(sorted_us, sorted_us[-1] - 28 * 86_400_000_000))
    start = window_start(first.date(), chosen)
    end = max(_end(chosen, last, limit, recent), _next(start, chosen))
    starts = [start]
    while _next(starts[-1], chosen) < end:
        starts.append(_next(starts[-1], chosen))
    edges = np.array([int(_midnight(s).timestamp() * 1e6) for s in [*starts, end]], dtype=np.int64)
    place = np.searchsorted(edges, sorted_us, side="right") - 1
    inside = place < len(starts)
    index[order[inside]] = place[inside].astype(np.int32)
    report["in_the_unfinished_window"] = int((~inside).sum())
    return Windows(step=chosen, starts=tuple(starts), now=end, index=index, report=report)
