"""Two steps over threads: in order, in full batches, and nobody waits for the slow one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.pipeline.batches import Settled, in_batches


@given(
    things=st.lists(st.integers(0, 9), max_size=60),
    size=st.integers(1, 8),
    workers=st.integers(1, 4),
    room=st.integers(0, 20),
)
@settings(max_examples=80, deadline=None)
def test_every_thing_has_its_result_in_order(things: list[int], size: int, workers: int, room: int) -> None:
    seen: list[int] = []

    def prepare(thing: int) -> int | Settled[str]:
        return Settled("none") if thing == 0 else thing

    def finish(batch: Sequence[int]) -> list[str]:
        seen.append(len(batch))
        return [str(one) for one in batch]

    ahead = size * workers + room
    found = list(in_batches(things, prepare, finish, size=size, workers=workers, ahead=ahead))
    assert found == [str(thing) if thing else "none" for thing in things]
    assert sum(seen) == sum(1 for thing in things if thing)
    assert all(1 <= n <= size for n in seen)


def test_batches_are_full_where_more_comes() -> None:
    sizes: list[int] = []

    def finish(batch: Sequence[int]) -> Sequence[int]:
        sizes.append(len(batch))
        return batch

    def prepare(n: int) -> int | Settled[int]:
        return Settled(n) if n % 5 == 0 else n  # a fifth fails: no holes in the batches

    assert list(in_batches(range(100), prepare, finish, size=8, workers=1, ahead=64)) == list(range(100))
    assert sizes == [8] * 10


def test_a_slow_thing_does_not_stall_the_others() -> None:
    others = threading.Event()
    done: list[int] = []

    def prepare(n: int) -> int | Settled[int]:
        if n == 0:
            assert others.wait(30), "the slow one waits until all others are finished: they were not"
        return n

    def finish(batch: Sequence[int]) -> Sequence[int]:
        done.extend(n for n in batch if n)
        if len(done) >= 32:
            others.set()
        return batch

    assert list(in_batches(range(41), prepare, finish, size=4, workers=2, ahead=64)) == list(range(41))


@pytest.mark.parametrize("step", ["prepare", "finish", "source"])
def test_an_error_comes_in_its_turn_and_threads_end(step: str) -> None:
    def things() -> list[int]:
        return list(range(20))

    def prepare(n: int) -> int | Settled[int]:
        if step == "prepare" and n == 10:
            raise RuntimeError("here")
        return n

    def finish(batch: Sequence[int]) -> Sequence[int]:
        if step == "finish" and 10 in batch:
            raise RuntimeError("here")
        return batch

    def source() -> list[int]:
        if step == "source":
            raise RuntimeError("here")
        return things()

    before = threading.active_count()
    found: list[int] = []
    with pytest.raises(RuntimeError, match="here"):
        found.extend(in_batches(source(), prepare, finish, size=4, workers=2, ahead=16))
    assert threading.active_count() == before


def test_only_so_much_is_taken_ahead() -> None:
    taken = 0

    def things() -> Sequence[int]:
        return range(1000)

    def prepare(n: int) -> int | Settled[int]:
        nonlocal taken
        taken = max(taken, n)
        return n

    results = in_batches(things(), prepare, lambda batch: batch, size=2, workers=1, ahead=10)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    results.close()  # type: ignore[attr-defined]  # a generator: the caller went away
    assert taken <= 5 + 10
