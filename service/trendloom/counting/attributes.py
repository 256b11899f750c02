"""Attribute trends: values and pairs of values that garments show."""

from __future__ import annotations

import polars as pl

__all__ = ["asked_values", "attribute_members", "how_probable"]

_KIND = "attribute:"
_GROUPS = ("type", "colour", "pattern")
_PAIRS = (("type", "colour"), ("type", "pattern"))
_FAMILIES = {
    "navy": "any blue", "blue": "any blue", "light blue": "any blue",
    "red": "any red", "burgundy": "any red",
    "green": "any green", "olive": "any green",
    "gold": "metallic", "silver": "metallic",
}  # fmt: skip
_MOSTLY_ONE = 0.9  # share of one shade from which a family of shades is no trend beside it
_PLAIN = {"plain", "solid", "solid colour", "none", "no pattern"}


def how_probable(rows: pl.DataFrame) -> pl.Expr:
    """Returns the probability of each row, float64: 1 where none is given."""
    given = pl.col("probability") if "probability" in rows.columns else pl.lit(1.0)
    return given.cast(pl.Float64).fill_null(1.0)


def attribute_members(
    tags: pl.DataFrame, photos: pl.DataFrame, posts: pl.DataFrame, *, min_posts: int = 25, min_authors: int = 10
) -> pl.DataFrame:
    """Returns trend_id, post_id and probability of every value, and of the pairs type and colour, type and pattern.

    Both values of a pair are one garment's. Shades of blue, red and green, and gold and silver, are also counted together
    ("any blue"), as light and cameras blur them. The probability that a post shows a trend is that of its likeliest
    garment: a pair's is the product of its values', a family's the sum of its shades'.

    Args:
        tags: key, garment, group, value and, where they are not certain, probability.
        photos: key, post_id.
        posts: post_id, author_hash; a post without an author counts as an author of its own.
        min_posts: Posts that a trend needs.
        min_authors: Authors that a trend needs.
    """
    known = _values(tags)
    found = [known.select("key", "probability", trend_id=pl.concat_str(pl.lit(_KIND), "part"))]
    for first, second in _PAIRS:
        left, right = known.filter(group=first), known.filter(group=second)
        both = left.join(right, on=["key", "garment"], suffix="_2")
        pair = pl.concat_str(pl.lit(_KIND), "part", pl.lit("+"), "part_2")
        found.append(both.select("key", probability=pl.col("probability") * pl.col("probability_2"), trend_id=pair))
    owner = posts.select("post_id", who=pl.coalesce(pl.col("author_hash"), pl.concat_str(pl.lit("\x00"), "post_id")))
    rows = pl.concat(found).join(photos.select("key", "post_id"), on="key")
    rows = rows.group_by("trend_id", "post_id").agg(pl.col("probability").max())
    rows = rows.join(owner.unique("post_id"), on="post_id")
    enough = (
        rows.group_by("trend_id")
        .agg(posts=pl.len(), authors=pl.col("who").n_unique())
        .filter((pl.col("posts") >= min_posts) & (pl.col("authors") >= min_authors))
    )
    rows = rows.join(enough, on="trend_id", how="semi").select("trend_id", "post_id", "probability")
    return rows.join(_of_one_shade(rows), on="trend_id", how="anti").sort("trend_id", "post_id")


def _values(tags: pl.DataFrame) -> pl.DataFrame:
    """Returns key, garment, group, value, probability and part (`group:value`), each value once; families of shades too."""
    columns = ["key", "garment", "group", "value"]
    known = tags.select(*columns, probability=how_probable(tags))
    known = known.filter(pl.col("group").is_in(_GROUPS) & pl.col("value").is_not_null())
    known = known.filter(~(pl.col("group").eq("pattern") & pl.col("value").str.to_lowercase().is_in(_PLAIN)))
    known = known.group_by(columns, maintain_order=True).agg(pl.col("probability").max())
    shades = known.filter(pl.col("group").eq("colour") & pl.col("value").is_in(list(_FAMILIES)))
    families = shades.with_columns(pl.col("value").replace(_FAMILIES)).group_by(columns, maintain_order=True)
    known = pl.concat([known, families.agg(pl.col("probability").sum().clip(upper_bound=1.0))])
    return known.with_columns(part=pl.concat_str("group", pl.lit(":"), pl.col("value").str.replace_all(r"[+]", " ")))


def asked_values(trend_id: str) -> dict[str, tuple[str, ...]]:
    """Returns by group the values that a garment of an attribute trend shows one of; nothing for other trends.

    A family of shades stands for its shades. Values are written as in the trend's id, where a plus is a space.
    """
    if not trend_id.startswith(_KIND):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for part in trend_id.removeprefix(_KIND).split("+"):
        group, _, value = part.partition(":")
        shades = tuple(shade for shade, family in _FAMILIES.items() if family == value)
        found[group] = shades or (value,)
    return found


def _of_one_shade(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns trend_id of the families of shades of which one shade is nearly all."""
    size = dict(rows.group_by("trend_id").len().iter_rows())
    same = []
    for shade, family in _FAMILIES.items():
        for trend, posts in size.items():
            whole = trend.removesuffix(f"colour:{shade}") + f"colour:{family}"
            if trend.endswith(f"colour:{shade}") and posts >= _MOSTLY_ONE * size.get(whole, posts + 1):
                same.append(whole)
    return pl.DataFrame({"trend_id": same}, schema={"trend_id": pl.String})
