"""How fast an installed model is here: a few seconds, one number for each part of the way."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from trendloom.drawn import draw_garment, draw_scene
from trendloom.photos import fitted
from trendloom.types import Pixels
from trendloom.vision.registry import Model

__all__ = ["Bench", "bench"]

_PHOTO = (1080, 1350)  # width and height of a photo as social platforms serve it
_BATCH = 8
_FEWEST = 3  # rounds
_TEXT = "a photo of a navy and white striped cotton shirt with long sleeves"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Medians over rounds of 8, one after another on one caller.

    Attributes:
        decode: JPEG photos of 1080 x 1350 per second, file to the tower's square.
        images: Prepared photos per second through the image tower.
        texts: Texts of thirteen words per second, tokenizer included.
        engine: Runtime, provider and precision.
    """

    decode: float
    images: float
    texts: float
    engine: str


def bench(model: Model, *, seconds: float = 1.0) -> Bench:
    """Returns the rates of an installed model; each part runs for about `seconds`."""
    encoder, photo = model.encoder, _photo()
    batch = np.stack([fitted(photo, encoder.fit).pixels] * _BATCH)
    return Bench(
        decode=_rate(lambda: [fitted(photo, encoder.fit) for _ in range(_BATCH)], seconds),
        images=_rate(lambda: encoder.images(batch), seconds),
        texts=_rate(lambda: encoder.texts([_TEXT] * _BATCH), seconds),
        engine=model.engine,
    )


def _photo() -> bytes:
    rng = np.random.default_rng(0)
    drawing = draw_garment(rng, type="dress", colour="red", pattern="floral", size=256)
    scene: Pixels = draw_scene(rng, [drawing], size=256)
    stream = io.BytesIO()
    Image.fromarray(scene).resize(_PHOTO, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _rate(work: Callable[[], object], seconds: float) -> float:
    """Returns things per second of work on a batch; the first round loads what is lazy and does not count."""
    work()
    took: list[float] = []
    while len(took) < _FEWEST or sum(took) < seconds:
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return _BATCH / max(statistics.median(took), 1e-9)
