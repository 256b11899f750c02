"""Looks: communities, centres, assignment, lasting ids, names."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trendloom.errors import InputError
from trendloom.looks import (
    EVENTS,
    assign,
    assignment_cuts,
    attribute_names,
    author_words,
    carried,
    centroids,
    communities,
    exemplars,
    fineness,
    identify,
    issued_ids,
    lineage,
    look_words,
    merge_alike,
    name_looks,
    plural,
)


def groups(count: int, each: int, dim: int = 16, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(count, dim))
    label = np.repeat(np.arange(count), each)
    vectors = centre[label] + 0.25 * rng.normal(size=(count * each, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), label.astype(np.int64)


def nearest(vectors: NDArray[np.float32], k: int = 10) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :k].astype(np.int64)
    return order, np.take_along_axis(cosine, order, axis=1).astype(np.float32)


class TestCommunities:
    def test_finds_planted_groups_and_leaves_strays_out(self) -> None:
        vectors, truth = groups(12, 40)
        neighbours, cosines = nearest(vectors)
        labels = communities(neighbours, cosines, resolution=2, min_size=10)
        assert labels.max() == 11
        assert all(len(set(labels[truth == g])) == 1 for g in range(12))
        alone = np.full((1, 10), -1, dtype=np.int64)
        more = communities(
            np.r_[neighbours, alone], np.r_[cosines, np.zeros((1, 10), np.float32)], resolution=2, min_size=10
        )
        assert more[-1] == -1

    def test_same_input_and_seed_same_labels(self) -> None:
        neighbours, cosines = nearest(groups(5, 30)[0])
        assert np.array_equal(communities(neighbours, cosines), communities(neighbours, cosines))

    def test_mutual_neighbours_bind_more_than_one_way_ones_and_repeats_count_once(self) -> None:
        # two cliques of four; the row between them is a mutual neighbour of the first and merely points at the second
        cliques = [[j for j in range(a, a + 4) if j != i] for a in (0, 4) for i in range(a, a + 4)]
        neighbours = np.array([[*c, 8 if i < 4 else -1, -1] for i, c in enumerate(cliques)] + [[0, 1, 2, 4, 4]])
        labels = communities(neighbours, np.ones(neighbours.shape, np.float32), resolution=1, min_size=1)
        assert labels.tolist() == [0] * 4 + [1] * 4 + [0]

    def test_groups_that_blur_are_told_apart_as_far_as_they_can_be(self) -> None:
        vectors, truth = groups(30, 60, dim=32, seed=3)
        vectors = vectors + 0.1 * np.random.default_rng(4).normal(size=vectors.shape).astype(np.float32)
        labels = communities(*nearest(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 15), resolution=8)
        pure = sum(np.bincount(truth[labels == look]).max() for look in range(labels.max() + 1))
        assert pure / len(truth) > 0.95
        assert 28 <= labels.max() + 1 <= 36

    def test_nothing_above_the_cut_is_noise(self) -> None:
        neighbours, cosines = nearest(groups(2, 10)[0])
        assert set(communities(neighbours, cosines, cut=1.1)) == {-1}

    @pytest.mark.parametrize("n", [0, 1])
    def test_nothing_to_group(self, n: int) -> None:
        empty = np.full((n, 4), -1, dtype=np.int64)
        assert communities(empty, np.zeros((n, 4), np.float32)).tolist() == [-1] * n

    def test_refuses_shapes_and_rows_that_do_not_fit(self) -> None:
        with pytest.raises(InputError, match="one shape"):
            communities(np.zeros((3, 2), np.int64), np.zeros((3, 1), np.float32))
        with pytest.raises(InputError, match="below 3"):
            communities(np.full((3, 2), 7, np.int64), np.zeros((3, 2), np.float32))


class TestMerging:
    def test_pieces_of_one_group_are_joined_and_groups_are_not(self) -> None:
        vectors, truth = groups(8, 60)
        pieces = truth * 3 + np.arange(len(truth)) % 3
        assert np.array_equal(merge_alike(vectors, pieces), truth)
        noise = np.where(np.arange(len(truth)) % 10 == 0, -1, pieces)
        found = merge_alike(vectors, noise)
        assert set(found[noise < 0]) == {-1}
        assert found.max() == 7

    def test_a_common_direction_of_all_rows_does_not_count(self) -> None:
        vectors, truth = groups(5, 40, seed=2)
        shifted = vectors + 3 * np.eye(1, 16, dtype=np.float32)
        shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
        assert (shifted @ shifted.T).min() > 0.8
        assert merge_alike(shifted, truth).max() == 4

    def test_small_groups_are_none_and_nothing_stays_nothing(self) -> None:
        vectors, truth = groups(2, 15)
        assert merge_alike(vectors, truth, min_size=16).tolist() == [-1] * 30
        assert merge_alike(vectors, np.full(30, -1, np.int64)).tolist() == [-1] * 30
        assert merge_alike(vectors[:0], truth[:0]).tolist() == []

    @given(st.integers(0, 30), st.integers(2, 9))
    def test_no_two_centres_are_left_that_are_alike(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(60, 4)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pieces = rng.integers(-1, count, 60)
        _, pieces = np.unique(pieces, return_inverse=True)
        found = merge_alike(vectors, pieces.astype(np.int64), least=0.5, min_size=1)
        centres = centroids(vectors - vectors.mean(axis=0), found)
        near = centres @ centres.T - 2 * np.eye(len(centres))
        assert near.max(initial=-1) < 0.5 + 1e-5
        for piece in range(pieces.max() + 1):
            assert len(set(found[pieces == piece])) == 1

    def test_pieces_are_finer_than_looks(self) -> None:
        assert [fineness(n) for n in (10, 400, 3200, 12_000, 100_000)] == [1, 4, 32, 32, 250]


class TestMembers:
    def test_members_find_their_centre_and_strangers_do_not(self) -> None:
        vectors, labels = groups(6, 50)
        centres = centroids(vectors, labels)
        assert np.linalg.norm(centres, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
        cuts = assignment_cuts(vectors, labels, centres, keep=0.9)
        found = assign(vectors, centres, cuts)
        assert set(found[found >= 0] == labels[found >= 0]) == {True}
        assert (found >= 0).mean() == pytest.approx(0.9, abs=0.03)
        strangers = np.random.default_rng(9).normal(size=(200, 16)).astype(np.float32)
        strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
        assert (assign(strangers, centres, cuts) >= 0).mean() < 0.05

    def test_centres_are_mean_directions_and_an_unused_label_has_none(self) -> None:
        vectors = np.array([[1, 0], [0, 1], [0, -1], [0, 1]], dtype=np.float32)
        centres = centroids(vectors, np.array([2, 2, -1, 0]))
        assert centres == pytest.approx(np.array([[0, 1], [0, 0], [0.5**0.5, 0.5**0.5]]), abs=1e-6)

    def test_without_looks(self) -> None:
        vectors = groups(1, 5)[0]
        noise = np.full(5, -1, dtype=np.int64)
        centres = centroids(vectors, noise)
        cuts = assignment_cuts(vectors, noise, centres)
        assert assign(vectors, centres, cuts).tolist() == [-1] * 5
        assert exemplars(vectors, noise, centres, np.arange(5)).shape == (0, 9)

    def test_exemplars_are_near_and_of_distinct_people(self) -> None:
        vectors, labels = groups(2, 30)
        owners = np.arange(60) % 5
        rows = exemplars(vectors, labels, centroids(vectors, labels), owners, count=7)
        assert [len(set(owners[r[:5]])) for r in rows] == [5, 5]
        assert (labels[rows] == np.array([[0], [1]])).all()
        assert exemplars(vectors[:3], labels[:3], centroids(vectors[:3], labels[:3]), owners[:3], count=5)[
            0, 3:
        ].tolist() == [-1, -1]


class TestIdentity:
    def test_same_rows_same_ids_whatever_the_order(self) -> None:
        keys = [f"k{i}" for i in range(9)]
        labels = np.repeat([0, 1, 2], 3)
        first = identify(labels, keys, np.array([0, 3, 6]))
        assert len(set(first)) == 3
        swapped = identify(2 - labels, keys, np.array([6, 3, 0]))
        assert swapped == first[::-1]

    def test_a_look_that_grows_keeps_its_id_and_a_split_gives_one(self) -> None:
        keys = [f"k{i}" for i in range(40)]
        before = dict.fromkeys(keys[:20], "look:old")
        grown = identify(np.zeros(40, np.int64), keys, np.array([30]), before)
        assert grown == ["look:old"]
        split = identify(np.r_[np.zeros(12, np.int64), np.ones(8, np.int64)], keys[:20], np.array([0, 12]), before)
        assert split[0] == "look:old"
        assert split[1] != "look:old"

    def test_a_splinter_and_a_second_choice_are_other_looks(self) -> None:
        keys = [f"k{i}" for i in range(100)]
        shattered = np.array([i // 20 for i in range(100)], dtype=np.int64)
        medoids = np.arange(0, 100, 20)
        assert "look:old" not in identify(shattered, keys, medoids, dict.fromkeys(keys, "look:old"))
        # most of the second look comes from a, which goes on elsewhere: it is not b, though all of b is in it
        labels = np.repeat([0, 1], [60, 40]).astype(np.int64)
        before = dict.fromkeys(keys[:90], "look:a") | dict.fromkeys(keys[90:], "look:b")
        found = identify(labels, keys, np.array([0, 60]), before)
        assert found[0] == "look:a"
        assert found[1] not in before.values()

    def test_an_id_that_was_ever_given_is_not_given_again(self) -> None:
        labels, keys, medoid = np.zeros(3, np.int64), ["a", "b", "c"], np.array([1])
        (first,) = identify(labels, keys, medoid)
        (second,) = identify(labels, keys, medoid, issued=[first])
        (third,) = identify(labels, keys, medoid, {"gone": second}, [first])
        assert len({first, second, third}) == 3

    @given(st.lists(st.integers(-1, 4), min_size=1, max_size=40))
    def test_a_second_run_changes_nothing(self, values: list[int]) -> None:
        kept = sorted({v for v in values if v >= 0})
        labels = np.array([kept.index(v) if v >= 0 else -1 for v in values], dtype=np.int64)
        keys = [f"k{i}" for i in range(len(values))]
        medoids = np.array([int(np.flatnonzero(labels == g)[0]) for g in range(len(kept))], dtype=np.int64)
        first = identify(labels, keys, medoids)
        assert len(set(first)) == len(first)
        previous = {k: first[v] for k, v in zip(keys, labels.tolist(), strict=True) if v >= 0}
        assert identify(labels, keys, medoids, previous) == first


def flat(*pairs: tuple[str | None, str | None, int]) -> tuple[NDArray[np.int64], list[str], list[str], dict[str, str]]:
    """Labels, keys, ids and earlier looks of garments given as (look before, look now, how many)."""
    ids = sorted({now for _, now, _ in pairs if now})
    labels: list[int] = []
    before: dict[str, str] = {}
    for was, now, count in pairs:
        for _ in range(count):
            if was:
                before[f"k{len(labels)}"] = was
            labels.append(ids.index(now) if now else -1)
    return np.array(labels, dtype=np.int64), [f"k{n}" for n in range(len(labels))], ids, before


def events(*pairs: tuple[str | None, str | None, int]) -> list[tuple[object, ...]]:
    labels, keys, ids, before = flat(*pairs)
    rows = lineage(labels, keys, ids, np.arange(len(keys)), before)
    return [
        (r["event"], r["parent_id"], r["child_id"], r["garments"], r["of_parent"], r["of_child"])
        for r in rows.iter_rows(named=True)
    ]


class TestLineage:
    def test_first_looks_are_born(self) -> None:
        assert events((None, "a", 3), (None, None, 2)) == [("birth", None, "a", 3, None, None)]

    def test_a_split_and_what_goes_on(self) -> None:
        assert events(("a", "a", 12), ("a", "b", 6), ("a", None, 2)) == [
            ("continuation", "a", "a", 12, pytest.approx(0.6), 1.0),
            ("split", "a", "b", 6, pytest.approx(0.3), 1.0),
        ]

    def test_a_merge_into_one_that_goes_on_and_into_a_new_one(self) -> None:
        assert events(("a", "a", 20), ("b", "a", 10)) == [
            ("continuation", "a", "a", 20, 1.0, pytest.approx(2 / 3)),
            ("merge", "b", "a", 10, 1.0, pytest.approx(1 / 3)),
        ]
        assert [e[:4] for e in events(("a", "c", 10), ("b", "c", 10))] == [
            ("merge", "a", "c", 10),
            ("merge", "b", "c", 10),
        ]

    def test_a_move_between_two_that_go_on(self) -> None:
        assert [e[:4] for e in events(("a", "a", 10), ("a", "b", 5), ("b", "b", 20))] == [
            ("continuation", "a", "a", 10),
            ("continuation", "b", "b", 20),
            ("move", "a", "b", 5),
        ]

    def test_deaths_and_what_is_too_little_to_tell(self) -> None:
        assert events(("a", None, 9), (None, "b", 9), ("a", "b", 1)) == [
            ("birth", None, "b", 10, None, None),
            ("death", "a", None, 10, None, None),
        ]
        labels, keys, ids, before = flat(("a", "a", 5))
        gone = lineage(labels, keys, ids, np.zeros(5, np.int64), before | {"erased": "z"})
        assert gone.select("event", "parent_id", "garments", "authors").rows()[1] == ("death", "z", 0, 0)

    def test_authors_are_counted_once(self) -> None:
        labels, keys, ids, before = flat(("a", "b", 8))
        assert lineage(labels, keys, ids, np.arange(8) % 3, before)["authors"].to_list() == [3]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, "a", "b", "d"]), st.integers(1, 9)
            ),
            max_size=12,
        )
    )
    def test_every_look_has_its_row_and_shares_are_shares(
        self, pairs: list[tuple[str | None, str | None, int]]
    ) -> None:
        labels, keys, ids, before = flat(*pairs)
        rows = lineage(labels, keys, ids, np.arange(len(keys)), before)
        assert set(rows["parent_id"].drop_nulls()) >= set(before.values()) - set(ids)
        assert set(rows["child_id"].drop_nulls()) >= set(ids) - set(before.values())
        for side in ("of_parent", "of_child"):
            assert rows[side].drop_nulls().is_between(0, 1).all()
        assert issued_ids(rows) >= set(ids) ^ set(before.values())
        assert set(carried(rows)["event"]) <= set(EVENTS) - {"continuation"}


class TestNames:
    @pytest.mark.parametrize(
        ("one", "many"),
        [("shirt", "shirts"), ("dress", "dresses"), ("watch", "watches"), ("scarf", "scarves"), ("jeans", "jeans"),
         ("body", "bodies"), ("T-shirt", "T-shirts"), ("leggings/tights", "leggings/tights"), ("sweater", "sweaters")],
    )  # fmt: skip
    def test_plural(self, one: str, many: str) -> None:
        assert plural(one) == many

    def test_attributes(self) -> None:
        ids = pl.Series(
            ["attribute:type:shirt+colour:red", "attribute:type:Dress+pattern:floral", "attribute:colour:navy blue"]
        )
        assert attribute_names(ids)["label"].to_list() == ["red shirts", "floral dresses", "navy blue"]
        assert attribute_names(ids.head(0)).columns == ["trend_id", "kind", "label"]

    def test_looks_by_their_tags_and_namesakes_apart(self) -> None:
        labels = np.repeat([0, 1, 2, -1], 10).astype(np.int64)
        rows = []
        for row, look in enumerate(labels.tolist()):
            rows += [
                (row, "type", "skirt" if look == 2 else "shirt"),
                (row, "colour", "red"),
                (row, "pattern", "check" if look < 2 else "plain"),
            ]
            rows += [(row, "sleeves", "long sleeves")] if look == 1 else []
        tags = pl.DataFrame(rows, schema=["row", "group", "value"], orient="row")
        assert name_looks(labels, tags) == ["red check shirts", "red check shirts, long sleeves", "red skirts"]

    def test_names_are_given_once(self) -> None:
        labels = np.repeat([0, 1], 5).astype(np.int64)
        tags = pl.DataFrame({"row": np.arange(10), "group": ["type"] * 10, "value": ["hat"] * 10})
        assert name_looks(labels, tags) == ["hats", "hats (2)"]
        assert name_looks(labels, tags.head(0)) == ["unnamed", "unnamed (2)"]
        assert name_looks(np.array([], dtype=np.int64), tags.head(0)) == []

    def test_a_colour_that_is_rarer_than_in_the_rest_of_its_type_is_no_name(self) -> None:
        # half of the look's bags are black, but nearly all other bags are: what sets it apart is the check
        labels = np.repeat([0, -1], [20, 80]).astype(np.int64)
        rows = [(row, "type", "bag") for row in range(100)]
        rows += [(row, "colour", "black") for row in [*range(10), *range(20, 98)]]
        rows += [(row, "pattern", "check") for row in range(9)]
        assert name_looks(labels, pl.DataFrame(rows, schema=["row", "group", "value"], orient="row")) == ["check bags"]

    def test_words_follow_unless_the_name_says_them(self) -> None:
        labels = np.repeat([0, 1], 5).astype(np.int64)
        tags = pl.DataFrame({"row": np.arange(10), "group": ["type"] * 10, "value": ["shirt"] * 10})
        assert name_looks(labels, tags, {0: "#grunge", 1: "#shirts"}) == ["shirts, #grunge", "shirts"]


def said(*posts: tuple[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(f"p{n}", who, text) for n, (who, text) in enumerate(posts)],
        schema=["post_id", "who", "caption"],
        orient="row",
    )


def by(count: int, text: str, prefix: str = "a") -> list[tuple[str, str | None]]:
    return [(f"{prefix}{n}", text) for n in range(count)]


class TestWords:
    def test_words_of_enough_people_without_names_handles_or_addresses(self) -> None:
        texts = (
            "Grunge again with @kate.m kate@mail.org www.shop.com/grunge2 https://x.y/z #Y2K #KateMoss #taylorswift 90s"
        )
        assert set(author_words(said(*by(10, texts)))["word"]) == {"grunge", "y2k", "90s"}
        assert author_words(said(*by(9, texts))).is_empty()
        assert author_words(said(*by(1, "grunge") * 30)).is_empty()  # one loud author

    def test_what_is_written_like_a_name_or_refused_is_none(self) -> None:
        words = author_words(said(*by(12, "seen at Dubrowski with mesh tights")), refused=lambda word: word == "tights")
        assert set(words["word"]) == {"seen", "mesh"}

    @staticmethod
    def shown(posts: list[tuple[str, str | None]], looks: list[int], types: list[str]) -> dict[int, str]:
        captions = said(*posts)
        rows = captions.select("post_id", "who", row=pl.Series(range(len(posts)), dtype=pl.Int64))
        spoken = rows.join(author_words(captions).drop("who"), on="post_id", how="left")
        kinds = pl.DataFrame({"row": range(len(posts)), "value": types})
        named = {look: types[looks.index(look)] for look in set(looks) if look >= 0}
        return look_words(np.array(looks, dtype=np.int64), named, kinds, spoken)

    def test_a_word_that_the_rest_of_the_category_does_not_use(self) -> None:
        posts = by(20, "my #grunge #ootd") + by(20, "plain words #ootd", "b") + by(40, "#grunge music #ootd", "c")
        types = ["shirt"] * 40 + ["boot"] * 40
        assert self.shown(posts, [0] * 20 + [-1] * 60, types) == {0: "#grunge"}  # boots do not matter to shirts
        assert self.shown(posts, [0] * 20 + [-1] * 60, ["shirt"] * 80) == {}  # as common among other shirts

    def test_a_third_of_the_authors_not_of_the_posts(self) -> None:
        loud = by(1, "#grunge") * 60 + by(12, "#grunge", "b") + by(40, "nothing said", "c")
        rest = by(30, "other words", "d")
        words = self.shown(loud + rest, [0] * len(loud) + [-1] * 30, ["shirt"] * (len(loud) + 30))
        assert "grunge" not in words.get(0, "")

    def test_nothing_said(self) -> None:
        assert self.shown([("a", None)] * 5, [0] * 5, ["shirt"] * 5) == {}
