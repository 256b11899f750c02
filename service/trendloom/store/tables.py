"""Columns and types of every table of a workspace."""

from __future__ import annotations

import polars as pl

__all__ = ["FACTS", "RESULTS", "TABLES", "frame"]

_STR, _TIME = pl.String(), pl.Datetime("us", "UTC")
_SHARE = {"share": pl.Float64(), "share_low": pl.Float64(), "share_high": pl.Float64()}

# What photos and posts say: grows by appending.
FACTS: dict[str, dict[str, pl.DataType]] = {
    "posts": {
        "post_id": _STR,
        "key": _STR,
        "posted_at": _TIME,
        "author_hash": _STR,
        "country": _STR,
        "department": _STR,
        "platform": _STR,
        "caption": _STR,
        **dict.fromkeys(("likes", "comments", "shares", "views", "followers"), pl.Int64()),
    },
    "photos": {
        "key": _STR,
        "post_id": _STR,
        "sha256": _STR,
        "phash": pl.Int64(),
        "colours": pl.Int64(),
        "width": pl.Int32(),
        "height": pl.Int32(),
        "status": _STR,
        "error": _STR,
        "model": _STR,
    },
    "garments": {
        "key": _STR,
        "garment": pl.Int16(),
        **dict.fromkeys(("x0", "y0", "x1", "y1", "share"), pl.Float32()),
        "vector": pl.Binary(),
        "model": _STR,
        "engine": _STR,
    },
    "tags": {
        "key": _STR,
        "garment": pl.Int16(),
        "group": _STR,
        "value": _STR,
        "value_id": _STR,
        "probability": pl.Float32(),
        "sure": pl.Boolean(),
        "model": _STR,
        "taxonomy": _STR,
    },
}

# What the study makes of them: a whole new version with every run, told apart by `run`.
RESULTS: dict[str, dict[str, pl.DataType]] = {
    "looks": {
        "look_id": _STR,
        "label": _STR,
        "size": pl.Int64(),
        "centroid": pl.Binary(),
        "exemplars": pl.List(pl.String()),
        "cut": pl.Float32(),
        "clustered": pl.Int64(),
        "run": _STR,
    },
    "assignments": {"key": _STR, "garment": pl.Int16(), "look_id": _STR, "run": _STR},
    "members": {"trend_id": _STR, "post_id": _STR, "window_start": pl.Date(), "probability": pl.Float32(), "run": _STR},
    # What became of each look of the run before; events of earlier runs are carried along, so that no id is forgotten.
    "lineage": {
        "event": _STR,
        "parent_id": _STR,
        "child_id": _STR,
        "garments": pl.Int64(),
        "authors": pl.Int64(),
        "of_parent": pl.Float64(),
        "of_child": pl.Float64(),
        "now": pl.Date(),
        "since_run": _STR,
        "run": _STR,
    },
    "series": {
        "trend_id": _STR,
        "window_start": pl.Date(),
        **dict.fromkeys(("numerator", "denominator", "authors"), pl.Int64()),
        **_SHARE,
        **dict.fromkeys(("posts", "distinct"), pl.Int64()),
        "run": _STR,
    },
    "trends": {
        "rank": pl.Int64(),
        "trend_id": _STR,
        "kind": _STR,
        "label": _STR,
        "stage": _STR,
        **dict.fromkeys(("growth", "growth_low", "growth_high", "q_value"), pl.Float64()),
        "authors": pl.Int64(),
        "posts": pl.Int64(),
        **_SHARE,
        "countries": pl.Int64(),
        **dict.fromkeys(("loudest_share", "growth_without_loudest"), pl.Float64()),
        "first_seen": pl.Date(),
        "last_seen": pl.Date(),
        "since": pl.Date(),
        "under": _STR,
        # the reason, put into words when it is published: `trendloom.stages.reasons`
        "window": _STR,
        "windows": pl.Int64(),
        "compared": pl.Int64(),
        "year_before": pl.Boolean(),
        "authors_now": pl.Int64(),
        "authors_before": pl.Float64(),
        "told_by": _STR,
        "run": _STR,
    },
}

TABLES: dict[str, dict[str, pl.DataType]] = {
    **FACTS,
    **RESULTS,
    # One row per complete study; the last row names the result that readers see.
    "runs": {
        "run": _STR,
        "finished_at": _TIME,
        "version": _STR,
        "model": _STR,
        "taxonomy": _STR,
        "window": _STR,
        "now": pl.Date(),
        "posts": pl.Int64(),
        "report": _STR,
    },
}


def frame(name: str, rows: list[dict[str, object]] | pl.DataFrame) -> pl.DataFrame:
    """Returns `rows` with exactly the columns and types of table `name`; absent columns are null."""
    schema = TABLES[name]
    if isinstance(rows, list):
        return pl.DataFrame(rows, schema=schema)
    missing = [pl.lit(None).alias(c) for c in schema if c not in rows.columns]
    return rows.with_columns(missing).select(pl.col(c).cast(t) for c, t in schema.items())
