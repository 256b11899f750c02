"""Photos as the product prepares them, from the shards: what models are calibrated and scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.cache import Cache
from training.features import centred, to_pixels
from training.model import DIM, ImageTower
from training.shards import SETS, read_set
from trendloom.photos import decode
from trendloom.vision.encoder import letterbox

__all__ = ["embed", "prepare"]


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
