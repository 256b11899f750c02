"""Events in hourly counts: rare for the series itself, judged by the past alone."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trendloom.cli import main
from trendloom.errors import InputError
from trendloom.pipeline.events import find_events, read_counts
from trendloom.stages.events import DAILY, HOURLY, events

HOURS = 24 * 42


def mentions(seed: int = 0, level: float = 60.0) -> NDArray[np.float64]:
    """Hourly counts with a daily course and heavier tails than chance alone gives."""
    rng = np.random.default_rng(seed)
    course = level * (1 + 0.7 * np.sin(2 * np.pi * np.arange(HOURS) / 24))
    return rng.poisson(course * rng.gamma(20, 1 / 20, HOURS)).astype(np.float64)


@pytest.mark.parametrize("level", [3.0, 60.0, 2000.0])
def test_a_planted_event_is_found_and_told(level: float) -> None:
    counts = mentions(1, level)
    counts[700:706] += 8 * level
    found = events(counts, HOURLY)
    inside = [one for one in found if 700 <= one.peak < 706]
    assert len(inside) == 1
    assert inside[0].count > 3 * inside[0].usual
    assert inside[0].once_in > HOURLY.once
    assert len(found) <= 4


def test_the_daily_course_alone_is_no_event() -> None:
    assert sum(len(events(mentions(seed), HOURLY)) for seed in range(8)) <= 16  # once in four weeks is two in six


def test_the_future_moves_no_verdict() -> None:
    counts = mentions(2)
    counts[[600, 601, 900]] *= 9
    cut = counts.copy()
    cut[800:] = 0
    assert [one for one in events(cut, HOURLY) if one.end < 700] == [
        one for one in events(counts, HOURLY) if one.end < 700
    ]


def test_alarms_within_two_days_are_one_event() -> None:
    counts = mentions(3)
    counts[[700, 740]] *= 12
    counts[820] *= 30
    found = [one for one in events(counts, HOURLY) if one.peak in (700, 740, 820)]
    assert [(one.start, one.end) for one in found] == [(700, 740), (820, 820)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1e12)), max_size=200),
    st.sampled_from([HOURLY, DAILY]),
)
def test_any_counts_give_an_answer(values: list[float], pace: object) -> None:
    assert pace in (HOURLY, DAILY)
    counts = np.array(values, dtype=np.float64)
    for one in events(counts, HOURLY if pace is HOURLY else DAILY):
        assert 0 <= one.start <= one.peak <= one.end < len(counts)
        assert np.isfinite([one.count, one.usual, one.once_in]).all()


def table(folder: Path) -> Path:
    counts = mentions(4)
    counts[700] *= 15
    start = pl.datetime(2025, 2, 26, 21)
    times = pl.select(pl.datetime_range(start, start.dt.offset_by(f"{HOURS - 1}h"), "1h")).to_series()
    frame = pl.DataFrame({"hour": times.dt.to_string("%Y-%m-%d %H:%M:%S"), "linen": counts.astype(int)})
    path = folder / "counts.csv"
    frame.write_csv(path)
    return path


def test_a_file_in_and_a_file_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["events", str(table(tmp_path)), "--output", str(tmp_path / "events.csv")])
    assert done.value.code == 0
    rows = pl.read_csv(tmp_path / "events.csv")
    assert rows.columns == ["series", "start", "end", "peak", "count", "usual", "once_in_days"]
    hour = pl.read_csv(tmp_path / "counts.csv")["hour"][700]
    assert hour in rows["peak"].to_list()
    assert f"{rows.height} event" in capsys.readouterr().err


@pytest.mark.parametrize(("days", "code"), [(45, 1), (46, 0)])
def test_a_series_that_is_too_short_is_told(
    days: int, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.csv"
    dates = [date(2025, 1, 1) + timedelta(days=n) for n in range(days)]
    pl.DataFrame({"day": dates, "linen": [5] * days}).write_csv(path)
    with pytest.raises(SystemExit) as done:
        main(["events", str(path), "--output", str(tmp_path / "events.csv")])
    assert done.value.code == code
    assert ("too short to be judged, under 46 days with a count: linen" in capsys.readouterr().err) == (code == 1)


def test_hours_left_out_and_empty_cells_count_nothing(tmp_path: Path) -> None:
    path = table(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[50] = lines[50].split(",")[0] + ","
    del lines[60]
    path.write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")  # latest first
    read = read_counts(path)
    assert len(read.times) == HOURS
    assert np.flatnonzero(np.isnan(read.series["linen"])).tolist() == [49, 59]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("hour\n2025-01-01\n", "a series in each other"),
        ("hour,a\n", "with rows"),
        ("hour;a\n2025-01-01;1\n", "commas between cells"),
        ("2025-01-01,1\n2025-01-02,2\n", "got a time, '2025-01-01'"),
        ("hour,a,a\n2025-01-01,1,2\n", "distinct names of columns, got 'a' twice"),
        ("hour,a\nsoon,3\n", "times such as"),
        ("hour,a\n2025-01-01,many\n", "'many'"),
        ("hour,a\n2025-01-01,-4\n", "'-4'"),
        ("hour,a\n2025-01-01,inf\n", "'inf'"),
        ("hour,a\n2025-01-01,1\n2025-01-01,2\n", "each time once"),
        ("hour,a\n2025-01-01 00:00,1\n2025-01-01 00:10,2\n", "one row an hour"),
        ("hour,a\n0001-01-01,1\n0001-01-02,1\n9999-01-01,2\n", "at most"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_counts(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        read_counts(tmp_path / "no.csv")
    (tmp_path / "latin.csv").write_text("hour,été\n2025-01-01,1\n", encoding="latin-1")
    with pytest.raises(InputError, match="not in UTF-8"):
        read_counts(tmp_path / "latin.csv")


def test_the_counts_are_never_written_over(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(InputError, match="another file than those that are read"):
        find_events(path, path)
    assert read_counts(path).series
