"""Tables that most pages need, in memory as long as nothing was added to them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from trendloom.store import Workspace

__all__ = ["Facts", "KnownFacts"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A snapshot.

    Attributes:
        photos: key, post_id, status.
        posts: post_id, posted_at.
        tags: key, garment, group, value; sure ones.
        versions: Of these three tables.
    """

    photos: pl.DataFrame
    posts: pl.DataFrame
    tags: pl.DataFrame
    versions: tuple[int, ...]


class KnownFacts:
    """The facts of a workspace, read again when they have changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._facts: Facts | None = None

    def get(self) -> Facts:
        """Returns the facts as they are now."""
        versions = tuple(self._workspace.version(name) for name in ("photos", "posts", "tags"))
        facts = self._facts
        if facts is None or facts.versions != versions:
            read = self._workspace.scan
            self._facts = facts = Facts(
                photos=read("photos").select("key", "post_id", "status").collect(),
                posts=read("posts").select("post_id", "posted_at").collect(),
                tags=read("tags").filter(pl.col("sure")).select("key", "garment", "group", "value").collect(),
                versions=versions,
            )
        return facts
