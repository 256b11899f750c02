"""Who showed what in which window: the counts that everything else is judged on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.counting.attributes import how_probable
from trendloom.counting.shares import wilson
from trendloom.counting.windows import Step, Windows, choose_windows
from trendloom.errors import InputError

__all__ = ["Tally", "tally"]

Codes = NDArray[np.int32]

_POSTS_CAP = 7  # posts of one author and window that count as exposure
_STRATA = 64


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Posts, people and trends as integer codes; only what lies in a window.

    An author is a row of `stratum`; a post without an author is an author of its own. The voice of a post is its
    author, or the first poster where several authors posted the same photo.

    Attributes:
        windows: The windows and the reasons why posts are in none.
        trends: Trend ids, sorted.
        stratum: (authors,) int32, the author's platform and country.
        country: (authors,) int32, codes of the author's country, -1 where it is not known.
        exposure: (windows, strata) float64, posts, at most seven an author and window.
        active: (windows,) int64, unique authors.
        row_trend, row_post, row_window, row_author, row_voice: (rows,) int32, a row per trend and post in a window.
        row_probability: (rows,) float64, the probability that the post shows the trend.
        post_author, post_window, post_at: per post of `posts`; int32, int32 (-1 none), microseconds since 1970.
        series: trend_id, window_start, numerator, denominator, authors, share, share_low, share_high, posts, and distinct:
            posts of which copies of one photo are one.
        members: trend_id, post_id, window_start (null without a window), probability.
        report: What was counted and what was not.
    """

    windows: Windows
    trends: tuple[str, ...]
    stratum: Codes
    country: Codes
    exposure: NDArray[np.float64]
    active: NDArray[np.int64]
    row_trend: Codes
    row_post: Codes
    row_window: Codes
    row_author: Codes
    row_voice: Codes
    row_probability: NDArray[np.float64]
    post_author: Codes
    post_window: Codes
    post_at: NDArray[np.int64]
    series: pl.DataFrame
    members: pl.DataFrame
    report: dict[str, int] = field(default_factory=dict)


def _codes(values: pl.Series) -> Codes:
    """Returns dense codes in the order of the sorted values."""
    return (values.rank("dense").fill_null(0).cast(pl.Int32) - 1).to_numpy().astype(np.int32)


def _prepare(posts: pl.DataFrame) -> pl.DataFrame:
    """Returns posts with one row per post_id and the columns that counting reads, sorted by post_id."""
    missing = {"post_id", "posted_at"} - set(posts.columns)
    if missing:
        msg = f"expected posts with post_id and posted_at, {sorted(missing)} missing: hand in the posts table"
        raise InputError(msg)
    words = [
        (pl.col(c) if c in posts.columns else pl.lit(None)).cast(pl.String).alias(c)
        for c in ("author_hash", "platform", "country")
    ]
    rows = posts.select(pl.col("post_id").cast(pl.String), "posted_at", *words).sort(
        "post_id", "posted_at", nulls_last=True
    )
    rows = rows.unique("post_id", keep="first", maintain_order=True)
    alone = pl.concat_str(pl.lit("\x00"), pl.col("post_id"))
    return rows.with_columns(author=pl.coalesce("author_hash", alone))


def _strata(rows: pl.DataFrame) -> Codes:
    """Returns the stratum of each author code: the platform and country of most of the author's posts."""
    place = pl.concat_str(pl.col("platform").fill_null(""), pl.lit("\x00"), pl.col("country").fill_null(""))
    usual = _usual(rows.select("who", place=place))
    common = usual.value_counts().sort("count", "place", descending=[True, False])["place"].head(_STRATA - 1)
    known = dict(zip(common, range(len(common)), strict=True))
    return usual.replace_strict(known, default=len(known), return_dtype=pl.Int32).to_numpy().astype(np.int32)


def _usual(rows: pl.DataFrame) -> pl.Series:
    """Returns the place of most rows of each author code, in the order of the codes."""
    counts = rows.group_by("who", "place").len().sort("who", "len", "place", descending=[False, True, False])
    return counts.unique("who", keep="first", maintain_order=True)["place"]


def _coded(rows: pl.DataFrame, windows: Windows, copies: pl.DataFrame | None) -> pl.DataFrame:
    """Returns posts with who, window, window_start, post (all codes) and group."""
    start = pl.Series([*windows.starts, None], dtype=pl.Date)
    place = np.where(windows.index < 0, len(windows.starts), windows.index).astype(np.int64)
    rows = rows.with_columns(
        pl.Series("who", _codes(rows["author"])),
        pl.Series("window", windows.index),
        start.gather(pl.Series(place)).alias("window_start"),
        pl.int_range(pl.len(), dtype=pl.Int32).alias("post"),
    )
    if copies is None:
        return rows.with_columns(group=pl.lit(None, dtype=pl.Int64))
    group = copies.select("post_id", "group").sort("post_id", "group").unique("post_id", keep="first")
    return rows.join(group, on="post_id", how="left", maintain_order="left")


def _voices(pairs: pl.DataFrame) -> tuple[Codes, Codes]:
    """Returns two author codes per row of a trend: the trend's first poster of the photo in the window, and ever."""
    first, copied = pl.col("who").sort_by("posted_at", "post").first(), pl.col("group").is_not_null()
    out = pairs.with_columns(
        local=pl.when(copied).then(first.over("trend_id", "group", "window")).otherwise("who"),
        ever=pl.when(copied).then(first.over("trend_id", "group")).otherwise("who"),
    )
    return out["local"].to_numpy().astype(np.int32), out["ever"].to_numpy().astype(np.int32)


