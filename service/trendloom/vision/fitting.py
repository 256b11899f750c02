"""Photos onto the square that a tower takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trendloom.artifacts import ModelCard
from trendloom.errors import InputError
from trendloom.types import Pixels

__all__ = ["center_crop", "fit_photo", "letterbox", "squash"]

WHITE = (255, 255, 255)
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_STRIP = 16  # sides in proportion to which a whole resized photo would take gigabytes


def fit_photo(pixels: Pixels, card: ModelCard) -> Pixels:
    """Returns the photo (h, w, 3) as the card says, (size, size, 3) uint8.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    if card.fit == "center-crop":
        return center_crop(pixels, card.image_size, card.interpolation)
    if card.fit == "squash":
        return squash(pixels, card.image_size, card.interpolation)
    return letterbox(pixels, card.image_size, card.fill, card.interpolation)


def letterbox(pixels: Pixels, size: int, fill: tuple[int, int, int] = WHITE, interpolation: str = "bicubic") -> Pixels:
    """Returns the photo (h, w, 3) on a square, (size, size, 3) uint8.

    The long side becomes `size`, the short side `round(short * size / long)` and at least 1,
    antialiased; it lies at `(size - side) // 2` on a ground of `fill`.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    photo = _photo(pixels)
    width, height = photo.size
    long_side = max(height, width)
    inner = (max(1, round(width * size / long_side)), max(1, round(height * size / long_side)))
    if inner != (width, height):
        photo = photo.resize(inner, _FILTERS[interpolation])
    if inner == (size, size):
        return np.asarray(photo, dtype=np.uint8)
    canvas = Image.new("RGB", (size, size), fill)
    canvas.paste(photo, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return np.asarray(canvas, dtype=np.uint8)


def center_crop(pixels: Pixels, size: int, interpolation: str = "bicubic") -> Pixels:
    """Returns the middle of the photo (h, w, 3), (size, size, 3) uint8.

    The short side becomes `size`, the long side `int(size * long / short)`, antialiased; the cut begins at
    `round((side - size) / 2)`: torchvision's Resize and CenterCrop, to the pixel.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    photo = _photo(pixels)
    width, height = photo.size
    short, long_side = min(width, height), max(width, height)
    if long_side > _STRIP * short:
        left, top = (width - short) / 2, (height - short) / 2
        cut = photo.resize((size, size), _FILTERS[interpolation], box=(left, top, left + short, top + short))
        return np.asarray(cut, dtype=np.uint8)
    grown = int(size * long_side / short)
    inner = (size, grown) if width <= height else (grown, size)
    if inner != (width, height):
        photo = photo.resize(inner, _FILTERS[interpolation])
    left, top = round((inner[0] - size) / 2), round((inner[1] - size) / 2)
    return np.asarray(photo.crop((left, top, left + size, top + size)), dtype=np.uint8)


def squash(pixels: Pixels, size: int, interpolation: str = "bicubic") -> Pixels:
    """Returns the whole photo (h, w, 3) with both sides at `size`, antialiased, (size, size, 3) uint8.

    Raises:
        InputError: not an RGB photo of uint8 with at least one pixel.
    """
    photo = _photo(pixels)
    if photo.size != (size, size):
        photo = photo.resize((size, size), _FILTERS[interpolation])
    return np.asarray(photo, dtype=np.uint8)


def _photo(pixels: Pixels) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputError(f"expected RGB pixels (h, w, 3) uint8, got {pixels.shape} {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))
