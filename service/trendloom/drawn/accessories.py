"""Headwear, glasses, watches and other accessories."""

from __future__ import annotations

import numpy as np

from trendloom.drawn.canvas import Canvas, Path, both, corner, flip, ribbon
from trendloom.drawn.fabric import plain
from trendloom.drawn.torso import Traits, box, fittings

__all__ = ["beanie", "belt", "cap", "gloves", "hat", "scarf", "sunglasses", "tie", "watch"]

NONE = Traits()


def _oval(x: float, y: float, rx: float, ry: float) -> Path:
    """Returns the outline of an ellipse."""
    t = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in t]


def scarf(c: Canvas) -> Traits:
    """Paints a scarf, looped once, with two fringed ends."""
    rng = c.rng
    fringe = c.cloth.shade(0.92)
    for dx, end, turn in ((-0.07, float(rng.uniform(0.78, 0.84)), 0.1), (0.07, float(rng.uniform(0.7, 0.8)), -0.1)):
        x = 0.5 + dx
        for k in np.linspace(-0.07, 0.07, 9).tolist():
            c.part(
                ribbon([(x + dx * 0.5 + k, end - 0.01), (x + dx * 0.6 + k * 1.08, end + 0.075)], 0.012, end=0.007),
                cloth=fringe,
                lift=0.1,
            )
        tail = [corner(x - 0.07, 0.36), corner(x + 0.07, 0.36), (x + dx * 0.3 + 0.082, 0.6), corner(x + dx * 0.5 + 0.08, end), (x + dx * 0.5, end + 0.006),
                corner(x + dx * 0.5 - 0.08, end), (x + dx * 0.3 - 0.082, 0.6)]  # fmt: skip
        c.part(tail, angle=turn, lift=0.45)
        c.folds(
            [[(x + o, 0.42), (x + o * 1.2 + dx * 0.3, 0.6), (x + o + dx * 0.5, end - 0.03)] for o in (-0.03, 0.035)],
            width=0.028,
            depth=0.2,
        )
    ring = [(0.5, 0.1), (0.68, 0.14), (0.75, 0.27), (0.68, 0.41), (0.5, 0.47), (0.32, 0.41), (0.25, 0.27), (0.32, 0.14)]
    c.part(ring, angle=0.2, lift=0.5)
    c.part(
        [
            (0.5, 0.145),
            (0.6, 0.165),
            (0.64, 0.22),
            (0.58, 0.275),
            (0.5, 0.29),
            (0.42, 0.275),
            (0.36, 0.22),
            (0.4, 0.165),
        ],
        tone=0.35,
        lift=0.0,
        puff=0.4,
    )
    c.folds([[(0.28, 0.25), (0.36, 0.36), (0.5, 0.4), (0.64, 0.36), (0.72, 0.25)], [(0.31, 0.2), (0.4, 0.31), (0.5, 0.335), (0.6, 0.31), (0.69, 0.2)],
             [(0.3, 0.33), (0.42, 0.43), (0.58, 0.43), (0.7, 0.33)]], width=0.03, depth=0.26)  # fmt: skip
    return NONE


