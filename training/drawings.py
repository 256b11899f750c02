"""Drawn garments for the cache: `python -m training.drawings --work DIR --count 2000`, once, after training.cache."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.cache import SIZE, Record, open_cache
from training.shards import bucket_of
from trendloom.drawn.fabric import COLOURS, PATTERNS
from trendloom.drawn.garments import TYPES, draw_garment

__all__ = ["append", "drawn"]

PLAIN = 0.4


def drawn(count: int, seed: int) -> Iterator[tuple[Record, NDArray[np.uint8]]]:
    """Records and opacity-carrying pixels (256, 256, 4) of garments on white, types in turn."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        pattern = "plain" if rng.random() < PLAIN else str(rng.choice(PATTERNS))
        made = draw_garment(
            rng, type=TYPES[number % len(TYPES)], colour=str(rng.choice(COLOURS)), pattern=pattern, size=SIZE
        )
        rgba = made.rgba.astype(np.float32)
        alpha = rgba[..., 3:] / 255
        pixels = np.concatenate([rgba[..., :3] * alpha + 255 * (1 - alpha), rgba[..., 3:]], 2).astype(np.uint8)
        labels: dict[str, Any] = {"type": made.type, "colour": made.colour, "pattern": made.pattern}
        labels |= {k: v for k, v in (("sleeves", made.sleeves), ("neckline", made.neckline)) if v}
        name = f"drawn-{seed}-{number:05d}"
        yield (
            Record(
                set="drawn", id=name, bucket=bucket_of("drawn", name), height=SIZE, width=SIZE, cut=True, labels=labels
            ),
            pixels,
        )


def append(work: Path, count: int, seed: int) -> int:
    """The number of photos in the cache after drawn garments took the place of earlier ones at its end."""
    cache = open_cache(work)
    keep = [n for n, r in enumerate(cache.records) if r.set != "drawn"]
    made = list(drawn(count, seed))
    shape = (len(keep) + count, SIZE, SIZE)
    for name, old, fresh in (
        ("pixels", cache.pixels, [p[..., :3] for _, p in made]),
        ("alphas", cache.alphas, [p[..., 3] for _, p in made]),
    ):
        new = np.lib.format.open_memmap(
            work / f"{name}.new.npy", "w+", np.uint8, (*shape, 3) if name == "pixels" else shape
        )
        new[: len(keep)] = old[: len(keep)]
        new[len(keep) :] = np.stack(fresh)
    records = [cache.records[n] for n in keep] + [r for r, _ in made]
    (work / "records.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in records))
    for name in ("pixels", "alphas"):
        (work / f"{name}.new.npy").replace(work / f"{name}.npy")
    return len(records)


def main() -> None:
    """Append drawn garments to a cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{append(args.work, args.count, args.seed)} photos in {args.work}")


if __name__ == "__main__":
    main()
