"""Photos as the product prepares them, from the shards: what models are calibrated and scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.cache import Cache
from training.features import centred, to_pixels
from training.measures import Floats
from training.model import DIM, ImageTower
from training.shards import SETS, read_set
from training.views import known_garments, on_square
from trendloom.photos import decode
from trendloom.vision.encoder import letterbox
from trendloom.vision.garments import regions

__all__ = ["embed", "embed_boxes", "prepare"]


def prepare(data: Path, cache: Cache, rows: list[int], size: int) -> NDArray[np.uint8]:
    """Prepared photos (rows, size, size, 3) uint8; drawings and boxed garments come from the cache."""
    place = {(cache.records[row].set, cache.records[row].id): n for n, row in enumerate(rows)}
    found = np.zeros((len(rows), size, size, 3), np.uint8)
    for n, row in enumerate(rows):
        if cache.records[row].set not in SETS:
            found[n] = centred(cache, row, size)
    for name in SETS:
        for photo in read_set(data, name):
            if (spot := place.get((name, photo.id))) is not None:
                found[spot] = letterbox(decode(photo.jpeg, target=size).pixels, size)
    return found


@torch.inference_mode()
def embed(
    data: Path, cache: Cache, tower: ImageTower, rows: list[int], size: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Image vectors of prepared photos, (photos of the cache, 256), zero outside `rows`."""
    photos = prepare(data, cache, rows, size)
    found = np.zeros((len(cache.records), DIM), np.float32)
    for start in range(0, len(rows), 64):
        found[rows[start : start + 64]] = tower(to_pixels(photos[start : start + 64])).numpy()
    return found


@torch.inference_mode()
def embed_boxes(
    data: Path, cache: Cache, tower: ImageTower, found: Floats, *, buckets: tuple[int, ...], size: int, taxonomy: Path
) -> dict[int, int]:
    """The kind of every boxed garment of some buckets; its row of `found` becomes the vector of its place in its photo."""
    _, boxed = known_garments(cache, taxonomy)
    photos = [n for n, r in enumerate(cache.records) if n in boxed and r.bucket in buckets and r.set == "street"]
    prepared = prepare(data, cache, photos, size)
    kinds: dict[int, int] = {}
    for place, photo in enumerate(photos):
        record = cache.records[photo]
        garments = [g for g in on_square(boxed[photo], record.width, record.height) if g.row >= 0]
        if not garments:
            continue
        grids = tower.grids(to_pixels(prepared[place : place + 1]))
        region = torch.from_numpy(regions(np.array([g.box for g in garments], np.float32), grids.fine.shape[2]))
        fine, coarse, samples = (x.expand(len(garments), -1, -1, -1) for x in (grids.fine, grids.coarse, grids.samples))
        found[[g.row for g in garments]] = tower.head(fine, coarse, samples, region).numpy()
        kinds |= {g.row: g.kind for g in garments}
    return kinds
