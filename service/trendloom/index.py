"""Vectors by id: nearest neighbours, exact while small. Always rebuildable from the garments table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from trendloom.errors import VectorIndexError
from trendloom.types import Floats

__all__ = ["VectorIndex", "neighbours"]

_FLAT_UP_TO = 50_000  # vectors; above it an inverted file is faster
_MANY = 200_000  # vectors; above it twice as many lists are searched
_BLOCK = 4096  # queries at once


class VectorIndex:
    """Unit vectors under string ids, searched by cosine."""

    def __init__(self, index: faiss.Index, ids: Sequence[str], stamp: str) -> None:
        self._index = index
        self._ids = list(ids)
        self.stamp = stamp

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def build(cls, vectors: Floats, ids: Sequence[str], *, stamp: str = "") -> VectorIndex:
        """Returns an exact index; vectors (n, dim) float32 with unit rows. `stamp` names the data it was made of."""
        if len(vectors) != len(ids):
            raise VectorIndexError(f"expected one id per vector, got {len(ids)} ids and {len(vectors)} vectors")
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index, ids, stamp)

    def search(self, queries: Floats, k: int) -> list[list[tuple[str, float]]]:
        """Returns for each query (n, dim) up to k (id, cosine), nearest first."""
        if queries.ndim != 2 or queries.shape[1] != self._index.d:
            raise VectorIndexError(f"expected queries of dimension {self._index.d}, got shape {queries.shape}")
        scores, places = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), min(k, max(1, len(self))))
        return [
            [(self._ids[p], float(s)) for p, s in zip(row, score, strict=True) if p >= 0]
            for row, score in zip(places, scores, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Writes the index into `folder`; its last file makes it valid, so a killed save leaves none."""
        folder.mkdir(parents=True, exist_ok=True)
        meta = folder / "index.json"
        meta.unlink(missing_ok=True)
        raw = faiss.serialize_index(self._index).tobytes()
        ids = json.dumps(self._ids, ensure_ascii=False).encode()
        (folder / "vectors.faiss").write_bytes(raw)
        (folder / "ids.json").write_bytes(ids)
        part = folder / "index.json.part"
        part.write_text(
            json.dumps({"stamp": self.stamp, "sha256": _digest(raw, ids), "count": len(self)}), encoding="utf-8"
        )
        part.replace(meta)

    @classmethod
    def load(cls, folder: Path) -> VectorIndex:
        """Returns the index saved in `folder`.

        Raises:
            VectorIndexError: It is missing, half-written or damaged: build it again.
        """
        try:
            meta = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            raw, ids = (folder / "vectors.faiss").read_bytes(), (folder / "ids.json").read_bytes()
            if meta["sha256"] != _digest(raw, ids):
                raise VectorIndexError("the index does not match its checksum: it is rebuilt from the store")
            index = faiss.deserialize_index(np.frombuffer(raw, dtype=np.uint8))
            return cls(index, json.loads(ids), str(meta["stamp"]))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as exc:
            raise VectorIndexError(
                f"the index cannot be read ({type(exc).__name__}): it is rebuilt from the store"
            ) from exc


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def neighbours(vectors: Floats, k: int, *, threads: int = 1, random_state: int = 0) -> tuple[NDArray[np.int64], Floats]:
    """Returns the k nearest others of each row: ids (n, k) int64, -1 where there is none, and cosines (n, k) float32.

    Exact up to 50,000 rows; above, an inverted file with half-precision codes (recall about .94 at 100,000, .95 at
    300,000 rows that blur).
    """
    n, dim = vectors.shape
    data = np.ascontiguousarray(vectors, dtype=np.float32)
    faiss.omp_set_num_threads(threads)
    if n <= _FLAT_UP_TO:
        index: Any = faiss.IndexFlatIP(dim)
    else:
        lists = int(4 * np.sqrt(n))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.seed = 6, 64, random_state + 1
        index.train(data)
        index.nprobe = 16 if n <= _MANY else 32
    index.add(data)
    ids = np.full((n, k), -1, dtype=np.int64)
    cosines = np.zeros((n, k), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(n, start + _BLOCK))
        scores, found = index.search(data[rows], k + 1)
        other = found != rows[:, None]  # (b, k + 1); drop the row itself, or the last one where it was not found
        other[other.all(axis=1), -1] = False
        ids[rows] = found[other].reshape(len(rows), k)
        cosines[rows] = scores[other].reshape(len(rows), k)
    cosines[ids < 0] = 0.0
    return ids, cosines
