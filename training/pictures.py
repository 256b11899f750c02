"""Training pictures of a config's photos: a batch depends on the seed, the step and the rank alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.cache import Cache, Record, letterbox
from training.config import Config, Stage
from training.losses import GREY
from training.sampling import trainable
from training.scenes import scene
from training.vocab import values_of
from trendloom.errors import NotEnoughData

__all__ = ["Pictures", "chances_of"]

LEAST = 0.8  # of each side that a crop keeps
WORSE = 0.2  # of pictures are made small and large again
RARE = -0.4  # power of a label's count


def chances_of(config: Config, records: list[Record]) -> NDArray[np.float64]:
    """The chance of each photo, 0 outside the training split: sources by their shares, rare labels more often than they occur.

    Raises:
        NotEnoughData: No photo is in the training split.
    """
    found = np.zeros(len(records))
    for source in config.sources:
        rows = [n for n, r in enumerate(records) if r.set in (source.name, f"{source.name}_box") and trainable(r)]
        name = next(iter(source.labels), "")
        labels = [next(iter(values_of(records[n].labels, name)), "") for n in rows]
        counts = Counter(labels)
        chance = np.array([counts[label] ** RARE for label in labels])
        if rows:
            found[rows] = source.share * chance / chance.sum()
    if not found.sum() > 0:
        raise NotEnoughData(
            f"none of {len(records)} photos is in the training split (eight of ten by the hash of the id): give more photos"
        )
    return found / found.sum()


class Pictures:
    """Batch number `step`: pixels (n, s, s, 3) uint8, rows (n, 2), flags (n,)."""

    def __init__(self, config: Config, stage: Stage, cache: Cache, rank: int = 0) -> None:
        self.cache, self.stage, self.rank, self.seed = cache, stage, rank, config.seed * 1009 + stage.seed
        self.chances = chances_of(config, cache.records)
        self.grounds = np.flatnonzero(self.chances * np.array([not r.cut for r in cache.records]))

    def __len__(self) -> int:
        return self.stage.steps

    def rows(self, step: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The photos of a batch, and the generator that goes on from there."""
        rng = np.random.default_rng((self.seed, step, self.rank))
        return rng.choice(len(self.chances), self.stage.batch, p=self.chances), rng

    def __getitem__(self, step: int) -> dict[str, Any]:
        rows, rng = self.rows(step)
        size = self.stage.sizes[int(rng.integers(len(self.stage.sizes)))]
        made = [self.picture(int(row), size, rng) for row in rows]
        return {
            "step": step,
            "pixels": torch.from_numpy(np.stack([pixels for pixels, _ in made])),
            "rows": torch.tensor([(int(row), -1) for row in rows]),
            "flags": torch.tensor([flags for _, flags in made]),
        }

    def picture(self, row: int, size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], int]:
        """A letterboxed picture of the photo and its flags: cut, mirrored, worse, now and then grey or on another ground."""
        record, flags = self.cache.records[row], 0
        if record.cut and rng.random() < self.stage.scenes:
            image = self.on_ground(row, size, rng)
        else:
            content = self.cache.content(row)
            height, width = (max(1, int(side * rng.uniform(LEAST, 1))) for side in content.shape[:2])
            y, x = int(rng.integers(content.shape[0] - height + 1)), int(rng.integers(content.shape[1] - width + 1))
            image = Image.fromarray(content[y : y + height, x : x + width])
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if rng.random() < WORSE:
            factor = float(rng.uniform(0.25, 0.8)) * size / max(image.size)
            image = image.resize((max(8, int(image.width * factor)), max(8, int(image.height * factor))))
        if rng.random() < self.stage.grey:
            image, flags = image.convert("L").convert("RGB"), GREY
        return letterbox(image, size), flags

    def on_ground(self, row: int, size: int, rng: np.random.Generator) -> Image.Image:
        """The cut-out product on a drawn ground, now and then the corner of another photo."""
        other = self.cache.content(int(rng.choice(self.grounds))) if len(self.grounds) and rng.random() < 0.25 else None
        made = scene(self.cache, [row], int(size * rng.uniform(1.0, 1.3)), rng, other)
        return made[0] if isinstance(made, tuple) else made
