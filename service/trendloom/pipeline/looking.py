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
from trendloom.types import (
    WHOLE,
    Box,
    Encoder,
    Finder,
    Floats,
    Item,
    MainColour,
    Piece,
    Pixels,
    Status,
    Tag,
    Tagger,
)

__all__ = ["CHUNK", "Garment", "Seen", "garments_of", "look"]

CHUNK = 8  # photos per inference; a fixed size keeps vectors the same wherever a photo stands in the dump
_AHEAD = 4  # chunks in flight per worker: bounds memory


@dataclass(frozen=True, kw_only=True)
class Garment:
    """A region of a photo: number (0 is the whole photo), box, vector (dim,) float32, tags, main colours.

    `heat`, where it was asked for, is where the tower looked, on a grid over the photo, its highest 1.
    """

    number: int
    box: Box
    vector: Floats
    tags: list[Tag]
    colours: tuple[MainColour, ...] = ()
    heat: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What looking at one item gave: a status, and where it is `ok` the photo's facts and garments."""

    item: Item
    status: Status
    error: str | None = None
    picture: Picture | None = None  # its pixels are dropped
    garments: tuple[Garment, ...] = ()


def look(
    items: Iterable[Item],
    encoder: Encoder,
    tagger: Tagger | None,
    *,
    workers: int,
    finder: Finder | None = None,
    colours: bool = False,
) -> Iterator[Seen]:
    """Yields one `Seen` per item, in order; decoding and inference of several chunks overlap.

    Args:
        items: Read lazily; at most a few chunks are in memory.
        encoder: Shared by the workers.
        tagger: None leaves tags out.
        workers: Threads, each with one chunk at a time.
        finder: Looks for the garments of a photo; None leaves the whole photo as the only one.
        colours: Whether the finder also measures main colours.
    """
    rest = iter(items)
    chunks = iter(lambda: list(itertools.islice(rest, CHUNK)), [])
    with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
        waiting: deque[Future[list[Seen]]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_look_at, chunk, encoder, tagger, finder, colours=colours))
                if len(waiting) >= workers * _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _look_at(
    chunk: Sequence[Item], encoder: Encoder, tagger: Tagger | None, finder: Finder | None, *, colours: bool
) -> list[Seen]:
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
        batch = np.stack(prepared + padding)
        garments = garments_of(batch, pictures, encoder, tagger, finder, colours=colours)
        for place, picture, found in zip(places, pictures, garments, strict=True):
            facts = Picture(
                pixels=picture.pixels[:0],
                width=picture.width,
                height=picture.height,
                sha256=picture.sha256,
                phash=picture.phash,
            )
            seen[place] = Seen(item=chunk[place], status="ok", picture=facts, garments=found)
    return [one for one in seen if one is not None]


def garments_of(
    batch: Pixels,
    pictures: Sequence[Picture],
    encoder: Encoder,
    tagger: Tagger | None,
    finder: Finder | None,
    *,
    colours: bool = True,
    heat: bool = False,
) -> list[tuple[Garment, ...]]:
    """Returns the garments of each picture; `batch` holds them prepared, and may hold more."""
    pieces = _pieces(batch, len(pictures), encoder, finder, colours=colours)
    flat = [piece for found in pieces for piece in found]
    tags = iter(tagger.tag(np.stack([p.vector for p in flat]), [p.kind for p in flat]) if tagger else [[]] * len(flat))
    return [
        tuple(
            Garment(
                number=n,
                box=_unfitted(p.box, picture),
                vector=p.vector,
                tags=next(tags),
                colours=p.colours,
                heat=_on_photo(p.heat, picture) if heat and p.heat is not None else None,
            )
            for n, p in enumerate(found)
        )
        for picture, found in zip(pictures, pieces, strict=True)
    ]


def _pieces(batch: Pixels, count: int, encoder: Encoder, finder: Finder | None, *, colours: bool) -> list[list[Piece]]:
    """Returns the pieces of the first `count` prepared photos; the whole photo alone without a finder."""
    if finder is not None:
        return finder.look(batch, count, colours=colours)
    return [[Piece(kind="", score=1.0, box=WHOLE, vector=row)] for row in encoder.images(batch)[:count]]


def _on_photo(heat: Floats, picture: Picture) -> Floats:
    """Returns the part of a map over the letterboxed square that lies on the photo, its highest 1."""
    long_side = max(picture.width, picture.height)
    rows, columns = (
        max(1, round(n * s / long_side)) for n, s in zip(heat.shape, (picture.height, picture.width), strict=True)
    )
    top, left = (heat.shape[0] - rows) // 2, (heat.shape[1] - columns) // 2
    part = heat[top : top + rows, left : left + columns]
    return np.asarray(part / max(float(part.max()), 1e-12), dtype=np.float32)


def _unfitted(box: Box, picture: Picture) -> Box:
    """Returns a box of the letterboxed square as shares of the photo."""
    if box == WHOLE:
        return WHOLE
    long_side = max(picture.width, picture.height)
    across, down = picture.width / long_side, picture.height / long_side

    def put(value: float, side: float) -> float:
        return min(1.0, max(0.0, (value - (1 - side) / 2) / side))

    return Box(x0=put(box.x0, across), y0=put(box.y0, down), x1=put(box.x1, across), y1=put(box.y1, down))
