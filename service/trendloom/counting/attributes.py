"""Attribute trends: values and pairs of values that garments show."""

from __future__ import annotations

import polars as pl

__all__ = ["attribute_members"]

_GROUPS = ("type", "colour", "pattern")
_PAIRS = (("type", "colour"), ("type", "pattern"))
_PLAIN = {"plain", "solid", "solid colour", "none", "no pattern"}


def attribute_members(
    tags: pl.DataFrame, photos: pl.DataFrame, posts: pl.DataFrame, *, min_posts: int = 25, min_authors: int = 10
) -> pl.DataFrame:
    """Returns trend_id and post_id of every value, and of the pairs type and colour, type and pattern of one garment.

    Args:
        tags: key, garment, group, value.
        photos: key, post_id.
        posts: post_id, author_hash; a post without an author counts as an author of its own.
        min_posts: Posts that a trend needs.
        min_authors: Authors that a trend needs.
    """
    columns = ["key", "garment", "group", "value"]
    known = tags.select(columns).filter(pl.col("group").is_in(_GROUPS) & pl.col("value").is_not_null()).unique()
    known = known.filter(~(pl.col("group").eq("pattern") & pl.col("value").str.to_lowercase().is_in(_PLAIN)))
    known = known.with_columns(part=pl.concat_str("group", pl.lit(":"), pl.col("value").str.replace_all(r"[+]", " ")))
    found = [known.select("key", trend_id=pl.concat_str(pl.lit("attribute:"), "part"))]
    for first, second in _PAIRS:
        left, right = known.filter(group=first), known.filter(group=second)
        both = left.join(right, on=["key", "garment"], suffix="_2")
        found.append(both.select("key", trend_id=pl.concat_str(pl.lit("attribute:"), "part", pl.lit("+"), "part_2")))
    owner = posts.select("post_id", who=pl.coalesce(pl.col("author_hash"), pl.concat_str(pl.lit("\x00"), "post_id")))
    rows = pl.concat(found).join(photos.select("key", "post_id"), on="key").select("trend_id", "post_id").unique()
    rows = rows.join(owner.unique("post_id"), on="post_id")
    enough = (
        rows.group_by("trend_id")
        .agg(posts=pl.len(), authors=pl.col("who").n_unique())
        .filter((pl.col("posts") >= min_posts) & (pl.col("authors") >= min_authors))
    )
    return rows.join(enough, on="trend_id", how="semi").select("trend_id", "post_id").sort("trend_id", "post_id")
