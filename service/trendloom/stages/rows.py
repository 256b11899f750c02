"""Evidence to the table that people read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.stages.bench import Bench
from trendloom.stages.evidence import Evidence

__all__ = ["COLUMNS", "Loud", "trend_rows", "without_few"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COLUMNS = [
    "rank", "trend_id", "kind", "label", "stage", "growth", "growth_low", "growth_high", "q_value", "authors", "posts",
    "share", "share_low", "share_high", "first_seen", "last_seen", "since", "under", "reason",
]  # fmt: skip

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
    """Returns people, posts, share and dates of each trend."""
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
        }
    )
    return pl.concat([counts, days], how="horizontal")


@dataclass(frozen=True, kw_only=True)
class Loud:
    """What the ten loudest authors make of a trend: their share of its recent posts, and its growth without them."""

    share: float
    growth_without: float


def _words(
    bench: Bench, evidence: Evidence, trend: int, *, stage: str, q: float, told_by: str | None, loud: Loud | None
) -> str:
    """Returns the numbers behind a stage."""
    unit, length = bench.tally.windows.step, bench.shown.length
    if not np.isfinite(evidence.growth[trend]) or bench.windows < 2:
        return "nothing earlier to compare with"
    past = f"the same {unit}s a year before" if bench.shown.seasonal else f"a usual span of {length} {unit}s before"
    blocks = max(int(bench.shown.block.max()), 1)
    now = f"{evidence.now[trend]:.0f}"
    text = (
        f"{now} {'person' if now == '1' else 'people'} in the last {length} {unit}s, {evidence.past[trend] / blocks:.0f} in {past}: "
        f"{evidence.growth[trend]:.2f} times the share ({evidence.low[trend]:.2f} to {evidence.high[trend]:.2f}), q {q:.2g}"
    )
    if loud:
        text += (
            f"; its ten loudest authors posted {100 * loud.share:.0f} %, without them {loud.growth_without:.2f} times"
        )
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
    loud: dict[int, Loud],
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
    rows = _counts(bench).with_columns(
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
                    stage=str(stage[t]),
                    q=float(q[t]),
                    told_by=label.get(told[t] or ""),
                    loud=loud.get(t),
                )
                for t in range(bench.count)
            ],
            dtype=pl.String,
        ),
    )
    rows = rows.join(names.select("trend_id", "kind", "label").unique("trend_id"), on="trend_id")
    called = pl.col("stage").is_in(["emerging", "rising"])
    rows = rows.sort(called, "z", "authors", "trend_id", descending=[True, True, True, False])
    return rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32)).select(COLUMNS)
