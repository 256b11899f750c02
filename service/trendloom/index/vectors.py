"""Vectors by id, searched by cosine: exact while few, by an inverted file when many; half precision on disk."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import faiss as faiss_module
import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.errors import VectorIndexError
from trendloom.index.files import read_meta, verify, write_all
from trendloom.types import Floats

__all__ = ["VectorIndex", "sample_size"]

faiss: Any = faiss_module  # its published types know neither the keyword arguments nor the classes made in Python

FLAT_UP_TO = 20_000  # vectors; up to here a whole scan takes about a millisecond, and nothing has to be learned
_PROBED = 8  # one list in eight is searched
_EXACT_UP_TO = 50_000  # vectors that pass a filter; so many are compared one by one
_PER_LIST = 64  # vectors of the sample that each list's centre is learned from
_OUTGROWN = 4  # times the size that the lists were made for: then they are made again
_ITERATIONS = 6

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class VectorIndex:
    """Unit vectors under whole numbers that are never used again, each with a row of names.

    Up to 20,000 vectors there is one list, and a search is exact. Above, k-means on a sample makes `4 sqrt(n)` lists, of
    which an eighth is searched. Vectors are added to the lists that are there, and removed from them; `fits` says when
    the lists should be made again. The inverted file keeps the ids itself (faiss's IndexIDMap2 may crash on removal).

    Attributes:
        names: A row for each vector in the order of ids: `id`, and the columns that the caller gave.
        stamp: The data that it was made of.
    """

    def __init__(self, index: Any, names: pl.DataFrame, *, stamp: str, made_for: int, following: int) -> None:
        self._index, self.names, self.stamp = index, names, stamp
        self._made_for, self._following = made_for, following

    def __len__(self) -> int:
        return self.names.height

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    @property
    def room(self) -> int:
        """All ids are below this number: the length of a mask."""
        return self._following

    @property
    def lists(self) -> int:
        """Lists of the inverted file; one where every search is exact."""
        return int(self._index.nlist)

    def fits(self, count: int) -> bool:
        """Returns whether the lists are right for so many vectors."""
        if self.lists == 1:
            return count <= FLAT_UP_TO
        return FLAT_UP_TO // 2 < count <= _OUTGROWN * self._made_for

    # ---- made and changed

    @classmethod
    def build(
        cls, blocks: Iterable[Floats], names: pl.DataFrame, *, sample: Floats, stamp: str = "", random_state: int = 0
    ) -> VectorIndex:
        """Returns an index over blocks of unit rows (b, dim) float32, one row of `names` each, ids from 0.

        Args:
            blocks: Read one at a time; only their half-precision codes are kept.
            names: Columns that say whose the vectors are.
            sample: Rows that the lists are learned from, spread over the whole; about `sample_size(n)` are enough.
            stamp: Names the data.
            random_state: Seed of k-means.
        """
        count = names.height
        lists = 1 if count <= FLAT_UP_TO else lists_for(count)
        index = _empty(sample.shape[1], lists, sample, random_state)
        made = cls(
            index, names.clear().with_columns(pl.Series("id", [], pl.Int64)), stamp=stamp, made_for=count, following=0
        )
        start = 0
        for block in blocks:
            made.add(block, names.slice(start, len(block)))
            start += len(block)
        if start != count:
            raise VectorIndexError(f"expected one row of names per vector, got {count} rows and {start} vectors")
        return made

    def add(self, vectors: Floats, names: pl.DataFrame) -> None:
        """Adds unit rows (n, dim) float32 under new ids; nothing is learned again."""
        if len(vectors) != names.height:
            raise VectorIndexError(f"expected one row of names per vector, got {names.height} and {len(vectors)}")
        self._check(vectors)
        ids = np.arange(self._following, self._following + len(vectors), dtype=np.int64)
        self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids)
        self.names = pl.concat([self.names, names.with_columns(pl.Series("id", ids)).select(self.names.columns)])
        self._following += len(vectors)

    def remove(self, ids: Ids) -> None:
        """Removes vectors: their codes leave the lists, and the disk with the next `save`."""
        gone = np.zeros(self._following, dtype=bool)
        gone[ids] = True
        removed = self._index.remove_ids(_selector(gone))
        self.names = self.names.filter(~pl.Series(gone[self.names["id"].to_numpy()]))
        if self._index.ntotal != len(self):
            raise VectorIndexError(f"expected {len(ids)} vectors to be removed, {removed} were: build the index again")

    # ---- searched

    def search(self, queries: Floats, k: int, *, allowed: Mask | None = None) -> list[list[tuple[int, float]]]:
        """Returns for each query (n, dim) its nearest (id, cosine), nearest first: k of them where there are k.

        Args:
            queries: Unit rows.
            k: How many.
            allowed: (room,) which ids may be found; None for all. Up to 50,000 are compared one by one.
        """
        self._check(queries)
        count = len(self) if allowed is None else int(allowed.sum())
        k = min(k, count)
        if k <= 0:
            return [[] for _ in queries]
        selector = None if allowed is None else _selector(allowed)
        exact = allowed is not None and count <= _EXACT_UP_TO
        probed = self.lists if exact else -(-self.lists // _PROBED)
        found = self._search(queries, k, probed, selector)
        for place, row in enumerate(found):
            if len(row) < k:  # the lists that were searched hold too few that are allowed
                found[place] = self._search(queries[place : place + 1], k, self.lists, selector)[0]
        return found

    def _search(self, queries: Floats, k: int, probed: int, selector: Any) -> list[list[tuple[int, float]]]:
        how = faiss.SearchParametersIVF(nprobe=probed, **({} if selector is None else {"sel": selector}))
        scores, ids = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), k, params=how)
        return [
            [(int(i), float(s)) for i, s in zip(row, score, strict=True) if i >= 0]
            for row, score in zip(ids, scores, strict=True)
        ]

    def _check(self, rows: Floats) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise VectorIndexError(f"expected rows of dimension {self.dim}, got shape {rows.shape}")

    # ---- on disk

    def save(self, folder: Path) -> None:
        """Writes the index into `folder`, reads it back, and then removes the one before.

        Raises:
            OSError: The folder cannot be written.
            VectorIndexError: The disk gave back something else.
        """
        parts = {"vectors": partial(_write_faiss, self._index), "names": partial(_write_names, self.names)}
        said = {"stamp": self.stamp, "count": len(self), "made_for": self._made_for, "following": self._following}
        write_all(folder, parts, said)

    @classmethod
    def load(cls, folder: Path, *, mapped: bool = True) -> VectorIndex:
        """Returns the index saved in `folder`; memory-mapped it is for reading, else it can be changed.

        Raises:
            VectorIndexError: It is missing, half-written or damaged: build it again.
        """
        try:
            return cls._load(folder, mapped=mapped)
        except VectorIndexError:
            return cls._load(folder, mapped=mapped)  # it may have been written anew in between

    @classmethod
    def _load(cls, folder: Path, *, mapped: bool) -> VectorIndex:
        said, paths = read_meta(folder)
        try:
            flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0
            index = faiss.read_index(str(paths["vectors"]), flags)
            if mapped:
                faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0  # no threads for each search
            names = pl.read_ipc(paths["names"])
            if not index.ntotal == names.height == said["count"]:
                raise VectorIndexError("the index does not hold what it says: it is rebuilt from the store")
            return cls(index, names, stamp=said["stamp"], made_for=said["made_for"], following=said["following"])
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
            pl.exceptions.PolarsError,
        ) as exc:
            raise VectorIndexError(
                f"the index cannot be read ({type(exc).__name__}): it is rebuilt from the store"
            ) from exc

    verify = staticmethod(verify)


def lists_for(count: int) -> int:
    """Returns how many lists so many vectors get: `4 sqrt(n)`, as faiss's guidelines say."""
    return int(4 * np.sqrt(count))


def sample_size(count: int) -> int:
    """Returns how many vectors the lists of so many are learned from."""
    return min(count, _PER_LIST * lists_for(count))


def _empty(dim: int, lists: int, sample: Floats, random_state: int) -> Any:
    """Returns an empty inverted file with half-precision codes, its lists learned."""
    centres = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        centres, dim, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
    if lists == 1:
        centres.add(np.zeros((1, dim), dtype=np.float32))  # one list takes all
        index.train(np.zeros((1, dim), dtype=np.float32))
    else:
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.seed = _ITERATIONS, _PER_LIST, random_state + 1
        index.cp.spherical, index.cp.min_points_per_centroid = True, 1
        index.train(np.ascontiguousarray(sample, dtype=np.float32))
    return index


def _selector(allowed: Mask) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _write_names(names: pl.DataFrame, file: BinaryIO) -> None:
    held = io.BytesIO()
    names.write_ipc(held)
    file.write(held.getbuffer())


def _write_faiss(index: Any, file: BinaryIO) -> None:
    faiss.write_index(index, faiss.PyCallbackIOWriter(_taking(file.write)))


def _taking(write: Callable[[bytes], int]) -> Callable[[bytes], None]:
    def take(piece: bytes) -> None:
        write(piece)

    return take
