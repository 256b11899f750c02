"""From the facts to a study: looks, attribute trends, prompts, counts and stages, written with the run that made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom import __version__
from trendloom.counting import (
    Step,
    Tally,
    attribute_members,
    choose_windows,
    copy_groups,
    posts_showing,
    step_named,
    tally,
)
from trendloom.counting.pooled import pool
from trendloom.errors import InputError, NotEnoughData
from trendloom.looks import attribute_names
from trendloom.pipeline.audience import RISEN, Reached, passing, with_cohorts
from trendloom.pipeline.looks import Looks, find_looks, garment_vectors, worn_garments
from trendloom.pipeline.prompts import Prompt, load_prompts, prompt_members
from trendloom.pipeline.remarks import late, posts_by_window
from trendloom.stages import Study, compared, judge
from trendloom.store import RESULTS, Workspace, frame
from trendloom.types import Floats

__all__ = [
    "SAME_PHOTO",
    "Results",
    "compared_within",
    "garment_vectors",
    "judged_beside",
    "posts_in",
    "reached",
    "results",
    "study",
    "study_again",
    "tags_of_garments",
]

# Bits of the perceptual hash in which two uploads of one photo may differ. On 8,300 composed posts 2 finds all of 101
# re-encoded and resized copies and joins 26 other posts; 4 joins 113 others.
SAME_PHOTO = 2
_STRONGEST = 20  # rises that the usual passage is learned from

_NAMED = dict.fromkeys(["trend_id", "kind", "label"], pl.String)

Phase = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What readers see of one run, or of one segment of it.

    Attributes:
        trends: A row per trend, with its rank.
        series: A row per trend and window.
        members: A row per trend and post, with the probability that it shows it.
        step: `week` or `month`.
        now: End of the last complete window; None where no post has a time.
        posts: The posts that were counted: post_id, posted_at, author_hash.
        photos: key, post_id, sha256, phash, colours, width, height of their readable photos.
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
        copies = copy_groups(self.photos.select("post_id", "sha256", "phash", "colours"), radius=SAME_PHOTO)
        return pool(self.series, self.members, self.posts, k=k, step=self.step, copies=copies)


def study(
    workspace: Workspace,
    *,
    as_of: date | None = None,
    step: Step | None = None,
    horizon: int = 0,
    threads: int = 1,
    phase: Phase = lambda name: None,
) -> str:
    """Finds looks and trends in all facts and publishes them; returns the id of the run.

    Doing it again on the same facts with the same settings is the same run, and does nothing.

    Args:
        workspace: Locked by the caller.
        as_of: What is posted at or after this day does not count.
        step: `week` or `month`; by default chosen from the data.
        horizon: Weeks of posts that looks are clustered from; 0 takes all history. Trends are counted over all of it.
        threads: For the neighbour search.
        phase: Called with the name of each phase as it begins.
    """
    photos = workspace.read("photos").filter(pl.col("status") == "ok").sort("key", "post_id")
    posts = workspace.read("posts").sort("post_id")
    prompts = [prompt for prompt in load_prompts(workspace) if prompt.model == workspace.meta.model]
    columns = {table: list(schema) for table, schema in RESULTS.items()}  # what is stored with others is made anew
    settings: dict[str, object] = {"as_of": str(as_of), "step": step, "version": __version__, "columns": columns}
    settings |= _identity(workspace)
    if horizon:
        settings["horizon"] = horizon
    if prompts:
        settings["prompts"] = " ".join(prompt.trend_id for prompt in prompts)
    run = _run_id(photos, posts, settings)
    if run == workspace.current_run():
        return run
    phase("looks")
    tags = tags_of_garments(workspace.read("tags"))
    garments = worn_garments(workspace, photos, tags)
    vectors, garments = garment_vectors(garments), garments.drop("vector")
    recent = _recent(garments, photos, posts, as_of=as_of, horizon=horizon)
    seen = find_looks(
        workspace,
        garments,
        vectors,
        photos=photos,
        posts=posts,
        tags=tags,
        run=run,
        recent=recent,
        afresh=_last_horizon(workspace) != horizon,
        threads=threads,
    )
    phase("trends")
    members, names = _shown(seen, garments, vectors, photos=photos, posts=posts, tags=tags, prompts=prompts)
    found = _judge(posts, photos, members, names, as_of=as_of, step=step)
    phase("publishing")
    report = _report(workspace, found, posts, photos, as_of=as_of) | {"horizon": horizon}
    workspace.publish(
        _run_row(workspace, run, found, posts=posts.height, report=report),
        {
            "looks": seen.looks,
            "assignments": seen.assignments,
            "lineage": seen.dated(run, found.now),
            "members": found.members,
            "series": found.series,
            "trends": found.trends,
        },
    )
    return run


def study_again(workspace: Workspace, *, threads: int = 1, phase: Phase = lambda name: None) -> str:
    """Studies a workspace as it was studied last: the same windows, up to the same day, with the same horizon.

    Arguments and the id that is returned are those of `study`.
    """
    last = workspace.last_run()
    if last.is_empty():
        return study(workspace, threads=threads, phase=phase)
    step, horizon = step_named(last["window"][0]), _last_horizon(workspace)
    return study(workspace, as_of=last["now"][0], step=step, horizon=horizon, threads=threads, phase=phase)


def _report(
    workspace: Workspace, found: Study, posts: pl.DataFrame, photos: pl.DataFrame, *, as_of: date | None
) -> dict[str, object]:
    """Returns what was counted, what was not, and what came late for windows that the study before had counted."""
    seen = posts.join(photos.select("post_id").unique(), on="post_id", how="semi")
    windows = choose_windows(seen["posted_at"], as_of=as_of, step=step_named(found.step))
    recent = seen.filter(pl.Series(windows.index >= max(len(windows.starts) - windows.span, 0)))
    by_window = posts_by_window(windows)
    last = workspace.last_run()
    earlier = json.loads(last["report"][0]).get("by_window", {}) if last.height else {}
    same = bool(earlier) and last["window"][0] == found.step
    return dict(found.report) | {
        "by_window": by_window,
        "late": late(earlier, by_window, last["now"][0]) if same else {},
        "recent_people": recent.select(pl.coalesce("author_hash", "post_id").n_unique()).item(),
    }


def _run_row(workspace: Workspace, run: str, found: Study, *, posts: int, report: Mapping[str, object]) -> pl.DataFrame:
    """Returns the row of `runs` that makes a study the current result."""
    row: dict[str, object] = {
        "run": run,
        "finished_at": datetime.now(UTC),
        "version": __version__,
        **_identity(workspace),
        "window": found.step,
        "now": found.now,
        "posts": posts,
        "report": json.dumps(report, sort_keys=True),
    }
    return frame("runs", [row])


def _recent(
    garments: pl.DataFrame, photos: pl.DataFrame, posts: pl.DataFrame, *, as_of: date | None, horizon: int
) -> NDArray[np.bool_]:
    """Returns which garments looks are clustered from, (n,): those posted within the horizon before the last window's end."""
    now = choose_windows(posts["posted_at"], as_of=as_of).now if horizon else None
    if now is None:
        return np.ones(garments.height, dtype=bool)
    day = pl.col("posted_at").dt.date()
    late = posts.filter((day >= now - timedelta(weeks=horizon)) & (day < now)).select("post_id")
    keys = photos.join(late, on="post_id", how="semi")["key"].unique()
    return garments.select(pl.col("key").is_in(keys.to_list())).to_series().to_numpy()


