"""The reading side for pages, API and command line: snapshots of a workspace while a run may be writing it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from trendloom.counting import plausible
from trendloom.counting.cohorts import COHORTS
from trendloom.errors import InputError
from trendloom.export import publish
from trendloom.pipeline.absent import absent_tags, absent_values
from trendloom.pipeline.examples import Examples, Photo
from trendloom.pipeline.facts import KnownFacts, rows_at
from trendloom.pipeline.forecast_views import ForecastViews
from trendloom.pipeline.ingest import statuses
from trendloom.pipeline.memo import Memo
from trendloom.pipeline.remarks import remarks
from trendloom.pipeline.searching import Filters, Hit, Nearest
from trendloom.pipeline.study import Results, compared_within, results
from trendloom.pipeline.tagging import Eyes, Model, TagResult
from trendloom.pipeline.thumbnails import Thumbnails
from trendloom.stages import STAGES
from trendloom.store import Workspace
from trendloom.types import WHOLE, Box

__all__ = ["Hit", "Overview", "Photo", "Views"]

_CACHED_SEGMENTS = 16
_SIDES = ("country", "platform", "cohort")
_MOST_SIDES = 12  # values of each, those of most people


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The head of every page.

    `first` and `last` are of the posts whose dates may be right; `remarks` say what the counts leave out.
    """

    authors: int
    posts: int
    photos: int
    statuses: dict[str, int]
    first: date | None
    last: date | None
    now: date | None
    window: str
    model: str
    taxonomy: str
    run: str | None
    running: bool
    countries: dict[str, int]
    platforms: dict[str, int]
    stages: dict[str, int]
    k: int
    remarks: tuple[str, ...]


