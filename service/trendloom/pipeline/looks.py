"""The looks of a workspace: clustered, or joined by nearest assignment, named, and with their lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom import __version__
from trendloom.index import neighbours
from trendloom.looks import (
    assign,
    assignment_cuts,
    author_words,
    carried,
    centroids,
    communities,
    exemplars,
    fineness,
    identify,
    issued_ids,
    lineage,
    look_kinds,
    look_words,
    merge_alike,
    name_looks,
)
from trendloom.store import Workspace, frame
from trendloom.types import Floats
from trendloom.vision.labels import refusal

__all__ = ["Looks", "find_looks", "garment_vectors", "worn_garments"]

_NAMING = ("type", "colour", "pattern", "sleeves", "neckline", "fabric")  # groups that a look's name is made of
_NEIGHBOURS = 15
_PIECE = 5  # garments of the smallest piece of a look
_EXEMPLARS = 24
_GROWN = 0.1  # share of garments come or gone since the last clustering from which all are clustered again

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What a study found, as rows of the tables of the same names.

    Attributes:
        looks: A row per look.
        assignments: A row per garment that was looked at; look_id is null where it is in no look.
        lineage: A row per event, those of earlier runs included.
    """

    looks: pl.DataFrame
    assignments: pl.DataFrame
    lineage: pl.DataFrame

    def dated(self, run: str, now: date | None) -> pl.DataFrame:
        """Returns the lineage with the end of the last complete window at the events of this run."""
        mine = pl.col("since_run") == run
        return self.lineage.with_columns(now=pl.when(mine).then(pl.lit(now, pl.Date)).otherwise("now"))


@dataclass(frozen=True, kw_only=True)
class _Grouped:
    """Garments in looks: label (n,), centre (looks, dim), least cosine (looks,), garments at the last clustering."""

    labels: Ints
    centres: Floats
    cuts: Floats
    clustered: int
    ids: tuple[str, ...] = ()  # where the looks are those of the run before


def garment_vectors(garments: pl.DataFrame) -> Floats:
    """Returns the stored vectors, (n, dim) float32 with unit rows."""
    vectors = _stored(garments["vector"])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def _stored(vectors: pl.Series) -> Floats:
    if vectors.is_empty():
        return np.zeros((0, 1), dtype=np.float32)
    return np.frombuffer(b"".join(vectors.to_list()), dtype="<f2").reshape(len(vectors), -1).astype(np.float32)


