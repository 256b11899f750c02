"""Tar shards that hold `key.jpg` beside `key.json` (as img2dataset and webdataset write them)."""

from __future__ import annotations

import itertools
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path, PurePosixPath

from trendloom.errors import ImageError, InputError
from trendloom.photos import EXTENSIONS, MAX_BYTES
from trendloom.sources.folder import as_key
from trendloom.sources.rows import read_post
from trendloom.types import Item

__all__ = ["ShardSource", "find_shards"]

_LONGEST_JSON = 2**20  # bytes


def find_shards(root: Path) -> list[Path]:
    """Returns the tar shards directly in `root`, in order."""
    return sorted(p for p in root.iterdir() if p.suffix.lower() == ".tar" and p.is_file())


class ShardSource:
    """Images of tar shards, read member by member without unpacking."""

    def __init__(self, shards: Sequence[Path], columns: Mapping[str, str]) -> None:
        self._shards, self._columns = list(shards), dict(columns)
        self.place = "\n".join(os.path.abspath(shard) for shard in shards)
        self._count: int | None = None
        if not self.total:
            raise InputError(f"expected images in {', '.join(p.name for p in shards)}, found none")

    @property
    def total(self) -> int:
        """Number of items; the shards' headers are read once to count them."""
        if self._count is None:
            self._count = sum(1 for shard in self._shards for _ in _pairs(shard))
        return self._count

    def items(self) -> Iterator[Item]:
        """Yields every image once, shard by shard.

        A key that was used before gets its shard's name before it, and where that was used too, a number behind it.
        """
        used: set[str] = set()
        for shard in self._shards:
            for member, sidecar in _pairs(shard):
                key = _unused(as_key(os.path.splitext(member.name)[0]), shard.stem, used)
                used.add(key)
                row = _read_json(shard, sidecar) if sidecar is not None else {}
                yield Item(
                    key=key, post=read_post(row, self._columns, key=key), load=partial(_load_member, shard, member)
                )


def _unused(key: str, shard: str, used: Set[str]) -> str:
    if key not in used:
        return key
    named = f"{shard}/{key}"
    return next(one for n in itertools.count(1) if (one := named if n == 1 else f"{named}~{n}") not in used)


def _pairs(shard: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarInfo | None]]:
    """Yields each image member with its JSON, if it has one."""
    images: list[tarfile.TarInfo] = []
    sidecars: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                stem, ending = os.path.splitext(member.name)
                if ending.lower() in EXTENSIONS and not member.isdir():
                    images.append(member)
                elif ending == ".json" and member.isreg():
                    sidecars[stem] = member
    except (tarfile.TarError, OSError, EOFError) as exc:
        if not images:
            raise InputError(f"expected an uncompressed tar file, {shard.name} cannot be read ({exc})") from exc
        # cut off in the middle: what came before the cut is good
    for member in images:
        yield member, sidecars.get(os.path.splitext(member.name)[0])


def _read(shard: Path, member: tarfile.TarInfo) -> bytes:
    with shard.open("rb") as file:
        file.seek(member.offset_data)
        return file.read(member.size)


def _read_json(shard: Path, member: tarfile.TarInfo) -> dict[str, object]:
    if member.size > _LONGEST_JSON:
        return {}
    try:
        row = json.loads(_read(shard, member))
    except (ValueError, OSError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _load_member(shard: Path, member: tarfile.TarInfo) -> bytes:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not member.isreg():
        raise ImageError("refused", "expected a plain file inside the archive, got a link or a path that leaves it")
    if member.size > MAX_BYTES:
        raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, got {member.size:,}")
    data = _read(shard, member)
    if len(data) < member.size:
        raise ImageError("truncated", "the archive ends before this member does")
    return data
