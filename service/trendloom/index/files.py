"""A folder whose files belong together: written beside the ones before, read back, and made valid by one rename."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from filelock import FileLock, Timeout

from trendloom.errors import VectorIndexError

__all__ = ["META", "read_meta", "verify", "write_all"]

META = "index.json"
_BLOCK = 2**20
_LOCK_S = 60  # another program writes the same index for seconds

Write = Callable[[BinaryIO], None]


class _Hashing:
    """A file that remembers the digest of what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        """Returns the number of bytes written."""
        self.digest.update(piece)
        return self._file.write(piece)


def write_all(folder: Path, parts: Mapping[str, Write], said: Mapping[str, Any]) -> None:
    """Writes parts and what is said of them into `folder`; killed anywhere, what was there before stays.

    Every file is read back and compared with what was to be written before it counts; then the files before are
    removed, and with them what was deleted.

    Raises:
        OSError: the folder cannot be written.
        VectorIndexError: the disk gave back something else, or another program writes here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=_LOCK_S):
            token = uuid.uuid4().hex[:12]
            files = {part: _write(folder / f"{part}-{token}", write) for part, write in parts.items()}
            fresh = folder / f"{META}.part"
            fresh.write_text(json.dumps({**said, "files": files}), encoding="utf-8")
            fresh.replace(folder / META)
            _clean(folder, {entry["name"] for entry in files.values()})
    except Timeout as exc:
        raise VectorIndexError(f"another program has been writing the index for {_LOCK_S} seconds") from exc


def _write(path: Path, write: Write) -> dict[str, Any]:
    """Returns name, bytes, digest and time of a file that was written and read back."""
    with path.open("wb") as file:
        hashing = _Hashing(file)
        write(cast(BinaryIO, hashing))
        file.flush()
        os.fsync(file.fileno())
    digest = hashing.digest.hexdigest()
    if _digest(path) != digest:
        raise VectorIndexError(f"{path.name}: the disk gave back something else than was written")
    found = path.stat()
    return {"name": path.name, "bytes": found.st_size, "sha256": digest, "mtime_ns": found.st_mtime_ns}


def _clean(folder: Path, kept: set[str]) -> None:
    """Removes the files of earlier writes; a reader that has one open keeps it until it lets go."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept | {META, "lock"}:
            path.unlink(missing_ok=True)


def read_meta(folder: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Returns what is said of the parts, and their paths.

    Sizes are compared always. The contents are compared with their digest where a file's time is not that of its
    verified write: a copied or touched file is read once as a whole, all others are opened without being read.

    Raises:
        VectorIndexError: something is missing or damaged.
    """
    try:
        said: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        paths = {part: folder / str(entry["name"]) for part, entry in said["files"].items()}
        for part, entry in said["files"].items():
            found = paths[part].stat()
            untouched = found.st_size == entry["bytes"] and found.st_mtime_ns == entry["mtime_ns"]
            if not untouched and (found.st_size != entry["bytes"] or _digest(paths[part]) != entry["sha256"]):
                raise VectorIndexError(f"{paths[part].name} does not match its checksum: it is rebuilt from the store")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise VectorIndexError(
            f"the index cannot be read ({type(exc).__name__}): it is rebuilt from the store"
        ) from exc
    return said, paths


def verify(folder: Path) -> int:
    """Returns the number of bytes read and compared with their digests: everything.

    Raises:
        VectorIndexError: something is missing or damaged.
    """
    said, paths = read_meta(folder)
    for part, entry in said["files"].items():
        if _digest(paths[part]) != entry["sha256"]:
            raise VectorIndexError(f"{paths[part].name} does not match its checksum: remove the folder {folder}")
    return sum(int(entry["bytes"]) for entry in said["files"].values())


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_BLOCK):
            digest.update(piece)
    return digest.hexdigest()
