"""What is said of posts that count nowhere, of holes, of short histories and of what came late."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.doubles import ColourTagger, HistogramEncoder
from tests.dumps import make_dump
from trendloom.counting import choose_windows
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.remarks import late, posts_by_window, remarks
from trendloom.pipeline.study import study
from trendloom.pipeline.views import Views
from trendloom.sources import open_source
from trendloom.store import Workspace

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
KNOWN = pl.DataFrame({"posted_at": [MONDAY], "author_hash": ["a"]})


def said(report: dict[str, object], *, now: date | None = date(2024, 12, 30), step: str = "week") -> tuple[str, ...]:
    return remarks(KNOWN, report, step=step, now=now)


def weekly(weeks: int, *, without: range = range(0)) -> dict[str, int]:
    starts = [MONDAY + timedelta(weeks=n) for n in range(weeks) if n not in without]
    return {start.date().isoformat(): 5 for start in starts}


def test_nothing_is_said_where_all_counts() -> None:
    assert said({"by_window": weekly(52), "recent_people": 40}) == ()
    assert said({}, now=None) == ()


def test_posts_that_count_nowhere_or_have_no_author() -> None:
    posts = pl.DataFrame({"posted_at": [None, MONDAY, MONDAY], "author_hash": [None, None, "a"]})
    report: dict[str, object] = {"before_2005": 1, "after_2099": 1200, "far_from_all_others": 0}
    assert remarks(posts, report, step="month", now=None) == (
        "1 post with no readable time: tagged, but counted in no month",
        "1 post dated before 2005, 1,200 posts dated after 2099: tagged, but counted in no month",
        "2 posts of no known author: each counts as a person of its own",
    )


def test_holes_and_short_histories() -> None:
    (hole,) = said({"by_window": weekly(52, without=range(10, 13)), "recent_people": 40})
    assert hole == "3 weeks without any post, the longest time from 11 Mar 2024 to 1 Apr 2024: no share is known"
    (wrong,) = said({"by_window": weekly(52, without=range(10, 51)), "recent_people": 40})
    assert wrong.endswith("if later dates are wrong, --as-of 2024-03-11 leaves them out")
    (months,) = said(
        {"by_window": {"2024-01-01": 1, "2024-11-01": 1}, "recent_people": 40}, step="month", now=date(2024, 12, 1)
    )
    assert months.startswith("9 months without any post, the longest time from 1 Feb 2024 to 1 Nov 2024")
    after, hole = said({"by_window": weekly(40, without=range(10, 12)), "recent_people": 40})
    assert after == (
        "no post in the 12 weeks before 30 Dec 2024, which --as-of made the end of what is counted: the last posts are of "
        "the week of 30 Sep 2024; leave --as-of out to judge what rose until then"
    )
    assert hole == "2 weeks without any post, the longest time from 11 Mar 2024 to 25 Mar 2024: no share is known"
    short, few = said({"by_window": weekly(2), "recent_people": 1}, now=date(2024, 1, 15))
    assert short == "2 weeks counted: what rises is judged from 8 weeks on"
    assert few == "1 person posted in the last 13 weeks: what rises is judged from 20 people on"


def test_late_posts_are_those_of_windows_that_were_counted() -> None:
    before = {"2024-01-01": 3, "2024-01-08": 2}
    after = {"2024-01-01": 3, "2024-01-08": 4, "2024-01-15": 9}
    assert late(before, after, date(2024, 1, 15)) == {"2024-01-08": 2}
    assert late(before, after, None) == {}


def test_posts_by_window_are_what_was_counted() -> None:
    times = pl.Series(
        [MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(weeks=2), None], dtype=pl.Datetime("us", "UTC")
    )
    assert posts_by_window(choose_windows(times, as_of=date(2024, 1, 22))) == {"2024-01-01": 2, "2024-01-15": 1}
    assert posts_by_window(choose_windows(times.clear())) == {}


def test_a_workspace_says_what_came_late(tmp_path: Path) -> None:
    dump = make_dump(tmp_path / "dump", weeks=12, per_week=5, broken=0)
    lines = (dump / "manifest.csv").read_text().splitlines(keepends=True)
    home = Workspace.create(tmp_path / "w", model=HistogramEncoder().model, taxonomy="colours 1", source=str(dump))
    views = Views(home, lambda: (HistogramEncoder(), ColourTagger(), None))
    for rows in ([*lines[:11], *lines[13:]], lines):  # two posts of the third week are held back
        (dump / "manifest.csv").write_text("".join(rows))
        ingest(home, open_source([dump]), HistogramEncoder(), ColourTagger())
        assert not any("late" in remark for remark in views.overview().remarks)
        study(home)
    assert "2 posts came late, for 1 week that had been counted (the first of 16 Jan 2023): counted again" in (
        views.overview().remarks
    )


@pytest.mark.parametrize("year", [1970, 9999])
def test_the_span_of_a_workspace_is_that_of_dates_that_may_be_right(tmp_path: Path, year: int) -> None:
    dump = make_dump(tmp_path / "dump", weeks=4, per_week=5, broken=0)
    text = (dump / "manifest.csv").read_text().splitlines(keepends=True)
    text[3] = text[3].replace("2023-01-", f"{year}-12-")
    (dump / "manifest.csv").write_text("".join(text))
    home = Workspace.create(tmp_path / "w", model=HistogramEncoder().model, taxonomy="colours 1", source=str(dump))
    ingest(home, open_source([dump]), HistogramEncoder(), ColourTagger())
    study(home)
    overview = Views(home, lambda: (HistogramEncoder(), ColourTagger(), None)).overview()
    assert overview.first is not None
    assert overview.last is not None
    assert (overview.first.year, overview.last.year, overview.now) == (2023, 2023, date(2023, 1, 30))
