"""What garments are made of: named colours with natural variation, patterns, and the weave seen from near."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "PALETTE", "PATTERNS", "RGB", "Cloth", "plain", "vary"]

RGB = tuple[float, float, float]
Floats = NDArray[np.floating[Any]]

PALETTE: dict[str, tuple[int, int, int]] = {
    "black": (34, 34, 37),
    "white": (244, 244, 242),
    "grey": (134, 136, 140),
    "silver": (190, 194, 200),
    "beige": (220, 202, 172),
    "brown": (112, 74, 46),
    "gold": (201, 160, 62),
    "yellow": (248, 212, 58),
    "orange": (238, 122, 34),
    "red": (204, 32, 38),
    "burgundy": (110, 22, 44),
    "pink": (242, 152, 182),
    "purple": (120, 66, 158),
    "navy": (28, 38, 82),
    "blue": (40, 96, 196),
    "light blue": (160, 202, 234),
    "turquoise": (36, 164, 168),
    "green": (42, 138, 70),
    "olive": (106, 107, 58),
}
COLOURS = tuple(PALETTE)
PATTERNS = (
    "plain", "striped", "checked", "dotted", "floral", "printed", "graphic", "colour block", "melange", "glitter", "denim"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cloth:
    """A material; `paint` gives its pixels.

    Attributes:
        base: main colour, 0..1.
        second: colour of the pattern.
        third: colour of its accents.
        pattern: one of PATTERNS.
        weave: cotton, knit, rib, denim, wool, leather, satin, metal, rubber.
        numbers: eight uniform numbers that fix the pattern's widths and phases.
        grain: (256, 256) noise.
        layer: (size, size, 4) drawn pattern for floral, graphic, animal print and camouflage; empty for the others.
    """

    base: RGB
    second: RGB = (1.0, 1.0, 1.0)
    third: RGB = (0.2, 0.2, 0.2)
    pattern: str = "plain"
    weave: str = "cotton"
    numbers: tuple[float, ...] = (0.5,) * 8
    grain: Floats = field(default_factory=lambda: np.zeros((256, 256), np.float32))
    layer: Floats = field(default_factory=lambda: np.zeros((0, 0, 4), np.float32))

    def paint(self, x: float, y: float, shape: tuple[int, ...], n: int, *, angle: float, bare: bool) -> Floats:
        """Returns (h, w, 3) colours of a crop that starts at x, y (shares of a frame of n pixels)."""
        h, w = shape
        gx = x + np.arange(w, dtype=np.float32)[None, :] / n
        gy = y + np.arange(h, dtype=np.float32)[:, None] / n
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = gx * cos + gy * sin, gy * cos - gx * sin
        colour = np.broadcast_to(np.asarray(self.base, np.float32), (h, w, 3))
        if not bare and self.pattern not in {"plain", "melange", "glitter", "denim"}:
            colour = self._patterned(colour, u, v, (round(x * n), round(y * n), w, h), n)
        out: Floats = colour * self._weave(u, v, (h, w), n)[..., None]
        if self.pattern in {"melange", "glitter"}:
            noise = np.tile(self.grain, (-(-h // 256), -(-w // 256)))[:h, :w, None]
            fleck = 0.5 * np.roll(noise, 1, 1) + 0.5 * noise
            out = out * (1 + 0.075 * fleck) + 0.018 * fleck if self.pattern == "melange" else _sparkle(out, noise)
        return out

    def _patterned(self, colour: Floats, u: Floats, v: Floats, crop: tuple[int, int, int, int], n: int) -> Floats:
        """Returns the colours with the pattern on them."""
        second = np.asarray(self.second, np.float32)
        third = np.asarray(self.third, np.float32)
        if len(self.layer):
            x, y, w, h = crop
            piece = self.layer[y : y + h, x : x + w]
            return colour * (1 - piece[..., 3:]) + piece[..., :3] * piece[..., 3:]
        if self.pattern == "dotted":
            return _mix(colour, second, _dots(u, v, self.numbers, n))
        if self.pattern == "striped":
            cover, accent = _stripes(u if self.numbers[0] < 0.3 else v, self.numbers, n)
        else:
            cover, accent = _checks(u, v, self.numbers, n)
        return _mix(_mix(colour, second, cover), third, accent)

    def _weave(self, u: Floats, v: Floats, shape: tuple[int, int], n: int) -> Floats:
        """Returns (h, w) light and dark of the threads, around 1."""
        h, w = shape
        noise = np.tile(self.grain, (-(-h // 256), -(-w // 256)))[:h, :w]
        match self.weave:
            case "knit":
                row = np.abs(np.mod(u * 34, 1) - 0.5)
                wales: Floats = np.sin(2 * np.pi * (v * 46 + row * 1.4))
                return 1 + 0.07 * wales + 0.05 * (row - 0.25) + 0.02 * noise
            case "rib":
                ribs: Floats = np.sin(2 * np.pi * u * 52)
                return 1 + 0.11 * ribs + 0.02 * noise
            case "denim":
                twill: Floats = np.sin(2 * np.pi * (u + v) * 75)
                return 1 + 0.035 * twill + 0.04 * noise
            case "wool":
                return 1 + 0.03 * noise
            case "leather" | "satin" | "metal" | "rubber":
                return 1 + 0.012 * noise
            case _:
                return 1 + 0.014 * noise

    def of(self, weave: str) -> Cloth:
        """Returns the same cloth in another weave."""
        return replace(self, weave=weave)

    def shade(self, factor: float) -> Cloth:
        """Returns the plain cloth, darker or lighter."""
        r, g, b = (min(1.0, max(0.0, c * factor)) for c in self.base)
        return replace(self, base=(r, g, b), pattern="plain")


def _sparkle(colour: Floats, noise: Floats) -> Floats:
    """Returns the colours with bright and dark sequins."""
    out: Floats = colour * (1 + 0.17 * noise) + 0.5 * np.clip(noise - 1.5, 0, 1)
    return out


def _mix(below: Floats, above: Floats, cover: Floats) -> Floats:
    """Returns `below` with `above` over it where `cover` says."""
    out: Floats = below + (above - below) * cover[..., None]
    return out


def _line(at: Floats, width: float, sharp: float) -> Floats:
    """Returns a cover of 1 where the distance `at` is under half the width, soft over a pixel."""
    out: Floats = np.clip((width / 2 - at) * sharp + 0.5, 0, 1).astype(np.float32)
    return out


def _wave(at: Floats, period: float, phase: float) -> Floats:
    """Returns the distance to the nearest line of a comb, in the unit of `at`."""
    out: Floats = np.abs(np.mod(at / period + phase, 1) - 0.5) * period
    return out


def _stripes(at: Floats, k: tuple[float, ...], n: int) -> tuple[Floats, Floats]:
    """Returns the covers of stripes and of thin accent lines."""
    period = 0.035 + 0.075 * k[1]
    cover = _line(_wave(at, period, k[3]), period * (0.3 + 0.3 * k[2]), n)
    accent = _line(_wave(at, period, k[3] + 0.5), period * 0.13, n) * np.float32(k[4] > 0.75)
    return cover, accent


def _checks(u: Floats, v: Floats, k: tuple[float, ...], n: int) -> tuple[Floats, Floats]:
    """Returns the covers of gingham, tartan or a windowpane check and of its accent lines."""
    period = 0.045 + 0.05 * k[1]
    none = np.float32(0) * (u + v)
    if k[0] < 0.45:
        both = _line(_wave(u, period, k[3]), period / 2, n) + _line(_wave(v, period, k[4]), period / 2, n)
        return 0.5 * both, none
    if k[0] < 0.85:
        period *= 2.1
        wide = _line(_wave(u, period, k[3]), period * 0.42, n) + _line(_wave(v, period, k[4]), period * 0.42, n)
        thin = _line(_wave(u, period, k[3] + 0.5), period * 0.06, n) + _line(
            _wave(v, period, k[4] + 0.5), period * 0.06, n
        )
        return 0.42 * wide, 0.7 * np.minimum(thin, 1)
    period *= 1.5
    pane = np.maximum(_line(_wave(u, period, k[3]), 0.007, n), _line(_wave(v, period, k[4]), 0.007, n))
    return 0.9 * pane, none


def _dots(u: Floats, v: Floats, k: tuple[float, ...], n: int) -> Floats:
    """Returns the cover of a staggered lattice of dots."""
    period = 0.045 + 0.05 * k[1]
    row = np.floor(v / period)
    dx = np.mod(u / period + 0.5 * row, 1) - 0.5
    dy = np.mod(v / period, 1) - 0.5
    return _line(np.hypot(dx, dy) * period, period * (0.4 + 0.22 * k[2]), n)


def plain(colour: tuple[int, int, int] | RGB, weave: str = "cotton") -> Cloth:
    """Returns a plain cloth of a colour in 0..1, or in bytes where a number is over 1."""
    top = 255.0 if max(colour) > 1 else 1.0
    r, g, b = (c / top for c in colour)
    return Cloth(base=(r, g, b), weave=weave)


def vary(rng: np.random.Generator, name: str) -> RGB:
    """Returns a named colour as 0..1, as it would vary between real garments."""
    base = np.array(PALETTE[name], np.float64)
    light = rng.uniform(0.93, 1.07) if name != "white" else rng.uniform(0.97, 1.03)
    tint = rng.normal(0, 4.0 if name in {"black", "white", "grey", "silver", "navy", "beige"} else 6.0, 3)
    if name in {"black", "white", "grey", "silver", "beige"}:
        tint = tint.mean() + 0.35 * (tint - tint.mean())
    r, g, b = (np.clip(base * light + tint, 4, 252) / 255).tolist()
    return (r, g, b)
