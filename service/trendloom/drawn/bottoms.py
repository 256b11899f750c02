"""Garments worn below the waist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trendloom.drawn.canvas import Canvas, Path, both, corner, flip, ribbon
from trendloom.drawn.fabric import plain
from trendloom.drawn.torso import BRASS, Traits, button_cloth, wavy_hem

__all__ = ["jeans", "leggings", "shorts", "skirt", "track_pants", "trousers"]

NONE = Traits()
THREAD = (0.84, 0.61, 0.3)


@dataclass(frozen=True, kw_only=True)
class Legs:
    """Measures of a lower body, shares of the frame."""

    top: float = 0.07
    waist: float = 0.13
    hip: float = 0.172
    crotch: float = 0.36
    end: float = 0.93
    hem: float = 0.1
    gap: float = 0.045

    def outline(self) -> list[tuple[float, ...]]:
        """Returns the right leg with its half of the hip."""
        knee = 0.5 * (self.crotch + self.end)
        mid = 0.5 * (self.hip + self.gap + self.hem)
        return [
            corner(0.0, self.top + 0.008),
            corner(self.waist, self.top),
            (0.5 * (self.waist + self.hip) + 0.01, self.top + 0.09),
            (self.hip, self.crotch - 0.04),
            (mid + 0.004, knee),
            corner(self.gap + self.hem, self.end),
            (self.gap + self.hem * 0.5, self.end + 0.008),
            corner(self.gap, self.end + 0.002),
            (self.gap * 0.65, knee),
            corner(0.0, self.crotch),
        ]


def _pair(c: Canvas, legs: Legs) -> None:
    """Paints both legs with soft creases at the crotch and the knee."""
    rng = c.rng
    for side in (-1.0, 1.0):
        c.part(flip(legs.outline(), side), lift=0.18)
        folds: list[Path] = []
        for k in range(3):
            y = legs.crotch - 0.012 + 0.02 * k
            folds.append(flip([(0.006, y), (0.05 + 0.02 * k, y - 0.012), (0.1 + 0.01 * k, y - 0.045)], side))
        if legs.end > 0.7:
            knee = 0.5 * (legs.crotch + legs.end) + float(rng.uniform(-0.02, 0.02))
            x = legs.gap
            folds.append(flip([(x, knee), (x + 0.05, knee + 0.012), (x + 0.085, knee - 0.008)], side))
            folds.append(flip([(x + 0.02, legs.end - 0.06), (x + 0.06, legs.end - 0.05)], side))
        c.folds(folds, width=0.02, depth=0.17)
    c.seam([(0.5, legs.top + 0.03), (0.5, legs.crotch)], tone=0.55, width=0.005)


def _waistband(c: Canvas, legs: Legs, *, height: float = 0.036, loops: bool = True, rib: bool = False) -> None:
    """Paints the inside of the waist and the band in front, with belt loops and a button or with a drawn rib."""
    y, w = legs.top, legs.waist
    back = [(0.0, y - 0.008), corner(w - 0.004, y - 0.004), corner(w, y + 0.03), (0.0, y + 0.034)]
    c.part(both(back), tone=0.6, lift=0.0, puff=0.5)
    band = [(0.0, y + 0.014), corner(w, y - 0.001), corner(w + 0.008, y + height), (0.0, y + height + 0.016)]
    c.part(both(band), cloth=c.cloth.of("rib") if rib else None, lift=0.3, puff=0.7, bare=rib)
    if loops:
        for x in (-0.8, -0.42, 0.42, 0.8):
            at, low = 0.5 + x * w, y + 0.012 * (1 - abs(x))
            c.part([corner(at - 0.007, low), corner(at + 0.007, low), corner(at + 0.007, low + height + 0.008),
                    corner(at - 0.007, low + height + 0.008)], lift=0.35)  # fmt: skip


def trousers(c: Canvas) -> Traits:
    """Paints trousers: slim, straight or wide, creased or not."""
    rng = c.rng
    hem = float(rng.choice([0.072, 0.09, 0.13])) + float(rng.uniform(-0.006, 0.006))
    legs = Legs(hem=hem, gap=0.05 if hem < 0.1 else 0.03, end=float(rng.uniform(0.86, 0.94)), hip=0.165 + 0.1 * hem)
    _pair(c, legs)
    for side in (-1.0, 1.0):
        c.seam(flip([(0.085, legs.top + 0.045), (0.13, legs.top + 0.13)], side), tone=0.5, width=0.006)
        middle = legs.gap + legs.hem * 0.5
        if rng.uniform() < 0.8:
            c.seam(flip([(0.07, legs.top + 0.06), (0.085, 0.4), (middle, legs.end)], side), tone=0.8, width=0.006)
    _waistband(c, legs)
    c.dot(0.5, legs.top + 0.034, 0.009, button_cloth(c))
    return NONE


def jeans(c: Canvas) -> Traits:
    """Paints jeans: stitched, riveted, often washed out on the thighs."""
    rng = c.rng
    hem = float(rng.choice([0.062, 0.085, 0.12])) + float(rng.uniform(-0.006, 0.006))
    legs = Legs(hem=hem, gap=0.05 if hem < 0.1 else 0.035, end=float(rng.uniform(0.87, 0.94)))
    _pair(c, legs)
    thread = THREAD if rng.uniform() < 0.75 else (0.92, 0.9, 0.86)
    faded = float(rng.uniform(0.0, 0.3))
    for side in (-1.0, 1.0):
        c.folds(
            [flip([(0.09, 0.3), (0.1, 0.42), (legs.gap + legs.hem * 0.5, 0.66)], side)], width=0.09, depth=-0.5 * faded
        )
        curve = [(0.058, legs.top + 0.05), (0.07, legs.top + 0.095), (0.142, legs.top + 0.115)]
        c.seam(flip(curve, side), tone=0.5, width=0.005)
        c.seam(flip([(x, y + 0.01) for x, y in curve], side), colour=thread, dash=0.008, width=0.0032)
        outer = [(0.16, legs.crotch - 0.1), (legs.hip - 0.012, legs.crotch), (0.5 * (legs.hip + legs.gap + legs.hem) - 0.009, 0.64),
                 (legs.gap + legs.hem - 0.012, legs.end - 0.02)]  # fmt: skip
        c.seam(flip(outer, side), colour=thread, dash=0.008, width=0.003)
        for y in (0.014, 0.022):
            c.seam(
                flip([(legs.gap + 0.004, legs.end - y), (legs.gap + legs.hem - 0.004, legs.end - y)], side),
                colour=thread,
                dash=0.008,
                width=0.003,
            )
        c.dot(0.5 + side * 0.062, legs.top + 0.058, 0.0055, BRASS)
        c.dot(0.5 + side * 0.136, legs.top + 0.12, 0.0055, BRASS)
    fly = [(0.5 + 0.034, legs.top + 0.05), (0.5 + 0.032, legs.top + 0.15), (0.5, legs.top + 0.2)]
    c.seam(fly, colour=thread, dash=0.008, width=0.0032)
    _waistband(c, legs)
    c.seam([(0.5 - legs.waist + 0.006, legs.top + 0.034), (0.5, legs.top + 0.05), (0.5 + legs.waist - 0.006, legs.top + 0.034)],
           colour=thread, dash=0.008, width=0.003)  # fmt: skip
    c.dot(0.5, legs.top + 0.034, 0.011, BRASS)
    return NONE


def shorts(c: Canvas) -> Traits:
    """Paints shorts with a waistband or a drawstring."""
    rng = c.rng
    end = float(rng.uniform(0.62, 0.74))
    legs = Legs(top=0.24, waist=0.19, hip=0.235, crotch=0.5, end=end, hem=float(rng.uniform(0.2, 0.24)), gap=0.025)
    _pair(c, legs)
    for side in (-1.0, 1.0):
        c.seam(flip([(0.12, legs.top + 0.055), (0.195, legs.top + 0.15)], side), tone=0.5, width=0.006)
        c.seam(flip([(legs.gap + 0.004, end - 0.022), (legs.gap + legs.hem - 0.006, end - 0.024)], side), tone=0.72)
    if rng.uniform() < 0.5:
        _waistband(c, legs, height=0.045)
        c.dot(0.5, legs.top + 0.04, 0.011, button_cloth(c))
    else:
        _waistband(c, legs, height=0.05, loops=False, rib=True)
        _drawstring(c, legs.top + 0.05)
    return NONE


def _drawstring(c: Canvas, y: float) -> None:
    """Paints a knotted cord at the waist."""
    cord = plain((240, 238, 232) if sum(c.cloth.base) < 2.2 else (70, 70, 74), "rubber")
    for side in (-1.0, 1.0):
        c.part(ribbon(flip([(0.002, y), (0.024, y + 0.045), (0.016, y + 0.11)], side), 0.009), cloth=cord, lift=0.45)
        c.part(
            ribbon(flip([(0.002, y), (0.03, y - 0.012), (0.036, y + 0.014), (0.002, y + 0.004)], side), 0.008),
            cloth=cord,
            lift=0.45,
        )


def track_pants(c: Canvas) -> Traits:
    """Paints track pants with ribbed ankles, often with stripes down the side."""
    rng = c.rng
    legs = Legs(hem=0.088, gap=0.05, end=float(rng.uniform(0.84, 0.88)), hip=0.182, waist=0.135)
    _pair(c, legs)
    stripes = int(rng.integers(0, 4))
    ink = (0.96, 0.96, 0.95) if sum(c.cloth.base) < 2.2 else (0.15, 0.15, 0.17)
    for side in (-1.0, 1.0):
        for k in range(stripes):
            off = 0.016 + 0.017 * k
            line = [(legs.waist - off * 0.8, legs.top + 0.04), (0.5 * (legs.waist + legs.hip) + 0.01 - off, legs.top + 0.09), (legs.hip - off, legs.crotch - 0.04),
                    (0.5 * (legs.hip + legs.gap + legs.hem) - off, 0.5 * (legs.crotch + legs.end)), (legs.gap + legs.hem - off, legs.end - 0.004)]  # fmt: skip
            c.seam(flip(line, side), colour=ink, width=0.008)
        x0, x1 = legs.gap + 0.008, legs.gap + legs.hem - 0.008
        cuff = [
            corner(x0 - 0.006, legs.end - 0.008),
            corner(x1 + 0.006, legs.end - 0.008),
            corner(x1, legs.end + 0.045),
            corner(x0, legs.end + 0.045),
        ]
        c.part(flip(cuff, side), cloth=c.cloth.of("rib"), bare=True, lift=0.25)
        c.seam(flip([(0.095, legs.top + 0.07), (0.125, legs.top + 0.16)], side), tone=0.5, width=0.006)
    _waistband(c, legs, height=0.045, loops=False, rib=True)
    _drawstring(c, legs.top + 0.055)
    return NONE


def leggings(c: Canvas) -> Traits:
    """Paints leggings."""
    legs = Legs(hem=0.048, gap=0.062, end=0.93, hip=0.148, waist=0.112, crotch=0.34)
    c.cloth = c.cloth.of("satin")
    _pair(c, legs)
    band = [
        (0.0, legs.top + 0.008),
        corner(0.112, legs.top),
        (0.124, legs.top + 0.06),
        corner(0.132, legs.top + 0.085),
        (0.0, legs.top + 0.1),
    ]
    c.part(both(band), lift=0.25)
    return NONE


def skirt(c: Canvas) -> Traits:
    """Paints a skirt: flared, straight or pleated, of any length."""
    rng = c.rng
    kind = int(rng.integers(0, 3))
    top, waist = float(rng.uniform(0.14, 0.2)), float(rng.uniform(0.13, 0.15))
    end = top + float(rng.uniform(0.42, 0.66) if kind else rng.uniform(0.36, 0.6))
    flare = float((rng.uniform(0.3, 0.38), rng.uniform(0.175, 0.2), rng.uniform(0.27, 0.33))[kind])
    side_path: list[tuple[float, ...]] = [(0.0, top), corner(waist, top - 0.008)]
    if kind == 1:
        side_path += [(0.2, top + 0.16), (0.205, top + 0.3)]
    else:
        side_path += [(waist + 0.32 * (flare - waist) + 0.02, top + 0.25 * (end - top))]
    count = {0: int(rng.integers(3, 6)), 1: 2, 2: 8}[kind]
    wave = {0: 0.016, 1: 0.0, 2: 0.006}[kind]
    c.part(both([*side_path, corner(flare, end - 0.02), *wavy_hem(flare, end, count, wave)]), lift=0.2)
    lines: list[Path] = []
    for t in np.linspace(-0.88, 0.88, 2 * count + (kind == 2)).tolist():
        lines.append([(0.5 + t * flare, end - 0.012), (0.5 + t * (0.6 * flare + 0.4 * waist), 0.5 * (top + end)),
                      (0.5 + t * waist, top + (0.05 if kind == 2 else float(rng.uniform(0.05, 0.2))))])  # fmt: skip
    if kind == 2:
        for line in lines:
            c.seam(line, tone=0.62, width=0.005)
        c.folds(lines, width=0.034, depth=0.26)
    elif kind == 0:
        c.folds(lines, width=0.034, depth=0.22)
    else:
        c.folds(
            [[(0.5 + s * 0.19, top + 0.2), (0.5 + s * 0.1, top + 0.23), (0.5, top + 0.22)] for s in (-1.0, 1.0)],
            width=0.025,
            depth=0.14,
        )
        c.seam([(0.53, end - 0.14), (0.53, end + 0.01)], tone=0.5, width=0.005)
    c.part(
        both([(0.0, top + 0.004), corner(waist, top - 0.008), corner(waist + 0.006, top + 0.03), (0.0, top + 0.045)]),
        lift=0.3,
    )
    if kind == 1 and rng.uniform() < 0.5:
        for y in np.linspace(top + 0.08, end - 0.06, 6).tolist():
            c.dot(0.53, y, 0.011, button_cloth(c))
    return NONE
