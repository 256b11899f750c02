"""Demand by material: who shows or names linen, leather or polyester, how that moves, and the quarter ahead.

Three sources, never mixed, each named beside its numbers: tags of garments, where the model's fabric group was validated;
words of captions and hashtags; and a catalogue's compositions, where one was handed in.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from trendloom.artifacts import find_model, load_card
from trendloom.counting.materials import MATERIALS, materials_in
from trendloom.errors import ArtifactError, InputError, NotEnoughData, StoreError
from trendloom.pipeline.output import whole
from trendloom.pipeline.publishing import publish
from trendloom.pipeline.study import judged_beside, tags_of_garments
from trendloom.sources import separator_of
from trendloom.store import Workspace

__all__ = ["COLUMNS", "Materials", "Taken", "catalogue_stamp", "materials", "take_catalogue"]

_GROUP = "fabric"
_CATALOGUE = "catalogue.parquet"
_COMPOSITIONS = ("material", "materials", "composition", "fabric", "fibre", "fiber")
_LEAST_POSTS = 25
COLUMNS = (
    *("material", "kind", "source", "authors", "posts", "share", "share_low", "share_high"),
    *("growth", "growth_low", "growth_high", "ahead", "ahead_low", "ahead_high", "suppressed"),
)


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What is made of what, and what is said of it.

    Attributes:
        rows: `COLUMNS`, a row per material and source, most people first. share: of the people of the last 13 weeks (3
            months). growth: against the same weeks a year before. ahead, with its 80 % interval: the mean of the coming
            quarter over that of the same quarter a year before; null without a year of history.
        sources: For each source how it knows, or why it is silent.
        windows: trend_id (`photos:linen`), window_start and share: the histories.
    """

    rows: pl.DataFrame
    sources: dict[str, str]
    windows: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a catalogue brought.

    Attributes:
        posts: Posts that it names a material of.
        rows: Its rows.
        strangers: Rows that name no post of the workspace.
        silent: Rows whose composition names no known material.
    """

    posts: int
    rows: int
    strangers: int
    silent: int


def take_catalogue(home: Workspace, path: Path) -> Taken:
    """Returns how many posts or photos a catalogue names a material of, and keeps that in the workspace.

    A CSV file with a column `post_id` or `image` and one of `material`, `composition`, `fabric`, `fibre`; cells are separated
    by commas, semicolons or tabs. The caller holds the workspace's lock. A new catalogue takes the place of the last.

    Raises:
        InputError: The file cannot be read, has no such columns, or names no post of the workspace.
    """
    rows, key, made = _catalogue(path)
    said = [((row[key] or "").strip(), materials_in(row[made] or "")) for row in rows]
    pairs = [(post, name) for post, names in said for name in sorted(names)]
    table = pl.DataFrame(pairs, schema={"id": pl.String, "material": pl.String}, orient="row")
    by_post = key.strip().lower() == "post_id"
    photos = home.scan("photos").select("post_id", id="post_id" if by_post else "key").collect().unique()
    found = table.join(photos, on="id").select("post_id", "material").unique()
    if found.is_empty():
        raise InputError(
            f"{path.name}: none of its {len(rows):,} rows names both a material and a post of this workspace: check {key}"
        )
    try:
        with whole(home.root / _CATALOGUE) as part:
            found.write_parquet(part)
    except OSError as exc:
        raise StoreError(f"the workspace {home.root} cannot be written ({exc.strerror})") from exc
    there = set(photos["id"])
    return Taken(
        posts=found["post_id"].n_unique(),
        rows=len(rows),
        strangers=sum(post not in there for post, _ in said),
        silent=sum(not names for _, names in said),
    )


def _catalogue(path: Path) -> tuple[list[dict[str, str]], str, str]:
    """Returns a catalogue's rows, and its columns of what is named and of what that is made of."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = separator_of(file.readline())
            file.seek(0)
            reader = csv.DictReader(file, delimiter=separator)
            rows = list(reader)
    except FileNotFoundError as exc:
        raise InputError(f"expected a CSV file of compositions at {path}, found none") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path.name} is not in UTF-8: save it as CSV in UTF-8") from exc
    except (OSError, csv.Error) as exc:
        raise InputError(f"{path.name} cannot be read as CSV ({exc})") from exc
    names = {name.strip().lower(): name for name in reader.fieldnames or [] if name}
    key = next((names[c] for c in ("post_id", "image") if c in names), None)
    made = next((names[c] for c in _COMPOSITIONS if c in names), None)
    if key is None or made is None:
        raise InputError(
            f"{path.name}: expected a column post_id or image and one of {', '.join(_COMPOSITIONS)}, "
            f"got {', '.join(names) or 'no header'}"
        )
    return rows, key, made


def catalogue_stamp(home: Workspace) -> int:
    """Returns a number that another catalogue has not; 0 without one."""
    path = home.root / _CATALOGUE
    return path.stat().st_mtime_ns if path.exists() else 0


