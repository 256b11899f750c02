"""A folder of images, a folder with a manifest, or a list of paths."""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from trendloom.errors import ImageError, InputError, ManifestError
from trendloom.photos import EXTENSIONS, MAX_BYTES
from trendloom.sources.rows import read_post, separator_of
from trendloom.types import Item, Post

__all__ = ["MANIFEST", "FolderSource", "ManifestSource", "PathsSource", "find_images", "load_file", "safe_path"]

MANIFEST = "manifest.csv"
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def as_key(path: str) -> str:
    """Returns a path as a key: `/` between its parts, bytes that are not UTF-8 as their hexadecimal numbers."""
    return path.replace(os.sep, "/").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def load_file(path: Path) -> bytes:
    """Returns a file's bytes, its size checked first.

    Raises:
        ImageError: It is missing, too large or cannot be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            raise ImageError("unreadable", "expected a file, got a folder, a pipe or a device")
        if found.st_size > MAX_BYTES:
            raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, got {found.st_size:,}")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ImageError("missing", "there is no such file") from exc
    except (OSError, ValueError) as exc:
        raise ImageError("unreadable", f"the file cannot be read ({getattr(exc, 'strerror', None) or exc})") from exc


def safe_path(root: Path, name: str) -> Path:
    """Returns the file `name` of `root`.

    Raises:
        ImageError: The path, or a link on it, leaves `root`.
    """
    try:
        path = (root / name).resolve()
        inside = not os.path.isabs(name) and path.is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError) as exc:
        raise ImageError("refused", "the path is not valid") from exc
    if not inside:
        raise ImageError("refused", "expected a path inside SRC, got one that leaves it")
    return path


def _load_inside(root: Path, name: str) -> bytes:
    return load_file(safe_path(root, name))


def find_images(root: Path) -> list[str]:
    """Returns the images below `root` by their extension, relative paths in order; hidden files and folders left out."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS:
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


class FolderSource:
    """Images of a folder; each is its own post, without a time."""

    def __init__(self, root: Path, prefix: str = "") -> None:
        self._root, self._prefix = root, prefix
        self._names = find_images(root)
        if not self._names:
            raise InputError(
                f"expected images below {root}, found none: give a folder of images, tar shards or a manifest.csv"
            )

    @property
    def place(self) -> str:
        """The folder."""
        return os.path.abspath(self._root)

    @property
    def total(self) -> int:
        """Number of items."""
        return len(self._names)

    def items(self) -> Iterator[Item]:
        """Yields every item once, in the order of paths."""
        for name in self._names:
            key = self._prefix + as_key(name)
            yield Item(key=key, post=Post(post_id=key), load=partial(_load_inside, self._root, name))


class ManifestSource:
    """A folder with a CSV that names its images; the file is read row by row, never as a whole."""

    def __init__(self, manifest: Path, columns: Mapping[str, str]) -> None:
        self._path, self._root, self._columns = manifest, manifest.parent, dict(columns)
        self._image = self._columns.get("image", "image")
        self.place = f"{os.path.abspath(manifest)}\n{self._image}"
        self.total = 0
        header: Sequence[str] = []
        for number, row in enumerate(self._rows()):
            header = list(row) if number == 0 else header
            self.total = number + 1
        if not self.total:
            raise ManifestError(f"expected rows in {manifest.name}, found none")
        for column in [self._image, *self._columns.values()]:
            if column not in header:
                raise ManifestError(
                    f"expected a column {column!r} in {manifest.name}, found {', '.join(map(str, header))}: name yours with --map image=COLUMN"
                )

    def _rows(self) -> Iterator[dict[str, str]]:
        try:
            with self._path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                header = file.readline()
                file.seek(0)
                yield from csv.DictReader((line.replace("\0", "") for line in file), delimiter=separator_of(header))
        except (OSError, csv.Error) as exc:
            raise ManifestError(f"{self._path.name} cannot be read ({exc})") from exc

    def items(self) -> Iterator[Item]:
        """Yields an item per row, in the order of the file."""
        for number, row in enumerate(self._rows(), 2):
            name = (row.get(self._image) or "").strip()
            key = as_key(name) if name else f"{self._path.name}:{number}"
            yield Item(
                key=key,
                post=read_post(row, self._columns, key=key),
                load=partial(_load_inside, self._root, name) if name else _nothing,
            )


def _nothing() -> bytes:
    raise ImageError("missing", "the row names no image")


class PathsSource:
    """Files and folders given one by one; a file's key is its path as given."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.place = "\n".join(os.path.abspath(path) for path in paths)
        self._parts: list[Path | FolderSource] = []
        for path in paths:
            if not path.exists():
                raise InputError(f"expected a file or folder, there is no {path}")
            self._parts.append(
                FolderSource(path, prefix=as_key(str(path)).rstrip("/") + "/") if path.is_dir() else path
            )

    @property
    def total(self) -> int:
        """Number of items."""
        return sum(part.total if isinstance(part, FolderSource) else 1 for part in self._parts)

    def items(self) -> Iterator[Item]:
        """Yields every item once, in the order given."""
        for part in self._parts:
            if isinstance(part, FolderSource):
                yield from part.items()
            else:
                key = as_key(str(part))
                yield Item(key=key, post=Post(post_id=key), load=partial(load_file, part))
