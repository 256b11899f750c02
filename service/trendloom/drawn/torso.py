"""The pieces that garments of the upper body share: torso, sleeves, necklines, collars, fastenings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trendloom.drawn.canvas import Canvas, Path, both, corner, flip, ribbon
from trendloom.drawn.fabric import Cloth, plain

__all__ = [
    "BRASS",
    "METAL",
    "Cut",
    "Traits",
    "box",
    "button_cloth",
    "buttons",
    "collar",
    "cut_of",
    "fittings",
    "hem_band",
    "neckband",
    "placket",
    "pocket",
    "sleeves",
    "torso",
    "wavy_hem",
    "zipper",
]

METAL = plain((188, 188, 192), "metal")
BRASS = plain((196, 158, 84), "metal")


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a drawing shows besides type, colour and pattern; None where it cannot be asked."""

    sleeves: str | None = None
    neckline: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Measures of an upper body, shares of the frame: half widths, heights from the top."""

    neck: float = 0.085
    dip: float = 0.06
    top: float = 0.15
    shoulder: float = 0.195
    drop: float = 0.045
    chest: float = 0.2
    armpit: float = 0.36
    waist: float = 0.195
    hem: float = 0.205
    bottom: float = 0.84
    neckline: str = "round neck"

    def front_neck(self) -> list[tuple[float, ...]]:
        """Returns the right half of the neckline's edge, centre to shoulder."""
        low = self.top + self.dip
        if self.neckline == "v-neck":
            return [corner(0.0, low), (self.neck * 0.55, self.top + self.dip * 0.5), corner(self.neck, self.top)]
        if self.neckline == "square neck":
            return [(0.0, low), corner(self.neck * 0.95, low), corner(self.neck, self.top)]
        return [(0.0, low), (self.neck * 0.62, self.top + self.dip * 0.72), corner(self.neck, self.top)]

    def body(self, *, sag: float = 0.012) -> list[tuple[float, ...]]:
        """Returns the right half of the front, neckline to hem."""
        side = self.top + self.drop
        return [
            *self.front_neck(),
            corner(self.shoulder, side),
            (self.shoulder - 0.016, side + 0.45 * (self.armpit - side)),
            corner(self.chest, self.armpit),
            (self.waist, 0.5 * (self.armpit + self.bottom)),
            corner(self.hem, self.bottom - 0.006),
            (0.0, self.bottom + sag),
        ]


def cut_of(rng: np.random.Generator, **fixed: float | str) -> Cut:
    """Returns a cut with natural variation around the given measures."""
    fit = float(rng.uniform(-0.018, 0.026))
    base: dict[str, float | str] = {
        "shoulder": 0.212 + fit * 0.8,
        "chest": 0.226 + fit,
        "waist": 0.216 + fit * 1.1,
        "hem": 0.225 + fit * 1.1,
        "armpit": 0.37 + fit * 0.6,
        "bottom": float(rng.uniform(0.77, 0.84)),
        "neck": float(rng.uniform(0.082, 0.098)),
        "dip": float(rng.uniform(0.07, 0.095)),
    }
    return Cut(**{**base, **fixed})  # type: ignore[arg-type]  # measures are floats, the neckline a str


def sleeve_path(cut: Cut, length: float, angle: float, cuff: float) -> tuple[list[tuple[float, ...]], list[Path]]:
    """Returns the right sleeve's outline and its two cuff points [outer, inner], as offsets from the centre line."""
    sx, sy = cut.shoulder, cut.top + cut.drop
    dx, dy = float(np.cos(angle)), float(np.sin(angle))
    ex, ey = sx + dx * length, sy + dy * length
    ix, iy = ex - dy * cuff, ey + dx * cuff
    bend = 0.016 if length > 0.3 else 0.004
    mx, my = sx + 0.5 * dx * length + dy * bend, sy + 0.5 * dy * length - dx * bend
    kx, ky = 0.5 * (ix + cut.chest) + 0.4 * bend, 0.5 * (iy + cut.armpit) - 0.3 * bend
    outline: list[tuple[float, ...]] = [
        corner(sx - 0.05, sy - 0.05 * cut.drop / (cut.shoulder - cut.neck) + 0.003),
        corner(sx - 0.004, sy),
        (sx + 0.12 * dx * length + 0.012, sy + 0.12 * dy * length),
        (mx, my),
        corner(ex, ey),
        corner(ix, iy),
        (kx, ky),
        corner(cut.chest, cut.armpit + 0.005),
        corner(cut.chest - 0.05, cut.armpit),
    ]
    return outline, [[(ex, ey)], [(ix, iy)]]


