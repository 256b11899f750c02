"""Does the study find what rises, early, and keep silent about the rest?

    python benchmarks/emergence.py [--dumps 8] [--null 20] [--early 12] [--quick]

Draws the facts of dumps (no photos: the look of each post is known) and counts planted looks: rising (flat, then a
logistic rise of 2.5 to 5 times that begins 10 to 26 weeks before the end), seasonal ones on their way up, fading, steady,
one that six accounts push, one photo that many repost, and one that is common on a platform that joins late. Beside the
study stands what a user would do by hand: unique authors of the last 13 weeks against the same 13 a year before (the 13
before them, in less than 65 weeks), one-sided z over 1.96, at least 1.5 times and 20 people.

`found`: planted rising looks of which a call holds at least half of the recent posts, half of them its own. `false`:
calls with under 30 % of posts of rising looks. Then the same dumps with a tagger's errors: type and colour are each right
with a probability between .5 and 1 that the tagger states (one in six is wrong), and posts count alike or by it. `early`:
weeks from the beginning of a rise to its first call, with weeks taken off the end one by one; the limit is a
likelihood-ratio test that is told the planted curve, at the level that the study's own threshold has.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.counting import attribute_members, copy_groups, how_probable, tally
from trendloom.looks import attribute_names
from trendloom.stages import judge

MONDAY = datetime(2023, 1, 2, tzinfo=UTC)
SIZES = {"small": (60, 150), "medium": (120, 250), "large": (156, 600)}
PLANTED = ("rising", "rising", "rising", "seasonal", "seasonal", "fading", "steady", "pushed", "reposted", "late")
TRAPS = set(PLANTED) - {"rising"}
CALLS = {"emerging", "rising"}
ALIKE, WEIGHED = "the study, a tagger's errors, counted alike", "the same, by the tagger's probabilities"
LIMIT_Z = 3.2  # about what a call needs among 400 tests at a false discovery rate of .1

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Dump:
    """Posts with the look of each, and what was planted: kind and curve by look."""

    posts: pl.DataFrame
    kinds: dict[str, str]
    curves: dict[str, Floats]
    onsets: dict[str, float]


def curve_of(kind: str, wave: Floats, onset: float, rise: float, peak: float) -> Floats:
    """The relative share of a planted look by week."""
    week, weeks = np.arange(len(wave)), len(wave)
    flat = np.sqrt(wave)
    if kind == "rising":
        return flat * (1 + rise / (1 + np.exp(-(week - onset - 8) / 4)))
    if kind == "seasonal":
        return np.asarray(flat * (0.35 + 3 * np.exp(2.5 * (np.cos(2 * np.pi * (week - peak) / 52.18) - 1))), np.float64)
    if kind == "fading":
        return 2.2 * flat * (1 - 0.75 / (1 + np.exp(-(week - weeks + 20) / 6)))
    return flat * (2.5 if kind == "steady" else 1.0)


def draw(seed: int, size: str, *, plant: bool = True) -> Dump:
    """A dump of 20 types by 8 colours; types have seasons, looks drift."""
    weeks, per_week = SIZES[size]
    rng, types, colours = np.random.default_rng((seed, weeks)), 20, 8
    week, looks = np.arange(weeks), types * colours
    waves = np.exp(
        rng.uniform(0, 0.45, (types, 1)) * np.cos(2 * np.pi * (week - rng.uniform(0, 52, (types, 1))) / 52.18)
    )
    noise = np.zeros((looks, weeks))
    for w in range(1, weeks):
        noise[:, w] = 0.8 * noise[:, w - 1] + rng.normal(0, 0.03, looks)
    wave = np.repeat(waves, colours, axis=0) * np.exp(noise)
    share = rng.lognormal(0, 0.8, (looks, 1))
    share = share / share.sum() * wave
    kinds, curves, onsets = {}, {}, {}
    chosen = rng.choice(types, len(PLANTED), replace=False) * colours + rng.integers(colours, size=len(PLANTED))
    for look, kind in zip(chosen.tolist(), PLANTED if plant else (), strict=False):
        onset, name = float(weeks - rng.uniform(10, 26)), f"look{look:03d}"
        curves[name] = curve_of(kind, wave[look], onset, rng.uniform(2.5, 5), (weeks - 1 + rng.uniform(0, 4)) % 52.18)
        share[look] = rng.uniform(2, 5) * np.sqrt(per_week / 250) / per_week * curves[name]
        kinds[name], onsets[name] = kind, onset
    return Dump(posts=_posts(rng, share, kinds, per_week), kinds=kinds, curves=curves, onsets=onsets)


def _posts(rng: np.random.Generator, share: Floats, kinds: dict[str, str], per_week: int) -> pl.DataFrame:
    """The posts: few authors post much, some repeat a look, a platform joins late."""
    looks, weeks = share.shape
    people = per_week * 8
    rate = (1 + rng.permutation(people)) ** -0.6
    late_look = [int(n[4:]) for n, k in kinds.items() if k == "late"]
    columns: dict[str, list[object]] = {c: [] for c in ("at", "author_hash", "platform", "look", "copy_of")}

    def add(week: int, who: str, where: str, look: int, copy: str | None = None) -> None:
        at = MONDAY + timedelta(weeks=week, seconds=float(rng.uniform(0, 7 * 86_400 - 1)))
        for column, value in zip(columns, (at, who, where, look, copy), strict=True):
            columns[column].append(value)

    for week in range(weeks):
        joined = 0.25 * min(1.0, max(0.0, (week - weeks + 30) / 24)) if late_look else 0.0
        usual = share[:, week] / share[:, week].sum()
        tilted = usual.copy()
        tilted[late_look] *= 5
        count = rng.poisson(per_week * (0.8 + 0.2 * week / weeks))
        for who, new in zip(rng.choice(people, count, p=rate / rate.sum()), rng.random(count) < joined, strict=True):
            chances = tilted / tilted.sum() if new else usual
            name, where = (f"n{who}", "newcomer") if new else (f"a{who}", f"platform{who % 3}")
            add(week, name, where, int(rng.choice(looks, p=chances)))
        for name, kind in kinds.items():
            look, level = int(name[4:]), share[int(name[4:]), week] * per_week
            if kind == "pushed" and week >= weeks - 12:
                for _ in range(rng.poisson(3 * level)):
                    add(week, f"bot{rng.integers(6)}", "platform0", look)
            if kind == "reposted" and week >= weeks - 8:
                for _ in range(rng.poisson(4 * level)):
                    add(week, f"a{rng.choice(people, p=rate / rate.sum())}", "platform0", look, "one photo")
    table = pl.DataFrame(columns, schema_overrides={"at": pl.Datetime("us", "UTC"), "copy_of": pl.String})
    return table.rename({"at": "posted_at"}).sort("posted_at").with_columns(
        post_id=pl.format("p{}", pl.int_range(pl.len())), look=pl.format("look{}", pl.col("look").cast(pl.String).str.zfill(3))
    )  # fmt: skip


def tags_of(posts: pl.DataFrame) -> pl.DataFrame:
    """The type and colour of each post."""
    number = pl.col("look").str.slice(4).cast(pl.Int64)
    return pl.concat([
        posts.select(key="post_id", garment=pl.lit(0), group=pl.lit(group), value=value)
        for group, value in (("type", pl.format("type{}", number // 8)), ("colour", pl.format("colour{}", number % 8)))
    ])  # fmt: skip


def read_by_tagger(tags: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The tags as a tagger reads them that knows how sure it is: one in six is another value's."""
    rng = np.random.default_rng((seed, 6))
    right = 1 - 0.5 * rng.random(tags.height) ** 2
    others = tags.select(pl.col("value").shuffle(seed=seed).over("group"))["value"]
    wrong = pl.Series(rng.random(tags.height) >= right)
    return tags.with_columns(value=pl.when(wrong).then(others).otherwise("value"), probability=pl.Series(right))


