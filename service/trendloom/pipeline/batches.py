"""Work in two steps, one thing at a time and then in full batches, over threads that never wait for each other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Settled", "in_batches"]

Thing = TypeVar("Thing")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Settled(Generic[Result]):
    """The result of something that needs no second step."""

    result: Result


def in_batches(
    things: Iterable[Thing],
    prepare: Callable[[Thing], Prepared | Settled[Result]],
    finish: Callable[[Sequence[Prepared]], Sequence[Result]],
    *,
    size: int,
    workers: int,
    ahead: int,
) -> Iterator[Result]:
    """Yields a result for each thing, in order; batches are filled with what is prepared first, whatever its place.

    A slow thing holds back nothing but the results behind it, and those up to `ahead`. Batches are full except where
    nothing else can come.

    Args:
        things: Read lazily, by the caller's thread.
        prepare: The first step, on a worker's thread.
        finish: The second step: a result for each of a batch, in order, on a worker's thread.
        size: Things of a batch.
        workers: Threads; each is in one step at a time.
        ahead: Things in memory at once, at least `size` for each worker.
    """
    batches = _Batches(prepare, finish, size)
    source, more = iter(things), True
    slots: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="work") as pool:
        try:
            while more or slots:
                while more and len(slots) < ahead and not (slots and slots[0].done()):
                    try:
                        thing = next(source)
                    except StopIteration:
                        more = False
                        break
                    slots.append(Future())
                    batches.expect()
                    pool.submit(batches.take, thing, slots[-1])
                if slots:
                    if not slots[0].done():
                        pool.submit(batches.drain, slots[0])
                    yield slots.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Batches(Generic[Thing, Prepared, Result]):
    """What was prepared and waits for company."""

    def __init__(
        self,
        prepare: Callable[[Thing], Prepared | Settled[Result]],
        finish: Callable[[Sequence[Prepared]], Sequence[Result]],
        size: int,
    ) -> None:
        self._prepare, self._finish, self._size = prepare, finish, size
        self._lock = threading.Lock()
        self._ready: list[tuple[Future[Result], Prepared]] = []
        self._coming = 0  # things handed out and not prepared yet
        self._awaited: Future[Result] | None = None  # what the caller waits for before it hands out more

    def expect(self) -> None:
        """Notes that one more thing is handed out."""
        with self._lock:
            self._coming += 1

    def drain(self, awaited: Future[Result]) -> None:
        """Finishes what waits, once nothing else is being prepared, if `awaited` is among it: no company will come."""
        with self._lock:
            self._awaited = awaited
        self._run()

    def take(self, thing: Thing, slot: Future[Result]) -> None:
        """Prepares one thing, and finishes a batch if that fills it; results and errors go into their slots."""
        prepared: list[tuple[Future[Result], Prepared]] = []
        try:
            found = self._prepare(thing)
        except BaseException as exc:  # the caller's thread raises it, in its turn
            slot.set_exception(exc)
        else:
            if isinstance(found, Settled):
                slot.set_result(found.result)
            else:
                prepared.append((slot, found))
        with self._lock:
            self._coming -= 1
            self._ready += prepared
        self._run()

    def _run(self) -> None:
        while batch := self._filled():
            slots = [slot for slot, _ in batch]
            try:
                for slot, result in zip(slots, self._finish([one for _, one in batch]), strict=True):
                    slot.set_result(result)
            except BaseException as exc:  # as above
                for slot in slots:
                    if not slot.done():
                        slot.set_exception(exc)

    def _filled(self) -> list[tuple[Future[Result], Prepared]]:
        """Returns a full batch, what is left where nothing else comes, or nothing."""
        with self._lock:
            alone = not self._coming and self._awaited is not None and not self._awaited.done()
            batch = self._ready[: self._size] if alone or len(self._ready) >= self._size else []
            del self._ready[: len(batch)]
        return batch
