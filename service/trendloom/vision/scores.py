"""What classifier, tagger, layers and calibrations share: cosines, softmax, and a vector for several texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trendloom.types import Encoder, Floats

__all__ = ["cosines", "mean_vectors", "softmax"]

Real = TypeVar("Real", bound=np.floating[Any])


def cosines(rows: Floats, vectors: Floats) -> Floats:
    """Returns (n, m) float32 of unit rows (n, dim) and unit vectors (m, dim).

    Row by row: a product of matrices may round a row otherwise with each number of rows beside it, and what is said of a
    photo must not depend on which others were looked at with it.
    """
    if not len(rows):
        return np.zeros((0, len(vectors)), dtype=np.float32)
    return np.stack([vectors @ row for row in rows.astype(np.float32)])


def softmax(logits: NDArray[Real]) -> NDArray[Real]:
    """Returns the softmax along the last axis, rows that sum to 1, of the logits' own precision."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: NDArray[Real] = odds / odds.sum(axis=-1, keepdims=True)
    return found


def mean_vectors(encoder: Encoder, rows: Sequence[Sequence[str]]) -> Floats:
    """Returns (rows, dim) float32, rows L2-normalised: the mean vector of each row's texts; a text is encoded once."""
    places: dict[str, int] = {}
    of = [[places.setdefault(text, len(places)) for text in row] for row in rows]
    vectors = encoder.texts(list(places))
    means = np.stack([vectors[row].mean(axis=0) for row in of])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)
