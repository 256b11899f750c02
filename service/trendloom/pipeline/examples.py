"""Photos that stand for a trend, and where in each the garment is that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

import polars as pl

from trendloom.counting import asked_values
from trendloom.pipeline.facts import KnownFacts, rows_at
from trendloom.pipeline.study import Results
from trendloom.store import Workspace
from trendloom.types import WHOLE, Box

__all__ = ["Examples", "Photo"]

_LATEST = 400  # photos of an attribute that are looked through for the surest
_ON = ["key", "garment"]


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo that stands for a trend; `box` is where the garment is that shows it, the whole photo where that is open."""

    key: str
    post_id: str
    posted_at: datetime | None
    box: Box
    width: int
    height: int
    has_file: bool


class Examples:
    """Chooses photos of trends of the current run, each choice made once; safe to use from several threads."""

    def __init__(
        self, workspace: Workspace, facts: KnownFacts, file: Callable[[str], Path | None], *, k: int = 10
    ) -> None:
        self._workspace, self._facts, self._file, self._k = workspace, facts, file, k
        self._chosen: tuple[str | None, dict[tuple[str, int], list[Photo]]] = (None, {})
        self._looks: tuple[str | None, dict[str, list[str]], pl.DataFrame] = (None, {}, pl.DataFrame())

    def of(self, trend_id: str, found: Results, *, n: int) -> list[Photo]:
        """Returns at most n photos of a trend, one per person, none twice; none where fewer than k people show it.

        Of a look those nearest to its centre; of an attribute, among the latest, those that show it most surely; of
        anything else the latest.
        """
        run = self._workspace.current_run()
        if self._chosen[0] != run:
            self._chosen = (run, {})
        chosen = self._chosen[1]
        if (trend_id, n) not in chosen:
            chosen[trend_id, n] = self._pick(trend_id, found, n)
        return chosen[trend_id, n]

    def _pick(self, trend_id: str, found: Results, n: int) -> list[Photo]:
        members = found.members.filter(pl.col("trend_id") == trend_id).select("post_id").unique()
        posts = found.posts.join(members, on="post_id", how="semi")
        posts = posts.with_columns(who=pl.coalesce("author_hash", "post_id"))
        if posts["who"].n_unique() < self._k:
            return []
        rows = found.photos.join(posts, on="post_id").sort(
            "posted_at", "key", descending=[True, False], nulls_last=True
        )
        garments = self.garments(trend_id, rows.head(_LATEST)["key"])
        rows = rows.join(garments, on="key", how="left", maintain_order="left")
        rows = rows.sort("place", nulls_last=True, maintain_order=True)
        rows = rows.unique("phash", keep="first", maintain_order=True)  # no photo twice, whoever posted it again
        rows = rows.unique("who", keep="first", maintain_order=True).head(n)
        boxes = {
            (key, garment): Box(x0=x0, y0=y0, x1=x1, y1=y1)
            for key, garment, x0, y0, x1, y1 in rows_at(self._facts.get().boxes, rows["key"]).iter_rows()
        }
        return [
            Photo(
                key=row["key"],
                post_id=row["post_id"],
                posted_at=row["posted_at"],
                box=boxes.get((row["key"], row["garment"]), WHOLE),
                width=row["width"],
                height=row["height"],
                has_file=self._file(row["key"]) is not None,
            )
            for row in rows.iter_rows(named=True)
        ]

    def garments(self, trend_id: str, keys: pl.Series) -> pl.DataFrame:
        """Returns key, garment and place of what shows a trend in photos, one garment of each, the best example first.

        `place` is empty where a garment is no example more than another. None of a trend that words define.
        """
        asked = asked_values(trend_id)
        return self._showing(asked, keys) if asked else self._look(trend_id)

    def _showing(self, asked: dict[str, tuple[str, ...]], keys: pl.Series) -> pl.DataFrame:
        """Returns key, garment and place of the garments that show a value of every group, a photo's surest, surest first."""
        tags = rows_at(self._facts.get().tags, keys).with_columns(
            pl.col("value").str.replace_all("+", " ", literal=True)
        )
        parts = [
            tags.filter((pl.col("group") == group) & pl.col("value").is_in(values))
            .group_by(_ON)
            .agg(pl.col("probability").max().alias(group))
            for group, values in asked.items()
        ]
        both = reduce(lambda left, right: left.join(right, on=_ON), parts)
        both = both.with_columns(sure=pl.reduce(lambda one, two: one * two, [pl.col(group) for group in asked]))
        both = both.sort("sure", *_ON, descending=[True, False, False]).unique("key", keep="first", maintain_order=True)
        return both.with_row_index("place").select("key", "garment", "place")

    def _look(self, trend_id: str) -> pl.DataFrame:
        """Returns key, garment and place of a look's garments, those nearest to its centre first, one of a photo."""
        run = self._workspace.current_run()
        if self._looks[0] != run:
            looks = self._workspace.result("looks", run).select("look_id", "exemplars")
            assigned = self._workspace.result("assignments", run).select("look_id", *_ON)
            self._looks = (run, dict(looks.iter_rows()), assigned)
        _, exemplars, assigned = self._looks
        order = {key: place for place, key in enumerate(exemplars.get(trend_id, []))}
        its = assigned.filter(pl.col("look_id") == trend_id).unique("key", keep="first", maintain_order=True)
        place = pl.col("key").replace_strict(order, default=None, return_dtype=pl.UInt32) if order else pl.lit(None)
        return its.select("key", "garment", place=place.cast(pl.UInt32))
