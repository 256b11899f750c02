"""A client of the application over a double, and the form that every error has."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.doubles_web import FakeViews, photo_bytes
from trendloom.config import Settings
from trendloom.web.app import create_app
from trendloom.web.problems import PROBLEM
from trendloom.web.reading import ViewsProtocol

__all__ = ["FIRST", "RED", "client", "files", "problem"]

RED = photo_bytes((178, 45, 48), "check")
FIRST = "look-red-check-shirts-emerging-0"


def client(views: ViewsProtocol | None = None, **settings: Any) -> TestClient:
    """Returns a client of an application of its own."""
    app = create_app(views or FakeViews(), Settings(**settings))
    return TestClient(app, base_url="http://127.0.0.1:8321", raise_server_exceptions=False)


def files(*images: bytes, field: str = "images") -> list[tuple[str, tuple[str, bytes, str]]]:
    """Returns the parts of a form that uploads images."""
    return [(field, (f"photo-{at}.jpg", image, "image/jpeg")) for at, image in enumerate(images)]


def problem(response: Any, status: int) -> dict[str, Any]:
    """Asserts that an answer is a problem document of that status, and returns it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "request_id"} <= body.keys()
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    for leak in ("Traceback", "site-packages", 'File "', ".py"):
        assert leak not in response.text
    return body
