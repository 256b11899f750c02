"""What a route is handed: the reading side, the settings, uploaded images, a segment, the lines at the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.templating import Jinja2Templates

from trendloom.config import Settings
from trendloom.export import parse_segment
from trendloom.photos import MAX_BYTES
from trendloom.pipeline.searching import Filters, parse_filters
from trendloom.web.batching import Batcher, Turns
from trendloom.web.problems import Refused
from trendloom.web.reading import Tagged, ViewsProtocol

__all__ = [
    "FiltersDep",
    "PhotosLine",
    "Searches",
    "Segment",
    "SettingsDep",
    "Templates",
    "Upload",
    "Uploads",
    "ViewsDep",
    "make_lines",
]

BATCH = 8  # photos that are looked at together

_FIELDS = ("images", "image")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A photo that waits for the model."""

    name: str
    data: bytes
    heat: bool


# What costs nothing is `async`: a plain function would be given a thread of its own for every request.


async def _views(request: Request) -> ViewsProtocol:
    views: ViewsProtocol = request.app.state.views
    return views


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _templates(request: Request) -> Jinja2Templates:
    templates: Jinja2Templates = request.app.state.templates
    return templates


ViewsDep = Annotated[ViewsProtocol, Depends(_views)]
SettingsDep = Annotated[Settings, Depends(_settings)]
Templates = Annotated[Jinja2Templates, Depends(_templates)]


async def _segment(
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


async def _filters(
    segment: Segment,
    since: Annotated[
        str | None, Query(max_length=10, description="Posted on this day or later.", examples=["2025-01-01"])
    ] = None,
    until: Annotated[
        str | None, Query(max_length=10, description="Posted before this day.", examples=["2025-04-01"])
    ] = None,
    tag: Annotated[
        list[str] | None,
        Query(description="`GROUP=VALUE` that one garment has; repeat it.", examples=[["colour=red"]]),
    ] = None,
) -> Filters:
    found = parse_filters(since=since, until=until, tags=tag or [])
    return replace(found, segment=segment)


FiltersDep = Annotated[Filters, Depends(_filters)]


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


async def _photos_line(request: Request) -> Batcher[Upload, Tagged]:
    line: Batcher[Upload, Tagged] = request.app.state.photos_line
    return line


async def _searches(request: Request) -> Turns:
    line: Turns = request.app.state.searches
    return line


PhotosLine = Annotated[Batcher[Upload, Tagged], Depends(_photos_line)]
Searches = Annotated[Turns, Depends(_searches)]


def _tag(views: ViewsProtocol, batch: Sequence[Upload]) -> list[Tagged]:
    """Returns what is seen in each photo, in order; those that want no heat are not slowed by those that do."""
    found: dict[int, Tagged] = {}
    for heat in (False, True):
        places = [place for place, upload in enumerate(batch) if upload.heat is heat]
        if places:
            seen = views.tag([(batch[place].name, batch[place].data) for place in places], heat=heat)
            found.update(zip(places, seen, strict=True))
    return [found[place] for place in range(len(batch))]


def make_lines(views: ViewsProtocol, settings: Settings) -> tuple[Batcher[Upload, Tagged], Turns]:
    """Returns the lines of photos and of searches."""
    workers, queue, wait_s = settings.threads, max(settings.queue, settings.max_files), settings.max_wait_s
    photos: Batcher[Upload, Tagged] = Batcher(
        partial(_tag, views),
        size=BATCH,
        workers=workers,
        queue=queue,
        gather_s=settings.batch_wait_ms / 1000,
        wait_s=wait_s,
    )
    return photos, Turns(workers=workers, queue=queue, wait_s=wait_s)
