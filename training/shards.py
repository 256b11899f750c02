"""Labelled photos from tar shards: a folder per set, `ID.jpg` beside `ID.json` in its tars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.adapters.members import groups
from training.adapters.samples import Skipped
from training.adapters.shards import json_of

__all__ = ["SETS", "TUNING", "VALIDATION", "ShardPhoto", "bucket_of", "read_set"]

SETS = ("catalogue", "articles", "clothing", "street", "attributes", "outfits", "other")
VALIDATION = 1
TUNING = 2


@dataclass(frozen=True, kw_only=True)
class ShardPhoto:
    """One labelled photo: encoded bytes and the labels as its JSON states them."""

    set: str
    id: str
    jpeg: bytes
    labels: dict[str, Any]

    @property
    def bucket(self) -> int:
        """The photo's split number, 0 to 9."""
        return bucket_of(self.set, self.id)


def bucket_of(name: str, photo_id: str) -> int:
    """The split number of a photo, 0 to 9; colourways of one article share theirs."""
    key = photo_id[:7] if name == "articles" else photo_id
    return int(hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest(), 16) % 10


def read_set(root: Path, name: str, left_out: Callable[[Skipped], None] | None = None) -> Iterator[ShardPhoto]:
    """Photos of one set in the order of its shards; what cannot be read is handed to `left_out` and the rest goes on."""
    for shard in sorted((root / name).glob("*.tar")):
        for group in groups(shard, ("json",)):
            labels = group if isinstance(group, Skipped) else json_of(group)
            if isinstance(group, Skipped) or isinstance(labels, Skipped):
                if left_out and isinstance(labels, Skipped):
                    left_out(labels)
            else:
                yield ShardPhoto(set=name, id=group.id, jpeg=group.photo, labels=labels)
