"""Training pictures: batches that depend on the seed and the step alone, so that a run can stop and go on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from training.cache import Cache, letterbox
from training.garments import COMPLETE, POSITIVES, UNKNOWN, Garment, kind_of, kind_of_tag, pack
from training.losses import BLANK, GREY
from training.sampling import SHARES, sampling_weights
from training.scenes import Box, alone, extent, ground, scene
from training.vocab import labels_of_sets, taxonomy_values

__all__ = ["Batches", "Picture", "Recipe", "Spares", "known_garments", "picture"]

GROUND_SETS = ("clothing", "street", "attributes", "other")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Shares of what is done to pictures."""

    sizes: tuple[int, ...] = (128, 128, 128, 160)
    scenes: float = 0.6  # of products with a cut-out
    late_sizes: tuple[int, ...] = ()  # of the steps from the share `late_from` on
    late_from: float = 0.6
    second: float = 0.3  # of scenes
    grey: float = 0.09
    tight: float = 0.5  # of grey pictures of products with a cut-out: alone, filling the frame, on white
    blank: float = 0.12  # of photos of other things
    worse: float = 0.2  # made small and large again
    jpeg: float = 0.25


def cropped(content: NDArray[np.uint8], least: float, rng: np.random.Generator) -> tuple[Image.Image, Box]:
    """The photo with up to 1 - `least` of each side cut away, and what is left as shares of the photo."""
    h, w = content.shape[:2]
    keep_h, keep_w = int(h * rng.uniform(least, 1)), int(w * rng.uniform(least, 1))
    y, x = int(rng.integers(h - keep_h + 1)), int(rng.integers(w - keep_w + 1))
    return Image.fromarray(content[y : y + keep_h, x : x + keep_w]), (x / w, y / h, (x + keep_w) / w, (y + keep_h) / h)


def within(garments: list[Garment], window: Box) -> list[Garment]:
    """What a window shows at least half of, as shares of the window."""
    x0, y0, x1, y1 = window
    found = []
    for g in garments:
        a, b, c, d = max(g.box[0], x0), max(g.box[1], y0), min(g.box[2], x1), min(g.box[3], y1)
        if c > a and d > b and (c - a) * (d - b) >= 0.5 * (g.box[2] - g.box[0]) * (g.box[3] - g.box[1]):
            box = ((a - x0) / (x1 - x0), (b - y0) / (y1 - y0), (c - x0) / (x1 - x0), (d - y0) / (y1 - y0))
            found.append(Garment(kind=g.kind, box=box, row=g.row))
    return found


def on_square(garments: list[Garment], width: int, height: int) -> list[Garment]:
    """Boxes as shares of the letterboxed picture."""
    long = max(width, height)
    left, top = (long - width) / 2 / long, (long - height) / 2 / long
    across, down = width / long, height / long
    return [Garment(kind=g.kind, row=g.row, box=(left + g.box[0] * across, top + g.box[1] * down,
                                                 left + g.box[2] * across, top + g.box[3] * down)) for g in garments]  # fmt: skip


def mirrored(image: Image.Image, garments: list[Garment]) -> tuple[Image.Image, list[Garment]]:
    """The picture and its boxes with left and right exchanged."""
    flipped = [Garment(kind=g.kind, row=g.row, box=(1 - g.box[2], g.box[1], 1 - g.box[0], g.box[3])) for g in garments]
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), flipped


def relit(image: Image.Image, recipe: Recipe, size: int, rng: np.random.Generator) -> Image.Image:
    """The picture in other light, perhaps of worse quality; hues stay."""
    if rng.random() < 0.7:
        image = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.8, 1.17)))
        image = ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.85, 1.15)))
    if rng.random() < recipe.worse:
        factor = rng.uniform(0.25, 0.8) * size / max(image.size)
        if factor < 1:
            image = image.resize(
                (max(8, int(image.width * factor)), max(8, int(image.height * factor))), Image.Resampling.BILINEAR
            )
    if rng.random() < recipe.jpeg:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(30, 92)))
        image = Image.open(buffer)
    return image


