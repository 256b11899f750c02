"""The application: routes, doorkeeper, templates, and the description of the API."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import StrictUndefined
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import Scope

from trendloom import __version__
from trendloom.config import Settings
from trendloom.web import drawing, forecast_words, problems, words
from trendloom.web.deps import make_lines
from trendloom.web.guard import LOCAL_NAMES, Guard
from trendloom.web.reading import ViewsProtocol
from trendloom.web.routes import api, forecasts, pages, photos
from trendloom.web.schemas import Problem

__all__ = ["create_app"]

_HERE = Path(__file__).parent
_LOOPBACK = LOCAL_NAMES | {"::1"}
_ABOUT = """Garments' tags, looks and trends of dated social photos, on your own machine.

Shares are of people, never of posts. Every number has its 95 % interval. Groups under k people have no numbers.
Errors are problem documents (RFC 9457) with a request id. Each list has a CSV twin.
"""


class _Static(StaticFiles):
    """Files of the dashboard; their addresses carry a digest, so that they may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if scope.get("query_string") else "no-cache"
        response.headers["Cache-Control"] = kept
        return response


def _templates() -> Jinja2Templates:
    """Returns the templates with the words, the pictures and the addresses that they use."""
    static = _HERE / "static"
    digests = {
        path.relative_to(static).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in sorted(static.rglob("*"))
        if path.is_file()
    }
    templates = Jinja2Templates(_HERE / "templates")
    templates.env.undefined = StrictUndefined
    templates.env.trim_blocks = templates.env.lstrip_blocks = True
    templates.env.globals.update(
        words=words,
        forecasts=forecast_words,
        drawing=drawing,
        photo=photos.address,
        static=lambda name: f"/static/{name}?{digests[name]}",
        version=__version__,
    )
    return templates


def _describe(app: FastAPI) -> dict[str, Any]:
    """Returns the OpenAPI description, with problems in the place of FastAPI's own errors."""
    if app.openapi_schema:
        return app.openapi_schema
    described = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    problem = {
        "description": "What was expected, what came, and what to do.",
        "content": {problems.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in described["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
            for parameter in operation.get("parameters", []):
                parameter.get("schema", {}).pop("title", None)
    app.openapi_schema = described
    return described


def create_app(
    views: ViewsProtocol, settings: Settings | None = None, *, hosts: Collection[str] | None = None
) -> FastAPI:
    """Returns the application on a workspace's reading side.

    Args:
        views: What is read; one per app, thread-safe.
        settings: Caps, and the address that will be bound.
        hosts: Names under which it may be addressed; by default local names where `settings.host` is a loopback
            address, else any.
    """
    settings = settings or Settings()
    if hosts is None and settings.host.lower() in _LOOPBACK | {"localhost"}:
        hosts = LOCAL_NAMES
    app = FastAPI(title="trendloom", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.views = views
    app.state.settings = settings
    app.state.templates = _templates()
    app.state.made_by = None  # names of model and taxonomy, once they were asked for
    app.state.photos_line, app.state.searches = make_lines(views, settings)
    problems.install(app)
    for routes in (api, forecasts, pages, photos):
        app.include_router(routes.router)
    app.mount("/static", _Static(directory=_HERE / "static"), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(
        Guard,
        max_body=settings.max_body_mb * 2**20,
        hosts=hosts,
        body_timeout_s=settings.body_timeout_s,
        most=2 * settings.queue,
    )
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app
