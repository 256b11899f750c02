"""Parts of the audience: who is ahead of trends, who follows, and when a rise reached each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from trendloom.counting import copy_groups, step_named, tally
from trendloom.counting.cohorts import COHORTS, learn_cohorts, mixing
from trendloom.errors import NotEnoughData
from trendloom.stages.passage import passage

__all__ = ["RISEN", "Reached", "passing", "with_cohorts"]

_ROWS = {
    "trend_id": pl.String,
    "cohort": pl.String,
    "middle": pl.Date,
    "error_weeks": pl.Float64,
    "authors": pl.Int64,
}
_MONTH_WEEKS = 365.2425 / 12 / 7
RISEN = ("emerging", "rising", "peaking")


def with_cohorts(posts: pl.DataFrame, trends: pl.DataFrame, members: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns posts with a column `cohort`, null where nothing is known of the author, and what is known of authors.

    Args:
        posts: The table of posts.
        trends: trend_id, stage, since: what rose shows who came early.
        members: trend_id, post_id.
    """
    risen = trends.filter(pl.col("stage").is_in(RISEN) & pl.col("since").is_not_null()).select("trend_id", "since")
    shown = members.join(risen, on="trend_id").join(
        posts.select("post_id", "author_hash", "posted_at").drop_nulls(), on="post_id"
    )
    first = (
        shown.filter(pl.col("posted_at").dt.date() >= pl.col("since"))
        .group_by("trend_id", "author_hash")
        .agg(at=pl.col("posted_at").min())
    )
    known = learn_cohorts(posts, first)
    named = known.select("author_hash", "cohort")
    return posts.join(named, on="author_hash", how="left", maintain_order="left"), known


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How rises pass through the audience.

    Attributes:
        lags: Weeks from one cohort to the next, with their standard errors; NaN where no rise says.
        trends: Rises that this was learned from.
        rows: trend_id, cohort, middle (the day when half of the rise was done), error_weeks, authors.
    """

    lags: tuple[tuple[float, float], ...]
    trends: int
    rows: pl.DataFrame


def passing(
    posts: pl.DataFrame,
    photos: pl.DataFrame,
    members: pl.DataFrame,
    trends: Sequence[str],
    cohorts: pl.DataFrame,
    *,
    now: date,
    step: str,
    radius: int,
) -> Reached:
    """Returns when rises reached each cohort, and how long they usually take from one to the next.

    Args:
        posts: Posts with `cohort`.
        photos: post_id, sha256, phash, colours.
        members: trend_id, post_id, of any trends.
        trends: Ids of those that rose.
        cohorts: What `learn_cohorts` says of the authors.
        now: End of the last complete window.
        step: `week` or `month`.
        radius: Bits of the perceptual hash in which copies differ.

    Raises:
        NotEnoughData: no author has a cohort.
    """
    if cohorts.is_empty():
        raise NotEnoughData(
            "cohorts are learned from followers, or from who came early in past rises: expected 60 authors or more of "
            "either, in groups that differ, found none; hand in followers with the manifest"
        )
    chosen = step_named(step)
    copies = copy_groups(photos.select("post_id", "sha256", "phash", "colours"), radius=radius)
    rose = members.filter(pl.col("trend_id").is_in(list(trends))).select("trend_id", "post_id")
    parts = [
        tally(posts.filter(pl.col("cohort") == cohort), rose, copies=copies, as_of=now, step=chosen)
        for cohort in COHORTS
    ]
    found = passage(parts, trends, mixing(cohorts))
    weeks = 1.0 if step == "week" else _MONTH_WEEKS
    rows = []
    for trend, arrivals in found.arrivals.items():
        shown = posts.join(rose.filter(trend_id=trend), on="post_id", how="semi")
        for cohort, arrival in zip(COHORTS, arrivals, strict=True):
            middle = now - timedelta(weeks=(arrival.back + 0.5) * weeks)
            authors = shown.filter(pl.col("cohort") == cohort)["author_hash"].n_unique()
            rows.append((trend, cohort, middle, round(arrival.error * weeks, 1), authors))
    lags = tuple(
        (float(lag * weeks), float(error * weeks)) for lag, error in zip(found.lags, found.errors, strict=True)
    )
    return Reached(lags=lags, trends=found.trends, rows=pl.DataFrame(rows, schema=_ROWS, orient="row"))
