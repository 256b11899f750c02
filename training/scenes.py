"""Drawn grounds, and products put on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.cache import Cache

__all__ = ["Box", "alone", "extent", "ground", "scene"]

Box = tuple[float, float, float, float]

RATIOS = (1.0, 0.8, 1.25, 0.5625, 0.75)


def tint(rng: np.random.Generator) -> NDArray[np.float64]:
    """A colour, mostly near grey, of any lightness."""
    vivid = 55 if rng.random() < 0.3 else 13
    return np.clip(rng.uniform(35, 245) + rng.normal(0, vivid, 3), 0, 255)


def noise(width: int, height: int, cell: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of about unit variance, (height, width), its blobs `cell` pixels wide."""
    coarse = rng.normal(0, 1, (max(2, int(height / cell)), max(2, int(width / cell)))).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def ground(width: int, height: int, rng: np.random.Generator, photo: NDArray[np.uint8] | None = None) -> Image.Image:
    """A ground: a slope between two colours at any angle, two regions, blobs, or an enlarged corner of a photo.

    It is drawn at half the size, since it is smooth, and grained at the full one.
    """
    kind = rng.random()
    if photo is not None and kind < 0.2:
        h, w = photo.shape[:2]
        side = int(min(h, w) * rng.uniform(0.2, 0.45))
        corner = photo[:side, :side] if rng.random() < 0.5 else photo[h - side :, w - side :]
        return Image.fromarray(corner).resize((width, height), Image.Resampling.BILINEAR)
    whole, (width, height) = (width, height), (-(-width // 2), -(-height // 2))
    one, two = tint(rng), tint(rng)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    along = (x * np.cos(angle) + y * np.sin(angle)) / 2 + 0.5
    if kind < 0.4:  # wall and floor
        share = (along > rng.uniform(0.3, 0.8)).astype(np.float64)
    elif kind < 0.6:
        share = np.clip(noise(width, height, rng.uniform(5, 30), rng) * 0.5 + 0.5, 0, 1).astype(np.float64)
    else:
        share = np.clip(along, 0, 1)
    field = one * (1 - share[..., None]) + two * share[..., None]
    field += noise(width, height, rng.uniform(4, 20), rng)[..., None] * rng.uniform(0, 18)
    drawn = Image.fromarray(np.clip(field, 0, 255).astype(np.uint8)).resize(whole, Image.Resampling.BILINEAR)
    most = int(rng.integers(0, 10))
    if not most:
        return drawn
    grain = rng.integers(-most, most + 1, (whole[1], whole[0], 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(drawn) + grain, 0, 255).astype(np.uint8))


def extent(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is opaque."""
    ys, xs = np.flatnonzero(alpha.max(1) > 100), np.flatnonzero(alpha.max(0) > 100)
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def product(cache: Cache, row: int) -> tuple[Image.Image, Image.Image]:
    """A cut-out product and its opacity, cropped to what is opaque."""
    alpha = cache.alpha(row)
    left, top, right, bottom = extent(alpha)
    spot = slice(top, bottom), slice(left, right)
    return Image.fromarray(cache.content(row)[spot]), Image.fromarray(alpha[spot])


def alone(cache: Cache, row: int) -> tuple[Image.Image, Box]:
    """A cut-out product in the middle of a white square that it fills, and where it lies as shares of the square."""
    item, alpha = product(cache, row)
    side = max(item.size)
    white = Image.new("RGB", (side, side), "white")
    x, y = (side - item.width) // 2, (side - item.height) // 2
    white.paste(item, (x, y), alpha)
    return white, (x / side, y / side, (x + item.width) / side, (y + item.height) / side)


def scene(
    cache: Cache, rows: list[int], long_side: int, rng: np.random.Generator, photo: NDArray[np.uint8] | None
) -> tuple[Image.Image, list[Box]]:
    """One or two products on a ground, side by side if two, and where they lie as shares of the picture."""
    ratio = float(rng.choice(RATIOS)) if len(rows) == 1 else float(rng.uniform(0.85, 1.4))
    width, height = (long_side, int(long_side / ratio)) if ratio >= 1 else (int(long_side * ratio), long_side)
    canvas = ground(width, height, rng, photo)
    split = rng.uniform(0.4, 0.6) if len(rows) == 2 else 1.0
    boxes: list[Box] = []
    for place, row in enumerate(rows):
        item, alpha = product(cache, row)
        left, room = (0, int(split * width)) if place == 0 else (int(split * width), width - int(split * width))
        scale = min(room / item.width, height / item.height) * rng.uniform(0.5, 1.0) ** 0.7
        size = (max(6, int(item.width * scale)), max(6, int(item.height * scale)))
        x = left + int((room - size[0]) * rng.uniform(0, 1) + rng.normal(0, 0.03) * width)
        y = int((height - size[1]) * rng.uniform(0, 1) + rng.normal(0, 0.03) * height)
        canvas.paste(
            item.resize(size, Image.Resampling.BILINEAR), (x, y), alpha.resize(size, Image.Resampling.BILINEAR)
        )
        boxes.append((x / width, y / height, (x + size[0]) / width, (y + size[1]) / height))
    return canvas, boxes