@dataclass(frozen=True, kw_only=True)
class Spares:
    """What pictures draw on besides their photo.

    Products of the training split that stand beside others, photos of it whose corners are grounds, and the known
    garments of each photo.
    """

    cut: NDArray[np.int64]
    grounds: NDArray[np.int64]
    kinds: NDArray[np.int64]  # of each row, -1 where unknown
    boxed: dict[int, list[Garment]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A letterboxed picture, the row of a second photo or -1, its flags, and its garments as far as they are known."""

    pixels: NDArray[np.uint8]
    second: int
    flags: int
    known: int
    garments: list[Garment]


def picture(cache: Cache, row: int, spares: Spares, rng: np.random.Generator, *, size: int, recipe: Recipe) -> Picture:
    """A training picture of a photo."""
    record, second, flags = cache.records[row], -1, 0
    photo = cache.content(int(rng.choice(spares.grounds))) if rng.random() < 0.25 and len(spares.grounds) else None
    known, garments = UNKNOWN, list[Garment]()
    grey = rng.random() < recipe.grey
    if record.cut and grey and rng.random() < recipe.tight:
        image, spot = alone(cache, row)
        garments = [Garment(kind=int(spares.kinds[row]), box=spot, row=row)]
        known = COMPLETE if spares.kinds[row] >= 0 else UNKNOWN
    elif record.cut and rng.random() < recipe.scenes:
        rows = [row]
        if rng.random() < recipe.second:
            second = int(rng.choice(spares.cut))
            rows.append(second)
        image, boxes = scene(cache, rows, int(size * rng.uniform(1.0, 1.3)), rng, photo)
        garments = [Garment(kind=int(spares.kinds[r]), box=b, row=r) for r, b in zip(rows, boxes, strict=True)]
        known = COMPLETE if all(g.kind >= 0 for g in garments) else UNKNOWN
    elif record.set == "other" and rng.random() < recipe.blank:
        image, flags, known = ground(size, int(size * rng.uniform(0.6, 1.4)), rng), BLANK, COMPLETE
    else:
        least = {"catalogue": 0.86, "articles": 0.86, "other": 0.6, "clothing": 0.72}.get(record.set, 0.8)
        image, window = cropped(cache.content(row), least, rng)
        known = {"outfits": POSITIVES, "other": COMPLETE, "street": COMPLETE}.get(record.set, UNKNOWN)
        if row in spares.boxed:
            garments = within(spares.boxed[row], window)
        elif record.cut and spares.kinds[row] >= 0:
            x0, y0, x1, y1 = extent(cache.alpha(row))
            box = (x0 / record.width, y0 / record.height, x1 / record.width, y1 / record.height)
            garments, known = within([Garment(kind=int(spares.kinds[row]), box=box, row=row)], window), COMPLETE
        elif record.set in ("street", "outfits"):
            known = UNKNOWN
    if rng.random() < 0.5:
        image, garments = mirrored(image, garments)
    image = relit(image, recipe, size, rng)
    if grey and not flags:
        shade = np.asarray(image.convert("L"))
        shade = 255 - shade if record.cut and rng.random() < 0.8 else shade
        image, flags = Image.fromarray(shade), flags | GREY
        if rng.random() < 0.6:
            tiny = int(rng.integers(26, 60)) / max(image.size)
            image = image.resize((max(4, int(image.width * tiny)), max(4, int(image.height * tiny))))
    garments = on_square(garments, image.width, image.height) if known else []
    return Picture(
        pixels=letterbox(image.convert("RGB"), size), second=second, flags=flags, known=known, garments=garments
    )


def known_garments(cache: Cache, taxonomy: Path) -> tuple[NDArray[np.int64], dict[int, list[Garment]]]:
    """The kind of every photo of one garment, -1 where it is unknown, and the garments of photos with boxes."""
    mapping = labels_of_sets()
    types = [values[0] if len(values := taxonomy_values(r, mapping, "type")) == 1 else None for r in cache.records]
    kinds = np.array([-1 if t is None else kind_of(t, taxonomy) for t in types], np.int64)
    rows = {(r.set, r.id, r.labels["tags"][0]): n for n, r in enumerate(cache.records) if r.set.endswith("_box")}
    boxed: dict[int, list[Garment]] = {}
    for n, record in enumerate(cache.records):
        names = mapping["type"].get(f"{record.set}_box.tags", {})
        if record.boxes:
            known = [(kind_of_tag(tag, names, taxonomy), tag, box) for tag, *box in record.boxes]
            boxed[n] = [Garment(kind=kind, box=(box[0], box[1], box[2], box[3]), row=rows.get((f"{record.set}_box", record.id, tag), -1))
                        for kind, tag, box in known if kind is not None]  # fmt: skip
    return kinds, boxed


class Batches:
    """Batch number `step`: pixels (n, s, s, 3) uint8, rows (n, 2), flags (n,), and garments."""

    def __init__(
        self,
        cache: Cache,
        recipe: Recipe,
        *,
        batch: int,
        steps: int,
        seed: int,
        taxonomy: Path,
        drawn: float = SHARES["drawn"],
    ) -> None:
        self.cache, self.recipe, self.batch, self.steps, self.seed, self.rank = cache, recipe, batch, steps, seed, 0
        self.chances = sampling_weights(cache.records, drawn)
        trained = [(n, r) for n, r in enumerate(cache.records) if self.chances[n] > 0]
        kinds, boxed = known_garments(cache, taxonomy)
        self.spares = Spares(
            cut=np.array([n for n, r in trained if r.cut], np.int64),
            grounds=np.array([n for n, r in trained if r.set in GROUND_SETS], np.int64),
            kinds=kinds,
            boxed=boxed,
        )

    def __len__(self) -> int:
        return self.steps

    def rows(self, step: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The photos of a batch, and the generator that goes on from there."""
        rng = np.random.default_rng((self.seed, step, self.rank))
        return rng.choice(len(self.chances), self.batch, p=self.chances), rng

    def __getitem__(self, step: int) -> dict[str, Any]:
        rows, rng = self.rows(step)
        late = self.recipe.late_sizes and step >= self.recipe.late_from * self.steps
        sizes = self.recipe.late_sizes if late else self.recipe.sizes
        size = sizes[int(rng.integers(len(sizes)))]
        made = [picture(self.cache, int(row), self.spares, rng, size=size, recipe=self.recipe) for row in rows]
        return {
            "step": step,
            "pixels": torch.from_numpy(np.stack([m.pixels for m in made])),
            "rows": torch.tensor([(int(row), m.second) for row, m in zip(rows, made, strict=True)]),
            "flags": torch.tensor([m.flags for m in made]),
            "garments": pack([(m.known, m.garments) for m in made]),
        }
