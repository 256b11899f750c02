"""Finds model folders, reads their cards and verifies their files."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from trendloom.errors import ArtifactError

__all__ = [
    "Calibration",
    "ClassifyCalibration",
    "FileRecord",
    "ModelCard",
    "TagCalibration",
    "TrainingSet",
    "find_model",
    "installed_cards",
    "load_card",
    "models_folder",
    "taxonomy_path",
    "verify",
]

CARD = "card.json"
TAXONOMY = "taxonomy.yaml"
REQUIRED_FILES = ("image.onnx", "text.onnx", "tokenizer.json")
MAX_CARD_BYTES = 1 << 20

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEX = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


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
    """How cosines become tags of one group; `templates` is empty where the taxonomy's apply."""

    scale: float
    threshold: float
    templates: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns cosines into probabilities."""

    classify: ClassifyCalibration
    tags: Mapping[str, TagCalibration]


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model folder says about itself; `folder` is where it was found."""

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

    @property
    def identity(self) -> str:
        """Name and version, such as `fashion-lite 1.0`: what a stored row names."""
        return f"{self.name} {self.version}"


def models_folder(models_dir: Path | None = None) -> Path:
    """Returns the folder of the models: the given one, else the installed one, else the checkout's.

    Raises:
        ArtifactError: no such folder.
    """
    here = Path(__file__).resolve()
    candidates = [models_dir] if models_dir is not None else [here.parent / "_models", here.parents[2] / "models"]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    if models_dir is not None:
        raise ArtifactError(f"expected a folder of models at {str(models_dir)!r}, found none; give another folder")
    raise ArtifactError("no models are installed with trendloom; install the wheel again or give a folder of models")


def taxonomy_path(models_dir: Path | None = None) -> Path:
    """Returns the path of the taxonomy that ships beside the models.

    Raises:
        ArtifactError: it is not there.
    """
    path = models_folder(models_dir) / TAXONOMY
    if not path.is_file():
        raise ArtifactError(f"expected {TAXONOMY} beside the models, found none; install the models again")
    return path


def find_model(name: str, models_dir: Path | None = None) -> Path:
    """Returns the folder of the model called `name`.

    Raises:
        ArtifactError: no such model; the message lists those that are there.
    """
    folder = models_folder(models_dir)
    if _NAME.fullmatch(name) and (folder / name / CARD).is_file():
        return folder / name
    there = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{CARD}"))) or "none"
    raise ArtifactError(f"expected the name of an installed model, got {name!r}; installed: {there}")


def installed_cards(models_dir: Path | None = None) -> tuple[ModelCard, ...]:
    """Returns the card of every installed model, sorted by name.

    Raises:
        ArtifactError: there is no folder of models, or a card in it cannot be read.
    """
    return tuple(load_card(path.parent) for path in sorted(models_folder(models_dir).glob(f"*/{CARD}")))


