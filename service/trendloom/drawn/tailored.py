"""Tailored and outer garments, dresses and other one-piece garments."""

from __future__ import annotations

import numpy as np

from trendloom.drawn.canvas import Canvas, Path, both, corner, flip, ribbon
from trendloom.drawn.fabric import plain
from trendloom.drawn.torso import (
    BRASS,
    METAL,
    Cut,
    Traits,
    button_cloth,
    buttons,
    collar,
    cut_of,
    hem_band,
    neckband,
    sleeves,
    torso,
    wavy_hem,
    zipper,
)

__all__ = ["blazer", "coat", "dress", "jacket", "jumpsuit", "swimsuit", "waistcoat"]


def _lapels(c: Canvas, cut: Cut, low: float, *, wide: float = 0.1) -> None:
    """Paints the inside, a shirt-less V and two notched lapels that meet at height `low`."""
    n, t = cut.neck, cut.top
    for side in (-1.0, 1.0):
        lapel = [
            corner(0.0, low),
            (wide * 0.62, 0.5 * (low + t + 0.1)),
            corner(n + wide * 0.55, t + 0.115),
            corner(n + wide * 0.2, t + 0.095),
            corner(n + 0.012, t + 0.002),
            (n * 0.55, 0.5 * (low + t) - 0.02),
        ]
        c.part(flip(lapel, side), angle=side * 0.3, lift=0.5, puff=0.7)
        leaf = [
            corner(n * 0.72, t + 0.05),
            corner(n + wide * 0.24, t + 0.098),
            corner(n + wide * 0.5, t + 0.078),
            (n + 0.03, t + 0.02),
            corner(n + 0.004, t - 0.016),
        ]
        c.part(flip(leaf, side), angle=side * 0.5, lift=0.4, puff=0.7)
    nape = [(0.0, t - 0.014), corner(n + 0.008, t - 0.014), (n * 0.8, t + 0.03), (0.0, t + 0.022)]
    c.part(both(nape), tone=0.85, lift=0.25, puff=0.6)


def _flaps(c: Canvas, y: float, x: float, *, width: float = 0.09, slant: float = 0.0) -> None:
    """Paints a pocket flap on each side, its inner edge at x from the centre line."""
    for side in (-1.0, 1.0):
        lid = [corner(x, y), corner(x + width, y + slant), (x + width, y + slant + 0.035), (x, y + 0.035)]
        c.part(flip(lid, side), lift=0.35, puff=0.5)


def _front(c: Canvas, cut: Cut, low: float, *, overlap: float = 0.0) -> None:
    """Draws the edge of the overlapping front, from the closing point to the hem."""
    c.seam([(0.5 + overlap, low), (0.5 + overlap, cut.bottom + 0.01)], tone=0.5, width=0.005)
    c.folds(
        [[(0.5 + overlap + 0.008, low + 0.02), (0.5 + overlap + 0.008, cut.bottom - 0.01)]], width=0.014, depth=0.14
    )


def blazer(c: Canvas) -> Traits:
    """Paints a blazer, single- or double-breasted."""
    rng = c.rng
    double = rng.uniform() < 0.35
    low = float(rng.uniform(0.46, 0.52))
    cut = cut_of(
        rng, top=0.12, neck=0.075, dip=low - 0.13, neckline="v-neck", bottom=float(rng.uniform(0.79, 0.84)), waist=0.195
    )
    sleeves(c, cut, length=0.54, angle=float(rng.uniform(1.26, 1.34)), cuff=0.09)
    torso(c, cut, sag=0.02, inside=0.5)
    _lapels(c, cut, low, wide=float(rng.uniform(0.085, 0.12)))
    _front(c, cut, low, overlap=0.05 if double else 0.0)
    _flaps(c, float(rng.uniform(0.62, 0.65)), 0.08)
    c.part(
        flip([corner(0.085, 0.345), corner(0.15, 0.335), corner(0.15, 0.352), corner(0.085, 0.362)], 1),
        lift=0.3,
        puff=0.4,
    )
    cloth = BRASS if rng.uniform() < 0.2 else button_cloth(c)
    for x in (0.455, 0.545) if double else (0.5,):
        buttons(c, x, low + 0.02, low + (0.14 if double else 0.1), 2, cloth=cloth, radius=0.012)
    return Traits(sleeves="long sleeves", neckline="collar")


