"""The nouns of the adapters: a labelled photo, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from trendloom.errors import InputError
from trendloom.photos import EXTENSIONS, MAX_BYTES

__all__ = ["Adapter", "Box", "Found", "Sample", "Skipped", "image_path", "is_photo", "words_of"]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A region with its label, corners in pixels of the photo as it is stored."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One labelled photo.

    Attributes:
        id: Unique in its source.
        place: File and line or member, for messages.
        image: The encoded photo, or where it lies.
        captions: What people wrote of it, field by field as the source was asked for them; an empty one is "".
        labels: Values of every other field.
        boxes: Its garments, where the source knows them.
        group: What photos of one thing share, so that they stand on one side of a split.
    """

    id: str
    place: str
    image: bytes | Path = field(repr=False)
    captions: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    group: str = ""

    def data(self) -> bytes:
        """The encoded photo.

        Raises:
            InputError: The file is missing, cannot be read or is larger than a photo may be.
        """
        if isinstance(self.image, bytes):
            return self.image
        try:
            size = self.image.stat().st_size
            if size > MAX_BYTES:
                raise InputError(f"expected a photo of at most {MAX_BYTES:,} bytes, {self.image} has {size:,}")
            return self.image.read_bytes()
        except OSError as exc:
            raise InputError(f"expected a photo at {self.image}: {exc.strerror or exc}") from exc


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Something that was left out: its kind, where it stands and why."""

    kind: str  # shard | line | photo | caption | label | box
    place: str
    message: str


Found = Sample | Skipped


class Adapter(Protocol):
    """A way to read labelled photos; it never stops at a bad one."""

    @property
    def path(self) -> Path:
        """The file or folder that is read."""
        ...

    def read(self) -> Iterator[Found]:
        """Photos in a fixed order, and what was left out among them.

        Raises:
            InputError: The source as a whole cannot be read.
        """
        ...


def is_photo(name: str) -> bool:
    """Whether a file name ends as a photo's does."""
    return Path(name).suffix.lower() in EXTENSIONS


def image_path(folder: Path, name: str) -> Path:
    """Where a photo lies that annotations name with or without its ending."""
    given = folder / name
    if is_photo(name):
        return given
    return next((p for p in (folder / f"{name}{e}" for e in (".jpg", ".jpeg", ".png")) if p.exists()), given)


def words_of(value: object, separator: str | None = None) -> tuple[str, ...]:
    """The values of a field: a text (split at the separator), a number, or a list of them; none of anything else."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int | float):
        return (str(value),)
    if isinstance(value, str):
        parts = value.split(separator) if separator else [value]
        return tuple(p for p in (" ".join(part.split()) for part in parts) if p)
    if isinstance(value, list | tuple):
        return tuple(
            word for item in value if isinstance(item, str | int | float) for word in words_of(item, separator)
        )
    return ()