def sleeves(
    c: Canvas, cut: Cut, *, length: float, angle: float, cuff: float, band: float = 0.0, cloth: Cloth | None = None
) -> None:
    """Paints both sleeves; `band` is the width of a cuff of another weave or cloth."""
    outline, ends = sleeve_path(cut, length, angle, cuff)
    (outer,), (inner,) = ends
    dx, dy = float(np.cos(angle)), float(np.sin(angle))
    for side in (-1.0, 1.0):
        turn = side * (angle - np.pi / 2)
        c.part(flip(outline, side), angle=turn, lift=0.0)
        if length > 0.3:
            mid = [(cut.shoulder + dx * length * t + off, cut.top + cut.drop + dy * length * t) for t, off in
                   ((0.42, -0.06), (0.5, -0.02), (0.54, 0.01))]  # fmt: skip
            low = [(x + dx * 0.1, y + dy * 0.1) for x, y in mid]
            c.folds([flip(mid, side), flip(low, side)], width=0.022, depth=0.16)
        if band:
            squeeze = 0.1 * cuff
            path = [
                corner(outer[0] - dy * squeeze, outer[1] + dx * squeeze),
                corner(inner[0] + dy * squeeze, inner[1] - dx * squeeze),
                corner(inner[0] + dx * band + dy * squeeze, inner[1] + dy * band - dx * squeeze),
                corner(outer[0] + dx * band - dy * squeeze, outer[1] + dy * band + dx * squeeze),
            ]
            c.part(flip(path, side), cloth=cloth or c.cloth, angle=turn, lift=0.2, bare=True)
        else:
            hem = [(outer[0] - dx * 0.018, outer[1] - dy * 0.018), (inner[0] - dx * 0.018, inner[1] - dy * 0.018)]
            c.seam(flip(hem, side), tone=0.8)


def torso(c: Canvas, cut: Cut, *, sag: float = 0.012, inside: float = 0.6) -> None:
    """Paints the back of the neck seen from inside, then the front with its armhole seams and soft folds."""
    back = [
        (0.0, cut.top + 0.016),
        (cut.neck * 0.7, cut.top + 0.01),
        corner(cut.neck + 0.004, cut.top),
        corner(cut.shoulder * 0.8, cut.top + cut.drop),
        corner(cut.shoulder * 0.6, cut.top + cut.dip + 0.1),
        (0.0, cut.top + cut.dip + 0.1),
    ]
    c.part(both(back), tone=inside, lift=0.0, puff=0.6)
    c.part(both(cut.body(sag=sag)), lift=0.3)
    rng = c.rng
    paths: list[Path] = []
    for side in (-1.0, 1.0):
        x, y = cut.chest - 0.02, cut.armpit + 0.02
        paths.append(flip([(x, y), (x - 0.05, y + 0.07), (x - 0.06, y + 0.16)], side))
        low = cut.bottom - float(rng.uniform(0.02, 0.08))
        at = float(rng.uniform(0.03, 0.13))
        paths.append(flip([(at, low), (at + 0.015, low - 0.1), (at + 0.005, low - 0.2)], side))
    c.folds(paths, width=0.026, depth=float(rng.uniform(0.1, 0.2)))


def neckband(c: Canvas, cut: Cut, *, width: float = 0.022, weave: str = "rib") -> None:
    """Paints the band around the neckline, back and front."""
    cloth = c.cloth.of(weave)
    up = -0.4 * width
    back: list[tuple[float, ...]] = [(-cut.neck, cut.top), (-cut.neck * 0.6, cut.top + 0.011 + up)]
    back += [(cut.neck * 0.6, cut.top + 0.011 + up), (cut.neck, cut.top)]
    c.part(ribbon([(0.5 + p[0], p[1]) for p in back], width * 0.8), cloth=cloth, tone=0.85, bare=True, lift=0.1)
    half = cut.front_neck()
    line = [(0.5 - p[0], *p[1:]) for p in reversed(half[1:])] + [(0.5 + p[0], *p[1:]) for p in half]
    if cut.neckline != "round neck":
        line = [p[:2] if i in (0, len(line) - 1) else p for i, p in enumerate(line)]
    c.part(ribbon(line, width), cloth=cloth, bare=True, lift=0.25, puff=0.7)


def hem_band(c: Canvas, cut: Cut, *, height: float = 0.05, weave: str = "rib") -> None:
    """Paints a ribbed band below the front."""
    y = cut.bottom
    half = [corner(cut.hem - 0.004, y - 0.012), (cut.hem - 0.012, y + 0.4 * height), corner(cut.hem - 0.02, y + height)]
    path = [(0.0, y), *half, (0.0, y + height + 0.012)]
    c.part(both(path), cloth=c.cloth.of(weave), bare=True, lift=0.15)