def _collapsed(rows: pl.DataFrame) -> int:
    """Returns the number of authors who do not count for a photo because another posted it before."""
    authors = rows.filter(pl.col("group").is_not_null()).group_by("group").agg(pl.col("who").n_unique() - 1)
    return int(authors["who"].sum())


def _exposure(who: Codes, window: Codes, stratum: Codes, windows: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns posts (windows, strata), capped per author and window, and unique authors (windows,)."""
    inside = window >= 0
    people = max(len(stratum), 1)
    pair, posts = np.unique(window[inside].astype(np.int64) * people + who[inside], return_counts=True)
    at, author = np.divmod(pair, people)
    strata = int(stratum.max(initial=0)) + 1
    flat = np.bincount(
        at * strata + stratum[author],
        weights=np.minimum(posts, _POSTS_CAP).astype(np.float64),
        minlength=windows * strata,
    )
    return flat.reshape(windows, strata).astype(np.float64), np.bincount(at, minlength=windows).astype(np.int64)


def _grid(trend: Codes, window: Codes, who: Codes, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Returns (trends, windows) counts of distinct `who`."""
    cell = trend.astype(np.int64) * shape[1] + window
    people = int(who.max(initial=0)) + 1
    return np.bincount(np.unique(cell * people + who) // people, minlength=shape[0] * shape[1]).reshape(shape)


def _series(
    trends: pl.Series,
    windows: Windows,
    grids: dict[str, NDArray[np.int64]],
    active: NDArray[np.int64],
) -> pl.DataFrame:
    count = len(windows.starts)
    below = np.tile(active, len(trends))
    numerator = grids["numerator"].ravel()
    low, high = wilson(numerator, below)
    return pl.DataFrame(
        {
            "trend_id": np.repeat(trends.to_numpy(), count),
            "window_start": pl.Series(list(windows.starts) * len(trends), dtype=pl.Date),
            "numerator": numerator,
            "denominator": below,
            "authors": grids["authors"].ravel(),
            "share": np.divide(numerator, below, out=np.zeros(len(below)), where=below > 0),
            "share_low": low,
            "share_high": high,
            "posts": grids["posts"].ravel(),
            "distinct": grids["distinct"].ravel(),
        },
        schema_overrides={"trend_id": pl.String},
    )


def tally(
    posts: pl.DataFrame,
    members: pl.DataFrame,
    *,
    copies: pl.DataFrame | None = None,
    as_of: date | datetime | None = None,
    step: Step | None = None,
) -> Tally:
    """Returns the counts of every trend in every window.

    Args:
        posts: post_id, posted_at (UTC) and, where known, author_hash, platform, country.
        members: trend_id, post_id and, where it is not certain, the probability that the post shows the trend; posts that
            are not in `posts` are left out, so filtered posts give a segment. Counts are of all members, whatever their
            probability: it weighs them in the test for rises alone.
        copies: post_id, group: posts of the same photo (see `copy_groups`).
        as_of: What is posted at or after this moment does not count; default: the end of the data.
        step: Week or month; default: chosen from the span and number of posts.

    Raises:
        InputError: A column is missing or `posted_at` does not hold times.
    """
    rows = _prepare(posts)
    windows = choose_windows(rows["posted_at"], as_of=as_of, step=step)
    rows = _coded(rows, windows, copies)
    who, stratum = rows["who"].to_numpy().astype(np.int32), _strata(rows)
    exposure, active = _exposure(who, windows.index, stratum, len(windows.starts))
    pairs = members.select(pl.col("trend_id", "post_id").cast(pl.String), probability=how_probable(members))
    pairs = pairs.group_by("trend_id", "post_id").agg(pl.col("probability").max())
    columns = ["post_id", "post", "posted_at", "who", "window", "window_start", "group"]
    pairs = pairs.join(rows.select(columns), on="post_id").sort("trend_id", "post")
    names = pairs["trend_id"].unique().sort()
    inside = pairs.filter(pl.col("window") >= 0)
    local, ever = _voices(inside)
    trend = names.search_sorted(inside["trend_id"]).to_numpy().astype(np.int32)
    post, window = inside["post"].to_numpy().astype(np.int32), inside["window"].to_numpy().astype(np.int32)
    shape = (len(names), len(windows.starts))
    photo = (pl.col("group").rank("dense") - 1 + len(rows)).fill_null(pl.col("post")).cast(pl.Int32)  # copies are one
    counts = {
        "numerator": local,
        "authors": who[post],
        "posts": post,
        "distinct": inside.select(photo).to_series().to_numpy(),
    }
    grids = {name: _grid(trend, window, each.astype(np.int32), shape) for name, each in counts.items()}
    counted = {"posts": len(rows), "counted": int((windows.index >= 0).sum()), "copies": _collapsed(rows)}
    return Tally(
        windows=windows,
        trends=tuple(names),
        stratum=stratum,
        country=_codes(_usual(rows.select("who", place="country"))),
        exposure=exposure,
        active=active,
        row_trend=trend,
        row_post=post,
        row_window=window,
        row_author=who[post],
        row_voice=ever,
        row_probability=inside["probability"].to_numpy().astype(np.float64),
        post_author=who,
        post_window=windows.index,
        post_at=rows["posted_at"].cast(pl.Datetime("us")).cast(pl.Int64).fill_null(0).to_numpy(),
        series=_series(names, windows, grids, active),
        members=pairs.select("trend_id", "post_id", "window_start", "probability"),
        report=counted | windows.report,
    )