def hat(c: Canvas) -> Traits:
    """Paints a hat with a brim: a fedora, a sun hat or a bucket hat."""
    rng = c.rng
    kind = int(rng.integers(0, 3))
    band = plain(c.cloth.second, "satin") if rng.uniform() < 0.6 else c.cloth.shade(0.4)
    if kind == 2:
        c.part(
            both([(0.0, 0.62), (0.2, 0.6), corner(0.25, 0.56), (0.33, 0.66), (0.37, 0.76), (0.2, 0.83), (0.0, 0.845)]),
            lift=0.2,
        )
        for y in (0.7, 0.735, 0.77, 0.8):
            c.seam(
                [(0.5 - 0.3 - 0.3 * (y - 0.7), y - 0.03), (0.5, y + 0.01), (0.5 + 0.3 + 0.3 * (y - 0.7), y - 0.03)],
                tone=0.78,
            )
        c.part(
            both(
                [(0.0, 0.24), (0.13, 0.25), (0.19, 0.3), (0.225, 0.46), corner(0.255, 0.6), (0.13, 0.65), (0.0, 0.66)]
            ),
            lift=0.3,
        )
        c.seam([(0.31, 0.31), (0.4, 0.345), (0.5, 0.35), (0.6, 0.345), (0.69, 0.31)], tone=0.75)
        return NONE
    brim = 0.4 if kind == 0 else 0.45
    y = 0.65
    c.part([(0.5 - brim, y + (0.0 if kind else -0.03)), (0.5 - brim * 0.6, y - 0.07), (0.5, y - 0.09), (0.5 + brim * 0.6, y - 0.07), (0.5 + brim, y + (0.0 if kind else -0.03)),
            (0.5 + brim * 0.62, y + 0.1), (0.5, y + 0.14), (0.5 - brim * 0.62, y + 0.1)], lift=0.2)  # fmt: skip
    if kind == 0:
        crown: Path = [
            (0.0, 0.3),
            (0.06, 0.265),
            (0.13, 0.262),
            (0.175, 0.33),
            (0.2, 0.48),
            corner(0.222, y),
            (0.1, y + 0.05),
            (0.0, y + 0.06),
        ]
    else:
        crown = [
            (0.0, 0.3),
            (0.11, 0.31),
            (0.18, 0.38),
            (0.2, 0.5),
            corner(0.21, y),
            (0.1, y + 0.045),
            (0.0, y + 0.055),
        ]
    c.part(both(crown), lift=0.45)
    if kind == 0:
        c.folds(
            [[(0.5, 0.3), (0.495, 0.38), (0.5, 0.46)], [(0.4, 0.36), (0.42, 0.43)], [(0.6, 0.36), (0.58, 0.43)]],
            width=0.03,
            depth=0.24,
        )
    c.part(
        both(
            [
                (0.0, y - 0.03),
                (0.1, y - 0.04),
                corner(0.214, y - 0.085),
                corner(0.222, y),
                (0.1, y + 0.048),
                (0.0, y + 0.058),
            ]
        ),
        cloth=band,
        lift=0.2,
    )
    return NONE


def cap(c: Canvas) -> Traits:
    """Paints a baseball cap from the side."""
    rng = c.rng
    s = 1.0 if rng.uniform() < 0.5 else -1.0
    peak = plain(c.cloth.second, "cotton") if rng.uniform() < 0.3 else c.cloth

    def at(path: Path) -> Path:
        return [(0.5 + s * (p[0] - 0.5), *p[1:]) for p in path]

    c.part(
        at(
            [
                corner(0.56, 0.585),
                (0.72, 0.55),
                (0.88, 0.58),
                (0.955, 0.64),
                (0.9, 0.665),
                (0.72, 0.645),
                corner(0.5, 0.66),
            ]
        ),
        cloth=peak,
        lift=0.2,
    )
    c.seam(at([(0.58, 0.6), (0.72, 0.575), (0.86, 0.595), (0.92, 0.635)]), tone=0.7, dash=0.01)
    c.part(
        at(
            [
                corner(0.13, 0.64),
                (0.125, 0.5),
                (0.2, 0.35),
                (0.36, 0.27),
                (0.52, 0.3),
                (0.62, 0.42),
                corner(0.655, 0.58),
                (0.5, 0.625),
                (0.3, 0.655),
            ]
        ),
        lift=0.4,
    )
    c.seam(at([(0.38, 0.272), (0.46, 0.42), (0.47, 0.63)]), tone=0.66)
    c.seam(at([(0.38, 0.272), (0.26, 0.4), (0.24, 0.645)]), tone=0.66)
    c.seam(at([(0.14, 0.615), (0.3, 0.63), (0.5, 0.6), (0.648, 0.555)]), tone=0.7, dash=0.01)
    c.dot(at([(0.38, 0.268)])[0][0], at([(0.38, 0.268)])[0][1], 0.016, peak.shade(0.9))
    for x, y in ((0.35, 0.4), (0.3, 0.44)):
        c.dot(at([(x, y)])[0][0], at([(x, y)])[0][1], 0.008, c.cloth.shade(0.5), lift=0.1)
    if rng.uniform() < 0.6:
        badge = at([(0.535, 0.41), (0.595, 0.43), (0.605, 0.5), (0.555, 0.51), (0.52, 0.47)])
        c.part(badge, cloth=plain(c.cloth.second, "cotton"), lift=0.3)
    return NONE


