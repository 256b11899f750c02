"""Words and drawings of the dashboard."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from trendloom.web import drawing, words
from trendloom.web.schemas import Trend


def trend(**changes: Any) -> Trend:
    return Trend(**{"rank": 1, "trend_id": "t", "kind": "look", "label": "Red bags", **changes})


def test_dates_and_numbers_are_written_one_way() -> None:
    assert words.day(date(2025, 2, 3)) == "3 Feb 2025"
    assert words.day(None) == ""
    assert [words.percent(v) for v in (0, 0.12, 0.019, 0.0034, 0.00012, 1, None)] == [
        "0%",
        "12%",
        "1.9%",
        "0.34%",
        "0.012%",
        "100%",
        "–",
    ]
    assert words.percent_range(0.019, 0.0151, 0.024) == "(1.5–2.4)"
    assert words.percent_range(0.12, 0.1, 0.2) == "(10–20)"
    assert words.percent_range(0.0, 0.0, 0.012) == "(0.0–1.2)"
    assert [words.growth(v) for v in (3.14, 0.55, 12.3, 0.999, 9.96, None)] == [
        "×3.1",
        "×0.55",
        "×12",
        "×1.0",
        "×10",
        "–",
    ]
    assert words.people(1) == "1 person"
    assert words.people(1204) == "1,204 people"


@pytest.mark.parametrize(
    ("q", "text"),
    [(0.0004, "false alarms: fewer than 1 in 1,000"), (0.01, "false alarms: about 1 in 100"), (0.07, "false alarms: about 1 in 14"),
     (0.6, "weak evidence"), (1.0, "no evidence of change"), (0.0, "false alarms: fewer than 1 in 1,000"), (None, "not tested")],
)  # fmt: skip
def test_evidence_in_words(q: float | None, text: str) -> None:
    assert words.chance(q) == text


@pytest.mark.parametrize(
    ("window", "windows", "now", "past"),
    [("week", 120, "the last 13 weeks", "the same weeks a year ago"), ("week", 55, "the last 13 weeks", "the weeks before"),
     ("week", 60, "the last 13 weeks", "the same weeks a year ago, over the last 8 weeks"),
     ("week", 9, "the last 9 weeks", "the weeks before, over the last 3 weeks"), ("week", 0, "the last week", "the weeks before"),
     ("month", 13, "the last 3 months", "the same months a year ago, over the last month"),
     ("month", 8, "the last 3 months", "the months before, over the last 2 months")],
)  # fmt: skip
def test_what_is_compared_in_words(window: str, windows: int, now: str, past: str) -> None:
    assert words.Spans.of(window, windows) == words.Spans(now=now, past=past)


def test_a_sentence_leaves_out_what_is_not_known() -> None:
    spans = words.Spans.of("week", 9)
    assert words.sentence(trend(), spans, 0) == "Too few people show this to publish numbers."
    assert words.sentence(trend(authors=12), spans, 1) == "12 people posted red bags in the last 9 weeks."
    assert words.title("red") == "Red"
    assert words.closed("nothing earlier") == "Nothing earlier."


# ---- drawings


def test_a_sparkline_lifts_the_pen_where_a_week_is_withheld() -> None:
    drawn = str(drawing.sparkline([0.1, 0.2, None, 0.3, None, 0.1, 0.2, 0.3], year=52, stage="rising"))
    now = re.findall(r'class="now" d="([^"]*)"', drawn)[0]
    assert now.count("M") == 3
    assert now.count("h0") == 1


def test_a_history_that_is_mostly_withheld_is_not_drawn() -> None:
    for shares in ([], [None, None], [0.0, None, 0.0, None, 0.3]):
        assert "too few to draw" in drawing.sparkline(shares, year=52, stage="rising")
    assert "<svg" in drawing.sparkline([0.0, 0.0], year=52, stage="rising")


def test_a_sparkline_sets_last_year_behind_this_one() -> None:
    drawn = str(drawing.sparkline([0.5] * 52 + [1.0] * 52, year=52, stage="rising"))
    then, now = (re.findall(rf'class="{name}" d="M\S+ (\S+?)L', drawn)[0] for name in ("then", "now"))
    assert float(then) > float(now)
    assert re.findall(r'class="then" d="([^"]*)"', str(drawing.sparkline([0.5] * 30, year=52, stage="rising"))) == [""]


def test_growth_has_its_place_on_a_doubling_scale() -> None:
    def place(growth: float) -> float:
        drawn = str(drawing.growth_dot(trend(growth=growth, growth_low=growth, growth_high=growth), stage="rising"))
        return float(re.findall(r'cx="([\d.]+)"', drawn)[0])

    assert place(4) - place(2) == pytest.approx(place(2) - place(1), abs=0.2)
    assert place(1000) == place(8)
    assert drawing.growth_dot(trend(), stage="rising") == ""


@pytest.mark.parametrize(
    ("starts", "year", "said"),
    [([], 52, "Week of"), ([date(2025, 1, 6), date(2025, 1, 13)], 52, "Week of"),
     ([date(2025, 1, 6), date(2025, 2, 3)], 13, "4 weeks from"), ([date(2025, 1, 6), date(2025, 4, 7)], 4, "13 weeks from"),
     ([date(2025, 2, 1), date(2025, 3, 1)], 12, "Month of"), ([date(2025, 1, 1), date(2025, 4, 1)], 4, "3 months from")],
)  # fmt: skip
def test_the_step_of_a_history_is_read_from_its_days(starts: list[date], year: int, said: str) -> None:
    assert words.Step.of(starts) == words.Step(year=year, said=said)
