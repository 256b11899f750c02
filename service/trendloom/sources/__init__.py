"""The front door for dumps: folders, manifests, tar shards and file lists, one item per image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from trendloom.errors import InputError
from trendloom.photos import EXTENSIONS
from trendloom.sources.folder import (
    MANIFEST,
    FolderSource,
    ManifestSource,
    PathsSource,
    find_images,
    load_file,
    safe_path,
)
from trendloom.sources.rows import FIELDS, parse_map, read_time, separator_of
from trendloom.sources.shards import ShardSource, find_shards
from trendloom.types import Source

__all__ = [
    "FIELDS",
    "FORMATS",
    "load_file",
    "open_source",
    "parse_map",
    "read_time",
    "safe_path",
    "separator_of",
    "source_root",
]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")
FORMATS = ("auto", "folder", "manifest", "tar", "files")


def open_source(paths: Sequence[Path], *, format: str = "auto", columns: Mapping[str, str] | None = None) -> Source:
    """Returns the source behind one or several paths.

    Args:
        paths: A folder, a manifest, tar shards, an image, or several files and folders.
        format: One of `FORMATS`; `auto` looks at what is there.
        columns: {field: column} where a manifest or JSON uses other names.

    Raises:
        InputError: A path is missing, nothing usable is there, or the format is unknown.
    """
    if format not in FORMATS:
        raise InputError(f"expected a format of {', '.join(FORMATS)}, got {format!r}")
    for path in paths:
        if not path.exists():
            if _ADDRESS.match(str(path)):
                raise InputError(
                    f"expected a path on this machine, got the address {path}: `trendloom cluster` reads some"
                )
            raise InputError(f"expected a folder, a file or a tar shard, there is no {path}")
    if format == "files" or len(paths) > 1:
        if format == "tar" or (format == "auto" and all(_kind(p, among=True) == "tar" for p in paths)):
            return ShardSource(_shards(paths), columns or {})
        return PathsSource(paths)
    path = paths[0]
    kind = _kind(path) if format == "auto" else format
    if kind == "manifest":
        return ManifestSource(path / MANIFEST if path.is_dir() else path, columns or {})
    if kind == "tar":
        return ShardSource(_shards(paths), columns or {})
    return FolderSource(path) if path.is_dir() else PathsSource([path])


def _shards(paths: Sequence[Path]) -> list[Path]:
    return [shard for path in paths for shard in (find_shards(path) if path.is_dir() else [path])]


def _kind(path: Path, *, among: bool = False) -> str:
    """Returns the format of a path; `among` others, a file may be anything."""
    if path.is_dir():
        if (path / MANIFEST).exists():
            return "manifest"
        if not find_shards(path):
            return "folder"
        if find_images(path):
            raise InputError(
                f"expected images or tar shards in {path}, found both: say which by --format folder or tar"
            )
        return "tar"
    kind = {".tar": "tar", ".csv": "manifest"}.get(path.suffix.lower())
    if path.suffix.lower() in EXTENSIONS or (among and kind is None):
        return "files"
    if kind is None:
        raise InputError(
            f"expected a folder, an image, a .tar shard or a .csv manifest, got {path.name}: name its format with --format"
        )
    return kind


def source_root(path: Path) -> Path:
    """Returns the folder that the keys of a source are relative to."""
    return (path if path.is_dir() else path.parent).resolve()