def beanie(c: Canvas) -> Traits:
    """Paints a knitted hat, with or without a bobble."""
    bobble = c.rng.uniform() < 0.5
    if bobble:
        ball = c.cloth.shade(1.0) if c.rng.uniform() < 0.5 else plain(c.cloth.second, "wool")
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        reach = 0.088 + 0.008 * np.where(np.arange(40) % 2, 1.0, -1.0)
        c.part(
            [(0.5 + float(r * np.cos(t)), 0.19 + float(r * np.sin(t))) for t, r in zip(turn, reach, strict=True)],
            cloth=ball.of("wool"),
            lift=0.2,
        )
    c.part(both([(0.0, 0.22), (0.12, 0.245), (0.22, 0.36), (0.262, 0.55), corner(0.268, 0.68), (0.0, 0.7)]), lift=0.35)
    c.folds(
        [
            [(0.5 + t * 0.08, 0.27), (0.5 + t * 0.2, 0.42), (0.5 + t * 0.23, 0.62)]
            for t in (-0.9, -0.45, 0.0, 0.45, 0.9)
        ],
        width=0.02,
        depth=0.12,
    )
    cuff = c.cloth.of("rib")
    c.part(
        both([(0.0, 0.62), (0.2, 0.612), (0.275, 0.6), (0.288, 0.68), (0.276, 0.77), (0.15, 0.79), (0.0, 0.795)]),
        cloth=cuff,
        lift=0.45,
        bare=True,
    )
    return NONE


def sunglasses(c: Canvas) -> Traits:
    """Paints sunglasses from the front, arms folded out behind."""
    rng = c.rng
    kind = int(rng.integers(0, 3))
    lens = plain([(38, 36, 40), (66, 44, 30), (40, 56, 70), (30, 48, 40)][int(rng.integers(0, 4))], "metal")
    c.cloth = c.cloth.of("rubber")
    for side in (-1.0, 1.0):
        c.part(
            ribbon(flip([(0.385, 0.4), (0.41, 0.3), (0.35, 0.24), (0.2, 0.235)], side), 0.024, end=0.016),
            tone=0.75,
            lift=0.2,
        )
    for side in (-1.0, 1.0):
        if kind == 0:
            rim: Path = [
                (0.05, 0.42),
                (0.2, 0.375),
                corner(0.4, 0.365),
                (0.405, 0.5),
                (0.33, 0.62),
                (0.18, 0.63),
                (0.07, 0.56),
            ]
        elif kind == 1:
            rim = _oval(0.215, 0.49, 0.165, 0.15)
        else:
            rim = [(0.055, 0.42), (0.2, 0.39), (0.37, 0.41), (0.385, 0.5), (0.3, 0.65), (0.16, 0.64), (0.07, 0.53)]
        x, y = 0.222, 0.495
        thin = 0.8 if kind != 2 else 0.9
        c.part(flip(rim, side), lift=0.3, puff=0.8)
        inner = [(x + (p[0] - x) * thin, y + (p[1] - y) * thin, *p[2:]) for p in rim]
        c.part(flip(inner, side), cloth=lens, lift=0.0, puff=0.3)
        c.seam(
            [(0.5 + side * 0.2 - 0.05, 0.58), (0.5 + side * 0.2 + 0.05, 0.43)], colour=(0.62, 0.64, 0.68), width=0.014
        )
        c.seam(
            [(0.5 + side * 0.2 + 0.0, 0.59), (0.5 + side * 0.2 + 0.075, 0.48)], colour=(0.5, 0.52, 0.56), width=0.007
        )
    c.part(ribbon([(0.43, 0.455), (0.5, 0.425), (0.57, 0.455)], 0.026), lift=0.3)
    return NONE


