"""Heads: a group of values learned from the user's own labels, on stored embeddings."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trendloom.errors import ArtifactError, StoreError
from trendloom.types import Floats, Tag, Tagger
from trendloom.vision.logistic import Linear, log_softmax

__all__ = [
    "GROUP_NAME",
    "Head",
    "HeadScores",
    "HeadTagger",
    "ValueScore",
    "find_heads",
    "head_names",
    "head_path",
    "load_head",
    "save_head",
]

GROUP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FORM = 1  # of the file
_TYPE = "type"


@dataclass(frozen=True, kw_only=True)
class ValueScore:
    """How a head does on one value, on photos that were not learned from when they were judged.

    Attributes:
        value: The label.
        support: Labelled photos.
        precision: Share right among those given this value surely; None where it was never given.
        recall: Share of the labelled photos that were given this value surely.
    """

    value: str
    support: int
    precision: float | None
    recall: float


@dataclass(frozen=True, kw_only=True)
class HeadScores:
    """How a head does on photos that were not learned from when they were judged (cross-validation).

    Attributes:
        photos: Labelled photos.
        folds: Parts of the cross-validation; copies of a photo and photos of one post are in one part.
        accuracy: Share of photos whose likeliest value is right.
        majority: Share of the most frequent value: what naming it always would reach.
        ece: Expected calibration error of the likeliest value, 15 bins of equal width.
        coverage: Share of photos that are given a value surely.
        precision: Share right among these.
        values: Each value.
    """

    photos: int
    folds: int
    accuracy: float
    majority: float
    ece: float
    coverage: float
    precision: float | None
    values: tuple[ValueScore, ...]


@dataclass(frozen=True, kw_only=True)
class Head:
    """A group of values that exclude each other, over embeddings of one model.

    Attributes:
        group: Name of the group.
        version: Counts the fits of the group, from 1.
        model: Name and version of the model whose embeddings it reads; it is applied to no others.
        values: Names of the values.
        linear: Scores of the values.
        temperature: What the scores are divided by before the softmax.
        threshold: Probability from which a value is sure.
        wanted: Precision that the threshold was chosen for.
        penalty: L2 penalty, chosen by cross-validation.
        learned_from: SHA-256 of labels, model and settings: the same again is the same head.
        scores: How good it is.
    """

    group: str
    version: int
    model: str
    values: tuple[str, ...]
    linear: Linear
    temperature: float
    threshold: float
    wanted: float
    penalty: float
    learned_from: str
    scores: HeadScores

    @property
    def identity(self) -> str:
        """What a stored tag names as its taxonomy, such as `head season 2`."""
        return f"head {self.group} {self.version}"

    def chances(self, embeddings: Floats) -> Floats:
        """Returns (n, values) float32 probabilities of embeddings (n, dim); rows sum to 1."""
        return np.exp(log_softmax(self.linear.scores(embeddings) / self.temperature)).astype(np.float32)

    def tags(self, embeddings: Floats) -> list[Tag]:
        """Returns the likeliest value of each embedding (n, dim), sure or not."""
        chances = self.chances(embeddings)
        return [
            Tag(
                group=self.group,
                value=self.values[n],
                value_id=f"head:{self.group}/{self.values[n]}",
                probability=float(row[n]),
                sure=bool(row[n] >= self.threshold),
            )
            for row, n in zip(chances, chances.argmax(axis=1), strict=True)
        ]


class HeadTagger:
    """A tagger with heads on top, for photos that are not stored: whole photos that show a garment get their tags too."""

    def __init__(self, base: Tagger, heads: Sequence[Head]) -> None:
        self._base, self._heads = base, tuple(heads)

    @property
    def taxonomy(self) -> str:
        """Name and version of the taxonomy below the heads."""
        return self._base.taxonomy

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        """Returns the tags of each garment, those of the heads last; as if the photo came from the store."""
        found = self._base.tag(embeddings, kinds, among)
        rows = embeddings.astype("<f2").astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        for head in self._heads:
            for n, tag in enumerate(head.tags(rows) if len(rows) else []):
                if not (kinds and kinds[n]) and any(known.group == _TYPE for known in found[n]):
                    found[n].append(tag)
        return found


def head_path(folder: Path, group: str) -> Path:
    """Returns the path of a group's head in a folder of heads."""
    return folder / f"{group}.json"


def find_heads(folder: Path) -> list[Head]:
    """Returns the heads in a folder by name, none where there is no folder.

    Raises:
        ArtifactError: a file is damaged.
    """
    return [load_head(head_path(folder, name)) for name in head_names(folder)]


def head_names(folder: Path) -> list[str]:
    """Returns the groups that have a head in a folder, by name; whether it can be read is open."""
    return sorted(path.stem for path in folder.glob("*.json") if GROUP_NAME.fullmatch(path.stem))


def save_head(folder: Path, head: Head) -> Path:
    """Returns the path of the file written; it is whole or not there.

    Raises:
        StoreError: it cannot be written.
    """
    fields = asdict(head) | {"linear": None}
    fields["weights"], fields["bias"] = _packed(head.linear.weights), _packed(head.linear.bias)
    del fields["linear"]
    text = json.dumps({"form": _FORM, "sha256": _digest(fields), "head": fields}, indent=1)
    path = head_path(folder, head.group)
    part = path.with_suffix(".part")
    try:
        folder.mkdir(exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as exc:
        raise StoreError(f"the head {head.group} cannot be written ({exc.strerror}): is the disk full?") from exc
    return path


def load_head(path: Path) -> Head:
    """Returns the head in a file.

    Raises:
        ArtifactError: the file is missing, damaged, or of a newer form.
    """
    name = f"heads/{path.name}"
    try:
        stored = json.loads(path.read_bytes())
        if stored["form"] != _FORM:
            raise ArtifactError(f"{name}: expected a head of form {_FORM}, got {stored['form']!r}; upgrade trendloom")
        fields = stored["head"]
        if _digest(fields) != stored["sha256"]:
            raise ArtifactError(f"{name}: its content does not match its sha256; fit the head again")
        return _head(fields)
    except OSError as exc:
        raise ArtifactError(f"expected a head in {name}, found none to read") from exc
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as exc:
        raise ArtifactError(f"{name}: expected a head, got a damaged file ({exc}); fit the head again") from exc


def _head(fields: Mapping[str, Any]) -> Head:
    told = dict(fields)
    scores = dict(told.pop("scores"))
    values = tuple(ValueScore(**value) for value in scores.pop("values"))
    bias = _unpacked(told.pop("bias"))
    weights = _unpacked(told.pop("weights")).reshape(-1, len(bias))
    told["values"] = tuple(told["values"])
    if len(told["values"]) != len(bias):
        raise ValueError(f"{len(told['values'])} values, {len(bias)} scores")
    linear = Linear(weights=weights, bias=bias)
    return Head(**told, linear=linear, scores=HeadScores(**scores, values=values))


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _packed(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float64)