def coat(c: Canvas) -> Traits:
    """Paints a long coat: single- or double-breasted, or belted as a trench coat."""
    rng = c.rng
    kind = int(rng.integers(0, 3))
    low = float(rng.uniform(0.33, 0.38))
    cut = Cut(
        top=0.075, neck=0.066, dip=low - 0.085, neckline="v-neck", shoulder=0.176, drop=0.035, chest=0.185, armpit=0.265,
        waist=0.175 if kind == 2 else 0.19, hem=float(rng.uniform(0.21, 0.235)), bottom=float(rng.uniform(0.88, 0.93)),
    )  # fmt: skip
    sleeves(c, cut, length=0.5, angle=float(rng.uniform(1.28, 1.36)), cuff=0.085, band=0.03 if kind == 2 else 0.0)
    torso(c, cut, sag=0.01, inside=0.5)
    _lapels(c, cut, low, wide=float(rng.uniform(0.1, 0.125)))
    over = 0.0 if kind == 0 else 0.05
    _front(c, cut, low, overlap=over)
    _flaps(c, 0.6, 0.075, slant=0.03)
    cloth = button_cloth(c)
    for x in (0.5,) if kind == 0 else (0.452, 0.548):
        buttons(c, x, low + 0.025, 0.66 if kind == 0 else 0.55, 4 if kind == 0 else 3, cloth=cloth, radius=0.012)
    if kind == 2:
        y = 0.5
        c.part(
            ribbon([(0.5 - 0.176, y), (0.5, y + 0.012), (0.5 + 0.176, y)], 0.034), cloth=c.cloth.shade(0.92), lift=0.5
        )
        c.part(
            ribbon([(0.515, y + 0.01), (0.55, y + 0.07), (0.56, y + 0.16)], 0.03), cloth=c.cloth.shade(0.92), lift=0.5
        )
        ring = [corner(0.485, y - 0.012), corner(0.527, y - 0.012), corner(0.527, y + 0.034), corner(0.485, y + 0.034)]
        c.part(ring, cloth=plain((70, 50, 36), "rubber"), lift=0.5)
    c.folds(
        [[(0.5 + s * 0.12, 0.9), (0.5 + s * 0.11, 0.75), (0.5 + s * 0.1, 0.62)] for s in (-1.0, 1.0)],
        width=0.03,
        depth=0.18,
    )
    return Traits(sleeves="long sleeves", neckline="collar")


def jacket(c: Canvas) -> Traits:
    """Paints a bomber, denim, biker or padded jacket."""
    if c.cloth.weave == "denim":
        return _denim(c)
    return (_bomber, _denim, _biker, _padded)[int(c.rng.integers(0, 4))](c)


def _bomber(c: Canvas) -> Traits:
    """Paints a bomber jacket."""
    rng = c.rng
    cut = cut_of(rng, top=0.15, neck=0.08, dip=0.055, bottom=float(rng.uniform(0.72, 0.77)))
    c.cloth = c.cloth.of("satin")
    sleeves(c, cut, length=0.49, angle=float(rng.uniform(1.14, 1.26)), cuff=0.1, band=0.05, cloth=c.cloth.of("rib"))
    torso(c, cut)
    hem_band(c, cut)
    neckband(c, cut, width=0.045)
    zipper(c, 0.5, cut.top + 0.04, cut.bottom + 0.055)
    for side in (-1.0, 1.0):
        c.seam(flip([(0.105, 0.6), (0.15, 0.7)], side), tone=0.45, width=0.009)
        c.seam(flip([(0.105, 0.6), (0.15, 0.7)], side), width=0.003, colour=METAL.base)
    return Traits(sleeves="long sleeves", neckline="round neck")


