"""Ids of looks that stay the same from run to run."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["identify"]

_SAME = 0.5  # share of the smaller look's common rows that makes it the same look


def _new_id(key: str, taken: set[str]) -> str:
    """Returns an id made of the key of the look's central garment."""
    for turn in range(1000):
        word = hashlib.blake2b(f"{key}\x00{turn}".encode(), digest_size=5).hexdigest()
        if f"look:{word}" not in taken:
            return f"look:{word}"
    return f"look:{hashlib.blake2b(key.encode()).hexdigest()}"


def identify(
    labels: NDArray[np.int64],
    keys: Sequence[str],
    medoids: NDArray[np.int64],
    previous: Mapping[str, str] | None = None,
) -> list[str]:
    """Returns an id per look 0..: that of the earlier look it goes on from, else one made of its central garment.

    A look goes on from the earlier one with which it shares most rows, if these are at least half of either's rows
    that were known before; every earlier id is given once, to the largest overlap.

    Args:
        labels: (n,) look of each row, -1 for none.
        keys: (n,) stable name of each row, such as key and garment.
        medoids: (looks,) the row nearest to each centre.
        previous: Look id by key, of the earlier run; rows without a look left out.
    """
    before = previous or {}
    common: Counter[tuple[int, str]] = Counter()
    known: Counter[int] = Counter()
    size: defaultdict[str, int] = defaultdict(int)
    for label, key in zip(labels.tolist(), keys, strict=True):
        old = before.get(key)
        if old is None:
            continue
        size[old] += 1
        if label >= 0:
            common[label, old] += 1
            known[label] += 1
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for (label, old), shared in sorted(common.items(), key=lambda item: (-item[1], item[0])):
        if label not in ids and old not in taken and shared >= _SAME * min(size[old], known[label]):
            ids[label] = old
            taken.add(old)
    taken |= set(size)
    for label, medoid in enumerate(medoids.tolist()):
        if label not in ids:
            ids[label] = _new_id(keys[medoid], taken)
            taken.add(ids[label])
    return [ids[label] for label in range(len(medoids))]
