"""Histories as they may be published: windows pooled until enough people stand behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from trendloom.counting.shares import wilson

__all__ = ["LENGTHS", "pool"]

LENGTHS: Mapping[str, Sequence[int]] = {"week": (1, 2, 4, 13), "month": (1, 3)}
_HIDDEN = 0.1  # share of a trend's blocks that may be withheld; else the next length is tried


def pool(
    series: pl.DataFrame,
    members: pl.DataFrame,
    posts: pl.DataFrame,
    *,
    k: int,
    step: str,
    copies: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Returns a history per trend in blocks of 1, 2, 4 or 13 windows, the shortest of which few hold 1 to k - 1 people.

    Blocks do not overlap, so that no window can be had by subtraction, and end with the last window. People count once
    a block, copies of one photo as their first poster. Columns as `series`, and `windows`, the length of a block;
    what is small is still to be withheld.

    Args:
        series: trend_id, window_start: which windows there are.
        members: trend_id, post_id, window_start (null without a window).
        posts: post_id, posted_at, author_hash; a post without an author is a person of its own.
        k: Smallest number of people that is published.
        step: `week` or `month`.
        copies: post_id, group: posts that show the same photo.
    """
    starts = series["window_start"].unique().sort()
    if starts.is_empty():
        return series.with_columns(windows=pl.lit(1, dtype=pl.Int32))
    place = pl.DataFrame({"window_start": starts, "back": range(len(starts) - 1, -1, -1)})
    end = starts.tail(1).dt.offset_by("1mo" if step == "month" else "1w")[0]
    people = _people(posts, place, end, copies)
    shown = members.filter(pl.col("window_start").is_not_null()).select("trend_id", "post_id").unique()
    shown = shown.join(people, on="post_id")
    trends, chosen = series.select("trend_id").unique(), []
    lengths = [n for n in LENGTHS[step] if n * 2 <= len(starts)] or [1]
    for length in lengths:
        rows = _blocks(trends, shown, people, place, length)
        hidden = (pl.col("authors").is_between(1, k - 1)).mean().over("trend_id")
        fits = rows.filter((hidden <= _HIDDEN) | pl.lit(length == lengths[-1]))
        chosen.append(fits)
        trends = trends.join(fits.select("trend_id").unique(), on="trend_id", how="anti")
    pooled = pl.concat(chosen)
    low, high = wilson(pooled["numerator"].to_numpy(), pooled["denominator"].to_numpy())
    share = pl.col("numerator") / pl.max_horizontal("denominator", pl.lit(1))
    pooled = pooled.with_columns(share=share, share_low=pl.Series(low), share_high=pl.Series(high))
    return pooled.sort("trend_id", "window_start")


def _people(posts: pl.DataFrame, place: pl.DataFrame, end: date, copies: pl.DataFrame | None) -> pl.DataFrame:
    """Returns post_id, who, back (windows before the last one) and group of every post that lies in a window."""
    who = pl.coalesce("author_hash", "post_id").alias("who")
    rows = posts.filter(pl.col("posted_at").is_not_null()).select("post_id", "posted_at", who)
    rows = rows.with_columns(day=pl.col("posted_at").dt.date()).filter(pl.col("day") < end).sort("day")
    rows = rows.join_asof(place, left_on="day", right_on="window_start").drop("day").drop_nulls("back")
    if copies is None:
        return rows.with_columns(group=pl.lit(None, dtype=pl.Int64))
    return rows.join(copies.unique("post_id"), on="post_id", how="left")


def _blocks(
    trends: pl.DataFrame, shown: pl.DataFrame, people: pl.DataFrame, place: pl.DataFrame, length: int
) -> pl.DataFrame:
    """Returns trend_id, window_start, numerator, denominator, authors, posts, distinct and windows of every whole block."""
    block = (pl.col("back") // length).alias("block")
    first = pl.col("who").sort_by("posted_at", "post_id").first().over("group", block)
    voiced = people.with_columns(voice=pl.when(pl.col("group").is_null()).then("who").otherwise(first))
    voices = shown.join(voiced.select("post_id", "voice"), on="post_id")
    counts = voices.group_by("trend_id", block).agg(
        numerator=pl.col("voice").n_unique(),
        authors=pl.col("who").n_unique(),
        posts=pl.len(),
        distinct=pl.col("group").is_null().sum() + pl.col("group").drop_nulls().n_unique(),
    )
    active = people.group_by(block).agg(denominator=pl.col("who").n_unique())
    blocks = place.group_by(block).agg(pl.col("window_start").min(), n=pl.len()).filter(pl.col("n") == length)
    grid = trends.join(blocks.join(active, on="block", how="left"), how="cross")
    rows = grid.join(counts, on=["trend_id", "block"], how="left")
    return rows.select(
        "trend_id",
        "window_start",
        pl.col("numerator", "denominator", "authors", "posts", "distinct").fill_null(0).cast(pl.Int64),
        pl.lit(length, dtype=pl.Int32).alias("windows"),
    )
