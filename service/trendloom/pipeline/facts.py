"""Tables that most pages need, in memory as long as nothing was added to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from trendloom.store import Workspace

__all__ = ["Facts", "KnownFacts", "rows_at"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A snapshot, each table in the order of its first column: `rows_at` finds a few of a million rows at once.

    Attributes:
        photos: key, post_id, status.
        posts: post_id, posted_at.
        tags: key, garment, group, value, probability; sure ones.
        boxes: key, garment, x0, y0, x1, y1 of the garments found in photos.
        versions: Of these four tables.
    """

    photos: pl.DataFrame
    posts: pl.DataFrame
    tags: pl.DataFrame
    boxes: pl.DataFrame
    versions: tuple[int, ...]


class KnownFacts:
    """The facts of a workspace, read again when they have changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._facts: Facts | None = None

    def get(self) -> Facts:
        """Returns the facts as they are now."""
        versions = tuple(self._workspace.version(name) for name in ("photos", "posts", "tags", "garments"))
        facts = self._facts
        if facts is None or facts.versions != versions:
            read = self._workspace.scan
            tags = read("tags").filter(pl.col("sure")).select("key", "garment", "group", "value", "probability")
            boxes = read("garments").filter(pl.col("garment") > 0).select("key", "garment", "x0", "y0", "x1", "y1")
            self._facts = facts = Facts(
                photos=_in_order(read("photos").select("key", "post_id", "status")),
                posts=_in_order(read("posts").select("post_id", "posted_at")),
                tags=_in_order(tags),
                boxes=_in_order(boxes),
                versions=versions,
            )
        return facts


def _in_order(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.collect().sort(pl.first(), maintain_order=True).rechunk()


def rows_at(frame: pl.DataFrame, wanted: Iterable[str]) -> pl.DataFrame:
    """Returns the rows whose first column, by which the frame is sorted, is one of the wanted."""
    names = pl.Series(sorted(set(wanted)), dtype=pl.String)
    first = frame.to_series(0)
    starts, ends = first.search_sorted(names, side="left"), first.search_sorted(names, side="right")
    places = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
    return frame[np.concatenate(places)] if places else frame.clear()
