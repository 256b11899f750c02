"""The ledger: frozen once, scored when the weeks have passed; and when trends turn."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.forecast_series import drawn, panel
from trendloom.cli import main
from trendloom.cli.workspace import forecast_trends
from trendloom.errors import NotEnoughData, StoreError
from trendloom.export import export
from trendloom.forecast import forecast
from trendloom.forecast.turning import WITHIN, _peaked
from trendloom.pipeline.forecast_views import ForecastViews
from trendloom.pipeline.issuing import Issued, issue
from trendloom.pipeline.ledger import ENTRY, frozen, judged, ledger, public
from trendloom.pipeline.study import Results, results
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
    assert issue(home) == Issued(trends=6, without=0, new=True)
    assert issue(home) == Issued(trends=6, without=0, new=False)
    before = frozen(home)
    assert before.schema == pl.Schema(ENTRY)
    assert before["window_start"].min() == START + timedelta(weeks=130)
    assert before["windows"].value_counts().sort("windows").rows() == [(1, 6 * 52), (13, 6 * 4)]
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


def entry(trend: str, start: date, windows: int, model: str) -> dict[str, object]:
    return dict.fromkeys(ENTRY, None) | {
        **dict.fromkeys(("low_95", "low_80", "point", "high_80", "high_95", "expected", "naive"), 0.2),
        "trend_id": trend,
        "window_start": start,
        "windows": windows,
        "model": model,
        "run": "one",
    }


def test_a_public_forecast_repeats_no_window_that_is_withheld() -> None:
    week = START + timedelta(weeks=52)
    models = {"combined": "combined", "naive": "seasonal-naive", "coarse": "combined", "few": "combined"}
    rows = [entry(trend, week + timedelta(weeks=w), 1, model) for trend, model in models.items() for w in range(3)]
    rows += [entry(trend, week, 13, model) for trend, model in models.items()]
    series: list[dict[str, object]] = [
        {"trend_id": t, "window_start": START + timedelta(weeks=w), "numerator": n, "authors": n, "share": 0.1}
        for t in models
        for w, n in enumerate([3, 50, 0])
    ]
    trends: list[dict[str, object]] = [{"trend_id": t, "authors": 4 if t == "few" else 60} for t in models]
    found = Results(
        trends=frame("trends", trends), series=frame("series", series), members=frame("members", []), step="week",
        now=week, posts=frame("posts", []), photos=frame("photos", []),
    )  # fmt: skip
    history = found.series.with_columns(windows=pl.when(pl.col("trend_id") == "coarse").then(13).otherwise(1))
    shown = public(pl.DataFrame(rows, schema=ENTRY), found, history, 10).filter(pl.col("windows") == 1)
    assert shown["trend_id"].unique().sort().to_list() == ["combined", "naive"]
    by = {t: shown.filter(trend_id=t) for t in ("combined", "naive")}
    assert by["combined"]["naive"].to_list() == [None, 0.2, 0.2]
    assert by["combined"]["point"].to_list() == [0.2, 0.2, 0.2]
    assert by["naive"]["point"].to_list() == [None, 0.2, 0.2]
    assert by["naive"]["suppressed"].to_list() == [True, False, False]
    coarse = public(pl.DataFrame(rows, schema=ENTRY), found, history, 10).filter(trend_id="coarse")
    assert coarse.select("windows", "point", "naive").rows() == [(13, 0.2, None)]
    everything = public(pl.DataFrame(rows, schema=ENTRY), found, found.series.with_columns(windows=pl.lit(1)), 1)
    assert everything["naive"].null_count() == 0


def test_views_show_the_year_ahead_of_a_trend_or_why_there_is_none(home: Workspace) -> None:
    study(home, "one", drawn(130, 4), [50, 50, 3, 50])
    found = results(home)
    views = ForecastViews(home, lambda segment: found, lambda segment: found.series, k=10)
    assert "made without forecasts" in str(views.trend("t0").reason)
    assert issue(home).new
    outlook = views.trend("t0")
    assert outlook.reason is None
    assert outlook.rows.height == 52
    assert outlook.issued == START + timedelta(weeks=130)
    assert "too few people" in str(views.trend("t2").reason)
    assert "too few people" in str(views.trend("none").reason)
    assert views.entries()["trends"].to_list() == [4]
    pooled = found.series.filter(pl.col("window_start").rank("dense").over("trend_id") % 13 == 1)
    pooled = pooled.with_columns(windows=pl.lit(13), share=pl.col("share") * 3)
    coarse = ForecastViews(home, lambda segment: found, lambda segment: pooled, k=10).trend("t0")
    assert coarse.rows["windows"].to_list() == [13] * 4
    fine = outlook.rows["point"].mean()
    assert isinstance(fine, float)
    assert coarse.rows["point"].mean() == pytest.approx(3 * fine, rel=0.35)  # in the unit of the blocks
    segment = ForecastViews(home, lambda segment: found, lambda segment: found.series, k=10)
    assert segment.trend("t0", segment={"country": "FR"}).rows.height == 52
    output = home.root / "f.csv"
    assert export(home, "forecasts", output, k=10) > 0
    assert "t2" not in output.read_text(encoding="utf-8")


def test_runs_without_enough_weeks_say_so(home: Workspace) -> None:
    study(home, "one", drawn(1, 2), [50, 50])
    said = forecast_trends(home, lambda phase: None)
    assert said.startswith("no forecasts: expected series of at least two windows")


def test_where_peaks_cannot_be_told_apart_the_share_stands() -> None:
    chance = np.random.default_rng(3)
    noise = 0.05 * np.exp(chance.normal(0, 0.3, (200, 40)))
    found = forecast(panel(noise), 26, explained=True)
    held = found.facts["turning points, on origins held out"]
    assert isinstance(held, dict)
    plain = [weeks for weeks in WITHIN if held[f"within {weeks} weeks"].get("plain")]
    assert plain
    for weeks in plain:
        assert len({told[f"peak_within_{weeks}_weeks"] for told in found.explained.values()}) == 1


def test_the_mean_of_a_quarter_of_skewed_counts_lies_above_the_mean_of_medians() -> None:
    chance = np.random.default_rng(4)
    counts = np.where(chance.random((200, 40)) < 0.3, chance.exponential(0.02, (200, 40)), 0.0)
    found = forecast(panel(counts), 26, quantiles=(0.1, 0.9))
    real = counts.mean()
    assert found.point.mean() < 0.7 * real
    assert found.quarters.mean() == pytest.approx(real, rel=0.25)
    assert (found.quarter_quantiles[0] <= found.quarters).all()
    assert (found.quarters <= found.quarter_quantiles[1]).all()


def test_the_ledger_counts_weeks_with_few_people_too(home: Workspace) -> None:
    shares = drawn(140, 4)
    study(home, "one", shares[:130], [50] * 4)
    assert issue(home).new
    study(home, "two", shares, [50] * 4)
    found = results(home)
    last = pl.col("window_start") >= START + timedelta(weeks=130)
    few = found.series.with_columns(authors=pl.when(last).then(4).otherwise("authors"))
    names = ["t0", "t1", "t2"]
    members = [  # over ten weeks t0 is shown by 20 people, t1 by 5, t2 by nobody
        {"trend_id": t, "post_id": f"{t}-{i}", "window_start": START + timedelta(weeks=130 + i % 10)}
        for t, people in zip(names, (20, 5, 0), strict=True)
        for i in range(people)
    ]
    posts = [{"post_id": m["post_id"], "author_hash": m["post_id"]} for m in members]
    few = few.with_columns(
        authors=pl.when(last & (pl.col("trend_id") == "t2")).then(0).otherwise("authors"),
        share=pl.when(last & (pl.col("trend_id") == "t2")).then(0.0).otherwise("share"),
    )
    changed = replace(
        found, series=few, members=pl.DataFrame(members), posts=pl.DataFrame(posts).with_columns(posted_at=pl.lit(None))
    )
    rows = {row["trend_id"]: row for row in judged(home, changed, 10).iter_rows(named=True)}
    assert set(rows) == {"t0", "t2"}
    assert rows["t0"]["windows"] == 10
    assert rows["t0"]["actual"] == pytest.approx(shares[130:140, 0].mean())
    assert rows["t2"]["actual"] == 0
    assert rows["t2"]["miss"] is None
    assert set(judged(home, changed, 1)["trend_id"]) == {"t0", "t1", "t2", "t3"}
