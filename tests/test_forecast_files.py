"""Forecasts of files: what is written, exit codes, and every kind of bad input."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.forecast_series import drawn, read, table, write
from trendloom.cli import main
from trendloom.forecast import Table


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_code:
        main([str(a) for a in arguments])
    return int(exit_code.value.code or 0)


def report(path: Path) -> dict[str, object]:
    found = json.loads(path.with_suffix(".report.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def weekly(tmp_path: Path) -> Path:
    return write(tmp_path / "series.csv", table(drawn(120, 6)))


def test_the_output_has_the_form_of_the_input(weekly: Path, tmp_path: Path) -> None:
    assert run("forecast", weekly, "--horizon", 8, "--output", tmp_path / "out.csv") == 0
    header, rows = read(tmp_path / "out.csv")
    assert header == read(weekly)[0]
    assert [row[0] for row in rows][:2] == ["2020-04-20", "2020-04-27"]
    assert len(rows) == 8
    told = report(tmp_path / "out.csv")
    assert (told["frequency"], told["season"], told["periods"], told["not_forecast"]) == ("weekly", 52, 120, {})
    assert "explained" not in told


def test_quantiles_give_a_row_each(weekly: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run("forecast", weekly, "--horizon", 3, "--output", out, "--quantiles", "0.1,0.5,0.9", "--explain") == 0
    header, rows = read(out)
    assert header == ["series", "date", "quantile", "value"]
    assert len(rows) == 6 * 3 * 3
    assert [row[2] for row in rows[:3]] == ["0.1", "0.5", "0.9"]
    low, middle, high = (float(row[3]) for row in rows[:3])
    assert low <= middle <= high
    explained = report(out)["explained"]
    assert isinstance(explained, dict)
    assert set(explained) == {f"s{i}" for i in range(6)}
    assert explained["s0"]["model"] in ("combined", "seasonal-naive")


@pytest.mark.parametrize(
    ("style", "first"),
    [
        ("%d.%m.%Y", "20.04.2020"),
        ("%Y%m%d", "20200420"),
        ("%Y-%m-%dT%H:%M:%S", "2020-04-20T00:00:00"),
        ("%Y-%m-%d 23:30", "2020-04-20 23:30"),
        ("%Y-%m-%dT12:00:00Z", "2020-04-20T12:00:00Z"),
    ],
)
def test_dates_are_written_as_they_were(style: str, first: str, tmp_path: Path) -> None:
    given = table(drawn(120, 1))
    rows = [[date.fromisoformat(row[0]).strftime(style), *row[1:]] for row in given.rows]
    path = write(tmp_path / "series.csv", Table(header=given.header, rows=rows, lines=given.lines))
    assert run("forecast", path, "--horizon", 2, "--output", tmp_path / "out.csv") == 0
    assert read(tmp_path / "out.csv")[1][0][0] == first


def test_dates_without_leading_zeros_stay_so(tmp_path: Path) -> None:
    given = table(drawn(119, 1))
    days = [date.fromisoformat(row[0]) for row in given.rows]
    rows = [[f"{day.month}/{day.day}/{day.year}", *row[1:]] for day, row in zip(days, given.rows, strict=True)]
    path = write(tmp_path / "series.csv", Table(header=given.header, rows=rows, lines=given.lines))
    assert run("forecast", path, "--horizon", 4, "--output", tmp_path / "out.csv") == 0
    assert [row[0] for row in read(tmp_path / "out.csv")[1]] == ["4/13/2020", "4/20/2020", "4/27/2020", "5/4/2020"]


def test_what_is_a_number_to_python_alone_is_text(tmp_path: Path) -> None:
    given = table(drawn(120, 2))
    rows = [list(row) for row in given.rows]
    rows[5][1] = "1_000"
    path = write(tmp_path / "series.csv", Table(header=given.header, rows=rows, lines=given.lines))
    assert run("forecast", path, "--horizon", 2, "--output", tmp_path / "out.csv") == 0
    assert report(tmp_path / "out.csv")["treated"]["cells with text"] == 1  # type: ignore[index]


def test_outputs_go_by_their_ending(weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending, of in ((".csv", pl.read_csv), (".parquet", pl.read_parquet), (".jsonl", pl.read_ndjson)):
        wide, long = tmp_path / f"wide{ending}", tmp_path / f"long{ending}"
        assert run("forecast", weekly, "--horizon", 2, "--output", wide) == 0
        assert run("forecast", weekly, "--horizon", 2, "--output", long, "--quantiles", "0.5,0.9") == 0
        medians = of(long).filter(pl.col("quantile") == 0.5)
        assert medians["series"].to_list() == [f"s{i}" for i in range(6) for _ in range(2)]
        assert medians["date"].cast(pl.String).to_list() == ["2020-04-20", "2020-04-27"] * 6
        assert medians["value"].to_list() == pytest.approx(of(wide).drop("week").to_numpy().T.ravel(), rel=1e-8)
    assert pl.read_parquet(tmp_path / "wide.parquet").schema["week"] == pl.Date
    assert run("forecast", weekly, "--output", tmp_path / "out.txt") == 2
    assert "ending in .parquet, .csv, .jsonl" in capsys.readouterr().err


def test_what_is_read_is_never_written_over(weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = weekly.read_bytes()
    (tmp_path / "link.csv").symlink_to(weekly)
    for output in (weekly, tmp_path / "link.csv"):
        assert run("forecast", weekly, "--horizon", 2, "--output", output) == 2
        assert "another file than those that are read" in capsys.readouterr().err
    signal = write(tmp_path / "lead.csv", table(drawn(120, 6)))
    assert run("forecast", weekly, "--horizon", 2, "--output", signal, "--signal", signal) == 2
    assert weekly.read_bytes() == before


def test_names_never_start_a_formula(tmp_path: Path) -> None:
    path = write(tmp_path / "series.csv", table(drawn(120, 2), names=["=1+1", "plain"]))
    assert run("forecast", path, "--horizon", 1, "--output", tmp_path / "out.csv") == 0
    assert read(tmp_path / "out.csv")[0] == ["week", "'=1+1", "plain"]
    assert run("forecast", path, "--horizon", 1, "--output", tmp_path / "out.csv", "--quantiles", "0.5") == 0
    assert [row[0] for row in read(tmp_path / "out.csv")[1]] == ["'=1+1", "plain"]


def test_a_series_without_a_forecast_keeps_an_empty_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = drawn(120, 3)
    values[:117, 1] = np.nan
    path = write(tmp_path / "series.csv", table(values))
    assert run("forecast", path, "--horizon", 4, "--output", tmp_path / "out.csv") == 1
    _, rows = read(tmp_path / "out.csv")
    assert [row[2] for row in rows] == [""] * 4
    assert all(row[1] and row[3] for row in rows)
    assert "s1: expected at least 8 weeks" in capsys.readouterr().err
    assert list(report(tmp_path / "out.csv")["not_forecast"]) == ["s1"]  # type: ignore[call-overload]


def test_treatments_reach_stderr_and_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = table(drawn(120, 2))
    rows = [list(row) for row in given.rows]
    rows[5][1] = "many"
    rows[7], rows[8] = rows[8], rows[7]
    del rows[30]
    path = write(tmp_path / "series.csv", Table(header=given.header, rows=rows, lines=[]))
    assert run("forecast", path, "--horizon", 4, "--output", tmp_path / "out.csv") == 0
    said = capsys.readouterr().err
    for what in ("cells with text: 1", "rows not in order of date: 1", "dates left out: 1"):
        assert what in said
    told = report(tmp_path / "out.csv")
    assert told["treated"] == {
        "cells with text": 1,
        "rows not in order of date": 1,
        "dates left out": 1,
        "missing values filled between two known": 3,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("week\ta\n2024-01-01\t1\n", "in place of tabs"),
        ("a,a\n2024-01-01,1\n2024-01-08,2\n", "distinct names"),
        ("hour,a\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-02 00:00,3\n", "'2024-01-01 01:00' in line 3"),
        ("week,a\n", "header alone"),
        ("week,a\nmonday,1\ntuesday,2\n", "expected dates in the first column"),
        ("week,a\n2024-01-01,1\n", "at least two dates"),
        ("week,a,a\n2024-01-01,1,2\n2024-01-08,1,2\n", "distinct names"),
        ("week,a\n2024-01-01,1\n2024-01-08,1,5\n", "is a comma in a number"),
        ("week,a\n2024-01-01,1\n2025-01-01,2\n2026-01-01,3\n", "daily, weekly or monthly"),
    ],
)
def test_a_file_that_is_no_panel_could_not_start(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    assert run("forecast", path, "--output", tmp_path / "out.csv") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_two_frequencies_in_one_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[f"2024-01-{day:02d}", "1"] for day in range(1, 29)]
    rows += [[str(np.datetime64("2024-02-05") + 7 * i), "2"] for i in range(20)]
    path = write(tmp_path / "series.csv", Table(header=["day", "a"], rows=rows, lines=[]))
    assert run("forecast", path, "--output", tmp_path / "out.csv") == 2
    assert "one frequency" in capsys.readouterr().err


def test_files_that_are_not_there_could_not_start(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("forecast", tmp_path / "none.csv", "--output", tmp_path / "out.csv") == 2
    assert run("forecast", weekly, "--horizon", 2, "--output", tmp_path / "no" / "out.csv") == 2
    assert run("forecast", weekly, "--horizon", 2, "--output", tmp_path / "out.csv", "--quantiles", "half") == 2
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert run("forecast", tmp_path / "binary.csv", "--output", tmp_path / "out.csv") == 2
    said = capsys.readouterr().err
    for what in ("found none", "folder that is there", "--quantiles", "UTF-8"):
        assert what in said


def test_a_signal_of_other_columns_or_dates(weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = write(tmp_path / "part.csv", table(drawn(100, 2, seed=4), names=["s3", "other"]))
    out = tmp_path / "out.csv"
    assert run("forecast", weekly, "--horizon", 2, "--output", out, "--signal", part) == 0
    treated = report(out)["treated"]
    assert isinstance(treated, dict)
    assert treated["series without a signal"] == 5
    assert treated["signal columns without a series"] == 1
    assert treated["dates without a signal"] == 20
    foreign = write(tmp_path / "foreign.csv", table(drawn(100, 1), names=["other"]))
    assert run("forecast", weekly, "--horizon", 2, "--output", out, "--signal", foreign) == 2
    assert "named like the series" in capsys.readouterr().err


def test_twenty_thousand_columns_of_one_point_each_end_with_reasons(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(20_000)]
    path = write(tmp_path / "wide.csv", table(np.ones((2, 20_000)), names=names))
    assert run("forecast", path, "--horizon", 1, "--output", tmp_path / "out.csv") == 1
    assert len(report(tmp_path / "out.csv")["not_forecast"]) == 20_000  # type: ignore[arg-type]


def test_a_backtest_stands_beside_seasonal_naive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "series.csv", table(drawn(170, 8)))
    page = tmp_path / "page.html"
    assert run("backtest", path, "--horizon", 26, "--origins", 2, "--format", "json", "--picture", page) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["origins"] == ["2020-10-05", "2020-07-06"]
    assert list(told["models"]) == ["trendloom", "seasonal-naive", "smoothing", "theta", "structural"]
    assert told["models"]["trendloom"]["mase"]["mean"] < told["models"]["seasonal-naive"]["mase"]["mean"]
    assert page.read_text(encoding="utf-8").count("<svg") == 3
    assert run("backtest", path, "--horizon", 26, "--origins", 1) == 0
    assert "3 classes" in capsys.readouterr().out


def test_models_are_compared_on_the_same_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = drawn(130, 4)
    values[:90, 2] = np.nan  # young
    values[:, 3] = 1.0
    values[60, 0] = np.nan
    path = write(tmp_path / "series.csv", table(values))
    both = ("--horizon", 13, "--origins", 2, "--format", "json")
    assert run("backtest", path, *both) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)["models"]
    assert list(told) == ["trendloom", "seasonal-naive", "smoothing", "theta", "structural", "trendloom, rest"]
    assert "missing values filled between two known: 1" in said.err
    alone = write(tmp_path / "alone.csv", table(values[:, :2]))
    assert run("backtest", alone, *both) == 0
    grown = json.loads(capsys.readouterr().out)["models"]
    assert list(grown) == ["trendloom", "seasonal-naive", "smoothing", "theta", "structural"]
    assert told["seasonal-naive"]["smape"]["mean"] == grown["seasonal-naive"]["smape"]["mean"]
    assert told["trendloom"]["smape"]["mean"] == pytest.approx(grown["trendloom"]["smape"]["mean"], rel=0.1)
    assert told["trendloom, rest"]["season_error"]["median"] < told["trendloom, rest"]["season_error"]["high"]


def test_a_backtest_reaches_back_to_where_only_young_series_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "series.csv", table(drawn(100, 3)))
    assert run("backtest", path, "--horizon", 13, "--origins", 6) == 0
    assert "trendloom, rest" in capsys.readouterr().out
    assert run("backtest", path, "--horizon", 13, "--picture", tmp_path / "page.png") == 2
    assert "--picture: expected a file ending in .html" in capsys.readouterr().err


def test_a_backtest_of_too_little_could_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "series.csv", table(drawn(40, 2)))
    assert run("backtest", path, "--horizon", 52) == 2
    assert "shorter --horizon" in capsys.readouterr().err


def test_a_file_without_names_of_columns_or_with_semicolons_is_refused(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = weekly.read_text(encoding="utf-8").splitlines()
    bare, other, out = tmp_path / "bare.csv", tmp_path / "other.csv", tmp_path / "out.csv"
    bare.write_text("\n".join(lines[1:]), encoding="utf-8")
    assert run("forecast", bare, "--horizon", 2, "--output", out) == 2
    assert "add a line of names" in capsys.readouterr().err
    other.write_text("\n".join(line.replace(",", ";") for line in lines), encoding="utf-8")
    assert run("forecast", other, "--horizon", 2, "--output", out) == 2
    assert "commas between cells" in capsys.readouterr().err


def test_values_beyond_all_measure_have_no_forecast(tmp_path: Path) -> None:
    values = drawn(80, 3)
    path = write(tmp_path / "odd.csv", table(values * np.array([1e-300, 1e300, 1.0]), names=["dust", "sun", "fine"]))
    assert run("forecast", path, "--horizon", 2, "--output", tmp_path / "out.csv") == 1
    reasons = report(tmp_path / "out.csv")["not_forecast"]
    assert isinstance(reasons, dict)
    assert set(reasons) == {"dust", "sun"}
    assert "give them in a unit" in reasons["dust"]


def test_several_signals_each_with_its_worth(weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"s{i}" for i in range(6)]
    one = write(tmp_path / "weather.csv", table(drawn(120, 6, seed=4), names=names))
    days = write(tmp_path / "search.csv", table(drawn(840, 6, seed=5), step=1, names=names))
    out = tmp_path / "out.csv"
    assert run("forecast", weekly, "--horizon", 2, "--output", out, "--signal", one, "--signal", days) == 0
    said = capsys.readouterr().err
    assert "weather: " in said
    assert "search: " in said
    chosen = report(out)["chosen"]
    assert isinstance(chosen, dict)
    assert list(chosen["signals"]) == ["weather", "search"]
    assert run("forecast", weekly, "--horizon", 2, "--output", out, "--signal", one, "--signal", one) == 2
    assert "different names" in capsys.readouterr().err
