"""The API: tags, trends, search, health."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from trendloom.pipeline.searching import Filters
from trendloom.web.batching import Batcher
from trendloom.web.deps import FiltersDep, PhotosLine, Searches, Segment, Upload, Uploads, ViewsDep
from trendloom.web.listing import cursor_of, find_trend, list_trends, place_of
from trendloom.web.problems import STATUS_OF_IMAGE, Refused
from trendloom.web.reading import Tagged, ViewsProtocol
from trendloom.web.schemas import (
    BY,
    Group,
    Health,
    Hit,
    Hits,
    ImageTags,
    Panel,
    Point,
    Ready,
    Shown,
    TagReply,
    Trend,
    TrendDetail,
    Trends,
    rows_of,
)
from trendloom.web.tables import csv_response

__all__ = ["CSV", "TrendId", "router", "tagged"]

router = APIRouter()

TrendId = Annotated[str, Path(max_length=200, description="As the list gives it.", examples=["look-7f3a"])]
Stage = Annotated[str | None, Query(max_length=40, description="Only this stage.", examples=["emerging"])]
Words = Annotated[str | None, Query(max_length=200, description="Words in the name.", examples=["check"])]
Heat = Annotated[bool, Query(description="Also where the tower looked, a PNG per garment.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows in the answer.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")]
Sought = Annotated[
    str, Query(min_length=1, max_length=400, description="What to look for.", examples=["red check shirt"])
]
Near = Annotated[int, Query(ge=1, le=200, description="Photos in the answer.")]

_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {
    "type": "object",
    "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    "required": ["images"],
}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One or more files under `images`, or one image as the body.",
        "content": {"multipart/form-data": {"schema": _FILES}, "image/*": _IMAGE, "application/octet-stream": _IMAGE},
    }
}
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


async def tagged(
    request: Request,
    views: ViewsProtocol,
    line: Batcher[Upload, Tagged],
    images: list[tuple[str, bytes]],
    *,
    heat: bool = False,
) -> TagReply:
    """Returns the tags of uploaded images; an image that cannot be read has its status instead.

    Raises:
        Refused: None of them can be read, or too much is waiting.
    """
    found = await line.answer(request, [Upload(name=name, data=data, heat=heat) for name, data in images])
    results = [ImageTags.of(result) for result in found]
    if results and all(r.status != "ok" for r in results):
        first = results[0]
        words = first.error or first.status
        more = {"images": [{"name": r.name, "status": r.status, "error": r.error} for r in results]}
        raise Refused(STATUS_OF_IMAGE.get(first.status, 422), f"no image can be read: {words}", more=more)
    state = request.app.state
    if state.made_by is None:  # a workspace keeps its model and taxonomy as long as it is open
        overview = await run_in_threadpool(views.overview)
        state.made_by = {"model": overview.model, "taxonomy": overview.taxonomy}
    return TagReply(**state.made_by, images=results)


@router.post("/v1/tag", tags=["tag"], openapi_extra=UPLOAD, summary="Tag images")
async def tag(request: Request, images: Uploads, views: ViewsDep, line: PhotosLine, heat: Heat = False) -> TagReply:
    """Returns what the garments in each image are: type, colour, pattern and more, each with a probability.

    Nothing is stored. An image that cannot be read does not fail the others. 503 where too much is waiting.
    """
    return await tagged(request, views, line, images, heat=heat)


@router.get("/v1/trends", tags=["trends"], summary="List trends")
def trends(  # noqa: PLR0917  a parameter of the query each
    views: ViewsDep, segment: Segment, stage: Stage = None, q: Words = None, limit: Limit = 50, cursor: Cursor = None
) -> Trends:
    """Returns trends with growth, interval and stage, strongest evidence first."""
    overview = views.overview()
    listed = list_trends(views, stage=stage, segment=segment, query=q)
    begin = place_of(cursor, overview.run)
    end = begin + limit
    following = cursor_of(overview.run, end) if end < listed.total else None
    return Trends(
        panel=Panel.of(overview),
        total=listed.total,
        stages=listed.stages,
        trends=listed.rows(begin, end),
        next_cursor=following,
        notes=list(views.absent(Filters(segment=segment))),
    )


@router.get("/v1/trends.csv", tags=["trends"], summary="List trends as CSV", responses=CSV, response_class=Response)
def trends_csv(views: ViewsDep, segment: Segment, stage: Stage = None, q: Words = None) -> Response:
    """Returns the whole list under the same filter."""
    return csv_response("trends", Trend, list_trends(views, stage=stage, segment=segment, query=q).rows())


@router.get("/v1/trends/{trend_id}", tags=["trends"], summary="One trend with its evidence")
def trend(trend_id: TrendId, views: ViewsDep) -> TrendDetail:
    """Returns the trend, its history, and how it fares by country, platform and audience cohort."""
    found = find_trend(views, trend_id)
    return TrendDetail(
        panel=Panel.of(views.overview()),
        trend=found,
        series=rows_of(Point, views.series(trend_id)),
        countries=rows_of(Group, views.by(trend_id, "country")),
        platforms=rows_of(Group, views.by(trend_id, "platform")),
        cohorts=rows_of(Group, views.by(trend_id, "cohort")),
        shows=[] if found.suppressed else rows_of(Shown, views.tags_of(trend_id)),
        beneath=rows_of(Trend, views.beneath(trend_id)),
    )


@router.get("/v1/trends/{trend_id}/series", tags=["trends"], summary="A trend's history")
def series(trend_id: TrendId, views: ViewsDep, segment: Segment) -> list[Point]:
    """Returns the share of people per window, oldest first."""
    find_trend(views, trend_id)
    return rows_of(Point, views.series(trend_id, segment=segment or None))


@router.get(
    "/v1/trends/{trend_id}/series.csv",
    tags=["trends"],
    summary="A trend's history as CSV",
    responses=CSV,
    response_class=Response,
)
def series_csv(trend_id: TrendId, views: ViewsDep, segment: Segment) -> Response:
    """Returns the same numbers as the history."""
    return csv_response("series", Point, series(trend_id, views, segment))


@router.get(
    "/v1/trends/{trend_id}/by/{field}.csv",
    tags=["trends"],
    summary="A trend by country, platform or audience cohort as CSV",
    responses=CSV,
    response_class=Response,
)
def by_csv(
    trend_id: TrendId,
    field: Annotated[str, Path(max_length=40, description="`country`, `platform` or `cohort`.", examples=["country"])],
    views: ViewsDep,
) -> Response:
    """Returns share and growth of each group; groups under k people without numbers."""
    if field not in BY:
        raise Refused(404, f"expected one of {', '.join(BY)}, got {field!r}")
    find_trend(views, trend_id)
    return csv_response(f"by-{field}", Group, rows_of(Group, views.by(trend_id, field)))


def _sought(views: ViewsProtocol, *, filters: Filters | None = None, **asked: Any) -> Hits:
    hits = views.search(filters=filters, **asked)
    notes = [] if hits or filters is None else list(views.absent(filters))
    return Hits(model=views.overview().model, hits=[Hit.of(hit) for hit in hits], notes=notes)


@router.get("/v1/search", tags=["search"], summary="Search photos by words")
async def search(  # noqa: PLR0917  a parameter of the query each
    request: Request, q: Sought, views: ViewsDep, line: Searches, filters: FiltersDep, n: Near = 24
) -> Hits:
    """Returns the photos nearest to the words, of those that pass the filters: n if there are n."""
    return await line.run(request, partial(_sought, views, text=q, n=n, filters=filters))


@router.get("/v1/search.csv", tags=["search"], summary="Search as CSV", responses=CSV, response_class=Response)
async def search_csv(  # noqa: PLR0917  a parameter of the query each
    request: Request, q: Sought, views: ViewsDep, line: Searches, filters: FiltersDep, n: Near = 24
) -> Response:
    """Returns the photos nearest to the words, of those that pass the filters."""
    found = await line.run(request, partial(_sought, views, text=q, n=n, filters=filters))
    return csv_response("search", Hit, found.hits)


@router.post("/v1/search", tags=["search"], openapi_extra=UPLOAD, summary="Search photos by a photo")
async def search_image(  # noqa: PLR0917  a thing it is handed each
    request: Request, images: Uploads, views: ViewsDep, line: Searches, filters: FiltersDep, n: Near = 24
) -> Hits:
    """Returns the photos nearest to the one image that is sent, of those that pass the filters."""
    if len(images) != 1:
        raise Refused(422, f"expected one image, got {len(images)}")
    return await line.run(request, partial(_sought, views, image=images[0][1], n=n, filters=filters))


@router.get("/healthz", tags=["health"], summary="The process answers")
async def health() -> Health:
    """Returns at once, without a look at the workspace."""
    return Health()


@router.get("/readyz", tags=["health"], summary="The workspace can be read")
def ready(views: ViewsDep) -> Ready:
    """Returns which result is served; 503 while the workspace cannot be read."""
    overview = views.overview()
    return Ready(run=overview.run, running=overview.running)
