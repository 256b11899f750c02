"""Posts near to words or to a photo, of a time, a country, an attribute where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.errors import InputError
from trendloom.export import parse_segment
from trendloom.index import VectorIndex
from trendloom.photos import fitted
from trendloom.pipeline.facts import Facts, KnownFacts, rows_at
from trendloom.pipeline.indexing import index_to_read
from trendloom.pipeline.memo import Memo
from trendloom.pipeline.study import posts_in
from trendloom.pipeline.tagging import Model
from trendloom.store import Workspace
from trendloom.types import Floats
from trendloom.vision.labels import refuse_labels

__all__ = ["Filters", "Hit", "Nearest", "parse_filters"]

_KEPT = 16  # filters whose posts are remembered
_FIRST = 4  # garments looked at for each post wanted; more where photos show many


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What may be found.

    Attributes:
        since: First day, UTC; a post without a time passes no filter of time.
        until: First day that is too late.
        segment: As of trends: country, platform, department, cohort or shows, and its value.
        tags: Group and value: one garment of the photo has all of them, and it is this garment that is compared.
    """

    since: date | None = None
    until: date | None = None
    segment: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def of_posts(self) -> tuple[object, ...]:
        """What is asked of posts, as a key; empty where nothing is."""
        asked = (self.since, self.until, tuple(sorted(self.segment.items())))
        return asked if any(asked) else ()


def parse_filters(
    *,
    since: str | None = None,
    until: str | None = None,
    segment: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Filters:
    """Returns the filters of words: days as 2025-04-21, `country=FR`, `colour=red`.

    Raises:
        InputError: one of another form.
    """
    pairs = []
    for tag in tags:
        group, sign, value = tag.partition("=")
        if not (sign and group.strip() and value.strip()):
            raise InputError(f"tag: expected GROUP=VALUE such as colour=red, got {tag!r}")
        pairs.append((group.strip(), value.strip()))
    first, end = _day("since", since), _day("until", until)
    if first and end and first >= end:
        raise InputError(f"since: expected a day before until, got {first} and {end}")
    return Filters(
        since=first,
        until=end,
        segment=parse_segment(list(segment)),
        tags=tuple(sorted(set(pairs))),
    )


def _day(name: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"{name}: expected a day such as 2025-04-21, got {text!r}") from exc


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A post that a search found; `score` is the cosine."""

    key: str
    post_id: str
    posted_at: datetime | None
    score: float
    tags: list[str]
    has_file: bool


@dataclass(frozen=True, kw_only=True)
class _Passing:
    """What passes filters: posts (post_id, in order), None for all, and ids of the index, (room,), None for all."""

    posts: pl.DataFrame | None
    allowed: NDArray[np.bool_] | None


class Nearest:
    """Searches a workspace; several threads may share it.

    Args:
        workspace: Read only, but for its index.
        model: Makes vectors of words and photos.
        facts: Shared with other readers.
        file: Returns a photo's file where it is at hand.
    """

    def __init__(
        self, workspace: Workspace, model: Model, facts: KnownFacts, file: Callable[[str], Path | None]
    ) -> None:
        self._workspace, self._model, self._facts, self._file = workspace, model, facts, file
        self._index: VectorIndex | None = None
        self._passing: Memo[_Passing] = Memo(_KEPT)

    def search(
        self, text: str | None = None, image: bytes | None = None, *, n: int = 24, filters: Filters | None = None
    ) -> list[Hit]:
        """Returns the posts nearest to words or to a photo that pass the filters, nearest first: n if there are n.

        Raises:
            InputError: neither words nor a photo, a label that asks about a person, or a group that tags do not have.
        """
        query = self._query(text, image)
        self._index = index = index_to_read(self._workspace, self._index)
        if not len(index):
            return []
        facts = self._facts.get()
        passing = self._pass(filters or Filters(), facts, index)
        count = _FIRST * n
        while True:
            near = index.search(query, count, allowed=passing.allowed)[0]
            hits = self._hits(_scores(index, near), facts, passing)
            if len(hits) >= n or len(near) < count:
                return hits[:n]
            count *= 4

    def _query(self, text: str | None, image: bytes | None) -> Floats:
        """Returns the vector of what is looked for, (1, dim)."""
        if image is None and text:
            refuse_labels([text], "search: ")  # before the towers are loaded
        encoder = self._model.get()[0]
        if image is not None:
            return encoder.images(fitted(image, encoder.fit, identify=False).pixels[None])
        if text and text.strip():
            return encoder.texts([f"a photo of {text.strip()}"])
        raise InputError("search: expected words or a photo, got neither")

    def _pass(self, filters: Filters, facts: Facts, index: VectorIndex) -> _Passing:
        """Returns what passes; that of the last few filters is remembered."""
        if not filters.of_posts and not filters.tags:
            return _Passing(posts=None, allowed=None)
        key = (filters.of_posts, filters.tags, facts.versions, index.stamp, self._workspace.current_run())
        return self._passing.get(key, lambda: self._find_passing(filters, facts, index))

    def _find_passing(self, filters: Filters, facts: Facts, index: VectorIndex) -> _Passing:
        names, posts = index.names.lazy().select("id", "key", "garment"), None
        if filters.of_posts:
            posts = self._posts(filters).select("post_id").sort("post_id").rechunk()
            shown = facts.photos.lazy().join(posts.lazy(), on="post_id", how="semi").select("key")
            names = names.join(shown, on="key", how="semi")
        for group, value in filters.tags:
            known = facts.tags["group"].unique().sort().to_list()
            if known and group not in known:
                raise InputError(f"tag: expected a group of {', '.join(known)}, got {group!r}")
            having = facts.tags.lazy().filter(group=group, value=value)
            names = names.join(having, on=["key", "garment"], how="semi")
        allowed = np.zeros(index.room, dtype=bool)
        allowed[names.select("id").collect()["id"].to_numpy()] = True
        return _Passing(posts=posts, allowed=allowed)

    def _posts(self, filters: Filters) -> pl.DataFrame:
        posts = posts_in(self._workspace, filters.segment)
        if filters.since:
            posts = posts.filter(pl.col("posted_at") >= datetime.combine(filters.since, time(), UTC))
        if filters.until:
            posts = posts.filter(pl.col("posted_at") < datetime.combine(filters.until, time(), UTC))
        return posts

    def _hits(self, scores: Mapping[str, float], facts: Facts, passing: _Passing) -> list[Hit]:
        shown = rows_at(facts.photos, scores).filter(pl.col("status") == "ok")
        if passing.posts is not None:
            shown = shown.join(rows_at(passing.posts, shown["post_id"]), on="post_id", how="semi")
        posts = shown.join(rows_at(facts.posts, shown["post_id"]), on="post_id")
        words = dict(
            rows_at(facts.tags, scores)
            .group_by("key", maintain_order=True)
            .agg(pl.col("value").unique(maintain_order=True))
            .iter_rows()
        )
        hits = [
            Hit(
                key=row["key"],
                post_id=row["post_id"],
                posted_at=row["posted_at"],
                score=scores[row["key"]],
                tags=words.get(row["key"], []),
                has_file=self._file(row["key"]) is not None,
            )
            for row in posts.iter_rows(named=True)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.key, hit.post_id))


def _scores(index: VectorIndex, near: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Returns the best cosine of each photo, by key."""
    ids = index.names["id"].to_numpy()
    keys = index.names["key"].gather(np.searchsorted(ids, [found for found, _ in near]))
    scores: dict[str, float] = {}
    for key, (_, score) in zip(keys, near, strict=True):
        scores.setdefault(key, score)
    return scores
