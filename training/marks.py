"""Scores, scales and thresholds of a config's label lists and captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from training.cache import Record
from training.config import Config, LabelList
from training.measures import CLASSIFY_TEMPLATES, average_precision, ece, ece_by_chance, interval, prompt_vectors
from training.model import TextHead
from training.texts import TextCache
from training.vocab import values_of
from training.wording import classes_of
from trendloom.vision.scores import softmax

__all__ = ["Marked", "Scores"]

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Scores = dict[str, dict[str, float]]
RESAMPLES = 200
SCALES = (2.0, 80.0)
LEAST_THRESHOLD = 0.25


def mean_precision(cosine: Floats, truth: NDArray[np.bool_], rows: Integers) -> float:
    """The mean over values of the average precision of some rows."""
    cosine, truth = cosine[rows], truth[rows]
    found = [average_precision(truth[:, n], cosine[:, n]) for n in range(truth.shape[1]) if truth[:, n].any()]
    return float(np.mean(found)) if found else float("nan")


def macro_f1(guess: Integers, truth: NDArray[np.bool_]) -> float:
    """The mean F1 of the values that occur."""
    said = np.eye(truth.shape[1], dtype=bool)[guess]
    hits, present = (said & truth).sum(0), truth.any(0)
    f1 = 2 * hits / np.maximum(said.sum(0) + truth.sum(0), 1)
    return float(f1[present].mean())


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Photos with their image vectors, (rows, 256), and what judges them."""

    config: Config
    records: list[Record]
    rows: Integers
    images: Floats
    head: TextHead
    texts: TextCache

    def shown(self, name: str, values: list[str]) -> tuple[Integers, NDArray[np.bool_]]:
        """Which of the photos state a value of a list, and a table (photos, values) of what they state."""
        stated = [
            [values.index(v) for v in values_of(self.records[row].labels, name) if v in values] for row in self.rows
        ]
        use = np.array([n for n, found in enumerate(stated) if found], np.int64)
        truth = np.zeros((len(use), len(values)), bool)
        for place, n in enumerate(use):
            truth[place, stated[n]] = True
        return use, truth

    def cosines(self, use: Integers, values: Mapping[str, tuple[str, ...]], templates: tuple[str, ...]) -> Floats:
        """Cosines (photos, values) to the mean vector of each value's prompts in the templates."""
        prompts = [[t.format(p) for p in of_value for t in templates] for of_value in values.values()]
        self.texts.rows([prompt for of_value in prompts for prompt in of_value])
        found: Floats = self.images[use] @ prompt_vectors(self.head, self.texts, prompts).T
        return found

    def scores(self, scales: Mapping[str, float], resamples: int = RESAMPLES) -> Scores:
        """Top-1, macro F1 and calibration error of every list, average precision where several may show, recall by captions.

        `scales` is the softmax scale of each list, under "" that of the others.
        """
        found: Scores = {}
        for name, values in classes_of(self.config, self.records).items():
            use, truth = self.shown(name, list(values))
            if len(use) == 0:
                continue
            cosine = self.cosines(use, values, CLASSIFY_TEMPLATES)
            if self.config.lists.get(name, LabelList()).several:
                found[f"{name}_map"] = interval(len(use), partial(mean_precision, cosine, truth), resamples)
            else:
                found |= one_of(name, softmax(scales.get(name, scales[""]) * cosine), truth, resamples)
        return found | self.recall(resamples)

    def recall(self, resamples: int) -> Scores:
        """The share of captions that find their photo among the first 1 and 10, each caption counted once."""
        captions: dict[str, int] = {}
        for n, row in enumerate(self.rows):
            for caption in values_of(self.records[row].labels, "captions")[:1]:
                captions.setdefault(caption, n)
        if len(captions) < 2:
            return {}
        self.texts.rows(list(captions))
        cosine = prompt_vectors(self.head, self.texts, [[c] for c in captions]) @ self.images[list(captions.values())].T
        rank = (cosine >= np.diag(cosine)[:, None]).sum(1)
        return {f"captions_recall@{k}": interval(len(rank), partial(within, rank, k), resamples) for k in (1, 10)}

    def calibrated(self) -> dict[str, Any]:
        """Scales of least log loss over all lists and per list, a threshold for the wanted precision, and a sigmoid for any list."""
        lists: list[tuple[Floats, NDArray[np.bool_]]] = []
        tags: dict[str, dict[str, Any]] = {}
        for name, values in classes_of(self.config, self.records).items():
            use, truth = self.shown(name, list(values))
            if len(use) < 2 or len(values) < 2:
                continue
            templates = self.config.lists.get(name, LabelList()).templates
            lists.append((self.cosines(use, values, CLASSIFY_TEMPLATES), truth))
            cosine = self.cosines(use, values, templates)
            scale = best_scale([(cosine, truth)])
            tags[name] = {"scale": round(scale, 3), **chosen(softmax(scale * cosine), truth, self.config.outputs.precision),
                          "templates": list(templates), "photos": len(use)}  # fmt: skip
        if not lists:
            return {}
        classify = {
            "templates": list(CLASSIFY_TEMPLATES),
            "softmax_scale": round(best_scale(lists), 3),
            **best_sigmoid(lists),
        }
        return {"classify": classify, "tags": tags}


