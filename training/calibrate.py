"""Scales and thresholds, fitted on the tuning photos, on which nothing was trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from training.cache import Record
from training.measures import Floats, Judge, prompt_vectors
from training.model import TextHead
from training.vocab import Task, values_of

__all__ = ["fit_classify", "fit_tags", "tag_vectors"]

PRECISION = 0.8
LEAST_THRESHOLD = 0.25
TAG_SETS = ("catalogue", "articles", "clothing", "attributes", "street_box", "other")


def log_softmax(logits: Floats) -> Floats:
    """Log probabilities along the last axis."""
    out: Floats = logits - logits.max(1, keepdims=True)
    out -= np.log(np.exp(out).sum(1, keepdims=True))
    return out


def fit_classify(judge: Judge, head: TextHead, images: Floats) -> dict[str, float]:
    """The softmax scale (one, and one with a term in the log of the list's length) and the sigmoid's scale and bias.

    All minimise the mean log loss, each list counting the same.
    """
    lists = [judge.answers(head, images, labels) for labels in judge.label_lists() if labels.set != "drawn"]

    def loss(scale: float, slope: float) -> float:
        parts = [
            -log_softmax((scale + slope * math.log(c.shape[1])) * c)[np.arange(len(t)), t].mean() for c, t in lists
        ]
        return float(np.mean(parts))

    one = minimize_scalar(lambda s: loss(s, 0.0), bounds=(2, 80), method="bounded")
    two = minimize(lambda x: loss(x[0], x[1]), [one.x, 0.0], method="Nelder-Mead")
    names, rows = judge.vocabulary("street", "tags"), judge.rows("street")
    wanted = np.array([[n in values_of(judge.records[r].labels, "tags") for n in names] for r in rows])
    cosine = images[rows] @ judge.label_list(head, names).T

    def sigmoid_loss(x: NDArray[np.float64]) -> float:
        logit = np.where(wanted, 1, -1) * (x[0] * cosine + x[1])
        return float(np.logaddexp(0, -logit).mean())

    tags = minimize(sigmoid_loss, [12.0, -4.0], method="Nelder-Mead")
    return {
        "softmax_scale": round(float(one.x), 3), "softmax_loss": round(float(one.fun), 4),
        "scale_with_log": round(float(two.x[0]), 3), "slope_log_n": round(float(two.x[1]), 3), "loss_with_log": round(float(two.fun), 4),
        "sigmoid_scale": round(float(tags.x[0]), 3), "sigmoid_bias": round(float(tags.x[1]), 3),
    }  # fmt: skip


def tag_vectors(judge: Judge, head: TextHead, group: dict[str, Any]) -> tuple[list[str], Floats]:
    """The group's values (and `none`) with the mean vector of their prompts in the group's templates."""
    values = [v["value"] for v in group["values"]]
    prompts = [[t.format(p) for p in v["prompts"] for t in group["templates"]] for v in group["values"]]
    if "none" in group:
        values, prompts = (
            [*values, "none"],
            [*prompts, [t.format(p) for p in group["none"]["prompts"] for t in group["templates"]]],
        )
    return values, prompt_vectors(head, judge.cache, prompts)


def fit_tags(
    judge: Judge, head: TextHead, images: Floats, taxonomy: Path, tasks: dict[str, Task]
) -> dict[str, dict[str, Any]]:
    """Per group of the taxonomy the scale of least log loss and the threshold that reaches the wanted precision.

    Where no threshold does, it is the one of the best F1; it is never below .25.
    """
    found = {}
    for group in yaml.safe_load(taxonomy.read_text())["groups"]:
        values, vectors = tag_vectors(judge, head, group)
        targets = tasks[f"taxonomy.{group['name']}"].targets
        rows = [n for s in TAG_SETS for n in judge.rows(s) if n in targets]
        truth = np.zeros((len(rows), len(values)), bool)
        for place, row in enumerate(rows):
            truth[place, targets[row]] = True
        cosine = images[rows] @ vectors.T
        weight = set_weights([judge.records[n] for n in rows])

        def loss(
            scale: float, cosine: Floats = cosine, truth: NDArray[np.bool_] = truth, weight: Floats = weight
        ) -> float:
            p = np.exp(log_softmax(scale * cosine))
            return float(-(np.log((p * truth).sum(1) + 1e-9) * weight).sum())

        scale = float(minimize_scalar(loss, bounds=(2, 80), method="bounded").x)
        p = np.exp(log_softmax(scale * cosine))
        real = np.array([v != "none" for v in values])
        found[group["name"]] = {
            "scale": round(scale, 3),
            **threshold_of(p[:, real], truth[:, real]),
            "templates": list(group["templates"]),
        }
    return found


def set_weights(records: list[Record]) -> Floats:
    """Weights that sum to 1, each set counting by the root of its size."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.set] = counts.get(record.set, 0) + 1
    weight = np.array([counts[r.set] ** -0.5 for r in records], np.float32)
    out: Floats = weight / weight.sum()
    return out


def threshold_of(p: Floats, truth: NDArray[np.bool_]) -> dict[str, float]:
    """The least threshold of the wanted precision, with its precision and coverage."""
    grid = np.round(np.arange(LEAST_THRESHOLD, 0.91, 0.01), 2)
    rows = []
    for threshold in grid:
        said = p >= threshold
        hits = float((said & truth).sum())
        precision, recall = hits / max(1, said.sum()), hits / max(1, truth.sum())
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        covered = float(said.any(1)[truth.any(1)].mean())
        rows.append(
            {
                "threshold": float(threshold),
                "precision": round(precision, 4),
                "recall": round(recall, 4),
                "f1": round(f1, 4),
                "coverage": round(covered, 4),
            }
        )
    good = [r for r in rows if r["precision"] >= PRECISION and r["f1"] >= 0.85 * max(x["f1"] for x in rows)]
    return good[0] if good else max(rows, key=lambda r: r["f1"])
