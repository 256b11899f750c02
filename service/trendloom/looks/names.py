"""Names that a person would use for looks and attribute trends."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["attribute_names", "look_kinds", "name_looks", "plural"]

_SAME = re.compile(r"(s|wear|denim|hosiery|jewellery|jewelry|clothing|footwear)$")
_SIBILANT = re.compile(r"(ss|x|z|ch|sh|bus)$")
_PLAIN = {"plain", "solid", "solid colour", "none", "no pattern", ""}
_MAIN = ("type", "colour", "pattern")
_SPEAKS = 0.4  # share of a look's garments that a value needs to be in its name
_NOT_RARER = 0.75  # ... at least as often, in shares of its frequency in the rest of its type, but for chance
_LIFT = 1.5  # ... and how much more often than in the rest of its type, for what tells namesakes apart


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
    """Returns look, group, value, share of the look's garments, and lift over the rest of its type; best first.

    The rest of a type are the garments of other looks and of none that show the type which most of the look show.
    """
    place = pl.DataFrame({"row": np.arange(len(labels)), "look": labels}, schema={"row": pl.Int64, "look": pl.Int64})
    rows = tags.select("row", "group", "value").unique().join(place, on="row")
    counts = rows.filter(pl.col("look") >= 0).group_by("look", "group", "value").agg(count=pl.len())
    counts = counts.join(place.group_by("look").agg(size=pl.len()), on="look")
    types = rows.filter(pl.col("group") == "type").select("row", kind="value")
    kind = (
        counts.filter(pl.col("group") == "type")
        .sort("look", "count", "value", descending=[False, True, False])
        .unique("look", keep="first", maintain_order=True)
        .select("look", kind="value")
    )
    alike = rows.join(types, on="row")  # a row per garment, type and other value
    everywhere = alike.group_by("kind", "group", "value").agg(all=pl.len())
    within = alike.join(kind, on=["look", "kind"]).group_by("look", "group", "value").agg(mine=pl.len())
    sizes = types.join(place, on="row").join(kind, on=["look", "kind"]).group_by("look").agg(mine_size=pl.len())
    return (
        counts.join(kind, on="look", how="left")
        .join(everywhere, on=["kind", "group", "value"], how="left")
        .join(types.group_by("kind").agg(all_size=pl.len()), on="kind", how="left")
        .join(within, on=["look", "group", "value"], how="left")
        .join(sizes, on="look", how="left")
        .with_columns(pl.col("all", "mine", "all_size", "mine_size").fill_null(0))
        .with_columns(
            share=pl.col("count") / pl.col("size"),
            rest=(pl.col("all") - pl.col("mine") + 0.5) / (pl.col("all_size") - pl.col("mine_size") + 1),
        )
        .with_columns(lift=pl.col("share") / pl.col("rest"))
        .sort("look", "group", "share", "value", descending=[False, False, True, False])
    )


def _covered(word: str, name: str) -> bool:
    """Returns whether a name says a word already: `handbag`, `#greenhandbags` of green handbags."""
    rest = re.sub(r"[^\w]", "", word.lower())
    for part in sorted(re.findall(r"\w+", name.lower()), key=len, reverse=True):
        rest = rest.replace(part, "").replace(part.removesuffix("s"), "").replace(part.removesuffix("es"), "")
    return rest in ("", "s", "es")


def look_kinds(labels: NDArray[np.int64], tags: pl.DataFrame) -> dict[int, str]:
    """Returns the type that most garments of each look show; arguments as of `name_looks`."""
    shares = _shares(labels, tags.with_columns(pl.col("row").cast(pl.Int64)))
    return dict(shares.drop_nulls("kind").select("look", "kind").unique().iter_rows())


def name_looks(labels: NDArray[np.int64], tags: pl.DataFrame, words: Mapping[int, str] | None = None) -> list[str]:
    """Returns a name per look 0.., such as "red check shirts, #grunge", each name once.

    It says the type that most of the look show, and the colour and pattern that most
    show, unless the rest of that type shows them more often.
    A word of its authors follows unless the name says it already. Namesakes get what else sets them apart most ("red
    check shirts, long sleeves"), and a number if nothing does.

    Args:
        labels: (n,) look of each garment, -1 for none.
        tags: row (position in `labels`), group, value.
        words: The word that people have for a look (see `look_words`).
    """
    count = int(labels.max(initial=-1)) + 1
    shares = _shares(labels, tags.with_columns(pl.col("row").cast(pl.Int64)))
    best: list[dict[str, str]] = [{} for _ in range(count)]
    further: list[list[str]] = [[] for _ in range(count)]
    for row in shares.iter_rows(named=True):
        look, group, value = row["look"], row["group"], row["value"]
        if group == "type":
            best[look]["type"] = row["kind"]
        elif group in _MAIN:
            speaks = row["share"] >= _SPEAKS and row["lift"] >= _NOT_RARER
            best[look].setdefault(group, value if speaks else "")  # the value that most show, or none
        elif row["share"] >= _SPEAKS and row["lift"] >= _LIFT:
            further[look].append(value.lower())
    names = [_phrase(values) or "unnamed" for values in best]
    for look, word in (words or {}).items():
        if not _covered(word, names[look]):
            names[look] = f"{names[look]}, {word}"
    namesakes = Counter(names)
    names = [f"{n}, {f[0]}" if namesakes[n] > 1 and f else n for n, f in zip(names, further, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names
