"""Training pictures: batches that depend on the seed and the step alone, so that a run can stop and go on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from training.cache import Cache, letterbox
from training.losses import BLANK, GREY
from training.sampling import SHARES, sampling_weights
from training.scenes import ground, scene

__all__ = ["Batches", "Recipe", "Spares", "picture"]

GROUND_SETS = ("clothing", "street", "attributes", "other")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Shares of what is done to pictures."""

    sizes: tuple[int, ...] = (128, 128, 128, 160)
    scenes: float = 0.55  # of products with a cut-out
    second: float = 0.22  # of scenes
    grey: float = 0.05
    blank: float = 0.12  # of photos of other things
    worse: float = 0.2  # made small and large again
    jpeg: float = 0.25


def cropped(content: NDArray[np.uint8], least: float, rng: np.random.Generator) -> Image.Image:
    """The photo with up to 1 - `least` of each side cut away."""
    h, w = content.shape[:2]
    keep_h, keep_w = int(h * rng.uniform(least, 1)), int(w * rng.uniform(least, 1))
    y, x = int(rng.integers(h - keep_h + 1)), int(rng.integers(w - keep_w + 1))
    return Image.fromarray(content[y : y + keep_h, x : x + keep_w])


def relit(image: Image.Image, recipe: Recipe, size: int, rng: np.random.Generator) -> Image.Image:
    """The picture in other light, perhaps of worse quality, perhaps mirrored; hues stay."""
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
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
    """Rows of the training split that serve other pictures: products that stand beside, photos whose corners are grounds."""

    cut: NDArray[np.int64]
    grounds: NDArray[np.int64]


def picture(
    cache: Cache, row: int, spares: Spares, rng: np.random.Generator, *, size: int, recipe: Recipe
) -> tuple[NDArray[np.uint8], int, int]:
    """A letterboxed picture of the photo, the row of a second one or -1, and its flags."""
    record, second, flags = cache.records[row], -1, 0
    photo = cache.content(int(rng.choice(spares.grounds))) if rng.random() < 0.25 and len(spares.grounds) else None
    if record.cut and rng.random() < recipe.scenes:
        rows = [row]
        if rng.random() < recipe.second:
            second = int(rng.choice(spares.cut))
            rows.append(second)
        image = scene(cache, rows, int(size * rng.uniform(1.0, 1.3)), rng, photo)
    elif record.set == "other" and rng.random() < recipe.blank:
        image, flags = ground(size, int(size * rng.uniform(0.6, 1.4)), rng), BLANK
    else:
        least = {"catalogue": 0.86, "articles": 0.86, "other": 0.6, "clothing": 0.72}.get(record.set, 0.8)
        image = cropped(cache.content(row), least, rng)
    image = relit(image, recipe, size, rng)
    if rng.random() < recipe.grey and not flags:
        shade = np.asarray(image.convert("L"))
        shade = 255 - shade if record.cut and rng.random() < 0.8 else shade
        image, flags = Image.fromarray(shade), flags | GREY
        if rng.random() < 0.5:
            tiny = int(rng.integers(26, 60)) / max(image.size)
            image = image.resize((max(4, int(image.width * tiny)), max(4, int(image.height * tiny))))
    return letterbox(image.convert("RGB"), size), second, flags


class Batches:
    """Batch number `step`: pixels (n, s, s, 3) uint8, rows (n, 2), flags (n,)."""

    def __init__(
        self, cache: Cache, recipe: Recipe, *, batch: int, steps: int, seed: int, drawn: float = SHARES["drawn"]
    ) -> None:
        self.cache, self.recipe, self.batch, self.steps, self.seed, self.rank = cache, recipe, batch, steps, seed, 0
        self.chances = sampling_weights(cache.records, drawn)
        trained = [(n, r) for n, r in enumerate(cache.records) if self.chances[n] > 0]
        self.spares = Spares(
            cut=np.array([n for n, r in trained if r.cut], np.int64),
            grounds=np.array([n for n, r in trained if r.set in GROUND_SETS], np.int64),
        )

    def __len__(self) -> int:
        return self.steps

    def rows(self, step: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The photos of a batch, and the generator that goes on from there."""
        rng = np.random.default_rng((self.seed, step, self.rank))
        return rng.choice(len(self.chances), self.batch, p=self.chances), rng

    def __getitem__(self, step: int) -> dict[str, Any]:
        rows, rng = self.rows(step)
        size = self.recipe.sizes[int(rng.integers(len(self.recipe.sizes)))]
        made = [picture(self.cache, int(row), self.spares, rng, size=size, recipe=self.recipe) for row in rows]
        pairs = np.array([[row, second] for row, (_, second, _) in zip(rows, made, strict=True)])
        return {
            "step": step,
            "pixels": torch.from_numpy(np.stack([m[0] for m in made])),
            "rows": torch.from_numpy(pairs),
            "flags": torch.tensor([m[2] for m in made]),
        }
