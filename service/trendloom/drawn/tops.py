"""Shirts, knitwear and sweatshirts."""

from __future__ import annotations

from trendloom.drawn.canvas import Canvas, both, corner, flip, ribbon
from trendloom.drawn.fabric import plain
from trendloom.drawn.torso import (
    Cut,
    Traits,
    button_cloth,
    buttons,
    collar,
    cut_of,
    hem_band,
    neckband,
    placket,
    pocket,
    sleeves,
    torso,
    zipper,
)

__all__ = ["knit", "polo", "shirt", "sweat", "tee", "vest"]


def tee(c: Canvas) -> Traits:
    """Paints a t-shirt."""
    rng = c.rng
    neckline = "v-neck" if rng.uniform() < 0.25 else "round neck"
    cut = cut_of(
        rng, neckline=neckline, dip=float(rng.uniform(0.12, 0.15) if neckline == "v-neck" else rng.uniform(0.07, 0.095))
    )
    long = rng.uniform() < 0.12
    if long:
        sleeves(c, cut, length=0.52, angle=float(rng.uniform(1.2, 1.3)), cuff=0.075, band=0.02, cloth=c.cloth.of("rib"))
    else:
        sleeves(c, cut, length=float(rng.uniform(0.15, 0.2)), angle=float(rng.uniform(0.55, 0.85)), cuff=0.125)
    torso(c, cut)
    neckband(c, cut, width=0.02)
    c.seam([(0.5 - cut.hem + 0.012, cut.bottom - 0.022), (0.5, cut.bottom - 0.012), (0.5 + cut.hem - 0.012, cut.bottom - 0.022)],
           tone=0.8)  # fmt: skip
    return Traits(sleeves="long sleeves" if long else "short sleeves", neckline=neckline)


def vest(c: Canvas) -> Traits:
    """Paints a vest top."""
    rng = c.rng
    cut = Cut(
        neck=float(rng.uniform(0.085, 0.1)), dip=float(rng.uniform(0.12, 0.16)), top=0.14, drop=0.012, bottom=float(rng.uniform(0.8, 0.86)),
        shoulder=float(rng.uniform(0.125, 0.145)), chest=0.19, armpit=0.34, waist=0.178, hem=0.195,
    )  # fmt: skip
    torso(c, cut, inside=0.62)
    neckband(c, cut, width=0.014)
    for side in (-1.0, 1.0):
        edge = [(cut.shoulder, cut.top + 0.012), (cut.shoulder - 0.016, 0.25), (cut.chest, cut.armpit)]
        c.part(ribbon(flip(edge, side), 0.013), cloth=c.cloth.of("rib"), bare=True, lift=0.15, puff=0.6)
    return Traits(sleeves="sleeveless", neckline="round neck")


def shirt(c: Canvas) -> Traits:
    """Paints a button shirt, long or short in the sleeve."""
    rng = c.rng
    cut = cut_of(rng, neck=0.07, dip=0.045, top=0.14, bottom=float(rng.uniform(0.79, 0.85)))
    long = rng.uniform() < 0.7
    if long:
        sleeves(c, cut, length=0.5, angle=float(rng.uniform(1.18, 1.3)), cuff=0.085, band=0.055)
    else:
        sleeves(c, cut, length=float(rng.uniform(0.17, 0.21)), angle=float(rng.uniform(0.7, 0.95)), cuff=0.13)
    torso(c, cut, sag=0.03)
    placket(c, cut.top + cut.dip, cut.bottom + 0.022)
    if rng.uniform() < 0.6:
        pocket(c, 0.5 + 0.055, cut.armpit - 0.03, 0.085, 0.1, flap=bool(rng.uniform() < 0.3))
    collar(c, cut)
    buttons(c, 0.5, cut.top + cut.dip + 0.055, cut.bottom - 0.06, 6, cloth=button_cloth(c))
    return Traits(sleeves="long sleeves" if long else "short sleeves", neckline="collar")


def polo(c: Canvas) -> Traits:
    """Paints a polo shirt."""
    rng = c.rng
    cut = cut_of(rng, neck=0.072, dip=0.05)
    trim = c.cloth.of("rib")
    sleeves(
        c,
        cut,
        length=float(rng.uniform(0.15, 0.19)),
        angle=float(rng.uniform(0.6, 0.85)),
        cuff=0.125,
        band=0.02,
        cloth=trim,
    )
    torso(c, cut)
    placket(c, cut.top + cut.dip, cut.top + cut.dip + 0.17, width=0.042)
    collar(c, cut, cloth=trim.shade(1.0), size=0.075, gap=0.016)
    buttons(c, 0.5, cut.top + cut.dip + 0.05, cut.top + cut.dip + 0.145, 3, cloth=button_cloth(c), radius=0.008)
    return Traits(sleeves="short sleeves", neckline="collar")


