"""A small painter of soft shapes: splines in, shaded antialiased pixels out.

Coordinates are shares of the frame, origin at the top left. A path is a list of points; a point of three numbers is
a corner, a point of two is passed smoothly (Catmull-Rom).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from trendloom.drawn.fabric import RGB, Cloth

__all__ = ["Canvas", "Path", "both", "corner", "curve", "flip", "ribbon"]

Path = Sequence[tuple[float, ...]]
Floats = NDArray[np.floating[Any]]
Box = tuple[int, int, int, int]

OVERSAMPLE = 4
STEPS = 9


def corner(x: float, y: float) -> tuple[float, float, float]:
    """Returns a point at which the path turns sharply."""
    return (x, y, 1.0)


def both(half: Path, *, centre: float = 0.5) -> list[tuple[float, ...]]:
    """Returns a closed symmetric outline of its right half, given as offsets from the centre line, top to bottom."""
    right = [(centre + p[0], *p[1:]) for p in half]
    left = [(centre - p[0], *p[1:]) for p in reversed(half) if p[0] != 0.0]
    return [*right, *left]


def flip(path: Path, side: float, *, centre: float = 0.5) -> list[tuple[float, ...]]:
    """Returns offsets from the centre line as a path on the right (side 1) or left (side -1)."""
    return [(centre + side * p[0], *p[1:]) for p in path]


_T = np.linspace(0, 1, STEPS, endpoint=False, dtype=np.float32)
# Catmull-Rom: weights of the four points around a segment, one row a sample
_WEIGHTS = 0.5 * np.stack(
    [2 * _T**2 - _T**3 - _T, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, _T**3 - _T**2], 1
)


def _smooth(run: Floats) -> Floats:
    """Returns (k, 2) samples of an open Catmull-Rom spline through the points of `run`, without the last one."""
    if len(run) == 2:
        line: Floats = run[0] + (run[1] - run[0]) * _T[:, None]
        return line
    ends = np.concatenate([2 * run[:1] - run[1:2], run, 2 * run[-1:] - run[-2:-1]])
    around = np.stack([ends[:-3], ends[1:-2], ends[2:-1], ends[3:]], 1)
    spline: Floats = (_WEIGHTS @ around).reshape(-1, 2)
    return spline


def curve(path: Path, *, closed: bool = False) -> Floats:
    """Returns (k, 2) float32 samples along a path of smooth points and corners."""
    points = np.array([p[:2] for p in path], np.float32)
    sharp = [len(p) > 2 for p in path]
    if closed:
        if not any(sharp):
            ring = np.vstack([points[-2:], points, points[:2]])
            return _smooth(ring)[2 * STEPS : -STEPS]
        first = sharp.index(True)
        points = np.vstack([points[first:], points[: first + 1]])
        sharp = [*sharp[first:], *sharp[:first], True]
    cuts = sorted({0, len(points) - 1, *(i for i, s in enumerate(sharp) if s)})
    runs = [_smooth(points[i : j + 1]) for i, j in pairwise(cuts)]
    return np.vstack([*runs, points[-1:]])


def ribbon(path: Path, width: float, *, end: float | None = None) -> list[tuple[float, ...]]:
    """Returns the closed outline of a band along a path, `width` wide at its start and `end` at its end."""
    line = curve(path)[::3] if len(path) > 2 else curve(path)[[0, -1]]
    normal = _normals(line)
    share = np.arange(len(line), dtype=np.float32)[:, None] / (len(line) - 1)
    half = (width + ((width if end is None else end) - width) * share) / 2
    one, two = line + normal * half, (line - normal * half)[::-1]
    rim = [(float(x), float(y)) for x, y in np.vstack([one, two])]
    ends = {0, len(one) - 1, len(one), len(rim) - 1}
    return [corner(*p) if i in ends else p for i, p in enumerate(rim)]


def _blur(mask: Floats, radius: float) -> Floats:
    """Returns the mask, 0..1, softened by a Gaussian of `radius` pixels."""
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float32) / 255


class Canvas:
    """A square picture that parts of a garment are painted on, back to front.

    Attributes:
        rgb: (size, size, 3) float32, 0..1, multiplied by alpha.
        alpha: (size, size) float32, 0..1.
        rng: source of the garment's variations.
        cloth: what the garment is made of.
    """

    def __init__(self, rng: np.random.Generator, size: int, cloth: Cloth) -> None:
        self.rng = rng
        self.size = size
        self.cloth = cloth
        self.rgb: Floats = np.zeros((size, size, 3), np.float32)
        self.alpha: Floats = np.zeros((size, size), np.float32)
        self._wave = rng.uniform(0, 2 * np.pi, 4).astype(np.float32)
        self._amount = rng.uniform(0.002, 0.006, 2).astype(np.float32)
        self._light = self._soft(5, 0.05) + self._ramp(0.05)

    def _soft(self, cells: int, amount: float) -> Floats:
        """Returns slow random light, (size, size) around 0."""
        grid = Image.fromarray(self.rng.normal(0, amount, (cells, cells)).astype(np.float32))
        return np.asarray(grid.resize((self.size, self.size), Image.Resampling.BICUBIC), np.float32)

    def _ramp(self, amount: float) -> Floats:
        """Returns a slope of light that falls from the top left."""
        axis = np.linspace(1, -1, self.size, dtype=np.float32) * amount
        slope: Floats = 0.6 * axis[:, None] + 0.4 * axis[None, :]
        return slope

    def _place(self, line: Floats) -> Floats:
        """Returns sample points in pixels, swayed a little so that nothing is ruled with a ruler."""
        x, y = line[:, 0], line[:, 1]
        w, a = self._wave, self._amount
        sx = x + a[0] * np.sin(7 * y + w[0]) + 0.4 * a[1] * np.sin(19 * y + w[1])
        sy = y + a[1] * np.sin(6 * x + w[2]) + 0.4 * a[0] * np.sin(17 * x + w[3])
        return np.stack([sx, sy], 1) * self.size

    def _fill(self, lines: Sequence[Floats], pad: float) -> tuple[Box, Floats] | None:
        """Returns the crop (x0, y0, x1, y1) and the mask in it of closed lines in pixels, or None outside the frame."""
        rim = np.vstack(lines)
        low = np.maximum(np.floor(rim.min(0) - pad).astype(int), 0)
        high = np.minimum(np.ceil(rim.max(0) + pad).astype(int) + 1, self.size)
        if (high <= low).any():
            return None
        w, h = (high - low).tolist()
        image = Image.new("L", (w * OVERSAMPLE, h * OVERSAMPLE))
        pen = ImageDraw.Draw(image)
        for line in lines:
            pen.polygon(((line - low) * OVERSAMPLE).ravel().tolist(), fill=255)
        mask = np.asarray(image.reduce(OVERSAMPLE), np.float32) / 255
        return (int(low[0]), int(low[1]), int(high[0]), int(high[1])), mask

    def part(
        self,
        outline: Path,
        *,
        cloth: Cloth | None = None,
        tone: float = 1.0,
        angle: float = 0.0,
        lift: float = 0.35,
        puff: float = 1.0,
        bare: bool = False,
    ) -> None:
        """Paints a closed outline.

        Args:
            outline: the path.
            cloth: what it is made of; the garment's own by default.
            tone: light on it; under 1 for an inside.
            angle: how far its weave and pattern are turned, radians.
            lift: how strong a shadow it throws on what lies below, 0..1.
            puff: how round it looks, 0..1.
            bare: leave the pattern away.
        """
        n = self.size
        filled = self._fill([self._place(curve(outline, closed=True))], pad=0.05 * n)
        if filled is None:
            return
        (x0, y0, x1, y1), mask = filled
        view = (slice(y0, y1), slice(x0, x1))
        if lift:
            shade = _blur(mask, 0.014 * n)
            shift = max(1, round(0.008 * n))
            shade = np.pad(shade, ((shift, 0), (shift // 2, 0)))[: shade.shape[0], : shade.shape[1]]
            self.rgb[view] *= (1 - lift * shade)[..., None]
        soft = _blur(mask, 0.022 * n)
        bevel = np.zeros_like(soft)
        bevel[1:-1, 1:-1] = 0.425 * (soft[2:, 1:-1] - soft[:-2, 1:-1]) + 0.25 * (soft[1:-1, 2:] - soft[1:-1, :-2])
        edge = 1 - soft
        shape = 1 - 0.30 * puff * edge * np.sqrt(edge) + puff * 0.0055 * n * bevel
        light = 1.07 * tone * shape * (1 + self._light[view])
        wear = cloth or self.cloth
        colour = wear.paint(x0 / n, y0 / n, mask.shape, n, angle=angle, bare=bare) * light[..., None]
        cover = mask[..., None]
        self.rgb[view] = self.rgb[view] * (1 - cover) + colour * cover
        self.alpha[view] = self.alpha[view] * (1 - mask) + mask

    def seam(
        self, path: Path, *, width: float = 0.004, tone: float = 0.72, dash: float = 0.0, colour: RGB | None = None
    ) -> None:
        """Draws a thin line inside what is painted: a seam, or with `dash` a row of stitches that long."""
        n = self.size
        line = self._place(curve(path))
        step = np.hypot(*np.diff(line, axis=0).T)
        along = np.concatenate([[0], np.cumsum(step)])
        count = max(2, int(along[-1] / max(1.0, 0.006 * n)))
        at = np.linspace(0, along[-1], count)
        even = np.stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])], 1).astype(np.float32)
        pieces = [even]
        if dash:
            per = max(2, round(dash * n / max(1.0, 0.006 * n)) + 1)
            pieces = [even[i : i + per] for i in range(0, len(even) - 1, per + 1)]
        self._ink([_band(p, width * n) for p in pieces if len(p) > 1], tone, colour)

    def _ink(self, lines: Sequence[Floats], tone: float, colour: RGB | None, soft: float = 0.0) -> None:
        """Darkens, lightens or colours what is painted below closed lines in pixels."""
        if not lines:
            return
        filled = self._fill(lines, pad=2 + 3 * soft)
        if filled is None:
            return
        (x0, y0, x1, y1), mask = filled
        view = (slice(y0, y1), slice(x0, x1))
        cover = (_blur(mask, soft) if soft else mask)[..., None]
        if colour is None:
            self.rgb[view] *= 1 + (tone - 1) * cover
        else:
            ink = np.asarray(colour, np.float32) * self.alpha[view][..., None]
            self.rgb[view] = self.rgb[view] * (1 - cover) + ink * cover

    def folds(self, paths: Sequence[Path], *, width: float = 0.02, depth: float = 0.2) -> None:
        """Lays soft creases, dark on one side and light on the other, inside what is painted."""
        n = self.size
        lines = [self._place(curve(p)) for p in paths]
        soft = 0.35 * width * n
        shift = np.array([0.45, 0.25], np.float32) * width * n
        self._ink([_leaf(p + shift, width * n) for p in lines], 1 - depth, None, soft)
        self._ink([_leaf(p - shift, width * n) for p in lines], 1 + 0.55 * depth, None, soft)

    def dot(self, x: float, y: float, radius: float, cloth: Cloth, *, lift: float = 0.5, squash: float = 1.0) -> None:
        """Paints a small disc: a button, a stud, a knob."""
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        rim = [(x + radius * float(np.cos(t)), y + squash * radius * float(np.sin(t))) for t in turn]
        self.part(rim, cloth=cloth, lift=lift, puff=0.8)

    def rgba(self) -> NDArray[np.uint8]:
        """Returns (size, size, 4) uint8, colour not multiplied by alpha."""
        out = np.empty((self.size, self.size, 4), np.float32)
        out[..., :3] = self.rgb * (255 / np.maximum(self.alpha, 1 / 255))[..., None]
        out[..., 3] = self.alpha * 255
        np.clip(out, 0, 255, out=out)
        return (out + 0.5).astype(np.uint8)


def _normals(line: Floats) -> Floats:
    """Returns unit normals along a line."""
    step = np.empty_like(line)
    step[1:-1] = line[2:] - line[:-2]
    step[0], step[-1] = line[1] - line[0], line[-1] - line[-2]
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-6)
    return np.stack([-step[:, 1], step[:, 0]], 1) / length[:, None]


def _band(line: Floats, width: float) -> Floats:
    """Returns the closed rim of a band of constant width."""
    off = _normals(line) * width / 2
    return np.vstack([line + off, (line - off)[::-1]])


def _leaf(line: Floats, width: float) -> Floats:
    """Returns the closed rim of a band that tapers to both ends."""
    share = np.arange(len(line), dtype=np.float32)[:, None] / (len(line) - 1)
    taper = np.sin(0.08 + (np.pi - 0.16) * share)
    off = _normals(line) * taper * width / 2
    return np.vstack([line + off, (line - off)[::-1]])
