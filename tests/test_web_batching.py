"""Work is shared by callers in small batches; a full line, a slow sender and a client that went cost nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import numpy as np
import pytest
from starlette.requests import Request
from starlette.types import Message

from tests.doubles import HistogramEncoder
from tests.doubles_web import FakeViews, TagResult
from tests.dumps import ShirtTagger, patch
from tests.web_client import RED, client, files, problem
from trendloom.pipeline.looking import CHUNK
from trendloom.pipeline.tagging import Model
from trendloom.types import Floats, Pixels, Tag
from trendloom.web.app import create_app
from trendloom.web.batching import Batcher, Turns
from trendloom.web.guard import Guard
from trendloom.web.problems import Refused


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def at_once() -> Message:
    return {"type": "http.disconnect"}


def caller(receive: Callable[[], Awaitable[Message]] = never) -> Request:
    return Request({"type": "http", "method": "POST", "headers": []}, receive)


class Gated:
    """Work that waits for a gate, and remembers its batches."""

    def __init__(self) -> None:
        self.gate, self.begun, self.batches = threading.Event(), threading.Event(), list[list[int]]()

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.begun.set()
        self.gate.wait()
        if 13 in batch:
            raise ZeroDivisionError
        return [10 * n for n in batch]


def make(work: Gated, *, queue: int = 64, wait_s: float = 600, gather_s: float = 0) -> Batcher[int, int]:
    return Batcher(work, size=8, workers=1, queue=queue, gather_s=gather_s, wait_s=wait_s)


async def busy(line: Batcher[int, int], work: Gated) -> asyncio.Task[list[int]]:
    """Returns the task of the one entry that the only worker is at."""
    task = asyncio.create_task(line.answer(caller(), [0]))
    await asyncio.to_thread(work.begun.wait)
    return task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_callers_share_batches_and_get_their_own_results() -> None:
    async def scene() -> None:
        work = Gated()
        line = make(work)
        first = await busy(line, work)
        callers = [asyncio.create_task(line.answer(caller(), [n, n + 1])) for n in range(20, 40, 2)]
        await settle()
        assert len(line) == 20
        work.gate.set()
        assert await first == [0]
        assert [await task for task in callers] == [[10 * n, 10 * n + 10] for n in range(20, 40, 2)]
        assert [len(batch) for batch in work.batches] == [1, 8, 8, 4]
        assert len(line) == 0

    asyncio.run(scene())


def test_a_batch_that_is_not_full_waits_for_company_only_so_long() -> None:
    async def scene() -> None:
        work = Gated()
        work.gate.set()
        line = make(work, gather_s=3600)
        tasks = [asyncio.create_task(line.answer(caller(), [n])) for n in range(1, 9)]
        assert [await task for task in tasks] == [[10 * n] for n in range(1, 9)]  # full: nobody waits an hour
        assert await make(work, gather_s=0.01).answer(caller(), [9]) == [90]
        assert [len(batch) for batch in work.batches] == [8, 1]

    asyncio.run(scene())


def test_a_full_line_refuses_at_once_and_whole_requests() -> None:
    async def scene() -> None:
        work = Gated()
        line = make(work, queue=3)
        first = await busy(line, work)
        second = asyncio.create_task(line.answer(caller(), [1, 2]))
        await settle()
        with pytest.raises(Refused) as refused:
            await line.answer(caller(), [3, 4])
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "1"})
        assert len(line) == 2
        work.gate.set()
        assert [await first, await second] == [[0], [10, 20]]
        assert await line.answer(caller(), [5]) == [50]

    asyncio.run(scene())


def test_who_goes_or_waits_too_long_leaves_the_line_and_is_not_worked_for() -> None:
    async def scene() -> None:
        work = Gated()
        line = make(work)
        first = await busy(line, work)
        with pytest.raises(Refused, match="went away"):
            await line.answer(caller(at_once), [1, 2])
        dropped = asyncio.create_task(line.answer(caller(), [3]))
        await settle()
        dropped.cancel()
        await settle()
        assert len(line) == 0
        hasty = make(work, wait_s=0.01)
        hasty._active = 1  # its worker is elsewhere
        with pytest.raises(Refused, match=r"within 0\.01 seconds"):
            await hasty.answer(caller(), [4])
        assert len(hasty) == 0
        work.gate.set()
        await first
        assert work.batches == [[0]]

    asyncio.run(scene())


def test_what_has_begun_is_waited_for() -> None:
    async def scene() -> None:
        work = Gated()
        line = make(work, wait_s=0.01)
        first = await busy(line, work)
        await asyncio.wait({first}, timeout=0.05)
        assert not first.done()
        work.gate.set()
        assert await first == [0]

    asyncio.run(scene())


def test_one_that_fails_fails_alone() -> None:
    async def scene() -> None:
        work = Gated()
        line = make(work)
        first = await busy(line, work)
        tasks = [asyncio.create_task(line.answer(caller(), [n])) for n in (12, 13, 14)]
        await settle()
        work.gate.set()
        found = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [type(one) if isinstance(one, Exception) else one for one in found] == [
            [0], [120], ZeroDivisionError, [140],
        ]  # fmt: skip

    asyncio.run(scene())


def test_searches_take_turns() -> None:
    async def scene() -> None:
        turns = Turns(workers=1, queue=2, wait_s=600)
        gate = threading.Event()
        begun = threading.Event()

        def wait() -> bool:
            begun.set()
            return gate.wait()

        held = [asyncio.create_task(turns.run(caller(), wait))]
        await asyncio.to_thread(begun.wait)
        held += [asyncio.create_task(turns.run(caller(), gate.wait)) for _ in range(2)]
        await settle()
        with pytest.raises(Refused):
            await turns.run(caller(), gate.wait)
        gate.set()
        assert all(await asyncio.gather(*held))

    asyncio.run(scene())


# ---- in the application


def test_the_service_answers_503_while_too_much_waits() -> None:
    class Slow(FakeViews):
        gate, begun = threading.Event(), threading.Event()

        def tag(self, images: Sequence[tuple[str, bytes]], *, heat: bool = False) -> list[TagResult]:
            self.begun.set()
            self.gate.wait()
            return super().tag(images, heat=heat)

    views = Slow()
    opened = client(views, queue=2, max_files=2, workers=1, batch_wait_ms=0)
    statuses: list[int] = []

    def ask(*images: bytes) -> None:
        statuses.append(opened.post("/v1/tag", files=files(*images)).status_code)

    threads = [threading.Thread(target=ask, args=images) for images in ([RED], [RED, RED])]
    threads[0].start()
    views.begun.wait()
    threads[1].start()
    line = opened.app.state.photos_line  # type: ignore[attr-defined]  # the application under the client
    while len(line) < 2:
        pass
    response = opened.post("/v1/tag", files=files(RED))
    assert "try again" in problem(response, 503)["detail"]
    assert response.headers["retry-after"] == "1"
    views.gate.set()
    for thread in threads:
        thread.join()
    assert statuses == [200, 200]
    assert opened.post("/v1/tag", files=files(RED)).status_code == 200


def test_heat_is_for_those_who_asked() -> None:
    opened = client(batch_wait_ms=1000, workers=1)
    found: dict[str, Any] = {}

    def ask(path: str) -> None:
        found[path] = opened.post(path, files=files(RED, RED, RED, RED)).json()["images"]

    threads = [threading.Thread(target=ask, args=[path]) for path in ("/v1/tag", "/v1/tag?heat=true")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(image["garments"][0]["heat"] is None for image in found["/v1/tag"])
    assert all(image["garments"][0]["heat"] for image in found["/v1/tag?heat=true"])


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/v1/tag",
        "raw_path": b"/v1/tag", "query_string": b"", "scheme": "http", "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"content-type", b"image/jpeg"), *headers],
        "server": ("127.0.0.1", 8321), "root_path": "",
    }  # fmt: skip


@pytest.mark.parametrize("header", [(b"content-length", b"1000"), (b"transfer-encoding", b"chunked")])
def test_a_body_that_does_not_end_is_cut_off(header: tuple[bytes, bytes]) -> None:
    guarded = Guard(create_app(FakeViews()), max_body=2**20, body_timeout_s=0.01)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def scene() -> None:
        pieces = iter([{"type": "http.request", "body": b"x", "more_body": True}])

        async def drip() -> Message:
            for piece in pieces:
                return piece
            return await never()

        await guarded(scope(header), drip, send)

    anyio.run(scene)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_slow_senders_are_only_so_many() -> None:
    async def scene() -> None:
        guarded = Guard(create_app(FakeViews()), max_body=2**20, body_timeout_s=600, most=2)
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        held = [asyncio.create_task(guarded(scope((b"content-length", b"9")), never, send)) for _ in range(2)]
        await settle()
        await guarded(scope((b"content-length", b"9")), never, send)
        assert sent[0]["status"] == 503
        assert (b"retry-after", b"1") in sent[0]["headers"]
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        assert guarded._bodies == 0

    asyncio.run(scene())


# ---- a vector does not depend on what else is looked at


class Sized(HistogramEncoder):
    """An encoder that remembers the sizes of its batches; a rough one's last bits depend on them."""

    def __init__(self, rough: bool) -> None:
        super().__init__()
        self.rough, self.sizes = rough, list[int]()

    def images(self, batch: Pixels) -> Floats:
        self.sizes.append(len(batch))
        rows = super().images(batch)
        return np.nextafter(rows, np.float32(2)) if self.rough and len(batch) % 2 else rows


class Noting(ShirtTagger):
    """A tagger that remembers the vectors it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Floats] = []

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        self.rows.append(embeddings)
        return super().tag(embeddings)


@pytest.mark.parametrize("rough", [False, True])
def test_a_photo_alone_has_the_vector_that_it_has_in_a_whole_chunk(rough: bool) -> None:
    rng = np.random.default_rng(0)
    images = [(str(n), patch(colour, rng)) for n, colour in enumerate(["red", "blue", "green"] * 3)]
    encoder, tagger = Sized(rough), Noting()
    model = Model(lambda: (encoder, tagger, None))
    for image in images:
        model.tag([image])
    alone, tagger.rows = np.concatenate(tagger.rows), []
    model.tag(images)
    np.testing.assert_array_equal(np.concatenate(tagger.rows), alone)
    tried = 4
    assert set(encoder.sizes[tried:]) == ({CHUNK} if rough else {1, CHUNK})
