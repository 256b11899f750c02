"""What the service refuses and how: caps, the error tree, fences, and bodies and queries made at random."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Message

from tests.doubles_web import FakeViews
from tests.web_client import FIRST, client, problem
from trendloom import errors
from trendloom.config import Settings
from trendloom.types import Box
from trendloom.web.app import create_app
from trendloom.web.guard import Guard
from trendloom.web.problems import PROBLEM, STATUS_OF
from trendloom.web.routes.photos import address


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with client(max_body_mb=1, max_files=3) as opened:
        yield opened


# ---- caps


def test_a_declared_length_over_the_cap_is_refused_before_a_byte_is_read(api: TestClient) -> None:
    response = api.post("/v1/tag", content=b"x" * (2**20 + 1), headers={"content-type": "image/jpeg"})
    assert "1,048,576 bytes" in problem(response, 413)["detail"]
    problem(api.post("/v1/tag", content=b"x", headers={"content-type": "image/jpeg", "content-length": "9" * 30}), 413)
    problem(api.post("/v1/tag", content=b"x", headers={"content-type": "image/jpeg", "content-length": "-1"}), 400)


def test_a_body_without_a_length_is_counted_while_it_comes_in() -> None:
    app = create_app(FakeViews(), Settings(max_body_mb=1))
    asked, at_answer, sent = 0, 0, []

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 2**16, "more_body": True}

    async def send(message: Message) -> None:
        nonlocal at_answer
        at_answer = at_answer or asked
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"image/jpeg"), (b"transfer-encoding", b"chunked")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/v1/tag",
        "raw_path": b"/v1/tag", "query_string": b"", "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8321), "root_path": "",
    }  # fmt: skip
    anyio.run(app, scope, receive, send)
    assert sent[0]["status"] == 413
    assert at_answer == 17  # sixteen pieces fill the cap, the next one is over it
    assert json.loads(sent[1]["body"])["status"] == 413
    assert asked == 34  # as much again is dropped before the connection ends: closed at once, it would lose the answer
    assert [message.get("more_body", False) for message in sent[1:]] == [True, False]


# ---- errors and headers


def every_error(base: type[errors.TrendloomError] = errors.TrendloomError) -> list[type[errors.TrendloomError]]:
    return [base, *(found for kind in base.__subclasses__() for found in every_error(kind))]


def test_every_error_of_the_tree_has_a_status() -> None:
    assert set(every_error()) == set(STATUS_OF)


@pytest.mark.parametrize("kind", every_error())
def test_an_error_of_the_tree_is_answered_with_its_status(kind: type[errors.TrendloomError]) -> None:
    raised = kind("truncated", "at /secret/place") if kind is errors.ImageError else kind("at /secret/place")

    class Fails(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            raise raised

    response = client(Fails()).get("/v1/trends")
    body = problem(response, STATUS_OF[kind])
    if STATUS_OF[kind] >= 500:
        assert "/secret" not in response.text
    else:
        assert body["detail"] == "at /secret/place"
    assert ("retry-after" in response.headers) == (STATUS_OF[kind] == 503)


def test_a_model_that_cannot_be_used_is_not_said_to_come_back() -> None:
    class Fails(FakeViews):
        def search(self, *args: Any, **asked: Any) -> list[Any]:
            raise errors.ArtifactError("at /secret/place")

    detail = problem(client(Fails()).get("/v1/search?q=red"), 503)["detail"]
    assert "trends can be read" in detail
    assert "again" not in detail


def test_what_nobody_foresaw_is_a_500_without_internals() -> None:
    class Breaks(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            raise ZeroDivisionError("in /secret/place.py")

    response = client(Breaks()).get("/v1/trends", headers={"x-request-id": "abc-123-def"})
    assert problem(response, 500)["request_id"] == "abc-123-def"
    assert "secret" not in response.text
    assert "ZeroDivision" not in response.text


def test_a_wrong_address_or_method_is_a_problem(api: TestClient) -> None:
    problem(api.get("/v1/nothing"), 404)
    problem(api.get("/nothing"), 404)
    response = api.delete("/v1/trends")
    problem(response, 405)
    assert response.headers["allow"] == "GET"
    for bad in ("<script>", "a" * 65, "x y"):
        assert api.get("/healthz", headers={"x-request-id": bad}).headers["x-request-id"] != bad


@pytest.mark.parametrize("path", ["/", "/v1/trends", "/v1/nothing", "/static/style.css", "/healthz", "/openapi.json"])
def test_every_answer_is_fenced(api: TestClient, path: str) -> None:
    for response in (api.get(path), api.head(path)):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-request-id"]
        assert "server" not in response.headers


def test_head_is_get_without_a_body(api: TestClient) -> None:
    head, get = api.head("/v1/trends"), api.get("/v1/trends")
    assert head.content == b""
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_local_service_answers_to_local_names_only() -> None:
    for host in ("localhost", "127.0.0.1:9", "LOCALHOST:8321", "[::1]:8321"):
        assert client().get("/healthz", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        problem(client().get("/healthz", headers={"host": host}), 421)
    assert client(host="0.0.0.0").get("/healthz", headers={"host": "trends.example"}).status_code == 200


def test_guard_leaves_other_protocols_alone() -> None:
    seen = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    anyio.run(Guard(inner, max_body=1).__call__, {"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


def test_health_and_readiness() -> None:
    class Gone(FakeViews):
        def overview(self) -> Any:
            raise errors.StoreError("no workspace at /secret")

    assert client(Gone()).get("/healthz").json() == {"status": "ok"}
    problem(client(Gone()).get("/readyz"), 503)
    assert client().get("/readyz").json() == {"status": "ready", "run": "run-1", "running": False}


def test_the_description_is_whole(api: TestClient) -> None:
    described = api.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in json.dumps(described)
    for path, operations in described["paths"].items():
        assert path.startswith(("/v1/", "/healthz", "/readyz"))
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"].startswith("Returns")
            assert PROBLEM in operation["responses"]["default"]["content"]
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (path, parameter["name"])
    names = [name for schema in described["components"]["schemas"].values() for name in schema.get("properties", {})]
    assert {"growth", "share_low", "probability", "next_cursor"} <= set(names)
    references = {text.split('"')[0] for text in json.dumps(described).split("#/components/schemas/")[1:]}
    assert references <= described["components"]["schemas"].keys()


# ---- thumbnails


def test_a_thumbnail_is_bounded_and_its_address_shows_no_path(api: TestClient) -> None:
    path = address("red/check/1.jpg", 128)
    assert "red" not in path
    response = api.get(path)
    assert response.headers["content-type"] == "image/jpeg"
    assert response.content.startswith(b"\xff\xd8")
    assert "private" in response.headers["cache-control"]
    for bad in (
        address("../../etc/passwd", 128),
        address("red/check/1.jpg", 4000),
        "/photos/@@@/128.jpg",
        "/photos/_w/128.jpg",
    ):
        problem(api.get(bad), 404)
    problem(api.get(address("red/check/1.jpg", 128).replace("128", "x")), 422)


def test_a_garments_thumbnail_has_an_address_of_its_own(api: TestClient) -> None:
    path = address("red/check/1.jpg", 128, Box(x0=0.123, y0=0.2, x1=0.124, y1=0.999))
    assert path.endswith("?box=0.12,0.20,0.13,1.00")  # outwards to hundredths: never empty, not too many to keep
    assert api.get(path).status_code == 200
    for bad in (
        "",
        "0,0,1",
        "0,0,0,1",
        "0.5,0,0.4,1",
        "-1,0,1,1",
        "0,0,1,2",
        "a,b,c,d",
        "nan,0,1,1",
        "0,0,inf,1",
        "1" * 50,
    ):
        problem(api.get(address("red/check/1.jpg", 128), params={"box": bad}), 422)


# ---- fuzz

TEXT = st.text(max_size=40) | st.sampled_from(
    ["", "country=FR", "country=", "rising", "0", "-1", "1e9", "%00", "\x00", "nan"]
)
ASKED = st.dictionaries(
    st.sampled_from(["stage", "segment", "q", "limit", "cursor", "n", "page", "country", "x"]), TEXT, max_size=4
)
PATHS = st.sampled_from(
    ["/v1/trends", "/v1/trends.csv", f"/v1/trends/{FIRST}", f"/v1/trends/{FIRST}/series", "/v1/search", "/v1/search.csv", "/",
     "/search", "/tag", "/method", f"/trends/{FIRST}"]
) | st.builds("/v1/trends/{}".format, st.text(st.characters(codec="utf-8"), max_size=12))  # fmt: skip
FUZZ = hypothesis_settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sound(response: Any) -> None:
    """Asserts that an answer is either no error, or a problem, and never the server's fault."""
    assert response.status_code < 500
    if response.status_code >= 400:
        problem(response, response.status_code)