def worn_garments(workspace: Workspace, photos: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Returns key, garment and vector of what looks and prompts are made of: garments of readable photos with a type."""
    worn = tags.filter(pl.col("group") == "type").select("key", "garment").unique()
    return (
        workspace.scan("garments")
        .select("key", "garment", "vector")
        .collect()
        .join(photos.select("key").unique(), on="key", how="semi")
        .join(worn, on=["key", "garment"], how="semi")
        .unique(["key", "garment"])
        .sort("key", "garment")
    )


def find_looks(
    workspace: Workspace,
    garments: pl.DataFrame,
    vectors: Floats,
    *,
    photos: pl.DataFrame,
    posts: pl.DataFrame,
    tags: pl.DataFrame,
    run: str,
    recent: NDArray[np.bool_],
    afresh: bool = False,
    threads: int = 1,
) -> Looks:
    """Returns the looks of a workspace's garments, with the ids of the run before where they go on.

    New garments join the nearest look of the run before at once, if they are as near to its centre as nine in ten of its
    members were. When garments come or gone since the last clustering are a tenth of it, or model or version changed,
    all are clustered again.

    Args:
        workspace: Read only.
        garments: key, garment of `worn_garments`.
        vectors: (n, dim) theirs, unit rows.
        photos: key, post_id of readable photos.
        posts: post_id, author_hash, caption.
        tags: key, garment, group, value.
        run: Id of this run.
        recent: (n,) which garments looks are clustered from; the others join the nearest look, as new ones do.
        afresh: Clusters all again, whatever is known.
        threads: For the neighbour search.
    """
    keys = [f"{key}\x00{garment}" for key, garment in garments.select("key", "garment").iter_rows()]
    known = {f"{k}\x00{g}": look for k, g, look in _earlier(workspace).iter_rows()}
    before = {key: look for key, look in known.items() if look is not None}
    history = workspace.result("lineage")
    joined = None if afresh else _joined(workspace, vectors, keys, known)
    grouped = joined or _clustered(vectors, recent, threads)
    owners = _owners(garments, photos, posts)
    chosen = exemplars(vectors, grouped.labels, grouped.centres, owners, count=_EXEMPLARS)
    medoids = chosen[:, 0] if len(chosen) else np.zeros(0, dtype=np.int64)
    ids = list(grouped.ids) or identify(grouped.labels, keys, medoids, before, issued_ids(history))
    events = lineage(grouped.labels, keys, ids, owners, before).with_columns(since_run=pl.lit(run))
    names = _names(grouped.labels, garments, photos=photos, posts=posts, tags=tags)
    return Looks(
        looks=_rows(grouped, ids, names, chosen, garments["key"].to_list()),
        assignments=garments.select("key", "garment").with_columns(
            look_id=pl.Series([ids[n] if n >= 0 else None for n in grouped.labels.tolist()], dtype=pl.String)
        ),
        lineage=frame("lineage", pl.concat([carried(history), events], how="diagonal_relaxed")).drop("run"),
    )


def _earlier(workspace: Workspace) -> pl.DataFrame:
    return workspace.result("assignments").select("key", "garment", "look_id")


def _clustered(vectors: Floats, recent: NDArray[np.bool_], threads: int) -> _Grouped:
    """Returns the garments in looks: fine communities of their nearest-neighbour graph, joined where they are alike."""
    labels = np.full(len(vectors), -1, dtype=np.int64)
    late = vectors[recent]
    if len(late) >= 2:
        near = neighbours(late, _NEIGHBOURS, threads=threads)
        labels[recent] = merge_alike(late, communities(*near, resolution=fineness(len(late)), min_size=_PIECE))
    centres = centroids(late, labels[recent])
    cuts = assignment_cuts(late, labels[recent], centres)
    if not recent.all():
        labels[~recent] = assign(vectors[~recent], centres, cuts)
    return _Grouped(labels=labels, centres=centres, cuts=cuts, clustered=len(vectors))


def _joined(
    workspace: Workspace, vectors: Floats, keys: Sequence[str], known: dict[str, str | None]
) -> _Grouped | None:
    """Returns the looks of the run before with the new garments in them, None where all must be clustered again."""
    looks = workspace.result("looks")
    run = workspace.last_run()
    if looks.is_empty() or looks["cut"].null_count():
        return None
    same = (run["model"][0], run["version"][0]) == (workspace.meta.model, __version__)
    clustered = int(looks["clustered"][0])
    gone = len(set(known) - set(keys))
    if not same or len(keys) - clustered + 2 * gone >= _GROWN * clustered:
        return None
    place = {look: n for n, look in enumerate(looks["look_id"])}
    centres, cuts = _stored(looks["centroid"]), looks["cut"].to_numpy().astype(np.float32)
    labels = np.array([place.get(known.get(key) or "", -1) for key in keys], dtype=np.int64)
    new = np.flatnonzero([key not in known for key in keys])
    labels[new] = assign(vectors[new], centres, cuts)
    if len(np.unique(labels[labels >= 0])) < len(place):
        return None  # a look lost its last garment
    return _Grouped(labels=labels, centres=centres, cuts=cuts, clustered=clustered, ids=tuple(place))


def _names(
    labels: Ints, garments: pl.DataFrame, *, photos: pl.DataFrame, posts: pl.DataFrame, tags: pl.DataFrame
) -> list[str]:
    """Returns a name per look, of the tags of its garments and the words of its authors."""
    places = garments.select("key", "garment").with_row_index("row")
    said = tags.filter(pl.col("group").is_in(_NAMING)).join(places, on=["key", "garment"])
    told = said.select("row", "group", "value")
    captions = posts.select("post_id", "caption", who=pl.coalesce("author_hash", "post_id"))
    words = author_words(captions, refused=lambda word: bool(refusal(word)))
    shown = places.join(photos.select("key", "post_id").unique(), on="key").join(captions, on="post_id")
    spoken = shown.select("row", "who", "post_id").join(words.drop("who"), on="post_id", how="left")
    types = told.filter(pl.col("group") == "type").select("row", "value")
    return name_looks(labels, told, look_words(labels, look_kinds(labels, told), types, spoken))


def _rows(
    grouped: _Grouped, ids: Sequence[str], names: Sequence[str], chosen: Ints, photo_of: Sequence[str]
) -> pl.DataFrame:
    rows = pl.DataFrame(
        {
            "look_id": ids,
            "label": names,
            "size": np.bincount(grouped.labels[grouped.labels >= 0], minlength=len(ids)),
            "centroid": [centre.astype("<f2").tobytes() for centre in grouped.centres],
            "exemplars": [[photo_of[row] for row in rows if row >= 0] for rows in chosen.tolist()],
            "cut": grouped.cuts,
            "clustered": [grouped.clustered] * len(ids),
        },
        schema_overrides={"look_id": pl.String, "label": pl.String, "exemplars": pl.List(pl.String)},
    )
    return frame("looks", rows).drop("run")


def _owners(garments: pl.DataFrame, photos: pl.DataFrame, posts: pl.DataFrame) -> Ints:
    """Returns a code per garment of who posted it; posts without an author are people of their own."""
    who = pl.coalesce("author_hash", "post_id").alias("who")
    first = photos.unique("key", keep="first", maintain_order=True).join(
        posts.select("post_id", "author_hash"), on="post_id", how="left"
    )
    owner = garments.join(first.select("key", who), on="key", how="left", maintain_order="left")["who"]
    return owner.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
