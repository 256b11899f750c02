"""The nearest others of every vector at once: what looks are made of."""

from __future__ import annotations

from typing import Any

import faiss as faiss_module
import numpy as np
from numpy.typing import NDArray

from trendloom.types import Floats

__all__ = ["neighbours"]

faiss: Any = faiss_module  # its published types do not know the classes made in Python

_FLAT_UP_TO = 50_000  # vectors; above it lists are faster
_PROBED = 16  # lists that each row is compared with
_ITERATIONS, _PER_LIST = 6, 64  # of k-means
_BLOCK = 4096  # queries at once

Ids = NDArray[np.int64]
Places = NDArray[np.int32]


def neighbours(vectors: Floats, k: int, *, threads: int = 1, random_state: int = 0) -> tuple[Ids, Floats]:
    """Returns the k nearest others of each row: ids (n, k) int64, -1 where there is none, and cosines (n, k) float32.

    Exact up to 50,000 rows; above, each row is compared with those in the 16 of `4 sqrt(n)` lists that are nearest to it
    (recall about .998 at 100,000 rows that blur, .978 at a million). All rows that ask for a list are compared with it
    in one product of matrices: at 100,000 rows in 60 % of the time that asking row by row takes.
    """
    data = np.ascontiguousarray(vectors, dtype=np.float32)
    faiss.omp_set_num_threads(threads)
    ids, cosines = _exact(data, k) if len(data) <= _FLAT_UP_TO else _by_lists(data, k, random_state)
    cosines[ids < 0] = 0.0
    return ids, cosines


def _exact(data: Floats, k: int) -> tuple[Ids, Floats]:
    index = faiss.IndexFlatIP(data.shape[1])
    index.add(data)
    ids = np.full((len(data), k), -1, dtype=np.int64)
    cosines = np.zeros((len(data), k), dtype=np.float32)
    for start in range(0, len(data), _BLOCK):
        rows = np.arange(start, min(len(data), start + _BLOCK))
        scores, found = index.search(data[rows], k + 1)
        other = found != rows[:, None]  # (b, k + 1); drop the row itself, or the last one where it was not found
        other[other.all(axis=1), -1] = False
        ids[rows] = found[other].reshape(len(rows), k)
        cosines[rows] = scores[other].reshape(len(rows), k)
    return ids, cosines


def _by_lists(data: Floats, k: int, random_state: int) -> tuple[Ids, Floats]:
    lists = int(4 * np.sqrt(len(data)))
    probes = _nearest_lists(data, lists, random_state)
    members, member_starts = _grouped(probes[:, 0], lists)
    asking, asking_starts = _grouped(probes.ravel(), lists)
    asking //= probes.shape[1]
    del probes
    ids = np.full((len(data), k), -1, dtype=np.int32)
    cosines = np.full((len(data), k), -2, dtype=np.float32)
    for one in range(lists):
        there = members[member_starts[one] : member_starts[one + 1]]
        askers = asking[asking_starts[one] : asking_starts[one + 1]]
        for start in range(0, len(askers) if len(there) else 0, _BLOCK):
            _compare(data, askers[start : start + _BLOCK], there, ids, cosines)
    order = np.argsort(-cosines, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1).astype(np.int64), np.take_along_axis(cosines, order, axis=1)


def _nearest_lists(data: Floats, lists: int, random_state: int) -> Places:
    """Returns the lists nearest to each row, (n, 16), nearest first: by k-means on a sample."""
    learned = faiss.Kmeans(
        data.shape[1], lists, niter=_ITERATIONS, max_points_per_centroid=_PER_LIST, seed=random_state + 1
    )
    learned.train(data)
    centres = faiss.IndexFlatIP(data.shape[1])
    centres.add(learned.centroids)
    probes = np.empty((len(data), min(_PROBED, lists)), dtype=np.int32)
    for start in range(0, len(data), _BLOCK):
        probes[start : start + _BLOCK] = centres.search(data[start : start + _BLOCK], probes.shape[1])[1]
    return probes


def _grouped(labels: Places, groups: int) -> tuple[Places, Ids]:
    """Returns the places of the labels 0, 1, ... one group after the other, and where each group begins."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=groups))])
    return np.argsort(labels, kind="stable").astype(np.int32), starts


def _compare(data: Floats, askers: Places, there: Places, ids: Places, cosines: Floats) -> None:
    """Puts those of a list that are nearer than what some rows have so far into these rows of ids and cosines."""
    k = ids.shape[1]
    found = data[askers] @ data[there].T  # (askers, there)
    found[askers[:, None] == there] = -2  # a row is not its own neighbour
    better = np.flatnonzero(found.max(axis=1) > cosines[askers].min(axis=1))
    found, askers = found[better], askers[better]
    best = (
        np.argpartition(-found, k - 1, axis=1)[:, :k]
        if k < len(there)
        else np.tile(np.arange(len(there)), (len(askers), 1))
    )
    both = np.concatenate([cosines[askers], np.take_along_axis(found, best, axis=1)], axis=1)
    names = np.concatenate(
        [ids[askers], np.where(np.take_along_axis(found, best, axis=1) > -2, there[best], -1)], axis=1
    )
    kept = np.argpartition(-both, k - 1, axis=1)[:, :k]
    cosines[askers], ids[askers] = np.take_along_axis(both, kept, axis=1), np.take_along_axis(names, kept, axis=1)
