"""What may be said in public: nothing about a few people."""

from __future__ import annotations

import polars as pl

from trendloom.stages.rows import without_few

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
        "reason",
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
    if "reason" not in rows.columns:
        return rows
    reasons = [reason and without_few(reason, k) for reason in rows["reason"].to_list()]
    return rows.with_columns(pl.Series("reason", reasons, dtype=pl.String))
