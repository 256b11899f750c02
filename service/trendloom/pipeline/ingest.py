"""Posts and photos into the workspace, batch by batch; killed anywhere, the next run goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from trendloom.pipeline.heads import apply_heads, heads_of
from trendloom.pipeline.looking import Garment, Seen, look
from trendloom.store import Workspace, frame
from trendloom.types import Encoder, Finder, Item, Post, Source, Tagger

__all__ = ["BATCH", "Ingested", "Writer", "ingest", "statuses"]

BATCH = 512  # photos per commit

Progress = Callable[[int, int], None]


@dataclass(kw_only=True)
class Ingested:
    """What a run added.

    Attributes:
        added: Photos looked at, by status.
        known: Items that the workspace held already.
        total: Items of the source.
    """

    added: Counter[str] = field(default_factory=Counter)
    known: int = 0
    total: int = 0


def ingest(
    workspace: Workspace,
    source: Source,
    encoder: Encoder,
    tagger: Tagger,
    *,
    workers: int = 1,
    retry: bool = False,
    batch: int = BATCH,
    progress: Progress = lambda done, total: None,
    finder: Finder | None = None,
) -> Ingested:
    """Looks at every item that the workspace does not hold yet, and commits posts, photos, garments and tags.

    The row of `photos` is committed last and marks an item as done; what a killed run left without it is removed first.
    The workspace's heads tag the new photos at the end, from the stored vectors.

    Args:
        workspace: Locked by the caller.
        source: What to read.
        encoder: Makes the vectors.
        tagger: Makes the tags.
        workers: Threads.
        retry: Looks again at photos that failed before.
        batch: Photos per commit.
        progress: Called with items done and items in all.
        finder: Looks for the garments of a photo; without one the whole photo is the only garment.
    """
    heads_of(workspace)  # a damaged head is told before the work, not after it
    if retry:
        workspace.delete("photos", "status <> 'ok'")
    _remove_unfinished(workspace)
    known = workspace.scan("photos").select("key", "post_id", "status", "sha256").collect()
    done = set(zip(known["key"], known["post_id"], strict=True))
    ok = known.filter(pl.col("status") == "ok")
    keys = {key: _digest(sha256) for key, sha256 in zip(ok["key"], ok["sha256"], strict=True)}
    writer = Writer(workspace, encoder, taxonomy=tagger.taxonomy, keys=keys)
    result = Ingested(total=source.total)

    def new() -> Iterator[Item]:
        for item in source.items():
            mark = (item.key, item.post.post_id)
            if mark in done:
                result.known += 1
                progress(result.known + result.added.total(), result.total)
            else:
                done.add(mark)
                yield item

    waiting: list[Seen] = []
    try:
        for seen in look(new(), encoder, tagger, workers=workers, finder=finder):
            waiting.append(seen)
            result.added[seen.status] += 1
            progress(result.known + result.added.total(), result.total)
            if len(waiting) >= batch:
                writer.commit(waiting)
                waiting = []
    except KeyboardInterrupt:
        writer.commit(waiting)  # what was looked at need not be looked at again
        raise
    if waiting:
        writer.commit(waiting)
    apply_heads(workspace)
    if result.added:
        workspace.compact()
    return result


def _remove_unfinished(workspace: Workspace) -> None:
    """Removes rows that a killed run committed without the `photos` row that completes them."""
    photos = workspace.scan("photos").select("key", "post_id").collect()
    for table, column in (("garments", "key"), ("tags", "key"), ("posts", "post_id")):
        rows = workspace.scan(table).select(column).unique().collect()
        orphans = rows.join(photos.select(column).unique(), on=column, how="anti")[column].to_list()
        for start in range(0, len(orphans), BATCH):
            quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in orphans[start : start + BATCH])
            workspace.delete(table, f"{column} IN ({quoted})")


class Writer:
    """Commits batches of what was seen; remembers which keys and posts the workspace holds."""

    def __init__(self, workspace: Workspace, encoder: Encoder, *, taxonomy: str, keys: dict[str, int]) -> None:
        self._workspace, self._encoder, self._taxonomy, self._keys = workspace, encoder, taxonomy, keys
        self._model = encoder.model
        self._posts = set(workspace.scan("posts").select("post_id").collect()["post_id"])

    def commit(self, batch: Sequence[Seen]) -> None:
        """Commits garments and tags, then posts, and last the photos that mark them as done."""
        rows: dict[str, list[dict[str, object]]] = {"garments": [], "tags": [], "posts": [], "photos": []}
        for seen in map(self._checked, batch):
            post = seen.item.post
            if post.post_id not in self._posts:
                self._posts.add(post.post_id)
                rows["posts"].append(_post_row(self._workspace, seen.item.key, post))
            rows["photos"].append(_photo_row(seen, self._model))
            if seen.picture and seen.item.key not in self._keys:  # else another post showed the same photo
                self._keys[seen.item.key] = _digest(seen.picture.sha256)
                for garment in seen.garments:
                    rows["garments"].append(_garment_row(seen.item.key, garment, self._model, self._encoder.engine))
                    rows["tags"] += self._tag_rows(seen.item.key, garment)
        for table, found in rows.items():
            self._workspace.append(table, frame(table, found))

    def _checked(self, seen: Seen) -> Seen:
        """Returns what was seen, refused where another photo of the same key is in the workspace."""
        if seen.picture is None or self._keys.get(seen.item.key, _digest(seen.picture.sha256)) == _digest(
            seen.picture.sha256
        ):
            return seen
        error = "another photo of this name is in the workspace: give this dump a workspace of its own, or other names"
        return Seen(item=seen.item, status="refused", error=error)

    def _tag_rows(self, key: str, garment: Garment) -> list[dict[str, object]]:
        return [
            {
                "key": key,
                "garment": garment.number,
                "group": tag.group,
                "value": tag.value,
                "value_id": tag.value_id,
                "probability": tag.probability,
                "sure": tag.sure,
                "model": self._model,
                "taxonomy": self._taxonomy,
            }
            for tag in garment.tags
        ]


def _digest(sha256: str) -> int:
    """Returns 64 bits of a digest: what tells photos of one name apart, at a tenth of the memory."""
    return int(sha256[:16], 16)


def _photo_row(seen: Seen, model: str) -> dict[str, object]:
    facts = seen.picture
    return {
        "key": seen.item.key,
        "post_id": seen.item.post.post_id,
        "sha256": facts.sha256 if facts else None,
        "phash": facts.phash if facts else None,
        "colours": facts.colours if facts else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "status": seen.status,
        "error": seen.error,
        "model": model,
    }


def _garment_row(key: str, garment: Garment, model: str, engine: str) -> dict[str, object]:
    box = garment.box
    return {
        "key": key,
        "garment": garment.number,
        "x0": box.x0,
        "y0": box.y0,
        "x1": box.x1,
        "y1": box.y1,
        "share": (box.x1 - box.x0) * (box.y1 - box.y0),
        "vector": garment.vector.astype("<f2").tobytes(),
        "model": model,
        "engine": engine,
    }


def _post_row(workspace: Workspace, key: str, post: Post) -> dict[str, object]:
    return {
        "post_id": post.post_id,
        "key": key,
        "posted_at": post.posted_at,
        "author_hash": workspace.author_hash(post.author),
        "country": post.country,
        "department": post.department,
        "platform": post.platform,
        "caption": post.caption,
        "likes": post.counts.likes,
        "comments": post.counts.comments,
        "shares": post.counts.shares,
        "views": post.counts.views,
        "followers": post.counts.followers,
    }


def statuses(workspace: Workspace) -> dict[str, int]:
    """Returns the number of photos by status, `ok` first."""
    counts = workspace.scan("photos").group_by("status").len().collect()
    return dict(sorted(counts.iter_rows(), key=lambda row: (row[0] != "ok", -row[1], row[0])))