def buttons(
    c: Canvas, x: float, top: float, bottom: float, count: int, *, cloth: Cloth, radius: float = 0.0095
) -> None:
    """Paints a row of buttons down a line."""
    for y in np.linspace(top, bottom, count).tolist():
        c.dot(x, y, radius, cloth)


def button_cloth(c: Canvas) -> Cloth:
    """Returns a button's material that stands out from the garment."""
    dark = sum(c.cloth.base) < 1.2
    names = (
        ((232, 226, 214), (200, 178, 140), (170, 170, 175)) if dark else ((250, 248, 242), (92, 66, 44), (52, 50, 52))
    )
    return plain(names[int(c.rng.integers(0, 3))], "rubber")


def wavy_hem(flare: float, end: float, count: int, wave: float) -> list[tuple[float, ...]]:
    """Returns the right half of a hem that falls in `count` soft folds, side to centre, as offsets."""
    steps = max(6, 4 * count)
    at = [i / steps for i in range(1, steps + 1)]
    return [
        (flare * (1 - t), end - 0.02 * (1 - t) ** 2 + 0.02 * t - wave * float(np.cos(2 * np.pi * count * t)))
        for t in at
    ]


def collar(c: Canvas, cut: Cut, *, cloth: Cloth | None = None, size: float = 0.085, gap: float = 0.012) -> None:
    """Paints a shirt's collar: the stand behind, two leaves in front."""
    cloth = cloth or c.cloth
    n, t = cut.neck, cut.top
    stand = [
        (0.0, t - 0.012),
        (n * 0.8, t - 0.018),
        corner(n + 0.006, t + 0.01),
        corner(n * 0.7, t + 0.05),
        (0.0, t + 0.035),
    ]
    c.part(both(stand), cloth=cloth, tone=0.72, lift=0.1)
    for side in (-1.0, 1.0):
        leaf = [
            corner(gap, t + cut.dip),
            corner(n * 0.55, t + cut.dip + size * 0.92),
            (n + 0.028, t + 0.052),
            corner(n + 0.012, t + 0.004),
            (n * 0.86, t - 0.018),
            (n * 0.55, t + cut.dip * 0.35),
        ]
        c.part(flip(leaf, side), cloth=cloth, angle=-side * 0.6, lift=0.45, puff=0.8)


def placket(c: Canvas, top: float, bottom: float, *, width: float = 0.034) -> None:
    """Paints the strip that carries the buttons."""
    half = width / 2
    c.part([corner(0.5 - half, top), corner(0.5 + half, top), corner(0.5 + half, bottom), corner(0.5 - half, bottom)],
           lift=0.2, puff=0.45)  # fmt: skip


def pocket(c: Canvas, x: float, y: float, width: float, height: float, *, flap: bool = False) -> None:
    """Paints a patch pocket with its left top corner at x, y."""
    w, h = width, height
    bag = [corner(x, y), corner(x + w, y), corner(x + w, y + h * 0.8), (x + w / 2, y + h), corner(x, y + h * 0.8)]
    c.part(bag, lift=0.3, puff=0.4)
    if flap:
        lid = [corner(x - 0.004, y - 0.004), corner(x + w + 0.004, y - 0.004), corner(x + w + 0.004, y + h * 0.25)]
        c.part([*lid, corner(x + w / 2, y + h * 0.4), corner(x - 0.004, y + h * 0.25)], lift=0.4, puff=0.5)
    else:
        c.seam([(x + 0.004, y + 0.018), (x + w - 0.004, y + 0.018)], tone=0.8, width=0.003)


def zipper(c: Canvas, x: float, top: float, bottom: float) -> None:
    """Paints a zip from top to bottom at x, with its puller."""
    tape = [corner(x - 0.009, top), corner(x + 0.009, top), corner(x + 0.009, bottom), corner(x - 0.009, bottom)]
    c.part(tape, cloth=c.cloth.shade(0.6), lift=0.25, puff=0.3)
    c.seam([(x, top + 0.005), (x, bottom - 0.005)], width=0.008, colour=METAL.base, dash=0.01)
    c.part(ribbon([(x, top + 0.02), (x, top + 0.055)], 0.011, end=0.016), cloth=METAL, lift=0.5)


def fittings(c: Canvas) -> Cloth:
    """Returns gold or silver fittings."""
    return BRASS if c.rng.uniform() < 0.6 else METAL


def box(x0: float, y0: float, x1: float, y1: float) -> Path:
    """Returns the outline of a rectangle."""
    return [corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)]
