"""Reasons: kept as parts, the same sentences as ever, and no few people in them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trendloom.pipeline.publishing import publish
from trendloom.stages.reasons import PARTS, reason
from trendloom.store import TABLES, Workspace, frame

# A study of the drawn demo as it is stored, and what was published of it while sentences were stored.
STORED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "test_reasons.json").read_text(encoding="utf-8"))
ROW: dict[str, Any] = STORED[0]["row"]


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame("trends", list(rows)).drop("run")


@pytest.mark.parametrize("k", [1, 10])
def test_sentences_of_a_stored_study_stay_the_same(k: int) -> None:
    rows = publish(table(*(one["row"] for one in STORED)), "trends", k)
    assert rows["reason"].to_list() == [one["at"][str(k)] for one in STORED]
    assert {one["row"]["stage"] for one in STORED} >= {"emerging", "steady"}


def test_parts_are_stored_and_published_as_a_reason_alone() -> None:
    assert set(PARTS) < set(TABLES["trends"])
    assert "reason" not in TABLES["trends"]
    rows = publish(table(ROW), "trends", 10)
    assert not set(PARTS) & set(rows.columns)
    assert rows.columns[rows.columns.index("since") + 1] == "reason"


@pytest.mark.parametrize(
    ("before", "k", "said"),
    [
        (9.0, 10, ", fewer than 10 in the same weeks"),
        (9.4, 10, ", fewer than 10 in the same weeks"),
        (10.0, 10, ", 10 in the same weeks"),
        (0.3, 10, ", fewer than 10 in the same weeks"),
        (0.0, 10, ", 0 in the same weeks"),
        (9.0, 1, ", 9 in the same weeks"),
        (0.3, 1, ", 0 in the same weeks"),
    ],
)
def test_few_people_of_the_time_before_are_told_as_few(before: float, k: int, said: str) -> None:
    assert said in reason(ROW | {"authors_before": before}, k)


def test_few_people_of_a_shorter_span_are_told_as_few() -> None:
    row = ROW | {"authors": 12, "authors_now": 7, "authors_before": 3.0, "compared": 8}
    assert ", 12 people; 7 people in the last 8 weeks, 3 in the same weeks" in reason(row, 1)
    assert ", 12 people; fewer than 10 people in the last 8 weeks, fewer than 10 in the same weeks" in reason(row, 10)
    assert ", 12 people; 1 person in the last 8 weeks" in reason(row | {"authors_now": 1}, 1)


def test_a_reason_says_what_kind_of_past_there_was() -> None:
    assert reason(ROW | {"compared": 0}, 10) == "nothing earlier to compare with"
    young = ROW | {"year_before": False, "compared": 4, "growth_without_loudest": None}
    assert "in a usual span of 4 weeks before: " in reason(young, 1)
    assert reason(young, 1).endswith("; less than a year is known, it may be a season")
    assert reason(ROW | {"stage": "seasonal"}, 1).endswith("; moves within the year and is back where it was")
    assert reason(young | {"told_by": "red skirts"}, 1).endswith("; told by red skirts")
    assert ", spread over 3 countries; " in reason(young | {"countries": 3}, 1)


def test_reasons_stored_as_text_are_not_published_but_say_what_to_do(tmp_path: Path) -> None:
    home = Workspace.create(tmp_path / "w", model="m 1", taxonomy="t 1", source="")
    earlier = table(ROW).drop(PARTS).with_columns(reason=pl.lit("7 people in the last 8 weeks"), run=pl.lit("run-1"))
    earlier.write_delta(str(home.root / "tables" / "trends"))
    rows = publish(home.result("trends", "run-1"), "trends", 10)
    assert rows["reason"].to_list() == [reason(dict.fromkeys(PARTS), 10)]
    assert "the next `trendloom run` tells it" in rows["reason"][0]
    home.append("trends", table(ROW | {"since": date(2025, 12, 1)}).with_columns(run=pl.lit("run-2")))
    assert publish(home.result("trends", "run-2"), "trends", 10)["reason"].to_list() == [STORED[0]["at"]["10"]]
