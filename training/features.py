"""The frozen trunk's grids of every cached photo: `python -m training.features --work DIR`.

With them the heads train in minutes (`python -m training.fit --frozen`), which is where losses are tried.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.cache import Cache, open_cache
from training.model import DIM, ImageTower, normalised, small
from training.trunk import COARSE, FINE, Trunk, pretrained_path

__all__ = ["centred", "embed_cached", "to_pixels"]

SIZE = 160


def centred(cache: Cache, row: int, size: int) -> NDArray[np.uint8]:
    """A cached photo on a white square, (size, size, 3) uint8."""
    from PIL import Image  # noqa: PLC0415

    from training.cache import letterbox  # noqa: PLC0415

    return letterbox(Image.fromarray(cache.content(row)), size)


def to_pixels(batch: NDArray[np.uint8]) -> torch.Tensor:
    """Pixels (n, 3, s, s) of 0..1, channels last in memory, of (n, s, s, 3) uint8."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2).to(torch.float32) / 255


@torch.no_grad()
def embed_cached(
    cache: Cache, tower: ImageTower, rows: Sequence[int], size: int, device: torch.device | None = None
) -> NDArray[np.float32]:
    """Image vectors of cached photos letterboxed at `size`, (rows, 256)."""
    device = device or torch.device("cpu")
    found = np.zeros((len(rows), DIM), np.float32)
    for start in range(0, len(rows), 64):
        some = rows[start : start + 64]
        with device:
            pixels = to_pixels(np.stack([centred(cache, int(row), size) for row in some])).to(device)
            found[start : start + 64] = tower(pixels).cpu().numpy()
    return found


def extract(cache: Cache, work: Path, batch: int = 64) -> None:
    """Write fine.npy, coarse.npy and samples.npy, a row per cached photo."""
    trunk = Trunk().eval().to(memory_format=torch.channels_last)
    trunk.load(torch.load(pretrained_path(), map_location="cpu", weights_only=True))
    n, cells = len(cache.records), SIZE // 16
    shapes = {
        "fine": (n, FINE, cells, cells),
        "coarse": (n, COARSE, cells // 2, cells // 2),
        "samples": (n, 3, SIZE // 4, SIZE // 4),
    }
    out = {k: np.lib.format.open_memmap(work / f"{k}.npy", "w+", np.float16, shape) for k, shape in shapes.items()}
    start = time.monotonic()
    for first in range(0, n, batch):
        rows = range(first, min(n, first + batch))
        pixels = to_pixels(np.stack([centred(cache, row, SIZE) for row in rows]))
        with torch.no_grad():
            _, fine, coarse = trunk(normalised(pixels))
        for name, value in (("fine", fine), ("coarse", coarse), ("samples", small(pixels))):
            out[name][rows.start : rows.stop] = value.numpy().astype(np.float16)
        if first % (batch * 50) == 0:
            print(f"{rows.stop}/{n} photos, {time.monotonic() - start:.0f} s", flush=True)


def main() -> None:
    """Extract the features of a cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    args = parser.parse_args()
    torch.set_num_threads(2)
    extract(open_cache(args.work), args.work)


if __name__ == "__main__":
    main()
