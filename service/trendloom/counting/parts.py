"""Parts of an outfit: who shows shoes at all is the denominator that a close-up of a shirt does not sink."""

from __future__ import annotations

import polars as pl

__all__ = ["PARTS", "posts_showing"]

_UPPER = frozenset(
    [
        "t-shirt",
        "polo shirt",
        "shirt",
        "blouse",
        "top",
        "vest top",
        "sweater",
        "cardigan",
        "hoodie",
        "sweatshirt",
        "jacket",
        "blazer",
        "coat",
        "waistcoat",
        "tunic",
        "kurta",
        "bikini top",
        "bra",
    ]
)
_WHOLE = frozenset(["dress", "jumpsuit", "suit", "saree", "bodysuit", "swimsuit", "nightwear"])
_LOWER = frozenset(["skirt", "trousers", "jeans", "shorts", "leggings", "track pants", "bikini bottoms", "briefs"])
PARTS: dict[str, frozenset[str]] = {
    "upper": _UPPER | _WHOLE,
    "lower": _LOWER | _WHOLE,
    "feet": frozenset(
        [
            "sneakers",
            "casual shoes",
            "formal shoes",
            "boots",
            "heels",
            "flats",
            "sandals",
            "flip flops",
            "socks",
            "tights",
        ]
    ),
    "bag": frozenset(["handbag", "backpack", "clutch", "messenger bag", "duffel bag", "wallet"]),
    "head": frozenset(["hat", "cap", "beanie", "hair accessory", "sunglasses", "earrings"]),
    "accessory": frozenset(["watch", "necklace", "bracelet", "ring", "belt", "scarf", "tie", "gloves"]),
}
"""Types of garments by the part of an outfit that they show; what covers more than one is in each."""


def posts_showing(part: str, tags: pl.DataFrame, photos: pl.DataFrame) -> pl.Series:
    """Returns the post_id of posts with a garment of a part.

    Args:
        part: A key of `PARTS`.
        tags: key, group, value of garments.
        photos: key, post_id.
    """
    shown = tags.filter((pl.col("group") == "type") & pl.col("value").is_in(list(PARTS[part])))
    return photos.join(shown.select("key").unique(), on="key", how="semi")["post_id"].unique()
