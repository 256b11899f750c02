"""Audience: cohorts are learned, and a rise reaches one after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from trendloom.counting import tally
from trendloom.counting.cohorts import COHORTS, learn_cohorts, mixing
from trendloom.errors import NotEnoughData
from trendloom.pipeline.audience import passing, with_cohorts
from trendloom.stages.passage import passage

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
    none = pl.lit(None, dtype=pl.Int64)
    return posts.select("post_id", sha256="post_id", phash=none, colours=none)


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

    def test_authors_who_do_not_differ_are_not_split(self) -> None:
        rng = np.random.default_rng(4)
        authors = [f"a{n}" for n in range(300)]
        followers = np.exp(rng.normal(7, 1.5, 300)).astype(int)
        posts = pl.DataFrame({"post_id": authors, "author_hash": authors, "followers": followers})
        assert learn_cohorts(posts).is_empty()

    def test_mixing_tells_how_sure_the_split_is(self) -> None:
        near, far = (mixing(learn_cohorts(audience(apart=apart)[0])) for apart in (1.8, 4.0))
        for found in (near, far):
            assert found.sum(axis=1) == pytest.approx([1, 1, 1])
        assert np.diag(far).min() > 0.98
        assert np.diag(near).min() < 0.95


class TestPassage:
    def test_a_rise_passes_from_one_cohort_to_the_next(self) -> None:
        posts, members, _ = audience(3)
        trends = pl.DataFrame({"trend_id": ["look:new"], "stage": ["rising"], "since": [date(2024, 9, 2)]})
        known, cohorts = with_cohorts(posts, trends, members)
        now = (MONDAY + timedelta(weeks=WEEKS)).date()
        found = passing(known, photos_of(posts), members, ["look:new"], cohorts, now=now, step="week", radius=2)
        assert found.trends == 1
        for lag, error in found.lags:
            assert abs(lag - 12) < max(6, 2 * error)
        rows = found.rows
        assert rows["cohort"].to_list() == list(COHORTS)
        for middle, day in zip(MIDDLES, rows["middle"].to_list(), strict=True):
            assert abs((day - (MONDAY + timedelta(weeks=middle)).date()).days) <= 35
        assert rows["middle"].is_sorted()

    def test_mistaken_members_do_not_pull_the_cohorts_together(self) -> None:
        posts, members, truth = audience(5)
        rng = np.random.default_rng(6)
        wrong = {a: COHORTS[rng.integers(3)] if rng.random() < 0.45 else c for a, c in truth.items()}
        said = posts.with_columns(cohort=pl.col("author_hash").replace_strict(wrong))
        now = (MONDAY + timedelta(weeks=WEEKS)).date()
        parts = [tally(said.filter(cohort=cohort), members, as_of=now, step="week") for cohort in COHORTS]
        known = np.array(
            [[np.mean([truth[a] == c for a, w in wrong.items() if w == g]) for c in COHORTS] for g in COHORTS]
        )
        told = [float(passage(parts, ["look:new"], mix).lags.sum()) for mix in (np.eye(3), known)]
        assert abs(told[1] - 24) < abs(told[0] - 24)
        assert told[1] == pytest.approx(24, abs=7)

    def test_too_few_people_say_nothing(self) -> None:
        posts, members, truth = audience(5)
        said = posts.with_columns(cohort=pl.col("author_hash").replace_strict(truth))
        now = (MONDAY + timedelta(weeks=WEEKS)).date()
        few = members.head(10)
        parts = [tally(said.filter(cohort=cohort), few, as_of=now, step="week") for cohort in COHORTS]
        found = passage(parts, ["look:new", "look:unknown"], np.eye(3))
        assert found.trends == 0
        assert np.isnan(found.lags).all()

    def test_without_followers_it_says_what_is_missing(self) -> None:
        posts, members, _ = audience()
        none = pl.DataFrame(schema={"trend_id": pl.String, "stage": pl.String, "since": pl.Date})
        known, cohorts = with_cohorts(posts.with_columns(followers=pl.lit(None, dtype=pl.Int64)), none, members)
        with pytest.raises(NotEnoughData, match="hand in followers"):
            passing(
                known, photos_of(posts), members, ["look:new"], cohorts, now=date(2025, 7, 14), step="week", radius=2
            )
