"""The API over a double: what it answers, what it refuses, and that errors are always problems."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.doubles_web import FakeViews
from tests.web_client import FIRST, RED, client, files, problem
from trendloom.pipeline.searching import Filters


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with client(max_body_mb=1, max_files=3) as opened:
        yield opened


# ---- trends


def test_the_list_says_what_the_reading_side_says(api: TestClient) -> None:
    body = api.get("/v1/trends", params={"limit": 500}).json()
    expected = FakeViews().trends()
    assert body["total"] == expected.height
    assert [row["trend_id"] for row in body["trends"]] == expected["trend_id"].to_list()
    assert [row["rank"] for row in body["trends"]] == sorted(row["rank"] for row in body["trends"])
    assert sum(body["stages"].values()) == body["total"]
    assert body["panel"]["k"] == 10
    assert body["next_cursor"] is None
    first = body["trends"][0]
    assert first["growth_low"] < first["growth"] < first["growth_high"]


def test_small_groups_have_no_numbers_even_where_the_reading_side_slips() -> None:
    class Slips(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            return super().trends(**asked).with_columns(suppressed=pl.lit(True))

    for row in client(Slips()).get("/v1/trends").json()["trends"]:
        assert row["suppressed"]
        assert {row[name] for name in ("growth", "growth_low", "authors", "posts", "share", "q_value")} == {None}


@pytest.mark.parametrize("limit", [1, 7, 40, 500])
def test_pages_by_cursor_give_the_list_once(api: TestClient, limit: int) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        asked = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        body = api.get("/v1/trends", params=asked).json()
        seen += [row["trend_id"] for row in body["trends"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert seen == FakeViews().trends()["trend_id"].to_list()


def test_a_cursor_of_an_older_result_is_refused() -> None:
    cursor = client().get("/v1/trends", params={"limit": 2}).json()["next_cursor"]
    newer = client(FakeViews().with_overview(run="run-2"))
    assert "begin again" in problem(newer.get("/v1/trends", params={"cursor": cursor}), 409)["detail"]


@pytest.mark.parametrize("cursor", ["x", "!!", "W10", "bnVsbA", "WyJhIiwtMV0", "WyJydW4tMSIsIHRydWVd", "é", "W" * 300])
def test_a_cursor_that_is_none_is_refused(api: TestClient, cursor: str) -> None:
    problem(api.get("/v1/trends", params={"cursor": cursor}), 422)


def test_filters_narrow_the_list_and_counts_stay_beside_them(api: TestClient) -> None:
    rising = api.get("/v1/trends", params={"stage": "rising"}).json()
    assert {row["stage"] for row in rising["trends"]} == {"rising"}
    assert rising["stages"]["emerging"] == 4
    red = api.get("/v1/trends", params={"q": "RED"}).json()
    assert all("red" in row["label"].lower() for row in red["trends"])
    nl = api.get("/v1/trends", params={"segment": ["country=NL", "platform=tiktok"]}).json()
    assert 0 < nl["total"] < rising["stages"]["steady"]
    assert api.get("/v1/trends", params={"segment": "country=XX"}).json()["total"] == 0


@pytest.mark.parametrize(
    "asked",
    [{"stage": "booming"}, {"segment": "age=20"}, {"segment": "country"}, {"segment": "country="}, {"limit": 0},
     {"limit": 501}, {"limit": "x"}, {"q": "a" * 201}],
)  # fmt: skip
def test_a_filter_that_does_not_exist_is_refused(api: TestClient, asked: dict[str, Any]) -> None:
    assert next(iter(asked)) in problem(api.get("/v1/trends", params=asked), 422)["detail"]


def test_what_another_trend_tells_stands_under_it(api: TestClient) -> None:
    told = next(row for row in FakeViews().beneath(FIRST).iter_rows(named=True))
    listed = api.get("/v1/trends", params={"limit": 500}).json()["trends"]
    assert told["trend_id"] not in {row["trend_id"] for row in listed}
    assert api.get(f"/v1/trends/{FIRST}").json()["beneath"][0]["trend_id"] == told["trend_id"]
    assert api.get(f"/v1/trends/{told['trend_id']}").json()["trend"]["under"] == FIRST


def test_one_trend_comes_with_its_evidence(api: TestClient) -> None:
    body = api.get(f"/v1/trends/{FIRST}").json()
    assert body["trend"]["label"] == "red check shirts"
    assert len(body["series"]) == 120
    assert body["series"] == api.get(f"/v1/trends/{FIRST}/series").json()
    assert all(p["share_low"] <= p["share"] <= p["share_high"] for p in body["series"])
    few = {row["value"] for row in body["countries"] if row["suppressed"]}
    assert few == {"NL"}
    assert [row["value"] for row in body["cohorts"]] == ["fashion-forward", "trend-aware", "mainstream"]
    assert {row["group"] for row in body["shows"]} == {"colour", "pattern", "type"}
    for path in ("", "/series", "/series.csv", "/by/country.csv"):
        problem(api.get(f"/v1/trends/no-such-look{path}"), 404)
    problem(api.get(f"/v1/trends/{FIRST}/by/age.csv"), 404)


def test_numbers_that_json_does_not_know_become_null() -> None:
    class Odd(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            return super().trends(**asked).with_columns(growth=pl.lit(math.nan), growth_high=pl.lit(math.inf))

    for response in (client(Odd()).get("/v1/trends"), client(Odd()).get("/v1/trends.csv")):
        assert response.status_code == 200
        assert "nan" not in response.text.lower().replace("finance", "")
        assert "inf" not in response.text.lower()
    assert client(Odd()).get("/v1/trends").json()["trends"][0]["growth"] is None


# ---- CSV


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_says_what_json_says(api: TestClient) -> None:
    asked = {"stage": "emerging", "segment": "country=FR"}
    response = api.get("/v1/trends.csv", params=asked)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "trends.csv" in response.headers["content-disposition"]
    rows = table(response.text)
    for row, said in zip(rows, api.get("/v1/trends", params=asked).json()["trends"], strict=True):
        assert row.keys() == said.keys()
        assert next(iter(row)) == "rank"
        assert (row["label"], row["since"], int(row["authors"])) == (said["label"], said["since"], said["authors"])
        assert float(row["growth"]) == pytest.approx(said["growth"], rel=1e-5)
    assert len(table(api.get(f"/v1/trends/{FIRST}/series.csv").text)) == 120
    by = table(api.get(f"/v1/trends/{FIRST}/by/platform.csv").text)
    assert [row["value"] for row in by] == ["tiktok", "instagram"]


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '"=1"'])
def test_no_csv_cell_is_a_formula(label: str) -> None:
    text = client(FakeViews(label=label)).get("/v1/trends.csv").text
    for line in csv.reader(io.StringIO(text)):
        for cell in line:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert label in table(text)[0]["label"]


# ---- tag and search


def test_images_are_tagged_in_the_order_sent(api: TestClient) -> None:
    body = api.post("/v1/tag", files=files(RED, b"not an image", RED)).json()
    assert [image["name"] for image in body["images"]] == ["photo-0.jpg", "photo-1.jpg", "photo-2.jpg"]
    assert [image["status"] for image in body["images"]] == ["ok", "unsupported", "ok"]
    garment = body["images"][0]["garments"][0]
    assert garment["box"] == {"x0": 0.06, "y0": 0.19, "x1": 0.94, "y1": 0.87}
    assert {"group": "pattern", "value": "check", "value_id": "fashionpedia:296", "probability": 0.81} in garment[
        "tags"
    ]
    assert body["images"][1]["garments"] == []
    assert body["model"] == "fashion-lite 1.0"


def test_garments_have_their_pixels_colours_and_heat_where_asked_for(api: TestClient) -> None:
    plain = api.post("/v1/tag", files=files(RED)).json()["images"][0]["garments"][0]
    assert plain["heat"] is None
    assert plain["colours"] == [{"name": "red", "hex": "#b02020", "lab": [38.3, 55.6, 38.4], "share": 0.8}]
    heat = api.post("/v1/tag?heat=true", files=files(RED)).json()["images"][0]["garments"][0]["heat"]
    with Image.open(io.BytesIO(base64.b64decode(heat.removeprefix("data:image/png;base64,")))) as picture:
        assert picture.mode == "RGBA"
        assert picture.getpixel((0, 0)) == (255, 0, 0, 200)  # the double looks along the diagonal
        assert picture.getpixel((1, 0)) == (255, 0, 0, 0)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "application/octet-stream", "IMAGE/JPEG; q=1"])
def test_one_image_may_be_the_body(api: TestClient, kind: str) -> None:
    body = api.post("/v1/tag", content=RED, headers={"content-type": kind}).json()
    assert [image["status"] for image in body["images"]] == ["ok"]


def test_a_name_loses_its_folders(api: TestClient) -> None:
    sent = [
        ("images", ("../../etc/pass\x07wd.jpg", RED, "image/jpeg")),
        ("images", ("C:\\me\\a.jpg", RED, "image/jpeg")),
    ]
    names = [image["name"] for image in api.post("/v1/tag", files=sent).json()["images"]]
    assert names[1] == "a.jpg"
    assert "/" not in names[0]


def test_where_no_image_can_be_read_the_answer_is_a_problem(api: TestClient) -> None:
    body = problem(api.post("/v1/tag", files=files(b"x", b"y")), 415)
    assert [image["status"] for image in body["images"]] == ["unsupported", "unsupported"]


@pytest.mark.parametrize("path", ["/v1/tag", "/v1/search"])
def test_bodies_of_another_kind_are_refused(api: TestClient, path: str) -> None:
    problem(api.post(path, json={"images": []}), 415)
    problem(api.post(path), 415)
    problem(api.post(path, content=b"", headers={"content-type": "image/jpeg"}), 422)
    problem(api.post(path, files=files(RED, field="photos")), 422)
    problem(api.post(path, content=b"--x", headers={"content-type": "multipart/form-data"}), 400)
    problem(api.post(path, content=b"nonsense", headers={"content-type": "multipart/form-data; boundary=b"}), 400)
    problem(api.post(path, files=files(RED, RED, RED, RED)), 413)


def test_search_by_words_and_by_photo(api: TestClient) -> None:
    hits = api.get("/v1/search", params={"q": "red check shirt", "n": 5}).json()["hits"]
    assert len(hits) == 5
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert table(api.get("/v1/search.csv", params={"q": "red check shirt", "n": 5}).text)[0]["key"] == hits[0]["key"]
    by_photo = api.post("/v1/search?n=3", files=files(RED, field="image")).json()["hits"]
    assert len(by_photo) == 3
    problem(api.post("/v1/search", files=files(RED, RED)), 422)
    problem(api.get("/v1/search"), 422)
    problem(api.get("/v1/search", params={"q": ""}), 422)
    assert "empty" in problem(api.get("/v1/search", params={"q": "  "}), 422)["detail"]


def test_a_search_is_narrowed_by_time_country_and_tag() -> None:
    views = FakeViews()
    opened = client(views)
    asked = {"since": "2025-01-01", "until": "2025-04-01", "segment": "country=FR", "tag": ["colour=red", "type=shirt"]}
    wanted = Filters(
        since=date(2025, 1, 1),
        until=date(2025, 4, 1),
        segment={"country": "FR"},
        tags=(("colour", "red"), ("type", "shirt")),
    )
    for path in ("/v1/search", "/v1/search.csv"):
        assert opened.get(path, params={"q": "red", **asked}).status_code == 200
        assert views.filters == wanted
    assert opened.post("/v1/search", params=asked, files=files(RED)).status_code == 200
    assert views.filters == wanted
    page = opened.get("/search", params={"q": "red", "since": "2025-01-01", "country": "FR", "tag": "colour=red"})
    assert views.filters == Filters(since=date(2025, 1, 1), segment={"country": "FR"}, tags=(("colour", "red"),))
    assert 'value="colour=red"' in page.text
    csv_link = "/v1/search.csv?q=red&amp;since=2025-01-01&amp;segment=country%3DFR&amp;tag=colour%3Dred"
    assert csv_link in page.text


@pytest.mark.parametrize("wrong", [{"since": "1 May"}, {"until": "2025-02-30"}, {"segment": "age=20"}, {"tag": "red"}])
def test_a_search_filter_that_cannot_be_read_is_refused(api: TestClient, wrong: dict[str, str]) -> None:
    detail = problem(api.get("/v1/search", params={"q": "red", **wrong}), 422)["detail"]
    assert next(iter(wrong)) in detail