def _denim(c: Canvas) -> Traits:
    """Paints a denim jacket."""
    rng = c.rng
    c.cloth = c.cloth.of("denim")
    cut = cut_of(rng, top=0.15, neck=0.075, dip=0.05, bottom=float(rng.uniform(0.7, 0.75)), hem=0.2)
    sleeves(c, cut, length=0.49, angle=float(rng.uniform(1.16, 1.28)), cuff=0.095, band=0.045)
    torso(c, cut, sag=0.0)
    thread = (0.83, 0.6, 0.3)
    yoke = cut.top + 0.15
    c.seam([(0.5 - cut.chest + 0.03, yoke), (0.5 + cut.chest - 0.03, yoke)], tone=0.6)
    c.seam(
        [(0.5 - cut.chest + 0.03, yoke + 0.008), (0.5 + cut.chest - 0.03, yoke + 0.008)],
        colour=thread,
        dash=0.008,
        width=0.003,
    )
    for side in (-1.0, 1.0):
        lid = [
            corner(0.055, yoke),
            corner(0.145, yoke),
            corner(0.145, yoke + 0.03),
            corner(0.1, yoke + 0.05),
            corner(0.055, yoke + 0.03),
        ]
        c.part(flip(lid, side), lift=0.4, puff=0.5)
        c.dot(0.5 + side * 0.1, yoke + 0.032, 0.008, BRASS)
        for line in ([(0.06, yoke + 0.05), (0.04, cut.bottom)], [(0.14, yoke + 0.05), (0.09, cut.bottom)]):
            c.seam(flip(line, side), tone=0.68)
            c.seam(flip([(x + 0.008, y) for x, y in line], side), colour=thread, dash=0.008, width=0.003)
    c.part([corner(0.5 - cut.hem, cut.bottom - 0.012), corner(0.5 + cut.hem, cut.bottom - 0.012),
            corner(0.5 + cut.hem, cut.bottom + 0.035), corner(0.5 - cut.hem, cut.bottom + 0.035)], lift=0.3, puff=0.6)  # fmt: skip
    c.part([corner(0.48, cut.top + 0.05), corner(0.52, cut.top + 0.05), corner(0.52, cut.bottom + 0.035),
            corner(0.48, cut.bottom + 0.035)], lift=0.3, puff=0.5)  # fmt: skip
    collar(c, cut, size=0.085)
    buttons(c, 0.5, cut.top + 0.11, cut.bottom + 0.012, 6, cloth=BRASS, radius=0.01)
    return Traits(sleeves="long sleeves", neckline="collar")


def _biker(c: Canvas) -> Traits:
    """Paints a biker jacket in leather."""
    rng = c.rng
    c.cloth = c.cloth.of("leather")
    cut = cut_of(rng, top=0.15, neck=0.075, dip=0.2, neckline="v-neck", bottom=float(rng.uniform(0.71, 0.76)))
    sleeves(c, cut, length=0.49, angle=float(rng.uniform(1.16, 1.28)), cuff=0.09)
    torso(c, cut, sag=0.0, inside=0.45)
    _lapels(c, cut, cut.top + 0.22, wide=0.125)
    zip_ = [(0.53, cut.top + 0.22), (0.52, 0.55), (0.505, cut.bottom)]
    c.seam(zip_, width=0.02, tone=0.5)
    c.seam(zip_, width=0.01, colour=METAL.base, dash=0.01)
    for line in ([(0.36, 0.42), (0.43, 0.46)], [(0.35, 0.6), (0.43, 0.66)], [(0.65, 0.6), (0.58, 0.66)]):
        c.seam(line, width=0.016, tone=0.5)
        c.seam(line, width=0.007, colour=METAL.base, dash=0.01)
    c.part(
        ribbon(
            [(0.5 - cut.hem, cut.bottom - 0.02), (0.5, cut.bottom - 0.012), (0.5 + cut.hem, cut.bottom - 0.02)], 0.045
        ),
        lift=0.4,
    )
    c.part([corner(0.47, cut.bottom - 0.035), corner(0.52, cut.bottom - 0.035), corner(0.52, cut.bottom + 0.012),
            corner(0.47, cut.bottom + 0.012)], cloth=METAL, lift=0.4)  # fmt: skip
    c.part([corner(0.48, cut.bottom - 0.025), corner(0.51, cut.bottom - 0.025), corner(0.51, cut.bottom + 0.002),
            corner(0.48, cut.bottom + 0.002)], lift=0.2)  # fmt: skip
    for side in (-1.0, 1.0):
        c.dot(0.5 + side * 0.13, cut.top + 0.12, 0.007, METAL)
    return Traits(sleeves="long sleeves", neckline="collar")


