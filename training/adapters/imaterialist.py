"""iMaterialist's annotation files: the CSV of masks with classes and attributes, and the JSON of photos with labels."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.adapters.ontology import PARTS, labels_of, names_of, read_json
from training.adapters.samples import Box, Found, Sample, Skipped, image_path
from trendloom.errors import InputError

__all__ = ["IMaterialist", "mask_box"]

LONGEST_CELL = 2**24  # characters; masks are long


@dataclass(frozen=True, kw_only=True)
class IMaterialist:
    """`train.csv` with ImageId, EncodedPixels, Height, Width, ClassId and AttributesIds, or a JSON of imageId with labelId.

    Attributes:
        path: The CSV or JSON.
        images: The folder of the photos; `train` beside the file if not given.
        descriptions: What the numbers mean: `label_descriptions.json` beside the file if not given; for the JSON a CSV of
            labelId, labelName, taskName.
        parts: Whether boxes of sleeves, collars, zips and other parts are kept.
    """

    path: Path
    images: Path | None = None
    descriptions: Path | None = None
    parts: bool = False

    @property
    def folder(self) -> Path:
        """Where the photos lie."""
        return self.images or self.path.parent / "train"

    def read(self) -> Iterator[Found]:
        """The photos in the order in which the file names them first."""
        yield from self.of_json() if self.path.suffix == ".json" else self.of_csv()

    def of_csv(self) -> Iterator[Found]:
        """The photos of the CSV of masks."""
        described = self.descriptions or self.path.with_name("label_descriptions.json")
        names = names_of(read_json(described), described)
        first: dict[str, int] = {}
        boxes: dict[str, list[Box]] = defaultdict(list)
        garments: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        for line, row in csv_rows(self.path, ("ImageId", "ClassId")):
            place = f"{self.path}, line {line}"
            photo = (row["ImageId"] or "").strip()
            category, attributes = numbers_of(row)
            if not photo or category not in names.categories:
                yield Skipped(kind="label", place=place, message=f"expected a photo and a class of {described.name}, got {photo or 'none'} and "
                              f"{category or 'none'}: this line is left out")  # fmt: skip
                continue
            for number in attributes:
                if number not in names.attributes:
                    yield Skipped(
                        kind="label",
                        place=place,
                        message=f"no attribute has the id {number}: this attribute is left out",
                    )
            name, group = names.categories[category]
            first.setdefault(photo, line)
            if group in PARTS and not self.parts:
                continue
            attributes = [n for n in attributes if n in names.attributes]
            garments[photo].append((category, attributes))
            if not row.get("EncodedPixels"):
                continue
            corners = mask_box(row["EncodedPixels"], row.get("Height") or "")
            if corners is None:
                yield Skipped(kind="box", place=place, message="expected pairs of start and length in EncodedPixels, and Height: the line's "
                              "box is left out")  # fmt: skip
                continue
            x0, y0, x1, y1 = corners
            said = tuple(names.attributes[n][0] for n in attributes)
            boxes[photo].append(Box(label=name, x0=x0, y0=y0, x1=x1, y1=y1, attributes=said))
        for photo, line in first.items():
            yield Sample(id=photo, place=f"{self.path}, line {line}", image=image_path(self.folder, photo),
                         labels=labels_of(garments[photo], names), boxes=tuple(boxes[photo]))  # fmt: skip

    def of_json(self) -> Iterator[Found]:
        """The photos of the JSON of labels."""
        raw = read_json(self.path)
        words: dict[str, tuple[str, str]] = {}
        if self.descriptions:
            for _, row in csv_rows(self.descriptions, ("labelId", "labelName", "taskName")):
                words[(row["labelId"] or "").strip()] = (
                    (row["labelName"] or "").strip(),
                    (row["taskName"] or "").strip(),
                )
        for place, entry in enumerate(raw.get("annotations") or []):
            where = f"{self.path}, annotations[{place}]"
            match entry:
                case {"imageId": str() | int() as photo, "labelId": list(numbers)}:
                    labels: dict[str, list[str]] = defaultdict(list)
                    for number in map(str, numbers):
                        if words and number not in words:
                            yield Skipped(
                                kind="label",
                                place=where,
                                message=f"no label has the id {number}: this label is left out",
                            )
                            continue
                        name, task = words.get(number, (number, "label"))
                        labels[task].append(name)
                    yield Sample(id=str(photo), place=where, image=image_path(self.folder, str(photo)),
                                 labels={task: tuple(found) for task, found in labels.items()})  # fmt: skip
                case _:
                    yield Skipped(
                        kind="line",
                        place=where,
                        message=f"expected imageId and a list labelId, got {str(entry)[:120]}: left out",
                    )


def numbers_of(row: dict[str, Any]) -> tuple[str, list[str]]:
    """A line's class and attributes; 2019 writes both in ClassId, 2020 apart."""
    category, *attributes = (row["ClassId"] or "").strip().split("_")
    others = [a.strip() for a in (row.get("AttributesIds") or "").split(",")]
    return category, attributes + [a for a in others if a and a != "nan"]


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and rows of a CSV.

    Raises:
        InputError: It is missing, or lacks a column.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    try:
        file = path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as exc:
        raise InputError(f"expected a CSV at {path}: {exc.strerror or exc}") from exc
    with file:
        rows = csv.DictReader(file)
        missing = [c for c in columns if c not in (rows.fieldnames or [])]
        if missing:
            raise InputError(f"{path}, line 1: expected the columns {', '.join(columns)}, {', '.join(missing)} missing")
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                raise InputError(f"{path}, line {line}: the line cannot be read ({exc})") from exc
            yield line, row


def mask_box(runs: str, height: str) -> tuple[int, int, int, int] | None:
    """Corners x0, y0, x1, y1 around a mask of runs "start length ...", counted from 1 down the columns; None if it is not one."""
    numbers = runs.split()
    if not height.isdigit() or len(numbers) % 2 or not numbers or not all(n.isdigit() for n in numbers):
        return None
    tall = int(height)
    left, top, right, bottom = 2**31, 2**31, 0, 0
    for start, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
        if start < 1 or length < 1 or tall < 1:
            return None
        first, last = start - 1, start + length - 2  # counted from 0, both inside
        left, right = min(left, first // tall), max(right, last // tall + 1)
        if first // tall == last // tall:
            top, bottom = min(top, first % tall), max(bottom, last % tall + 1)
        else:  # the run goes on at the top of the next column
            top, bottom = 0, tall
    return left, top, right, bottom
