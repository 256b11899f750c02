"""What is worn on the feet: shoes from the side or from above, and socks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trendloom.drawn.canvas import Canvas, Path, corner, flip, ribbon
from trendloom.drawn.fabric import Cloth, plain
from trendloom.drawn.torso import METAL, Traits

__all__ = ["boots", "flip_flops", "heels", "sneakers", "socks"]

NONE = Traits()
RUBBER = plain((240, 239, 234), "rubber")
DARK = plain((48, 40, 36), "rubber")


def _shoes(c: Canvas, paint: Callable[[Canvas, Callable[[Path], Path]], None], *, scale: float, low: float) -> None:
    """Paints a pair seen from the side: the far shoe behind, the near one in front."""
    side = 1.0 if c.rng.uniform() < 0.5 else -1.0
    for dx, dy, zoom in ((0.07, -0.15, 0.94), (-0.035, 0.0, 1.0)):
        k = scale * zoom

        def place(path: Path, k: float = k, dx: float = dx, dy: float = dy) -> Path:
            return [(0.5 + side * ((p[0] - 0.5) * k + dx), low + dy + (p[1] - 0.5) * k, *p[2:]) for p in path]

        paint(c, place)


def sneakers(c: Canvas) -> Traits:
    """Paints a pair of sneakers, low or high."""
    rng = c.rng
    high = -0.22 if rng.uniform() < 0.3 else 0.0
    trim = plain(c.cloth.second) if rng.uniform() < 0.6 else c.cloth.shade(0.8)
    sole = RUBBER if rng.uniform() < 0.8 else plain((190, 150, 104), "rubber")
    lace = RUBBER if sum(c.cloth.base) < 2.4 else plain((225, 223, 218), "cotton")
    panel = int(rng.integers(0, 3))

    def one(c: Canvas, at: Callable[[Path], Path]) -> None:
        tongue = [
            corner(0.36, 0.02 + high),
            (0.44, -0.05 + high),
            corner(0.5, 0.0 + high * 0.7),
            corner(0.62, 0.14),
            corner(0.45, 0.16),
        ]
        c.part(at(tongue), cloth=c.cloth.shade(0.9), lift=0.2)
        c.part(
            at([corner(0.06, 0.09 + high), corner(0.4, 0.03 + high), corner(0.4, 0.2), corner(0.08, 0.2)]),
            tone=0.5,
            lift=0.0,
            bare=True,
        )
        upper = [corner(0.06, 0.07 + high), (0.035, 0.2), (0.03, 0.32), corner(0.04, 0.43), corner(0.97, 0.43), (0.985, 0.35),
                 (0.9, 0.265), (0.76, 0.215), (0.62, 0.13), corner(0.45, 0.015 + high * 0.8), (0.38, 0.1 + high), (0.2, 0.115 + high)]  # fmt: skip
        c.part(at(upper), lift=0.4)
        toe = [corner(0.74, 0.43), (0.75, 0.31), corner(0.84, 0.24), (0.92, 0.27), (0.985, 0.345), corner(0.97, 0.43)]
        c.part(at(toe), cloth=trim, lift=0.25)
        heel = [
            corner(0.06, 0.08 + high * 0.5),
            corner(0.14, 0.13 + high * 0.5),
            (0.15, 0.3),
            corner(0.18, 0.43),
            corner(0.04, 0.43),
            (0.03, 0.28),
        ]
        c.part(at(heel), cloth=trim, lift=0.25)
        if panel == 0:
            for x in (0.3, 0.37, 0.44):
                c.part(at(ribbon([(x + 0.06, 0.17), (x, 0.42)], 0.035)), cloth=trim, lift=0.2, puff=0.4)
        elif panel == 1:
            c.part(
                at(ribbon([(0.2, 0.36), (0.36, 0.38), (0.52, 0.22)], 0.06, end=0.02)), cloth=trim, lift=0.2, puff=0.4
            )
        for x, y in ((0.46, 0.055), (0.515, 0.1), (0.57, 0.145), (0.625, 0.185)):
            c.part(at(ribbon([(x - 0.055, y + 0.06), (x + 0.03, y - 0.015)], 0.026)), cloth=lace, lift=0.45)
        c.part(at([corner(0.015, 0.41), (0.5, 0.415), corner(0.985, 0.405), (1.0, 0.45), (0.96, 0.5), (0.5, 0.505), (0.05, 0.5), (0.0, 0.46)]),
               cloth=sole, lift=0.3, puff=0.7)  # fmt: skip
        c.seam(at([(0.02, 0.475), (0.5, 0.48), (0.98, 0.47)]), tone=0.8)

    _shoes(c, one, scale=0.74, low=0.71)
    return NONE


def boots(c: Canvas) -> Traits:
    """Paints a pair of boots: with an elastic gore, laced, or tall."""
    rng = c.rng
    kind = int(rng.integers(0, 3))
    top = (-0.28, -0.34, -0.62)[kind]
    gore = c.cloth.shade(0.55).of("rib")
    heel = 0.5 if kind == 1 else 0.52

    def one(c: Canvas, at: Callable[[Path], Path]) -> None:
        c.part(at([(0.06, top), (0.25, top - 0.03), (0.45, top), (0.25, top + 0.05)]), tone=0.45, lift=0.0, puff=0.3)
        upper = [corner(0.055, top), (0.25, top + 0.03), corner(0.46, top), (0.44, -0.1), (0.5, 0.07), (0.68, 0.17), (0.88, 0.24), (0.965, 0.33),
                 corner(0.96, 0.43), corner(0.05, 0.43), (0.045, 0.28), (0.085, 0.05)]  # fmt: skip
        c.part(at(upper), lift=0.4)
        c.folds(
            [at([(0.44, 0.05), (0.36, 0.1), (0.25, 0.1)]), at([(0.47, 0.12), (0.4, 0.17), (0.32, 0.17)])],
            width=0.02,
            depth=0.22,
        )
        if kind == 0:
            c.part(
                at(
                    [
                        corner(0.2, top + 0.02),
                        corner(0.35, top + 0.02),
                        (0.31, -0.05),
                        (0.29, 0.12),
                        (0.24, 0.12),
                        (0.23, -0.05),
                    ]
                ),
                cloth=gore,
                lift=0.2,
            )
            c.part(at(ribbon([(0.06, top - 0.06), (0.075, top + 0.05)], 0.035)), cloth=gore, lift=0.4)
        elif kind == 1:
            for y in np.linspace(top + 0.05, 0.1, 6).tolist():
                c.part(
                    at(ribbon([(0.33, y + 0.03), (0.455 + max(0.0, y) * 0.6, y)], 0.024)),
                    cloth=plain((214, 178, 96), "cotton"),
                    lift=0.45,
                )
            c.seam(at([(0.32, top + 0.02), (0.3, -0.05), (0.36, 0.16), (0.5, 0.24)]), tone=0.6)
        else:
            c.seam(at([(0.13, top + 0.05), (0.13, 0.0), (0.12, 0.25)]), tone=0.6, width=0.006)
        c.part(at([corner(0.03, 0.41), (0.5, 0.42), corner(0.965, 0.4), (0.99, 0.44), corner(0.95, 0.475), corner(0.34, 0.475), corner(0.32, heel),
                   corner(0.05, heel), (0.03, 0.46)]), cloth=DARK, lift=0.3, puff=0.6)  # fmt: skip

    scale = 0.6 if kind < 2 else 0.56
    _shoes(c, one, scale=scale, low=0.79 if kind < 2 else 0.86)
    return NONE


def heels(c: Canvas) -> Traits:
    """Paints a pair of pumps with a high heel."""
    rng = c.rng
    c.cloth = c.cloth.of("satin")
    strap = rng.uniform() < 0.4
    block = 0.07 if rng.uniform() < 0.35 else 0.0

    def one(c: Canvas, at: Callable[[Path], Path]) -> None:
        c.part(at([(0.05, 0.0), (0.16, 0.02), (0.4, 0.18), (0.62, 0.3), (0.72, 0.34), (0.5, 0.36), (0.25, 0.22), (0.08, 0.12)]),
               cloth=plain((206, 172, 136), "leather"), tone=0.9, lift=0.0)  # fmt: skip
        c.part(at([corner(0.025, 0.15), corner(0.17 + block, 0.26), (0.115 + block, 0.36), corner(0.1 + block, 0.505), corner(0.055, 0.505), (0.06, 0.36)]),
               cloth=c.cloth.shade(0.85), lift=0.3)  # fmt: skip
        pump = [corner(0.045, -0.01), (0.01, 0.1), corner(0.04, 0.21), (0.22, 0.28), (0.42, 0.38), corner(0.62, 0.49), (0.82, 0.5), corner(1.0, 0.475),
                (0.9, 0.385), corner(0.74, 0.315), (0.62, 0.37), (0.4, 0.27), (0.2, 0.12), (0.1, 0.03)]  # fmt: skip
        c.part(at(pump), lift=0.4)
        if strap:
            c.part(at(ribbon([(0.05, -0.0), (0.2, -0.07), (0.32, -0.04), (0.34, 0.2)], 0.028)), lift=0.35)
            c.dot(at([(0.3, -0.05)])[0][0], at([(0.3, -0.05)])[0][1], 0.009, METAL)

    _shoes(c, one, scale=0.72, low=0.7)
    return NONE


def flip_flops(c: Canvas) -> Traits:
    """Paints a pair of flip-flops from above."""
    strap = plain(c.cloth.second, "rubber") if c.rng.uniform() < 0.6 else c.cloth.shade(0.55)
    for side in (-1.0, 1.0):
        sole = [
            (0.13, 0.14),
            (0.21, 0.17),
            (0.25, 0.3),
            (0.22, 0.5),
            (0.215, 0.72),
            (0.15, 0.86),
            (0.08, 0.84),
            (0.055, 0.7),
            (0.07, 0.5),
            (0.04, 0.3),
            (0.065, 0.18),
        ]
        c.part(flip(sole, side), tone=0.7, lift=0.2)
        c.part(flip([(0.145 + (x - 0.145) * 0.9, 0.5 + (y - 0.5) * 0.95) for x, y in sole], side), lift=0.0, puff=0.5)
        for end in ((0.222, 0.5), (0.068, 0.5)):
            c.part(
                ribbon(flip([(0.13, 0.27), (0.5 * (end[0] + 0.14), 0.36), end], side), 0.022, end=0.036),
                cloth=strap,
                lift=0.5,
            )
        c.dot(0.5 + side * 0.13, 0.265, 0.017, strap)
    return NONE


def socks(c: Canvas) -> Traits:
    """Paints a pair of socks, ankle to knee high."""
    rng = c.rng
    top = float(rng.uniform(0.1, 0.34))
    accent: Cloth = plain(c.cloth.second, "cotton") if rng.uniform() < 0.6 else c.cloth.shade(1.0)
    for dx, dy in ((0.15, -0.02), (-0.12, 0.03)):

        def at(path: Path, dx: float = dx, dy: float = dy) -> Path:
            return [(p[0] + dx, p[1] + dy, *p[2:]) for p in path]

        leg = [
            corner(0.33, top),
            corner(0.49, top),
            (0.488, 0.5),
            (0.5, 0.62),
            (0.6, 0.74),
            (0.7, 0.8),
            (0.715, 0.88),
            (0.63, 0.915),
            (0.48, 0.87),
            (0.36, 0.74),
            (0.33, 0.6),
            (0.335, 0.4),
        ]
        c.part(at(leg), lift=0.35)
        c.part(
            at([(0.331, 0.58), (0.4, 0.62), (0.43, 0.72), (0.4, 0.79), (0.35, 0.73)]), cloth=accent, lift=0.0, puff=0.6
        )
        c.part(
            at([corner(0.64, 0.765), (0.7, 0.8), (0.715, 0.88), (0.63, 0.915), corner(0.58, 0.9), (0.6, 0.83)]),
            cloth=accent,
            lift=0.0,
            puff=0.8,
        )
        c.part(at([corner(0.326, top - 0.01), corner(0.494, top - 0.01), corner(0.492, top + 0.06), corner(0.328, top + 0.06)]),
               cloth=accent.of("rib"), lift=0.2)  # fmt: skip
        c.folds(
            [at([(0.34, 0.56), (0.4, 0.58), (0.46, 0.57)]), at([(0.49, 0.6), (0.44, 0.66)])], width=0.018, depth=0.16
        )
    return NONE
