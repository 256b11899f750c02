"""The dashboard: every view is an address that can be sent to a colleague."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from trendloom.artifacts import find_model, load_card
from trendloom.counting import PARTS
from trendloom.counting.cohorts import COHORTS
from trendloom.errors import ArtifactError
from trendloom.export import SEGMENTS, parse_segment
from trendloom.pipeline.searching import Filters, parse_filters
from trendloom.web import drawing, words
from trendloom.web.deps import PhotosLine, Searches, SettingsDep, Templates, Uploads, ViewsDep
from trendloom.web.listing import Listed, find_trend, list_trends
from trendloom.web.problems import Refused
from trendloom.web.reading import OverviewRow, ViewsProtocol
from trendloom.web.routes.api import tagged
from trendloom.web.routes.forecasts import forecast_of
from trendloom.web.schemas import BY, Group, Point, Shown, Trend, rows_of

__all__ = ["PAGE", "router"]

PAGE = 50  # rows of a page

router = APIRouter(include_in_schema=False)

Asked = Annotated[str, Query(max_length=200)]


def _context(overview: OverviewRow, here: str, **more: Any) -> dict[str, Any]:
    """Returns what every page shows."""
    return {"overview": overview, "here": here, **more}


@dataclass(frozen=True, kw_only=True)
class _History:
    """Shares of a trend by window, oldest first, and the first days of the windows."""

    shares: list[float | None]
    starts: list[date]


_NO_HISTORY = _History(shares=[], starts=[])


def _histories(views: ViewsProtocol, ids: list[str], segment: Mapping[str, str]) -> dict[str, _History]:
    """Returns the histories of some trends."""
    frame = views.series(segment=segment or None).filter(pl.col("trend_id").is_in(ids)).sort("window_start")
    share = pl.when(pl.col("suppressed")).then(None).otherwise(pl.col("share").fill_nan(None))
    grouped = frame.group_by("trend_id", maintain_order=True).agg(share.alias("share"), "window_start")
    columns = (grouped[name].to_list() for name in ("trend_id", "share", "window_start"))
    return {name: _History(shares=shares, starts=starts) for name, shares, starts in zip(*columns, strict=True)}


def _spans(views: ViewsProtocol, segment: Mapping[str, str] | None = None) -> words.Spans:
    """Returns what is counted and compared, in words."""
    return words.Spans.of(views.overview().window, views.windows(segment=segment or None))


def _rows(views: ViewsProtocol, rows: list[Trend], histories: Mapping[str, _History]) -> list[dict[str, Any]]:
    """Returns the rows of the list with their pictures."""
    out = []
    for row in rows:
        stage, history = row.stage or "steady", histories.get(row.trend_id, _NO_HISTORY)
        year = words.Step.of(history.starts).year
        out.append(
            {
                "trend": row,
                "photos": [] if row.suppressed else views.photos(row.trend_id, n=3),
                "spark": drawing.sparkline(history.shares, year=year, stage=stage),
                "dot": drawing.growth_dot(row, stage=stage),
            }
        )
    return out


@router.get("/")
def trends(  # noqa: PLR0917  a parameter of the query each
    request: Request,
    templates: Templates,
    views: ViewsDep,
    stage: Asked = "",
    country: Asked = "",
    platform: Asked = "",
    cohort: Asked = "",
    shows: Asked = "",
    q: Asked = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """Answers with the list of trends."""
    overview = views.overview()
    asked = {"stage": stage, "country": country, "platform": platform, "cohort": cohort, "shows": shows, "q": q}
    if overview.run is None:
        return templates.TemplateResponse(request, "first.html", _context(overview, "trends"))
    segment = _segment(asked)
    listed = _listed(views, asked)
    begin = (page - 1) * PAGE
    found = listed.few_last().rows(begin, begin + PAGE)
    histories = _histories(views, [row.trend_id for row in found], segment)
    context = _context(
        overview, "trends", asked=asked, rows=_rows(views, found, histories),
        spans=_spans(views, segment), stages=listed.stages, total=listed.total, begin=begin, page=page,
        pages=max(1, -(-listed.total // PAGE)), segment=segment, everything=sum(listed.stages.values()),
        sides={"cohort": COHORTS, "shows": tuple(PARTS)}, loosen=[] if listed.total else _loosen(views, asked),
        notes=views.absent(Filters(segment=segment)), csv="/v1/trends.csv" + _csv_query(asked),
    )  # fmt: skip
    return templates.TemplateResponse(request, "trends.html", context)


def _segment(asked: Mapping[str, str]) -> dict[str, str]:
    """Returns the segment that a page's filters ask for.

    Raises:
        InputError: A cohort or part that there is not.
    """
    return parse_segment([f"{name}={asked[name]}" for name in SEGMENTS if asked.get(name)])


def _listed(views: ViewsProtocol, asked: Mapping[str, str]) -> Listed:
    """Returns the list under the filters of a page."""
    return list_trends(views, stage=asked["stage"] or None, segment=_segment(asked), query=asked["q"] or None)


def _loosen(views: ViewsProtocol, asked: Mapping[str, str]) -> list[tuple[str, dict[str, str], int]]:
    """Returns for each filter that is set its words, what is asked without it, and how many trends pass then."""
    out = []
    for name in asked:
        if asked[name]:
            rest = {**asked, name: ""}
            out.append((f"{'name' if name == 'q' else name}: {asked[name]}", rest, _listed(views, rest).total))
    return sorted(out, key=lambda way: -way[2])


def _csv_query(asked: dict[str, str]) -> str:
    """Returns the API's query for the filters of a page."""
    pairs = [("stage", asked["stage"]), ("q", asked["q"])]
    pairs += [("segment", f"{name}={asked[name]}") for name in SEGMENTS if asked.get(name)]
    return words.query([(k, v) for k, v in pairs if v])


