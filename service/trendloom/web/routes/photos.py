"""Thumbnails: small, made on demand, addressed without a path."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from trendloom.types import WHOLE, Box
from trendloom.web.deps import ViewsDep
from trendloom.web.problems import Refused

__all__ = ["SIZES", "address", "router"]

SIZES = (128, 384, 768)

router = APIRouter(include_in_schema=False)


def address(key: str, px: int, box: Box = WHOLE) -> str:
    """Returns the address of a photo's thumbnail, or of a garment's in it; the key is wrapped, so that no path shows."""
    path = f"/photos/{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}/{px}.jpg"
    if box == WHOLE:
        return path
    sides = [math.floor(100 * box.x0), math.floor(100 * box.y0), math.ceil(100 * box.x1), math.ceil(100 * box.y1)]
    return f"{path}?box={','.join(f'{min(max(side, 0), 100) / 100:.2f}' for side in sides)}"


def _box(said: str | None) -> Box:
    """Returns the box of an address, in hundredths, so that there are not too many to keep.

    Raises:
        Refused: it is none.
    """
    if said is None:
        return WHOLE
    try:
        x0, y0, x1, y1 = (round(float(side), 2) for side in said.split(","))
    except (ValueError, OverflowError):
        x0 = y0 = x1 = y1 = 0.0
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise Refused(422, "box: expected left, top, right and bottom as shares of the photo, such as 0.1,0.2,0.5,0.9")
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)


@router.get("/photos/{token}/{px}.jpg")
def photo(
    token: Annotated[str, Path(max_length=4000)],
    px: int,
    views: ViewsDep,
    box: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Returns a thumbnail as JPEG, of the photo or of a garment in it."""
    if px not in SIZES:
        raise Refused(404, f"expected a size of {', '.join(map(str, SIZES))}")
    try:
        key = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise Refused(404, "there is no photo at this address") from exc
    data = views.thumbnail(key, px, _box(box))
    if data is None:
        raise Refused(404, "the photo's file is not at hand")
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})
