"""Labelled photos from tar shards: a folder per set, `ID.jpg` beside `ID.json` in its tars."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def read_set(root: Path, name: str) -> Iterator[ShardPhoto]:
    """Photos of one set in the order of its shards; those without a label file are left out."""
    for shard in sorted((root / name).glob("*.tar")):
        found: dict[str, dict[str, bytes]] = {}
        with tarfile.open(shard) as tar:
            for member in tar:
                stem, _, ending = member.name.rpartition(".")
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None and ending in ("jpg", "json"):
                    found.setdefault(stem, {})[ending] = file.read()
        for stem, parts in found.items():
            if len(parts) == 2:
                yield ShardPhoto(set=name, id=stem, jpeg=parts["jpg"], labels=json.loads(parts["json"]))
