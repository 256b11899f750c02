"""The mapper: items of a source to garments with vectors and tags; every photo is looked at once."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from trendloom.errors import ImageError
from trendloom.photos import Picture, decode
from trendloom.types import WHOLE, Box, Encoder, Floats, Item, Status, Tag, Tagger

__all__ = ["CHUNK", "Garment", "Seen", "look"]

CHUNK = 8  # photos per inference; a fixed size keeps vectors the same wherever a photo stands in the dump
_AHEAD = 4  # chunks in flight per worker: bounds memory


@dataclass(frozen=True, kw_only=True)
class Garment:
    """A region of a photo: number (0 is the whole photo), box, vector (dim,) float32, tags."""

    number: int
    box: Box
    vector: Floats
    tags: list[Tag]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What looking at one item gave: a status, and where it is `ok` the photo's facts and garments."""

    item: Item
    status: Status
    error: str | None = None
    picture: Picture | None = None  # its pixels are dropped
    garments: tuple[Garment, ...] = ()


def look(items: Iterable[Item], encoder: Encoder, tagger: Tagger | None, *, workers: int) -> Iterator[Seen]:
    """Yields one `Seen` per item, in order; decoding and inference of several chunks overlap.

    Args:
        items: Read lazily; at most a few chunks are in memory.
        encoder: Shared by the workers.
        tagger: None leaves tags out.
        workers: Threads, each with one chunk at a time.
    """
    rest = iter(items)
    chunks = iter(lambda: list(itertools.islice(rest, CHUNK)), [])
    with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
        waiting: deque[Future[list[Seen]]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_look_at, chunk, encoder, tagger))
                if len(waiting) >= workers * _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _look_at(chunk: Sequence[Item], encoder: Encoder, tagger: Tagger | None) -> list[Seen]:
    seen: list[Seen | None] = [None] * len(chunk)
    prepared, pictures, places = [], [], []
    for place, item in enumerate(chunk):
        try:
            picture = decode(item.load(), target=encoder.size)
            prepared.append(encoder.prepare(picture.pixels))
        except ImageError as reason:
            seen[place] = Seen(item=item, status=reason.status, error=str(reason))
            continue
        pictures.append(picture)
        places.append(place)
    if prepared:
        padding = [prepared[0]] * (CHUNK - len(prepared))
        vectors = encoder.images(np.stack(prepared + padding))[: len(prepared)]  # (n, dim)
        tags = tagger.tag(vectors) if tagger else [[] for _ in prepared]
        for place, picture, vector, found in zip(places, pictures, vectors, tags, strict=True):
            garment = Garment(number=0, box=WHOLE, vector=vector, tags=found)
            facts = Picture(
                pixels=picture.pixels[:0],
                width=picture.width,
                height=picture.height,
                sha256=picture.sha256,
                phash=picture.phash,
            )
            seen[place] = Seen(item=chunk[place], status="ok", picture=facts, garments=(garment,))
    return [one for one in seen if one is not None]
