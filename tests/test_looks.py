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
    assign,
    assignment_cuts,
    attribute_names,
    centroids,
    communities,
    exemplars,
    identify,
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
