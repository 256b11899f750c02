"""Flat lays: drawn garments on a floor, a bed or a wall, photographed a little askew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from trendloom.drawn.garments import Drawing

__all__ = ["BACKGROUNDS", "draw_background", "draw_scene"]

Floats = NDArray[np.floating[Any]]
Rng = np.random.Generator


def _tint(rng: Rng, *choices: tuple[int, int, int], spread: float = 5.0) -> Floats:
    """Returns one of the colours, slightly varied, 0..1."""
    base = np.array(choices[int(rng.integers(0, len(choices)))], np.float32)
    out: Floats = np.clip((base + rng.normal(0, spread) + rng.normal(0, spread / 3, 3)) / 255, 0, 1).astype(np.float32)
    return out


def _noise(rng: Rng, n: int, across: int, down: int | None = None) -> Floats:
    """Returns slow noise, (n, n), of unit spread with so many cells across and down."""
    grid = Image.fromarray(rng.normal(0, 1, (down or across, across)).astype(np.float32))
    return np.asarray(grid.resize((n, n), Image.Resampling.BICUBIC), np.float32)


def _grain(rng: Rng, n: int) -> Floats:
    """Returns noise per pixel, (n, n)."""
    return rng.standard_normal((n, n), dtype=np.float32)


def _flat(colour: Floats, light: Floats) -> Floats:
    """Returns (n, n, 3): one colour under a field of light."""
    out: Floats = colour[None, None, :] * light[..., None]
    return out


def _white(rng: Rng, n: int) -> Floats:
    return _flat(_tint(rng, (248, 248, 248), (244, 244, 242), spread=2), 1 + 0.008 * _noise(rng, n, 4))


def _paper(rng: Rng, n: int) -> Floats:
    colour = _tint(
        rng, (226, 214, 196), (206, 218, 222), (232, 208, 204), (214, 220, 200), (196, 192, 204), (236, 228, 206)
    )
    return _flat(colour, 1 + 0.012 * _noise(rng, n, 6) + 0.012 * _grain(rng, n))


def _wood(rng: Rng, n: int) -> Floats:
    colour = _tint(rng, (190, 150, 108), (148, 108, 74), (214, 186, 150), (120, 90, 66), (206, 200, 192), spread=7)
    planks = int(rng.integers(4, 8))
    at = np.arange(n, dtype=np.float32) / n * planks
    row = np.floor(at).astype(int)
    tone = rng.normal(0, 0.055, planks + 1).astype(np.float32)[row]
    veins = 0.045 * _noise(rng, n, 5, 90) + 0.03 * _noise(rng, n, 9, 220 if n >= 220 else n)
    light = 1 + tone[:, None] + veins + 0.02 * _grain(rng, n)
    gap = np.abs(at - np.round(at)) < 0.6 * planks / n
    light[gap] *= 0.62
    joints = rng.uniform(0, 1, planks + 1)
    for k in range(planks):
        x = int(joints[k] * (n - 1))
        light[row == k, x] *= 0.68
    scene = _flat(colour, light.astype(np.float32))
    return scene.transpose(1, 0, 2) if rng.uniform() < 0.5 else scene


def _tiles(rng: Rng, n: int) -> Floats:
    colour = _tint(rng, (226, 224, 218), (198, 202, 204), (178, 196, 196), (214, 196, 178))
    count = int(rng.integers(3, 7))
    at = np.arange(n, dtype=np.float32) / n * count + float(rng.uniform(0, 1))
    cell = np.floor(at).astype(int)
    tone = rng.normal(0, 0.018, (count + 2, count + 2)).astype(np.float32)[cell][:, cell]
    off = np.abs(at - np.round(at)) * n / count
    groove = np.minimum(np.clip(off[:, None] / 1.8, 0, 1), np.clip(off[None, :] / 1.8, 0, 1))
    return _flat(colour, (1 + tone + 0.014 * _noise(rng, n, 14)) * (0.78 + 0.22 * groove))


def _carpet(rng: Rng, n: int) -> Floats:
    colour = _tint(rng, (196, 186, 174), (150, 152, 160), (208, 192, 178), (120, 132, 140), (178, 150, 140))
    tuft = 0.6 * _noise(rng, n, int(n / 1.7)) + 0.4 * _noise(rng, n, int(n / 3))
    return _flat(colour, 1 + 0.11 * tuft + 0.02 * _noise(rng, n, 5))


def _linen(rng: Rng, n: int) -> Floats:
    colour = _tint(rng, (240, 238, 234), (224, 222, 226), (230, 222, 212), (206, 214, 224))
    wide = _noise(rng, 2 * n, 9, 18)[:n]
    start = (np.arange(n) * rng.uniform(0.1, 0.9)).astype(int)
    waves = np.take_along_axis(wide, np.arange(n)[None, :] + start[:, None], 1)
    down, across = np.gradient(waves)
    folds = np.clip((down + across) * n * 0.009, -0.12, 0.08)
    return _flat(colour, 0.97 + folds + 0.01 * _grain(rng, n))


def _concrete(rng: Rng, n: int) -> Floats:
    colour = _tint(rng, (172, 172, 170), (150, 150, 152), (190, 186, 180))
    light = 1 + 0.035 * _noise(rng, n, 5) + 0.025 * _noise(rng, n, 22) + 0.03 * _grain(rng, n)
    pits = _noise(rng, n, min(n, 110)) > 2.3
    light[pits] *= 0.85
    return _flat(colour, light.astype(np.float32))


def _wall(rng: Rng, n: int) -> Floats:
    one = _tint(
        rng, (232, 222, 214), (206, 216, 226), (226, 206, 206), (212, 218, 206), (222, 214, 230), (244, 226, 200)
    )
    two = np.clip(one * float(rng.uniform(0.72, 0.88)), 0, 1)
    mix = np.linspace(0, 1, n, dtype=np.float32)[:, None, None]
    out: Floats = (one * (1 - mix) + two * mix) * (1 + 0.008 * _grain(rng, n))[..., None]
    return out


_GROUNDS: dict[str, Callable[[Rng, int], Floats]] = {
    "white": _white,
    "paper": _paper,
    "wood": _wood,
    "tiles": _tiles,
    "carpet": _carpet,
    "linen": _linen,
    "concrete": _concrete,
    "wall": _wall,
}
BACKGROUNDS = tuple(_GROUNDS)


def draw_background(rng: Rng, background: str, *, size: int = 256) -> Floats:
    """Returns (size, size, 3) float32, 0..1, of one of BACKGROUNDS."""
    return _GROUNDS[background](rng, size)


def _frame(drawing: Drawing) -> tuple[float, float, float, float]:
    """Returns the middle, width and height of what is drawn, in its pixels."""
    cover = drawing.rgba[..., 3] > 8
    xs, ys = np.flatnonzero(cover.any(0)), np.flatnonzero(cover.any(1))
    return (xs[0] + xs[-1]) / 2, (ys[0] + ys[-1]) / 2, float(xs[-1] - xs[0] + 1), float(ys[-1] - ys[0] + 1)


def _coefficients(
    rng: Rng, n: int, *, middle: tuple[float, float], scale: float, centre: tuple[float, float], turn: float
) -> list[float]:
    """Returns Pillow's eight perspective numbers: the drawing's `middle` comes to `centre`, `scale` times as large."""
    cos, sin = float(np.cos(turn)) / scale, float(np.sin(turn)) / scale
    cx, cy = centre
    tilt = rng.uniform(-0.07, 0.07, 2) / n
    rows = np.array(
        [[cos, sin, middle[0] - cos * cx - sin * cy], [-sin, cos, middle[1] - cos * cy + sin * cx], [0, 0, 1]]
    )
    rows += np.outer([*middle, 1.0], [tilt[0], tilt[1], -tilt[0] * cx - tilt[1] * cy])
    flat: list[float] = (rows / rows[2, 2]).ravel()[:8].tolist()
    return flat


def _slots(rng: Rng, count: int) -> list[tuple[float, float, float, float]]:
    """Returns (centre x, centre y, width, height) of each garment's place, shares of the scene."""
    if count == 1:
        fill = float(rng.uniform(0.7, 0.89))
        x, y = 0.5 + rng.uniform(-0.4, 0.4, 2) * (0.97 - fill)
        return [(float(x), float(y), fill, fill)]
    width = 0.9 / max(count, 1)
    return [
        (0.05 + (i + 0.5) * width, 0.5 + float(rng.uniform(-0.05, 0.05)), 0.94 * width, float(rng.uniform(0.7, 0.82)))
        for i in range(count)
    ]