def calls_of(posts: pl.DataFrame, tags: pl.DataFrame) -> dict[str, set[str]]:
    """Trends that the study calls, each with its posts; a look is a type and a colour, as they are read."""
    photos = posts.select("post_id", key="post_id", sha256="copy_of")
    values = attribute_members(tags, photos, posts)
    number = pl.col("value").str.extract(r"(\d+)").cast(pl.Int64)
    parts = tags.select("key", "group", number=number, probability=how_probable(tags))
    kinds, colours = (parts.filter(group=group) for group in ("type", "colour"))
    looks = kinds.join(colours, on="key", suffix="_2").select(
        trend_id=pl.format("look{}", (pl.col("number") * 8 + pl.col("number_2")).cast(pl.String).str.zfill(3)),
        post_id="key",
        probability=pl.col("probability") * pl.col("probability_2"),
    )
    members = pl.concat([values, looks])
    names = pl.concat([
        attribute_names(values["trend_id"].unique()),
        looks.select("trend_id", kind=pl.lit("look"), label="trend_id").unique(),
    ])  # fmt: skip
    counted = tally(posts, members, copies=copy_groups(photos))
    found = judge(counted, names).trends.filter(pl.col("stage").is_in(list(CALLS)))
    of = members.join(found.select("trend_id"), on="trend_id", how="semi").group_by("trend_id").agg("post_id")
    return {trend: set(held) for trend, held in of.iter_rows()}


