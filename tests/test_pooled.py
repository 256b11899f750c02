"""Pooled histories: blocks that enough people stand behind, counted as the windows are."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.counting import tally
from trendloom.counting.pooled import LENGTHS, pool

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def world(rows: list[tuple[int, int, bool]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Posts of (week, author, shows the trend), and the members of trend `t`."""
    posts = pl.DataFrame(
        {
            "post_id": [f"p{n}" for n in range(len(rows))],
            "posted_at": [MONDAY + timedelta(weeks=week, hours=n % 100) for n, (week, _, _) in enumerate(rows)],
            "author_hash": [f"a{author}" for _, author, _ in rows],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC")},
    )
    members = posts.filter(pl.Series([shows for _, _, shows in rows], dtype=pl.Boolean))
    return posts, members.select(pl.lit("t").alias("trend_id"), "post_id")


def counted(rows: list[tuple[int, int, bool]], k: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    posts, members = world(rows)
    found = tally(posts, members, step="week")
    return found.series, pool(found.series, found.members, posts, k=k, step="week")


# 16 whole weeks: in each, two of three people show the trend
LEVEL = [(week, author, author < 2) for week in range(16) for author in range(3)] + [(16, 9, False)]


def test_blocks_grow_until_few_are_small() -> None:
    plain, pooled = counted(LEVEL, 2)
    assert pooled["windows"].unique().to_list() == [1]
    assert pooled.height == plain.height
    _, pooled = counted(LEVEL, 3)  # never three people, however long the block: the longest is taken
    assert pooled["windows"].unique().to_list() == [4]
    assert pooled["numerator"].unique().to_list() == [2]
    assert pooled["denominator"].unique().to_list() == [3]


def test_other_people_every_week_add_up_in_a_block() -> None:
    rows = [(week, 10 * week + author, author < 2) for week in range(16) for author in range(3)] + [(16, 999, False)]
    _, pooled = counted(rows, 4)
    assert pooled["windows"].unique().to_list() == [2]
    assert set(pooled["numerator"]) == {4}
    assert set(pooled["denominator"]) == {6}  # those who do not show the trend count below the line


def test_copies_count_as_their_first_poster() -> None:
    posts, members = world(LEVEL)
    found = tally(posts, members, step="week")
    copies = pl.DataFrame({"post_id": members["post_id"], "group": [1] * members.height})
    pooled = pool(found.series, found.members, posts, k=1, step="week", copies=copies)
    assert set(pooled["numerator"]) == {1}
    assert set(pooled["authors"]) == {2}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.booleans()), min_size=1, max_size=80))
@settings(deadline=None, max_examples=40)
def test_blocks_of_one_window_are_the_series(rows: list[tuple[int, int, bool]]) -> None:
    plain, pooled = counted([*rows, (0, 0, True)], 1)
    columns = ["trend_id", "window_start", "numerator", "denominator", "authors"]
    joined = plain.select(columns).join(pooled.select(columns), on=["trend_id", "window_start"], suffix="_pooled")
    assert joined.height == pooled.height
    for name in columns[2:]:
        assert (joined[name] == joined[f"{name}_pooled"]).all(), name
    assert pooled["share"].is_between(0, 1).all()


@pytest.mark.parametrize("step", ["week", "month"])
def test_nothing_in_nothing_out(step: str) -> None:
    posts, members = world([])
    found = tally(posts, members)
    assert pool(found.series, found.members, posts, k=10, step=step).is_empty()
    assert LENGTHS[step][0] == 1