def _light(rng: Rng, n: int) -> Floats:
    """Returns a field of daylight with a slope and a vignette, (n, n) around 1."""
    axis = np.linspace(-1, 1, n, dtype=np.float32)
    turn = float(rng.uniform(0, 2 * np.pi))
    slope = float(rng.uniform(0.01, 0.09)) * (np.cos(turn) * axis[None, :] + np.sin(turn) * axis[:, None])
    dark = float(rng.uniform(0.0, 0.13)) * (axis[None, :] ** 2 + axis[:, None] ** 2) / 2
    out: Floats = (float(rng.uniform(0.95, 1.05)) * (1 + slope - dark)).astype(np.float32)
    return out


def _shadow(cover: Image.Image, reach: float, turn: float) -> Floats:
    """Returns the light left beside a garment, (n, n): a wide soft shadow and a close dark one, away from the light."""
    n = cover.size[0]
    out = np.ones((n, n), np.float32)
    for blur, dark, off in ((0.028, 0.34, 1.6), (0.008, 0.3, 0.6)):
        soft = np.asarray(cover.filter(ImageFilter.GaussianBlur(blur * n)), np.float32)
        right, down = round(reach * off * float(np.cos(turn))), round(reach * off * float(np.sin(turn)))
        out[down:, right:] *= 1 - dark / 255 * soft[: n - down, : n - right]
    return out