def watch(c: Canvas) -> Traits:
    """Paints a wristwatch with a strap or a metal bracelet."""
    rng = c.rng
    metal = fittings(c)
    band = c.cloth.of("leather")
    linked = rng.uniform() < 0.3
    for s in (-1.0, 1.0):
        strap = [
            corner(0.085, 0.5),
            corner(0.078, 0.5 + s * 0.24),
            (0.062, 0.5 + s * 0.4),
            (0.04, 0.5 + s * 0.445),
            (0.0, 0.5 + s * 0.45),
        ]
        c.part(both(strap), cloth=band, lift=0.1, bare=False)
        for y in np.arange(0.2, 0.43, 0.034 if linked else 0.05).tolist():
            if linked:
                c.seam(
                    [(0.425, 0.5 + s * y), (0.5, 0.5 + s * (y + 0.006)), (0.575, 0.5 + s * y)], tone=0.45, width=0.007
                )
            elif s > 0:
                c.dot(0.5, 0.5 + s * y, 0.009, plain((40, 36, 34)), lift=0.0)
    if not linked:
        for x in (0.432, 0.568):
            c.seam([(x, 0.1), (x, 0.9)], tone=0.68, dash=0.01, width=0.004)
    c.part(_oval(0.5, 0.5, 0.178, 0.178), cloth=c.cloth.of("metal") if linked else metal, lift=0.5)
    c.part(box(0.675, 0.48, 0.703, 0.52), cloth=metal, lift=0.3)
    face = plain([(246, 245, 240), (28, 30, 36), (240, 232, 214), (30, 46, 84)][int(rng.integers(0, 4))], "rubber")
    c.part(_oval(0.5, 0.5, 0.146, 0.146), cloth=face, lift=0.35, puff=0.5)
    ink = (0.12, 0.12, 0.14) if sum(face.base) > 1.5 else (0.93, 0.93, 0.9)
    for k in range(12):
        a = 2 * np.pi * k / 12
        x, y = float(np.sin(a)), -float(np.cos(a))
        c.seam(
            [(0.5 + 0.112 * x, 0.5 + 0.112 * y), (0.5 + 0.13 * x, 0.5 + 0.13 * y)],
            colour=ink,
            width=0.013 if k % 3 == 0 else 0.007,
        )
    turn = float(rng.uniform(0, 2 * np.pi))
    for a, reach, width in ((turn / 12 - 1.0, 0.07, 0.014), (turn, 0.105, 0.009)):
        c.seam([(0.5, 0.5), (0.5 + reach * float(np.sin(a)), 0.5 - reach * float(np.cos(a)))], colour=ink, width=width)
    c.dot(0.5, 0.5, 0.011, metal, lift=0.2)
    return NONE


def belt(c: Canvas) -> Traits:
    """Paints a belt rolled once, its buckle in front."""
    rng = c.rng
    metal = fittings(c)
    band = c.cloth.of("leather")
    width = float(rng.uniform(0.07, 0.1))
    back: Path = [(0.13, 0.53), (0.2, 0.4), (0.5, 0.34), (0.8, 0.4), (0.87, 0.53)]
    c.part(ribbon(back, width), cloth=band, tone=0.55, lift=0.0)
    front: Path = [(0.1, 0.5), (0.14, 0.58), (0.3, 0.65), (0.5, 0.67), (0.7, 0.65), (0.86, 0.58), (0.9, 0.5)]
    c.part(ribbon(front, width), cloth=band, lift=0.4)
    for s in (-1, 1):
        line = [(x, y + s * width * 0.36) for x, y in front]
        c.seam(line, tone=0.68, dash=0.01, width=0.004)
    for x in (0.62, 0.67, 0.72, 0.77):
        c.dot(x, 0.668 - 0.9 * (x - 0.5) ** 2, 0.008, plain((30, 26, 24)), lift=0.0)
    h = width * 0.72
    buckle = both(
        [
            corner(0.0, 0.67 - h),
            (0.06, 0.67 - h),
            corner(0.075, 0.67 - h + 0.014),
            corner(0.075, 0.67 + h - 0.014),
            (0.06, 0.67 + h),
            corner(0.0, 0.67 + h),
        ]
    )
    c.part(buckle, cloth=metal, lift=0.5)
    c.part(box(0.5 - 0.052, 0.67 - h + 0.024, 0.5 + 0.052, 0.67 + h - 0.024), cloth=band, tone=0.85, lift=0.0)
    c.part(ribbon([(0.44, 0.67), (0.57, 0.67)], 0.018, end=0.012), cloth=metal, lift=0.4)
    c.part(box(0.35, 0.66 - width * 0.58, 0.385, 0.65 + width * 0.58), cloth=band, tone=0.95, lift=0.4)
    return NONE


