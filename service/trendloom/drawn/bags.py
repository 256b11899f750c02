"""Bags."""

from __future__ import annotations

from trendloom.drawn.canvas import Canvas, Path, both, corner, flip, ribbon
from trendloom.drawn.fabric import plain
from trendloom.drawn.torso import METAL, Traits, box, fittings

__all__ = ["backpack", "clutch", "handbag"]

NONE = Traits()


def handbag(c: Canvas) -> Traits:
    """Paints a handbag: structured with a flap, or an open tote."""
    rng = c.rng
    metal = fittings(c)
    top, low = float(rng.uniform(0.38, 0.44)), float(rng.uniform(0.8, 0.86))
    wide, foot = float(rng.uniform(0.22, 0.27)), float(rng.uniform(0.27, 0.32))
    reach = float(rng.uniform(0.14, 0.22))
    handle: Path = [
        (0.5 - 0.13, top + 0.03),
        (0.5 - 0.12, top - reach),
        (0.5, top - reach - 0.08),
        (0.5 + 0.12, top - reach),
        (0.5 + 0.13, top + 0.03),
    ]
    c.part(ribbon([(x + 0.012, y - 0.015) for x, y in handle], 0.026), cloth=c.cloth.shade(0.6), lift=0.0)
    body = [
        (0.0, top),
        corner(wide, top - 0.006),
        (0.5 * (wide + foot) + 0.012, 0.5 * (top + low)),
        (foot, low - 0.04),
        (foot - 0.04, low),
        (0.0, low + 0.008),
    ]
    c.part(both(body), lift=0.2)
    tote = rng.uniform() < 0.35
    c.seam([(0.5 - foot + 0.03, low - 0.03), (0.5, low - 0.02), (0.5 + foot - 0.03, low - 0.03)], tone=0.72, dash=0.01)
    if tote:
        c.seam(
            [(0.5 - wide + 0.012, top + 0.025), (0.5, top + 0.03), (0.5 + wide - 0.012, top + 0.025)],
            tone=0.65,
            dash=0.01,
        )
        c.folds(
            [[(0.5 + s * 0.2, top + 0.08), (0.5 + s * 0.17, top + 0.2), (0.5 + s * 0.19, low - 0.08)] for s in (-1, 1)],
            width=0.035,
            depth=0.2,
        )
    else:
        drop = top + float(rng.uniform(0.16, 0.24))
        c.part(
            both(
                [
                    (0.0, top - 0.008),
                    corner(wide + 0.008, top - 0.012),
                    (wide + 0.016, top + 0.08),
                    (wide * 0.8, drop - 0.012),
                    (0.0, drop),
                ]
            ),
            lift=0.5,
        )
        c.seam([(0.5 - wide, top + 0.08), (0.5 - wide * 0.76, drop - 0.026), (0.5, drop - 0.016), (0.5 + wide * 0.76, drop - 0.026), (0.5 + wide, top + 0.08)],
               tone=0.72, dash=0.01)  # fmt: skip
        c.part(box(0.47, drop - 0.03, 0.53, drop + 0.03), cloth=metal, lift=0.5)
        c.part(box(0.487, drop - 0.006, 0.513, drop + 0.012), cloth=c.cloth.shade(0.7), lift=0.0)
    c.part(ribbon(handle, 0.028), cloth=c.cloth.shade(0.88), lift=0.4)
    for side in (-1.0, 1.0):
        c.dot(0.5 + side * 0.13, top + 0.03, 0.022, metal)
        c.dot(0.5 + side * 0.13, top + 0.03, 0.011, c.cloth.shade(0.8))
    return NONE


def clutch(c: Canvas) -> Traits:
    """Paints an envelope clutch."""
    metal = fittings(c)
    top, low = 0.34, float(c.rng.uniform(0.66, 0.72))
    c.part(both([(0.0, top), corner(0.35, top), (0.354, 0.5), corner(0.35, low), (0.0, low + 0.006)]), lift=0.0)
    tip = float(c.rng.uniform(0.52, 0.6))
    c.part(
        both(
            [(0.0, top - 0.006), corner(0.354, top - 0.004), corner(0.34, top + 0.05), (0.05, tip - 0.02), (0.0, tip)]
        ),
        lift=0.5,
    )
    c.seam(
        [(0.17, top + 0.045), (0.45, tip - 0.032), (0.5, tip - 0.018), (0.55, tip - 0.032), (0.83, top + 0.045)],
        tone=0.7,
        dash=0.01,
    )
    c.dot(0.5, tip - 0.035, 0.019, metal)
    if c.rng.uniform() < 0.6:
        c.part(
            ribbon([(0.16, 0.38), (0.07, 0.5), (0.1, 0.64), (0.16, 0.6), (0.14, 0.45)], 0.014), cloth=metal, lift=0.4
        )
    return NONE


def backpack(c: Canvas) -> Traits:
    """Paints a backpack with a front pocket, zips and straps."""
    rng = c.rng
    trim = plain((150, 104, 66), "leather") if rng.uniform() < 0.4 else c.cloth.shade(0.55)
    for side in (-1.0, 1.0):
        c.part(
            ribbon(flip([(0.12, 0.17), (0.29, 0.3), (0.33, 0.55), (0.25, 0.82)], side), 0.05, end=0.03),
            cloth=trim,
            lift=0.0,
        )
    c.part(
        ribbon([(0.43, 0.13), (0.44, 0.065), (0.5, 0.048), (0.56, 0.065), (0.57, 0.13)], 0.028), cloth=trim, lift=0.3
    )
    c.part(
        both(
            [
                (0.0, 0.1),
                (0.13, 0.115),
                (0.225, 0.21),
                (0.26, 0.45),
                (0.262, 0.78),
                (0.235, 0.88),
                (0.12, 0.9),
                (0.0, 0.9),
            ]
        ),
        lift=0.35,
    )
    arch: Path = [(0.26, 0.52), (0.285, 0.3), (0.37, 0.185), (0.5, 0.165), (0.63, 0.185), (0.715, 0.3), (0.74, 0.52)]
    c.seam(arch, tone=0.45, width=0.013)
    c.seam(arch, width=0.005, colour=METAL.base, dash=0.008)
    c.part(both([(0.0, 0.5), (0.15, 0.505), (0.19, 0.54), (0.2, 0.7), (0.185, 0.83), (0.0, 0.845)]), lift=0.5)
    c.seam([(0.33, 0.585), (0.5, 0.575), (0.67, 0.585)], tone=0.4, width=0.013)
    c.seam([(0.33, 0.585), (0.5, 0.575), (0.67, 0.585)], width=0.005, colour=METAL.base, dash=0.008)
    c.part(ribbon([(0.645, 0.585), (0.66, 0.65)], 0.016), cloth=trim, lift=0.5)
    c.part(box(0.44, 0.34, 0.56, 0.42), cloth=trim, lift=0.4, puff=0.5)
    c.part(box(0.238, 0.855, 0.762, 0.885), cloth=trim, lift=0.2, puff=0.6)
    return NONE
