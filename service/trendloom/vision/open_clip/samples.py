"""Photos on which a converted model is compared and calibrated: drawn ones, or the user's own with their labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.drawn import COLOURS, TYPES, draw_garment, draw_scene, patterns_of
from trendloom.errors import ImageError, InputError, ManifestError
from trendloom.photos import decode
from trendloom.sources import load_file, open_source, safe_path
from trendloom.vision.labels import refusal

__all__ = ["LABELLED", "Sample", "drawn_samples", "photo_samples", "read_labels"]

LABELLED = ("type", "colour", "pattern", "sleeves", "neckline")  # what is known of a drawn garment
_SIZE = 320
_ENLARGED = 3  # times, to the size of photos that are decoded at a reduced scale


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The bytes of a photo that can be decoded, and what is known of it by group; `label` in the user's words."""

    key: str
    data: bytes
    known: dict[str, str] = field(default_factory=dict)
    label: str | None = None


def drawn_samples(count: int, *, seed: int = 0) -> list[Sample]:
    """Returns drawn garments on photographed-looking grounds, types in turn, as JPEG files of two shapes."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        kind = TYPES[number % len(TYPES)]
        pattern = "plain" if rng.random() < 0.4 else str(rng.choice(patterns_of(kind)))
        one = draw_garment(rng, type=kind, colour=str(rng.choice(COLOURS)), pattern=pattern, size=_SIZE)
        photo = Image.fromarray(draw_scene(rng, [one], size=_SIZE))
        if number % 2:
            photo = photo.crop((_SIZE // 10, 0, _SIZE - _SIZE // 10, _SIZE))
        stream = io.BytesIO()
        photo = photo.resize((_ENLARGED * photo.width, _ENLARGED * photo.height), Image.Resampling.BICUBIC)
        photo.save(stream, "JPEG", quality=90)
        known = {group: value for group in LABELLED if (value := getattr(one, group))}
        made.append(Sample(key=f"drawn-{number:04d}", data=stream.getvalue(), known=known))
    return made


def photo_samples(folder: Path, count: int) -> tuple[list[Sample], list[str]]:
    """Returns up to `count` photos of a folder, evenly spread over it, and a line for each that cannot be used.

    Raises:
        InputError: there is no photo that can be used.
    """
    items = list(open_source([folder]).items())
    step = max(1, len(items) // count)
    found: list[Sample] = []
    failed: list[str] = []
    for item in items[::step][:count]:
        try:
            found.append(_sample(item.key, item.load()))
        except ImageError as reason:
            failed.append(f"{item.key}: {reason}")
    if not found:
        raise InputError(f"--photos: none of {len(failed)} photos of {folder} can be used; the first: {failed[0]}")
    return found, failed


def _sample(key: str, data: bytes, label: str | None = None) -> Sample:
    decode(data, target=64)  # a photo that does not decode is found here, not in the middle of a comparison
    return Sample(key=key, data=data, label=label)


def read_labels(path: Path, folder: Path) -> tuple[list[Sample], list[str]]:
    """Returns the photos that a CSV with the columns key and label names, and a line for each that cannot be used.

    A label that asks about a person is among these, and the others go on.

    Raises:
        ManifestError: the file cannot be read, or fewer than two labels or ten photos are left.
    """
    found: list[Sample] = []
    failed: list[str] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"key", "label"} <= set(rows.fieldnames or ()):
                raise ManifestError(
                    f"{path.name}, line 1: expected the columns key and label, got {', '.join(rows.fieldnames or ['none'])}"
                )
            for row in rows:
                place = f"{path.name}, line {rows.line_num}"
                key, label = (row["key"] or "").strip(), (row["label"] or "").strip()
                if not key or not label:
                    failed.append(f"{place}: expected a key and a label, one is empty")
                    continue
                if "".join(row.get(None) or ()).strip():
                    failed.append(f"{place}: {key}: got more cells than columns: write a label with a comma in quotes")
                    continue
                if why := refusal(label):
                    failed.append(f"{place}: {key}: {why}")
                    continue
                try:
                    found.append(_sample(key, load_file(safe_path(folder, key)), label))
                except ImageError as reason:
                    failed.append(f"{place}: {key}: {reason}")
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ManifestError(f"{path.name} cannot be read as CSV in UTF-8 ({exc})") from exc
    _check_enough(path, found, failed)
    return found, failed


def _check_enough(path: Path, found: Sequence[Sample], failed: Sequence[str]) -> None:
    labels = {sample.label for sample in found}
    if len(found) < 10 or len(labels) < 2:
        first = f"; {failed[0]}" if failed else ""
        raise ManifestError(
            f"{path.name}: expected at least 10 photos and 2 labels, got {len(found)} and {len(labels)}{first}"
        )
