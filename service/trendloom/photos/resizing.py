"""Pixels to other sizes, antialiased, in one pass; with SIMD where the package for it is installed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from PIL import Image

from trendloom.types import Pixels

try:
    import cykooz_resizer as simd
except ImportError:  # no wheel for this processor: Pillow does the same, slower
    simd = None

__all__ = ["resize"]

# Pillow's bicubic has a = -0.5: Catmull and Rom's.
_SIMD_NAMES = {"bicubic": "catmull_rom", "bilinear": "bilinear", "box": "box"}
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
_SMALL = 480  # long side, in pixels
_of_thread = threading.local()  # a resizer keeps its buffers, and serves one caller at a time


def resize(
    pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float], interpolation: str = "bicubic"
) -> Pixels:
    """Returns the part `box` (left, top, right, bottom) of RGB pixels (h, w, 3) at `size` (width, height), uint8.

    Filters are as wide as the scale asks for, and read beyond the box where the photo goes on; `interpolation` is
    bicubic, bilinear or box. Small photos go through Pillow, which costs little there: their tags are those of a plain
    loop over Pillow to the last bit. Large ones go through SIMD, which rounds a level differently here and there.
    """
    height, width = pixels.shape[:2]
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
    if size == (width, height) and box == (0.0, 0.0, float(width), float(height)):
        return pixels
    if simd is None or max(width, height) <= _SMALL:
        shrunk = Image.fromarray(pixels).resize(size, _FILTERS[interpolation], box=box)
        return np.asarray(shrunk, dtype=np.uint8)
    return _with_simd(pixels, size, box, interpolation)


def _with_simd(
    pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float], interpolation: str
) -> Pixels:
    resizer: Any = getattr(_of_thread, "resizer", None)
    if resizer is None:
        resizer = _of_thread.resizer = simd.Resizer()
    height, width = pixels.shape[:2]
    options = simd.ResizeOptions(
        resize_alg=simd.ResizeAlg.convolution(getattr(simd.FilterType, _SIMD_NAMES[interpolation])),
        crop_box=simd.CropBox(box[0], box[1], box[2] - box[0], box[3] - box[1]),
    )
    target = simd.ImageData(*size, simd.PixelType.U8x3)
    resizer.resize(simd.ImageData(width, height, simd.PixelType.U8x3, pixels.tobytes()), target, options)
    return np.frombuffer(target.get_buffer(), dtype=np.uint8).reshape(size[1], size[0], 3)