def _last_horizon(workspace: Workspace) -> int:
    last = workspace.last_run()
    return int(json.loads(last["report"][0]).get("horizon", 0)) if last.height else 0


def _shown(
    seen: Looks,
    garments: pl.DataFrame,
    vectors: Floats,
    *,
    photos: pl.DataFrame,
    posts: pl.DataFrame,
    tags: pl.DataFrame,
    prompts: Sequence[Prompt],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns which posts show which look, value or prompt, how probably, and the names of these: trend_id, kind, label."""
    known = photos.select("key", "post_id")
    look = pl.col("look_id").alias("trend_id")
    by_look = seen.assignments.drop_nulls("look_id").join(known, on="key").select(look, "post_id").unique()
    by_value = attribute_members(tags, known, posts.select("post_id", "author_hash"))
    by_prompt = prompt_members(prompts, garments, vectors, known)
    names = [
        seen.looks.select(look, pl.lit("look").alias("kind"), "label"),
        attribute_names(by_value["trend_id"].unique().sort()),
        pl.DataFrame([(p.trend_id, "prompt", p.text) for p in prompts], schema=_NAMED, orient="row"),
    ]
    return pl.concat([by_look, by_value, by_prompt], how="diagonal"), pl.concat(names)


def tags_of_garments(tags: pl.DataFrame) -> pl.DataFrame:
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
    return judge(_tallied(posts, photos, members, as_of=as_of, step=step), names)


def _tallied(
    posts: pl.DataFrame, photos: pl.DataFrame, members: pl.DataFrame, *, as_of: date | None, step: Step | None
) -> Tally:
    """Returns the counts of posts that have one of the photos, copies of a photo as one."""
    seen = posts.join(photos.select("post_id").unique(), on="post_id", how="semi")
    copies = copy_groups(photos.select("post_id", "sha256", "phash", "colours"), radius=SAME_PHOTO)
    return tally(seen, members, copies=copies, as_of=as_of, step=step)


def results(workspace: Workspace, segment: Mapping[str, str] | None = None) -> Results:
    """Returns the current result; of a segment (`{"country": "FR"}`) the same trends counted among its posts alone.

    `{"shows": "feet"}` counts among posts that show shoes, so that photos without feet do not sink them.
    """
    run = workspace.last_run()
    step = str(run["window"][0]) if run.height else "week"
    now: date | None = run["now"][0] if run.height else None
    name = str(run["run"][0]) if run.height else None
    trends, series, members = (workspace.result(table, name) for table in ("trends", "series", "members"))
    photos = workspace.read("photos").filter(pl.col("status") == "ok")
    posts = posts_in(workspace, segment or {})
    photos = photos.join(posts.select("post_id"), on="post_id", how="semi")
    if segment and run.height:
        found = _judge(
            posts,
            photos,
            members.select("trend_id", "post_id", "probability"),
            trends.select("trend_id", "kind", "label"),
            as_of=now,
            step=step_named(step),
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
        photos=photos.select("key", "post_id", "sha256", "phash", "colours", "width", "height"),
    )


def compared_within(workspace: Workspace, field: str, values: Sequence[str]) -> pl.DataFrame:
    """Returns the trends of the current result among the posts of each country, platform or cohort, compared but not tested.

    The columns of `trends` and `value`, in the order of the values.
    """
    run = workspace.last_run()
    trends, members = workspace.result("trends"), workspace.result("members").select("trend_id", "post_id")
    names = trends.select("trend_id", "kind", "label")
    photos, posts = workspace.read("photos").filter(pl.col("status") == "ok"), workspace.read("posts")
    if field == "cohort":
        posts, _ = with_cohorts(posts, trends, workspace.result("members"))
    parts = [trends.clear().with_columns(value=pl.lit("", pl.String))]
    for value in values if run.height else ():
        within = posts.filter(pl.col(field) == value)
        if within.is_empty():
            continue
        shown = photos.join(within.select("post_id"), on="post_id", how="semi")
        counts = _tallied(within, shown, members, as_of=run["now"][0], step=step_named(run["window"][0]))
        parts.append(compared(counts, names).with_columns(value=pl.lit(value)))
    return pl.concat(parts, how="diagonal_relaxed")


def posts_in(workspace: Workspace, segment: Mapping[str, str]) -> pl.DataFrame:
    """Returns the rows of `posts` that are in every part of a segment; the whole table for an empty one."""
    posts = workspace.read("posts")
    if "cohort" in segment:
        posts, _ = with_cohorts(posts, workspace.result("trends"), workspace.result("members"))
    for field, value in segment.items():
        if field == "shows":
            photos = workspace.read("photos").filter(pl.col("status") == "ok")
            showing = posts_showing(value, tags_of_garments(workspace.read("tags")), photos)
            posts = posts.filter(pl.col("post_id").is_in(showing.to_list()))
        else:
            posts = posts.filter(pl.col(field) == value)
    return posts


def judged_beside(workspace: Workspace, members: pl.DataFrame, names: pl.DataFrame) -> Study:
    """Returns the study of other members of the same posts, up to the same day and in the same windows as the current result.

    Args:
        workspace: With a study.
        members: trend_id, post_id and, where it is not certain, probability.
        names: trend_id, kind, label.
    """
    last = workspace.last_run().row(0, named=True)
    photos = workspace.read("photos").filter(pl.col("status") == "ok")
    return _judge(workspace.read("posts"), photos, members, names, as_of=last["now"], step=step_named(last["window"]))


def reached(workspace: Workspace, trend_id: str | None = None) -> Reached:
    """Returns when rises reached each audience cohort, of one trend or of all that rose.

    Raises:
        InputError: No such trend.
        NotEnoughData: no author has a cohort, or no post has a time.
    """
    found = results(workspace)
    if found.now is None:
        raise NotEnoughData("no post has a time, so nothing rises: expected posted_at with the photos")
    if trend_id is not None and found.trends.filter(trend_id=trend_id).is_empty():
        raise InputError(
            f"expected the trend_id of a trend, as `trendloom trends --format csv` lists them, got {trend_id!r}"
        )
    rose = found.trends.filter(pl.col("stage").is_in(RISEN) & pl.col("under").is_null()).sort("rank").head(_STRONGEST)
    chosen = rose["trend_id"].to_list()
    chosen += [trend_id] if trend_id is not None and trend_id not in chosen else []
    posts, cohorts = with_cohorts(workspace.read("posts"), found.trends, found.members)
    return passing(
        posts, found.photos, found.members, chosen, cohorts, now=found.now, step=found.step, radius=SAME_PHOTO
    )
