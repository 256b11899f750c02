"""Counting: windows, copies, shares, tallies and attribute trends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.counting import (
    PARTS,
    attribute_members,
    choose_windows,
    copy_groups,
    near_pairs,
    posts_showing,
    tally,
    wilson,
    window_start,
)
from trendloom.counting.copies import components
from trendloom.errors import InputError
from trendloom.taxonomy import load_taxonomy

TAXONOMY = Path(__file__).parent.parent / "models" / "taxonomy.yaml"
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
Row = tuple[str, datetime | None, str | None]


def times(*moments: datetime | None) -> pl.Series:
    return pl.Series("posted_at", list(moments), dtype=pl.Datetime("us", "UTC"))


def posts(rows: Sequence[Row]) -> pl.DataFrame:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "post_id": pl.String,
        "posted_at": pl.Datetime("us", "UTC"),
        "author_hash": pl.String,
    }
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def members(trend: str, ids: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"trend_id": [trend] * len(ids), "post_id": list(ids)}, schema={"trend_id": pl.String, "post_id": pl.String}
    )


def daily(weeks: int, start: datetime = MONDAY) -> list[datetime]:
    return [start + timedelta(days=d, hours=23) for d in range(7 * weeks)]


class TestWilson:
    def test_known_values(self) -> None:
        low, high = wilson([5, 0, 10], [10, 10, 10])
        # (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.959964, by hand
        assert low == pytest.approx([0.236593, 0.0, 0.722467], abs=1e-6)
        assert high == pytest.approx([0.763407, 0.277533, 1.0], abs=1e-6)

    def test_nobody_says_nothing(self) -> None:
        low, high = wilson([0], [0])
        assert (low[0], high[0]) == (0.0, 1.0)

    @given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_holds_the_share(self, counts: tuple[int, int]) -> None:
        low, high = wilson([counts[0]], [counts[1]])
        assert 0 <= low[0] <= counts[0] / counts[1] <= high[0] <= 1


class TestWindows:
    def test_weeks_start_on_monday_utc(self) -> None:
        assert window_start(date(2024, 1, 7), "week") == date(2024, 1, 1)
        assert window_start(date(2024, 1, 8), "week") == date(2024, 1, 8)
        assert window_start(date(2024, 2, 29), "month") == date(2024, 2, 1)

    def test_half_open_and_in_utc(self) -> None:
        moments = daily(10)
        moments[7] = datetime(2024, 1, 8, tzinfo=UTC)
        moments[8] = datetime(2024, 1, 8, 5, tzinfo=timezone(timedelta(hours=9)))  # Sunday evening in UTC
        windows = choose_windows(times(*(m.astimezone(UTC) for m in moments)))
        assert windows.step == "week"
        assert windows.starts[0] == date(2024, 1, 1)
        assert windows.now == date(2024, 3, 11)
        assert len(windows.starts) == 10
        assert windows.index[7] == 1
        assert windows.index[8] == 0

    def test_unfinished_week_does_not_count(self) -> None:
        windows = choose_windows(times(*daily(9), *daily(1, MONDAY + timedelta(weeks=9))[:3]))
        assert windows.now == date(2024, 3, 4)
        assert windows.index[-3:].tolist() == [-1, -1, -1]
        assert windows.report["in_the_unfinished_window"] == 3

    def test_as_of_ends_the_data(self) -> None:
        windows = choose_windows(times(*daily(10)), as_of=date(2024, 2, 7))
        assert windows.now == date(2024, 2, 5)
        assert windows.report["after_as_of"] == 70 - 37

    def test_wrong_times_count_in_no_window(self) -> None:
        odd = [None, datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)]
        windows = choose_windows(times(*odd, *daily(20)))
        assert windows.index[:3].tolist() == [-1, -1, -1]
        assert windows.now == date(2024, 5, 20)
        assert (windows.report["no_time"], windows.report["before_2005"], windows.report["far_from_all_others"]) == (
            1,
            1,
            1,
        )

    @pytest.mark.parametrize("posts", [0, 63])
    def test_dates_that_stand_for_none_count_in_no_window(self, posts: int) -> None:
        windows = choose_windows(
            times(datetime(9999, 12, 31, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), *daily(9)[:posts])
        )
        assert windows.index[:2].tolist() == [-1, -1]
        assert windows.report["after_2099"] == 2
        assert windows.now == (date(2024, 3, 4) if posts else None)

    def test_months_for_long_or_sparse(self) -> None:
        long = times(*(MONDAY + timedelta(days=d) for d in range(0, 5 * 366, 1)))
        sparse = times(*(MONDAY + timedelta(days=d) for d in range(0, 600, 3)))
        for series in (long, sparse):
            windows = choose_windows(series)
            assert windows.step == "month"
            assert windows.starts[:3] == (date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))

    @pytest.mark.parametrize("moments", [[], [None, None]])
    def test_without_any_time(self, moments: list[datetime | None]) -> None:
        windows = choose_windows(times(*moments))
        assert windows.now is None
        assert windows.starts == ()

    def test_one_moment_is_one_window(self) -> None:
        windows = choose_windows(times(*[MONDAY] * 5))
        assert windows.starts == (date(2024, 1, 1),)
        assert windows.index.tolist() == [0] * 5

    def test_naive_times_are_utc(self) -> None:
        naive = pl.Series([m.replace(tzinfo=None) for m in daily(9)])
        assert choose_windows(naive).starts == choose_windows(times(*daily(9))).starts

    def test_refuses_words(self) -> None:
        with pytest.raises(InputError, match="posted_at"):
            choose_windows(pl.Series(["yesterday"]))


class TestCopies:
    def photos(self, rows: list[tuple[str, str | None, int | None]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema={"post_id": pl.String, "sha256": pl.String, "phash": pl.Int64}, orient="row")

    def test_same_bytes_or_near_hash(self) -> None:
        base = 0x0F0F_3C3C_5A5A_9696
        found = copy_groups(
            self.photos([
                ("a", "s1", None), ("b", "s1", None), ("c", None, base), ("d", None, base ^ 0b1111),
                ("e", None, base ^ 0b11111 << 20), ("f", "s2", None),
            ])
        )  # fmt: skip
        groups = {frozenset(g["post_id"]) for _, g in found.group_by("group")}
        assert groups == {frozenset("ab"), frozenset("cd")}

    def test_even_surfaces_are_not_copies(self) -> None:
        assert copy_groups(self.photos([("a", None, 0), ("b", None, 0), ("c", None, -1), ("d", None, -1)])).is_empty()

    def test_one_shape_in_two_colours_is_two_photos(self) -> None:
        base = 0x0F0F_3C3C_5A5A_9696

        def tint(*octets: int) -> int:
            return sum(octet << (8 * n) for n, octet in enumerate(octets))

        red, redder, blue = (tint(200, 150, 150, r, g, b) for r, g, b in ((180, 20, 30), (184, 22, 27), (20, 30, 170)))
        rows = [("a", base, red), ("b", base, blue), ("c", base ^ 1, redder), ("d", base ^ 2, blue + 3)]
        table = pl.DataFrame(rows, schema=["post_id", "phash", "colours"], orient="row")
        groups = {frozenset(g["post_id"]) for _, g in copy_groups(table, radius=2).group_by("group")}
        assert groups == {frozenset("ac"), frozenset("bd")}
        unknown = pl.concat(
            [table, pl.DataFrame({"post_id": ["e"], "phash": [base], "colours": [None]})], how="vertical_relaxed"
        )
        assert copy_groups(unknown, radius=2)["group"].n_unique() == 1  # where colours are not known, the hash decides

    def test_copies_equal_brute_force(self) -> None:
        rng = np.random.default_rng(5)
        shapes = rng.integers(2**8, 2**62, 12)
        hashes = shapes[rng.integers(12, size=150)] ^ (rng.integers(2, size=150) << rng.integers(60, size=150))
        octets = rng.choice([8, 16, 24, 200], (150, 6)).astype(np.int64)
        colours = (octets << (8 * np.arange(6))).sum(axis=1)
        table = pl.DataFrame({"post_id": [f"p{i}" for i in range(150)], "phash": hashes, "colours": colours})
        edges = [
            (i, j)
            for i in range(150)
            for j in range(i)
            if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 2 and (abs(octets[i] // 8 - octets[j] // 8) <= 1).all()
        ]
        label = components(150, np.array(edges, dtype=np.int64).reshape(-1, 2))
        wanted = {frozenset(np.flatnonzero(label == c).tolist()) for c in set(label.tolist()) if (label == c).sum() > 1}
        found = copy_groups(table, radius=2)
        assert {frozenset(int(p[1:]) for p in g["post_id"]) for _, g in found.group_by("group")} == wanted
        assert wanted

    def test_nothing_known(self) -> None:
        assert copy_groups(self.photos([])).is_empty()
        assert copy_groups(pl.DataFrame({"post_id": ["a", "b"]})).is_empty()

    def test_near_pairs_equal_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        hashes = rng.integers(0, 2**63, 300, dtype=np.uint64)
        hashes = np.unique(
            np.r_[hashes, hashes[:60] ^ np.uint64(1 << 40 | 1 << 3), hashes[:60] ^ np.uint64(0xF000_0000_0000_000F)]
        )
        far = [
            (i, j)
            for i in range(len(hashes))
            for j in range(i)
            if 0 < (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 4
        ]
        assert {tuple(sorted(p)) for p in near_pairs(hashes).tolist()} == {tuple(sorted(p)) for p in far}
        assert len(far) >= 60

    @given(
        st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2))))
    )
    def test_components_equal_brute_force(self, graph: tuple[int, list[tuple[int, int]]]) -> None:
        nodes, edges = graph
        groups = [{i} for i in range(nodes)]
        for i, j in edges:
            mine, other = (next(g for g in groups if k in g) for k in (i, j))
            if mine is not other:
                mine |= other
                groups.remove(other)
        expected = sorted(groups, key=min)
        found = components(nodes, np.array(edges, dtype=np.int64).reshape(-1, 2))
        assert [set(np.flatnonzero(found == c).tolist()) for c in range(len(expected))] == expected

    def test_components_of_a_long_shuffled_chain(self) -> None:
        order = np.random.default_rng(0).permutation(20_000)
        chain = np.column_stack([order[:-1], order[1:]])
        assert not components(20_000, chain).any()
        assert components(20_000, np.delete(chain, 9_999, axis=0)).max() == 1
        assert components(0, chain[:0]).tolist() == []


class TestTally:
    def test_counts_by_hand(self) -> None:
        rows: list[Row] = [(f"d{i}", m, f"person{i % 3}") for i, m in enumerate(daily(2))]
        rows += [
            ("x1", MONDAY, "ann"),
            ("x2", MONDAY, "ann"),
            ("x3", MONDAY, None),
            ("x4", MONDAY, None),
            ("x5", None, "bob"),
        ]
        found = tally(posts(rows), members("look", ["x1", "x2", "x3", "x4", "x5", "unknown"]))
        first = found.series.row(0, named=True)
        assert (first["numerator"], first["authors"], first["denominator"]) == (3, 3, 6)
        assert first["share"] == pytest.approx(0.5)
        assert first["window_start"] == date(2024, 1, 1)
        assert found.series["numerator"].to_list() == [3, 0]
        assert found.members["window_start"].to_list() == [date(2024, 1, 1)] * 4 + [None]

    def test_copies_count_once_but_stay_members(self) -> None:
        rows = [(f"d{i}", m, "someone") for i, m in enumerate(daily(2))]
        rows += [(f"c{i}", MONDAY + timedelta(hours=i), f"person{i}") for i in range(9)]
        copies = pl.DataFrame({"post_id": [f"c{i}" for i in range(8)], "group": [0] * 8})
        found = tally(posts(rows), members("look", [f"c{i}" for i in range(9)]), copies=copies)
        first = found.series.row(0, named=True)
        assert (first["numerator"], first["authors"], first["denominator"]) == (2, 9, 10)
        assert found.members.height == 9
        assert found.report["copies"] == 7

    def test_a_segment_is_the_same_function(self) -> None:
        rows = [(f"p{i}", m, f"a{i}") for i, m in enumerate(daily(9))]
        table = posts(rows)
        half = tally(table.filter(pl.col("post_id") < "p5"), members("t", [r[0] for r in rows]))
        assert set(half.members["post_id"]) == {r[0] for r in rows if r[0] < "p5"}

    def test_refuses_a_table_without_times(self) -> None:
        with pytest.raises(InputError, match="posted_at"):
            tally(pl.DataFrame({"post_id": ["a"]}), members("t", ["a"]))

    def test_empty(self) -> None:
        found = tally(posts([]), members("t", []))
        assert found.series.is_empty()
        assert found.members.is_empty()


RAW = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=60)


def build(raw: list[tuple[int, int, bool, bool]]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    rows = [
        (f"p{i:03d}", MONDAY + timedelta(days=d), f"a{a}" if known else None) for i, (d, a, known, _) in enumerate(raw)
    ]
    shown = [f"p{i:03d}" for i, r in enumerate(raw) if r[3]]
    copies = pl.DataFrame(
        {"post_id": [f"p{i:03d}" for i in range(0, len(raw), 4)], "group": [i % 2 for i in range(0, len(raw), 4)]}
    )
    return posts(rows), members("t", shown), copies


@settings(max_examples=60, deadline=None)
@given(RAW, st.randoms(use_true_random=False))
def test_order_of_posts_changes_nothing(raw: list[tuple[int, int, bool, bool]], random: object) -> None:
    table, shown, copies = build(raw)
    order = np.random.default_rng(len(raw)).permutation(table.height)
    again = tally(table[order], shown.reverse(), copies=copies.reverse())
    first = tally(table, shown, copies=copies)
    assert first.series.equals(again.series)
    assert first.members.equals(again.members)
    assert np.array_equal(first.exposure, again.exposure)


@settings(max_examples=60, deadline=None)
@given(RAW)
def test_shares_are_shares_and_repeats_do_not_count(raw: list[tuple[int, int, bool, bool]]) -> None:
    raw = [(d, a, True, shown) for d, a, _, shown in raw]
    table, shown, copies = build(raw)
    first = tally(table, shown, copies=copies)
    assert first.series["share"].is_between(0, 1).all()
    assert (first.series["numerator"] <= first.series["denominator"]).all()
    assert (first.series["numerator"] <= first.series["authors"]).all()
    twice = pl.concat([table, table.with_columns(pl.col("post_id") + "again")])
    both = pl.concat([shown, shown.with_columns(pl.col("post_id") + "again")])
    again = tally(
        twice,
        both,
        copies=pl.concat([copies, copies.with_columns(pl.col("post_id") + "again")]),
        step=first.windows.step,
    )
    if again.windows.starts == first.windows.starts:
        assert first.series.drop("posts", "distinct").equals(again.series.drop("posts", "distinct"))
        assert (2 * first.series["posts"]).equals(again.series["posts"])


def test_raw_posts_and_distinct_photos_stand_beside_people() -> None:
    table = posts(
        [("p1", MONDAY, "a"), ("p2", MONDAY, "a"), ("p3", MONDAY, "b"), ("p4", MONDAY, "c"), ("p5", MONDAY, "d")]
    )
    copies = pl.DataFrame({"post_id": ["p3", "p4"], "group": [1, 1]})
    found = tally(
        table, members("t", ["p1", "p2", "p3", "p4"]), copies=copies, as_of=MONDAY + timedelta(weeks=1)
    ).series
    assert found.select("posts", "distinct", "authors", "numerator", "denominator").row(0) == (4, 3, 3, 2, 4)


class TestAttributes:
    def test_pairs_belong_to_one_garment(self) -> None:
        tags = pl.DataFrame(
            [("k1", 1, "type", "shirt"), ("k1", 1, "colour", "red"), ("k1", 2, "type", "skirt"), ("k1", 2, "colour", "blue"),
             ("k1", 2, "pattern", "plain"), ("k1", 1, "pattern", "check"), ("k1", 1, "sleeves", "long")],
            schema=["key", "garment", "group", "value"], orient="row",
        )  # fmt: skip
        photos = pl.DataFrame({"key": ["k1"], "post_id": ["p1"]})
        found = attribute_members(tags, photos, posts([("p1", MONDAY, "a")]), min_posts=1, min_authors=1)
        assert set(found["trend_id"]) == {
            "attribute:type:shirt", "attribute:type:skirt", "attribute:colour:red", "attribute:colour:blue",
            "attribute:pattern:check", "attribute:type:shirt+colour:red", "attribute:type:skirt+colour:blue",
            "attribute:type:shirt+pattern:check",
        }  # fmt: skip

    def test_shades_are_also_counted_together(self) -> None:
        keys = [f"k{i}" for i in range(40)]
        shade = ["navy"] * 10 + ["light blue"] * 10 + ["red"] * 19 + ["burgundy"]
        tags = pl.DataFrame({"key": keys * 2, "garment": [0] * 80, "group": ["type"] * 40 + ["colour"] * 40,
                             "value": ["shirt"] * 40 + shade})  # fmt: skip
        photos = pl.DataFrame({"key": keys, "post_id": keys})
        table = posts([(k, MONDAY, k) for k in keys])
        found = attribute_members(tags, photos, table, min_posts=5, min_authors=5)
        size = dict(found.group_by("trend_id").len().iter_rows())
        assert size["attribute:type:shirt+colour:any blue"] == size["attribute:colour:any blue"] == 20
        assert "attribute:colour:any red" not in size  # nearly all of it is red

    def test_how_probably_a_post_shows_a_trend(self) -> None:
        """A pair's probability is the product of one garment's values, a family's the sum of its shades', a post's the most."""
        tags = pl.DataFrame(
            [("k1", 1, "type", "shirt", 0.9), ("k1", 1, "colour", "navy", 0.5), ("k1", 1, "colour", "light blue", 0.3),
             ("k1", 2, "type", "shirt", 0.6), ("k1", 2, "colour", "navy", 0.8), ("k1", 2, "colour", "light blue", 0.25),
             ("k2", 0, "type", "shirt", None), ("k2", 0, "colour", "blue", 0.7)],
            schema=["key", "garment", "group", "value", "probability"], orient="row",
        )  # fmt: skip
        photos = pl.DataFrame({"key": ["k1", "k2"], "post_id": ["p1", "p2"]})
        table = posts([("p1", MONDAY, "a"), ("p2", MONDAY, "b")])
        found = attribute_members(tags, photos, table, min_posts=1, min_authors=1)
        chance = {(trend, post): p for trend, post, p in found.iter_rows()}
        assert chance == pytest.approx({
            ("attribute:type:shirt", "p1"): 0.9, ("attribute:type:shirt", "p2"): 1.0,
            ("attribute:colour:navy", "p1"): 0.8, ("attribute:colour:light blue", "p1"): 0.3,
            ("attribute:colour:blue", "p2"): 0.7,
            ("attribute:colour:any blue", "p1"): 1.0, ("attribute:colour:any blue", "p2"): 0.7,
            ("attribute:type:shirt+colour:navy", "p1"): 0.48, ("attribute:type:shirt+colour:light blue", "p1"): 0.27,
            ("attribute:type:shirt+colour:blue", "p2"): 0.7,
            ("attribute:type:shirt+colour:any blue", "p1"): 0.72, ("attribute:type:shirt+colour:any blue", "p2"): 0.7,
        })  # fmt: skip

    def test_probabilities_stand_beside_members_and_change_no_count(self) -> None:
        table = posts([("p1", MONDAY, "a"), ("p2", MONDAY, "b"), ("p3", MONDAY, "c")])
        shown = members("t", ["p1", "p2", "p3"]).with_columns(probability=pl.Series([0.2, None, 0.9]))
        until = MONDAY + timedelta(weeks=1)
        found = tally(table, shown, as_of=until)
        assert found.row_probability.tolist() == [0.2, 1.0, 0.9]
        assert found.members["probability"].to_list() == [0.2, 1.0, 0.9]
        assert found.series.equals(tally(table, shown.drop("probability"), as_of=until).series)

    def test_support_in_posts_and_authors(self) -> None:
        keys = [f"k{i}" for i in range(30)]
        tags = pl.DataFrame(
            {"key": keys, "garment": [0] * 30, "group": ["type"] * 30, "value": ["shirt"] * 20 + ["hat"] * 10}
        )
        photos = pl.DataFrame({"key": keys, "post_id": keys})
        table = posts([(k, MONDAY, f"a{i % 12}" if i < 20 else "one") for i, k in enumerate(keys)])
        assert set(attribute_members(tags, photos, table, min_posts=10, min_authors=5)["trend_id"]) == {
            "attribute:type:shirt"
        }
        assert math.isclose(attribute_members(tags, photos, table, min_posts=21).height, 0)


class TestParts:
    def test_every_type_of_the_taxonomy_shows_a_part(self) -> None:
        types = next(group for group in load_taxonomy(TAXONOMY).groups if group.name == "type")
        assert {value.value for value in types.values} == set().union(*PARTS.values())

    def test_posts_that_show_a_part(self) -> None:
        tags = pl.DataFrame(
            [("a", "type", "dress"), ("a", "colour", "red"), ("b", "type", "boots"), ("c", "colour", "boots")],
            schema=["key", "group", "value"],
            orient="row",
        )
        photos = pl.DataFrame({"key": ["a", "b", "b", "c"], "post_id": ["1", "2", "3", "4"]})
        assert sorted(posts_showing("lower", tags, photos)) == ["1"]
        assert sorted(posts_showing("upper", tags, photos)) == ["1"]
        assert sorted(posts_showing("feet", tags, photos)) == ["2", "3"]
        assert posts_showing("bag", tags, photos).is_empty()
