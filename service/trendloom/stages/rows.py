"""Evidence to the table that people read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.nouns import amount
from trendloom.stages.bench import Bench
from trendloom.stages.evidence import Evidence

__all__ = ["COLUMNS", "LOUDEST", "trend_rows", "without_few"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COLUMNS = [
    "rank", "trend_id", "kind", "label", "stage", "growth", "growth_low", "growth_high", "q_value", "authors", "posts",
    "share", "share_low", "share_high", "countries", "loudest_share", "growth_without_loudest", "first_seen", "last_seen",
    "since", "under", "reason",
]  # fmt: skip

LOUDEST = 10
"""Authors of most posts whose part in a trend is told."""
_SEEN = 10  # people from which a country counts
_Z95 = 1.959963984540054
_PAST = re.compile(r", (\d+) in (?=the same|a usual)")  # as `_words` says it


def _shares(people: Ints, active: int) -> tuple[Floats, Floats, Floats]:
    """Returns shares of active people with their Wilson 95 % interval; (0, 1) where nobody is active."""
    if not active:
        return np.zeros(len(people)), np.zeros(len(people)), np.ones(len(people))
    share = np.minimum(people, active) / active
    below = 1 + _Z95**2 / active
    middle = (share + _Z95**2 / (2 * active)) / below
    half = _Z95 * np.sqrt(share * (1 - share) / active + _Z95**2 / (4 * active**2)) / below
    low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    return share, np.minimum(low, share), np.maximum(high, share)


def _counts(bench: Bench) -> pl.DataFrame:
    """Returns people, posts, share, countries, the part of the loudest authors, and dates of each trend."""
    tally = bench.tally
    recent = bench.recent[bench.window]
    in_span = np.r_[bench.recent, False][tally.post_window]  # -1 (no window) reads the last: False
    active = len(np.unique(tally.post_author[in_span]))
    voices = bench.people
    share, low, high = _shares(voices, active)
    at = tally.post_at[tally.row_post]
    first = np.full(bench.count, np.iinfo(np.int64).max)
    last = np.full(bench.count, np.iinfo(np.int64).min)
    np.minimum.at(first, bench.trend, at)
    np.maximum.at(last, bench.trend, at)
    seen = np.bincount(bench.trend, minlength=bench.count) > 0
    days = pl.DataFrame({"first_seen": first, "last_seen": last, "seen": seen}).select(
        pl.when("seen").then(pl.col(c).cast(pl.Datetime("us"))).cast(pl.Date).alias(c)
        for c in ("first_seen", "last_seen")
    )
    counts = pl.DataFrame(
        {
            "trend_id": pl.Series(tally.trends, dtype=pl.String),
            "authors": voices,  # copies of one photo count as its first poster, here as in the share
            "posts": np.bincount(bench.trend[recent], minlength=bench.count),
            "share": share,
            "share_low": low,
            "share_high": high,
            "countries": _countries(bench),
            "loudest_share": pl.Series(_loudest(bench)).fill_nan(None),
        }
    )
    return pl.concat([counts, days], how="horizontal")


def _countries(bench: Bench) -> Ints:
    """Returns (trends,) in how many countries ten people or more showed each trend in the last 13 weeks (3 months)."""
    recent = bench.recent[bench.window]
    country = bench.tally.country[bench.voice[recent]].astype(np.int64)
    one = np.unique(np.stack([bench.trend[recent], country, bench.voice[recent]])[:, country >= 0], axis=1)
    place, people = np.unique(one[:2], axis=1, return_counts=True)
    return np.bincount(place[0, people >= _SEEN], minlength=bench.count)


def _loudest(bench: Bench) -> Floats:
    """Returns (trends,) the share of a trend's recent posts that its ten loudest authors posted, NaN without posts."""
    recent = bench.recent[bench.window]
    pairs = np.stack([bench.trend[recent], bench.tally.row_author[recent].astype(np.int64)])
    (trend, _), posts = np.unique(pairs, axis=1, return_counts=True)
    order = np.lexsort([-posts, trend])
    trend, posts = trend[order], posts[order]
    among = np.arange(len(trend)) - np.searchsorted(trend, trend) < LOUDEST
    theirs = np.bincount(trend[among], weights=posts[among], minlength=bench.count)
    total = np.bincount(trend, weights=posts, minlength=bench.count)
    return np.where(total > 0, theirs / np.maximum(total, 1), np.nan)


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.1 else 1 if share >= 0.001 else 2}f}"


