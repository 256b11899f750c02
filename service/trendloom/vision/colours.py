"""Main colours of weighted pixels, in CIE Lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trendloom.types import Floats, MainColour

__all__ = ["ColourNames", "NamedColour", "lab_of", "main_colours", "srgb_of"]

MOST = 2
_CELLS = 6  # clusters at the start
_ROUNDS = 8
_PIXELS = 800
_JOIN = 14.0  # Delta E under which two clusters are one colour to the eye
_LEAST_SHARE = 0.12
_SMALLEST = 1e-9
# sRGB to XYZ under D65 (IEC 61966-2-1), rows divided by the white point
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])
_FROM_XYZ = np.linalg.inv(_TO_XYZ)


def lab_of(rgb: Floats) -> Floats:
    """Returns CIE Lab (n, 3) under D65 of sRGB (n, 3) in 0..1; CIE 15:2004."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = linear @ _TO_XYZ.T
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    return np.asarray(lab, dtype=np.float32)


def srgb_of(lab: Floats) -> Floats:
    """Returns sRGB (n, 3) in 0..1 of CIE Lab (n, 3) under D65; colours outside of sRGB are clipped."""
    middle = (lab[:, 0] + 16) / 116
    f = np.stack([middle + lab[:, 1] / 500, middle, middle - lab[:, 2] / 200], axis=1)
    t = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(t @ _FROM_XYZ.T, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(rgb, 0, 1), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class NamedColour:
    """How the colours of one name spread: mean and covariance in Lab, and how often the name is given, 0..1."""

    lab: tuple[float, float, float]
    spread: tuple[tuple[float, float, float], ...]  # (3, 3), symmetric
    share: float


class ColourNames:
    """Names of colours, the likeliest under a normal distribution for each name (quadratic discriminant analysis).

    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, equation 4.12.

    Raises:
        ValueError: a spread is not positive definite, or a share is not positive.
    """

    def __init__(self, table: Mapping[str, NamedColour]) -> None:
        self.names = tuple(table)
        self._means = np.array([c.lab for c in table.values()], dtype=np.float64).reshape(-1, 3)
        spreads = np.array([c.spread for c in table.values()], dtype=np.float64).reshape(-1, 3, 3)
        shares = np.array([c.share for c in table.values()], dtype=np.float64)
        if (shares <= 0).any() or (len(spreads) and np.linalg.eigvalsh(spreads).min() <= 0):
            raise ValueError("expected positive definite spreads and positive shares")
        self._precisions = np.linalg.inv(spreads)
        self._offsets = np.log(shares) - np.log(np.linalg.det(spreads)) / 2 if len(spreads) else shares

    def name(self, lab: Floats) -> str:
        """Returns the name of one colour (3,), or nothing where no names are known."""
        if not self.names:
            return ""
        apart = np.asarray(lab, dtype=np.float64) - self._means
        return self.names[int((self._offsets - np.einsum("ni,nij,nj->n", apart, self._precisions, apart) / 2).argmax())]


def main_colours(rgb: Floats, weights: Floats, names: ColourNames) -> tuple[MainColour, ...]:
    """Returns at most two colours of pixels, the larger first; none where nothing has weight.

    Weighted k-means in Lab (Lloyd, 1982) from evenly spread quantiles of lightness, then clusters that the eye would
    not tell apart are joined; a second colour needs an eighth of the weight.

    Args:
        rgb: (n, 3) sRGB in 0..1.
        weights: (n,) at least 0; how far a pixel belongs to the garment.
        names: What colours are called.
    """
    keep = np.flatnonzero(weights > 0)
    if not len(keep):
        return ()
    keep = keep[:: -(-len(keep) // _PIXELS)]  # evenly; more would not move a colour
    lab, weight = lab_of(rgb[keep]), weights[keep] / weights[keep].sum()
    order = np.argsort(lab[:, 0], kind="stable")
    passed = np.cumsum(weight[order])
    centres = lab[order[np.searchsorted(passed, (np.arange(_CELLS) + 0.5) / _CELLS).clip(max=len(order) - 1)]]
    mass: NDArray[np.floating[Any]] = np.zeros(_CELLS)
    weighed = np.column_stack([lab, np.ones(len(lab))]) * weight[:, None]  # (n, 4): a cluster's sums and mass
    for _ in range(_ROUNDS):
        apart = np.square(centres).sum(axis=1) - 2 * (lab @ centres.T)  # squared distance, but for what all share
        belongs = apart.argmin(axis=1)[:, None] == np.arange(_CELLS)
        sums = belongs.T.astype(np.float64) @ weighed
        mass, before = sums[:, 3], centres
        centres = np.where(mass[:, None] > 0, sums[:, :3] / np.maximum(mass, _SMALLEST)[:, None], centres)
        centres = centres.astype(np.float32)
        if np.array_equal(centres, before):
            break
    centres, mass = _joined(centres, mass)
    found = [n for n in np.argsort(-mass, kind="stable")[:MOST] if mass[n] >= _LEAST_SHARE]
    return tuple(
        MainColour(
            name=names.name(centres[n]),
            hex="#" + "".join(f"{round(float(v) * 255):02x}" for v in srgb_of(centres[n : n + 1])[0]),
            lab=(round(float(centres[n][0]), 1), round(float(centres[n][1]), 1), round(float(centres[n][2]), 1)),
            share=round(float(mass[n]), 3),
        )
        for n in found
    )


def _joined(centres: Floats, mass: NDArray[np.floating[Any]]) -> tuple[Floats, NDArray[np.floating[Any]]]:
    """Returns centres and shares once no two centres are closer than the eye tells apart."""
    alive = mass > 0
    centres, mass = centres[alive], mass[alive]
    while len(mass) > 1:
        apart = np.sqrt(np.square(centres[:, None] - centres[None]).sum(axis=2)) + np.eye(len(mass)) * 1e6
        a, b = divmod(int(apart.argmin()), len(mass))
        if apart[a, b] >= _JOIN:
            break
        whole = mass[a] + mass[b]
        centres[a] = (centres[a] * mass[a] + centres[b] * mass[b]) / whole
        mass[a] = whole
        centres, mass = np.delete(centres, b, axis=0), np.delete(mass, b)
    return centres, mass
