"""The index of a workspace's garments: what is new is added, what is gone is removed, and only seldom is it built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import polars as pl

from trendloom.errors import VectorIndexError
from trendloom.index import VectorIndex, sample_size
from trendloom.pipeline.looks import garment_vectors
from trendloom.store import Workspace
from trendloom.types import Floats

__all__ = ["index_to_read", "vector_index"]

_BLOCK = 65_536  # vectors in full precision at once
_WHO = ["key", "garment", "mark"]  # a garment of a photo, and the first half of the photo's digest


def vector_index(workspace: Workspace) -> VectorIndex:
    """Returns the index over the garments of readable photos, as the store is now, and leaves it in the workspace.

    Its names are key, garment and mark. It is built where it is missing, damaged, of another model or outgrown.
    """
    folder, stamp = workspace.root / "index", _stamp(workspace)
    with contextlib.suppress(VectorIndexError):
        index = VectorIndex.load(folder)
        if index.stamp == stamp:
            return index
        if changed := _changed(workspace, index, stamp):
            return _saved(workspace, changed)
    return _saved(workspace, _built(workspace, stamp))


def index_to_read(workspace: Workspace, held: VectorIndex | None) -> VectorIndex:
    """Returns the index to search in: the one that is held where it is still right, or while a run is writing."""
    stamp = _stamp(workspace)
    if held is not None and held.stamp == stamp:
        return held
    if workspace.busy():
        if held is not None:
            return held
        with contextlib.suppress(VectorIndexError):
            return VectorIndex.load(workspace.root / "index")
    return vector_index(workspace)


def _stamp(workspace: Workspace) -> str:
    return f"{workspace.meta.model}:{workspace.version('garments')}:{workspace.version('photos')}"


def _saved(workspace: Workspace, index: VectorIndex) -> VectorIndex:
    """Returns the index, mapped from the disk where it could be written: else it is searched all the same."""
    with contextlib.suppress(OSError, VectorIndexError):
        index.save(workspace.root / "index")
        return VectorIndex.load(workspace.root / "index")
    return index


def _garments(workspace: Workspace) -> pl.LazyFrame:
    """Returns key, garment, mark and vector of the garments of readable photos."""
    mark = pl.col("sha256").str.slice(0, 32).alias("mark")
    done = workspace.scan("photos").filter(pl.col("status") == "ok").select("key", mark).unique("key")
    return workspace.scan("garments").select("key", "garment", "vector").unique(["key", "garment"]).join(done, on="key")


def _changed(workspace: Workspace, index: VectorIndex, stamp: str) -> VectorIndex | None:
    """Returns the index with what came and without what went; None where it must be built again."""
    if not len(index) or index.stamp.rsplit(":", 2)[0] != workspace.meta.model:
        return None
    wanted = _garments(workspace).select(_WHO).collect()
    gone = index.names.join(wanted, on=_WHO, how="anti")["id"].to_numpy()
    new = wanted.join(index.names, on=_WHO, how="anti")
    if not index.fits(wanted.height):
        return None
    index = VectorIndex.load(workspace.root / "index", mapped=False)
    if len(gone):
        index.remove(gone)
    if new.height:
        rows = _garments(workspace).join(new.lazy(), on=_WHO, how="semi").collect().sort("key", "garment")
        index.add(garment_vectors(rows), rows.select(_WHO))
    index.stamp = stamp
    return index


def _built(workspace: Workspace, stamp: str) -> VectorIndex:
    rows = _garments(workspace).collect().sort("key", "garment")
    some = rows.sample(sample_size(rows.height), seed=0) if rows.height else rows

    def blocks() -> Iterator[Floats]:
        for start in range(0, rows.height, _BLOCK):
            yield garment_vectors(rows.slice(start, _BLOCK))

    return VectorIndex.build(blocks(), rows.select(_WHO), sample=garment_vectors(some), stamp=stamp)