def _panel(bench: Bench, row: Mapping[str, Any]) -> str:
    """Returns how many people of the last months show a trend, and where."""
    unit, length = bench.tally.windows.step, int(bench.recent.sum())
    low, share, high = (_percent(row[name]) for name in ("share_low", "share", "share_high"))
    people = amount(row["authors"], "person", "people")
    spread = f", spread over {row['countries']} countries" if row["countries"] > 1 else ""
    return f"{share} % of people ({low} to {high}) in the last {length} {unit}s, {people}{spread}"


def _words(
    bench: Bench,
    evidence: Evidence,
    trend: int,
    *,
    row: Mapping[str, Any],
    stage: str,
    q: float,
    told_by: str | None,
    without: float | None,
) -> str:
    """Returns the numbers behind a stage."""
    unit, length = bench.tally.windows.step, bench.shown.length
    if not np.isfinite(evidence.growth[trend]) or bench.windows < 2:
        return "nothing earlier to compare with"
    past = f"the same {unit}s a year before" if bench.shown.seasonal else f"a usual span of {length} {unit}s before"
    blocks = max(int(bench.shown.block.max()), 1)
    now, text = round(float(evidence.now[trend])), _panel(bench, row)
    if now != row["authors"] or length != bench.recent.sum():
        text += f"; {amount(now, 'person', 'people')} in the last {length} {unit}s"
    text += (
        f", {evidence.past[trend] / blocks:.0f} in {past}: "
        f"{evidence.growth[trend]:.2f} times the share ({evidence.low[trend]:.2f} to {evidence.high[trend]:.2f}), q {q:.2g}"
    )
    if without is not None:
        loudest = 100 * row["loudest_share"]
        text += f"; its ten loudest authors posted {loudest:.0f} %, without them {without:.2f} times"
    if told_by:
        text += f"; told by {told_by}"
    elif stage == "seasonal":
        text += "; moves within the year and is back where it was"
    elif stage in {"emerging", "rising"} and not bench.shown.seasonal:
        text += "; less than a year is known, it may be a season"
    return text


def without_few(reason: str, k: int) -> str:
    """Returns a reason in which 1 to k - 1 people of the time before are fewer than k."""
    return _PAST.sub(lambda said: f", fewer than {k} in " if 0 < int(said[1]) < k else said[0], reason)


def trend_rows(
    bench: Bench,
    names: pl.DataFrame,
    evidence: Evidence,
    *,
    without: Mapping[int, float],
    z: Floats,
    stage: NDArray[np.object_],
    q: Floats,
    since: dict[int, int],
    under: dict[int, int],
) -> pl.DataFrame:
    """Returns the trends that `names` names, strongest first: rising ones by their evidence, then all others, larger ones first where nothing was tested."""
    tally, starts = bench.tally, bench.tally.windows.starts
    told = [tally.trends[under[t]] if t in under else None for t in range(bench.count)]
    label = dict(names.select("trend_id", "label").iter_rows())
    counts = _counts(bench)
    rows = counts.with_columns(
        pl.Series("growth_without_loudest", [without.get(t) for t in range(bench.count)], dtype=pl.Float64),
        pl.Series("stage", list(stage), dtype=pl.String),
        pl.Series("growth", evidence.growth).fill_nan(None),
        pl.Series("growth_low", evidence.low).fill_nan(None),
        pl.Series("growth_high", evidence.high).fill_nan(None),
        pl.Series("q_value", q),
        pl.Series("z", z),
        pl.Series("since", [starts[since[t]] if t in since else None for t in range(bench.count)], dtype=pl.Date),
        pl.Series("under", told, dtype=pl.String),
        pl.Series(
            "reason",
            [
                _words(
                    bench,
                    evidence,
                    t,
                    row=row,
                    stage=str(stage[t]),
                    q=float(q[t]),
                    told_by=label.get(told[t] or ""),
                    without=without.get(t),
                )
                for t, row in enumerate(counts.iter_rows(named=True))
            ],
            dtype=pl.String,
        ),
    )
    rows = rows.join(names.select("trend_id", "kind", "label").unique("trend_id"), on="trend_id")
    called = pl.col("stage").is_in(["emerging", "rising"])
    rows = rows.sort(called, "z", "authors", "trend_id", descending=[True, True, True, False])
    return rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32)).select(COLUMNS)
