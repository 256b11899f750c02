"""The dashboard's pages without a browser: their words, their states, and what they never contain."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from tests.doubles import write_model
from tests.doubles_web import FakeViews, photo_bytes
from trendloom.config import Settings
from trendloom.errors import StoreError
from trendloom.web.app import create_app
from trendloom.web.reading import ViewsProtocol

FIRST = "/trends/look-red-check-shirts-emerging-0"
PAGES = [
    "/",
    "/?stage=rising&country=FR",
    "/?country=XX",
    "/?cohort=mainstream&shows=feet",
    FIRST,
    "/search",
    "/search?q=red+shirt",
    "/tag",
    "/ledger",
    "/materials",
    "/method",
    "/docs",
    "/nothing",
]
RED = photo_bytes((178, 45, 48))


def client(views: ViewsProtocol | None = None, **settings: Any) -> TestClient:
    app = create_app(views or FakeViews(), Settings(**settings))
    return TestClient(app, base_url="http://127.0.0.1", headers={"accept": "text/html"}, raise_server_exceptions=False)


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.found if tag in tags]


def read(path: str, views: ViewsProtocol | None = None, **settings: Any) -> Page:
    return Page(client(views, **settings).get(path).text)


def said(page: Page) -> str:
    return re.sub(r"\s+", " ", page.text)


# ---- every page


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_fenced_small_and_sound(path: str) -> None:
    response = client().get(path)
    assert response.headers["content-type"].startswith("text/html")
    assert len(response.content) < 200_000
    page = Page(response.text)
    assert page.all("html")[0]["lang"] == "en"
    assert [tag for tag, _ in page.found].count("h1") == 1
    assert [tag for tag, _ in page.found].count("main") == 1
    assert page.all("title")
    for tag, attrs in page.found:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert tag != "style"
        assert tag != "script" or attrs.get("src")
        for name in ("src", "href", "action"):
            address = attrs.get(name) or ""
            assert not re.match(r"(?:[a-z]+:)?//|javascript:|data:", address), address
    for image in page.all("img"):
        assert "alt" in image
        assert image["width"]
        assert image["height"]
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [attrs["id"] for _, attrs in page.found if "id" in attrs]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(path: str) -> None:
    opened = client()
    for link in Page(opened.get(path).text).all("a", "link", "script", "img"):
        address = link.get("href") or link.get("src") or ""
        if address.startswith("#") or not address or path == "/nothing":
            continue
        assert opened.get(address).status_code == 200, address


def test_pages_never_show_keys_of_photos() -> None:
    for path in (FIRST, "/", "/search?q=red"):
        assert "red/check/" not in client().get(path).text


def test_names_are_text_never_markup() -> None:
    label = "<script>alert(1)</script>\"'><img src=x>"
    views = FakeViews(label=label)
    for path in ("/", FIRST, "/search?q=%3Cscript%3Ealert(1)", "/?q=%22%3E%3Cb%3E", "/?country=%22%3E%3Cb%3E"):
        html = client(views).get(path).text
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert '"><b>' not in html


# ---- the list


def test_the_list_begins_with_the_strongest_and_how_sure_it_is() -> None:
    text = said(read("/"))
    assert "1,204 people, 27,404 posts, 2 Jan 2023 to 20 Apr 2025, model fashion-lite 1.0" in text
    assert "Strongest evidence: Red check shirts, emerging since" in text
    assert (
        "84 people in the last 13 weeks: 3.1 times the share of the same weeks a year ago (95% sure: 2.0 to 4.7)"
        in text
    )
    assert "1.9% (1.5–2.4)" in text
    assert "×3.1 (2.0–4.7)" in text


def test_stage_filters_are_links_with_counts_that_keep_the_other_filters() -> None:
    page = read("/?country=FR&stage=rising&q=s")
    links = [a["href"] for a in page.all("a") if (a["href"] or "").startswith("/?stage=")]
    assert "/?stage=emerging&country=FR&q=s" in links
    assert [a["href"] for a in page.all("a") if a.get("aria-current") == "true"] == ["/?stage=rising&country=FR&q=s"]
    csv = next(a["href"] or "" for a in page.all("a") if "csv" in (a["href"] or ""))
    assert csv == "/v1/trends.csv?stage=rising&q=s&segment=country%3DFR"
    assert len(client().get(csv).text.splitlines()) == len(page.all("tr"))


def test_small_groups_are_said_to_be_small() -> None:
    text = client().get("/?stage=steady").text
    assert text.count("Too few people to publish") == 2


@pytest.mark.parametrize(
    ("path", "loosen"),
    [
        ("/?country=XX", "without country: XX"),
        ("/?stage=burst&q=zzz", "without name: zzz, 2 trends"),
        ("/?page=9", "Go to its beginning"),
    ],
)
def test_an_empty_result_says_what_to_loosen(path: str, loosen: str) -> None:
    assert loosen in said(read(path))


def test_a_side_of_the_audience_is_asked_for_as_a_segment() -> None:
    asked: list[object] = []

    class Noting(FakeViews):
        def trends(self, **asking: Any) -> pl.DataFrame:
            asked.append(asking["segment"])
            return super().trends(**asking)

    page = read("/?cohort=mainstream&shows=feet", Noting())
    assert asked[0] == {"cohort": "mainstream", "shows": "feet"}
    (csv,) = {a["href"] for a in page.all("a") if "download" in a}
    assert csv == "/v1/trends.csv?segment=cohort%3Dmainstream&segment=shows%3Dfeet"
    refused = client().get("/?shows=elbows")
    assert refused.status_code == 422
    assert "one of upper, lower, feet" in refused.text


def test_a_long_list_has_pages() -> None:
    class Long(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            return pl.concat([super().trends(**asked)] * 3)

    page = read("/?page=2&q=s", Long())
    rels = {a["rel"]: a["href"] for a in page.all("a") if "rel" in a}
    assert rels["prev"] == "/?q=s&page=1"
    assert rels["next"] == "/?q=s&page=3"


# ---- states


def test_the_first_run_is_explained() -> None:
    empty = FakeViews().with_overview(
        run=None,
        posts=0,
        photos=0,
        authors=0,
        first=None,
        last=None,
        now=None,
        window="",
        model="",
        stages={},
        countries={},
        platforms={},
        statuses={},
    )
    assert "trendloom run PHOTOS --workspace WORKSPACE" in said(read("/", empty))
    for path in ("/search", "/search?q=red", "/tag", "/method", "/docs"):
        assert client(empty).get(path).status_code == 200
    assert "31,880 photos looked at so far" in said(read("/", FakeViews().with_overview(run=None, running=True)))
    assert "trends are not counted yet" in said(read("/", FakeViews().with_overview(run=None)))


def test_a_run_in_progress_leaves_the_last_result_up() -> None:
    page = read("/", FakeViews().with_overview(running=True))
    assert "A run is in progress" in said(page)
    assert "Red check shirts" in said(page)


def test_errors_are_pages_for_people_and_problems_for_programs() -> None:
    class Gone(FakeViews):
        def trends(self, **asked: Any) -> pl.DataFrame:
            raise StoreError("/secret/tables are gone")

    response = client(Gone()).get("/")
    assert response.status_code == 503
    assert "Service Unavailable" in response.text
    assert response.headers["x-request-id"] in response.text
    assert "/secret" not in response.text
    assert client(Gone()).get("/", headers={"accept": "*/*"}).json()["status"] == 503
    text = client().get("/trends/nope")
    assert text.status_code == 404
    assert "There is no trend of this id" in text.text
    assert "expected one of emerging" in client().get("/?stage=booming").text.lower()


# ---- one trend


def test_a_trend_is_told_in_a_sentence_with_its_evidence() -> None:
    text = said(read(FIRST))
    assert (
        "84 people posted red check shirts in the last 13 weeks, 1.9% (1.5–2.4) of all active; "
        "3.1 times the same weeks a year ago (2.0–4.7). Seen in 5 countries." in text
    )
    assert "q 0.0" in text
    assert "Told by this story" in text
    assert "NL" in text


def test_the_chart_has_the_same_numbers_as_a_table_and_a_picture_without_scripts() -> None:
    page = read(FIRST)
    series = FakeViews().series("look-red-check-shirts-emerging-0")
    values = [float(data["value"] or "") for data in page.all("data")][: 3 * series.height]  # the forecast's follow
    assert values[::3][::-1] == pytest.approx(series["share"].to_list(), rel=1e-4)
    html = client().get(FIRST).text
    assert "<noscript><svg" in html


def test_two_rows_of_one_name_say_what_each_is() -> None:
    labels = [label for label, few in FakeViews().trends().select("label", "suppressed").rows()[:50]]
    twins = sum(labels.count(label) > 1 for label in labels)
    assert 0 < twins < len(labels)
    assert said(read("/")).count("garments that look alike") + said(read("/")).count("garments tagged so") == twins
    assert "garments that look alike" in said(read(FIRST))


def test_a_told_trend_points_to_the_one_that_tells_it() -> None:
    told = FakeViews().beneath("look-red-check-shirts-emerging-0")["trend_id"][0]
    text = said(read(f"/trends/{told}"))
    assert "told better by Red check shirts" in text
    assert "Part of Red check shirts, emerging" in text
    assert "Why steady" not in text


def test_a_trend_of_few_people_shows_no_number_and_no_photo() -> None:
    views = FakeViews()
    few = views.trends().filter(pl.col("suppressed"))["trend_id"][0]
    page = read(f"/trends/{few}")
    assert "Too few people" in said(page)
    assert "%" not in said(page).split("trendloom 0")[0]
    assert not page.all("img")


def test_a_short_history_is_compared_with_the_weeks_before() -> None:
    text = said(read("/", FakeViews(weeks=40)))
    assert "times the share of the weeks before" in text
    assert "in the last 13 weeks" in text


def test_a_frame_is_drawn_only_where_the_size_of_the_photo_is_known() -> None:
    html = client().get(FIRST).text
    assert html.count('class="frame"') == 11
    assert 'x="6.0" y="19.0" width="88.0" height="68.0"' in html


# ---- search, tag, method


def test_search_shows_trends_of_that_name_and_photos() -> None:
    text = said(read("/search?q=red+check"))
    assert "Trends of that name" in text
    assert "9 Mar 2025" in text
    assert "no date" in text
    assert "File not at hand" in text
    html = client().post("/search", files={"image": ("a.jpg", RED, "image/jpeg")}).text
    assert "Nearest photos" in html


def test_photos_are_tagged_without_scripts() -> None:
    files = [("images", ("a.jpg", RED, "image/jpeg")), ("images", ("<b>.jpg", b"x", "image/jpeg"))]
    text = client().post("/tag", files=files).text
    assert "93%" in text
    assert "Garment 1" in text
    assert "Not read (unsupported)" in text
    assert "<b>.jpg" not in text
    missing = client().post("/tag", files=[("images", ("", b"", "application/octet-stream"))])
    assert missing.status_code == 422
    assert missing.headers["content-type"].startswith("text/html")
    assert "at least one image" in missing.text


def test_the_method_page_shows_the_card_and_the_panel(tmp_path: Path) -> None:
    write_model(tmp_path / "toy")
    text = said(read("/method", models_dir=tmp_path, model="toy"))
    assert "toy 1.0" in text
    assert "31,790" in text
    assert "412 posts with no readable time: tagged, but counted in no week." in text
    assert "Fewer than 10 people" in text
    assert "No model card is at hand" in said(read("/method", models_dir=tmp_path, model="other"))
