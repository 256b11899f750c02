"""A dump of drawn posts with planted trends: what a first run is shown on, and what its calls are checked against.

Everything follows from the seed: each picture has a generator of its own, so the bytes do not depend on the number of
processes that draw, and the dump ends on a fixed day, never today.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.drawn.captions import Author, caption, counters, make_authors, stamp
from trendloom.drawn.fabric import COLOURS
from trendloom.drawn.garments import TYPES, draw_garment, patterns_of
from trendloom.drawn.plan import BACKGROUND, START, Kind, Look, Plan, Planted, load_plan, planted_looks, rates
from trendloom.drawn.scene import draw_scene
from trendloom.errors import InputError

__all__ = ["make_dump"]

VERSION = 3
SIZE = 224
COLUMNS = (
    "image", "post_id", "posted_at", "author", "caption", "likes", "comments", "shares", "views", "followers", "country",
    "department", "platform",
)  # fmt: skip
BROKEN = ("truncated", "empty", "html")
BROKEN_SHARE = 0.003
UNDATED_SHARE = 0.002
LONELY_SHARE = 0.12  # posts of garments that belong to no look
BARE_SHARE = 0.01  # posts that show no garment
SECOND_SHARE = 0.08  # posts that show a second garment


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A post before it is drawn."""

    number: int
    week: int
    looks: tuple[Look, ...]
    planted: str | None
    seed: int
    damage: str | None = None
    dated: bool = True

    @property
    def post_id(self) -> str:
        """Its id, such as `p00042`."""
        return f"p{self.number:05d}"

    @property
    def image(self) -> str:
        """Its file, relative to the manifest."""
        return f"images/{self.week:03d}/{self.post_id}.jpg"


def _any_look(rng: np.random.Generator) -> Look:
    """Returns a garment of any kind."""
    kind = str(rng.choice(TYPES))
    return Look(type=kind, colour=str(rng.choice(COLOURS)), pattern=str(rng.choice(patterns_of(kind))))


def _weekly_counts(
    rng: np.random.Generator, planted: Sequence[tuple[Look, Kind, int, float]], weeks: int, per_week: int
) -> list[tuple[Look, bool, list[int]]]:
    """Returns (look, planted, posts in each week) of every look; the background shares what the planted leave."""
    volume = 1 + 0.06 * np.sin(np.arange(weeks) / 5.0) + 0.002 * np.arange(weeks)
    volume /= volume.mean()
    quiet = per_week / 34
    rows: list[tuple[Look, bool, list[int]]] = []
    for look, kind, onset, growth in planted:
        expected = quiet * rates(kind, onset=onset, growth=growth, weeks=weeks)
        rows.append((look, True, rng.poisson(expected * volume).tolist()))
    rest = per_week * (1 - LONELY_SHARE - BARE_SHARE) - sum(sum(r[2]) for r in rows) / weeks
    weight = np.exp(rng.normal(0, 0.45, len(BACKGROUND)))
    for look, share in zip(BACKGROUND, weight / weight.sum(), strict=True):
        rows.append((look, False, rng.poisson(max(rest, 1.0) * share * volume).tolist()))
    return rows


def _drafts(
    rng: np.random.Generator, rows: Sequence[tuple[Look, bool, list[int]]], *, seed: int, per_week: int
) -> list[Draft]:
    """Returns the posts week by week, mixed within each week and numbered."""
    drafts: list[Draft] = []
    for week in range(len(rows[0][2])):
        shown: list[tuple[tuple[Look, ...], str | None]] = []
        for look, planted, counts in rows:
            shown += [((look,), look.label if planted else None)] * counts[week]
        shown += [((_any_look(rng),), None) for _ in range(int(rng.poisson(per_week * LONELY_SHARE)))]
        shown += [((), None)] * int(rng.poisson(per_week * BARE_SHARE))
        for i in rng.permutation(len(shown)).tolist():
            looks, label = shown[i]
            if looks and rng.uniform() < SECOND_SHARE:
                looks = (*looks, BACKGROUND[int(rng.integers(0, len(BACKGROUND)))])
            drafts.append(Draft(number=len(drafts), week=week, looks=looks, planted=label, seed=seed))
    return drafts


def _damaged(rng: np.random.Generator, drafts: list[Draft]) -> list[Draft]:
    """Returns the posts with a few broken files and unreadable times, never among the planted."""
    free = [d.number for d in drafts if d.planted is None]
    picked = rng.permutation(free).tolist()
    broken = picked[: max(3, round(BROKEN_SHARE * len(drafts)))]
    undated = picked[len(broken) : len(broken) + max(2, round(UNDATED_SHARE * len(drafts)))]
    damage = {number: BROKEN[i % len(BROKEN)] for i, number in enumerate(broken)}
    lost = set(undated)
    return [
        Draft(**{**d.__dict__, "damage": damage.get(d.number), "dated": d.number not in lost})
        if d.number in damage or d.number in lost
        else d
        for d in drafts
    ]


