"""Which photos make a batch: sets by fixed shares, rare labels more often than they occur."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from training.cache import Record
from training.shards import TUNING, VALIDATION

__all__ = ["SHARES", "rows_of", "sampling_weights", "trainable"]

SHARES = {"catalogue": 0.33, "articles": 0.27, "clothing": 0.11, "street": 0.07, "street_box": 0.05, "outfits": 0.02,
          "outfits_box": 0.01, "attributes": 0.09, "other": 0.05, "drawn": 0.05}  # fmt: skip
KEYS = {"catalogue": "articleType", "articles": "type", "clothing": "label", "attributes": "category"}


def trainable(record: Record) -> bool:
    """Whether the photo is in the training split."""
    return record.bucket not in (VALIDATION, TUNING)


def rows_of(records: list[Record], set_name: str, bucket: int) -> NDArray[np.int64]:
    """Rows of one set and bucket."""
    return np.array([n for n, r in enumerate(records) if r.set == set_name and r.bucket == bucket], np.int64)


def sampling_weights(records: list[Record], drawn: float = SHARES["drawn"]) -> NDArray[np.float64]:
    """The chance of each photo, 0 outside the training split; within a set by one over the root of its label's count."""
    found = np.zeros(len(records))
    for name, share in (SHARES | {"drawn": drawn}).items():
        rows = [n for n, r in enumerate(records) if r.set == name and trainable(r)]
        labels = [str(records[n].labels.get(KEYS.get(name, "")) or (records[n].labels.get("tags") or [""])[0]) if name in KEYS or
                  name.endswith("_box") else "" for n in rows]  # fmt: skip
        counts = Counter(labels)
        chance = np.array([counts[label] ** -0.4 for label in labels])
        if rows:
            found[rows] = share * chance / chance.sum()
    return found / found.sum()