@FUZZ
@given(path=PATHS, asked=ASKED)
def test_no_query_breaks_it(api: TestClient, path: str, asked: dict[str, str]) -> None:
    try:
        response = api.get(path, params={k: v.encode("utf-8", "replace").decode() for k, v in asked.items()})
    except ValueError:
        return  # no address at all: the client refuses it
    except Exception as exc:
        assert "InvalidURL" in type(exc).__name__  # noqa: PT017  the same, of the client's own kind
        return
    sound(response)


@FUZZ
@given(
    path=st.sampled_from(["/v1/tag", "/v1/search", "/tag", "/search", "/v1/trends"]),
    kind=st.sampled_from(["multipart/form-data", "multipart/form-data; boundary=b", "image/jpeg", "text/plain", "", "a/b;;=", "image/\xff"]),
    body=st.binary(max_size=200)
    | st.binary(max_size=80).map(lambda b: b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n' + b + b"\r\n--b--\r\n")
    | st.binary(max_size=80).map(lambda b: b"--b\r\nContent-Disposition: form-data" + b + b"\r\n\r\nx\r\n--b--\r\n"),
)  # fmt: skip
def test_no_body_breaks_it(api: TestClient, path: str, kind: str, body: bytes) -> None:
    sound(api.post(path, content=body, headers=[(b"content-type", kind.encode("latin-1"))]))
