"""Garments of a photo, found on the tower's own grids: boxes, vectors, main colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trendloom.artifacts import ModelCard
from trendloom.errors import ArtifactError, InputError
from trendloom.types import Box, Floats, MainColour, Piece, Pixels, Session
from trendloom.vision.colours import ColourNames, NamedColour, main_colours
from trendloom.vision.encoder import Lazy

__all__ = ["GarmentFinder", "GarmentSettings", "inside", "overlap", "regions", "select"]

GRIDS = ("detail", "fine", "coarse", "samples")
WHOLE_SQUARE = Box(x0=0.0, y0=0.0, x1=1.0, y1=1.0)
_MOST = 8  # garments of one photo
_PART = 0.7  # of one kind, a box that lies in a better one by more than this is a part of it
_SOFT = 0.5  # power of the attention that weighs pixels: the attention itself sits on a few spots
_FAINT = 0.05  # of the strongest weight; below it a pixel is ground


@dataclass(frozen=True, kw_only=True)
class GarmentSettings:
    """What the card says of finding garments.

    Attributes:
        kinds: In the order of the graph's scores, each with the types of the taxonomy that it may be.
        thresholds: The least score per kind.
        overlap: Of two boxes of one kind that overlap by more (intersection over union) the better stays.
        contest: The same for boxes of different kinds.
        colours: What colours are called.
    """

    kinds: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, float]
    overlap: float
    contest: float
    colours: ColourNames = field(repr=False)

    @classmethod
    def of(cls, card: ModelCard) -> GarmentSettings | None:
        """Returns the settings of a card, or None for a model that finds no garments.

        Raises:
            ArtifactError: the card's section is not of the expected form.
        """
        if not card.garments:
            return None
        try:
            return cls.read(card.garments)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ArtifactError(
                f"{card.identity}: garments: expected kinds, thresholds, overlap, contest and colours, got {exc!r}"
            ) from exc

    @classmethod
    def read(cls, section: Mapping[str, Any]) -> GarmentSettings:
        """Returns the settings that a card's section states.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it does not state them.
        """
        kinds = {str(kind): tuple(map(str, types)) for kind, types in section["kinds"].items()}
        return cls(
            kinds=kinds,
            thresholds={kind: float(section["thresholds"][kind]) for kind in kinds},
            overlap=float(section["overlap"]),
            contest=float(section["contest"]),
            colours=ColourNames({str(name): _named(entry) for name, entry in section["colours"].items()}),
        )


def _named(entry: Mapping[str, Any]) -> NamedColour:
    a, b, c = (float(v) for v in entry["lab"])
    rows = [(float(x), float(y), float(z)) for x, y, z in entry["spread"]]
    return NamedColour(lab=(a, b, c), spread=tuple(rows), share=float(entry["share"]))


class GarmentFinder:
    """Photos to their whole-photo vectors and garments; graphs are loaded when first needed, workers may share it."""

    def __init__(
        self,
        settings: GarmentSettings,
        *,
        size: int,
        image: Callable[[], Session],
        find: Callable[[], Session],
        region: Callable[[], Session],
    ) -> None:
        self._settings, self._size = settings, size
        self._image, self._find, self._region = Lazy(image), Lazy(find), Lazy(region)

    @property
    def kinds(self) -> Mapping[str, tuple[str, ...]]:
        """The kinds of garments, each with the types of the taxonomy that it may be."""
        return self._settings.kinds

    def look(self, batch: Pixels, count: int | None = None, *, colours: bool = True) -> list[list[Piece]]:
        """Returns the pieces of each of the first `count` photos: the whole photo, then its garments, best first.

        Boxes are shares of the prepared square; vectors are unit rows of the joint space. Photos after the first
        `count` fill the tower's batch and nothing else. `colours` measures each piece's main colours.

        Raises:
            InputError: photos that were not prepared.
            ArtifactError: a graph cannot be loaded or gives something else.
        """
        size = self._size
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (size, size, 3):
            raise InputError(f"expected prepared photos (n, {size}, {size}, 3) uint8, got {batch.shape} {batch.dtype}")
        wanted = len(batch) if count is None else count
        pieces: list[list[Piece]] = []
        tower = self._image.get()
        for start in range(0, wanted, tower.batch):
            chunk = np.ascontiguousarray(batch[start : start + tower.batch])
            vectors, *grids = tower.outputs(("embedding", *GRIDS), {"pixels": chunk})
            # one photo at a time: what else is in the batch cannot change the last digit of a vector
            for n in range(min(tower.batch, wanted - start)):
                pieces.append(self._pieces(vectors[n], [grid[n : n + 1] for grid in grids], colours=colours))
        return pieces

    def _pieces(self, whole: Floats, grids: Sequence[Floats], *, colours: bool) -> list[Piece]:
        """Returns the pieces of one photo: its vector (dim,) and its grids in the order of GRIDS, (1, channels, h, w)."""
        detail, fine, coarse, samples = grids
        inputs: dict[str, NDArray[np.generic]] = {"detail": detail, "fine": fine, "coarse": coarse}
        scores, boxes = self._find.get().outputs(("scores", "boxes"), inputs)
        places = [("", 1.0, WHOLE_SQUARE), *select(self._settings, scores[0], boxes[0])]
        corners = np.array([(box.x0, box.y0, box.x1, box.y1) for _, _, box in places], dtype=np.float32)
        inputs = {"fine": fine, "coarse": coarse, "samples": samples}  # one photo's, for all of its regions
        inputs["region"] = regions(corners, fine.shape[2])
        vectors, attention = self._region.get().outputs(("embedding", "attention"), inputs)
        return [
            Piece(
                kind=kind,
                score=score,
                box=box,
                vector=vectors[n] if kind else whole,
                colours=self._colours(samples[0], attention[n], box) if colours else (),
                heat=attention[n],
            )
            for n, (kind, score, box) in enumerate(places)
        ]

    def _colours(self, samples: Floats, attention: Floats, box: Box) -> tuple[MainColour, ...]:
        """Returns the main colours of samples (3, h, w) where the tower looked, within a box."""
        height, width = attention.shape
        weight = np.power(attention / max(float(attention.max()), 1e-12), _SOFT)
        weight[weight < _FAINT] = 0
        x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
        weight *= ((y >= box.y0) & (y <= box.y1))[:, None] & ((x >= box.x0) & (x <= box.x1))[None]
        return main_colours(samples.reshape(3, -1).T, weight.ravel(), self._settings.colours)


def select(settings: GarmentSettings, scores: Floats, boxes: Floats) -> list[tuple[str, float, Box]]:
    """Returns kind, score and box of a photo's garments, best first, at most eight.

    Of boxes on one garment the better stays (greedy non-maximum suppression).

    Args:
        settings: Least scores, and how far boxes may overlap.
        scores: (kinds, g, g), 0 to 1.
        boxes: (kinds, 4, g, g), left, top, right and bottom as shares of the side.
    """
    kinds = tuple(settings.kinds)
    least = np.array([settings.thresholds[kind] for kind in kinds], dtype=np.float32)
    k, y, x = np.nonzero(scores[: len(kinds)] >= least[:, None, None])
    order = np.argsort(-scores[k, y, x], kind="stable")
    k, y, x = k[order], y[order], x[order]
    found: list[tuple[str, float, Box]] = []
    for n, score, (x0, y0, x1, y1) in zip(
        k.tolist(), scores[k, y, x].tolist(), np.clip(boxes[k, :, y, x], 0, 1).tolist(), strict=True
    ):
        kind = kinds[n]
        if x1 - x0 <= 0 or y1 - y0 <= 0:
            continue
        box = Box(x0=x0, y0=y0, x1=x1, y1=y1)
        if all(_apart(settings, kind, box, its, other) for its, _, other in found):
            found.append((kind, score, box))
        if len(found) == _MOST:
            break
    return found


def _apart(settings: GarmentSettings, kind: str, box: Box, better_kind: str, better: Box) -> bool:
    """Returns whether a box is another garment than a better one; a part of a garment is not one more."""
    if kind == better_kind:
        return overlap(box, better) <= settings.overlap and inside(box, better) <= _PART
    return overlap(box, better) <= settings.contest


def overlap(a: Box, b: Box) -> float:
    """Returns intersection over union, 0 to 1."""
    inner = _shared(a, b)
    return inner / (_area(a) + _area(b) - inner) if inner else 0.0


def inside(a: Box, b: Box) -> float:
    """Returns the share of the smaller box that lies in the other, 0 to 1."""
    inner = _shared(a, b)
    return inner / min(_area(a), _area(b)) if inner else 0.0


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _shared(a: Box, b: Box) -> float:
    """Returns the area that two boxes share, 0 where they do not meet."""
    across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return across * down if across > 0 and down > 0 else 0.0


def regions(corners: Floats, cells: int) -> Floats:
    """Returns how much of each cell of a grid boxes cover, (n, 1, cells, cells) float32, the fullest cell 1.

    `corners` are left, top, right and bottom as shares of the side, (n, 4).
    """
    edge = np.arange(cells + 1) / cells
    x0, y0, x1, y1 = (corners[:, n : n + 1].astype(np.float64) for n in range(4))
    x = np.clip(np.minimum(x1, edge[1:]) - np.maximum(x0, edge[:-1]), 0, None)
    y = np.clip(np.minimum(y1, edge[1:]) - np.maximum(y0, edge[:-1]), 0, None)
    cover = y[:, :, None] * x[:, None, :]
    cover /= np.maximum(cover.max(axis=(1, 2), keepdims=True), 1e-9)
    return np.asarray(cover[:, None], dtype=np.float32)
