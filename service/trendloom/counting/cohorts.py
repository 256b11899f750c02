"""Audience cohorts: who is ahead, who follows, learned from followers and from how early authors took up past rises."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["COHORTS", "learn_cohorts", "mixing"]

COHORTS = ("fashion-forward", "trend-aware", "mainstream")

Floats = NDArray[np.float64]

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "author_hash": pl.String,
    "cohort": pl.String,
    "probability": pl.Float64,
    "chances": pl.Array(pl.Float64, len(COHORTS)),
}
_LEAST_AUTHORS = 60  # under which nothing is learned
_STEPS = 200
_CLOSE = 1e-6
_LEAST_SPREAD = 0.1
_FAR = 3.0  # half widths
_SHARES = np.array([0.1, 0.3, 0.6])  # of the first guess: few are ahead


def learn_cohorts(posts: pl.DataFrame, adoptions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Returns author_hash, cohort, its probability, and chances of all three; empty where too few authors have followers or adoptions.

    Empty also where one normal distribution tells as much of the authors as three do (Schwarz 1978, Ann. Stat. 6:461): a
    panel whose authors do not differ is not split.

    A mixture of three normal distributions over two marks of an author: the log of the followers (median over posts)
    and, of authors who took part in past rises, how early they did (before the median of those who took part, in widths
    of the middle half, the mean over rises). A mark that is missing says nothing. Fitted by expectation and maximisation
    (Dempster, Laird and Rubin 1977, J. R. Stat. Soc. B 39:1); the cohort ahead is the one with more followers and
    earlier adoptions.

    Args:
        posts: post_id, author_hash, followers (null where unknown).
        adoptions: trend_id, author_hash, at (a time): first posts of authors within past rises.
    """
    known = posts.filter(pl.col("author_hash").is_not_null()).group_by("author_hash").agg(pl.col("followers").median())
    known = known.with_columns(reach=(pl.col("followers") + 1).log()).select("author_hash", "reach").sort("author_hash")
    early = _earliness(adoptions)
    table = known.join(early, on="author_hash", how="left").sort("author_hash")
    marks = table.select("reach", "early").fill_null(float("nan")).to_numpy().astype(np.float64)
    seen = np.isfinite(marks)
    used = [c for c in range(2) if seen[:, c].sum() >= _LEAST_AUTHORS and np.nanstd(marks[:, c]) > 0]
    if not used:
        return pl.DataFrame(schema=_SCHEMA)
    chance, evidence = _mixture(marks[:, used])
    if evidence <= _alone(marks[:, used]):
        return pl.DataFrame(schema=_SCHEMA)
    likely = seen[:, used].any(axis=1)
    best = chance.argmax(axis=1)
    return pl.DataFrame(
        {
            "author_hash": table["author_hash"],
            "cohort": [COHORTS[n] for n in best.tolist()],
            "probability": chance[np.arange(len(best)), best],
            "chances": chance,
        },
        schema=_SCHEMA,
    ).filter(pl.Series(likely))


def mixing(cohorts: pl.DataFrame) -> Floats:
    """Returns (3, 3): of the authors in each cohort the share that truly belongs to each, by their chances."""
    chances, assigned = cohorts["chances"].to_numpy(), cohorts["cohort"]
    found = np.eye(len(COHORTS))
    for n, cohort in enumerate(COHORTS):
        theirs = chances[(assigned == cohort).to_numpy()]
        if len(theirs):
            found[n] = theirs.mean(axis=0)
    return found


def _earliness(adoptions: pl.DataFrame | None) -> pl.DataFrame:
    """Returns author_hash and early: how many half widths of a rise before its median, the mean over rises."""
    schema = {"author_hash": pl.String, "early": pl.Float64}
    if adoptions is None or adoptions.is_empty():
        return pl.DataFrame(schema=schema)
    day = pl.col("at").dt.epoch("s") / 86_400
    half = (day.quantile(0.75) - day.quantile(0.25)).over("trend_id")
    ahead = (day.median().over("trend_id") - day) / pl.max_horizontal(half, pl.lit(1.0))
    scored = adoptions.with_columns(early=ahead.clip(-_FAR, _FAR))
    return scored.group_by("author_hash").agg(pl.col("early").mean())


def _alone(marks: Floats) -> float:
    """Returns the evidence for one normal distribution, as `_mixture` counts it."""
    seen = np.isfinite(marks)
    count = seen.sum(axis=0)
    spread = np.maximum(np.nanstd(marks, axis=0), _LEAST_SPREAD)
    square = np.nansum((marks - np.nanmean(marks, axis=0)) ** 2, axis=0)
    likely = -0.5 * square / spread**2 - count * np.log(spread)
    return float(likely.sum() - marks.shape[1] * np.log(seen.any(axis=1).sum()))  # a mean and a spread for each mark


def _mixture(marks: Floats) -> tuple[Floats, float]:
    """Returns the probabilities (authors, 3) of the cohorts, the one ahead first, and the evidence for three.

    Evidence is the log likelihood less half the logarithm of the authors for each parameter.
    """
    seen, filled = np.isfinite(marks), np.nan_to_num(marks)
    ends = np.r_[0.0, np.cumsum(_SHARES)]
    middle = 1 - (ends[1:] + ends[:-1]) / 2
    mean = np.stack([np.nanquantile(marks, q, axis=0) for q in middle])
    spread = np.tile(np.maximum(np.nanstd(marks, axis=0) / 2, _LEAST_SPREAD), (3, 1))
    share, before = _SHARES.copy(), -np.inf
    chance = np.zeros((len(marks), 3))
    for _ in range(_STEPS):
        away = (filled[:, None, :] - mean[None]) / spread[None]
        each = np.where(seen[:, None, :], -0.5 * away**2 - np.log(spread)[None], 0.0).sum(axis=2) + np.log(share)
        most = each.max(axis=1, keepdims=True)
        total = most[:, 0] + np.log(np.exp(each - most).sum(axis=1))
        chance = np.exp(each - total[:, None])
        weight = np.maximum(np.einsum("ak,ac->kc", chance, seen), 1e-9)
        mean = np.einsum("ak,ac->kc", chance, filled * seen) / weight
        square = np.einsum("ak,akc->kc", chance, ((filled[:, None] - mean[None]) ** 2) * seen[:, None])
        pooled = np.sqrt(square.sum(axis=0) / weight.sum(axis=0))  # one spread: cohorts differ in where they are
        spread = np.tile(np.maximum(pooled, _LEAST_SPREAD), (3, 1))
        share = chance.mean(axis=0)
        if total.sum() - before < _CLOSE * len(marks):
            break
        before = total.sum()
    order = np.argsort(-(mean / spread).sum(axis=1))
    parameters = 4 * marks.shape[1] + 2  # three means and a spread for each mark, two shares
    return chance[:, order], float(total.sum() - parameters / 2 * np.log(seen.any(axis=1).sum()))
