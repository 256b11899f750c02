"""What the counts leave out, and why nothing can be called, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from trendloom.counting import Windows
from trendloom.nouns import amount
from trendloom.stages import MIN_PEOPLE, MIN_WINDOWS

__all__ = ["late", "posts_by_window", "remarks"]

_WRONG = {
    "before_2005": "before 2005",
    "after_2099": "after 2099",
    "far_from_all_others": "half a year or more from all others",
}
_LONG_GAP = 26  # weeks without a post after which dates may be wrong


def posts_by_window(windows: Windows) -> dict[str, int]:
    """Returns the posts of each window that has any, by its first day."""
    counts = pl.Series(windows.index).filter(pl.Series(windows.index) >= 0).value_counts().sort("")
    return {windows.starts[place].isoformat(): posts for place, posts in counts.iter_rows()}


def late(before: Mapping[str, int], counted: Mapping[str, int], now: date | None) -> dict[str, int]:
    """Returns the posts by window that came after a study had counted it.

    Args:
        before: Posts by window of the earlier study.
        counted: Those of this one, in windows of the same length.
        now: End of the last window of the earlier study.
    """
    known = {start: posts for start, posts in counted.items() if now and date.fromisoformat(start) < now}
    more = {start: posts - before.get(start, 0) for start, posts in known.items()}
    return {start: posts for start, posts in more.items() if posts > 0}


def remarks(posts: pl.DataFrame, report: Mapping[str, object], *, step: str, now: date | None) -> tuple[str, ...]:
    """Returns sentences on the posts that count in no window, on windows without posts, and on too short a history.

    Args:
        posts: The table of posts.
        report: Of the last study; empty where there is none.
        step: `week` or `month`.
        now: End of the last complete window; None without one.
    """
    said = []
    undated = posts["posted_at"].null_count()
    if undated:
        said.append(f"{amount(undated, 'post')} with no readable time: tagged, but counted in no {step}")
    wrong = [(words, report.get(name)) for name, words in _WRONG.items()]
    dated = [f"{amount(posts, 'post')} dated {words}" for words, posts in wrong if isinstance(posts, int) and posts]
    if dated:
        said.append(f"{', '.join(dated)}: tagged, but counted in no {step}")
    nameless = posts["author_hash"].null_count()
    if nameless:
        said.append(f"{amount(nameless, 'post')} of no known author: each counts as a person of its own")
    came = report.get("late")
    if isinstance(came, Mapping) and came:
        said.append(
            f"{amount(sum(came.values()), 'post')} came late, for {amount(len(came), step)} that had been counted "
            f"(the first of {_day(min(came))}): counted again"
        )
    counted = report.get("by_window")
    if isinstance(counted, Mapping) and now:
        said += _history({date.fromisoformat(start): number for start, number in counted.items()}, step, now)
    people = report.get("recent_people")
    if isinstance(people, int) and now and people < MIN_PEOPLE:
        span = "13 weeks" if step == "week" else "3 months"
        who = amount(people, "person", "people")
        said.append(f"{who} posted in the last {span}: what rises is judged from {MIN_PEOPLE} people on")
    return tuple(said)


def _history(counted: Mapping[date, int], step: str, now: date) -> list[str]:
    """Returns what is to be said of holes in the history and of its length."""
    said = []
    starts = [*sorted(counted), now]
    ended = _after(starts[-2], step) if counted else now
    if ended < now:
        said.append(
            f"no post in the {amount(_windows(ended, now, step), step)} before {_day(now)}, which --as-of made the end of what "
            f"is counted: the last posts are of the {step} of {_day(starts[-2])}; leave --as-of out to judge what rose until then"
        )
        starts = [*starts[:-1], ended]
    holes = [(_after(one, step), two) for one, two in pairwise(starts) if _after(one, step) < two]
    if holes:
        empty = sum(_windows(begin, end, step) for begin, end in holes)
        begin, end = max(holes, key=lambda hole: hole[1] - hole[0])
        words = f"{amount(empty, step)} without any post, the longest time from {_day(begin)} to {_day(end)}: no share is known"
        if end - begin >= timedelta(weeks=_LONG_GAP):
            words += f"; if later dates are wrong, --as-of {begin} leaves them out"
        said.append(words)
    known = _windows(starts[0], now, step)
    if known < MIN_WINDOWS[step]:
        said.append(f"{amount(known, step)} counted: what rises is judged from {MIN_WINDOWS[step]} {step}s on")
    return said


def _after(start: date, step: str) -> date:
    """Returns the first day of the next window."""
    if step == "week":
        return start + timedelta(days=7)
    return date(start.year + start.month // 12, start.month % 12 + 1, 1)


def _windows(begin: date, end: date, step: str) -> int:
    """Returns how many windows lie between two first days."""
    return (end - begin).days // 7 if step == "week" else 12 * (end.year - begin.year) + end.month - begin.month


def _day(day: date | str) -> str:
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{day.day} {day:%b %Y}"
