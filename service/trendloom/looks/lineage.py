"""What became of each look from one clustering to the next: births, continuations, splits, merges, moves, deaths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["EVENTS", "carried", "issued_ids", "lineage"]

EVENTS = ("birth", "continuation", "split", "merge", "move", "death")
_FLOW = 0.2  # share of either look's known members that makes a passage from one to the other worth a row
_LEAST = 5  # ... and the garments it needs
_SCHEMA = {
    "event": pl.String,
    "parent_id": pl.String,
    "child_id": pl.String,
    "garments": pl.Int64,
    "authors": pl.Int64,
    "of_parent": pl.Float64,
    "of_child": pl.Float64,
}


def lineage(
    labels: NDArray[np.int64],
    keys: Sequence[str],
    ids: Sequence[str],
    owners: NDArray[np.int64],
    previous: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Returns a row per event: event, parent_id, child_id, garments and authors that passed, of_parent, of_child.

    A look that is in both runs continues. A new one that took members of an earlier look is split from it; an earlier
    one that ended in others is merged into them; between two that both go on, members move. A passage is worth a row
    from a fifth of the known members of either. What came from nowhere is born, what went nowhere has died. After
    Spiliopoulou et al. 2006, MONIC (KDD): external transitions of clusters.

    `of_parent` is the share of the parent's garments that are still known, `of_child` the share of those garments of the
    child that were in a look before. At a birth or death, `garments` and `authors` are those of the look itself.

    Args:
        labels: (n,) look of each garment, -1 for none.
        keys: (n,) stable name of each garment.
        ids: Id of each look 0.. .
        owners: (n,) code of who posted the garment.
        previous: Look id by key, of the earlier run; garments without a look left out.
    """
    before = previous or {}
    name = dict(enumerate(ids))
    rows = pl.DataFrame(
        {
            "parent_id": [before.get(key) for key in keys],
            "child_id": [name.get(label) for label in labels.tolist()],
            "owner": owners,
        },
        schema={"parent_id": pl.String, "child_id": pl.String, "owner": pl.Int64},
    )
    flows = _flows(rows)
    born, gone = set(ids) - set(before.values()), set(before.values()) - set(ids)
    passed = flows.filter(pl.col("parent_id") != pl.col("child_id"))
    parents = passed.group_by("child_id").agg(parents=pl.len())
    new, dead = pl.col("child_id").is_in(list(born)), pl.col("parent_id").is_in(list(gone))
    passed = passed.join(parents, on="child_id").with_columns(
        event=pl.when(dead & (~new | (pl.col("parents") > 1)))
        .then(pl.lit("merge"))
        .when(new)
        .then(pl.lit("split"))
        .otherwise(pl.lit("move"))
    )
    same = flows.filter(pl.col("parent_id") == pl.col("child_id")).with_columns(event=pl.lit("continuation"))
    births = _alone(rows, "child_id", born - set(passed["child_id"]), "birth")
    deaths = _alone(rows, "parent_id", gone - set(passed["parent_id"]), "death")
    parts = [part.select(pl.col(c).cast(t) for c, t in _SCHEMA.items()) for part in (same, passed, births, deaths)]
    return pl.concat(parts).sort("event", "child_id", "parent_id")


def _flows(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the passages between looks that are worth a row, and those of each look into itself."""
    known = rows.drop_nulls("parent_id")
    both = known.drop_nulls("child_id")
    return (
        both.group_by("parent_id", "child_id")
        .agg(garments=pl.len(), authors=pl.col("owner").n_unique())
        .join(known.group_by("parent_id").agg(had=pl.len()), on="parent_id")
        .join(both.group_by("child_id").agg(has=pl.len()), on="child_id")
        .with_columns(of_parent=pl.col("garments") / pl.col("had"), of_child=pl.col("garments") / pl.col("has"))
        .filter(
            (pl.col("parent_id") == pl.col("child_id"))
            | ((pl.max_horizontal("of_parent", "of_child") >= _FLOW) & (pl.col("garments") >= _LEAST))
        )
    )


def _alone(rows: pl.DataFrame, side: str, looks: set[str], event: str) -> pl.DataFrame:
    """Returns a row for each look that has nothing on the other side of the passage."""
    named = pl.DataFrame({side: sorted(looks)}, schema={side: pl.String})
    counts = rows.group_by(side).agg(garments=pl.len(), authors=pl.col("owner").n_unique())
    other = "parent_id" if side == "child_id" else "child_id"
    empty = [pl.lit(None).alias(column) for column in (other, "of_parent", "of_child")]
    found = named.join(counts, on=side, how="left").with_columns(pl.lit(event).alias("event"), *empty)
    return found.with_columns(pl.col("garments", "authors").fill_null(0))


def carried(earlier: pl.DataFrame) -> pl.DataFrame:
    """Returns the events of earlier runs that must not be forgotten: all but plain continuations, which say nothing new."""
    return earlier.filter(pl.col("event") != "continuation")


def issued_ids(earlier: pl.DataFrame) -> set[str]:
    """Returns every id that a lineage names: none of them may be given to another look."""
    return {one for side in ("parent_id", "child_id") for one in earlier[side].drop_nulls()}
