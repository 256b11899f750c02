"""What may be said in public: nothing about a few people."""

from __future__ import annotations

import polars as pl

from trendloom.stages.reasons import PARTS, reason

__all__ = ["publish"]

_PUBLISHED = {
    "trends": (
        "growth",
        "growth_low",
        "growth_high",
        "q_value",
        "authors",
        "posts",
        "share",
        "share_low",
        "share_high",
        "countries",
        "loudest_share",
        "growth_without_loudest",
        "first_seen",
        "last_seen",
        "since",
    ),
    "series": ("numerator", "authors", "share", "share_low", "share_high", "posts", "distinct"),
    "lineage": ("garments", "authors", "of_parent", "of_child"),
}


def publish(rows: pl.DataFrame, table: str, k: int) -> pl.DataFrame:
    """Returns rows with `suppressed` set, and published values null, where 1 to k - 1 people stand behind them.

    Of a trend that nobody shows any more a few may have shown it before, so it is as small. A share of nobody, in a window without posts, is null too.
    """
    if "denominator" in rows.columns:
        nobody = pl.col("denominator") == 0
        rows = rows.with_columns(pl.when(~nobody).then(pl.col("share", "share_low", "share_high")))
    people = pl.min_horizontal("authors", "numerator") if "numerator" in rows.columns else pl.col("authors")
    gone = pl.lit(table == "trends" and k > 1)
    small = ((pl.col("authors") > 0) | gone) & (people < k)
    hidden = [pl.when(~small).then(pl.col(c)).otherwise(None).alias(c) for c in _PUBLISHED[table] if c in rows.columns]
    rows = rows.with_columns(small.fill_null(False).alias("suppressed"), *hidden)
    return _told(rows, k) if set(PARTS) <= set(rows.columns) else rows


def _told(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Returns trends with a `reason` after `since`, null where they are suppressed, instead of its parts."""
    told = [None if row["suppressed"] else reason(row, k) for row in rows.iter_rows(named=True)]
    rows = rows.drop(*PARTS, "reason", strict=False)  # a table of an earlier version has reasons as text
    return rows.insert_column(rows.get_column_index("since") + 1, pl.Series("reason", told, dtype=pl.String))
