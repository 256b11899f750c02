"""Errors as answers: RFC 9457 problems for programs, a page for people, and never a word about internals."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from trendloom.errors import (
    ArtifactError,
    ConfigError,
    ImageError,
    InputError,
    ManifestError,
    NotEnoughData,
    StoreError,
    TrendloomError,
    VectorIndexError,
    WorkspaceBusy,
)

__all__ = ["PROBLEM", "STATUS_OF", "STATUS_OF_IMAGE", "Refused", "answer", "install"]

PROBLEM = "application/problem+json"

STATUS_OF: dict[type[TrendloomError], int] = {
    TrendloomError: 500,
    InputError: 422,
    ImageError: 422,
    ManifestError: 422,
    ArtifactError: 503,
    StoreError: 503,
    WorkspaceBusy: 503,
    VectorIndexError: 503,
    NotEnoughData: 409,
    ConfigError: 500,
}
"""The error tree and the status of each; the nearest class counts."""

STATUS_OF_IMAGE = {"too_large": 413, "unsupported": 415}
_WORDS = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    500: "Something went wrong here. It is in the log under the request id.",
    503: "The workspace cannot be read just now. Try again; the log has the reason under the request id.",
}
_NO_MODEL = (
    "The model of this workspace cannot be used here, so photos and words cannot be looked for or tagged; trends can be read. "
    "Whoever runs the server finds the reason and the remedy in its log."
)
_log = logging.getLogger("trendloom.web")


class Refused(HTTPException):
    """A request that is refused in words; `more` goes into the problem beside them."""

    def __init__(
        self, status: int, detail: str, *, more: Mapping[str, Any] | None = None, retry_after_s: int | None = None
    ) -> None:
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else None
        super().__init__(status, detail, headers)
        self.more = dict(more or {})


def _wants_page(request: Request) -> bool:
    """Returns whether a person reads the answer: a browser, outside the API."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(("/v1/", "/healthz", "/readyz"))


def answer(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """Returns the answer to a request that failed: a page for a browser, else a problem document."""
    title = HTTPStatus(status).phrase
    request_id = request.scope.get("state", {}).get("request_id", "")
    kept = {k: v for k, v in (headers or {}).items() if k.lower() in {"allow", "retry-after"}}
    if _wants_page(request):
        context = {"status": status, "title": title, "detail": detail, "request_id": request_id}
        page: Response = request.app.state.templates.TemplateResponse(
            request, "error.html", context, status_code=status, headers=kept
        )
        return page
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": request_id}
    return JSONResponse({**body, **(more or {})}, status_code=status, headers=kept, media_type=PROBLEM)


def _status_of(exc: TrendloomError) -> int:
    if isinstance(exc, ImageError):
        return STATUS_OF_IMAGE.get(exc.status, STATUS_OF[ImageError])
    return next(STATUS_OF[kind] for kind in type(exc).__mro__ if kind in STATUS_OF)


def _ours(request: Request, exc: Exception) -> Response:
    """Answers an error of the tree; the words of a server's fault stay in the log."""
    status = _status_of(exc) if isinstance(exc, TrendloomError) else 500
    if status < 500:
        return answer(request, status, str(exc))
    _log.error("request %s failed", request.scope.get("state", {}).get("request_id"), exc_info=exc)
    words = _NO_MODEL if isinstance(exc, ArtifactError) else _WORDS[status]
    return answer(request, status, words, headers={"Retry-After": "5"} if status == 503 else None)


def _http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    said = isinstance(exc, Refused)
    detail = str(exc.detail) if said else _WORDS.get(exc.status_code, HTTPStatus(exc.status_code).phrase)
    return answer(
        request, exc.status_code, detail, headers=exc.headers, more=exc.more if isinstance(exc, Refused) else None
    )


def _plain(value: Any) -> str:
    """Returns a short text of what came; never a number that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value)[:80] if isinstance(value, str | int | float | bool) else type(value).__name__


def _errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Returns where, what was expected and what came, of each error of a validation."""
    return [
        {"where": ".".join(map(str, e["loc"])), "message": str(e["msg"]), "got": _plain(e.get("input"))} for e in errors
    ]


def _invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    errors = _errors(exc.errors())
    first = errors[0] if errors else {"where": "request", "message": "not understood"}
    return answer(request, 422, f"{first['where']}: {first['message']}", more={"errors": errors})


def install(app: FastAPI) -> None:
    """Makes every error of the app an answer of this module."""
    app.add_exception_handler(TrendloomError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
