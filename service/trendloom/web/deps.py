"""What a route is handed: the reading side, the settings, uploaded images, a segment, a turn at the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.templating import Jinja2Templates

from trendloom.config import Settings
from trendloom.export import parse_segment
from trendloom.photos import MAX_BYTES
from trendloom.web.problems import Refused
from trendloom.web.reading import ViewsProtocol

__all__ = ["HEAVY", "Segment", "SettingsDep", "Templates", "Turn", "Uploads", "ViewsDep"]

HEAVY = 8  # requests that run a model or wait for it; more are told to come back

_FIELDS = ("images", "image")


def _views(request: Request) -> ViewsProtocol:
    views: ViewsProtocol = request.app.state.views
    return views


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _templates(request: Request) -> Jinja2Templates:
    templates: Jinja2Templates = request.app.state.templates
    return templates


ViewsDep = Annotated[ViewsProtocol, Depends(_views)]
SettingsDep = Annotated[Settings, Depends(_settings)]
Templates = Annotated[Jinja2Templates, Depends(_templates)]


def _segment(
    segment: Annotated[
        list[str] | None,
        Query(
            description="`country=VALUE`, `platform=VALUE`, `department=VALUE`, `cohort=VALUE` (fashion-forward, trend-aware, mainstream) or `shows=PART` (upper, lower, feet, bag, head, accessory: people who show it are the denominator); repeat it.",
            examples=[["country=FR"]],
        ),
    ] = None,
) -> dict[str, str]:
    return parse_segment(segment or [])


Segment = Annotated[dict[str, str], Depends(_segment)]


def _short(name: str | None) -> str:
    """Returns a client's file name without folders and control characters, at most 120 characters."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable())[:120] or "image"


async def _form_images(request: Request, settings: Settings) -> list[tuple[str, bytes]]:
    """Returns name and bytes of the files of a multipart form."""
    try:
        form = await request.form(max_files=settings.max_files, max_fields=8, max_part_size=2**16)
    except HTTPException as exc:
        if exc.status_code != 400:
            raise
        if "Too many files" in str(exc.detail):
            raise Refused(413, f"expected at most {settings.max_files} images in one request") from exc
        raise Refused(400, "the multipart body is malformed: expected files under the name images") from exc
    cap = min(MAX_BYTES, settings.max_body_mb * 2**20)
    images = []
    try:
        for field, part in form.multi_items():
            if not isinstance(part, UploadFile) or not (part.filename or part.size):
                continue  # a text field, or a page's file field that was left empty
            if field not in _FIELDS:
                raise Refused(422, f"expected files under the name images, got {field[:40]!r}")
            if (part.size or 0) > cap:
                raise Refused(413, f"expected at most {cap:,} bytes an image, got {part.size:,}")
            images.append((_short(part.filename), await part.read()))
    finally:
        await form.close()
    return images


async def _uploads(request: Request, settings: SettingsDep) -> list[tuple[str, bytes]]:
    """Returns name and bytes of one or more uploaded images; the body's size is capped before this (`guard`)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        images = await _form_images(request, settings)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        images = [("image", await request.body())]
    else:
        got = f"{kind[:60]!r}" if kind else "none"
        raise Refused(415, f"expected multipart/form-data or an image/* body, got content type {got}")
    if not any(data for _, data in images):
        raise Refused(
            422, "expected at least one image, got none: send files under the name images, or the image itself"
        )
    return images


Uploads = Annotated[list[tuple[str, bytes]], Depends(_uploads)]


def _turn(request: Request) -> Iterator[None]:
    """Holds one of a few places at the model while the request is answered."""
    places: threading.BoundedSemaphore = request.app.state.places
    if not places.acquire(blocking=False):
        raise Refused(503, "too many images are being looked at: try again in a second", retry_after_s=1)
    try:
        yield
    finally:
        places.release()


Turn = Annotated[None, Depends(_turn, scope="function")]
