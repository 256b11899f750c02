"""Names that a person would use for looks and attribute trends."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["attribute_names", "name_looks", "plural"]

_SAME = re.compile(r"(s|wear|denim|hosiery|jewellery|jewelry|clothing|footwear)$")
_SIBILANT = re.compile(r"(ss|x|z|ch|sh|bus)$")
_PLAIN = {"plain", "solid", "solid colour", "none", "no pattern", ""}
_MAIN = ("type", "colour", "pattern")
_SPEAKS = 0.4  # share of a look's garments that a value needs to be in its name
_LIFT = 1.5  # ... and how much more often than in all garments, for what tells namesakes apart


def plural(word: str) -> str:
    """Returns the plural of a garment's name: shirts, dresses, watches, scarves, bodies; jeans stays."""
    if "/" in word:
        return "/".join(plural(part.strip()) for part in word.split("/"))
    low = word.lower()
    if _SIBILANT.search(low):
        return word + "es"
    if low.endswith("scarf"):
        return word[:-1] + "ves"
    if not word or _SAME.search(low):
        return word
    if low.endswith("y") and low[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + "s"


def _phrase(values: dict[str, str]) -> str:
    """Returns colour, pattern unless plain, and plural of the type, in lower case but for T-shirts."""
    words = [values[g].lower() for g in ("colour", "pattern") if values.get(g, "").lower() not in _PLAIN]
    kind = plural(values.get("type", "").strip())
    if kind:
        words.append(kind if kind.startswith("T-") else kind.lower())
    return " ".join(words)


def attribute_names(trend_ids: pl.Series) -> pl.DataFrame:
    """Returns trend_id, kind and label of attribute trends: `attribute:type:shirt+colour:red` is "red shirts"."""
    labels = []
    for trend_id in trend_ids:
        parts = trend_id.removeprefix("attribute:").split("+")
        labels.append(_phrase(dict(part.split(":", 1) for part in parts if ":" in part)) or trend_id)
    kinds = ["attribute"] * len(labels)
    return pl.DataFrame(
        {"trend_id": list(trend_ids), "kind": kinds, "label": labels},
        schema=dict.fromkeys(["trend_id", "kind", "label"], pl.String),
    )


def _shares(labels: NDArray[np.int64], tags: pl.DataFrame) -> pl.DataFrame:
    """Returns look, group, value, share of the look's garments, and lift over all garments; best first."""
    size = pl.DataFrame({"look": labels}).group_by("look").agg(size=pl.len())
    rows = (
        tags.select("row", "group", "value").unique().with_columns(look=pl.lit(pl.Series(labels)).gather(pl.col("row")))
    )
    everywhere = rows.group_by("group", "value").agg(overall=pl.len() / max(len(labels), 1))
    return (
        rows.filter(pl.col("look") >= 0)
        .group_by("look", "group", "value")
        .agg(count=pl.len())
        .join(size, on="look")
        .join(everywhere, on=["group", "value"])
        .with_columns(share=pl.col("count") / pl.col("size"))
        .with_columns(lift=pl.col("share") / pl.col("overall"))
        .sort("look", "group", "share", "value", descending=[False, False, True, False])
    )


def name_looks(labels: NDArray[np.int64], tags: pl.DataFrame) -> list[str]:
    """Returns a name per look 0.., such as "red check shirts", each name once.

    Namesakes get what sets them apart most ("red check shirts, long sleeves"), and a number if nothing does.

    Args:
        labels: (n,) look of each garment, -1 for none.
        tags: row (position in `labels`), group, value.
    """
    count = int(labels.max(initial=-1)) + 1
    tags = tags.with_columns(pl.col("row").cast(pl.Int64))
    shares = _shares(labels, tags)
    best: list[dict[str, str]] = [{} for _ in range(count)]
    further: list[list[str]] = [[] for _ in range(count)]
    for row in shares.iter_rows(named=True):
        look, group, value = row["look"], row["group"], row["value"]
        if group in _MAIN:
            if group not in best[look] and (row["share"] >= _SPEAKS or group == "type"):
                best[look][group] = value
        elif row["share"] >= _SPEAKS and row["lift"] >= _LIFT:
            further[look].append(value.lower())
    names = [_phrase(values) or "unnamed" for values in best]
    namesakes = Counter(names)
    names = [f"{n}, {f[0]}" if namesakes[n] > 1 and f else n for n, f in zip(names, further, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names
