"""Cloths of a named colour with a pattern, and the patterns that are drawn rather than computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trendloom.drawn.fabric import RGB, Cloth, vary

__all__ = ["make_cloth"]

Floats = NDArray[np.floating[Any]]

_PARTNERS: dict[str, tuple[str, ...]] = {
    "black": ("white", "grey", "beige", "red"),
    "white": ("navy", "black", "red", "blue", "green", "pink", "burgundy"),
    "grey": ("white", "black", "navy"),
    "silver": ("white", "black", "navy"),
    "beige": ("brown", "white", "navy", "burgundy"),
    "brown": ("beige", "white", "orange"),
    "gold": ("white", "black", "burgundy"),
    "yellow": ("white", "black", "navy"),
    "orange": ("white", "brown", "navy"),
    "red": ("white", "black", "navy"),
    "burgundy": ("beige", "white", "pink"),
    "pink": ("white", "red", "burgundy", "purple"),
    "purple": ("white", "pink", "light blue"),
    "navy": ("white", "red", "light blue", "beige"),
    "blue": ("white", "navy", "light blue"),
    "light blue": ("white", "navy", "blue"),
    "turquoise": ("white", "navy", "orange"),
    "green": ("white", "beige", "navy"),
    "olive": ("beige", "white", "brown"),
}
_WORDS = ("SUNDAY", "OCEAN", "WILD", "HELLO", "1987", "STUDIO", "DUNE", "NORTH", "CLUB", "OK")


def _floral(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer of scattered blossoms and leaves."""
    scale = 2
    image = Image.new("RGBA", (n * scale, n * scale))
    pen = ImageDraw.Draw(image)
    cell = float(rng.uniform(0.085, 0.13))
    leaf = _bytes(vary(rng, str(rng.choice(["green", "olive"]))))
    kinds = [_bytes(cloth.second), _bytes(cloth.third), _bytes(cloth.second)]
    steps = int(1 / cell) + 1
    for i in range(steps * steps):
        row, col = divmod(i, steps)
        cx = (col + 0.5 * (row % 2) + rng.uniform(-0.22, 0.22)) * cell * n * scale
        cy = (row + rng.uniform(-0.22, 0.22)) * cell * n * scale
        size = cell * n * scale * rng.uniform(0.2, 0.34)
        turn = rng.uniform(0, 2 * np.pi)
        for side in (0.7, 3.6):
            _petal(pen, cx, cy, turn=turn + side, length=size * 1.9, width=size * 0.5, fill=leaf)
        petals = int(rng.integers(5, 7))
        hue = kinds[int(rng.integers(0, 3))]
        for p in range(petals):
            _petal(pen, cx, cy, turn=turn + 2 * np.pi * p / petals, length=size * 1.15, width=size * 0.62, fill=hue)
        heart = size * 0.3
        pen.ellipse((cx - heart, cy - heart, cx + heart, cy + heart), fill=(244, 205, 92, 255))
    return _layer(image, scale)


_T = np.linspace(0, np.pi, 7)
_OVAL = np.vstack(
    [np.stack([np.sin(_T / 2) ** 2, np.sin(_T) / 2], 1), np.stack([np.sin(_T / 2) ** 2, -np.sin(_T) / 2], 1)[::-1]]
)


def _petal(
    pen: ImageDraw.ImageDraw, x: float, y: float, *, turn: float, length: float, width: float, fill: tuple[int, ...]
) -> None:
    """Draws an oval that starts at x, y and points along `turn`."""
    c, s = float(np.cos(turn)), float(np.sin(turn))
    reach = np.array([[length * c, length * s], [-width * s, width * c]])
    pen.polygon((_OVAL @ reach + (x, y)).ravel().tolist(), fill=fill)


