"""How much faster than plain Pillow are photos decoded, and does it change what is seen?

    python -m benchmarks.decode [--photos 24] [--rounds 5] [--folder PHOTOS]

Beside `Image.open(...).convert("RGB")` and a bicubic resize onto the tower's square: CPU milliseconds a photo, in turns, for
drawn JPEGs of 1080 x 1350 (baseline and progressive) and 3000 x 4000 pixels; and on the first of them, or on photos of
your own (`--folder`), the cosine of the two embeddings and how often the likeliest type and the shown tags stay.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.recording import record, spread
from benchmarks.throughput import draw_photos
from trendloom.photos import fitted
from trendloom.types import Pixels
from trendloom.vision import registry
from trendloom.vision.fitting import fit_photo

BATCH = 8


def saved(photo: Image.Image, size: tuple[int, int] | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (photo.resize(size, Image.Resampling.BICUBIC) if size else photo).save(buffer, "JPEG", quality=86, **options)
    return buffer.getvalue()


def milliseconds(work: Callable[[bytes], Pixels], photos: list[bytes]) -> float:
    start = time.process_time()
    for data in photos:
        work(data)
    return 1000 * (time.process_time() - start) / len(photos)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="photos of yours, to compare embeddings and tags on")
    args = parser.parse_args()
    model = registry.load()
    fit = model.encoder.fit

    def plain(data: bytes) -> Pixels:
        return fit_photo(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), fit)

    def ours(data: bytes) -> Pixels:
        return fitted(data, fit, identify=False).pixels

    def facts(data: bytes) -> Pixels:
        return fitted(data, fit).pixels

    with tempfile.TemporaryDirectory() as name:
        draw_photos(Path(name), args.photos)
        small = [path.read_bytes() for path in sorted(Path(name).glob("*.jpg"))]
    opened = [Image.open(io.BytesIO(data)) for data in small]
    sets = {
        "1080 x 1350": small,
        "1080 x 1350, progressive": [saved(photo, progressive=True) for photo in opened],
        "3000 x 4000": [saved(photo, (3000, 4000)) for photo in opened[:4]],
    }
    rows = []
    for title, photos in sets.items():
        taken: dict[str, list[float]] = {"plain": [], "ours": [], "facts": []}
        for _ in range(args.rounds):
            for way, work in (("plain", plain), ("ours", ours), ("facts", facts)):
                taken[way].append(milliseconds(work, photos))
        ratio = spread([a / b for a, b in zip(taken["plain"], taken["ours"], strict=True)])
        rows.append(
            [
                f"{title} ({len(photos[0]) // 1000} kB)",
                *(f"{spread(taken[way])['median']:.1f}" for way in taken),
                f"{ratio['median']:.1f} ({ratio['low']:.1f}-{ratio['high']:.1f})",
            ]
        )
    columns = ["JPEG", "Pillow, CPU ms", "trendloom, CPU ms", "with sha256 and hashes", "times as fast"]
    record("decode", "File to the tower's 224 px square", columns, rows)
    theirs = [path.read_bytes() for path in sorted(args.folder.rglob("*.jpg"))] if args.folder else small
    record("decode-parity", "Embeddings and tags beside plain Pillow", *compare(model, theirs, plain, ours))


def compare(
    model: registry.Model, photos: list[bytes], plain: Callable[[bytes], Pixels], ours: Callable[[bytes], Pixels]
) -> tuple[list[str], list[list[str]]]:
    cosines: list[float] = []
    same = shown = agree = 0
    for start in range(0, len(photos), BATCH):
        chunk = photos[start : start + BATCH]
        a, b = (model.encoder.images(np.stack([way(data) for data in chunk])) for way in (plain, ours))
        cosines += (a * b).sum(axis=1).tolist()
        top = [model.tagger.probabilities(rows, "type").argmax(axis=1) for rows in (a, b)]
        same += int((top[0] == top[1]).sum())
        for left, right in zip(model.tagger.tag(a), model.tagger.tag(b), strict=True):
            sure = [{tag.value_id for tag in tags if tag.sure} for tags in (left, right)]
            shown, agree = shown + len(sure[0] | sure[1]), agree + len(sure[0] & sure[1])
    columns = ["photos", "cosine, median", "least", "at least .999", "same likeliest type", "shown tags that stay"]
    values = np.array(cosines)
    row = [
        f"{len(photos):,}",
        f"{np.median(values):.5f}",
        f"{values.min():.5f}",
        f"{np.mean(values >= 0.999):.1%}",
        f"{same / len(photos):.1%}",
        f"{agree / max(shown, 1):.1%}",
    ]
    return columns, [row]


if __name__ == "__main__":
    main()