class Views:
    """One per process; safe to use from several threads."""

    def __init__(
        self, workspace: Workspace, model: Callable[[], Eyes], *, k: int = 10, models_dir: Path | None = None
    ) -> None:
        self._workspace, self._model, self._k = workspace, Model(model), k
        self.forecasts = ForecastViews(workspace, self._found, self._history, k=k, models_dir=models_dir)
        self._results: Memo[Results] = Memo(_CACHED_SEGMENTS)
        self._pooled: Memo[pl.DataFrame] = Memo(_CACHED_SEGMENTS)
        self._sides: Memo[pl.DataFrame] = Memo(len(_SIDES))
        self._thumbnails = Thumbnails(workspace.meta.source)
        self._facts = KnownFacts(workspace)
        self._near = Nearest(workspace, self._model, self._facts, self.file)
        self._examples = Examples(workspace, self._facts, self.file, k=k)
        self._overview: tuple[tuple[object, ...], Overview] | None = None

    # ---- what was found

    def overview(self) -> Overview:
        """Returns the counts, the span and the state of the workspace."""
        run, busy = self._workspace.current_run(), self._workspace.busy()
        stamp = (run, busy, self._workspace.version("photos"))
        if self._overview is None or self._overview[0] != stamp:
            self._overview = (stamp, self._count(run, busy))
        return self._overview[1]

    def _count(self, run: str | None, busy: bool) -> Overview:
        posts = self._workspace.read("posts")
        found = self._found()
        dated = posts["posted_at"].filter(plausible(posts["posted_at"]))
        last_run = self._workspace.last_run()
        report = json.loads(last_run["report"][0]) if last_run.height else {}
        people = posts["author_hash"]
        stages = found.trends.filter(pl.col("under").is_null())["stage"].value_counts()
        first, last = dated.min(), dated.max()
        return Overview(
            authors=people.drop_nulls().n_unique() + people.null_count(),
            posts=posts.height,
            photos=self._workspace.scan("photos").select(pl.len()).collect().item(),
            statuses=statuses(self._workspace),
            first=first.date() if isinstance(first, datetime) else None,
            last=last.date() if isinstance(last, datetime) else None,
            now=found.now,
            window=found.step if run else "",
            model=self._workspace.meta.model,
            taxonomy=self._workspace.meta.taxonomy,
            run=run,
            running=busy,
            countries=self._people_by(posts, "country"),
            platforms=self._people_by(posts, "platform"),
            stages=dict(stages.iter_rows()),
            k=self._k,
            remarks=remarks(posts, report, step=found.step, now=found.now),
        )

    def _people_by(self, posts: pl.DataFrame, field: str) -> dict[str, int]:
        """Returns people by value, most first; values with fewer than k people are left out."""
        who = pl.coalesce("author_hash", "post_id")
        counts = posts.drop_nulls(field).group_by(field).agg(people=who.n_unique())
        return dict(
            counts.filter(pl.col("people") >= self._k).sort("people", field, descending=[True, False]).iter_rows()
        )

    def _found(self, segment: Mapping[str, str] | None = None) -> Results:
        return self._results.get(self._key(segment), lambda: results(self._workspace, segment))

    def _key(self, segment: Mapping[str, str] | None) -> tuple[object, ...]:
        return self._workspace.current_run(), tuple(sorted((segment or {}).items()))

    def trends(
        self, *, stage: str | None = None, segment: Mapping[str, str] | None = None, query: str | None = None
    ) -> pl.DataFrame:
        """Returns the published trends by rank, told-by-another ones left out; columns as `export trends`.

        Raises:
            InputError: A stage that does not exist.
        """
        if stage is not None and stage not in STAGES:
            raise InputError(f"stage: expected one of {', '.join(STAGES)}, got {stage!r}")
        found = self._found(segment)
        rows = publish(found.trends, "trends", self._k).sort("rank")
        rows = rows.filter(pl.col("under").is_null() & (found.now is not None))  # without a time nothing can rise
        if stage is not None:
            rows = rows.filter(pl.col("stage") == stage)
        if query:
            rows = rows.filter(pl.col("label").str.to_lowercase().str.contains(query.lower(), literal=True))
        return rows

    def shown(self, *, n: int) -> pl.DataFrame:
        """Returns label and posts of what most posts show, whenever they were posted; most posts first."""
        found = self._found()
        who = pl.coalesce("author_hash", "post_id")
        counts = (
            found.members.select("trend_id", "post_id")
            .unique()
            .join(found.posts, on="post_id")
            .group_by("trend_id")
            .agg(posts=pl.len(), people=who.n_unique())
            .filter(pl.col("people") >= self._k)
        )
        rows = found.trends.select("trend_id", "label").join(counts, on="trend_id")
        return rows.unique("label").sort("posts", "label", descending=[True, False]).select("label", "posts").head(n)

    def trend(self, trend_id: str, *, segment: Mapping[str, str] | None = None) -> dict[str, object] | None:
        """Returns one published trend as a row, None where there is none."""
        rows = publish(self._found(segment).trends.filter(pl.col("trend_id") == trend_id), "trends", self._k)
        return rows.row(0, named=True) if rows.height else None

    def series(self, trend_id: str | None = None, *, segment: Mapping[str, str] | None = None) -> pl.DataFrame:
        """Returns the published series of one trend or of all, in blocks of windows that enough people stand behind."""
        rows = self._history(segment)
        rows = rows if trend_id is None else rows.filter(pl.col("trend_id") == trend_id)
        return publish(rows, "series", self._k).sort("trend_id", "window_start")

    def _history(self, segment: Mapping[str, str] | None) -> pl.DataFrame:
        if self._k == 1:
            return self._found(segment).series
        return self._pooled.get(self._key(segment), lambda: self._found(segment).pooled(self._k))

    def windows(self, *, segment: Mapping[str, str] | None = None) -> int:
        """Returns how many windows are counted."""
        return self._found(segment).series["window_start"].n_unique()

    def beneath(self, trend_id: str) -> pl.DataFrame:
        """Returns the trends that this one tells the story of."""
        rows = self._found().trends.filter(pl.col("under") == trend_id)
        return publish(rows, "trends", self._k).sort("rank")

    def photos(self, trend_id: str, *, n: int = 12) -> list[Photo]:
        """Returns photos that stand for a trend, one per person, and where in each the garment is: see `Examples.of`."""
        return self._examples.of(trend_id, self._found(), n=n)

    def by(self, trend_id: str, field: str) -> pl.DataFrame:
        """Returns a trend within each country, platform or audience cohort: value, authors, share, growth with intervals.

        Countries and platforms of most people first, cohorts from who is ahead.
        """
        if field not in _SIDES:
            raise InputError(f"expected one of {', '.join(_SIDES)}, got {field!r}")
        overview = self.overview()
        known = {"country": overview.countries, "platform": overview.platforms, "cohort": COHORTS}
        values = list(known[field])[:_MOST_SIDES]
        rows = self._sides.get(
            (overview.run, field), lambda: publish(compared_within(self._workspace, field, values), "trends", self._k)
        )
        columns = ["value", "authors", "share", "share_low", "share_high"]
        columns += ["growth", "growth_low", "growth_high", "suppressed"]
        return rows.filter(pl.col("trend_id") == trend_id).select(columns)

    def tags_of(self, trend_id: str) -> pl.DataFrame:
        """Returns group, value and share (0..1 of the trend's posts) of the garments that show it, most frequent first.

        Where words define the trend, of all garments of its posts.
        """
        found = self._found()
        members = found.members.filter(pl.col("trend_id") == trend_id).select("post_id").unique()
        posts = found.posts.join(members, on="post_id", how="semi")
        shown = found.photos.select("key", "post_id").join(posts, on="post_id")
        tags = rows_at(self._facts.get().tags, shown["key"])
        garments = self._examples.garments(trend_id, shown["key"])
        if garments.height:
            tags = tags.join(garments, on=["key", "garment"], how="semi")
        tags = tags.join(shown, on="key").with_columns(who=pl.coalesce("author_hash", "post_id"))
        counts = tags.group_by("group", "value").agg(
            posts=pl.col("post_id").n_unique(), people=pl.col("who").n_unique()
        )
        shares = counts.with_columns(share=pl.col("posts") / max(posts.height, 1)).filter(pl.col("people") >= self._k)
        return shares.select("group", "value", "share").sort("group", "share", "value", descending=[False, True, False])

    # ---- search and tag

    def absent(self, filters: Filters) -> tuple[str, ...]:
        """Returns a sentence for each country, platform, department and tag that is asked for and nothing has."""
        overview = self.overview()
        known = {"country": overview.countries, "platform": overview.platforms}
        open_ = {field: value for field, value in filters.segment.items() if value not in known.get(field, {})}
        said = absent_values(self._workspace, open_, k=self._k) if open_ else []
        return tuple(said + (absent_tags(self._facts.get().tags, filters.tags) if filters.tags else []))

    def search(
        self, text: str | None = None, image: bytes | None = None, *, n: int = 24, filters: Filters | None = None
    ) -> list[Hit]:
        """Returns the posts nearest to words or to a photo that pass the filters, nearest first: n if there are n."""
        return self._near.search(text, image, n=n, filters=filters)

    def tag(self, images: Sequence[tuple[str, bytes]], *, heat: bool = False) -> list[TagResult]:
        """Returns what is seen in each image, and where; an image that cannot be read has its status and no tags."""
        return self._model.tag(images, heat=heat)

    # ---- photos, read-only, from SRC alone

    def file(self, key: str) -> Path | None:
        """Returns a photo's file where SRC still has it; never a file from elsewhere."""
        return self._thumbnails.file(key)

    def thumbnail(self, key: str, px: int, box: Box = WHOLE) -> bytes | None:
        """Returns a JPEG of a known, readable photo, or of a square about a box in it, at most `px` pixels wide and high."""
        known = rows_at(self._facts.get().photos, [key]).filter(pl.col("status") == "ok").height
        return self._thumbnails.jpeg(key, px, box) if known else None
