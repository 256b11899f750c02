"""Calibration on photos that the user labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trendloom.artifacts import Calibration, ModelCard, TagCalibration
from trendloom.photos import fitted
from trendloom.types import Encoder, Floats
from trendloom.vision.classifier import label_vectors
from trendloom.vision.open_clip.calibration import (
    OFF,
    Classes,
    fit_scale,
    fit_sigmoid,
    score_labels,
    threshold_for,
)
from trendloom.vision.open_clip.samples import Sample
from trendloom.vision.registry import Model
from trendloom.vision.scores import softmax

__all__ = ["embed", "fit_labelled"]

_CHUNK = 16
_STEEPEST = 400.0  # softmax scale; published models bring at most 117


def embed(encoder: Encoder, samples: Sequence[Sample]) -> Floats:
    """Returns (n, dim) float32, rows L2-normalised, of photos given as bytes."""
    rows = []
    for start in range(0, len(samples), _CHUNK):
        chunk = samples[start : start + _CHUNK]
        rows.append(encoder.images(np.stack([fitted(s.data, encoder.fit, identify=False).pixels for s in chunk])))
    return np.concatenate(rows)


def fit_labelled(model: Model, card: ModelCard, vectors: Mapping[str, Floats], samples: Sequence[Sample]) -> ModelCard:
    """Returns the card with `classify` fitted on labelled photos, and a group's tags where the labels are its values.

    Raises:
        InputError: a label asks for something about a person.
    """
    names = sorted({sample.label for sample in samples if sample.label})
    classes = np.array([names.index(sample.label or "") for sample in samples], dtype=np.int64)
    rows = embed(model.encoder, samples)
    cosines = rows @ label_vectors(model.encoder, card, names).T
    told = card.calibration.classify
    scores = score_labels(cosines, classes, scale=told.softmax_scale, most=_STEEPEST)
    steep, bias = fit_sigmoid(cosines, classes, scale=told.sigmoid_scale, bias=told.sigmoid_bias)
    fitted = replace(
        told, softmax_scale=fit_scale(cosines, classes, most=_STEEPEST), sigmoid_scale=steep, sigmoid_bias=bias
    )
    tags = dict(card.calibration.tags)
    said = [
        spot if "classify" not in spot and "bias" not in spot else "" for spot in card.weak_spots
    ]  # no longer true of it
    for group in model.taxonomy.groups:
        values = [value.value for value in group.values]
        if set(names) <= set(values):
            places = np.array([values.index(names[n]) for n in classes], dtype=np.int64)
            tags[group.name] = _group(rows @ vectors[group.name].T, places)
            said.append(f"Tags of {group.name} are calibrated on {len(samples)} labelled photos of the user.")
    said.append(f"Classify is calibrated on {len(samples)} labelled photos of the user, {len(names)} labels.")
    return replace(
        card,
        calibration=Calibration(classify=fitted, tags=tags),
        metrics={**card.metrics, **scores.fields()},
        weak_spots=tuple(spot for spot in said if spot),
    )


def _group(cosines: Floats, classes: Classes) -> TagCalibration:
    steep = fit_scale(cosines, classes, most=_STEEPEST)
    chances = softmax(steep * cosines.astype(np.float64))
    threshold = threshold_for(chances.max(axis=1), chances.argmax(axis=1) == classes)
    return TagCalibration(scale=steep, threshold=threshold, further=threshold, templates=(), validated=threshold < OFF)