def load_card(folder: Path) -> ModelCard:
    """Returns the card of the model in `folder`; its files are there and have the stated lengths.

    Raises:
        ArtifactError: the card or a file is missing, or a field is absent, unknown or out of range.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ArtifactError(f"{folder.name}/{CARD}: expected at most {MAX_CARD_BYTES} bytes, got more")
        raw = json.loads(path.read_bytes())
    except OSError as exc:
        raise ArtifactError(f"expected {CARD} in the model folder {folder.name!r}, found none to read") from exc
    except (ValueError, RecursionError) as exc:
        raise ArtifactError(f"{folder.name}/{CARD}: expected JSON, got text that does not parse ({exc})") from exc
    card = _card(_Fields(raw, f"{folder.name}/{CARD}"), folder)
    for name, record in card.files.items():
        _check_length(folder / name, record)
    return card


def verify(card: ModelCard) -> None:
    """Reads every file of the model and compares its SHA-256 with the card.

    Raises:
        ArtifactError: a file is missing or differs.
    """
    for name, record in card.files.items():
        path = card.folder / name
        _check_length(path, record)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != record.sha256:
            place = f"{card.name}/{name}"
            raise ArtifactError(f"{place}: expected SHA-256 {record.sha256}, got {digest}; install the model again")


def _check_length(path: Path, record: FileRecord) -> None:
    """Raises ArtifactError unless the file is there with the stated length."""
    place = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ArtifactError(f"expected the model file {place}, found none; install the model again")
    if (size := path.stat().st_size) != record.size_bytes:
        raise ArtifactError(f"{place}: expected {record.size_bytes} bytes, got {size}; install the model again")


class _Fields:
    """One JSON object while it is read; every complaint names the place, and leftovers are refused."""

    def __init__(self, raw: object, place: str) -> None:
        if not isinstance(raw, dict):
            raise ArtifactError(f"{place}: expected an object, got {type(raw).__name__}")
        self._left: dict[str, object] = dict(raw)
        self.place = place

    def at(self, key: str) -> str:
        """Returns the place of a field, for messages."""
        return f"{self.place}: {key}"

    def take(self, key: str, default: object = ...) -> object:
        """Returns a field's value, or the default where one is given."""
        if key in self._left:
            return self._left.pop(key)
        if default is ...:
            raise ArtifactError(f"{self.at(key)} is missing")
        return default

    def text(self, key: str) -> str:
        """Returns a field that is a text with at least one visible character."""
        return _text(self.take(key), self.at(key))

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """Returns a field that is a finite number in [low, high]."""
        value = self.take(key) if default is None else self.take(key, default)
        return _number(value, self.at(key), low=low, high=high)

    def whole(self, key: str, *, low: int, high: int) -> int:
        """Returns a field that is a whole number in [low, high]."""
        value = self.number(key, low=low, high=high)
        if value != int(value):
            raise ArtifactError(f"{self.at(key)}: expected a whole number, got {value}")
        return int(value)

    def each(self, key: str, read: Callable[[object, str], T], default: object = ...) -> tuple[T, ...]:
        """Returns a list field, each element read by `read(element, place)`."""
        value = self.take(key, default)
        if not isinstance(value, list):
            raise ArtifactError(f"{self.at(key)}: expected a list, got {type(value).__name__}")
        return tuple(read(element, f"{self.at(key)}[{n}]") for n, element in enumerate(value))

    def table(self, key: str, read: Callable[[object, str], T]) -> dict[str, T]:
        """Returns an object field, each value read by `read(value, place)`."""
        value = self.take(key)
        if not isinstance(value, dict):
            raise ArtifactError(f"{self.at(key)}: expected an object, got {type(value).__name__}")
        return {str(name): read(element, f"{self.at(key)}.{name}") for name, element in value.items()}

    def done(self, made: T) -> T:
        """Returns what was made of the fields; refuses leftovers: a newer card may ask for what this cannot do."""
        if self._left:
            raise ArtifactError(f"{self.place}: unknown field {', '.join(sorted(self._left))}; a newer trendloom?")
        return made


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ArtifactError(f"{place}: expected a text, got {value!r}")
    return value