def draw_post(draft: Draft) -> bytes:
    """Returns the post's file: a JPEG, or what is left of one."""
    if draft.damage == "empty":
        return b""
    if draft.damage == "html":
        return b"<!doctype html><html><head><title>404</title></head><body>This page is not available.</body></html>\n"
    rng = np.random.default_rng([draft.seed, draft.number])
    drawings = [draw_garment(rng, type=k.type, colour=k.colour, pattern=k.pattern, size=SIZE) for k in draft.looks]
    buffer = io.BytesIO()
    Image.fromarray(draw_scene(rng, drawings, size=SIZE)).save(buffer, "JPEG", quality=88)
    whole = buffer.getvalue()
    return whole[: len(whole) // 3] if draft.damage == "truncated" else whole


def _write_posts(folder: Path, drafts: Sequence[Draft]) -> int:
    """Draws and writes some posts; returns how many."""
    for draft in drafts:
        (folder / draft.image).write_bytes(draw_post(draft))
    return len(drafts)


def _batches(drafts: Sequence[Draft], size: int) -> Iterable[Sequence[Draft]]:
    """Yields the posts in runs of at most `size`."""
    for start in range(0, len(drafts), size):
        yield drafts[start : start + size]


def _write_images(
    folder: Path, drafts: Sequence[Draft], workers: int, progress: Callable[[int, int], None] | None
) -> None:
    """Draws all posts, in this process or in several."""
    for week in sorted({d.week for d in drafts}):
        (folder / f"images/{week:03d}").mkdir(parents=True, exist_ok=True)
    done = 0
    batches = list(_batches(drafts, 24))
    if workers < 2:
        for batch in batches:
            done += _write_posts(folder, batch)
            if progress:
                progress(done, len(drafts))
        return
    # a fresh interpreter each: forking a process with threads of other libraries can hang
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for count in pool.map(_write_posts, [folder] * len(batches), batches):
                done += count
                if progress:
                    progress(done, len(drafts))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_manifest(path: Path, rng: np.random.Generator, drafts: Sequence[Draft]) -> None:
    """Writes manifest.csv, one row a post."""
    people, shares = make_authors(rng, 500)
    authors: list[Author] = [people[i] for i in rng.choice(len(people), size=len(drafts), p=shares).tolist()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for draft, author in zip(drafts, authors, strict=True):
            k = counters(rng, author)
            when = stamp(rng, START + timedelta(weeks=draft.week), author, readable=draft.dated)
            text = caption(rng, draft.looks[0] if draft.looks else None)
            values = (k.likes, k.comments, k.shares, k.views, author.followers)
            numbers = ["" if v is None else str(v) for v in values]
            row = [draft.image, draft.post_id, when, author.name, text, *numbers, author.country, "", author.platform]
            writer.writerow(row)


def _truth(
    planted: Sequence[tuple[Look, Kind, int, float]], drafts: Sequence[Draft], *, seed: int, weeks: int, per_week: int
) -> Plan:
    """Returns what the dump holds."""
    rows: list[Planted] = []
    for look, kind, onset, growth in planted:
        its = [d for d in drafts if d.planted == look.label]
        weekly = Counter(d.week for d in its)
        rows.append(
            Planted(
                label=look.label,
                type=look.type,
                colour=look.colour,
                pattern=look.pattern,
                kind=kind,
                onset=START + timedelta(weeks=onset),
                growth=growth,
                weekly=tuple(weekly[w] for w in range(weeks)),
                posts=tuple(d.post_id for d in its),
            )
        )
    return Plan(
        version=VERSION,
        seed=seed,
        start=START,
        weeks=weeks,
        per_week=per_week,
        posts=len(drafts),
        broken=dict(Counter(d.damage for d in drafts if d.damage)),
        undated=sum(not d.dated for d in drafts),
        background=tuple(look.label for look in BACKGROUND),
        planted=tuple(rows),
    )


def make_dump(
    folder: Path,
    *,
    seed: int = 7,
    weeks: int = 78,
    per_week: int = 45,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Returns the plan of a dump after drawing it into `folder`: images/, manifest.csv and planted.json.

    The folder appears when the dump is complete; one that already holds this very dump is left as it is.

    Args:
        folder: where the dump goes; missing or empty.
        seed: what is drawn.
        weeks: its length, from Monday 2024-09-02.
        per_week: posts in a week, on average.
        workers: processes that draw; by default two where there are two cores.
        progress: called with (pictures drawn, pictures in all).

    Raises:
        InputError: the folder holds something else.
        ConfigError: fewer weeks than a trend needs.
    """
    rng = np.random.default_rng(seed)
    planted = planted_looks(rng, weeks)
    if folder.exists() and any(folder.iterdir()):
        return _reuse(folder, seed=seed, weeks=weeks, per_week=per_week)
    drafts = _drafts(rng, _weekly_counts(rng, planted, weeks, per_week), seed=seed, per_week=per_week)
    drafts = _damaged(rng, drafts)
    plan = _truth(planted, drafts, seed=seed, weeks=weeks, per_week=per_week)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _write_manifest(part / "manifest.csv", rng, drafts)
    _write_images(part, drafts, min(2, os.cpu_count() or 1) if workers is None else workers, progress)
    plan.save(part / "planted.json")
    if folder.exists():
        folder.rmdir()
    part.rename(folder)
    return plan


def _reuse(folder: Path, *, seed: int, weeks: int, per_week: int) -> Plan:
    """Returns the plan of the dump that is already there."""
    path = folder / "planted.json"
    if path.is_file():
        plan = load_plan(path)
        if (plan.version, plan.seed, plan.weeks, plan.per_week) == (VERSION, seed, weeks, per_week):
            return plan
    raise InputError(f"expected an empty folder for the drawn dump, {folder} holds something else; name another folder")