def _graphic(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer with one print on the chest: a word, a sun over waves, a mountain, a star or a word in a ring."""
    scale = 3
    image = Image.new("RGBA", (n * scale, n * scale))
    pen = ImageDraw.Draw(image)
    one, two = _bytes(cloth.second), _bytes(cloth.third)
    size = float(rng.uniform(0.085, 0.105)) * n * scale
    cx, cy = 0.5 * n * scale, float(rng.uniform(0.42, 0.46)) * n * scale
    kind = int(rng.integers(0, 5))
    box = (cx - size, cy - size, cx + size, cy + size)
    if kind == 0:
        pen.ellipse(box, fill=one)
        for i in range(4):
            y = cy + size * (0.1 + 0.24 * i)
            pen.rectangle((cx - 1.3 * size, y, cx + 1.3 * size, y + size * (0.05 + 0.025 * i)), fill=two)
    elif kind == 1:
        pen.ellipse(box, fill=one)
        peak = [(-0.8, 0.58), (-0.25, -0.35), (0.05, 0.1), (0.3, -0.15), (0.8, 0.58)]
        pen.polygon([(cx + a * size, cy + b * size) for a, b in peak], fill=two)
    elif kind == 2:
        turn = np.arange(10) * np.pi / 5 - np.pi / 2
        reach = np.where(np.arange(10) % 2, 0.45, 1.15) * size
        pen.polygon(np.stack([cx + reach * np.cos(turn), cy + reach * np.sin(turn)], 1).ravel().tolist(), fill=one)
    elif kind == 3:
        pen.ellipse(box, outline=one, width=int(size * 0.22))
    if kind in (3, 4):
        word = str(rng.choice(_WORDS))
        font = ImageFont.load_default(size=int(size * (0.34 if kind == 3 else 0.72)))
        pen.text((cx, cy), word, fill=two if kind == 3 else one, font=font, anchor="mm")
        if kind == 4:
            pen.rectangle((cx - 1.2 * size, cy + 0.5 * size, cx + 1.2 * size, cy + 0.6 * size), fill=two)
    return _layer(image, scale)


def _blots(rng: np.random.Generator, n: int, cells: int) -> Floats:
    """Returns slow noise, (n, n), with unit spread."""
    grid = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    field_ = np.asarray(grid.resize((n, n), Image.Resampling.BICUBIC), np.float32)
    out: Floats = field_ / max(float(field_.std()), 1e-6)
    return out


def _camouflage(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer of two tones in large blots."""
    base = np.asarray(cloth.base, np.float32)
    dark, pale = base * 0.5, np.minimum(base * 1.15 + 0.12, 1)
    out = np.zeros((n, n, 4), np.float32)
    for cells, colour in ((11, pale), (13, dark), (17, np.float32(0.1) + base * 0.15)):
        cover = np.clip((_blots(rng, n, cells) - (0.6 if cells < 17 else 1.1)) * n / 25 + 0.5, 0, 1)[..., None]
        out[..., :3] = out[..., :3] * (1 - cover) + colour * cover
        out[..., 3:] = np.maximum(out[..., 3:], cover)
    out[..., :3] /= np.maximum(out[..., 3:], 1e-3)
    return out


def _animal(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer of leopard spots: broken dark rings around a darker heart."""
    noise = _blots(rng, n, 30) + 0.2 * _blots(rng, n, 60)
    ring = np.clip((0.42 - np.abs(noise - 0.95)) * n / 40 + 0.5, 0, 1) * np.clip((_blots(rng, n, 34) + 1.1) * 6, 0, 1)
    heart = np.clip((noise - 1.2) * n / 40 + 0.5, 0, 1)
    base = np.asarray(cloth.base, np.float32)
    dark = np.asarray((0.12, 0.08, 0.06) if base.mean() > 0.3 else (0.62, 0.5, 0.36), np.float32)
    out = np.zeros((n, n, 4), np.float32)
    out[..., :3] = np.where(ring[..., None] > heart[..., None] * 0.6, dark, 0.55 * base + 0.2 * dark)
    out[..., 3] = np.maximum(ring, 0.75 * heart)
    return out


def _printed(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer of an all-over print: leopard, camouflage or brush marks."""
    kind = rng.integers(0, 3)
    return (_animal, _camouflage, _marks)[int(kind)](rng, cloth, n)


def _marks(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer of scattered bent brush marks."""
    image = Image.new("RGBA", (n * 2, n * 2))
    pen = ImageDraw.Draw(image)
    inks = [_bytes(cloth.second), _bytes(cloth.third)]
    for x, y, turn, ink in zip(*rng.uniform(0, 1, (3, 110)), rng.integers(0, 2, 110), strict=True):
        _petal(pen, x * 2 * n, y * 2 * n, turn=turn * 2 * np.pi, length=0.11 * n, width=0.05 * n, fill=inks[ink])
    return _layer(image, 2)


def _blocks(rng: np.random.Generator, cloth: Cloth, n: int) -> Floats:
    """Returns a layer whose lower part, or a band of it, has the second colour."""
    out = np.zeros((n, n, 4), np.float32)
    down = np.arange(n, dtype=np.float32)[:, None] + rng.choice([0.0, 0.0, 0.35]) * np.arange(n, dtype=np.float32)
    top = rng.uniform(0.5, 0.58) * n * (1 + 0.35 * (down[0, -1] > 0) * 0.5)
    band = rng.uniform(0.1, 0.16) * n if rng.uniform() < 0.4 else n
    out[..., :3] = np.asarray(cloth.second, np.float32)
    out[..., 3] = np.clip(down - top, 0, 1) * np.clip(top + band - down, 0, 1)
    return out


def _layer(image: Image.Image, scale: int) -> Floats:
    """Returns the drawn picture, made smaller, as floats with colour not multiplied by alpha."""
    return np.asarray(image.reduce(scale), np.float32) / 255


def _bytes(colour: RGB) -> tuple[int, int, int, int]:
    """Returns a colour for Pillow."""
    r, g, b = (int(c * 255) for c in colour)
    return (r, g, b, 255)


def make_cloth(rng: np.random.Generator, *, colour: str, pattern: str, weave: str, size: int) -> Cloth:
    """Returns a cloth of a named colour with a pattern, for a frame of `size` pixels."""
    partners = [str(p) for p in rng.permutation(_PARTNERS[colour])]
    weave = "denim" if pattern == "denim" else weave
    base = vary(rng, colour)
    if weave == "denim":
        dull = 0.35 * base[0] + 0.5 * base[1] + 0.15 * base[2]
        base = (0.7 * base[0] + 0.3 * dull, 0.7 * base[1] + 0.3 * dull, 0.7 * base[2] + 0.3 * dull)
    cloth = Cloth(
        base=base,
        second=vary(rng, partners[0]),
        third=vary(rng, partners[1]),
        pattern=pattern,
        weave=weave,
        numbers=tuple(rng.uniform(0, 1, 8).tolist()),
        grain=rng.standard_normal((256, 256), dtype=np.float32),
    )
    draw = {"floral": _floral, "graphic": _graphic, "printed": _printed, "colour block": _blocks}.get(pattern)
    return replace(cloth, layer=draw(rng, cloth, size)) if draw else cloth