def _number(value: object, place: str, *, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ArtifactError(f"{place}: expected a number, got {value!r}")
    if not low <= value <= high:
        raise ArtifactError(f"{place}: expected a number from {low:g} to {high:g}, got {value:g}")
    return float(value)


def _template(value: object, place: str) -> str:
    template = _text(value, place)
    if template.count("{}") != 1:
        raise ArtifactError(f"{place}: expected one {{}} in the template, got {template!r}")
    return template


def _file(value: object, place: str) -> FileRecord:
    fields = _Fields(value, place)
    sha256 = fields.text("sha256")
    if not _HEX.fullmatch(sha256):
        raise ArtifactError(f"{place}: expected a SHA-256 of 64 small hex digits, got {sha256!r}")
    return fields.done(FileRecord(sha256=sha256, size_bytes=fields.whole("bytes", low=1, high=1 << 40)))


def _training_set(value: object, place: str) -> TrainingSet:
    fields = _Fields(value, place)
    photos = fields.whole("photos", low=0, high=1 << 40)
    return fields.done(TrainingSet(name=fields.text("name"), terms=fields.text("terms"), photos=photos))


def _tag_calibration(value: object, place: str) -> TagCalibration:
    fields = _Fields(value, place)
    return fields.done(
        TagCalibration(
            scale=fields.number("scale", low=0.0, high=1e4),
            threshold=fields.number("threshold", low=0.0, high=1.0),
            templates=fields.each("templates", _template, []),
        )
    )


def _classify_calibration(value: object, place: str) -> ClassifyCalibration:
    fields = _Fields(value, place)
    found = ClassifyCalibration(
        templates=fields.each("templates", _template),
        softmax_scale=fields.number("softmax_scale", low=0.0, high=1e4),
        softmax_scale_log_n=fields.number("softmax_scale_log_n", low=-1e4, high=1e4, default=0.0),
        sigmoid_scale=fields.number("sigmoid_scale", low=0.0, high=1e4),
        sigmoid_bias=fields.number("sigmoid_bias", low=-1e4, high=1e4),
    )
    if not found.templates:
        raise ArtifactError(f"{place}.templates: expected at least one template, got none")
    return fields.done(found)


def _calibration(value: object, place: str) -> Calibration:
    fields = _Fields(value, place)
    return fields.done(
        Calibration(
            classify=_classify_calibration(fields.take("classify"), fields.at("classify")),
            tags=fields.table("tags", _tag_calibration),
        )
    )


def _files(fields: _Fields) -> dict[str, FileRecord]:
    files = fields.table("files", _file)
    for name in files:
        if not _NAME.fullmatch(name):
            raise ArtifactError(f"{fields.at('files')}: expected plain file names, got {name!r}")
    if missing := [name for name in REQUIRED_FILES if name not in files]:
        raise ArtifactError(f"{fields.at('files')}: {', '.join(missing)} is missing")
    return files


def _fill(fields: _Fields) -> tuple[int, int, int]:
    fill = fields.each("fill", lambda value, place: int(_number(value, place, low=0, high=255)))
    if len(fill) != 3:
        raise ArtifactError(f"{fields.at('fill')}: expected three numbers, got {len(fill)}")
    return fill


def _choice(fields: _Fields, key: str, choices: tuple[str, ...]) -> str:
    value = fields.text(key)
    if value not in choices:
        raise ArtifactError(f"{fields.at(key)}: expected {' or '.join(choices)}, got {value!r}")
    return value


def _card(fields: _Fields, folder: Path) -> ModelCard:
    name = fields.text("name")
    if not _NAME.fullmatch(name):
        raise ArtifactError(f"{fields.at('name')}: expected small letters, digits, dots and dashes, got {name!r}")
    created = fields.text("created")
    try:
        day = date.fromisoformat(created)
    except ValueError as exc:
        raise ArtifactError(f"{fields.at('created')}: expected YYYY-MM-DD, got {created!r}") from exc
    metrics = fields.table("metrics", lambda value, _: value)
    if tag_scores := fields.take("tag_scores_on_tuning_photos", None):
        metrics["tag_scores_on_tuning_photos"] = tag_scores
    card = ModelCard(
        name=name,
        version=fields.text("version"),
        files=_files(fields),
        dim=fields.whole("dim", low=1, high=65_536),
        image_size=fields.whole("image_size", low=16, high=4_096),
        interpolation=_choice(fields, "interpolation", ("bicubic",)),
        fit=_choice(fields, "fit", ("letterbox",)),
        fill=_fill(fields),
        licence=fields.text("licence"),
        training_data=fields.each("training_data", _training_set),
        metrics=metrics,
        calibration=_calibration(fields.take("calibration"), fields.at("calibration")),
        weak_spots=fields.each("weak_spots", _text),
        reproduce=fields.text("reproduce"),
        created=day,
        folder=folder,
    )
    return fields.done(card)
