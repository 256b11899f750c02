"""What a workspace found, as tables: for files, pages and the API alike; small groups are not published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from trendloom.counting import PARTS
from trendloom.counting.cohorts import COHORTS
from trendloom.errors import InputError
from trendloom.pipeline.ledger import issued, public
from trendloom.pipeline.output import check_ending, write_table
from trendloom.pipeline.publishing import publish
from trendloom.pipeline.study import Results, posts_in, results
from trendloom.store import Workspace

__all__ = ["EXPORT_ENDINGS", "SEGMENTS", "TABLES", "export", "parse_segment", "publish"]

EXPORT_ENDINGS = (".parquet", ".csv", ".jsonl", ".xlsx")
TABLES = ("trends", "series", "members", "forecasts", "lineage", "tags", "posts")
SEGMENTS = ("country", "platform", "department", "cohort", "shows")
_VALUES = {"cohort": COHORTS, "shows": tuple(PARTS)}
_TREND_COLUMNS = (
    *("rank", "trend_id", "kind", "label", "stage", "growth", "growth_low", "growth_high", "q_value"),
    *(
        "authors",
        "posts",
        "share",
        "share_low",
        "share_high",
        "suppressed",
        "first_seen",
        "last_seen",
        "since",
        "under",
        "reason",
        "countries",
        "loudest_share",
        "growth_without_loudest",
    ),
)


def parse_segment(pairs: list[str]) -> dict[str, str]:
    """Returns {field: value} of `field=value` pairs.

    Raises:
        InputError: A pair of another form, a field that posts are not told apart by or that was given before, or no value
            of it.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        field, sign, value = pair.partition("=")
        if not sign or not value or field not in SEGMENTS:
            raise InputError(f"segment: expected {' or '.join(f'{s}=VALUE' for s in SEGMENTS)}, got {pair!r}")
        if value not in _VALUES.get(field, (value,)):
            raise InputError(f"segment: expected {field}= and one of {', '.join(_VALUES[field])}, got {value!r}")
        if field in found:
            raise InputError(
                f"segment: expected {field} once, got {found[field]!r} and {value!r}: ask for one at a time"
            )
        found[field] = value
    return found


def export(
    workspace: Workspace, table: str, output: Path, *, k: int = 1, segment: Mapping[str, str] | None = None
) -> int:
    """Writes one table of the current result, or of the facts, to a file; returns its number of rows.

    Raises:
        InputError: An unknown table or ending, k under 1, or a segment or k that the table cannot have.
    """
    check_ending(output, EXPORT_ENDINGS)
    if k < 1:
        raise InputError(f"--k: expected 1 or more people, got {k}")
    rows = _rows(workspace, table, k, segment or {})
    write_table(rows.lazy(), output)
    return rows.height


def _rows(workspace: Workspace, table: str, k: int, segment: Mapping[str, str]) -> pl.DataFrame:
    if table in ("trends", "series", "members"):
        return _result(results(workspace, segment), table, k)
    if table == "forecasts":
        if segment:
            raise InputError(
                "export: forecasts are frozen for all posts: ask the API for a segment, leave --segment out"
            )
        found = results(workspace)
        return public(issued(workspace, workspace.current_run() or ""), found, found.pooled(k), k)
    if table == "lineage":
        if segment:
            raise InputError("export: looks are those of all posts, so lineage has no segments: leave --segment out")
        return publish(workspace.result("lineage"), "lineage", k).sort("now", "event", "child_id", "parent_id")
    if table in ("posts", "tags"):
        if k > 1:
            raise InputError(f"export: {table} has a row for what one person posted, so it has no --k: leave it out")
        return _facts(workspace, table, segment)
    raise InputError(f"export: expected one of {', '.join(TABLES)}, got {table!r}")


def _facts(workspace: Workspace, table: str, segment: Mapping[str, str]) -> pl.DataFrame:
    """Returns every photo with its post, or every tag with its garment's box; of a segment those of its posts."""
    photos = workspace.scan("photos")
    if segment:
        photos = photos.join(posts_in(workspace, segment).select("post_id").lazy(), on="post_id", how="semi")
    if table == "posts":
        posts = workspace.scan("posts").drop("key")
        return photos.join(posts, on="post_id", how="left").sort("key", "post_id").collect()
    box = workspace.scan("garments").select("key", "garment", "x0", "y0", "x1", "y1")
    tags = workspace.scan("tags").join(box, on=["key", "garment"], how="left")
    if segment:
        tags = tags.join(photos, on="key", how="semi")
    return tags.sort("key", "garment", "group", "value").collect()


def _result(found: Results, table: str, k: int) -> pl.DataFrame:
    if table == "trends":
        return publish(found.trends, "trends", k).select(_TREND_COLUMNS).sort("rank")
    if table == "series":
        columns = (
            "trend_id",
            "window_start",
            "numerator",
            "denominator",
            "authors",
            "share",
            "share_low",
            "share_high",
            "suppressed",
            "posts",
            "distinct",
        )
        return publish(found.series, "series", k).select(columns).sort("trend_id", "window_start")
    rows = found.members.select("trend_id", "post_id", "window_start", "probability")
    rows = rows.sort("trend_id", "window_start", "post_id")
    return rows if k == 1 else _of_many(rows, found, k)


def _of_many(members: pl.DataFrame, found: Results, k: int) -> pl.DataFrame:
    """Returns the members of trends in windows that k people or more stand behind, as their series are published."""
    who = found.posts.select("post_id", who=pl.coalesce("author_hash", "post_id"))
    place = ["trend_id", "window_start"]
    people = members.join(who, on="post_id").group_by(place).agg(people=pl.col("who").n_unique())
    few = people.filter(pl.col("people") < k).select(place)
    small = publish(found.series, "series", k).filter("suppressed").select(place)
    return members.join(pl.concat([few, small]), on=place, how="anti", nulls_equal=True, maintain_order="left")
