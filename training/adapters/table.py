"""A CSV of photo paths with captions and labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.adapters.samples import Found, Sample, Skipped, words_of
from trendloom.errors import InputError

__all__ = ["Table"]

PHOTO_COLUMNS = ("image", "path", "filepath", "file", "filename", "file_name", "photo")
DELIMITERS = ",;\t|"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A row per photo.

    Attributes:
        path: The CSV, UTF-8, with a header.
        images: The folder that relative paths start from; the CSV's own if not given.
        image: The column of paths; else the first of image, path, filepath, file, filename, photo that the header has.
        id: The column of ids; else the path.
        captions: Columns of sentences.
        delimiter: Between columns; else the one of comma, semicolon, tab and bar that the header holds most of.
        separator: Where a cell holds several values.
    """

    path: Path
    images: Path | None = None
    image: str | None = None
    id: str | None = None
    captions: tuple[str, ...] = ("caption",)
    delimiter: str | None = None
    separator: str | None = None

    def read(self) -> Iterator[Found]:
        """The photos in the order of their lines."""
        try:
            file = self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
        except OSError as exc:
            raise InputError(f"expected a CSV at {self.path}: {exc.strerror or exc}") from exc
        with file:
            first = file.readline()
            delimiter = self.delimiter or max(DELIMITERS, key=first.count)
            header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
            photo = self.column_of(header)
            rows = csv.reader(file, delimiter=delimiter)
            while True:
                start = rows.line_num + 2
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as exc:
                    yield self.bad(start, f"the line cannot be read ({exc})")
                    continue
                if cells:
                    yield self.sample(header, cells, photo, start)

    def column_of(self, header: list[str]) -> str:
        """The column of paths.

        Raises:
            InputError: The header lacks it, or another column that the source names.
        """
        wanted = [c for c in (self.image, self.id, *self.captions) if c]
        missing = [c for c in wanted if c not in header]
        photo = self.image or next((c for c in PHOTO_COLUMNS if c in header), None)
        if photo is None or (missing and tuple(missing) != ("caption",)):
            raise InputError(f"{self.path}, line 1: expected the columns {', '.join(wanted or PHOTO_COLUMNS[:1])}, the header has "
                             f"{', '.join(header) or 'none'}: correct `image`, `id` or `captions` of the source")  # fmt: skip
        return photo

    def sample(self, header: list[str], cells: list[str], photo: str, line: int) -> Found:
        """The photo of a line, or why it is left out."""
        if len(cells) != len(header):
            return self.bad(line, f"expected {len(header)} cells, got {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        if any("\udc80" <= c <= "\udcff" for cell in cells for c in cell):
            return self.bad(line, "expected UTF-8")
        name = row[photo].strip()
        if not name:
            return self.bad(line, f"expected a path in {photo!r}, which is empty")
        return Sample(
            id=(row[self.id].strip() if self.id else "") or name,
            place=f"{self.path}, line {line}",
            image=(self.images or self.path.parent) / name,
            captions=tuple(row[c] for c in self.captions if c in row),
            labels={
                k: words_of(v, self.separator) for k, v in row.items() if k not in (photo, self.id, *self.captions)
            },
        )

    def bad(self, line: int, reason: str) -> Skipped:
        """A line that is left out."""
        return Skipped(kind="line", place=f"{self.path}, line {line}", message=f"{reason}: this line is left out")
