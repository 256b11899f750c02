"""Photos that are decoded already onto the square that a tower takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trendloom.errors import InputError
from trendloom.photos import placement
from trendloom.types import Fit, Pixels

__all__ = ["center_crop", "fit_photo", "letterbox", "squash"]

WHITE = (255, 255, 255)
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def fit_photo(pixels: Pixels, fit: Fit) -> Pixels:
    """Returns the photo (h, w, 3) on its square, (size, size, 3) uint8, antialiased, by Pillow to the last bit.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputError(f"expected RGB pixels (h, w, 3) uint8, got {pixels.shape} {pixels.dtype}")
    photo = Image.fromarray(np.ascontiguousarray(pixels))
    place = placement(fit, *photo.size)
    if place.size != photo.size or place.box != (0, 0, *photo.size):
        photo = photo.resize(place.size, _FILTERS[fit.interpolation], box=place.box)
    if place.size != (fit.size, fit.size):
        canvas = Image.new("RGB", (fit.size, fit.size), fit.fill)
        canvas.paste(photo, place.at)
        photo = canvas
    return np.asarray(photo, dtype=np.uint8)


def letterbox(pixels: Pixels, size: int, fill: tuple[int, int, int] = WHITE, interpolation: str = "bicubic") -> Pixels:
    """Returns the whole photo (h, w, 3) in the middle of a square of `fill`, (size, size, 3) uint8: see `placement`.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    return fit_photo(pixels, Fit(size=size, kind="letterbox", fill=fill, interpolation=interpolation))


def center_crop(pixels: Pixels, size: int, interpolation: str = "bicubic") -> Pixels:
    """Returns the middle of the photo (h, w, 3), (size, size, 3) uint8: see `placement`.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    return fit_photo(pixels, Fit(size=size, kind="center-crop", interpolation=interpolation))


def squash(pixels: Pixels, size: int, interpolation: str = "bicubic") -> Pixels:
    """Returns the whole photo (h, w, 3) with both sides at `size`, antialiased, (size, size, 3) uint8.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    return fit_photo(pixels, Fit(size=size, kind="squash", interpolation=interpolation))
