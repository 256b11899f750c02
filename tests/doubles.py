"""Small real doubles of the seams: a joint space of colours, and a tagger that names them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.errors import InputError
from trendloom.types import Fit, Floats, Pixels, Tag

__all__ = ["COLOURS", "ColourTagger", "HistogramEncoder", "card_fields", "write_model"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "orange": (240, 130, 20),
    "yellow": (240, 220, 40),
    "green": (30, 140, 50),
    "turquoise": (40, 190, 190),
    "blue": (40, 70, 190),
    "navy": (20, 25, 80),
    "purple": (120, 40, 150),
    "pink": (240, 130, 180),
    "brown": (110, 70, 40),
    "beige": (220, 200, 165),
}
_GRID = [(r, g, b) for r in (30, 128, 225) for g in (30, 128, 225) for b in (30, 128, 225)]
_GREYS = [(v, v, v) for v in (0, 64, 96, 180, 255)]
_ANCHORS = np.asarray(_GRID + _GREYS, dtype=np.float32)  # (32, 3)
_GROUND = 0.02  # what a white pixel counts beside a coloured one: letterbox and shop ground say little


def _unit(rows: Floats) -> Floats:
    """Returns the rows at length 1, (n, dim) float32."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _histogram(pixels: Pixels) -> Floats:
    """Returns the soft colour histogram of one picture, (32,) float32, square-rooted."""
    flat = pixels.reshape(-1, 3).astype(np.float32)
    distance = ((flat[:, None, :] - _ANCHORS[None]) ** 2).sum(axis=2) / (2 * 45.0**2)
    near = np.exp(-(distance - distance.min(axis=1, keepdims=True)))
    near /= near.sum(axis=1, keepdims=True)
    weight = np.where((flat > 245).all(axis=1), _GROUND, 1.0).astype(np.float32)
    return np.asarray(np.sqrt((near * weight[:, None]).sum(axis=0) / weight.sum()), dtype=np.float32)


class HistogramEncoder:
    """An Encoder whose joint space is colour: deterministic, no weights, 32 dimensions.

    A text that names colours of COLOURS lies where pictures in these colours lie; any other text
    gets a direction of its own from its hash.
    """

    def __init__(self, size: int = 16) -> None:
        self.size = size

    @property
    def model(self) -> str:
        return "hist 1"

    @property
    def dim(self) -> int:
        return len(_ANCHORS)

    @property
    def engine(self) -> str:
        return "numpy-cpu-fp32"

    @property
    def batch(self) -> int:
        return 8

    @property
    def fit(self) -> Fit:
        return Fit(size=self.size)

    def prepare(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        scale = self.size / max(height, width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new("RGB", (self.size, self.size), (255, 255, 255))
        canvas.paste(
            Image.fromarray(pixels).resize(inner, Image.Resampling.BOX),
            ((self.size - inner[0]) // 2, (self.size - inner[1]) // 2),
        )
        return np.asarray(canvas, dtype=np.uint8)

    def images(self, batch: Pixels) -> Floats:
        if batch.shape[1:] != (self.size, self.size, 3):
            raise InputError(f"expected pictures ({self.size}, {self.size}, 3), got {batch.shape[1:]}")
        if not len(batch):
            return np.zeros((0, self.dim), dtype=np.float32)
        return _unit(np.stack([_histogram(picture) for picture in batch]))

    def pieces(self, text: str) -> int:
        return len(text.split())

    def texts(self, lines: Sequence[str]) -> Floats:
        rows = np.zeros((len(lines), self.dim), dtype=np.float32)
        for at, line in enumerate(lines):
            if not line.strip():
                raise InputError("a text is empty: expected words")
            named = [COLOURS[word] for word in re.findall(r"[a-z]+", line.lower()) if word in COLOURS]
            for colour in named:
                rows[at] += _histogram(np.full((1, 1, 3), colour, dtype=np.uint8))
            if not named:
                seed = int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "little")
                rows[at] += np.abs(np.random.default_rng(seed).normal(size=self.dim)).astype(np.float32)
        return _unit(rows) if len(rows) else rows


class ColourTagger:
    """A Tagger that knows one group, `colour`, by the cosine to each colour's own histogram."""

    def __init__(self, threshold: float = 0.3, scale: float = 12.0) -> None:
        self.threshold = threshold
        self.scale = scale
        self.names = list(COLOURS)
        self.vectors = HistogramEncoder().texts(self.names)

    @property
    def taxonomy(self) -> str:
        return "colours 1"

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        logits = self.scale * embeddings @ self.vectors.T  # (n, colours)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True, initial=0.0))
        chances = odds / odds.sum(axis=1, keepdims=True)
        return [
            [
                Tag(group="colour", value=name, value_id=f"trendloom:{name}", probability=float(row[i]))
                for i in np.argsort(-row, kind="stable")
                if row[i] >= self.threshold
                for name in [self.names[i]]
            ]
            for row in chances
        ]


def card_fields(files: Mapping[str, bytes], dim: int = 32) -> dict[str, object]:
    """The fields of a sound card.json for files of the given content."""
    groups = ("type", "colour", "pattern", "sleeves", "neckline")
    return {
        "name": "toy",
        "version": "1.0",
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
        "dim": dim,
        "image_size": 16,
        "interpolation": "bicubic",
        "fit": "letterbox",
        "fill": [255, 255, 255],
        "licence": "Apache-2.0",
        "training_data": [{"name": "drawn", "terms": "Apache-2.0", "photos": 3}],
        "metrics": {"top1": 0.5},
        "calibration": {
            "classify": {"templates": ["{}"], "softmax_scale": 10.0, "sigmoid_scale": 10.0, "sigmoid_bias": -5.0},
            "tags": {group: {"scale": 12.0, "threshold": 0.3, "templates": ["{}"]} for group in groups},
        },
        "weak_spots": ["everything but colour"],
        "reproduce": "python -m training.export",
        "created": "2026-11-22",
    }


def write_model(folder: Path, *, stored: Mapping[str, bytes] | None = None, **changes: object) -> Path:
    """The model folder, written with a sound card whose fields `changes` replace; None drops a field."""
    content = {"image.onnx": b"image", "text.onnx": b"text", "tokenizer.json": b"{}"} | dict(stored or {})
    folder.mkdir(parents=True)
    for name, raw in content.items():
        (folder / name).write_bytes(raw)
    fields = card_fields(content) | changes
    kept = {key: value for key, value in fields.items() if value is not None}
    (folder / "card.json").write_text(json.dumps(kept), encoding="utf-8")
    return folder
