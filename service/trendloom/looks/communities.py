"""Garments that look alike: communities of the nearest-neighbour graph, their centres and their members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from graspologic_native import leiden
from numpy.typing import NDArray

from trendloom.errors import InputError

__all__ = ["assign", "assignment_cuts", "by_size", "centroids", "communities", "exemplars"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_BLOCK = 20_000  # rows whose cosines to all centres are held at once


def _edges(neighbours: Ints, cosines: Floats, cut: float) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Returns the ends and weights of the undirected edges: mutual neighbours weigh 1, one-way ones 0.5."""
    n, k = neighbours.shape
    rows = np.repeat(np.arange(n, dtype=np.int64), k)
    columns = neighbours.ravel()
    used = (columns >= 0) & (columns != rows) & (cosines.ravel() >= cut)
    left, right = np.divmod(np.unique(rows[used] * n + columns[used]), n)  # a neighbour named twice counts once
    pairs, ways = np.unique(np.minimum(left, right) * n + np.maximum(left, right), return_counts=True)
    return pairs // n, pairs % n, ways / 2


class _Edges(Sequence[tuple[str, str, float]]):
    """Edges as Leiden reads them, made one by one: a list of ten million of them would take a gigabyte."""

    def __init__(self, left: Ints, right: Ints, weight: NDArray[np.float64]) -> None:
        self._left, self._right, self._weight = left, right, weight

    def __len__(self) -> int:
        return len(self._left)

    @overload
    def __getitem__(self, at: int) -> tuple[str, str, float]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[str, str, float]]: ...
    def __getitem__(self, at: int | slice) -> tuple[str, str, float] | Sequence[tuple[str, str, float]]:
        if isinstance(at, slice):
            return _Edges(self._left[at], self._right[at], self._weight[at])
        return str(self._left[at]), str(self._right[at]), float(self._weight[at])

    def __iter__(self) -> Iterator[tuple[str, str, float]]:
        for start in range(0, len(self), _BLOCK):
            part = slice(start, start + _BLOCK)
            ends = (map(str, self._left[part].tolist()), map(str, self._right[part].tolist()))
            yield from zip(*ends, self._weight[part].tolist(), strict=True)


def _leiden(left: Ints, right: Ints, weight: NDArray[np.float64], n: int, *, resolution: float, seed: int) -> Ints:
    """Returns the community (n,) of each row; a row without an edge is alone."""
    _, found = leiden(
        edges=_Edges(left, right, weight),  # type: ignore[arg-type]  # any sequence will do
        starting_communities=None,
        resolution=resolution,
        randomness=0.001,
        iterations=1,
        use_modularity=True,
        seed=seed,
        trials=1,
    )
    label = n + np.arange(n, dtype=np.int64)
    label[np.fromiter(map(int, found), dtype=np.int64, count=len(found))] = np.fromiter(
        found.values(), dtype=np.int64, count=len(found)
    )
    return label


def communities(
    neighbours: Ints,
    cosines: Floats,
    *,
    resolution: float = 8.0,
    min_size: int = 20,
    cut: float = 0.0,
    random_state: int = 0,
) -> Ints:
    """Returns a label per row (n,), 0 for the largest community, -1 for rows in none.

    Leiden (Traag, Waltman and van Eck 2019, Scientific Reports 9:5233) with modularity on the neighbour graph. The
    resolution decides how fine the communities are: at 1 hundreds of groups merge into tens.

    Args:
        neighbours: (n, k) rows of the nearest neighbours, -1 for none.
        cosines: (n, k) their cosines.
        resolution: Modularity's; larger gives more and smaller communities.
        min_size: Communities with fewer rows are none.
        cut: Least cosine of an edge.
        random_state: Same input and seed give the same labels.

    Raises:
        InputError: The shapes differ or a neighbour is no row.
    """
    if neighbours.shape != cosines.shape or neighbours.ndim != 2:
        msg = f"expected neighbours and cosines of one shape (n, k), got {neighbours.shape} and {cosines.shape}"
        raise InputError(msg)
    n = len(neighbours)
    if neighbours.size and int(neighbours.max()) >= n:
        msg = f"expected neighbours below {n}, got {int(neighbours.max())}: search the same rows that are clustered"
        raise InputError(msg)
    left, right, weight = _edges(neighbours, cosines, cut)
    if not len(weight):
        return np.full(n, -1, dtype=np.int64)
    return by_size(_leiden(left, right, weight, n, resolution=resolution, seed=random_state), min_size)