def draw_scene(
    rng: Rng, drawings: Sequence[Drawing], *, background: str | None = None, size: int = 256
) -> NDArray[np.uint8]:
    """Returns (size, size, 3) uint8: one or more garments on a background, with shadow, light and camera noise.

    Args:
        rng: where placement, light and noise come from.
        drawings: what lies there, side by side.
        background: one of BACKGROUNDS, or None for any.
        size: side of the picture in pixels.
    """
    scene = draw_background(rng, background or str(rng.choice(BACKGROUNDS)), size=size)
    reach = float(rng.uniform(0.006, 0.016)) * size
    turn = float(rng.uniform(0.2, 1.4))
    for drawing, (x, y, width, height) in zip(drawings, _slots(rng, len(drawings)), strict=True):
        image = Image.fromarray(drawing.rgba).convert("RGBa")
        mx, my, w, h = _frame(drawing)
        scale = min(width * size / w, height * size / h)
        numbers = _coefficients(
            rng, size, middle=(mx, my), scale=scale, centre=(x * size, y * size), turn=float(rng.normal(0, 0.06))
        )
        laid = image.transform((size, size), Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BILINEAR)
        pixels = np.asarray(laid, np.float32) / 255
        scene *= _shadow(laid.getchannel("a"), reach, turn)[..., None]
        scene *= 1 - pixels[..., 3:]
        scene += np.minimum(pixels[..., :3], pixels[..., 3:])
    warm = (1 + np.array([1.0, 0.1, -1.0]) * rng.normal(0, 0.018)).astype(np.float32)
    scene *= 255 * _light(rng, size)[..., None]
    scene *= warm
    scene += float(rng.uniform(0.5, 3.6)) * rng.standard_normal(scene.shape, dtype=np.float32)
    return (np.clip(scene, 0, 255) + 0.5).astype(np.uint8)
