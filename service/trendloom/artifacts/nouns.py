"""What a model folder says about itself: the nouns of a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from trendloom.types import Fit

__all__ = [
    "Calibration",
    "ClassifyCalibration",
    "FileRecord",
    "ModelCard",
    "ModelSource",
    "TagCalibration",
    "TextSpec",
    "TrainingSet",
]


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """Digest and length of one shipped file."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A set of photos that the model learned from, and its terms."""

    name: str
    terms: str
    photos: int


@dataclass(frozen=True, kw_only=True)
class ClassifyCalibration:
    """How cosines become probabilities over a free list of labels.

    Softmax over n labels scales cosines by `softmax_scale + softmax_scale_log_n * ln(n)`;
    several labels at once use `sigmoid(sigmoid_scale * cosine + sigmoid_bias)`.
    """

    templates: tuple[str, ...]
    softmax_scale: float
    softmax_scale_log_n: float
    sigmoid_scale: float
    sigmoid_bias: float


@dataclass(frozen=True, kw_only=True)
class TagCalibration:
    """How cosines become tags of one group; `templates` is empty where the taxonomy's apply.

    `validated`: scale and threshold were fitted on labelled pictures and reach their precision there (`weak_spots` says
    where these were drawn); a group without is off by default.
    `threshold`: from where a garment's likeliest value is sure, `further`: from where others beside it are.
    """

    scale: float
    threshold: float
    further: float
    templates: tuple[str, ...]
    validated: bool = True


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns cosines into probabilities."""

    classify: ClassifyCalibration
    tags: Mapping[str, TagCalibration]


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """How token ids go into the text tower.

    Attributes:
        context_length: The most ids of a text; None where the tokenizer's file alone says so.
        pad_id: The id that pads.
        pad_to: `longest`: texts are padded to the longest of a call; `context`: each to `context_length`.
    """

    context_length: int | None = None
    pad_id: int = 0
    pad_to: str = "longest"


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where the weights of a converted model come from.

    Attributes:
        library: Name and version of the library that ran them, such as `open_clip 3.3.0`.
        architecture: Its name for the architecture.
        pretrained: Tag, repository or file name of the weights.
        sha256: Of the checkpoint file; empty where the library fetched it itself.
    """

    library: str
    architecture: str
    pretrained: str
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model folder says about itself; `folder` is where it was found.

    `fit` brings a photo onto the square of `image_size`: `letterbox` (long side fits, on a ground of `fill`),
    `center-crop` (short side fits, the middle is kept) or `squash` (both sides fit, proportions do not survive).
    `parity`: how near a converted model is to the one it was made of. `garments`: kept as it stands.
    `taxonomy`: `identity` and `sha256` of the file that calibration and figures of tags are for.
    """

    name: str
    version: str
    files: Mapping[str, FileRecord]
    dim: int
    image_size: int
    interpolation: str
    fit: str
    fill: tuple[int, int, int]
    licence: str
    training_data: tuple[TrainingSet, ...]
    metrics: Mapping[str, Any]
    calibration: Calibration
    weak_spots: tuple[str, ...]
    reproduce: str
    created: date
    folder: Path = field(compare=False)
    text: TextSpec = field(default_factory=TextSpec)
    source: ModelSource | None = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    garments: Mapping[str, Any] = field(default_factory=dict)
    taxonomy: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Name and version, such as `fashion-lite 1.0`: what a stored row names."""
        return f"{self.name} {self.version}"

    @property
    def onto(self) -> Fit:
        """How a photo comes onto the tower's square."""
        return Fit(size=self.image_size, kind=self.fit, fill=self.fill, interpolation=self.interpolation)
