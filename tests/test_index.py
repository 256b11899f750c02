"""Neighbours and searches are right against brute force; an index changes in place and on disk is whole or not there."""

import os
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.errors import VectorIndexError
from trendloom.index import VectorIndex, files, neighbours, sample_size, vectors
from trendloom.index.files import META
from trendloom.types import Floats


def unit(n: int, dim: int = 16, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def keys(n: int, first: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"key": [f"k{at}" for at in range(first, first + n)]}, schema={"key": pl.String})


def made(rows: Floats, stamp: str = "s") -> VectorIndex:
    return VectorIndex.build([rows[:7], rows[7:]], keys(len(rows)), sample=rows, stamp=stamp)


@pytest.fixture
def small_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists from 200 vectors on, and exact filters up to 50."""
    monkeypatch.setattr(vectors, "FLAT_UP_TO", 200)
    monkeypatch.setattr(vectors, "_EXACT_UP_TO", 50)


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


@given(n=st.integers(8, 60), k=st.integers(1, 70), seed=st.integers(0, 5), share=st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_a_small_index_is_exact_with_and_without_a_filter(n: int, k: int, seed: int, share: float) -> None:
    rows, rng = unit(n, seed=seed), np.random.default_rng(seed)
    index = made(rows)
    allowed = rng.random(n) < share
    query = unit(1, seed=seed + 9)
    cosines = (query @ rows.T)[0]
    for mask in (None, allowed):
        found = index.search(query, k, allowed=mask)[0]
        there = np.arange(n) if mask is None else np.flatnonzero(mask)
        wanted = np.sort(cosines[there])[::-1][:k]
        np.testing.assert_allclose([score for _, score in found], wanted, atol=2e-3)
        np.testing.assert_allclose(cosines[[at for at, _ in found]], wanted, atol=2e-3)
        assert {at for at, _ in found} <= set(there)


@pytest.mark.usefixtures("small_lists")
def test_lists_find_as_many_as_there_are_and_nearly_all_of_the_nearest() -> None:
    rows, queries = unit(2_000), unit(50, seed=3)
    index = made(rows)
    assert index.lists == 178
    exact = np.argsort(-queries @ rows.T, axis=1)[:, :10]
    found = index.search(queries, 10)
    recall = np.mean([len({at for at, _ in row} & set(wanted)) / 10 for row, wanted in zip(found, exact, strict=True)])
    assert recall > 0.6  # directions at random in few dimensions: the worst there is
    for passing in (3, 40, 300, 1_999):
        allowed = np.zeros(index.room, dtype=bool)
        allowed[np.random.default_rng(1).choice(2_000, passing, replace=False)] = True
        for row in index.search(queries[:3], 400, allowed=allowed):
            assert len(row) == min(400, passing)
            assert allowed[[at for at, _ in row]].all()
    few = np.flatnonzero(allowed)[:40]
    allowed[:] = False
    allowed[few] = True
    best = few[np.argmax(queries[:1] @ rows[few].T)]
    assert index.search(queries[:1], 1, allowed=allowed)[0][0][0] == best


@pytest.mark.usefixtures("small_lists")
@pytest.mark.parametrize("count", [50, 1_000])
def test_what_is_added_is_found_and_what_is_removed_is_gone_from_the_disk(count: int, tmp_path: Path) -> None:
    rows, more = unit(count).astype(np.float16).astype(np.float32), unit(20, seed=5)
    made(rows).save(tmp_path)
    reader = VectorIndex.load(tmp_path)
    index = VectorIndex.load(tmp_path, mapped=False)
    lists = index.lists
    index.add(more, keys(20, count))
    secret = rows[3].astype("<f2").tobytes()  # as it lies in the file
    stored = next(tmp_path.glob("vectors-*")).read_bytes()
    index.remove(np.array([3, count + 1]))
    assert (len(index), index.lists) == (count + 18, lists)
    index.save(tmp_path)
    again = VectorIndex.load(tmp_path)
    assert again.search(more[:1], 1)[0][0][0] == count
    for query in (rows[3:4], more[1:2]):
        assert again.search(query, 1)[0][0][1] < 0.99
    assert again.names["key"].to_list() == [f"k{at}" for at in range(count + 20) if at not in (3, count + 1)]
    assert reader.search(rows[3:4], 1)[0][0][0] == 3  # who had the old one open keeps it
    assert secret in stored
    assert secret not in next(tmp_path.glob("vectors-*")).read_bytes()
    assert len(list(tmp_path.glob("vectors-*"))) == 1
    again = VectorIndex.load(tmp_path, mapped=False)
    again.add(unit(1, seed=8), keys(1, 999))
    assert again.names["id"][-1] == count + 20  # an id is never used again


@pytest.mark.usefixtures("small_lists")
def test_lists_are_made_again_when_they_are_outgrown() -> None:
    small, large = made(unit(200)), made(unit(300))
    assert [small.fits(n) for n in (0, 200, 201)] == [True, True, False]
    assert [large.fits(n) for n in (100, 101, 1_200, 1_201)] == [False, True, True, False]
    assert sample_size(10**6) == 256_000
    assert sample_size(300) == 300


def test_a_search_in_a_mapped_index_starts_no_threads(tmp_path: Path) -> None:
    rows = unit(500)
    made(rows).save(tmp_path)
    index = VectorIndex.load(tmp_path)
    before = threading.active_count(), len(list(Path("/proc/self/task").iterdir()))
    assert index.search(rows[:5], 4) == made(rows).search(rows[:5], 4)
    assert (threading.active_count(), len(list(Path("/proc/self/task").iterdir()))) == before


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "names", "meta", "other"])
def test_damage_is_noticed_when_it_is_opened(harm: str, tmp_path: Path) -> None:
    made(unit(50)).save(tmp_path)
    file, names = next(tmp_path.glob("vectors-*")), next(tmp_path.glob("names-*"))
    raw = file.read_bytes()
    match harm:
        case "cut":
            file.write_bytes(raw[: len(raw) // 2])
        case "flip":
            file.write_bytes(raw[:-90] + bytes([raw[-90] ^ 1]) + raw[-89:])
        case "gone":
            file.unlink()
        case "names":
            names.write_bytes(names.read_bytes()[::-1])
        case "meta":
            (tmp_path / META).write_text("{")
        case "other":
            (tmp_path / META).write_text("[]")
    with pytest.raises(VectorIndexError, match="rebuilt"):
        VectorIndex.load(tmp_path)


def test_verify_reads_everything_and_a_copy_is_still_whole(tmp_path: Path) -> None:
    made(unit(50)).save(tmp_path)
    file = next(tmp_path.glob("vectors-*"))
    assert VectorIndex.verify(tmp_path) == sum(p.stat().st_size for p in tmp_path.glob("*-*"))
    raw, before = file.read_bytes(), file.stat().st_mtime_ns
    file.write_bytes(raw)  # other time, same bytes
    assert len(VectorIndex.load(tmp_path)) == 50
    file.write_bytes(raw[:-90] + bytes([raw[-90] ^ 1]) + raw[-89:])
    os.utime(file, ns=(before, before))  # a disk that rots keeps the time
    with pytest.raises(VectorIndexError, match="checksum"):
        VectorIndex.verify(tmp_path)


def test_a_save_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(unit(50), "before").save(tmp_path)
    monkeypatch.setattr(vectors, "_write_names", lambda names, file: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        made(unit(60), "after").save(tmp_path)
    monkeypatch.undo()
    assert VectorIndex.load(tmp_path).stamp == "before"
    made(unit(60), "after").save(tmp_path)
    assert VectorIndex.load(tmp_path).stamp == "after"
    assert len(list(tmp_path.iterdir())) == 4  # what the failed one left is swept up


def test_a_disk_that_gives_back_something_else_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_digest", lambda path: "0" * 64)
    with pytest.raises(VectorIndexError, match="something else"):
        made(unit(50)).save(tmp_path)


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    empty = VectorIndex.build([], keys(0), sample=np.zeros((0, 16), np.float32))
    assert empty.search(unit(1), 3) == [[]]
    empty.save(tmp_path)
    assert VectorIndex.load(tmp_path).search(unit(1), 3) == [[]]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VectorIndexError, match="one row of names per vector"):
        VectorIndex.build([unit(3)], keys(1), sample=unit(3))
    with pytest.raises(VectorIndexError, match="one row of names per vector"):
        VectorIndex.build([unit(3)], keys(4), sample=unit(3))
    with pytest.raises(VectorIndexError, match="dimension"):
        made(unit(9)).search(unit(1, dim=8), 1)
    with pytest.raises(VectorIndexError, match="rebuilt"):
        VectorIndex.load(tmp_path)


def test_neighbours_by_lists_are_nearly_all_right(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit(600, dim=8)
    wanted, _ = neighbours(rows, 10)
    monkeypatch.setattr("trendloom.index.graph._FLAT_UP_TO", 100)
    ids, cosines = neighbours(rows, 10)
    again, _ = neighbours(rows, 10)
    np.testing.assert_array_equal(ids, again)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, wanted, strict=True)])
    assert recall > 0.85  # sixteen lists of six
    there = ids >= 0
    places = np.repeat(np.arange(600)[:, None], 10, axis=1)
    np.testing.assert_allclose(cosines[there], (rows[places[there]] * rows[ids[there]]).sum(axis=1), atol=1e-5)
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert (ids != np.arange(600)[:, None]).all()
    assert all(len(set(row)) == 10 for row in ids)
    far, _ = neighbours(rows, 400)  # more than sixteen lists hold
    assert (far[:, -1] == -1).any()
    assert all(len({n for n in row if n >= 0}) == (row >= 0).sum() for row in far)
