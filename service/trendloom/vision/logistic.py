"""Multinomial logistic regression with an L2 penalty: what a head of the user's own labels is made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.types import Floats

__all__ = ["Doubles", "Integers", "Linear", "fit_linear", "log_softmax"]

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_MEMORY = 12  # pairs of steps and gradients that L-BFGS remembers
_ROUNDS = 200
_FLAT = 2e-4  # a gradient of this length per photo is the bottom: predictions no longer move
_SHRINK, _TRIES = 0.5, 30
_ENOUGH = 1e-4  # share of the promised descent that a step must bring (Armijo's rule)


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """Scores of n embeddings over c values: `embeddings @ weights + bias`; weights (dim, c), bias (c,), float64."""

    weights: Doubles
    bias: Doubles

    def scores(self, embeddings: Floats) -> Doubles:
        """Returns (n, c) float64 of embeddings (n, dim)."""
        return embeddings.astype(np.float64) @ self.weights + self.bias


def log_softmax(scores: Doubles) -> Doubles:
    """Returns the logarithm of the softmax of each row, (n, c)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float64)


def fit_linear(
    embeddings: Floats, classes: Integers, count: int, *, penalty: float, start: Linear | None = None
) -> Linear:
    """Returns the linear scores that explain the classes best.

    Minimises the sum of -log softmax(scores) of the true class plus penalty / 2 times the squared weights, on embeddings
    that are centred and scaled to a mean squared length of 1; the bias is free.

    Args:
        embeddings: (n, dim) float32.
        classes: (n,) from 0 to count - 1.
        count: Number of classes.
        penalty: Above 0; the same penalty means the same prior, however many photos there are.
        start: Scores to start from, for instance those of a larger penalty.
    """
    centre = embeddings.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(((embeddings - centre) ** 2).sum(axis=1, dtype=np.float64).mean())) or 1.0
    rows = np.ascontiguousarray((embeddings - centre) / scale, dtype=np.float32)  # (n, dim)
    dim, photos = rows.shape[1], len(rows)
    wanted = np.zeros((photos, count), dtype=np.float32)
    wanted[np.arange(photos), classes] = 1.0

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        weights, bias = flat[: dim * count].reshape(dim, count), flat[dim * count :]
        told = log_softmax((rows @ weights.astype(np.float32)).astype(np.float64) + bias)
        error = (np.exp(told) - wanted).astype(np.float32)  # (n, c)
        slope = (rows.T @ error).astype(np.float64) + penalty * weights
        value = -float(told[np.arange(photos), classes].sum()) + penalty / 2 * float((weights**2).sum())
        gradient = np.concatenate([slope.ravel(), error.sum(axis=0, dtype=np.float64)])
        return value / photos, gradient / photos

    first = np.zeros((dim + 1) * count)
    if start is not None:
        first[: dim * count] = (start.weights * scale).ravel()
        first[dim * count :] = start.bias + centre @ start.weights
    found = _lbfgs(loss, first)
    weights = found[: dim * count].reshape(dim, count) / scale
    return Linear(weights=weights, bias=found[dim * count :] - centre @ weights)


def _lbfgs(loss: Callable[[Doubles], tuple[float, Doubles]], point: Doubles) -> Doubles:
    """Returns the minimum of a smooth convex function (Nocedal and Wright, Numerical Optimization, algorithm 7.5)."""
    value, gradient = loss(point)
    known: deque[tuple[Doubles, Doubles, float]] = deque(maxlen=_MEMORY)
    for _ in range(_ROUNDS):
        if np.linalg.norm(gradient) < _FLAT:
            break
        way = _downhill(gradient, known)
        slope, length = float(way @ gradient), 1.0 if known else 1.0 / max(1.0, float(np.linalg.norm(gradient)))
        for _ in range(_TRIES):
            there, new_gradient = loss(point + length * way)
            if there <= value + _ENOUGH * length * slope:
                break
            length *= _SHRINK
        else:
            break  # float32 products allow no further descent
        step, change = length * way, new_gradient - gradient
        if (curve := float(step @ change)) > 1e-12:
            known.append((step, change, 1.0 / curve))
        point, value, gradient = point + step, there, new_gradient
    return point


def _downhill(gradient: Doubles, known: deque[tuple[Doubles, Doubles, float]]) -> Doubles:
    """Returns the direction of descent by the two loops over what is known of the curvature (algorithm 7.4)."""
    way, shares = -gradient, []
    for step, change, inverse in reversed(known):
        shares.append(inverse * float(step @ way))
        way = way - shares[-1] * change
    if known:
        _, change, inverse = known[-1]
        way = way / (inverse * float(change @ change))
    for (step, change, inverse), share in zip(known, reversed(shares), strict=True):
        way = way + (share - inverse * float(change @ way)) * step
    return way