def knit(c: Canvas, *, open_front: bool = False) -> Traits:
    """Paints a sweater or, open in front, a cardigan."""
    rng = c.rng
    neckline = "v-neck" if open_front else str(rng.choice(["round neck", "round neck", "v-neck", "turtleneck"]))
    dip = {"v-neck": 0.2 if open_front else 0.13, "turtleneck": 0.03}.get(neckline, 0.075)
    cut = cut_of(rng, neckline=neckline, dip=dip, bottom=float(rng.uniform(0.74, 0.8)), neck=0.08)
    sleeves(c, cut, length=0.5, angle=float(rng.uniform(1.14, 1.28)), cuff=0.1, band=0.06, cloth=c.cloth.of("rib"))
    torso(c, cut)
    hem_band(c, cut)
    if neckline == "turtleneck":
        roll = [(0.0, 0.085), (0.07, 0.088), corner(0.078, 0.098), (0.086, 0.15), corner(0.084, 0.19), (0.0, 0.205)]
        c.part(both(roll), cloth=c.cloth.of("rib"), bare=True, lift=0.4)
        c.seam([(0.43, 0.103), (0.5, 0.112), (0.57, 0.103)], tone=0.6, width=0.008)
        return Traits(sleeves="long sleeves", neckline=neckline)
    neckband(c, cut, width=0.03)
    if open_front:
        low = cut.bottom + 0.06
        path = [
            corner(0.48, cut.top + dip - 0.02),
            corner(0.52, cut.top + dip - 0.02),
            corner(0.52, low),
            corner(0.48, low),
        ]
        c.part(path, cloth=c.cloth.of("rib"), bare=True, lift=0.35, puff=0.6)
        buttons(c, 0.5, cut.top + dip + 0.03, low - 0.03, int(rng.integers(4, 7)), cloth=button_cloth(c), radius=0.013)
        if rng.uniform() < 0.6:
            for x in (0.345, 0.57):
                pocket(c, x, cut.bottom - 0.17, 0.085, 0.13)
    return Traits(sleeves="long sleeves", neckline=neckline)


def sweat(c: Canvas, *, hood: bool = False) -> Traits:
    """Paints a sweatshirt or, with a hood, a hoodie."""
    rng = c.rng
    cut = cut_of(rng, bottom=float(rng.uniform(0.76, 0.81)), top=0.2 if hood else 0.16, neck=0.09, dip=0.07)
    cut = Cut(**{**cut.__dict__, "armpit": cut.top + 0.22})
    if hood:
        cape = [(0.0, 0.06), (0.09, 0.075), (0.135, 0.15), (0.125, 0.235), corner(0.1, 0.27), (0.0, 0.27)]
        c.part(both(cape), lift=0.2)
        hole = [(0.0, 0.105), (0.068, 0.12), (0.086, 0.17), (0.07, 0.225), (0.0, 0.26)]
        c.part(both(hole), tone=0.45, lift=0.0, puff=0.5, bare=True)
    sleeves(c, cut, length=0.48, angle=float(rng.uniform(1.14, 1.28)), cuff=0.1, band=0.05, cloth=c.cloth.of("rib"))
    if hood:
        c.part(both([*cut.body()]), lift=0.3)
        c.folds([flip([(0.18, 0.44), (0.13, 0.5), (0.12, 0.6)], s) for s in (-1.0, 1.0)], width=0.026, depth=0.16)
    else:
        torso(c, cut)
    hem_band(c, cut)
    if not hood:
        neckband(c, cut, width=0.03)
        c.seam([(0.465, cut.top + 0.09), (0.5, cut.top + 0.14), (0.535, cut.top + 0.09)], tone=0.75)
        return Traits(sleeves="long sleeves", neckline="round neck")
    for side in (-1.0, 1.0):
        lapel = [
            corner(0.0, 0.285),
            (0.05, 0.262),
            corner(0.098, 0.2),
            (0.128, 0.215),
            corner(0.115, 0.25),
            (0.06, 0.3),
        ]
        c.part(flip(lapel, side), lift=0.35, bare=True)
    zipped = rng.uniform() < 0.35
    y = cut.bottom - 0.05
    bag = [corner(0.07, y - 0.14), corner(0.135, y - 0.03), corner(0.135, y + 0.045)]
    if zipped:
        for side in (-1.0, 1.0):
            c.part(flip([corner(0.0, y - 0.14), *bag, corner(0.0, y + 0.045)], side), lift=0.3, puff=0.4)
        zipper(c, 0.5, 0.285, cut.bottom + 0.055)
    else:
        c.part(both([corner(0.0, y - 0.14), *bag, corner(0.0, y + 0.045)]), lift=0.35, puff=0.5)
    cord = plain((238, 236, 230) if sum(c.cloth.base) < 2.2 else (60, 60, 64), "rubber")
    for side in (-1.0, 1.0):
        c.part(
            ribbon(flip([(0.03, 0.285), (0.036, 0.34), (0.03, 0.4 + float(rng.uniform(0, 0.05)))], side), 0.009),
            cloth=cord,
        )
    return Traits(sleeves="long sleeves", neckline="hood")
