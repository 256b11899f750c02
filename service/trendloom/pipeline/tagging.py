"""What is seen in photos that are handed in and not stored: the model, loaded on first use, and its answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from trendloom.errors import ImageError
from trendloom.photos import Picture, fitted
from trendloom.pipeline.looking import CHUNK, garments_of
from trendloom.pipeline.thumbnails import heat_png
from trendloom.types import Box, Encoder, Finder, Floats, MainColour, Pixels, Tag, Tagger

__all__ = ["Eyes", "Model", "TagResult"]

Eyes = tuple[Encoder, Tagger, Finder | None]


@dataclass(frozen=True, kw_only=True)
class TagResult:
    """What was seen in one image handed in."""

    key: str
    status: str
    error: str | None
    tags: list[tuple[int, Box, Tag]]
    colours: dict[int, tuple[MainColour, ...]] = field(default_factory=dict)  # of each garment's pixels
    heats: dict[int, bytes] = field(default_factory=dict)  # of each garment, a PNG over the photo, where asked for


class Model:
    """The towers that search and tagging need, made on first use; several threads may share it."""

    def __init__(self, load: Callable[[], Eyes]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._eyes: Eyes | None = None
        self._steady: bool | None = None

    def get(self) -> Eyes:
        """Returns encoder, tagger, and the finder of garments if there is one."""
        with self._lock:
            if self._eyes is None:
                self._eyes = self._load()
            return self._eyes

    def tag(self, images: Sequence[tuple[str, bytes]], *, heat: bool = False) -> list[TagResult]:
        """Returns what is seen in each image, and where; an image that cannot be read has its status and no tags.

        A vector does not depend on what else is looked at: see `_filled`.
        """
        return [result for start in range(0, len(images), CHUNK) for result in self._few(images[start:][:CHUNK], heat)]

    def _few(self, images: Sequence[tuple[str, bytes]], heat: bool) -> list[TagResult]:
        """Returns what is seen in at most a chunk of images."""
        encoder = self.get()[0]
        results: list[TagResult | None] = [None] * len(images)
        prepared, pictures, places = [], [], []
        for place, (name, data) in enumerate(images):
            try:
                picture = fitted(data, encoder.fit, identify=False)
            except ImageError as reason:
                results[place] = TagResult(key=name, status=reason.status, error=str(reason), tags=[])
                continue
            prepared.append(picture.pixels)
            pictures.append(picture)
            places.append(place)
        if prepared:
            self._look(images, prepared, pictures, places, results, heat=heat)
        return [result for result in results if result is not None]

    def _look(
        self,
        images: Sequence[tuple[str, bytes]],
        prepared: list[Pixels],
        pictures: Sequence[Picture],
        places: Sequence[int],
        results: list[TagResult | None],
        *,
        heat: bool,
    ) -> None:
        """Puts what is seen in the prepared photos into their places among the results."""
        encoder, tagger, finder = self.get()
        for place, garments in zip(
            places, garments_of(self._filled(prepared), pictures, encoder, tagger, finder, heat=heat), strict=True
        ):
            results[place] = TagResult(
                key=images[place][0],
                status="ok",
                error=None,
                tags=[(g.number, g.box, tag) for g in garments for tag in g.tags if tag.sure],
                colours={g.number: g.colours for g in garments if g.tags},
                heats={g.number: heat_png(g.heat) for g in garments if g.heat is not None},
            )

    def _filled(self, prepared: list[Pixels]) -> Pixels:
        """Returns a batch whose vectors are those of the batch pipeline to the last bit, (n, size, size, 3).

        The pipeline looks at chunks of one size. A tower that gives the same bits at any size, tried once on this
        machine, is spared the padding: one photo alone then costs an eighth.
        """
        if self._steady is None:
            self._steady = self.get()[0].batch == 1 or _steady(*self.get())
        missing = 0 if self._steady else -len(prepared) % self.get()[0].batch
        return np.stack(prepared + prepared[:1] * missing)


def _steady(encoder: Encoder, _: Tagger, finder: Finder | None) -> bool:
    """Returns whether a photo's vector is the same alone, in a part of a chunk, and at any place of a whole one."""
    size = encoder.size
    noise = np.random.default_rng(0).integers(0, 256, (CHUNK, size, size, 3), dtype=np.uint8)

    def vectors(batch: Pixels) -> Floats:
        if finder is None:
            return encoder.images(batch)
        return np.stack([pieces[0].vector for pieces in finder.look(batch, colours=False)])

    whole = vectors(noise)
    parts = (noise[-1:], noise[-3:], noise[::-1])
    wanted = (whole[-1:], whole[-3:], whole[::-1])
    return all(np.array_equal(vectors(part), rows) for part, rows in zip(parts, wanted, strict=True))
