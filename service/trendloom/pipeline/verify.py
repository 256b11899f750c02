"""Stored counts against the facts: a random sample of points, counted again by a second, plain way."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from trendloom.errors import InputError, NotEnoughData
from trendloom.pipeline.looks import garment_vectors, worn_garments
from trendloom.pipeline.prompts import load_prompts
from trendloom.pipeline.study import SAME_PHOTO, tags_of_garments
from trendloom.store import Workspace

__all__ = ["COMPARED", "Mismatch", "Verified", "verify"]

COMPARED = ("numerator", "denominator", "authors", "share", "share_low", "share_high", "posts", "distinct")
_NEAR = 1e-9
_EDGE = 1e-3  # of a prompt's cut: nearer garments are as they were stored, floating point decides them
_Z = 1.959963984540054
_FIRST = datetime(2005, 1, 1, tzinfo=UTC)
_BITS, _BLANK = 64, 6
_TINT = 8  # levels of red, green or blue that are one step
_Tint = tuple[int, ...] | None
_FAMILIES = {
    "any blue": ("navy", "blue", "light blue"),
    "any red": ("red", "burgundy"),
    "any green": ("green", "olive"),
    "metallic": ("gold", "silver"),
}


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A stored number that the facts do not give."""

    trend_id: str
    window_start: date
    column: str
    stored: float
    recomputed: float


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a check compared.

    Attributes:
        points: Points (a trend in a window) that were counted again.
        trends: Trends that they are of.
        kinds: Points by kind of trend: `look`, `attribute`, `prompt`.
        windows: Windows that they lie in.
        mismatches: What differs.
    """

    points: int
    trends: int
    kinds: Mapping[str, int]
    windows: int
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, kw_only=True)
class _Post:
    post_id: str
    at: datetime
    who: str
    group: int | None  # posts of one photo


def verify(workspace: Workspace, *, sample: int = 200, seed: int = 0) -> Verified:
    """Returns what came of counting a random sample of the stored points again, half of them where the trend was seen.

    Who shows a trend is read anew from the looks' assignments, the tags or the prompts' vectors, and counted with sets of
    names, one window at a time; nothing of the counting that made the series is used.

    Args:
        workspace: Read only.
        sample: Points; all where there are fewer.
        seed: Another number, another sample.

    Raises:
        InputError: `sample` is not positive.
        NotEnoughData: Nothing was counted yet, or posts came after the last study.
    """
    if sample < 1:
        raise InputError(f"--sample: expected 1 or more points, got {sample}")
    run = workspace.last_run()
    series = workspace.result("series")
    if series.is_empty():
        raise NotEnoughData("expected stored counts, found none: `trendloom run` makes them, of posts that have a time")
    posts = workspace.read("posts")
    if posts.height != run["posts"][0]:
        raise NotEnoughData(
            f"the last study counted {run['posts'][0]:,} posts, the workspace holds {posts.height:,}: `trendloom run` first"
        )
    points = _sample(series, sample, seed)
    photos = workspace.read("photos").filter(pl.col("status") == "ok")
    known = _posts(posts, photos)
    shown = _members(workspace, photos, set(points["trend_id"]))
    weekly = run["window"][0] == "week"
    windows = _in_windows(known.values(), set(points["window_start"]), weekly=weekly)
    found: list[Mismatch] = []
    for row in points.iter_rows(named=True):
        inside = windows[row["window_start"]]
        mine = [post for post in inside if post.post_id in shown[row["trend_id"]]]
        found += _differences(row, _count(mine, people=len({post.who for post in inside})))
    kinds: defaultdict[str, int] = defaultdict(int)
    for trend in points["trend_id"]:
        kinds[trend.partition(":")[0]] += 1
    return Verified(
        points=points.height,
        trends=points["trend_id"].n_unique(),
        kinds=dict(sorted(kinds.items())),
        windows=points["window_start"].n_unique(),
        mismatches=tuple(found),
    )


def _differences(row: Mapping[str, Any], again: Mapping[str, float]) -> list[Mismatch]:
    return [
        Mismatch(
            trend_id=row["trend_id"],
            window_start=row["window_start"],
            column=column,
            stored=float(row[column]),
            recomputed=again[column],
        )
        for column in COMPARED
        if not math.isclose(float(row[column]), again[column], rel_tol=_NEAR, abs_tol=_NEAR)
    ]


def _sample(series: pl.DataFrame, sample: int, seed: int) -> pl.DataFrame:
    rows = series.sort("trend_id", "window_start").with_row_index("place")
    chance = random.Random(seed)
    seen = rows.filter(pl.col("authors") > 0)["place"].to_list()
    chosen = set(chance.sample(seen, min(len(seen), (sample + 1) // 2)))
    rest = [place for place in range(rows.height) if place not in chosen]
    chosen.update(chance.sample(rest, min(len(rest), sample - len(chosen))))
    return rows.filter(pl.col("place").is_in(sorted(chosen)))


def _posts(posts: pl.DataFrame, photos: pl.DataFrame) -> dict[str, _Post]:
    """Returns the dated posts with a readable photo, by id."""
    groups = _photo_groups(photos)
    readable = set(photos["post_id"])
    return {
        post: _Post(post_id=post, at=at, who=author or f"\x00{post}", group=groups.get(post))
        for post, at, author in posts.select("post_id", "posted_at", "author_hash").iter_rows()
        if post in readable and at is not None and at >= _FIRST
    }


def _photo_groups(photos: pl.DataFrame) -> dict[str, int]:
    """Returns a number per post that shows the same photo as another: the same bytes, or alike in hash and colours."""
    above: dict[str, str] = {}

    def root(post: str) -> str:
        while above.setdefault(post, post) != post:
            above[post] = above[above[post]]
            post = above[post]
        return post

    by_bytes: dict[str, str] = {}
    by_sight: dict[tuple[int, _Tint], str] = {}
    tints: defaultdict[int, list[_Tint]] = defaultdict(list)
    for post, sha256, phash, colours in photos.select("post_id", "sha256", "phash", "colours").iter_rows():
        if sha256 is not None:
            above[root(post)] = root(by_bytes.setdefault(sha256, post))
        bits = None if phash is None else phash & (2**_BITS - 1)
        if bits is not None and _BLANK <= bits.bit_count() <= _BITS - _BLANK:
            tint = None if colours is None else tuple((colours >> (8 * n)) % 256 // _TINT for n in range(6))
            if (bits, tint) not in by_sight:
                tints[bits].append(tint)
            above[root(post)] = root(by_sight.setdefault((bits, tint), post))
    for one, other in [*((bits, bits) for bits in tints), *_near(list(tints))]:
        for mine in tints[one]:
            for theirs in tints[other]:
                if mine is None or theirs is None or all(abs(a - b) <= 1 for a, b in zip(mine, theirs, strict=True)):
                    above[root(by_sight[one, mine])] = root(by_sight[other, theirs])
    size: defaultdict[str, int] = defaultdict(int)
    for post in list(above):
        size[root(post)] += 1
    number = {name: place for place, name in enumerate(sorted(name for name, posts in size.items() if posts > 1))}
    return {post: number[root(post)] for post in list(above) if root(post) in number}


def _near(hashes: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Yields pairs of hashes at most SAME_PHOTO bits apart: they agree on one of SAME_PHOTO + 1 parts."""
    width = -(-_BITS // (SAME_PHOTO + 1))
    for part in range(SAME_PHOTO + 1):
        alike: defaultdict[int, list[int]] = defaultdict(list)
        for bits in hashes:
            alike[(bits >> (part * width)) & (2**width - 1)].append(bits)
        for some in alike.values():
            for n, one in enumerate(some):
                for other in some[n + 1 :]:
                    if (one ^ other).bit_count() <= SAME_PHOTO:
                        yield one, other


def _in_windows(posts: Iterable[_Post], starts: set[date], *, weekly: bool) -> dict[date, list[_Post]]:
    found: dict[date, list[_Post]] = {start: [] for start in starts}
    for post in posts:
        day = post.at.astimezone(UTC).date()
        start = day - timedelta(days=day.weekday()) if weekly else day.replace(day=1)
        if start in found:
            found[start].append(post)
    return found


def _count(posts: Sequence[_Post], *, people: int) -> dict[str, float]:
    """Returns the numbers of a point; of copies of a photo within the window its first poster counts alone."""
    voices: set[str] = set()
    first: dict[int, _Post] = {}
    for post in posts:
        if post.group is None:
            voices.add(post.who)
        elif post.group not in first or (post.at, post.post_id) < (first[post.group].at, first[post.group].post_id):
            first[post.group] = post
    numerator = len(voices | {post.who for post in first.values()})
    low, high = _interval(numerator, people)
    return {
        "numerator": numerator,
        "denominator": people,
        "authors": len({post.who for post in posts}),
        "share": numerator / people if people else 0.0,
        "share_low": low,
        "share_high": high,
        "posts": len(posts),
        "distinct": sum(post.group is None for post in posts) + len(first),
    }


def _interval(part: int, whole: int) -> tuple[float, float]:
    """Returns the ends p at which a score test at 95 % just does not reject: the roots of (p - part / whole)^2 = z^2 p (1 - p) / whole."""
    if not whole:
        return 0.0, 1.0
    a, b, c = 1 + _Z**2 / whole, 2 * part / whole + _Z**2 / whole, (part / whole) ** 2
    half = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return max((b - half) / (2 * a), 0.0), min((b + half) / (2 * a), 1.0)


def _members(workspace: Workspace, photos: pl.DataFrame, trends: set[str]) -> dict[str, set[str]]:
    """Returns the posts that show each trend, read anew from what they are made of."""
    posts: defaultdict[str, set[str]] = defaultdict(set)
    for key, post in photos.select("key", "post_id").iter_rows():
        posts[key].add(post)
    found: dict[str, set[str]] = {trend: set() for trend in trends}
    for key, look in workspace.result("assignments").select("key", "look_id").iter_rows():
        if look in found:
            found[look] |= posts[key]
    tags = tags_of_garments(workspace.read("tags"))
    worn: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for key, garment, group, value in tags.select("key", "garment", "group", "value").drop_nulls().iter_rows():
        worn[key, garment].add(f"{group}:{value.replace('+', ' ')}")
        worn[key, garment].update(f"{group}:{f}" for f, of in _FAMILIES.items() if group == "colour" and value in of)
    wanted = {t: set(t.removeprefix("attribute:").split("+")) for t in trends if t.startswith("attribute:")}
    for (key, _), values in worn.items():
        for trend, parts in wanted.items():
            if parts <= values:
                found[trend] |= posts[key]
    if any(trend.startswith("prompt:") for trend in trends):
        _add_prompts(workspace, photos, tags, posts, found)
    return found


def _add_prompts(
    workspace: Workspace,
    photos: pl.DataFrame,
    tags: pl.DataFrame,
    posts: Mapping[str, set[str]],
    found: dict[str, set[str]],
) -> None:
    """Adds the posts that show each prompt, each garment's probabilities in turn and in double precision."""
    garments = worn_garments(workspace, photos, tags)
    vectors = garment_vectors(garments).astype(np.float64)
    stored = workspace.result("members")
    for prompt in load_prompts(workspace):
        if prompt.trend_id not in found:
            continue
        before = set(stored.filter(trend_id=prompt.trend_id)["post_id"])
        for key, vector in zip(garments["key"], vectors, strict=True):
            chance = 1.0
            for factor in prompt.factors:
                odds = [math.exp(factor.scale * float(cosine)) for cosine in factor.vectors.astype(np.float64) @ vector]
                chance *= math.fsum(odds[: factor.targets]) / math.fsum(odds)
            close = abs(chance - prompt.cut) < _EDGE * prompt.cut
            if chance >= prompt.cut if not close else bool(posts[key] & before):
                found[prompt.trend_id] |= posts[key]
