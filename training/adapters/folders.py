"""A folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.adapters.samples import Found, Sample, Skipped, is_photo
from trendloom.errors import InputError

__all__ = ["Folders"]


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Photos in folders named for what they show; a `.txt` of the same name is the photo's caption.

    Attributes:
        path: The folder of the classes.
        levels: How many folders deep the class name goes; each level is a field of its own.
        fields: The fields' names, one a level.
    """

    path: Path
    levels: int = 1
    fields: tuple[str, ...] = ("label",)

    def read(self) -> Iterator[Found]:
        """The photos, classes and names in alphabetical order."""
        if not self.path.is_dir():
            raise InputError(f"expected a folder of classes at {self.path}, found none: correct `path` of the source")
        if len(self.fields) != self.levels:
            raise InputError(f"expected {self.levels} names in `fields`, one a level, got {', '.join(self.fields)}")
        for photo in sorted(p for p in self.path.rglob("*") if p.is_file() and is_photo(p.name)):
            parts = photo.relative_to(self.path).parts
            if len(parts) <= self.levels:
                yield Skipped(
                    kind="label",
                    place=str(photo),
                    message=f"expected the photo {self.levels} folders below {self.path}: left out",
                )
                continue
            names = [part.replace("_", " ").strip() for part in parts[: self.levels]]
            beside = photo.with_suffix(".txt")
            text = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else None
            yield Sample(
                id=photo.relative_to(self.path).as_posix(),
                place=str(photo),
                image=photo,
                captions=() if text is None else (text,),
                labels={field: (name,) for field, name in zip(self.fields, names, strict=True)},
            )
