"""The ledger: frozen once, scored when the weeks have passed; and when trends turn."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.forecast_series import drawn, panel
from trendloom.cli import main
from trendloom.errors import NotEnoughData, StoreError
from trendloom.forecast import forecast
from trendloom.forecast.turning import WITHIN, _peaked
from trendloom.pipeline.ledger import ENTRY, frozen, issue, ledger
from trendloom.store import TABLES, Workspace, frame

START = date(2022, 1, 3)


def study(home: Workspace, run: str, shares: np.ndarray, people: list[int]) -> None:
    """Publishes a study with the series t0, t1, ..., as many weeks as `shares` has rows."""
    weeks, trends = shares.shape
    series = [
        {
            "trend_id": f"t{i}",
            "window_start": START + timedelta(weeks=w),
            "numerator": 20,
            "denominator": 100,
            "authors": people[i],
            "share": float(shares[w, i]),
        }
        for i in range(trends)
        for w in range(weeks)
    ]
    named = [{"trend_id": f"t{i}", "label": f"trend {i}", "authors": people[i]} for i in range(trends)]
    rows: dict[str, list[dict[str, object]]] = {"series": series, "trends": named}
    results = {name: frame(name, rows.get(name, [])).drop("run") for name in TABLES if "run" in TABLES[name]}
    now = START + timedelta(weeks=weeks)
    finished = datetime(2025, 1, 1) + timedelta(weeks=weeks)
    facts = {"run": run, "finished_at": finished, "version": "0", "model": "m 1", "window": "week", "now": now}
    home.publish(
        pl.DataFrame([facts]).with_columns(pl.col("finished_at").dt.replace_time_zone("UTC")),
        {name: table for name, table in results.items() if name != "runs"},
    )


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", model="m 1", taxonomy="t 1", source="")


def test_a_forecast_is_frozen_once_and_scored_when_weeks_have_passed(
    home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = drawn(150, 6)
    shares[130:, 2] *= 3  # what nobody could know
    people = [50, 50, 50, 50, 3, 50]
    study(home, "one", shares[:130], people)
    assert issue(home) == 6
    assert issue(home) == 0
    before = frozen(home)
    assert before.schema == pl.Schema(ENTRY)
    assert before["window_start"].min() == START + timedelta(weeks=130)
    assert before.height == 6 * 52
    assert ledger(home).is_empty()
    study(home, "two", shares, people)
    assert frozen(home).equals(before)
    rows = ledger(home)
    assert rows["trend_id"][0] == "t2"
    assert rows["miss"][0] < -0.3
    assert "t4" not in rows["trend_id"].to_list()
    assert rows["windows"].to_list() == [20] * 5
    steady = rows.filter(pl.col("trend_id") == "t0").row(0, named=True)
    assert steady["actual"] == pytest.approx(shares[130:, 0].mean())
    assert steady["naive"] == pytest.approx(shares[78:98, 0].mean())
    with pytest.raises(SystemExit) as code:
        main(["ledger", "--workspace", str(home.root), "--format", "json"])
    assert not code.value.code
    assert json.loads(capsys.readouterr().out)[0]["trend_id"] == "t2"
    with pytest.raises(SystemExit):
        main(["ledger", "--workspace", str(home.root), "--issue"])
    said = capsys.readouterr()
    assert "6 trends forecast" in said.err
    assert "trend 2" in said.out


def test_a_ledger_needs_a_study_and_whole_files(home: Workspace) -> None:
    with pytest.raises(NotEnoughData, match="without a study"):
        issue(home)
    assert ledger(home).is_empty()
    (home.root / "ledger").mkdir()
    (home.root / "ledger" / "one.parquet").write_bytes(b"no")
    with pytest.raises(StoreError, match=r"one\.parquet"):
        frozen(home)


def test_a_peak_is_followed_by_a_fall() -> None:
    rise = np.concatenate([np.arange(1.0, 9.0), np.arange(8.0, 1.0, -1)])[:, None]  # the top is at place 7
    assert _peaked(rise, 3, 6).tolist() == [True]
    assert _peaked(rise, 3, 3).tolist() == [False]
    assert _peaked(np.arange(1.0, 16.0)[:, None], 3, 6).tolist() == [False]


def test_what_a_forecast_is_made_of_is_told() -> None:
    found = forecast(panel(drawn(230, 24)), 26, explained=True)
    told = found.explained["s0"]
    assert set(told) >= {"growth", "level_year_on_year", "high_season", "season_swing", "trees_share"}
    chances = [told[f"peak_within_{weeks}_weeks"] for weeks in WITHIN]
    known = [c for c in chances if isinstance(c, float) and np.isfinite(c)]
    assert known == sorted(known)
    assert all(0 <= c <= 1 for c in known)
    assert "turning points, on origins held out" in found.facts
    assert set(told) >= {"emergence", "grows_by_10_percent", "grows_by_25_percent"}
