"""The sources of a config as one cache of decoded photos: `python -m training.collect CONFIG.yaml`.

The cache is built beside its place and moved there whole. `skipped.jsonl` beside it names everything that was left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.adapters import Box, Sample, Skipped
from training.adapters.checked import LabelRule, SkipReport, checked, closed
from training.cache import BOX_MARGIN, LEAST_BOX_PX, Cache, Record, fit, open_cache
from training.config import Config, Source, load_config
from training.cutout import product_alpha
from trendloom.errors import ImageError, InputError, NotEnoughData, StoreError, TrendloomError
from trendloom.photos import decode
from trendloom.vision.labels import refusal

__all__ = ["bucket_of", "cache_folder", "collect", "open_collected"]

BOX_DETAIL = 4  # times as large is a photo decoded whose boxes are cropped
HEADER = 128  # bytes of a .npy header, the shape's digits included


def bucket_of(source: Source, sample: Sample) -> int:
    """The split number of a photo, 0 to 9; photos of one thing share theirs."""
    key = sample.group or (sample.id[: source.id_prefix] if source.id_prefix else sample.id)
    return int(hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest(), 16) % 10


def cache_folder(config: Config) -> Path:
    """The cache of what the config says of sources and photos."""
    return config.work / f"cache-{config.photos()}"


class Columns:
    """Photos and opacities written one after the other, as .npy files whose number is known at the end."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size, self.count = size, 0
        self.files: dict[str, IO[bytes]] = {name: (folder / f"{name}.npy").open("w+b") for name in ("pixels", "alphas")}
        self.records = (folder / "records.jsonl").open("w", encoding="utf-8")

    def __enter__(self) -> Columns:
        for file in self.files.values():
            file.write(b"\0" * HEADER)
        return self

    def add(self, record: Record, content: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> None:
        """Write a photo (height, width, 3), its opacity and its record."""
        square = np.zeros((self.size, self.size, 3), np.uint8)
        square[: record.height, : record.width] = content
        self.files["pixels"].write(square.tobytes())
        if alpha is None:
            self.files["alphas"].seek(self.size**2, os.SEEK_CUR)  # a hole, which takes no room
        else:
            opacity = np.zeros((self.size, self.size), np.uint8)
            opacity[: record.height, : record.width] = alpha
            self.files["alphas"].write(opacity.tobytes())
        self.records.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for name, tail in (("pixels", (self.size, self.size, 3)), ("alphas", (self.size, self.size))):
                    self.finish(self.files[name], (self.count, *tail))
        finally:
            for file in self.files.values():
                closed(file, quietly=kind is not None)
            closed(self.records, quietly=kind is not None)

    def finish(self, file: IO[bytes], shape: tuple[int, ...]) -> None:
        """Write the header, now that the number of photos is known."""
        file.truncate(HEADER + int(np.prod(shape)))
        words = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        file.seek(0)
        file.write(
            b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + words.ljust(HEADER - 11).encode() + b"\n"
        )


def collect(config: Config, say: Callable[[str], None] = print) -> Path:
    """The folder of the config's cache, built if it is not there.

    Raises:
        NotEnoughData: No photo is left.
        InputError: A source cannot be read, or has no field of the name that a label list is to be read from.
        StoreError: The disk is full; nothing is left of the attempt.
    """
    folder = cache_folder(config)
    if (folder / "cache.json").exists():
        say(f"cache: {folder} is there; delete it to read the sources anew")
        return folder
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        counts = fill(config, part, say)
        if not sum(counts.values()):
            raise NotEnoughData(f"no photo of {len(config.sources)} sources is left: see {keep_report(part, folder)}")
        summary = {"photos": counts, "size": config.data.size, "records": sha256(part / "records.jsonl"),
                   "bytes": {name: (part / name).stat().st_size for name in ("pixels.npy", "alphas.npy")}}  # fmt: skip
        (part / "cache.json").write_text(json.dumps(summary, indent=1) + "\n")
        os.replace(part, folder)
    except OSError as exc:
        raise StoreError(f"the cache {folder} cannot be written ({exc.strerror or exc}): free some room or choose another `work`, and start "
                         "again; nothing of it was kept") from exc  # fmt: skip
    finally:
        shutil.rmtree(part, ignore_errors=True)
    say(f"cache: {sum(counts.values()):,} photos in {folder} ({', '.join(f'{n} {c:,}' for n, c in counts.items())})")
    return folder


def keep_report(part: Path, folder: Path) -> Path:
    """Where the report of what was left out stays when no cache does."""
    kept = folder.with_name(f"{folder.name}.skipped.jsonl")
    os.replace(part / "skipped.jsonl", kept)
    return kept


def fill(config: Config, part: Path, say: Callable[[str], None]) -> dict[str, int]:
    """The number of photos written of each source."""
    counts = Counter[str]()
    with SkipReport(part / "skipped.jsonl") as report, Columns(part, config.data.size) as columns:
        for source in config.sources:
            for sample in checked(source.adapter.read(), source.labels, longest=config.data.longest_caption, other=source.other,
                                  group=source.group, source=source.name):  # fmt: skip
                if isinstance(sample, Skipped):
                    report.add(source.name, sample)
                    continue
                for made in pieces(source, sample, config.data.size):
                    if isinstance(made, Skipped):
                        report.add(source.name, made)
                    else:
                        columns.add(*made)
                        counts[made[0].set] += 1
    for line in report.summary():
        say(f"{line} (skipped.jsonl)")
    return dict(counts)


Piece = tuple[Record, NDArray[np.uint8], NDArray[np.uint8] | None]


def pieces(source: Source, sample: Sample, size: int) -> Iterator[Piece | Skipped]:
    """The photo and, if they are asked for, its boxes, each fitted to the cache's size; or why it is left out."""
    boxes = sample.boxes if source.boxes == "crop" else ()
    try:
        photo = decode(sample.data(), target=size * (BOX_DETAIL if boxes else 1))
    except (ImageError, InputError) as exc:
        yield Skipped(kind="photo", place=sample.place, message=f"the photo cannot be used: {exc}: left out")
        return
    image, bucket = Image.fromarray(photo.pixels), bucket_of(source, sample)
    labels: dict[str, Any] = {"captions": list(sample.captions), **{k: list(v) for k, v in sample.labels.items()}}
    yield piece(source.name, sample.id, bucket, labels, fit(image, size), cut_out=source.cut_out)
    name, scale = source.box_list or "", image.width / photo.width
    rule = source.labels.get(name, LabelRule(column="", map={}))
    for number, box in enumerate(boxes):
        if rule.silent(box.label):
            continue
        place, value = f"{sample.place}, box {number}", rule.value(box.label)
        refused = refusal(value) if value is not None and rule.values is None else ""
        crop = cropped(image, box, scale)
        if value is None or refused:
            reason = refused or f"the list {name!r} does not have {box.label!r}"
        elif crop is None:
            reason = f"less than {LEAST_BOX_PX} pixels of a side lie in the photo"
        else:
            its_labels = {"captions": [], name: [value]}
            yield piece(
                f"{source.name}_box", f"{sample.id}#{number}", bucket, its_labels, fit(crop, size), cut_out=False
            )
            continue
        yield Skipped(kind="box", place=place, message=f"{reason}: this box is left out")


def piece(name: str, number: str, bucket: int, labels: dict[str, Any], image: Image.Image, *, cut_out: bool) -> Piece:
    """Record, pixels and opacity of a picture."""
    pixels = np.asarray(image)
    alpha = product_alpha(pixels) if cut_out else None
    height, width = pixels.shape[:2]
    record = Record(
        set=name, id=number, bucket=bucket, height=height, width=width, cut=alpha is not None, labels=labels
    )
    return record, pixels, alpha


def cropped(image: Image.Image, box: Box, scale: float) -> Image.Image | None:
    """The box with a margin from a photo decoded at a scale, or None where too little of it lies in the photo."""
    width, height = image.width / scale, image.height / scale
    x0, y0, x1, y1 = max(0, box.x0), max(0, box.y0), min(width, box.x1), min(height, box.y1)
    if min(x1 - x0, y1 - y0) < LEAST_BOX_PX:
        return None
    dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
    corners = (max(0, x0 - dx), max(0, y0 - dy), min(width, x1 + dx), min(height, y1 + dy))
    return image.crop(tuple(round(c * scale) for c in corners))  # type: ignore[arg-type]  # four of them


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_collected(folder: Path, *, memory: bool = False) -> Cache:
    """The cache in a folder, if it is whole.

    Raises:
        StoreError: A file is missing, changed or cut short.
    """
    try:
        summary = json.loads((folder / "cache.json").read_text())
        whole = sha256(folder / "records.jsonl") == summary["records"] and all(
            (folder / name).stat().st_size == size for name, size in summary["bytes"].items())  # fmt: skip
    except (OSError, ValueError, KeyError) as exc:
        raise StoreError(f"expected a whole cache in {folder} ({exc}): delete it and start again") from exc
    if not whole:
        raise StoreError(f"the cache {folder} is not what was written: delete it and start again")
    return open_cache(folder, memory=memory)


def main() -> None:
    """Build the cache of a config."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="the run's YAML file")
    args = parser.parse_args()
    try:
        collect(load_config(args.config))
    except TrendloomError as exc:
        raise SystemExit(f"error: {exc}") from exc


if __name__ == "__main__":
    main()
