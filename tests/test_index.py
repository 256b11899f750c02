"""Neighbours are right against brute force, and a saved index is whole or not there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.errors import VectorIndexError
from trendloom.index import VectorIndex, neighbours
from trendloom.types import Floats


def unit(n: int, dim: int = 16, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@given(n=st.integers(1, 60), k=st.integers(1, 20), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_neighbours_are_those_of_brute_force(n: int, k: int, seed: int) -> None:
    rows = unit(n, seed=seed)
    ids, cosines = neighbours(rows, k)
    assert ids.shape == cosines.shape == (n, k)
    near = rows @ rows.T
    np.fill_diagonal(near, -2)
    for row in range(n):
        there = min(k, n - 1)
        wanted = np.sort(near[row])[::-1][:there]
        np.testing.assert_allclose(cosines[row, :there], wanted, atol=1e-5)
        assert row not in ids[row]
        assert (ids[row, there:] == -1).all()


def test_duplicates_keep_the_row_itself_out() -> None:
    rows = np.repeat(unit(1), 6, axis=0)
    ids, _ = neighbours(rows, 3)
    assert all(row not in ids[row] for row in range(6))


def test_search_save_and_load(tmp_path: Path) -> None:
    rows = unit(50)
    index = VectorIndex.build(rows, [f"k{n}" for n in range(50)], stamp="s")
    assert index.search(rows[7:8], 3)[0][0][0] == "k7"
    index.save(tmp_path / "i")
    again = VectorIndex.load(tmp_path / "i")
    assert again.stamp == "s"
    assert again.search(rows[:5], 4) == index.search(rows[:5], 4)


def test_an_empty_index_finds_nothing() -> None:
    assert VectorIndex.build(np.zeros((0, 16), np.float32), []).search(unit(1), 3) == [[]]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VectorIndexError, match="one id per vector"):
        VectorIndex.build(unit(3), ["a"])
    with pytest.raises(VectorIndexError, match="dimension"):
        VectorIndex.build(unit(3), ["a", "b", "c"]).search(unit(1, dim=8), 1)
    with pytest.raises(VectorIndexError, match="rebuilt"):
        VectorIndex.load(tmp_path)
