"""Shares and their intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["wilson"]

_Z95 = 1.959963984540054


def wilson(
    successes: ArrayLike, total: ArrayLike, *, z: float = _Z95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the lower and upper end of the Wilson score interval of a share, 0..1; (0, 1) where `total` is 0.

    Wilson 1927, J. Am. Stat. Assoc. 22:209; the default z gives 95 %.
    """
    n = np.asarray(total, dtype=np.float64)
    known = np.where(n > 0, n, 1.0)
    p = np.where(n > 0, np.asarray(successes, dtype=np.float64) / known, 0.5)
    below = 1 + z * z / known
    middle = (p + z * z / (2 * known)) / below
    half = z * np.sqrt(p * (1 - p) / known + z * z / (4 * known * known)) / below
    low = np.where(n > 0, np.minimum(np.clip(middle - half, 0, 1), p), 0.0)
    high = np.where(n > 0, np.maximum(np.clip(middle + half, 0, 1), p), 1.0)
    return low, high
