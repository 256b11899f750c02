"""Audience: cohorts are learned, and a rise reaches one after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from trendloom.counting.cohorts import COHORTS, learn_cohorts
from trendloom.errors import NotEnoughData
from trendloom.pipeline.audience import passage_rows, with_cohorts

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
WEEKS = 80
MIDDLES = (40, 52, 64)  # of the rise, by cohort


def audience(seed: int = 0, apart: float = 2.5) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
    """Posts of three cohorts, the members of a rise that reaches them one after the other, and who is in which."""
    rng = np.random.default_rng(seed)
    size = (150, 250, 400)
    posts: list[tuple[str, datetime, str, int]] = []
    members: list[tuple[str, str]] = []
    truth: dict[str, str] = {}
    for cohort, (count, middle) in enumerate(zip(size, MIDDLES, strict=True)):
        reach = np.exp(rng.normal(11 - apart * cohort, 0.7, count))
        for n in range(count):
            author = f"{cohort}-{n}"
            truth[author] = COHORTS[cohort]
            for week in np.flatnonzero(rng.random(WEEKS) < 0.35).tolist():
                post = f"p{len(posts)}"
                posts.append((post, MONDAY + timedelta(weeks=week, hours=9), author, int(reach[n])))
                if rng.random() < 0.01 + 0.08 / (1 + np.exp(-(week - middle) / 3)):
                    members.append(("look:new", post))
    table = pl.DataFrame(posts, schema={"post_id": pl.String, "posted_at": pl.Datetime("us", "UTC"),
                                        "author_hash": pl.String, "followers": pl.Int64}, orient="row")  # fmt: skip
    return table, pl.DataFrame(members, schema=["trend_id", "post_id"], orient="row"), truth


def photos_of(posts: pl.DataFrame) -> pl.DataFrame:
    return posts.select("post_id", sha256="post_id", phash=pl.lit(None, dtype=pl.Int64))


class TestCohorts:
    def test_followers_tell_cohorts_apart(self) -> None:
        posts, _, truth = audience()
        found = learn_cohorts(posts)
        right = [truth[author] == cohort for author, cohort in found.select("author_hash", "cohort").iter_rows()]
        assert len(right) == len(truth)
        assert np.mean(right) > 0.9
        assert found["probability"].is_between(1 / 3, 1.0).all()

    def test_who_came_early_tells_them_apart_without_followers(self) -> None:
        authors = [f"a{n}" for n in range(200)]
        posts = pl.DataFrame(
            {"post_id": authors, "author_hash": authors, "followers": pl.Series([None] * 200, dtype=pl.Int64)}
        )
        rng = np.random.default_rng(1)
        place = np.r_[rng.normal(0, 0.3, 20), rng.normal(4, 0.5, 60), rng.normal(9, 0.7, 120)]
        rows = [
            (f"t{t}", a, MONDAY + timedelta(weeks=float(w) + 2))
            for t in range(4)
            for a, w in zip(authors, place, strict=True)
        ]
        found = learn_cohorts(posts, pl.DataFrame(rows, schema=["trend_id", "author_hash", "at"], orient="row"))
        cohort = dict(found.select("author_hash", "cohort").iter_rows())
        assert {cohort[a] for a in authors[:15]} == {"fashion-forward"}
        assert {cohort[a] for a in authors[110:]} == {"mainstream"}

    def test_few_authors_have_none(self) -> None:
        posts = pl.DataFrame({"post_id": ["p"], "author_hash": ["a"], "followers": [10]})
        assert learn_cohorts(posts).is_empty()


class TestPassage:
    def test_a_rise_passes_from_one_cohort_to_the_next(self) -> None:
        posts, members, _ = audience(3)
        trends = pl.DataFrame({"trend_id": ["look:new"], "stage": ["rising"], "since": [date(2024, 9, 2)]})
        known = with_cohorts(posts, trends, members)
        now = (MONDAY + timedelta(weeks=WEEKS)).date()
        rows = passage_rows(known, photos_of(posts), members, "look:new", now=now, step="week", radius=2)
        assert rows["cohort"].to_list() == list(COHORTS)
        for middle, found in zip(MIDDLES, rows["middle"].to_list(), strict=True):
            assert abs((found - (MONDAY + timedelta(weeks=middle)).date()).days) <= 35
        assert rows["middle"].is_sorted()

    def test_without_followers_it_says_what_is_missing(self) -> None:
        posts, members, _ = audience()
        known = with_cohorts(posts.with_columns(followers=pl.lit(None, dtype=pl.Int64)),
                             pl.DataFrame(schema={"trend_id": pl.String, "stage": pl.String, "since": pl.Date}), members)  # fmt: skip
        with pytest.raises(NotEnoughData, match="hand in followers"):
            passage_rows(known, photos_of(posts), members, "look:new", now=date(2025, 7, 14), step="week", radius=2)
