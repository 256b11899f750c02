"""Reads the card of a model folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from trendloom.artifacts.files import check_length, records
from trendloom.artifacts.nouns import (
    Calibration,
    ClassifyCalibration,
    FileRecord,
    ModelCard,
    ModelSource,
    TagCalibration,
    TextSpec,
    TrainingSet,
)
from trendloom.artifacts.reading import Fields, read_number, read_text
from trendloom.errors import ArtifactError

__all__ = [
    "CARD",
    "FITS",
    "INTERPOLATIONS",
    "MODEL_NAME",
    "REQUIRED_FILES",
    "amend_card",
    "load_card",
    "record_file",
    "write_card",
]

CARD = "card.json"
REQUIRED_FILES = ("image.onnx", "text.onnx", "tokenizer.json")
FITS = ("letterbox", "center-crop", "squash")
INTERPOLATIONS = ("bicubic", "bilinear")
MAX_CARD_BYTES = 1 << 20
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_OPTIONAL = ("source", "parity", "garments", "taxonomy")
_HEX = re.compile(r"[0-9a-f]{64}")


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
    card = _card(Fields(raw, f"{folder.name}/{CARD}"), folder)
    for name, record in card.files.items():
        check_length(folder / name, record)
    return card


def write_card(card: ModelCard) -> Path:
    """Returns the path of the card written into its model's folder, as `load_card` reads it."""
    fields = asdict(card)
    del fields["folder"]
    fields["created"] = card.created.isoformat()
    fields["files"] = {name: {"sha256": r.sha256, "bytes": r.size_bytes} for name, r in card.files.items()}
    kept = {key: value for key, value in fields.items() if value or key not in _OPTIONAL}
    path = card.folder / CARD
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def amend_card(folder: Path, fields: Mapping[str, Any]) -> None:
    """Sets fields of the card in a model's folder, whole or not at all.

    Raises:
        ArtifactError: the card cannot be read or written.
    """
    path = folder / CARD
    part = path.with_suffix(".part")
    try:
        card = json.loads(path.read_bytes()) | dict(fields)
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as exc:
        raise ArtifactError(
            f"{folder.name}/{CARD} cannot be written ({exc.strerror}): may you write the folder?"
        ) from exc
    except (ValueError, TypeError) as exc:
        raise ArtifactError(f"{folder.name}/{CARD}: expected a card, got a damaged file ({exc})") from exc


def record_file(folder: Path, name: str) -> None:
    """Notes digest and length of a file that was written into a model's folder; without that it is not read.

    Raises:
        ArtifactError: the file cannot be read, the card not be read or written.
    """
    try:
        known = json.loads((folder / CARD).read_bytes())["files"]
        record = records(folder, [name])[name]
    except OSError as exc:
        raise ArtifactError(f"{folder.name}: {name} and {CARD} cannot be read ({exc.strerror})") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{folder.name}/{CARD}: expected a card, got a damaged file ({exc})") from exc
    amend_card(folder, {"files": known | {name: {"sha256": record.sha256, "bytes": record.size_bytes}}})


def _template(value: object, place: str) -> str:
    template = read_text(value, place)
    if template.count("{}") != 1:
        raise ArtifactError(f"{place}: expected one {{}} in the template, got {template!r}")
    return template


def _file(value: object, place: str) -> FileRecord:
    fields = Fields(value, place)
    sha256 = fields.text("sha256")
    if not _HEX.fullmatch(sha256):
        raise ArtifactError(f"{place}: expected a SHA-256 of 64 small hex digits, got {sha256!r}")
    return fields.done(FileRecord(sha256=sha256, size_bytes=fields.whole("bytes", low=1, high=1 << 40)))


def _training_set(value: object, place: str) -> TrainingSet:
    fields = Fields(value, place)
    photos = fields.whole("photos", low=0, high=1 << 40)
    return fields.done(TrainingSet(name=fields.text("name"), terms=fields.text("terms"), photos=photos))