@router.get("/trends/{trend_id}")
def trend(
    request: Request, trend_id: Annotated[str, Path(max_length=200)], templates: Templates, views: ViewsDep
) -> Response:
    """Answers with one trend and its evidence."""
    overview = views.overview()
    found = find_trend(views, trend_id)
    points = rows_of(Point, views.series(trend_id))
    open_ = not found.suppressed
    groups = {field: rows_of(Group, views.by(trend_id, field)) if open_ else [] for field in BY}
    stage = found.stage or "steady"
    top = drawing.top_of([row for rows in groups.values() for row in rows])
    multiples = {field: drawing.share_dots(rows, stage=stage, top=top) for field, rows in groups.items() if rows}
    beneath = rows_of(Trend, views.beneath(trend_id))
    shows: dict[str, list[Shown]] = {}
    for shown in rows_of(Shown, views.tags_of(trend_id)) if open_ else []:
        shows.setdefault(shown.group, []).append(shown)
    above = views.trend(found.under) if found.under else None
    outlook = forecast_of(views, trend_id)
    step = words.Step.of([point.window_start for point in points])
    context = _context(
        overview, "", trend=found, spans=_spans(views), step=step, points=points,
        photos=views.photos(trend_id, n=12) if open_ else [], multiples=multiples,
        beneath=beneath, above=Trend.model_validate(above) if above else None, shows=shows, stage=stage,
        countries=sum(not row.suppressed for row in groups["country"]),
        sparse=drawing.sparse([point.share for point in points]),
        picture=drawing.chart(points, year=step.year, stage=stage, ahead=outlook.windows), outlook=outlook,
        dot=drawing.growth_dot(found, stage=stage, width=220, height=18),
    )  # fmt: skip
    return templates.TemplateResponse(request, "trend.html", context)


@router.get("/search")
async def search(  # noqa: PLR0917  a parameter of the query each
    request: Request,
    templates: Templates,
    views: ViewsDep,
    line: Searches,
    q: Annotated[str, Query(max_length=400)] = "",
    since: Asked = "",
    until: Asked = "",
    country: Asked = "",
    tag: Asked = "",
) -> Response:
    """Answers with the trends of that name and the photos nearest to the words."""
    segment, tags = ([f"country={country}"] if country else []), ([tag] if tag else [])
    filters = parse_filters(since=since, until=until, segment=segment, tags=tags)
    asked = {"since": since, "until": until, "country": country, "tag": tag}
    pairs = [("q", q), ("since", since), ("until", until), *(("segment", s) for s in segment), ("tag", tag)]
    csv = "/v1/search.csv" + words.query([(name, value) for name, value in pairs if value])

    def page() -> Response:
        overview, sought = views.overview(), q.strip()
        hits = views.search(text=q, n=24, filters=filters) if sought and overview.photos else []
        notes = [] if hits or not sought else views.absent(filters)
        named = list_trends(views, stage=None, segment={}, query=sought).rows(0, 8) if sought and overview.run else []
        context = _context(
            overview, "search", q=q, hits=hits, named=named, by_photo=False, asked=asked, csv=csv, notes=notes
        )
        return templates.TemplateResponse(request, "search.html", context)

    return await (line.run(request, page) if q.strip() else run_in_threadpool(page))


@router.post("/search")
async def search_image(
    request: Request, templates: Templates, views: ViewsDep, images: Uploads, line: Searches
) -> Response:
    """Answers with the photos nearest to one photo."""
    if len(images) != 1:
        raise Refused(422, f"expected one photo, got {len(images)}")

    def page() -> Response:
        hits = views.search(image=images[0][1], n=24)
        asked = dict.fromkeys(("since", "until", "country", "tag"), "")
        found = {"q": "", "hits": hits, "named": [], "by_photo": True, "asked": asked, "csv": "", "notes": []}
        context = _context(views.overview(), "search", **found)
        return templates.TemplateResponse(request, "search.html", context)

    return await line.run(request, page)


@router.get("/tag")
def tag(request: Request, templates: Templates, views: ViewsDep, settings: SettingsDep) -> Response:
    """Answers with the form for photos."""
    context = _context(views.overview(), "tag", reply=None, settings=settings)
    return templates.TemplateResponse(request, "tag.html", context)


@router.post("/tag")
async def tag_images(  # noqa: PLR0917  a thing it is handed each
    request: Request, templates: Templates, views: ViewsDep, settings: SettingsDep, images: Uploads, line: PhotosLine
) -> Response:
    """Answers with the tags of photos, for browsers without scripts."""
    reply = await tagged(request, views, line, images)
    context = _context(await run_in_threadpool(views.overview), "tag", reply=reply, settings=settings)
    return templates.TemplateResponse(request, "tag.html", context)


@router.get("/method")
def method(request: Request, templates: Templates, views: ViewsDep, settings: SettingsDep) -> Response:
    """Answers with how the numbers are made."""
    try:
        card = load_card(find_model(settings.model, settings.models_dir))
    except ArtifactError:
        card = None  # the page says so
    return templates.TemplateResponse(request, "method.html", _context(views.overview(), "method", card=card))


@router.get("/docs")
def docs(request: Request, templates: Templates, views: ViewsDep) -> Response:
    """Answers with the API in words, made from its own description."""
    return templates.TemplateResponse(
        request, "docs.html", _context(views.overview(), "api", api=request.app.openapi())
    )
