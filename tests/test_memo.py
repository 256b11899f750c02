"""What was made lately: made once, by one thread, and never for another key."""

from __future__ import annotations

import threading

import pytest

from trendloom.pipeline.memo import Memo


def test_many_threads_make_one_thing_once() -> None:
    memo: Memo[object] = Memo(4)
    begun, go, made = threading.Barrier(9), threading.Event(), []

    def make() -> object:
        assert go.wait(20)
        made.append(object())
        return made[-1]

    found: list[object] = []

    def ask() -> None:
        begun.wait(20)
        found.append(memo.get("a", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.wait(20)
    assert memo.get("b", lambda: "at once") == "at once"  # nobody waits for another thing
    go.set()
    for thread in threads:
        thread.join(20)
    assert len(made) == 1
    assert found == made * 8


def test_the_one_not_asked_for_the_longest_goes() -> None:
    memo: Memo[int] = Memo(2)
    assert [memo.get(key, [n].pop) for n, key in enumerate("aba")] == [0, 1, 0]
    assert memo.get("c", lambda: 2) == 2
    assert memo.get("a", lambda: 9) == 0
    assert memo.get("b", lambda: 9) == 9


def test_what_fails_or_is_not_to_be_kept_is_made_again() -> None:
    memo: Memo[int] = Memo(2)

    def broken() -> int:
        raise OSError("the disk is away")

    with pytest.raises(OSError, match="away"):
        memo.get("a", broken)
    assert memo.get("a", lambda: 0, keep=bool) == 0
    assert memo.get("a", lambda: 1, keep=bool) == 1
    assert memo.get("a", lambda: 2, keep=bool) == 1
