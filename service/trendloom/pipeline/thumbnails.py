"""Photos of a source, read-only, and their thumbnails, bounded in memory."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.errors import ImageError
from trendloom.photos import decode
from trendloom.sources import load_file, safe_path
from trendloom.types import WHOLE, Box, Floats

__all__ = ["Thumbnails", "heat_png"]

_CACHED = 2_000  # about 20 MB
_SIZES = range(32, 1025)
_LEAST = 0.1  # of the photo's side; of a smaller garment no more pixels are decoded
_AROUND = 1.25  # sides of what is shown of a garment, to the longer side of its box


class Thumbnails:
    """Files below one folder and never elsewhere; safe to use from several threads."""

    def __init__(self, source: str) -> None:
        self._root = Path(source) if source else None
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[str, int, Box], bytes] = OrderedDict()

    def file(self, key: str) -> Path | None:
        """Returns a photo's file where the source still has it."""
        if self._root is None or not self._root.is_dir():
            return None
        try:
            path = safe_path(self._root, key)
        except ImageError:
            return None
        return path if path.is_file() else None

    def jpeg(self, key: str, px: int, box: Box = WHOLE) -> bytes | None:
        """Returns a JPEG at most `px` pixels wide and high; None where there is no file or it cannot be read.

        Of a box within the photo the square about it, with some of what is around.
        """
        px = min(max(px, _SIZES.start), _SIZES.stop)
        with self._lock:
            if (key, px, box) in self._made:
                self._made.move_to_end((key, px, box))
                return self._made[key, px, box]
        path = self.file(key)
        if path is None:
            return None
        try:
            pixels = decode(load_file(path), target=round(px / max(box.x1 - box.x0, box.y1 - box.y0, _LEAST))).pixels
        except ImageError:
            return None
        image = Image.fromarray(np.ascontiguousarray(pixels))
        if box != WHOLE:
            image = image.crop(_about(box, *image.size))
        image.thumbnail((px, px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        with self._lock:
            self._made[key, px, box] = buffer.getvalue()
            while len(self._made) > _CACHED:
                self._made.popitem(last=False)
        return buffer.getvalue()


def _about(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom in pixels of a square about a box, moved and cut to lie in the photo."""
    side = _AROUND * max((box.x1 - box.x0) * width, (box.y1 - box.y0) * height)
    sides = []
    for low, high, length in ((box.x0, box.x1, width), (box.y0, box.y1, height)):
        size = min(side, length)
        start = min(max((low + high) / 2 * length - size / 2, 0.0), length - size)
        sides.append((round(start), max(round(start + size), round(start) + 1)))
    (left, right), (top, bottom) = sides
    return left, top, right, bottom


def heat_png(heat: Floats) -> bytes:
    """Returns a map (h, w) of 0..1 as a PNG: red, the more opaque the higher."""
    shade = np.zeros((*heat.shape, 4), dtype=np.uint8)
    shade[..., 0], shade[..., 3] = 255, np.round(200 * np.sqrt(heat))
    buffer = io.BytesIO()
    Image.fromarray(shade).save(buffer, "PNG")
    return buffer.getvalue()
