"""The mapper: items of a source to garments with vectors and tags; every photo is looked at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trendloom.errors import ImageError
from trendloom.photos import Picture, fitted
from trendloom.pipeline.batches import Settled, in_batches
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
from trendloom.vision.garments import overlap

__all__ = ["CHUNK", "Garment", "Seen", "garments_of", "look"]

CHUNK = 8  # photos that a worker takes at a time, a multiple of what goes through a tower in one call
_SAME = 0.4  # pieces of one type that overlap by more (intersection over union) are one garment
_AHEAD = 256  # photos per worker that may wait for a slow one; a waiting result is some kilobytes


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
    identify: bool = True,
) -> Iterator[Seen]:
    """Yields one `Seen` per item, in order; decoding, inference and what the caller does with them overlap.

    Args:
        items: Read lazily.
        encoder: Shared by the workers.
        tagger: None leaves tags out.
        workers: Threads, each with one photo to decode or one batch to look at.
        finder: Looks for the garments of a photo; None leaves the whole photo as the only one.
        colours: Whether the finder also measures main colours.
        identify: Whether pictures get sha256 and perceptual hash.
    """

    def prepare(item: Item) -> tuple[Item, Picture] | Settled[Seen]:
        try:
            return item, fitted(item.load(), encoder.fit, identify=identify)
        except ImageError as reason:
            return Settled(Seen(item=item, status=reason.status, error=str(reason)))

    def finish(batch: Sequence[tuple[Item, Picture]]) -> list[Seen]:
        pictures = [picture for _, picture in batch]
        squares = [picture.pixels for picture in pictures]
        squares += squares[:1] * (-len(squares) % encoder.batch)
        found = garments_of(np.stack(squares), pictures, encoder, tagger, finder, colours=colours)
        return [
            Seen(item=item, status="ok", picture=replace(picture, pixels=picture.pixels[:0].copy()), garments=garments)
            for (item, picture), garments in zip(batch, found, strict=True)
        ]

    return in_batches(items, prepare, finish, size=CHUNK, workers=workers, ahead=_AHEAD * workers)


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
    """Returns the garments of each picture; `batch` holds them prepared, and may hold more.

    A garment that was found twice, as pieces of two kinds or sizes that the tagger takes for the same type, counts once.
    """
    pieces = _pieces(batch, len(pictures), encoder, finder, colours=colours)
    flat = [piece for found in pieces for piece in found]
    among = [len(found) - 1 for found in pieces for _ in found]
    vectors, kinds = np.stack([piece.vector for piece in flat]), [piece.kind for piece in flat]
    tags = iter(tagger.tag(vectors, kinds, among) if tagger else [[]] * len(flat))
    tagged = [_once([(piece, next(tags)) for piece in found]) for found in pieces]
    return [
        tuple(
            Garment(
                number=n,
                box=_unfitted(p.box, picture),
                vector=p.vector,
                tags=its,
                colours=p.colours,
                heat=_on_photo(p.heat, picture) if heat and p.heat is not None else None,
            )
            for n, (p, its) in enumerate(found)
        )
        for picture, found in zip(pictures, tagged, strict=True)
    ]


def _once(found: Sequence[tuple[Piece, list[Tag]]]) -> list[tuple[Piece, list[Tag]]]:
    """Returns a photo's pieces, best first, without those that lie on a better one and are taken for its type."""
    kept: list[tuple[Piece, list[Tag]]] = []
    for piece, tags in found:
        kind = _likeliest_type(tags)
        rivals = [
            better.box for better, its in kept if piece.kind and better.kind and kind and kind == _likeliest_type(its)
        ]
        if not any(overlap(piece.box, box) > _SAME for box in rivals):
            kept.append((piece, tags))
    return kept


def _likeliest_type(tags: Sequence[Tag]) -> str | None:
    return next((tag.value for tag in tags if tag.group == "type"), None)  # tags come most probable first


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
