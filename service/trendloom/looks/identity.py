"""Ids of looks that stay the same from run to run."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["identify"]

_SAME = 0.5  # share of either look's known rows that makes it the same look
_REST = 1 / 3  # ... and of the earlier look's, where it is the new one's: a mere splinter is another look


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
    issued: Collection[str] = (),
) -> list[str]:
    """Returns an id per look 0..: that of the earlier look it goes on from, else one made of its central garment.

    A look goes on from an earlier one if each shares most rows with the other, and these are at least half of the
    earlier look's rows, or a third of them and half of the new one's rows that were in a look before.

    Args:
        labels: (n,) look of each row, -1 for none.
        keys: (n,) stable name of each row, such as key and garment.
        medoids: (looks,) the row nearest to each centre.
        previous: Look id by key, of the earlier run; rows without a look left out.
        issued: Ids that were ever given: a look that is new gets none of them.
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
    ids = _continued(common, known, size)
    taken = set(before.values()) | set(issued)
    for label, medoid in enumerate(medoids.tolist()):
        if label not in ids:
            ids[label] = _new_id(keys[medoid], taken)
            taken.add(ids[label])
    return [ids[label] for label in range(len(medoids))]


def _continued(
    common: Mapping[tuple[int, str], int], known: Mapping[int, int], size: Mapping[str, int]
) -> dict[int, str]:
    """Returns the earlier id of each look that goes on from one; each is the largest overlap of the other."""
    ids: dict[int, str] = {}
    seen_labels: set[int] = set()
    seen_ids: set[str] = set()
    for (label, old), shared in sorted(common.items(), key=lambda item: (-item[1], item[0])):
        largest = label not in seen_labels and old not in seen_ids
        seen_labels.add(label)
        seen_ids.add(old)
        most = shared >= _SAME * size[old]
        if largest and (most or (shared >= _SAME * known[label] and shared >= _REST * size[old])):
            ids[label] = old
    return ids