def by_hand(posts: pl.DataFrame, weeks: int) -> dict[str, set[str]]:
    """The same by a two-sample test of unique authors."""
    lag = 52 if weeks >= 65 else 13
    week = ((pl.col("posted_at") - MONDAY).dt.total_days() // 7).alias("week")
    rows = posts.with_columns(week).with_columns(
        span=pl.when(pl.col("week") >= weeks - 13).then(1)
        .when(pl.col("week").is_between(weeks - 13 - lag, weeks - lag - 1)).then(0)
    ).drop_nulls("span")  # fmt: skip
    active = dict(rows.group_by("span").agg(pl.col("author_hash").n_unique()).iter_rows())
    who = rows.group_by("look", "span").agg(n=pl.col("author_hash").n_unique()).pivot("span", index="look", values="n")
    found = {}
    for look, now, past in who.fill_null(0).select("look", "1", "0").iter_rows():
        p, q, both = now / active[1], past / active[0], (now + past) / (active[1] + active[0])
        z = (p - q) / max(np.sqrt(both * (1 - both) * (1 / active[1] + 1 / active[0])), 1e-9)
        if z > 1.96 and p >= 1.5 * q and now >= 20:
            found[look] = set(posts.filter(pl.col("look") == look)["post_id"])
    return found


def score(dump: Dump, calls: dict[str, set[str]]) -> tuple[int, int, int]:
    """Found, false, trapped, over the posts of the last 12 weeks."""
    last = dump.posts["posted_at"].max()
    assert isinstance(last, datetime)
    recent = dump.posts.filter(pl.col("posted_at") >= last - timedelta(weeks=12))
    of = {look: set(ids) for look, ids in recent.group_by("look").agg("post_id").iter_rows()}
    rising = [look for look, kind in dump.kinds.items() if kind == "rising"]
    everything, theirs = set(recent["post_id"]), set().union(*(of.get(look, set()) for look in rising))
    found, false, trapped = set(), 0, set()
    for posts in calls.values():
        held = posts & everything
        found |= {n for n in rising if 2 * len(held & of[n]) >= max(len(of[n]), len(held)) and held}
        if len(held & theirs) < 0.3 * len(held) or not held:
            false += 1
            trapped |= {
                n for n, k in dump.kinds.items() if k in TRAPS and 2 * len(held & of.get(n, set())) >= len(held)
            }
    return len(found), false, len(trapped)


def limit_z(dump: Dump, look: str, weeks: int) -> float:
    """Evidence of a likelihood-ratio test that knows the planted curve, on the weeks so far."""
    week = ((dump.posts["posted_at"] - MONDAY).dt.total_days() // 7).to_numpy()
    size = np.bincount(week, minlength=weeks)[:weeks].astype(float)
    shown = np.bincount(week[(dump.posts["look"] == look).to_numpy()], minlength=weeks)[:weeks].astype(float)
    grown = size * dump.curves[look][:weeks]
    total = shown.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(shown > 0, shown * np.log((grown / grown.sum()) / (size / size.sum())), 0.0).sum()
    return float(np.sign(ratio) * np.sqrt(2 * abs(ratio))) if total else 0.0


def early(dump: Dump, size: str) -> list[tuple[float, float]]:
    """Weeks from onset to the first call of each rising look, and to the limit's; 99 where never."""
    weeks = SIZES[size][0]
    first: dict[str, float] = {}
    limit: dict[str, float] = {}
    rising = [look for look, kind in dump.kinds.items() if kind == "rising"]
    for end in range(weeks - 20, weeks + 1):
        sofar = dump.posts.filter(pl.col("posted_at") < MONDAY + timedelta(weeks=end))
        cut = Dump(posts=sofar, kinds=dump.kinds, curves=dump.curves, onsets=dump.onsets)
        calls = calls_of(sofar, tags_of(sofar))
        for look in rising:
            if look in calls or any(
                trend.startswith("attribute") and score_one(cut, look, held) for trend, held in calls.items()
            ):
                first.setdefault(look, end - dump.onsets[look])
            if limit_z(dump, look, end) >= LIMIT_Z:
                limit.setdefault(look, end - dump.onsets[look])
    return [(first.get(look, 99.0), limit.get(look, 99.0)) for look in rising]


def score_one(dump: Dump, look: str, held: set[str]) -> bool:
    """Whether a call is about a look."""
    last = dump.posts["posted_at"].max()
    assert isinstance(last, datetime)
    recent = dump.posts.filter(pl.col("posted_at") >= last - timedelta(weeks=12))
    its, all_of = set(recent.filter(pl.col("look") == look)["post_id"]), held & set(recent["post_id"])
    return bool(all_of) and 2 * len(its & all_of) >= max(len(its), len(all_of))


def main() -> None:
    """Draws, counts, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dumps", type=int, default=8)
    parser.add_argument("--null", type=int, default=20)
    parser.add_argument("--early", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="two small dumps")
    args = parser.parse_args()
    sizes, dumps, null, cut = (("small",), 2, 2, 0) if args.quick else (tuple(SIZES), args.dumps, args.null, args.early)
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, seeds from 1000\n")
    print("| dumps | by | found | false a dump | trapped | CPU-s a dump |\n| --- | --- | --- | --- | --- | --- |")
    for size in sizes:
        seeds = range(1000, 1000 + (dumps if size != "large" else max(dumps // 2, 1)))
        rows: dict[str, list[tuple[int, int, int]]] = {name: [] for name in ("the study", "by hand", ALIKE, WEIGHED)}
        took = []
        for seed in seeds:
            dump = draw(seed, size)
            start = time.process_time()
            tags = tags_of(dump.posts)
            rows["the study"].append(score(dump, calls_of(dump.posts, tags)))
            took.append(time.process_time() - start)
            rows["by hand"].append(score(dump, by_hand(dump.posts, SIZES[size][0])))
            read = read_by_tagger(tags, seed)
            rows[ALIKE].append(score(dump, calls_of(dump.posts, read.drop("probability"))))
            rows[WEIGHED].append(score(dump, calls_of(dump.posts, read)))
        for name, found in rows.items():
            right, false, trapped = (sum(column) for column in zip(*found, strict=True))
            spent = f"{statistics.median(took):.1f}" if name == "the study" else ""
            print(
                f"| {len(found)} {size} | {name} | {right} of {3 * len(found)} | {false / len(found):.2f} | {trapped} | {spent} |",
                flush=True,
            )
    silent = [draw(2000 + seed, "small", plant=False) for seed in range(null)]
    tagged = [(dump.posts, tags_of(dump.posts)) for dump in silent]
    called = sum(bool(calls_of(posts, tags)) for posts, tags in tagged)
    misread = sum(bool(calls_of(posts, read_by_tagger(tags, seed))) for seed, (posts, tags) in enumerate(tagged))
    hand = sum(bool(by_hand(dump.posts, SIZES["small"][0])) for dump in silent)
    print(
        f"\nNothing planted: {called} of {null} small dumps have a call, {hand} by hand; {misread} as the tagger reads them."
    )
    if cut:
        pairs = [pair for seed in range(cut) for pair in early(draw(3000 + seed, "medium"), "medium")]
        ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        later = statistics.median(mine - its for mine, its in pairs)
        print(
            f"First called {ours:.1f} weeks after the onset (median of {len(pairs)}); told the curve: {theirs:.1f}; "
            f"of one rise {later:.1f} weeks later."
        )


if __name__ == "__main__":
    main()
