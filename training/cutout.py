"""Products on white grounds, told from their ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["product_alpha"]

WHITE = 226  # least channel of a ground pixel
GROUND_OF_BORDER = 0.7
PRODUCT_SHARE = (0.03, 0.85)


def product_alpha(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The product's opacity, (height, width) uint8, or None where the ground is not plainly white.

    Ground is what is near white and connected to the border; holes inside the product stay opaque.
    """
    ground = pixels.min(axis=2) > WHITE
    border = np.concatenate([ground[0], ground[-1], ground[:, 0], ground[:, -1]])
    if border.mean() < GROUND_OF_BORDER:
        return None
    regions, _ = ndimage.label(ground)
    outer = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    product = ~np.isin(regions, outer[outer > 0])
    if not PRODUCT_SHARE[0] < product.mean() < PRODUCT_SHARE[1]:
        return None
    soft = ndimage.uniform_filter(product.astype(np.float32), 3)
    return np.asarray(np.where(product, soft, soft * 0.3) * 255, np.uint8)
