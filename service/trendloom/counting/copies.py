"""Which posts show the same photo."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["components", "copy_groups", "near_pairs"]

_BITS = 64
_BLANK = 6  # a hash with fewer bits set, or unset, comes from an even surface and says nothing
_TINT = 8  # levels of red, green or blue in a step of colour: what compression and resizing move stays within one
_HASH_PAIRS = 200_000  # pairs of hashes at once
_CHUNK = 4_000_000  # candidate pairs at once, about 100 MB


def _popcount(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns the bits set in each value."""
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), 8)
    table = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)
    count: NDArray[np.int64] = table[octets].sum(axis=1, dtype=np.int64)
    return count


def _bucket_pairs(order: NDArray[np.int64], keys: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Returns arrays (m, 2) of all pairs of `order` whose sorted `keys` are equal, at most `_CHUNK` a time."""
    edges = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1], True])
    group_end = np.repeat(edges[1:], np.diff(edges))
    ahead = group_end - np.arange(len(keys)) - 1  # partners after each element, within its bucket
    rows = np.flatnonzero(ahead > 0)
    total = np.cumsum(ahead[rows])
    pairs = []
    for part in np.split(rows, np.searchsorted(total, np.arange(_CHUNK, int(total[-1]) if len(total) else 0, _CHUNK))):
        count = ahead[part]
        left = np.repeat(part, count)
        step = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count) + 1
        pairs.append(np.column_stack([order[left], order[left + step]]))
    return pairs


def near_pairs(hashes: NDArray[np.uint64], *, radius: int = 4) -> NDArray[np.int64]:
    """Returns every pair (m, 2) of distinct hashes at most `radius` bits apart, as positions in `hashes`.

    The 64 bits are cut into radius + 1 bands: two hashes within the radius agree on one band (pigeonhole).
    """
    if len(hashes) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    edges = np.linspace(0, _BITS, radius + 2).astype(int)
    found = []
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for pairs in _bucket_pairs(order, band[order]):
            apart = _popcount(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
            found.append(pairs[(apart <= radius) & (apart > 0)])
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _hash_codes(hashes: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Returns the distinct telling hashes, and the place of each hash among them, -1 for even surfaces."""
    values, inverse = np.unique(hashes.view(np.uint64), return_inverse=True)
    bits = _popcount(values)
    telling = (bits >= _BLANK) & (bits <= _BITS - _BLANK)
    place = np.where(telling, np.cumsum(telling) - 1, -1)
    return values[telling], place[inverse]


def components(nodes: int, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the component (nodes,) of each node of an undirected graph, numbered 0.. by their first nodes.

    Every root hooks onto its least neighbour, then paths are halved until they are flat: each two rounds at least halve
    the roots of a component (after Shiloach and Vishkin 1982, J. Algorithms 3:57).

    Args:
        nodes: Number of nodes.
        edges: (m, 2) pairs of nodes; loops and repeats are allowed.
    """
    root = np.arange(nodes, dtype=np.int64)
    ends = edges
    while True:
        ends = root[ends]
        ends = ends[ends[:, 0] != ends[:, 1]]
        if not len(ends):
            break
        np.minimum.at(root, ends.max(axis=1), ends.min(axis=1))
        while not np.array_equal(root, above := root[root]):
            root = above
    number: NDArray[np.int64] = np.unique(root, return_inverse=True)[1].astype(np.int64)
    return number


def _tints(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Returns the six bytes of each photo's colours in steps of 8, (n, 6); -1 where they are not known."""
    if "colours" not in rows.columns:
        return np.full((len(rows), 6), -1, dtype=np.int64)
    known = rows["colours"].is_not_null().to_numpy()
    packed = rows["colours"].cast(pl.Int64).fill_null(0).to_numpy()
    octets = (packed[:, None] >> (8 * np.arange(6))) & 0xFF
    return np.where(known[:, None], octets // _TINT, -1).astype(np.int64)


def _alike(tints: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the pairs whose colours lie a step apart at most, or are not known."""
    one, other = tints[pairs[:, 0]], tints[pairs[:, 1]]
    near = (np.abs(one - other) <= 1).all(axis=1) | (one[:, 0] < 0) | (other[:, 0] < 0)
    return np.asarray(pairs[near])


def _seen_pairs(
    values: NDArray[np.uint64], place: NDArray[np.int64], tints: NDArray[np.int64], radius: int
) -> NDArray[np.int64]:
    """Returns the pairs (m, 2) of sights that show one photo.

    Args:
        values: Distinct hashes.
        place: (sights,) place of each sight's hash, sorted: a sight is a hash with a tint.
        tints: (sights, 6).
        radius: Bits.
    """
    begin = np.searchsorted(place, np.arange(len(values)))
    size = np.diff(np.r_[begin, len(place)])
    found = [_alike(tints, pairs) for pairs in _bucket_pairs(np.arange(len(place)), place.astype(np.uint64))]
    near = near_pairs(values, radius=radius)
    for start in range(0, len(near), _HASH_PAIRS):
        one, other = near[start : start + _HASH_PAIRS].T
        count = size[one] * size[other]
        which = np.repeat(np.arange(len(count)), count)
        step = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        width = size[other][which]
        sights = np.column_stack([begin[one][which] + step // width, begin[other][which] + step % width])
        found.append(_alike(tints, sights))
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])


def copy_groups(photos: pl.DataFrame, *, radius: int = 4) -> pl.DataFrame:
    """Returns post_id and group (int64) for posts that share a photo with another post.

    Photos are the same when their bytes are, or when their perceptual hashes differ in at most `radius` of 64 bits and
    their colours are alike: a shirt in red and the same in blue have one hash. Hashes of even surfaces are left out. A
    post in two groups joins them.

    Args:
        photos: post_id, sha256, phash, colours (see `trendloom.photos.colour_signature`); all but the first may be null
            or left out.
        radius: Bits.
    """
    rows = photos.filter(pl.col("post_id").is_not_null())
    posts = rows["post_id"].cast(pl.String).unique().sort()
    code = (rows["post_id"].cast(pl.String).rank("dense").cast(pl.Int64) - 1).to_numpy()
    nodes, links = len(posts), [np.zeros((0, 2), dtype=np.int64)]
    if "sha256" in rows.columns:
        known = rows["sha256"].is_not_null().to_numpy()
        same = rows["sha256"].cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        links.append(np.column_stack([code[known], nodes + same[known]]))
        nodes += int(same.max(initial=0)) + 1
    if "phash" in rows.columns:
        values, place = _hash_codes(rows["phash"].cast(pl.Int64).fill_null(0).to_numpy())
        known = rows["phash"].is_not_null().to_numpy() & (place >= 0)
        marks = np.column_stack([place, _tints(rows)])[known]  # (sights, 7): hash and tint
        sights, which = np.unique(marks, axis=0, return_inverse=True)
        links.append(np.column_stack([code[known], nodes + which.reshape(-1)]))
        links.append(nodes + _seen_pairs(values, sights[:, 0], sights[:, 1:], radius))
        nodes += len(sights)
    edges = np.concatenate(links)
    label = components(nodes, edges)[: len(posts)]
    shared = np.bincount(label, minlength=1)[label] > 1
    return pl.DataFrame(
        {"post_id": posts.filter(pl.Series(shared, dtype=pl.Boolean)), "group": label[shared]},
        schema={"post_id": pl.String, "group": pl.Int64},
    )
