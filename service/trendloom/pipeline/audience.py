"""Parts of the audience: who is ahead of trends, who follows, and when a rise reached each."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from trendloom.counting import Step, copy_groups, tally
from trendloom.counting.cohorts import COHORTS, learn_cohorts
from trendloom.errors import NotEnoughData
from trendloom.stages import Counted
from trendloom.stages.passage import passage

__all__ = ["PASSAGE", "passage_rows", "with_cohorts"]

PASSAGE = {
    "cohort": pl.String,
    "middle": pl.Date,  # when half of the rise was done
    "error_weeks": pl.Float64,
    "authors": pl.Int64,
}
_MONTH_WEEKS = 365.2425 / 12 / 7
_RISEN = ("emerging", "rising", "peaking")


def with_cohorts(posts: pl.DataFrame, trends: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Returns posts with a column `cohort`, null where nothing is known of the author.

    Args:
        posts: The table of posts.
        trends: trend_id, stage, since: what rose shows who came early.
        members: trend_id, post_id.
    """
    risen = trends.filter(pl.col("stage").is_in(_RISEN) & pl.col("since").is_not_null()).select("trend_id", "since")
    shown = members.join(risen, on="trend_id").join(
        posts.select("post_id", "author_hash", "posted_at").drop_nulls(), on="post_id"
    )
    first = (
        shown.filter(pl.col("posted_at").dt.date() >= pl.col("since"))
        .group_by("trend_id", "author_hash")
        .agg(at=pl.col("posted_at").min())
    )
    known = learn_cohorts(posts, first)
    return posts.join(known.select("author_hash", "cohort"), on="author_hash", how="left", maintain_order="left")


def passage_rows(
    posts: pl.DataFrame,
    photos: pl.DataFrame,
    members: pl.DataFrame,
    trend_id: str,
    *,
    now: date,
    step: str,
    radius: int,
) -> pl.DataFrame:
    """Returns when a trend's rise reached each cohort, the columns of `PASSAGE`.

    Args:
        posts: Posts with `cohort`.
        photos: post_id, sha256, phash.
        members: trend_id, post_id, of any trends.
        trend_id: The trend.
        now: End of the last complete window.
        step: `week` or `month`.
        radius: Bits of the perceptual hash in which copies differ.

    Raises:
        NotEnoughData: no author has a cohort.
    """
    chosen: Step = "month" if step == "month" else "week"
    copies = copy_groups(photos.select("post_id", "sha256", "phash"), radius=radius)
    one = members.filter(pl.col("trend_id") == trend_id).select("trend_id", "post_id")
    parts: dict[str, Counted] = {}
    for cohort in COHORTS:
        theirs = posts.filter(pl.col("cohort") == cohort)
        if theirs.height:
            parts[cohort] = tally(theirs, one, copies=copies, as_of=now, step=chosen)
    if not parts:
        raise NotEnoughData(
            "cohorts are learned from followers, or from who came early in past rises: expected 60 authors or more of "
            "either, got fewer; hand in followers with the manifest"
        )
    weeks = 1.0 if step == "week" else _MONTH_WEEKS
    rows = []
    for cohort, arrival in passage(parts, trend_id).items():
        middle = now - timedelta(weeks=(arrival.back + 0.5) * weeks)
        theirs = posts.filter(pl.col("cohort") == cohort).join(one, on="post_id", how="semi")
        rows.append((cohort, middle, round(arrival.error * weeks, 1), theirs["author_hash"].n_unique()))
    return pl.DataFrame(rows, schema=PASSAGE, orient="row")