def _quilt(c: Canvas, cut: Cut, top: float) -> None:
    """Draws the seams of a padded front."""
    for y in np.arange(top, cut.bottom - 0.02, 0.068).tolist():
        path = [(0.5 - cut.chest + 0.004, y), (0.5, y + 0.008), (0.5 + cut.chest - 0.004, y)]
        c.seam(path, tone=0.5, width=0.005)
        c.folds([[(x, v + 0.018) for x, v in path]], width=0.026, depth=-0.13)


def _padded(c: Canvas, *, arms: bool = True) -> Traits:
    """Paints a padded jacket or, without sleeves, a gilet."""
    rng = c.rng
    c.cloth = c.cloth.of("satin")
    cut = cut_of(rng, top=0.17, neck=0.08, dip=0.05, bottom=float(rng.uniform(0.74, 0.79)))
    if not arms:
        cut = Cut(**{**cut.__dict__, "shoulder": 0.185})
    if arms:
        angle = float(rng.uniform(1.12, 1.2))
        sleeves(c, cut, length=0.47, angle=angle, cuff=0.115, band=0.02)
        dx, dy = float(np.cos(angle)), float(np.sin(angle))
        for t in (0.14, 0.27, 0.4, 0.53, 0.66, 0.8):
            x, y = cut.shoulder + dx * 0.47 * t, cut.top + cut.drop + dy * 0.47 * t
            w = 0.15 - 0.035 * t
            for side in (-1.0, 1.0):
                line: Path = [(x, y), (x - dy * w * 0.5, y + dx * w * 0.5 + 0.012), (x - dy * w, y + dx * w)]
                c.seam(flip(line, side), tone=0.55, width=0.005)
    torso(c, cut)
    _quilt(c, cut, cut.top + 0.12)
    neck = [(0.0, 0.105), (0.085, 0.108), corner(0.094, 0.12), (0.1, 0.17), corner(0.096, 0.225), (0.0, 0.245)]
    c.part(both(neck), lift=0.4)
    c.seam([(0.41, 0.165), (0.5, 0.178), (0.59, 0.165)], tone=0.55)
    zipper(c, 0.5, 0.125, cut.bottom + 0.01)
    return Traits(sleeves="long sleeves" if arms else None, neckline="turtleneck")


def waistcoat(c: Canvas) -> Traits:
    """Paints a tailored waistcoat or a padded gilet."""
    rng = c.rng
    if rng.uniform() < 0.35:
        return _padded(c, arms=False)
    low = float(rng.uniform(0.4, 0.46))
    cut = Cut(top=0.14, neck=0.075, dip=low - 0.14, neckline="v-neck", shoulder=0.155, drop=0.03, chest=0.195, armpit=0.39,
              waist=0.175, hem=0.188, bottom=0.73)  # fmt: skip
    torso(c, cut, sag=0.0, inside=0.5)
    for side in (-1.0, 1.0):
        tip = [corner(0.0, 0.72), corner(0.188, 0.722), corner(0.06, 0.82), corner(0.0, 0.745)]
        c.part(flip(tip, side), lift=0.0, puff=0.6)
    c.seam([(0.5, low), (0.5, 0.745)], tone=0.5, width=0.005)
    c.part(ribbon([(0.5 - 0.075, 0.14), (0.5 - 0.04, 0.3), (0.5, low)], 0.012), lift=0.3)
    c.part(ribbon([(0.5 + 0.075, 0.14), (0.5 + 0.04, 0.3), (0.5, low)], 0.012), lift=0.3)
    for y, x in ((0.6, 0.07), (0.45, 0.09)):
        for side in (-1.0, 1.0):
            strip = [corner(x, y), corner(x + 0.08, y - 0.012), corner(x + 0.08, y + 0.008), corner(x, y + 0.02)]
            c.part(flip(strip, side), lift=0.35, puff=0.4)
    buttons(c, 0.5, low + 0.025, 0.715, 5, cloth=button_cloth(c), radius=0.01)
    return Traits(neckline="v-neck")


