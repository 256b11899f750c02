"""Embeddings to probabilities over a free list of labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trendloom.artifacts import ModelCard
from trendloom.errors import InputError
from trendloom.types import Encoder, Floats
from trendloom.vision.labels import refuse_labels
from trendloom.vision.scores import cosines, mean_vectors, softmax

__all__ = ["classify", "label_vectors", "probabilities", "refuse_labels"]


def classify(
    encoder: Encoder, card: ModelCard, embeddings: Floats, labels: Sequence[str], *, multi_label: bool = False
) -> Floats:
    """Returns (n, labels) float32 probabilities of garments (n, dim) over labels as they are written.

    One label each: softmax, rows sum to 1. `multi_label`: each label on its own, 0..1.

    Raises:
        InputError: the list is empty, a label is empty or doubled, or asks for something about a person.
    """
    return probabilities(card, embeddings, label_vectors(encoder, card, labels), multi_label=multi_label)


def probabilities(card: ModelCard, embeddings: Floats, vectors: Floats, *, multi_label: bool = False) -> Floats:
    """Returns (n, labels) float32 of garments (n, dim) and the vectors of labels (labels, dim)."""
    near = cosines(embeddings, vectors)
    told = card.calibration.classify
    if multi_label:
        logits = told.sigmoid_scale * near + told.sigmoid_bias
        # tanh does not overflow where exp would: sigmoid(x) = (1 + tanh(x / 2)) / 2
        return np.asarray((1.0 + np.tanh(logits / 2.0)) / 2.0, dtype=np.float32)
    scale = max(0.0, told.softmax_scale + told.softmax_scale_log_n * math.log(len(vectors)))
    return softmax(np.asarray(scale * near, dtype=np.float32))


def label_vectors(encoder: Encoder, card: ModelCard, labels: Sequence[str]) -> Floats:
    """Returns (labels, dim) float32, rows L2-normalised: the mean of a label's text over the card's templates.

    Raises:
        InputError: the list is empty, a label is empty or doubled, or asks for something about a person.
    """
    if not labels:
        raise InputError("expected at least one label, got none")
    if empty := [n + 1 for n, label in enumerate(labels) if not label.strip()]:
        raise InputError(f"expected words in every label, label {empty[0]} of {len(labels)} is empty")
    if len(set(labels)) < len(labels):
        doubled = next(label for n, label in enumerate(labels) if label in labels[:n])
        raise InputError(f"expected each label once, got {doubled!r} more than once")
    refuse_labels(labels)
    templates = card.calibration.classify.templates
    return mean_vectors(encoder, [[template.replace("{}", label) for template in templates] for label in labels])
