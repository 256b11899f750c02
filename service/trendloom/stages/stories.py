"""One story is one row: a rise that is seen through several trends is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Retold", "tell_once"]

Ints = NDArray[np.int64]

_INSIDE = 0.5  # a trend is part of another when so much of its posts are
_RISES = 1.645  # evidence that the rest of a trend needs to rise on its own
_AS_MUCH = 0.5  # ... and its log growth, as a part of the whole trend's
_APART = 2.0  # evidence that a part rises faster than the rest
_LEADS, _ECHO = 0.3, 1 / 3  # a part with so much of the whole has echoes, in parts that are so much smaller
_TELLS, _NEARLY_ALL = 0.5, 0.85  # shares of a trend: a part that can tell it, parts beside which nothing is left
_BLOCK = 8192  # posts at once, 32 kB a trend


@dataclass(frozen=True, kw_only=True)
class Retold:
    """What is left of a trend without its rising parts.

    Attributes:
        log_growth: Log of the growth.
        error: Its standard error.
        z: Evidence that it grows.
    """

    log_growth: float
    error: float
    z: float


def _common(trends: Ints, row_trend: Ints, row_post: Ints, posts: int) -> Ints:
    """Returns (called, called): how many posts each two of `trends` share; how many each holds on the diagonal."""
    place = np.full(int(max(row_trend.max(initial=-1), trends.max(initial=-1))) + 1, -1)
    place[trends] = np.arange(len(trends))
    at = place[row_trend]
    keep = at >= 0
    order = np.argsort(row_post[keep], kind="stable")
    holder, post = at[keep][order], row_post[keep][order]
    common = np.zeros((len(trends), len(trends)), dtype=np.int64)
    for begin in range(0, posts, _BLOCK):
        rows = slice(*np.searchsorted(post, (begin, begin + _BLOCK)))
        held = np.zeros((len(trends), _BLOCK), dtype=np.float32)
        held[holder[rows], post[rows] - begin] = 1
        common += (held @ held.T).astype(np.int64)  # exact, as float32 counts to 2**24
    return common


def _share_in(parts: Ints, trend: int, row_trend: Ints, row_post: Ints) -> float:
    """Returns the share of a trend's posts that one of its parts holds."""
    its = np.unique(row_post[row_trend == trend])
    return len(np.intersect1d(row_post[np.isin(row_trend, parts)], its)) / max(len(its), 1)


def _still_rises(rest: Retold, whole: Retold) -> bool:
    """Returns whether what is left of a rising trend rises on its own."""
    return rest.z >= _RISES and rest.log_growth >= _AS_MUCH * whole.log_growth


def _apart(one: Retold, rest: Retold) -> bool:
    """Returns whether one rises faster than the rest, beyond chance."""
    return bool(one.log_growth - rest.log_growth >= _APART * np.hypot(one.error, rest.error))


def tell_once(
    called: Ints,
    row_trend: Ints,
    row_post: Ints,
    posts: int,
    *,
    whole: Callable[[int], Retold],
    without: Callable[[int, Ints], Retold],
) -> dict[int, int]:
    """Returns, for called trends that another tells better, the trend that does.

    A trend that no longer rises without its rising parts is told by the strongest of them; a part that does not rise
    faster than the rest of a rising whole is told by the whole, and so is one that is most of it and rises no more surely.
    Where one part makes the whole rise, its much smaller
    siblings are its echoes (garments of the look that were tagged otherwise). Where the rise lies in several parts that
    are nearly all of the trend, none of them most of it (of a trend that rises more surely than each of them: nearly all of
    it), these are pieces of it and stand beneath it. So they are where the trend rises on without any single one of them, if
    all are nearly all of it, or if it rises more surely than each and what is left is not apart from it.

    Args:
        called: Rising trends.
        row_trend: Trend per row, of the last span.
        row_post: Post per row.
        posts: Number of posts.
        whole: The evidence of a trend.
        without: The evidence of a trend without the posts of some others.
    """
    if len(called) < 2:
        return {}
    common = _common(called, row_trend, row_post, posts)
    size = np.diag(common)
    under: dict[int, int] = {}
    order = np.lexsort((called, size))
    rank = np.empty(len(called), dtype=np.int64)
    rank[order] = np.arange(len(called))
    for broad in order:
        parts = np.flatnonzero((common[:, broad] >= _INSIDE * size) & (rank < rank[broad]) & (size > 0))
        if not len(parts):
            continue
        rest, all_of_it = without(int(called[broad]), called[parts]), whole(int(called[broad]))
        if not _still_rises(rest, all_of_it):
            stronger = all(all_of_it.z > whole(int(called[part])).z for part in parts)
            most = common[parts, broad].max() / size[broad]
            nearly_all = _share_in(called[parts], int(called[broad]), row_trend, row_post) >= _NEARLY_ALL
            pieces = nearly_all and most < (_NEARLY_ALL if stronger else _TELLS)
            if not pieces and (nearly_all or (stronger and not _apart(all_of_it, rest))):
                pieces = all(_still_rises(without(int(called[broad]), called[[part]]), all_of_it) for part in parts)
            if pieces:
                for part in parts:  # several pieces of one story, none of which can tell it
                    under.setdefault(int(called[part]), int(called[broad]))
                continue
            best = max(parts, key=lambda i: (whole(int(called[i])).z, -rank[i]))
            under[int(called[broad])] = int(called[best])
            if common[best, broad] >= _LEADS * size[broad]:
                echoes = parts[size[parts] <= _ECHO * size[best]]
                top = _root(int(called[best]), under)
                under.update(
                    {
                        int(called[echo]): top
                        for echo in echoes
                        if int(called[echo]) not in under and called[echo] != top
                    }
                )
            continue
        for part in parts:
            its = whole(int(called[part]))
            most = common[part, broad] >= _TELLS * size[broad] and all_of_it.z >= its.z
            if most or not _apart(its, rest):
                under.setdefault(int(called[part]), int(called[broad]))
    return {trend: _root(trend, under) for trend in under}


def _root(trend: int, under: dict[int, int]) -> int:
    seen = {trend}
    while under.get(trend, trend) not in seen:
        trend = under[trend]
        seen.add(trend)
    return trend
