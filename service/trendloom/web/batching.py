"""Work at the model, shared by all callers: a bounded line, small batches, and nobody waits without an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from trendloom.web.problems import Refused

__all__ = ["Batcher", "Turns"]

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class _Entry(Generic[T, R]):
    """One thing that waits: a photo, or a search."""

    wanted: T
    since: float  # on the monotonic clock
    future: Future[R] = field(default_factory=Future)


class Batcher(Generic[T, R]):
    """A line of things to do, taken in batches by a few worker threads.

    Threads run only while something waits; an app may be made and dropped without closing anything.

    Args:
        work: Does a batch, in a worker thread; one result for each entry, in order.
        size: Entries of a full batch.
        workers: Batches at the same time.
        queue: Entries that wait at most; who comes then is refused at once.
        gather_s: How long a batch that is not full waits for company while a worker is free.
        wait_s: How long an entry waits at most before its work begins; then its caller is refused.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        *,
        size: int,
        workers: int,
        queue: int,
        gather_s: float,
        wait_s: float,
    ) -> None:
        self._work, self._size, self._workers, self._queue = work, size, workers, queue
        self._gather_s, self._wait_s = gather_s, wait_s
        self._waiting: deque[_Entry[T, R]] = deque()
        self._changed = threading.Condition()
        self._active = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="model")

    def __len__(self) -> int:
        """Returns how many entries wait."""
        with self._changed:
            self._drop_cancelled()
            return len(self._waiting)

    async def answer(self, request: Request, wanted: Sequence[T]) -> list[R]:
        """Returns the result of each entry of one request, whose body was read.

        Where the client goes, or waits too long, what was not begun leaves the line.

        Raises:
            Refused: 503, the line is full, or it did not move in time.
        """
        futures = self._enter(wanted)
        results = asyncio.gather(*map(asyncio.wrap_future, futures))
        results.add_done_callback(_looked_at)
        gone = asyncio.ensure_future(_gone(request))
        first: set[asyncio.Future[Any]] = {results, gone}
        try:
            done, _ = await asyncio.wait(first, timeout=self._wait_s, return_when=asyncio.FIRST_COMPLETED)
            if not done and not all(future.running() or future.done() for future in futures):
                raise _busy(f"no turn at the model within {self._wait_s:g} seconds")
            if not done:
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not results.done():
                raise _busy("the client went away")  # nobody reads it
            return await results
        finally:
            gone.cancel()
            results.cancel()
            for future in futures:
                future.cancel()
            with self._changed:
                self._drop_cancelled()

    def _enter(self, wanted: Sequence[T]) -> list[Future[R]]:
        """Returns a promise for each entry, all of them in the line, or none."""
        now = time.monotonic()
        entries: list[_Entry[T, R]] = [_Entry(wanted=one, since=now) for one in wanted]
        with self._changed:
            if len(self._waiting) + len(entries) > self._queue:
                raise _busy("too much is waiting for the model")
            self._waiting.extend(entries)
            if self._active < self._workers:
                self._active += 1
                self._pool.submit(self._run)
            self._changed.notify_all()
        return [entry.future for entry in entries]

    def _run(self) -> None:
        """Does batches until nothing waits."""
        while batch := self._take():
            self._do(batch)

    def _take(self) -> list[_Entry[T, R]]:
        """Returns the next batch, begun; none where nothing waits: this worker has then ended."""
        with self._changed:
            while True:
                self._drop_cancelled()
                if not self._waiting:
                    self._active -= 1
                    return []
                left = self._waiting[0].since + self._gather_s - time.monotonic()
                if len(self._waiting) >= self._size or left <= 0:
                    count = min(self._size, len(self._waiting))
                    taken = [self._waiting.popleft() for _ in range(count)]
                    begun = [entry for entry in taken if entry.future.set_running_or_notify_cancel()]
                    if begun:
                        return begun
                else:
                    self._changed.wait(left)

    def _do(self, batch: Sequence[_Entry[T, R]]) -> None:
        """Settles a batch; where it fails as a whole each entry is tried alone, so that none suffers from another."""
        try:
            settled = list(zip(batch, self._work([entry.wanted for entry in batch]), strict=True))
        except Exception as reason:  # whatever it is, it belongs to the callers
            if len(batch) == 1:
                batch[0].future.set_exception(reason)
                return
            for entry in batch:
                self._do([entry])
        else:
            for entry, result in settled:
                entry.future.set_result(result)

    def _drop_cancelled(self) -> None:
        self._waiting = deque(entry for entry in self._waiting if not entry.future.cancelled())


class Turns(Batcher[Callable[[], Any], Any]):
    """A line of calls, each done alone."""

    def __init__(self, *, workers: int, queue: int, wait_s: float) -> None:
        super().__init__(_each, size=1, workers=workers, queue=queue, gather_s=0, wait_s=wait_s)

    async def run(self, request: Request, call: Callable[[], S]) -> S:
        """Returns what the call returns, when its turn has come.

        Raises:
            Refused: 503, as `answer` says.
        """
        result: S
        (result,) = await self.answer(request, [call])
        return result


def _each(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


def _busy(why: str) -> Refused:
    return Refused(503, f"{why}: try again in a second", retry_after_s=1)


def _looked_at(results: asyncio.Future[Any]) -> None:
    """Marks what a caller who left does not fetch, so that nothing is logged of it."""
    if not results.cancelled():
        results.exception()


async def _gone(request: Request) -> None:
    """Returns when the client has gone; the request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
