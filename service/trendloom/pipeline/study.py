"""From the facts to a study: looks, attribute trends, counts and stages, written with the run that made them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom import __version__
from trendloom.counting import Step, attribute_members, copy_groups, tally
from trendloom.counting.pooled import pool
from trendloom.errors import VectorIndexError
from trendloom.index import VectorIndex, neighbours
from trendloom.looks import attribute_names, centroids, communities, exemplars, identify, name_looks
from trendloom.stages import Study, judge
from trendloom.store import Workspace, frame
from trendloom.types import Floats

__all__ = ["SAME_PHOTO", "Results", "garment_vectors", "results", "study", "vector_index"]

_NAMING = ("type", "colour", "pattern", "sleeves", "neckline", "fabric")  # groups that a look's name is made of
_NEIGHBOURS = 15
_EXEMPLARS = 24
# Bits of the perceptual hash in which two uploads of one photo may differ. On 8,300 composed posts 2 finds all of 101
# re-encoded and resized copies and joins 26 other posts; 4 joins 113 others.
SAME_PHOTO = 2

Phase = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What readers see of one run, or of one segment of it.

    Attributes:
        trends: A row per trend, with its rank.
        series: A row per trend and window.
        members: A row per trend and post.
        step: `week` or `month`.
        now: End of the last complete window; None where no post has a time.
        posts: The posts that were counted: post_id, posted_at, author_hash.
        photos: key, post_id, sha256, phash, width, height of their readable photos.
    """

    trends: pl.DataFrame
    series: pl.DataFrame
    members: pl.DataFrame
    step: str
    now: date | None
    posts: pl.DataFrame
    photos: pl.DataFrame

    def pooled(self, k: int) -> pl.DataFrame:
        """Returns the series in blocks of windows that k people or more stand behind, where that can be had."""
        copies = copy_groups(self.photos.select("post_id", "sha256", "phash"), radius=SAME_PHOTO)
        return pool(self.series, self.members, self.posts, k=k, step=self.step, copies=copies)


def garment_vectors(garments: pl.DataFrame) -> Floats:
    """Returns the stored vectors, (n, dim) float32 with unit rows."""
    if garments.is_empty():
        return np.zeros((0, 1), dtype=np.float32)
    joined = b"".join(garments["vector"].to_list())
    vectors = np.frombuffer(joined, dtype="<f2").reshape(garments.height, -1).astype(np.float32)
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def study(
    workspace: Workspace,
    *,
    as_of: date | None = None,
    step: Step | None = None,
    threads: int = 1,
    phase: Phase = lambda name: None,
) -> str:
    """Finds looks and trends in all facts and publishes them; returns the id of the run.

    Doing it again on the same facts with the same settings is the same run, and does nothing.

    Args:
        workspace: Locked by the caller.
        as_of: What is posted at or after this day does not count.
        step: `week` or `month`; by default chosen from the data.
        threads: For the neighbour search.
        phase: Called with the name of each phase as it begins.
    """
    photos = workspace.read("photos").filter(pl.col("status") == "ok").sort("key", "post_id")
    posts = workspace.read("posts").sort("post_id")
    settings = {"as_of": str(as_of), "step": step, "version": __version__, **_identity(workspace)}
    run = _run_id(photos, posts, settings)
    if run == workspace.current_run():
        return run
    phase("looks")
    tags = _of_garments(workspace.read("tags"))
    looks, assignments = _looks(workspace, photos, posts, tags, threads)
    phase("trends")
    known = photos.select("key", "post_id")
    by_look = assignments.join(known, on="key").select(pl.col("look_id").alias("trend_id"), "post_id").unique()
    by_value = attribute_members(tags, known, posts.select("post_id", "author_hash"))
    names = pl.concat(
        [
            looks.select(pl.col("look_id").alias("trend_id"), pl.lit("look").alias("kind"), "label"),
            attribute_names(by_value["trend_id"].unique().sort()),
        ]
    )
    found = _judge(posts, photos, pl.concat([by_look, by_value]), names, as_of=as_of, step=step)
    phase("publishing")
    row: dict[str, object] = {
        "run": run,
        "finished_at": datetime.now(UTC),
        "version": __version__,
        **_identity(workspace),
        "window": found.step,
        "now": found.now,
        "posts": posts.height,
        "report": json.dumps(dict(found.report), sort_keys=True),
    }
    workspace.publish(
        frame("runs", [row]),
        {
            "looks": looks,
            "assignments": assignments,
            "members": found.members,
            "series": found.series,
            "trends": found.trends,
        },
    )
    return run


def _of_garments(tags: pl.DataFrame) -> pl.DataFrame:
    """Returns the tags of garments; those of the whole photo stand only where no garment was found in it."""
    found = tags.filter(pl.col("garment") > 0).select("key").unique()
    whole = tags.filter(pl.col("garment") == 0).join(found, on="key", how="anti")
    return pl.concat([whole, tags.filter(pl.col("garment") > 0)])


def _identity(workspace: Workspace) -> dict[str, str]:
    return {"model": workspace.meta.model, "taxonomy": workspace.meta.taxonomy}


