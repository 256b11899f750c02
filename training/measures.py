"""Measures of a model on rows of the cache, by the definitions in `training/README.md`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.cache import Record
from training.model import TextHead
from training.sampling import rows_of
from training.texts import TextCache
from training.vocab import TOP10, WORN, values_of
from trendloom.vision.scores import softmax

__all__ = [
    "CLASSIFY_TEMPLATES",
    "Judge",
    "auroc",
    "average_precision",
    "ece",
    "ece_by_chance",
    "interval",
    "prompt_vectors",
]

CLASSIFY_TEMPLATES = ("{}", "a photo of {}", "a photo of a {}")
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Scores = dict[str, dict[str, float]]
FIELDS = (
    ("catalogue", "articleType", "catalogue_type", "known"),
    ("catalogue", "baseColour", "catalogue_colour", None),
    ("articles", "type", "articles_type", None),
    ("articles", "pattern", "articles_pattern", "judged"),
    ("articles", "colour_master", "articles_colour", None),
    ("drawn", "type", "drawn_type", None),
    ("drawn", "colour", "drawn_colour", None),
)


@torch.no_grad()
def prompt_vectors(head: TextHead, cache: TextCache, prompts: list[list[str]]) -> Floats:
    """The mean text vector of each list of prompts, (n, 256), unit rows."""
    rows = [cache.rows(texts) for texts in prompts]  # first, since it may add vectors
    found = [head(torch.from_numpy(cache.vectors[some])).mean(0) for some in rows]
    out: Floats = functional.normalize(torch.stack(found), dim=1).numpy()
    return out


def average_precision(wanted: NDArray[np.bool_], score: Floats) -> float:
    """Average precision of scores; NaN without a wanted one."""
    hit = wanted[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean()) if hit.any() else float("nan")


def auroc(high: Floats, low: Floats) -> float:
    """The chance that one of `high` exceeds one of `low`, ties by half."""
    low = np.sort(low)
    return float((np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")).mean() / 2 / len(low))


def ece(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error of the top label, bins of equal width."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, confidence - right)).sum() / len(right))


def ece_by_chance(confidence: Floats, draws: int = 500) -> dict[str, float]:
    """What `ece` would be of a model whose confidences were exact: the mean and the 95 % of draws of right and wrong.

    Bins of few photos differ from their mean confidence by chance, so it is never 0: an error within this range cannot
    be told from none (Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams").
    """
    rng = np.random.default_rng(0)
    found = [ece(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
    low, high = np.quantile(found, [0.025, 0.975])
    return {
        "value": round(float(np.mean(found)), 4),
        "n": len(confidence),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def f1_of(truth: Integers, guess: Integers, classes: Integers, weighted: bool, rows: Integers) -> float:
    """Mean F1 of classes over some rows, by support or over the classes present."""
    truth, guess = truth[rows], guess[rows]
    size = int(max(truth.max(), guess.max(), classes.max())) + 1
    support, said, hit = (np.bincount(x, minlength=size)[classes] for x in (truth, guess, truth[truth == guess]))
    score = 2 * hit / np.maximum(support + said, 1)
    return float(np.average(score, weights=support if weighted else support > 0))


def found_within(rank: Integers, k: int, rows: Integers) -> float:
    """The share of some rows whose rank is k or less."""
    return float((rank[rows] <= k).mean())


def interval(n: int, measure: Callable[[Integers], float], resamples: int) -> dict[str, float]:
    """A measure over n rows, and its 95 % bootstrap interval if it is resampled."""
    found = {"value": round(float(measure(np.arange(n))), 4), "n": n}
    if resamples:
        rng = np.random.default_rng(0)
        low, high = np.nanquantile([measure(rng.integers(0, n, n)) for _ in range(resamples)], [0.025, 0.975])
        found |= {"low": round(float(low), 4), "high": round(float(high), 4)}
    return found


@dataclass(frozen=True, kw_only=True)
class LabelList:
    """Names that compete for the photos of a set, and the one that is a photo's own.

    `f1` also asks for F1 scores: over names `known` from 30 photos of all parts, or with 20 `judged` photos.
    """

    title: str
    set: str
    names: list[str]
    truth: Callable[[Record], str | None]
    f1: str | None = None


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Scores image vectors of one bucket."""

    records: list[Record]
    bucket: int
    cache: TextCache
    resamples: int = 0  # of the bootstrap; 0 for none

    def rows(self, name: str) -> NDArray[np.int64]:
        """The bucket's rows of a set."""
        return rows_of(self.records, name, self.bucket)

    def interval(self, n: int, measure: Callable[[Integers], float]) -> dict[str, float]:
        """The measure over all n rows, and its 95 % bootstrap interval."""
        return interval(n, measure, self.resamples)

    def vocabulary(self, name: str, key: str) -> list[str]:
        """Every name of a field."""
        return sorted({v for r in self.records if r.set == name for v in values_of(r.labels, key)})

    def label_list(self, head: TextHead, names: list[str]) -> Floats:
        """Vectors of a label list as `classify` makes them."""
        return prompt_vectors(head, self.cache, [[t.format(n) for t in CLASSIFY_TEMPLATES] for n in names])

    def label_lists(self) -> list[LabelList]:
        """The lists of which a photo shows one label."""
        found = [
            LabelList(title=title, set=name, names=self.vocabulary(name, key), truth=field_of(key), f1=f1)
            for name, key, title, f1 in FIELDS
            if self.rows(name).size
        ]
        found.append(LabelList(title="clothing_top10", set="clothing", names=list(TOP10), truth=top10))
        return found + [
            LabelList(title=f"worn_{key}", set="attributes", names=list(words.values()), truth=worn_word(key))
            for key, words in WORN.items()
        ]

    def answers(self, head: TextHead, images: Floats, labels: LabelList) -> tuple[Floats, Integers]:
        """Cosines (photos, names) and the number of each photo's name."""
        rows = [n for n in self.rows(labels.set) if labels.truth(self.records[n]) in labels.names]
        truth = np.array([labels.names.index(str(labels.truth(self.records[n]))) for n in rows], np.int64)
        cosines: Floats = images[rows] @ self.label_list(head, labels.names).T
        return cosines, truth

    def top1(self, head: TextHead, images: Floats, labels: LabelList, scale: float, slope: float = 0.0) -> Scores:
        """Accuracy, calibration error and F1 of one label list."""
        cosines, truth = self.answers(head, images, labels)
        p = softmax((scale + slope * math.log(len(labels.names))) * cosines)
        guess, top = p.argmax(1).astype(np.int64), p.max(1)
        right = guess == truth
        found = {
            f"{labels.title}_top1": self.interval(len(right), lambda i: float(right[i].mean())),
            f"{labels.title}_ece": self.interval(len(right), lambda i: ece(top[i], right[i])),
            f"{labels.title}_ece_by_chance": ece_by_chance(top),
        }
        if labels.f1 is None:
            return found
        if labels.f1 == "known":  # types with enough photos in all parts
            photos = [labels.truth(r) for r in self.records if r.set == labels.set]
            classes = np.array([n for n, name in enumerate(labels.names) if photos.count(name) >= 30], np.int64)
        else:
            classes = np.flatnonzero(np.bincount(truth, minlength=len(labels.names)) >= 20)
        use = np.isin(truth, classes)
        truth, guess = truth[use], guess[use]
        for kind in ("weighted", "macro"):
            measure = partial(f1_of, truth, guess, classes, kind == "weighted")
            found[f"{labels.title}_{kind}_f1"] = self.interval(len(truth), measure)
        return found

    def recall(self, head: TextHead, images: Floats, name: str) -> Scores:
        """Share of captions that find their photo, one photo per caption."""
        captions: dict[str, int] = {}
        for n in self.rows(name):
            if text := " ".join((self.records[n].labels.get("caption") or "").split()):
                captions.setdefault(text, int(n))
        cosine = prompt_vectors(head, self.cache, [[c] for c in captions]) @ images[list(captions.values())].T
        rank = (cosine >= np.diag(cosine)[:, None]).sum(1)
        return {f"{name}_recall@{k}": self.interval(len(rank), partial(found_within, rank, k)) for k in (1, 10)}

    def street(self, head: TextHead, images: Floats) -> Scores:
        """Mean average precision over tags with ten photos."""
        names, rows = self.vocabulary("street", "tags"), self.rows("street")
        wanted = np.array([[n in values_of(self.records[r].labels, "tags") for n in names] for r in rows])
        score = images[rows] @ self.label_list(head, names).T
        tags = np.flatnonzero(wanted.sum(0) >= 10)
        return {
            "street_map": self.interval(
                len(rows), lambda i: float(np.nanmean([average_precision(wanted[i, t], score[i, t]) for t in tags]))
            )
        }

    def gate(self, head: TextHead, images: Floats, scale: float, slope: float) -> Scores:
        """How well the top type probability tells fashion from other things."""
        types = self.label_list(head, self.vocabulary("catalogue", "articleType"))
        scale += slope * math.log(len(types))
        top = {
            name: softmax(scale * images[self.rows(name)] @ types.T).max(1)
            for name in ("catalogue", "articles", "clothing", "street", "attributes", "other")
        }
        high, low = np.concatenate([v for k, v in top.items() if k != "other"]), top["other"]
        both, other = np.concatenate([high, low]), np.arange(len(high) + len(low)) >= len(high)
        return {
            "gate_auroc_classify": self.interval(
                len(both), lambda i: auroc(both[i][~other[i]], both[i][other[i]]) if other[i].any() else float("nan")
            )
        }

    def scores(self, head: TextHead, images: Floats, scale: float, slope: float = 0.0) -> Scores:
        """All measures of image vectors (n, 256), a row per record; the scale grows by `slope` with the log of a list."""
        found: Scores = {}
        for labels in self.label_lists():
            found |= self.top1(head, images, labels, scale, slope)
        found |= self.street(head, images)
        for name in ("catalogue", "articles"):
            found |= self.recall(head, images, name)
        return found | self.gate(head, images, scale, slope)


def field_of(key: str) -> Callable[[Record], str | None]:
    """What a photo's field says, None if it says nothing or more than one thing."""

    def value(record: Record) -> str | None:
        found = record.labels.get(key)
        return found if isinstance(found, str) else None

    return value


def top10(record: Record) -> str | None:
    """The label of a photo of the ten-class part."""
    return str(record.labels["label"]) if record.labels["top10"] else None


def worn_word(key: str) -> Callable[[Record], str | None]:
    """What a photo's one agreed value of an attribute is called."""

    def word(record: Record) -> str | None:
        found = values_of(record.labels, key)
        sure = len(found) == 1 and not (key == "patterns" and record.labels.get("unsure_patterns"))
        return WORN[key].get(found[0]) if sure else None

    return word
