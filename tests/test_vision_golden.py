"""Vectors of fixed inputs under the shipped model; a new version writes them with `python -m tests.test_vision_golden`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trendloom.types import Floats, Pixels
from trendloom.vision.registry import Model, load

STORED = Path(__file__).with_suffix(".npz")
TEXTS = ["a red dress", "trainers", "navy striped t-shirt with long sleeves", "a dog on a beach"]
LEAST_COSINE = 0.9995  # float32 on other processors sums in another order


def photos() -> list[Pixels]:
    """A ramp, a check and a disc: no file, no random numbers, (h, w, 3) uint8."""
    y, x = np.mgrid[0:240, 0:180].astype(np.float32)
    ramp = np.stack([x * 255 / 179, y * 255 / 239, 255 - x * 255 / 179], axis=2)
    check = np.where(((x // 20 + y // 20) % 2 > 0)[..., None], (200, 30, 30), (240, 240, 235))
    disc = np.where((np.hypot(x - 90, y - 120) < 70)[..., None], (30, 60, 160), (255, 255, 255))
    return [np.asarray(picture, dtype=np.uint8) for picture in (ramp, check, disc)]


def vectors(model: Model) -> tuple[Floats, Floats]:
    """The vectors of the photos, (3, dim), and of the texts, (4, dim)."""
    batch = np.stack([model.encoder.prepare(photo) for photo in photos()])
    return model.encoder.images(batch), model.encoder.texts(TEXTS)


def test_the_shipped_model_gives_its_golden_vectors() -> None:
    model = load()
    images, texts = vectors(model)
    with np.load(STORED, allow_pickle=False) as stored:
        assert str(stored["model"]) == model.identity, "a new model: run python -m tests.test_vision_golden"
        assert ((images * stored["images"]).sum(axis=1) > LEAST_COSINE).all()
        assert ((texts * stored["texts"]).sum(axis=1) > LEAST_COSINE).all()


if __name__ == "__main__":
    shipped = load()
    made_images, made_texts = vectors(shipped)
    np.savez(STORED, model=np.asarray(shipped.identity), images=made_images, texts=made_texts)