def materials(home: Workspace, *, k: int = 10, models_dir: Path | None = None) -> Materials:
    """Returns shares, growth and the coming quarter of every material that enough posts show or name.

    Args:
        home: With a study.
        k: Least people that a row stands on.
        models_dir: Where the workspace's model is, for what it was validated on.

    Raises:
        NotEnoughData: No study was made yet, or no post has a time.
    """
    if home.current_run() is None:
        raise NotEnoughData("expected a workspace with a study to count materials in, got one without: run it first")
    readers: dict[str, Callable[[], tuple[pl.DataFrame, str]]] = {
        "photos": lambda: _from_tags(home, models_dir),
        "captions": lambda: _from_captions(home),
        "catalogue": lambda: _from_catalogue(home),
    }
    parts, sources = [], {}
    for source, reading in readers.items():
        members, sources[source] = reading()
        posts = members.group_by("material").agg(pl.col("post_id").n_unique().alias("posts"))
        enough = posts.filter(pl.col("posts") >= _LEAST_POSTS)
        kept = members.join(enough, on="material", how="semi").unique()
        parts.append(kept.select(pl.format("{}:{}", pl.lit(source), "material").alias("trend_id"), "post_id"))
    members = pl.concat(parts).sort("trend_id", "post_id")
    ids = members["trend_id"].unique().sort()
    names = pl.DataFrame({"trend_id": ids}).with_columns(kind=pl.lit("material"), label=pl.col("trend_id"))
    study = judged_beside(home, members, names)
    if study.now is None:
        raise NotEnoughData("no post has a time, so nothing moves: expected posted_at with the photos")
    rows = publish(study.trends, "trends", k).with_columns(
        pl.col("trend_id").str.split_exact(":", 1).struct.rename_fields(["source", "material"]).struct.unnest()
    )
    kinds = {name: kind for name, (kind, _) in MATERIALS.items()}
    kind = pl.col("material").replace_strict(kinds, default="fabric")
    rows = rows.with_columns(pl.when(pl.col("source") == "photos").then(pl.lit("fabric")).otherwise(kind).alias("kind"))
    rows = rows.join(_quarter_ahead(study.series, study.step), on="trend_id", how="left").with_columns(
        pl.when(~pl.col("suppressed")).then(pl.col(c)).otherwise(None).alias(c)
        for c in ("ahead", "ahead_low", "ahead_high")
    )
    order = ["suppressed", "share", "material", "source"]
    rows = rows.sort(order, descending=[False, True, False, False], nulls_last=True).select(COLUMNS)
    return Materials(rows=rows, sources=sources, windows=study.series.select("trend_id", "window_start", "share"))


def _quarter_ahead(series: pl.DataFrame, step: str) -> pl.DataFrame:
    """Returns trend_id, ahead, ahead_low, ahead_high: the coming quarter over the same one a year before."""
    from trendloom.pipeline.issuing import continued, entries, panel_of_trends  # noqa: PLC0415  it loads the trees

    empty = pl.DataFrame(
        schema={"trend_id": pl.String} | dict.fromkeys(("ahead", "ahead_low", "ahead_high"), pl.Float64)
    )
    try:
        panel = panel_of_trends(series)
    except NotEnoughData:
        return empty
    found = entries(continued(panel, step), panel, labels={}, day=None, run="")
    first = (
        found.filter(pl.col("windows") > 1).sort("window_start").unique("trend_id", keep="first", maintain_order=True)
    )
    over = {"ahead": "point", "ahead_low": "low_80", "ahead_high": "high_80"}
    naive = pl.col("naive")
    return first.select(
        "trend_id",
        *(pl.when(naive > 0).then(pl.col(of) / naive).otherwise(None).alias(name) for name, of in over.items()),
    )


def _from_tags(home: Workspace, models_dir: Path | None) -> tuple[pl.DataFrame, str]:
    nothing = pl.DataFrame(schema={"material": pl.String, "post_id": pl.String})
    name = home.meta.model.split(maxsplit=1)[0]
    try:
        tag = load_card(find_model(name, models_dir)).calibration.tags.get(_GROUP)
    except ArtifactError:
        return nothing, f"silent: the model {name} is not at hand, so nothing says that its fabrics were validated"
    if tag is None or not tag.validated:
        return nothing, f"silent: fabrics were not validated for the model {home.meta.model}"
    tags = home.scan("tags").filter((pl.col("group") == _GROUP) & pl.col("sure")).collect()
    photos = home.scan("photos").filter(pl.col("status") == "ok").select("key", "post_id").collect()
    found = tags_of_garments(tags).join(photos, on="key")
    rows = found.select(pl.col("value").alias("material"), "post_id").unique()
    return rows, f"fabrics that the model {home.meta.model} sees and was validated on; fibres cannot be seen"


def _from_captions(home: Workspace) -> tuple[pl.DataFrame, str]:
    posts = home.scan("posts").select("post_id", "caption").drop_nulls().collect()
    rows = [(name, post) for post, text in posts.iter_rows() for name in sorted(materials_in(text))]
    named = pl.DataFrame(rows, schema={"material": pl.String, "post_id": pl.String}, orient="row")
    return (
        named,
        f"named in {named['post_id'].n_unique():,} of {posts.height:,} captions: what people say, not what it is",
    )


def _from_catalogue(home: Workspace) -> tuple[pl.DataFrame, str]:
    path = home.root / _CATALOGUE
    if not path.exists():
        empty = pl.DataFrame(schema={"material": pl.String, "post_id": pl.String})
        return empty, "silent: no catalogue was handed in (trendloom materials --catalogue FILE.csv)"
    try:
        rows = pl.read_parquet(path).select("material", "post_id")
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise StoreError(f"{path.name} cannot be read ({exc}): hand the catalogue in again") from exc
    return rows, f"compositions of {rows['post_id'].n_unique():,} posts, from 15 % of a fibre on"