def tie(c: Canvas) -> Traits:
    """Paints a tie with its knot and the narrow end behind."""
    rng = c.rng
    wide = float(rng.uniform(0.075, 0.1))
    end = float(rng.uniform(0.86, 0.93))
    c.part(
        [
            corner(0.515, 0.2),
            corner(0.55, 0.2),
            corner(0.575, end - 0.16),
            corner(0.545, end - 0.11),
            corner(0.51, end - 0.16),
        ],
        tone=0.65,
        lift=0.0,
        angle=0.78,
    )
    c.part(
        both([corner(0.0, 0.18), corner(0.03, 0.18), (0.055, 0.45), corner(wide, end - 0.095), corner(0.0, end)]),
        lift=0.4,
        angle=0.78,
    )
    c.part(
        both([(0.0, 0.075), corner(0.058, 0.068), (0.05, 0.13), corner(0.034, 0.195), (0.0, 0.205)]),
        lift=0.5,
        angle=-0.4,
    )
    c.folds([[(0.49, 0.21), (0.485, 0.3), (0.495, 0.42)], [(0.515, 0.21), (0.52, 0.28)]], width=0.018, depth=0.3)
    for s in (-1.0, 1.0):
        c.part(ribbon(flip([(0.03, 0.085), (0.085, 0.05), (0.14, 0.07)], s), 0.036, end=0.03), tone=0.75, lift=0.2)
    return NONE


def gloves(c: Canvas) -> Traits:
    """Paints a pair of gloves."""
    weave = str(c.rng.choice(["leather", "knit"]))
    c.cloth = c.cloth.of(weave)
    for side in (-1.0, 1.0):
        hand = [corner(0.075, 0.84), (0.085, 0.66), (0.06, 0.52), (0.055, 0.33), (0.073, 0.285), (0.093, 0.33), (0.1, 0.47), (0.108, 0.25),
                (0.127, 0.2), (0.148, 0.25), (0.148, 0.46), (0.16, 0.25), (0.18, 0.21), (0.2, 0.26), (0.196, 0.47), (0.212, 0.31), (0.232, 0.28), (0.248, 0.32), (0.24, 0.5),
                (0.242, 0.64), corner(0.22, 0.84)]  # fmt: skip
        thumb = [(0.1, 0.7), (0.045, 0.6), (0.012, 0.5), (0.02, 0.46), (0.05, 0.475), (0.09, 0.56), (0.12, 0.6)]
        c.part(flip(hand, side), lift=0.2)
        c.part(flip(thumb, side), lift=0.4)
        for x in (0.112, 0.15, 0.19):
            c.seam(flip([(x, 0.5), (x + 0.003, 0.62)], side), tone=0.72)
        cuff = [corner(0.068, 0.8), corner(0.228, 0.8), corner(0.222, 0.91), corner(0.074, 0.91)]
        c.part(flip(cuff, side), cloth=c.cloth.of("rib" if weave == "knit" else "leather"), lift=0.3)
    return NONE
