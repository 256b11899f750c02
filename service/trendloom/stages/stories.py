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


def _still_rises(rest: Retold, whole: Retold) -> bool:
    """Returns whether what is left of a rising trend rises on its own."""
    return rest.z >= _RISES and rest.log_growth >= _AS_MUCH * whole.log_growth


def _apart(one: Retold, rest: Retold) -> bool:
    """Returns whether one rises faster than the rest, beyond chance."""
    return bool(one.log_growth - rest.log_growth >= _APART * np.hypot(one.error, rest.error))


class _Rising:
    """Rising trends with the posts that they share; trends are places in `called`.

    Attributes:
        common: (called, called) posts that each two share.
        size: (called,) posts of each.
        rank: (called,) place in the order of size.
    """

    def __init__(
        self,
        called: Ints,
        row_trend: Ints,
        row_post: Ints,
        posts: int,
        *,
        whole: Callable[[int], Retold],
        without: Callable[[int, Ints], Retold],
    ) -> None:
        self.called, self._row_trend, self._row_post = called, row_trend, row_post
        self._whole, self._without = whole, without
        self.common = _common(called, row_trend, row_post, posts)
        self.size = np.diag(self.common)
        self.order = np.lexsort((called, self.size))
        self.rank = np.empty(len(called), dtype=np.int64)
        self.rank[self.order] = np.arange(len(called))

    def evidence(self, trend: int) -> Retold:
        """Returns the evidence of a trend."""
        return self._whole(int(self.called[trend]))

    def rest(self, trend: int, parts: Ints) -> Retold:
        """Returns the evidence of a trend without the posts of its parts."""
        return self._without(int(self.called[trend]), self.called[parts])

    def parts_of(self, trend: int) -> Ints:
        """Returns the smaller trends that lie mostly inside one."""
        inside = self.common[:, trend] >= _INSIDE * self.size
        return np.flatnonzero(inside & (self.rank < self.rank[trend]) & (self.size > 0))

    def in_pieces(self, trend: int, parts: Ints, rest: Retold) -> bool:
        """Returns whether the rise of a trend, which does not rise without its parts, lies in several that cannot tell it."""
        own = self.evidence(trend)
        surest = all(own.z > self.evidence(part).z for part in parts.tolist())
        most = self.common[parts, trend].max() / self.size[trend]
        nearly_all = self._held(trend, parts) >= _NEARLY_ALL
        if nearly_all and most < (_NEARLY_ALL if surest else _TELLS):
            return True
        if not nearly_all and (not surest or _apart(own, rest)):
            return False
        return all(_still_rises(self.rest(trend, np.array([part])), own) for part in parts.tolist())

    def _held(self, trend: int, parts: Ints) -> float:
        """Returns the share of a trend's posts that its parts hold together."""
        its = np.unique(self._row_post[self._row_trend == self.called[trend]])
        held = self._row_post[np.isin(self._row_trend, self.called[parts])]
        return len(np.intersect1d(held, its)) / len(its)

    def strongest(self, parts: Ints) -> int:
        """Returns the part that rises most surely."""
        surest: int = max(parts.tolist(), key=lambda part: (self.evidence(part).z, -self.rank[part]))
        return surest

    def echoes(self, trend: int, parts: Ints, best: int) -> list[int]:
        """Returns the parts of a trend that are much smaller than the one which makes it rise."""
        leads = self.common[best, trend] >= _LEADS * self.size[trend]
        return parts[self.size[parts] <= _ECHO * self.size[best]].tolist() if leads else []

    def told_by_whole(self, trend: int, parts: Ints, rest: Retold) -> list[int]:
        """Returns the parts of a trend, which rises without them too, that rise no faster or are most of it and no surer."""
        own, told = self.evidence(trend), []
        for part in parts.tolist():
            its = self.evidence(part)
            most = self.common[part, trend] >= _TELLS * self.size[trend] and own.z >= its.z
            if most or not _apart(its, rest):
                told.append(part)
        return told


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

    From the smallest trend to the largest, each beside its parts, the smaller ones that lie mostly inside it:

    - Where it rises without them, it tells those that rise no faster than the rest of it, and those that are most of it
      and rise no more surely.
    - Where it does not, the surest part tells it. If that is much of it, the parts that are far smaller are echoes
      (garments of the look that were tagged otherwise), and told too.
    - Unless its rise lies in pieces, which it then tells: the parts are nearly all of it and none is most of it (nearly
      all of it, where it rises more surely than each of them); or it rises on without any single one of them, and they
      are nearly all of it, or it rises more surely than each and what is left does not rise apart from it.

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
    rising = _Rising(called, row_trend, row_post, posts, whole=whole, without=without)
    under: dict[int, int] = {}
    for broad in rising.order.tolist():
        parts = rising.parts_of(broad)
        if not len(parts):
            continue
        rest = rising.rest(broad, parts)
        if _still_rises(rest, rising.evidence(broad)):
            under = dict.fromkeys(rising.told_by_whole(broad, parts, rest), broad) | under
        elif rising.in_pieces(broad, parts, rest):
            under = dict.fromkeys(parts.tolist(), broad) | under
        else:
            best = rising.strongest(parts)
            under[broad] = best
            top = _root(best, under)
            echoes = [echo for echo in rising.echoes(broad, parts, best) if echo != top]
            under = dict.fromkeys(echoes, top) | under
    return {int(called[trend]): int(called[_root(trend, under)]) for trend in under}


def _root(trend: int, under: dict[int, int]) -> int:
    seen = {trend}
    while under.get(trend, trend) not in seen:
        trend = under[trend]
        seen.add(trend)
    return trend
