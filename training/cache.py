"""Decoded photos as memory maps: `python -m training.cache --data DIR --work DIR`.

The cache holds each photo's content, scaled so that its long side is the cache size, in the top left corner of a
square; `height` and `width` say how much of the square it fills. Boxes of the sets that have them become photos of
their own, named `SET_box`, with one tag.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.adapters import Skipped
from training.adapters.checked import SkipReport
from training.cutout import product_alpha
from training.shards import SETS, ShardPhoto, read_set

__all__ = ["Cache", "Record", "build", "letterbox", "open_cache"]

SIZE = 256
BOX_MARGIN = 0.08
LEAST_BOX_PX = 20
CUT_SETS = ("catalogue", "articles")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one cached photo."""

    set: str
    id: str
    bucket: int
    height: int
    width: int
    cut: bool
    labels: dict[str, Any]
    boxes: list[tuple[str, float, float, float, float]] = field(default_factory=list)  # tag, x0, y0, x1, y1 of 0..1


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Photos (n, size, size, 3) uint8, opacities (n, size, size) uint8, and their records."""

    pixels: NDArray[np.uint8]
    alphas: NDArray[np.uint8]
    records: list[Record]

    def content(self, row: int) -> NDArray[np.uint8]:
        """The photo itself, (height, width, 3) uint8."""
        record = self.records[row]
        return self.pixels[row, : record.height, : record.width]

    def alpha(self, row: int) -> NDArray[np.uint8]:
        """The product's opacity, (height, width) uint8; only where the record says `cut`."""
        record = self.records[row]
        return self.alphas[row, : record.height, : record.width]


def letterbox(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The picture on a white square, (size, size, 3) uint8: long side equal to `size`, bicubic, centred."""
    fitted = fit(image, size)
    square = Image.new("RGB", (size, size), (255, 255, 255))
    square.paste(fitted, ((size - fitted.width) // 2, (size - fitted.height) // 2))
    return np.asarray(square)


def fit(image: Image.Image, size: int) -> Image.Image:
    """The picture with its long side equal to `size`, bicubic."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)


def boxes_of(photo: ShardPhoto, image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Garments of a photo with boxes: tag and crop with a margin."""
    for tag, place in (photo.labels.get("boxes") or {}).items():
        x0, y0, x1, y1 = place["box"]
        if tag in ("hair", "skin") or min(x1 - x0, y1 - y0) < LEAST_BOX_PX:
            continue
        dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
        yield tag, image.crop((max(0, x0 - dx), max(0, y0 - dy), min(image.width, x1 + dx), min(image.height, y1 + dy)))


def shares(photo: ShardPhoto, image: Image.Image) -> list[tuple[str, float, float, float, float]]:
    """Every box of a photo as shares of its sides; hair and skin are no garments."""
    w, h = image.size
    found = ((tag, *place["box"]) for tag, place in (photo.labels.get("boxes") or {}).items())
    return [(tag, x0 / w, y0 / h, x1 / w, y1 / h) for tag, x0, y0, x1, y1 in found if tag not in ("hair", "skin")]


def pieces(root: Path, report: SkipReport) -> Iterator[tuple[Record, NDArray[np.uint8]]]:
    """Every photo and every boxed garment, fitted to the cache size; what cannot be used goes to the report."""
    for name in SETS:
        for photo in read_set(root, name, partial(report.add, name)):
            try:
                image = Image.open(io.BytesIO(photo.jpeg)).convert("RGB")
            except Exception as exc:  # decoders raise many kinds
                message = f"the photo does not decode ({type(exc).__name__}): left out"
                report.add(name, Skipped(kind="photo", place=f"{root / name}, member {photo.id}", message=message))
                continue
            labels = {k: v for k, v in photo.labels.items() if k not in ("boxes", "size", "source_size")}
            crops: list[tuple[str, dict[str, Any], Image.Image]] = [(name, labels, image)]
            crops += [(f"{name}_box", {"tags": [tag]}, crop) for tag, crop in boxes_of(photo, image)]
            for set_name, its_labels, picture in crops:
                pixels = np.asarray(fit(picture, SIZE))
                height, width = pixels.shape[:2]
                yield Record(set=set_name, id=photo.id, bucket=photo.bucket, height=height, width=width, cut=False,
                             labels=its_labels, boxes=shares(photo, image) if set_name == name else []), pixels  # fmt: skip


def build(root: Path, work: Path) -> int:
    """The number of cached photos; writes pixels.npy, alphas.npy, records.jsonl and skipped.jsonl to `work`."""
    work.mkdir(parents=True, exist_ok=True)
    with SkipReport(work / "skipped.jsonl") as report:
        found = list(pieces(root, report))
    for line in report.summary():
        print(f"{line} (skipped.jsonl)", file=sys.stderr)
    shape = (len(found), SIZE, SIZE)
    pixels = np.lib.format.open_memmap(work / "pixels.npy", "w+", np.uint8, (*shape, 3))
    alphas = np.lib.format.open_memmap(work / "alphas.npy", "w+", np.uint8, shape)
    with (work / "records.jsonl").open("w") as file:
        for row, (record, content) in enumerate(found):
            pixels[row, : record.height, : record.width] = content
            alpha = product_alpha(content) if record.set in CUT_SETS else None
            if alpha is not None:
                alphas[row, : record.height, : record.width] = alpha
            file.write(json.dumps({**asdict(record), "cut": alpha is not None}) + "\n")
    return len(found)


def open_cache(work: Path, *, memory: bool = False) -> Cache:
    """The cache that `build` wrote, mapped or (for many random reads) in memory."""
    records = [Record(**json.loads(line)) for line in (work / "records.jsonl").read_text().splitlines()]
    mode: Literal["r"] | None = None if memory else "r"
    pixels: NDArray[np.uint8] = np.load(work / "pixels.npy", mmap_mode=mode)
    alphas: NDArray[np.uint8] = np.load(work / "alphas.npy", mmap_mode=mode)
    return Cache(pixels=pixels, alphas=alphas, records=records)


def main() -> None:
    """Build the cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of tar shards per set")
    parser.add_argument("--work", type=Path, required=True, help="folder to fill")
    args = parser.parse_args()
    print(f"{build(args.data, args.work)} photos cached in {args.work}")


if __name__ == "__main__":
    main()
