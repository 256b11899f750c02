"""Forecasts on pages and in the API: the year ahead, when it may turn, and the ledger, misses first."""

from __future__ import annotations

import csv
import io

import pytest

from tests.doubles_web import FakeViews
from tests.test_web_pages import FIRST, client, read, said
from trendloom.web.forecast_schemas import TrendForecast
from trendloom.web.forecast_words import ahead

ID = FIRST.removeprefix("/trends/")


def few(views: FakeViews) -> str:
    """Returns a trend that too few people show."""
    table = views.trends()
    return str(table.filter(table["suppressed"])["trend_id"][0])


def test_the_year_ahead_has_medians_intervals_and_chances() -> None:
    found = client().get(f"/v1/trends/{ID}/forecast").json()
    assert found["model"] == "combined"
    assert found["reason"] is None
    assert len(found["windows"]) == 52
    assert all(w["low_95"] <= w["low_80"] <= w["point"] <= w["high_80"] <= w["high_95"] for w in found["windows"])
    assert found["change"] == pytest.approx(1 / 0.9)
    chances = {peak["weeks"]: peak for peak in found["peaks"]}
    assert chances[13]["probability"] == pytest.approx(0.12)
    assert chances[13]["bins"][1] == {"said": 0.35, "happened": 0.34, "number": 300}
    assert chances[52]["probability"] is None
    rows = list(csv.DictReader(io.StringIO(client().get(f"/v1/trends/{ID}/forecast.csv").text)))
    assert float(rows[3]["point"]) == pytest.approx(found["windows"][3]["point"], rel=1e-4)


def test_few_people_have_no_forecast_and_a_reason() -> None:
    views = FakeViews()
    found = client(views).get(f"/v1/trends/{few(views)}/forecast").json()
    assert found["windows"] == []
    assert found["model"] is None
    assert "too few people" in found["reason"]
    page = said(read(f"/trends/{few(views)}", views))
    assert "No forecast: too few people" in page
    segment = client(views).get(f"/v1/trends/{ID}/forecast?segment=country=NL").json()
    assert segment["windows"] == []
    assert client(views).get("/v1/trends/none/forecast").status_code == 404


def test_a_trend_page_tells_the_year_ahead_and_when_it_may_turn() -> None:
    page = said(read(FIRST))
    assert "The year ahead" in page
    assert "Made from what was known by 21 Apr 2025" in page
    assert "×1.1 the year before" in page
    assert "13 weeks12%" in page.replace(" 12%", "12%")
    assert "Tested at later dates than learned from, 600 times: 23% said on average, 21% came; nearer than" in page
    assert "Trends could not be told apart: this is the share that did before, tested 500 times" in page
    assert "Not known: too short a history" in page
    html = client().get(FIRST).text
    assert 'class="now ahead"' in html  # drawn on the server too
    assert "and its forecast to 13 Apr 2026" in html


def test_a_forecast_by_quarter_says_so() -> None:
    row = {"window_start": "2025-04-21", "windows": 13, "point": 0.15, "low_80": 0.1, "high_80": 0.2}
    found = TrendForecast.model_validate(
        {
            "panel": client().get("/v1/trends?limit=1").json()["panel"], "trend_id": "a", "label": "a", "model": "young",
            "reason": None, "issued": "2025-04-21", "peaks": [], "windows": [row],
        }
    )  # fmt: skip
    assert "15% of people in the quarter from 21 Apr 2025, 80% interval 10–20" in ahead(found)


def test_the_ledger_has_misses_first_and_beside_repeating_last_year() -> None:
    views = FakeViews()
    assert "None can be judged yet" in said(read("/ledger", views))
    views.forecasts.passed = 150
    page = said(read("/ledger", views))
    assert "2 forecasts issued" in page
    assert "the mean error is 0.50 times that of repeating last year" in page
    assert "Rows 1–100 of 150" in page
    assert "Rows 101–150 of 150" in said(read("/ledger?page=2", views))
    found = client(views).get("/v1/ledger?limit=5").json()
    assert found["total"] == 150
    assert len(found["rows"]) == 5
    assert found["inside_80"] == pytest.approx(0.4967, abs=1e-3)
    assert found["rows"][1]["naive"] is None
    assert len(client(views).get("/v1/ledger.csv").text.splitlines()) == 151


def test_materials_say_who_says_so_and_hide_few_people() -> None:
    found = client().get("/v1/materials").json()
    linen, suede = found["materials"]
    assert (linen["material"], linen["source"], linen["ahead"]) == ("linen", "captions", 1.2)
    assert suede["suppressed"]
    assert suede["share"] is None
    page = said(read("/materials"))
    assert "Linen" in page
    assert "×1.2 (0.80–1.7)" in page
    assert "Too few people to publish" in page
    assert "Silent: not validated." in page
    assert len(client().get("/v1/materials.csv").text.splitlines()) == 3
    assert "no study of dated posts" in said(read("/materials", FakeViews(now=None)))