def dress(c: Canvas) -> Traits:
    """Paints a dress: strapped, sleeveless, short- or long-sleeved; straight, flared or long."""
    rng = c.rng
    arms = str(rng.choice(["sleeveless", "sleeveless", "short sleeves", "long sleeves"]))
    neckline = str(rng.choice(["round neck", "v-neck", "square neck"]))
    waist_y = float(rng.uniform(0.37, 0.42))
    flare = float(rng.uniform(0.15, 0.31))
    end = float(rng.uniform(0.74, 0.93))
    strap = arms == "sleeveless" and rng.uniform() < 0.5
    waist = float(rng.uniform(0.115, 0.135))
    cut = Cut(
        top=0.09, neck=0.075 if not strap else 0.09, dip={"v-neck": 0.12, "square neck": 0.075}.get(neckline, 0.065) + 0.03 * strap,
        neckline=neckline, shoulder=0.15 if arms != "sleeveless" else 0.125, drop=0.028 if not strap else 0.004, chest=0.155,
        armpit=0.235, waist=waist, hem=waist, bottom=waist_y,
    )  # fmt: skip
    if strap:
        cut = Cut(**{**cut.__dict__, "shoulder": cut.neck + 0.016})
    if arms == "short sleeves":
        sleeves(c, cut, length=float(rng.uniform(0.1, 0.16)), angle=float(rng.uniform(0.7, 0.95)), cuff=0.1)
    elif arms == "long sleeves":
        sleeves(c, cut, length=0.44, angle=float(rng.uniform(1.12, 1.25)), cuff=0.075, band=0.03)
    torso(c, cut)
    half = [(0.0, waist_y - 0.012), corner(waist, waist_y - 0.014), (waist + 0.35 * (flare - waist) + 0.012, waist_y + 0.3 * (end - waist_y)),
            corner(flare, end - 0.02)]  # fmt: skip
    count = int(rng.integers(3, 6))
    wave = 0.012 if flare > 0.2 else 0.003
    c.part(both([*half, *wavy_hem(flare, end, count, wave)]), lift=0.25)
    pleats: list[Path] = []
    for t in np.linspace(-0.85, 0.85, 2 * count).tolist():
        jitter = float(rng.uniform(-0.01, 0.01))
        length = float(rng.uniform(0.35, 1.0)) if flare > 0.2 else 0.3
        x = 0.5 + t * waist
        pleats.append([(0.5 + t * flare + jitter, end - 0.015), (0.5 * (x + 0.5 + t * flare), 0.5 * (waist_y + end)),
                       (x + (1 - length) * t * (flare - waist), waist_y + 0.03 + (1 - length) * 0.3)])  # fmt: skip
    c.folds(pleats, width=0.03 if flare > 0.2 else 0.02, depth=0.2)
    if rng.uniform() < 0.5:
        y = waist_y - 0.012
        c.part(
            ribbon([(0.5 - waist, y), (0.5, y + 0.006), (0.5 + waist, y)], 0.026), cloth=c.cloth.shade(0.82), lift=0.35
        )
    else:
        c.seam([(0.5 - waist, waist_y - 0.012), (0.5, waist_y - 0.006), (0.5 + waist, waist_y - 0.012)], tone=0.6)
    c.seam([(0.5 - flare + 0.01, end - 0.036), (0.5, end - 0.02), (0.5 + flare - 0.01, end - 0.036)], tone=0.84)
    return Traits(sleeves=arms, neckline=neckline)


