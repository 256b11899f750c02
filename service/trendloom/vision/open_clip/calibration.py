"""What turns a converted model's cosines into probabilities: its own scale, or fitted on labelled photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trendloom.artifacts import ClassifyCalibration, TagCalibration
from trendloom.types import Floats
from trendloom.vision.scores import softmax

__all__ = [
    "OFF",
    "PRECISION",
    "Classes",
    "LabelScores",
    "cautious_tags",
    "default_classify",
    "fit_scale",
    "fit_sigmoid",
    "score_labels",
    "threshold_for",
]

TEMPLATES = ("{}", "a photo of {}", "a photo of a {}")
PRECISION = 0.9  # of tags that are called sure, on the photos at hand
FLOOR = 0.5  # no threshold below it where photos were drawn
OFF = 1.0
_FEWEST = 20  # photos behind a threshold
_RESAMPLES = 200
_BINS = 10

Classes = NDArray[np.int64]


def default_classify(scale: float, bias: float | None, cosines: Floats) -> ClassifyCalibration:
    """Returns the calibration that a model brings: softmax at its own logit scale.

    Models trained with a sigmoid loss bring its bias (Zhai 2023, "Sigmoid loss for language image pre-training").
    For the others the even point lies halfway between a photo's best label and its mean one, over `cosines`
    (photos, labels): a convention, not a fit.
    """
    if bias is None:
        bias = -scale * float((cosines.max(axis=1) + cosines.mean(axis=1)).mean() / 2)
    return ClassifyCalibration(
        templates=TEMPLATES, softmax_scale=scale, softmax_scale_log_n=0.0, sigmoid_scale=scale, sigmoid_bias=bias
    )


def _loss(cosines: Floats, classes: Classes, scale: float) -> float:
    chances = softmax(scale * cosines.astype(np.float64))[np.arange(len(classes)), classes]
    return float(-np.log(np.maximum(chances, 1e-12)).mean())


def fit_scale(cosines: Floats, classes: Classes, *, most: float) -> float:
    """Returns the softmax scale from 1 to `most` of the least log loss; cosines (n, classes), classes (n,)."""
    low, high = 0.0, float(np.log(max(most, 1.0 + 1e-6)))
    for _ in range(4):  # the loss is convex in the scale: a grid around the best of a grid
        grid = np.linspace(low, high, 17)
        best = int(np.argmin([_loss(cosines, classes, float(np.exp(x))) for x in grid]))
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 16)])
    return float(np.exp((low + high) / 2))


def fit_sigmoid(cosines: Floats, classes: Classes, *, scale: float, bias: float) -> tuple[float, float]:
    """Returns scale and bias of the least log loss of every label on its own, by Newton's method from a start.

    A small pull towards the start keeps the fit finite where labels are told apart without fault (Platt 1999).
    """
    x = cosines.astype(np.float64).ravel()
    y = np.eye(cosines.shape[1])[classes].ravel()
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    z = np.stack([(x - middle) / spread, np.ones_like(x)], axis=1)  # (n * labels, 2)
    start = np.array([scale * spread, bias + scale * middle])
    weights = start.copy()
    for _ in range(50):
        chances = 1 / (1 + np.exp(-np.clip(z @ weights, -60, 60)))
        slope = z.T @ (chances - y) + (weights - start)
        curve = (z * (chances * (1 - chances))[:, None]).T @ z + np.eye(2)
        move = np.linalg.solve(curve, slope)
        weights = weights - np.clip(move, -5, 5)
        if float(np.abs(move).max()) < 1e-9:
            break
    found = max(float(weights[0]) / spread, 0.0)
    return found, float(weights[1]) - found * middle


def threshold_for(chances: NDArray[np.float64], right: NDArray[np.bool_], *, floor: float = 0.0) -> float:
    """Returns the least threshold from `floor` at which what is over it is right with PRECISION, OFF if there is none.

    At least 20 photos must be over it.
    """
    order = np.argsort(-chances, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = (precision >= PRECISION) & (np.arange(1, len(order) + 1) >= _FEWEST) & (chances[order] >= floor)
    return float(chances[order][np.flatnonzero(good)[-1]]) if good.any() else OFF


def cautious_tags(
    cosines: Mapping[str, Floats], known: Mapping[str, Classes], *, scale: float, groups: Sequence[str]
) -> dict[str, TagCalibration]:
    """Returns the calibration of tags where no labelled photo is at hand: fitted on drawn garments.

    A group that is not right nine times in ten on what is drawn for anyone to see, or that is never drawn, is off:
    none of its tags is called sure, and it does not count as validated.

    Args:
        cosines: By group (n, values) of drawn garments.
        known: By group (n,) the place of the value drawn.
        scale: The model's own logit scale: no group gets a steeper one.
        groups: Of the taxonomy.
    """
    found = {}
    for group in groups:
        steep, threshold = scale, OFF
        if group in known and len(known[group]) >= _FEWEST:
            steep = fit_scale(cosines[group], known[group], most=scale)
            chances = softmax(steep * cosines[group].astype(np.float64))
            best = chances.argmax(axis=1)
            threshold = threshold_for(chances.max(axis=1), best == known[group], floor=FLOOR)
        found[group] = TagCalibration(
            scale=steep, threshold=threshold, further=threshold, templates=(), validated=threshold < OFF
        )
    return found


@dataclass(frozen=True, kw_only=True)
class LabelScores:
    """How well labelled photos are named, with bootstrap intervals: by our reading and measured on held-out halves."""

    photos: int
    top1: tuple[float, float, float]
    calibration_error: float
    calibration_error_before: float

    def fields(self) -> dict[str, Any]:
        """Returns the scores as a card stores them."""
        value, low, high = self.top1
        return {
            "labels_top1": {"value": round(value, 4), "n": self.photos, "low": round(low, 4), "high": round(high, 4)},
            "labels_ece": {"value": round(self.calibration_error, 4), "n": self.photos},
            "labels_ece_before": {"value": round(self.calibration_error_before, 4), "n": self.photos},
        }


def score_labels(cosines: Floats, classes: Classes, *, scale: float, most: float) -> LabelScores:
    """Returns the scores of cosines (n, labels); the scale is fitted on one half and judged on the other, both ways."""
    right = (cosines.argmax(axis=1) == classes).astype(np.float64)
    rng = np.random.default_rng(0)
    means = [right[rng.integers(0, len(right), len(right))].mean() for _ in range(_RESAMPLES)]
    order = rng.permutation(len(classes))
    errors = []
    for fitted, judged in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        steep = fit_scale(cosines[fitted], classes[fitted], most=most)
        errors.append(_ece(cosines[judged], classes[judged], steep))
    return LabelScores(
        photos=len(classes),
        top1=(float(right.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))),
        calibration_error=float(np.mean(errors)),
        calibration_error_before=_ece(cosines, classes, scale),
    )


def _ece(cosines: Floats, classes: Classes, scale: float) -> float:
    """Returns the expected calibration error of the likeliest label, ten equal bins (Guo 2017)."""
    chances = softmax(scale * cosines.astype(np.float64))
    sure, right = chances.max(axis=1), chances.argmax(axis=1) == classes
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return float(sum(abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)))
