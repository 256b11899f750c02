"""Evidence to the table that people read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.stages.bench import Bench
from trendloom.stages.evidence import Evidence
from trendloom.stages.reasons import PARTS

__all__ = ["COLUMNS", "LOUDEST", "trend_rows"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COLUMNS = [
    "rank", "trend_id", "kind", "label", "stage", "growth", "growth_low", "growth_high", "q_value", "authors", "posts",
    "share", "share_low", "share_high", "countries", "loudest_share", "growth_without_loudest", "first_seen", "last_seen",
    "since", "under", *PARTS,
]  # fmt: skip

LOUDEST = 10
"""Authors of most posts whose part in a trend is told."""
_SEEN = 10  # people from which a country counts
_Z95 = 1.959963984540054


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


def _compared(bench: Bench, evidence: Evidence) -> list[pl.Series]:
    """Returns what is compared with what, and people in both: the parts of a reason that are nothing else."""
    known = np.isfinite(evidence.growth) & (bench.windows > 1)
    before = evidence.past / int(bench.shown.block.max(initial=1))
    return [
        pl.Series("window", [bench.tally.windows.step] * bench.count, dtype=pl.String),
        pl.Series("windows", np.full(bench.count, bench.recent.sum())),
        pl.Series("compared", np.where(known, bench.shown.length, 0)),
        pl.Series("year_before", np.full(bench.count, bench.shown.seasonal)),
        pl.Series("authors_now", np.where(known, evidence.now, 0).round().astype(np.int64)),
        pl.Series("authors_before", np.where(known, before, 0)),
    ]


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
        pl.Series("told_by", [label.get(name or "") for name in told], dtype=pl.String),
        *_compared(bench, evidence),
    )
    rows = rows.join(names.select("trend_id", "kind", "label").unique("trend_id"), on="trend_id")
    called = pl.col("stage").is_in(["emerging", "rising"])
    rows = rows.sort(called, "z", "authors", "trend_id", descending=[True, True, True, False])
    return rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32)).select(COLUMNS)
