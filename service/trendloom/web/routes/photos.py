"""Thumbnails: small, made on demand, addressed without a path."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from trendloom.web.deps import ViewsDep
from trendloom.web.problems import Refused

__all__ = ["SIZES", "address", "router"]

SIZES = (128, 384, 768)

router = APIRouter(include_in_schema=False)


def address(key: str, px: int) -> str:
    """Returns the address of a photo's thumbnail; the key is wrapped, so that no path shows."""
    return f"/photos/{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}/{px}.jpg"


@router.get("/photos/{token}/{px}.jpg")
def photo(token: Annotated[str, Path(max_length=4000)], px: int, views: ViewsDep) -> Response:
    """Returns a thumbnail as JPEG."""
    if px not in SIZES:
        raise Refused(404, f"expected a size of {', '.join(map(str, SIZES))}")
    try:
        key = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise Refused(404, "there is no photo at this address") from exc
    data = views.thumbnail(key, px)
    if data is None:
        raise Refused(404, "the photo's file is not at hand")
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})