def _run_id(photos: pl.DataFrame, posts: pl.DataFrame, settings: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for rows in (
        photos.select("key", "post_id", "sha256"),
        posts.select("post_id", "posted_at", "author_hash", "platform", "country"),
    ):
        digest.update(f"{rows.height}:{rows.hash_rows(seed=1).sum()}".encode())
    return "run-" + digest.hexdigest()[:16]


def _judge(
    posts: pl.DataFrame,
    photos: pl.DataFrame,
    members: pl.DataFrame,
    names: pl.DataFrame,
    *,
    as_of: date | None,
    step: Step | None,
) -> Study:
    seen = posts.join(photos.select("post_id").unique(), on="post_id", how="semi")
    copies = copy_groups(photos.select("post_id", "sha256", "phash"), radius=SAME_PHOTO)
    return judge(tally(seen, members, copies=copies, as_of=as_of, step=step), names)


def _looks(
    workspace: Workspace, photos: pl.DataFrame, posts: pl.DataFrame, tags: pl.DataFrame, threads: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the looks, and which garment belongs to which."""
    worn = tags.filter(pl.col("group") == "type").select("key", "garment").unique()
    garments = (
        workspace.read("garments")
        .join(photos.select("key").unique(), on="key", how="semi")
        .join(worn, on=["key", "garment"], how="semi")
        .unique(["key", "garment"])
        .sort("key", "garment")
        .with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    )
    vectors = garment_vectors(garments)
    if garments.height < 2:
        labels = np.full(garments.height, -1, dtype=np.int64)
    else:
        labels = communities(*neighbours(vectors, _NEIGHBOURS, threads=threads))
    centres = centroids(vectors, labels)
    chosen = exemplars(vectors, labels, centres, _owners(garments, photos, posts), count=_EXEMPLARS)
    keys = [f"{key}\x00{garment}" for key, garment in garments.select("key", "garment").iter_rows()]
    before = workspace.result("assignments")
    previous = {f"{k}\x00{g}": look for k, g, look in before.select("key", "garment", "look_id").iter_rows()}
    ids = identify(labels, keys, chosen[:, 0] if len(chosen) else np.zeros(0, dtype=np.int64), previous)
    named = name_looks(
        labels,
        tags.filter(pl.col("group").is_in(_NAMING))
        .join(garments.select("key", "garment", "row"), on=["key", "garment"])
        .select("row", "group", "value"),
    )
    photo_of = garments["key"].to_list()
    looks = pl.DataFrame(
        {
            "look_id": ids,
            "label": named,
            "size": np.bincount(labels[labels >= 0], minlength=len(ids)),
            "centroid": [centre.astype("<f2").tobytes() for centre in centres],
            "exemplars": [[photo_of[row] for row in rows if row >= 0] for rows in chosen.tolist()],
        },
        schema={
            "look_id": pl.String,
            "label": pl.String,
            "size": pl.Int64,
            "centroid": pl.Binary,
            "exemplars": pl.List(pl.String),
        },
    )
    kept = garments.select("key", "garment").with_columns(
        look_id=pl.Series([ids[n] if n >= 0 else None for n in labels.tolist()], dtype=pl.String)
    )
    return looks, kept.filter(pl.col("look_id").is_not_null())


def _owners(garments: pl.DataFrame, photos: pl.DataFrame, posts: pl.DataFrame) -> NDArray[np.int64]:
    """Returns a code per garment of who posted it; posts without an author are people of their own."""
    who = pl.coalesce("author_hash", "post_id").alias("who")
    first = photos.unique("key", keep="first", maintain_order=True).join(
        posts.select("post_id", "author_hash"), on="post_id", how="left"
    )
    owner = garments.join(first.select("key", who), on="key", how="left", maintain_order="left")["who"]
    return owner.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def results(workspace: Workspace, segment: Mapping[str, str] | None = None) -> Results:
    """Returns the current result; of a segment (`{"country": "FR"}`) the same trends counted among its posts alone."""
    run = workspace.read("runs").sort("finished_at").tail(1)
    step = str(run["window"][0]) if run.height else "week"
    now: date | None = run["now"][0] if run.height else None
    name = str(run["run"][0]) if run.height else None
    trends, series, members = (workspace.result(table, name) for table in ("trends", "series", "members"))
    posts = workspace.read("posts")
    for field, value in (segment or {}).items():
        posts = posts.filter(pl.col(field) == value)
    photos = workspace.read("photos").filter(pl.col("status") == "ok")
    photos = photos.join(posts.select("post_id"), on="post_id", how="semi")
    if segment and run.height:
        chosen: Step = "month" if step == "month" else "week"
        found = _judge(
            posts,
            photos,
            members.select("trend_id", "post_id"),
            trends.select("trend_id", "kind", "label"),
            as_of=now,
            step=chosen,
        )
        trends, series, members = found.trends, found.series, found.members
    return Results(
        trends=trends,
        series=series,
        members=members,
        step=step,
        now=now,
        posts=posts.join(photos.select("post_id").unique(), on="post_id", how="semi").select(
            "post_id", "posted_at", "author_hash"
        ),
        photos=photos.select("key", "post_id", "sha256", "phash", "width", "height"),
    )


def vector_index(workspace: Workspace) -> VectorIndex:
    """Returns the index over the garments' vectors, ids are photo keys; built again where missing, damaged or stale."""
    stamp = f"{workspace.meta.model}:{workspace.version('garments')}"
    folder = workspace.root / "index"
    try:
        index = VectorIndex.load(folder)
        if index.stamp == stamp:
            return index
    except VectorIndexError:
        pass  # rebuilt below
    done = workspace.scan("photos").filter(pl.col("status") == "ok").select("key").unique().collect()
    garments = workspace.read("garments").join(done, on="key", how="semi").sort("key", "garment")
    index = VectorIndex.build(garment_vectors(garments), garments["key"].to_list(), stamp=stamp)
    with contextlib.suppress(OSError):  # a workspace that may only be read is searched all the same
        index.save(folder)
    return index