def _tag_calibration(value: object, place: str) -> TagCalibration:
    fields = Fields(value, place)
    threshold = fields.number("threshold", low=0.0, high=1.0)
    return fields.done(
        TagCalibration(
            scale=fields.number("scale", low=0.0, high=1e4),
            threshold=threshold,
            further=fields.number("further", low=0.0, high=1.0, default=threshold),
            templates=fields.each("templates", _template, []),
            validated=fields.flag("validated", default=True),
        )
    )


def _classify_calibration(value: object, place: str) -> ClassifyCalibration:
    fields = Fields(value, place)
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
    fields = Fields(value, place)
    return fields.done(
        Calibration(
            classify=_classify_calibration(fields.take("classify"), fields.at("classify")),
            tags=fields.table("tags", _tag_calibration),
        )
    )


def _files(fields: Fields) -> dict[str, FileRecord]:
    files = fields.table("files", _file)
    for name in files:
        if not MODEL_NAME.fullmatch(name):
            raise ArtifactError(f"{fields.at('files')}: expected plain file names, got {name!r}")
    if missing := [name for name in REQUIRED_FILES if name not in files]:
        raise ArtifactError(f"{fields.at('files')}: {', '.join(missing)} is missing")
    return files


def _fill(fields: Fields) -> tuple[int, int, int]:
    fill = fields.each("fill", lambda value, place: int(read_number(value, place, low=0, high=255)))
    if len(fill) != 3:
        raise ArtifactError(f"{fields.at('fill')}: expected three numbers, got {len(fill)}")
    return fill


def _text_spec(value: object, place: str) -> TextSpec:
    fields = Fields(value, place)
    length = fields.take("context_length", None)
    spec = TextSpec(
        context_length=None if length is None else int(read_number(length, place, low=1, high=65_536)),
        pad_id=int(fields.number("pad_id", low=0, high=1 << 31, default=0)),
        pad_to=fields.choice("pad_to", ("longest", "context"), "longest"),
    )
    if spec.pad_to == "context" and spec.context_length is None:
        raise ArtifactError(f"{fields.at('context_length')} is missing: texts are padded to it")
    return fields.done(spec)


def _source(value: object, place: str) -> ModelSource:
    fields = Fields(value, place)
    sha256 = fields.take("sha256", "")
    return fields.done(
        ModelSource(
            library=fields.text("library"),
            architecture=fields.text("architecture"),
            pretrained=fields.text("pretrained"),
            sha256=read_text(sha256, fields.at("sha256")) if sha256 else "",
        )
    )


def _card(fields: Fields, folder: Path) -> ModelCard:
    name = fields.text("name")
    if not MODEL_NAME.fullmatch(name):
        raise ArtifactError(f"{fields.at('name')}: expected small letters, digits, dots and dashes, got {name!r}")
    created = fields.text("created")
    try:
        day = date.fromisoformat(created)
    except ValueError as exc:
        raise ArtifactError(f"{fields.at('created')}: expected YYYY-MM-DD, got {created!r}") from exc
    metrics = fields.table("metrics", lambda value, _: value)
    if tag_scores := fields.take("tag_scores_on_tuning_photos", None):
        metrics["tag_scores_on_tuning_photos"] = tag_scores
    source = fields.take("source", None)
    card = ModelCard(
        name=name,
        version=fields.text("version"),
        files=_files(fields),
        dim=fields.whole("dim", low=1, high=65_536),
        image_size=fields.whole("image_size", low=16, high=4_096),
        interpolation=fields.choice("interpolation", INTERPOLATIONS),
        fit=fields.choice("fit", FITS),
        fill=_fill(fields),
        licence=fields.text("licence"),
        training_data=fields.each("training_data", _training_set),
        metrics=metrics,
        calibration=_calibration(fields.take("calibration"), fields.at("calibration")),
        weak_spots=fields.each("weak_spots", read_text),
        reproduce=fields.text("reproduce"),
        created=day,
        folder=folder,
        text=_text_spec(fields.take("text", {}), fields.at("text")),
        source=None if source is None else _source(source, fields.at("source")),
        parity=fields.table("parity", lambda value, _: value, {}),
        garments=fields.table("garments", lambda value, _: value, {}),
        taxonomy=fields.table("taxonomy", read_text, {}),
    )
    return fields.done(card)