def one_of(name: str, p: Floats, truth: NDArray[np.bool_], resamples: int) -> Scores:
    """Scores of a list of which a photo shows one value."""
    guess, top = p.argmax(1).astype(np.int64), p.max(1)
    right = truth[np.arange(len(p)), guess]
    return {
        f"{name}_top1": interval(len(p), lambda i: float(right[i].mean()), resamples),
        f"{name}_macro_f1": interval(len(p), lambda i: macro_f1(guess[i], truth[i]), resamples),
        f"{name}_ece": interval(len(p), lambda i: ece(top[i], right[i]), resamples),
        f"{name}_ece_by_chance": ece_by_chance(top),
    }


def within(rank: Integers, k: int, rows: Integers) -> float:
    """The share of some rows whose rank is k or less."""
    return float((rank[rows] <= k).mean())


def best_sigmoid(lists: list[tuple[Floats, NDArray[np.bool_]]]) -> dict[str, float]:
    """Scale and bias of the sigmoid of least log loss over all pairs of photo and value."""
    cosine, sign = (
        np.concatenate([c.ravel() for c, _ in lists]),
        np.concatenate([np.where(t, 1, -1).ravel() for _, t in lists]),
    )
    found = minimize(
        lambda x: float(np.logaddexp(0, -sign * (x[0] * cosine + x[1])).mean()), [12.0, -4.0], method="Nelder-Mead"
    ).x
    return {"sigmoid_scale": round(max(0.0, float(found[0])), 3), "sigmoid_bias": round(float(found[1]), 3)}


def best_scale(lists: list[tuple[Floats, NDArray[np.bool_]]]) -> float:
    """The softmax scale of least log loss, each list counting the same."""

    def loss(scale: float) -> float:
        return float(np.mean([-np.log((softmax(scale * c) * t).sum(1) + 1e-9).mean() for c, t in lists]))

    return float(minimize_scalar(loss, bounds=SCALES, method="bounded").x)


def chosen(p: Floats, truth: NDArray[np.bool_], precision: float) -> dict[str, float]:
    """The least threshold of the wanted precision, or that of the best F1 where none reaches it."""
    best: dict[str, float] = {}
    for threshold in np.round(np.arange(LEAST_THRESHOLD, 0.96, 0.01), 2):
        said = p >= threshold
        hits = float((said & truth).sum())
        right, found = hits / max(1, int(said.sum())), hits / max(1, int(truth.sum()))
        row = {"threshold": float(threshold), "precision": round(right, 4), "recall": round(found, 4)}
        if hits and right >= precision:
            return row
        if not best or f1(row) > f1(best):
            best = row
    return best


def f1(row: Mapping[str, float]) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * row["precision"] * row["recall"] / max(1e-9, row["precision"] + row["recall"])