def by_size(found: Ints, min_size: int) -> Ints:
    """Returns labels renumbered from the largest group (then the one with the first row), small groups -1."""
    groups, first, inverse, size = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    number = np.empty(len(groups), dtype=np.int64)
    number[order] = np.arange(len(groups))
    number[size < min_size] = -1
    return number[inverse]


def centroids(vectors: Floats, labels: Ints) -> Floats:
    """Returns the mean direction of each look, (looks, dim) float32, rows L2-normalised."""
    count = int(labels.max(initial=-1)) + 1
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(count + 1))
    total = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    for look, (begin, end) in enumerate(pairwise(bounds.tolist())):
        total[look] = vectors[order[begin:end]].sum(axis=0)
    unit: Floats = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return unit


def _closeness(vectors: Floats, labels: Ints, centres: Floats) -> Floats:
    """Returns the cosine (n,) of each row to the centre of its look, -1 for noise."""
    cosine = np.full(len(labels), -1, dtype=np.float32)
    for begin in range(0, len(labels), _BLOCK):
        rows = begin + np.flatnonzero(labels[begin : begin + _BLOCK] >= 0)
        cosine[rows] = np.einsum("ij,ij->i", vectors[rows], centres[labels[rows]])
    return cosine


def assignment_cuts(vectors: Floats, labels: Ints, centres: Floats, *, keep: float = 0.9) -> Floats:
    """Returns the least cosine (looks,) at which a row belongs to a look: `keep` of its members are above it."""
    cosine = _closeness(vectors, labels, centres)
    return np.array([np.quantile(cosine[labels == look], 1 - keep) for look in range(len(centres))], dtype=np.float32)


def assign(vectors: Floats, centres: Floats, cuts: Floats) -> Ints:
    """Returns the look (n,) whose centre is nearest to each row, -1 where the cosine is under that look's cut."""
    labels = np.full(len(vectors), -1, dtype=np.int64)
    if not len(centres):
        return labels
    for begin in range(0, len(vectors), _BLOCK):
        cosine = vectors[begin : begin + _BLOCK] @ centres.T
        nearest = cosine.argmax(axis=1)
        near = cosine[np.arange(len(nearest)), nearest] >= cuts[nearest]
        labels[begin : begin + _BLOCK] = np.where(near, nearest, -1)
    return labels


def exemplars(vectors: Floats, labels: Ints, centres: Floats, owners: Ints, *, count: int = 9) -> Ints:
    """Returns the rows (looks, count) nearest to each centre, one per owner first, -1 where a look has fewer.

    Args:
        vectors: (n, dim) rows L2-normalised.
        labels: (n,) look of each row.
        centres: (looks, dim).
        owners: (n,) code of who posted the row; people repeat only when a look has too few.
        count: Rows per look.
    """
    chosen = np.full((len(centres), count), -1, dtype=np.int64)
    cosine = _closeness(vectors, labels, centres)
    for look in range(len(centres)):
        rows = np.flatnonzero(labels == look)
        rows = rows[np.argsort(-cosine[rows], kind="stable")]
        new = np.zeros(len(rows), dtype=bool)
        new[np.unique(owners[rows], return_index=True)[1]] = True
        best = np.concatenate([rows[new], rows[~new]])[:count]
        chosen[look, : len(best)] = best
    return chosen
