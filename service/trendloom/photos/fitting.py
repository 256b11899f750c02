"""Where a photo comes to lie on the square that a tower takes."""

from __future__ import annotations

from dataclasses import dataclass

from trendloom.types import Fit

__all__ = ["Placement", "placement"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The part `box` of a photo (left, top, right, bottom in its pixels), at `size` (width, height), lies `at` (x, y)."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    at: tuple[int, int] = (0, 0)


def placement(fit: Fit, width: int, height: int) -> Placement:
    """Returns where a photo of `width` x `height` pixels comes to lie.

    - letterbox: the long side becomes the square's, the short side `round(short * size / long)` and at least 1, in the
      middle: at `(size - side) // 2`.
    - center-crop: torchvision's Resize and CenterCrop: the short side would become `size`, the long side
      `int(size * long / short)`, and the cut begins at `round((side - size) / 2)`.
    - squash: the whole photo, whatever becomes of its proportions.
    """
    size, whole = fit.size, (0.0, 0.0, float(width), float(height))
    if fit.kind == "squash":
        return Placement(box=whole, size=(size, size))
    if fit.kind == "center-crop":
        short = min(width, height)
        spans = []
        for side in (width, height):
            grown = size if side == short else int(size * side / short)
            step = side / grown
            first = round((grown - size) / 2)
            spans.append((first * step, min((first + size) * step, float(side))))
        (x0, x1), (y0, y1) = spans
        return Placement(box=(x0, y0, x1, y1), size=(size, size))
    long_side = max(width, height)
    inner = (max(1, round(width * size / long_side)), max(1, round(height * size / long_side)))
    return Placement(box=whole, size=inner, at=((size - inner[0]) // 2, (size - inner[1]) // 2))