def jumpsuit(c: Canvas) -> Traits:
    """Paints a jumpsuit with straight or wide legs."""
    rng = c.rng
    arms = str(rng.choice(["sleeveless", "short sleeves", "long sleeves"]))
    neckline = str(rng.choice(["v-neck", "round neck", "collar"]))
    cut = Cut(
        top=0.06, neck=0.065, dip={"v-neck": 0.12, "collar": 0.04}.get(neckline, 0.06), neckline=neckline, drop=0.026,
        shoulder=0.14 if arms != "sleeveless" else 0.115, chest=0.148, armpit=0.2, waist=0.125, hem=0.13, bottom=0.42,
    )  # fmt: skip
    if arms == "short sleeves":
        sleeves(c, cut, length=0.12, angle=0.9, cuff=0.095)
    elif arms == "long sleeves":
        sleeves(c, cut, length=0.38, angle=1.2, cuff=0.07, band=0.03)
    torso(c, cut)
    wide = float(rng.uniform(0.085, 0.125))
    end = float(rng.uniform(0.86, 0.94))
    leg = [corner(0.0, 0.405), corner(0.13, 0.405), (0.165, 0.52), (0.165 + 0.35 * (wide - 0.08), 0.7), corner(0.05 + wide, end),
           corner(0.05, end + 0.006), (0.03, 0.72), corner(0.0, 0.58)]  # fmt: skip
    for side in (-1.0, 1.0):
        c.part(flip(leg, side), lift=0.2)
        c.folds([flip([(0.09, 0.6), (0.1, 0.72), (0.05 + wide * 0.5, end - 0.02)], side), flip([(0.0, 0.56), (0.05, 0.54), (0.1, 0.5)], side)],
                width=0.022, depth=0.18)  # fmt: skip
        c.seam(flip([(0.115, 0.44), (0.145, 0.52)], side), tone=0.55, width=0.006)
    c.part(ribbon([(0.5 - 0.13, 0.412), (0.5, 0.417), (0.5 + 0.13, 0.412)], 0.034), lift=0.35)
    if neckline == "collar":
        collar(c, cut, size=0.075)
        buttons(c, 0.5, 0.16, 0.38, 5, cloth=button_cloth(c), radius=0.009)
    else:
        c.seam([(0.5, cut.top + cut.dip), (0.5, 0.4)], tone=0.6)
    return Traits(sleeves=arms, neckline=neckline)


def swimsuit(c: Canvas) -> Traits:
    """Paints a one-piece swimsuit."""
    rng = c.rng
    dip = float(rng.uniform(0.12, 0.2))
    high = float(rng.uniform(0.66, 0.72))
    half = [(0.0, 0.12 + dip), (0.07, 0.1 + dip * 0.8), corner(0.105, 0.12), corner(0.138, 0.122), (0.14, 0.26), corner(0.178, 0.33),
            (0.15, 0.48), (0.185, 0.6), corner(0.195, high), (0.1, 0.76), corner(0.045, 0.86), (0.0, 0.875)]  # fmt: skip
    back = [(0.0, 0.2), (0.07, 0.17), corner(0.106, 0.125), corner(0.13, 0.125), corner(0.14, 0.4), (0.0, 0.45)]
    c.part(both(back), tone=0.55, lift=0.0)
    c.part(both(half), lift=0.3)
    for side in (-1.0, 1.0):
        c.seam(flip([(0.0, 0.132 + dip), (0.074, 0.108 + dip * 0.8), (0.114, 0.135)], side), tone=0.7)
        c.seam(flip([(0.188, high - 0.012), (0.095, 0.75), (0.04, 0.85)], side), tone=0.7)
        c.seam(flip([(0.1, 0.34), (0.08, 0.48), (0.1, 0.66)], side), tone=0.82)
    c.folds(
        [[(0.38, 0.5), (0.45, 0.53), (0.5, 0.52)], [(0.62, 0.45), (0.55, 0.48), (0.5, 0.47)]], width=0.022, depth=0.14
    )
    return Traits(sleeves="sleeveless", neckline="round neck")
