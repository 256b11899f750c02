"""Forecasts: the year ahead of a trend, and the ledger of all that was issued, as API and page."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from trendloom.web.deps import Searches, Segment, Templates, ViewsDep
from trendloom.web.forecast_schemas import Ahead, Entry, Issue, Ledger, Material, Materials, TrendForecast
from trendloom.web.listing import find_trend
from trendloom.web.reading import ViewsProtocol
from trendloom.web.routes.api import CSV, TrendId
from trendloom.web.schemas import Panel, rows_of
from trendloom.web.tables import csv_response

__all__ = ["forecast_of", "router"]

PAGE = 100  # rows of a page of the ledger

router = APIRouter()

Limit = Annotated[int, Query(ge=1, le=500, description="Rows in the answer.")]
Begin = Annotated[int, Query(ge=0, le=10**6, description="Rows to leave out at the beginning.")]
Page = Annotated[int, Query(ge=1, le=10**6)]


def forecast_of(views: ViewsProtocol, trend_id: str, segment: dict[str, str] | None = None) -> TrendForecast:
    """Returns the year ahead of a trend.

    Raises:
        Refused: 404 where there is no such trend.
    """
    found = find_trend(views, trend_id)
    outlook = views.forecasts.trend(trend_id, segment=segment or None)
    return TrendForecast.of(outlook, panel=Panel.of(views.overview()), trend_id=trend_id, label=found.label)


@router.get("/v1/trends/{trend_id}/forecast", tags=["forecasts"], summary="A trend's year ahead")
async def forecast(
    request: Request, trend_id: TrendId, views: ViewsDep, segment: Segment, line: Searches
) -> TrendForecast:
    """Returns medians with 80 % and 95 % intervals, chances of a peak, and which model was used, or why there is none.

    Of a segment the forecast is made when it is first asked for: a few seconds.
    """
    return await line.run(request, partial(forecast_of, views, trend_id, segment))


@router.get(
    "/v1/trends/{trend_id}/forecast.csv",
    tags=["forecasts"],
    summary="A trend's year ahead as CSV",
    responses=CSV,
    response_class=Response,
)
async def forecast_csv(
    request: Request, trend_id: TrendId, views: ViewsDep, segment: Segment, line: Searches
) -> Response:
    """Returns the same windows; none where there is no forecast."""
    found = await line.run(request, partial(forecast_of, views, trend_id, segment))
    return csv_response("forecast", Ahead, found.windows)


def _ledger(views: ViewsProtocol, begin: int, count: int) -> Ledger:
    rows = views.forecasts.ledger()
    weight, both = pl.col("windows"), rows.drop_nulls(["error", "naive_error"])
    ours, naive = (float(both.select((pl.col(c) * weight).sum()).item()) for c in ("error", "naive_error"))
    return Ledger(
        panel=Panel.of(views.overview()),
        issued=rows_of(Issue, views.forecasts.entries()),
        total=rows.height,
        inside_80=rows.select((pl.col("inside_80") * weight).sum() / weight.sum()).item(),
        error_over_naive=ours / naive if naive else None,
        rows=rows_of(Entry, rows.slice(begin, count)),
    )


@router.get("/v1/ledger", tags=["forecasts"], summary="Forecasts issued, beside what happened")
def ledger(views: ViewsDep, limit: Limit = 100, begin: Begin = 0) -> Ledger:
    """Returns every frozen forecast whose windows have begun to pass, beside seasonal naive, the largest misses first."""
    return _ledger(views, begin, limit)


@router.get("/v1/ledger.csv", tags=["forecasts"], summary="The ledger as CSV", responses=CSV, response_class=Response)
def ledger_csv(views: ViewsDep) -> Response:
    """Returns all rows of the ledger."""
    return csv_response("ledger", Entry, rows_of(Entry, views.forecasts.ledger()))


@router.get("/ledger", include_in_schema=False)
def ledger_page(request: Request, templates: Templates, views: ViewsDep, page: Page = 1) -> Response:
    """Answers with the ledger."""
    begin = (page - 1) * PAGE
    found = _ledger(views, begin, PAGE)
    known = {row.trend_id for row in found.rows if views.trend(row.trend_id) is not None}
    context = {
        "overview": views.overview(),
        "here": "ledger",
        "ledger": found,
        "known": known,
        "page": page,
        "pages": max(1, -(-found.total // PAGE)),
        "begin": begin,
    }
    return templates.TemplateResponse(request, "ledger.html", context)


def _materials(views: ViewsProtocol) -> Materials:
    found = views.forecasts.materials()
    return Materials(
        panel=Panel.of(views.overview()), sources=dict(found.sources), materials=rows_of(Material, found.rows)
    )


@router.get("/v1/materials", tags=["forecasts"], summary="Demand by material")
async def materials(request: Request, views: ViewsDep, line: Searches) -> Materials:
    """Returns share, growth and the coming quarter of each fibre and fabric, with the source that says so."""
    return await line.run(request, partial(_materials, views))


@router.get("/v1/materials.csv", tags=["forecasts"], summary="Materials as CSV", responses=CSV, response_class=Response)
async def materials_csv(request: Request, views: ViewsDep, line: Searches) -> Response:
    """Returns the same rows."""
    found = await line.run(request, partial(_materials, views))
    return csv_response("materials", Material, found.materials)


@router.get("/materials", include_in_schema=False)
async def materials_page(request: Request, templates: Templates, views: ViewsDep, line: Searches) -> Response:
    """Answers with demand by material."""
    overview = views.overview()
    found = await line.run(request, partial(_materials, views)) if overview.now else None
    kinds = {
        kind: [row for row in found.materials if row.kind == kind] if found else [] for kind in ("fibre", "fabric")
    }
    context = {"overview": overview, "here": "materials", "found": found, "kinds": kinds}
    return templates.TemplateResponse(request, "materials.html", context)
