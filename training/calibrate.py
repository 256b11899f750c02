"""Scales and thresholds, fitted on the tuning photos, on which nothing was trained."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from training.cache import Record, open_cache
from training.garments import kind_of
from training.measures import Floats, Judge, ece, prompt_vectors
from training.model import TextHead
from training.recipe import config_of, run
from training.texts import TextCache
from training.vocab import Task, values_of
from trendloom.counting import wilson
from trendloom.vision.tagger import FINDER_ERRS
from trendloom.vision.values import NONE

__all__ = ["Asked", "fit_classify", "fit_tags", "tag_report"]

PRECISION = 0.8
OF_GROUP = {"colour": 0.7}  # its errors are mostly neighbours, and .8 would silence a quarter of the garments
LEAST_THRESHOLD = 0.25
NEVER = 0.51  # no second value reaches it
LEAST_LABELLED = 30
LEAST_COVERAGE = 0.3
ALLOWED = 0.05  # how far below the wanted precision the lower end of its interval may lie
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


@dataclass(frozen=True, kw_only=True)
class GroupAnswers:
    """What a group says of the photos whose labels state it: values, rows, truth (rows, values) and logits to be scaled."""

    values: list[str]
    rows: list[int]
    truth: NDArray[np.bool_]
    cosine: Floats
    allowed: Floats  # (rows, values): what a garment's kind leaves of each value

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which values are values, (values,): not `none`."""
        return np.array([value != NONE for value in self.values])

    def chances(self, scale: float) -> Floats:
        """Probabilities (rows, values)."""
        p = np.exp(log_softmax(scale * self.cosine)) * self.allowed
        out: Floats = p / p.sum(1, keepdims=True)
        return out


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Photos of one bucket, and what the groups of a taxonomy are asked with.

    Attributes:
        images: Vectors of photos and of garments in them, a row for each record.
        kinds: The kind of each garment that stands in a photo, by row.
        tasks: What labels say, by the task's name.
        learned: Vectors of values that stand instead of their prompts', by group.
    """

    judge: Judge
    head: TextHead
    images: Floats
    kinds: dict[int, int]
    taxonomy: Path
    tasks: dict[str, Task]
    learned: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The groups of the taxonomy, as its file has them."""
        found: list[dict[str, Any]] = yaml.safe_load(self.taxonomy.read_text())["groups"]
        return found

    def vectors(self, group: dict[str, Any]) -> tuple[list[str], Floats]:
        """The group's values (and `none`) with their learned vectors, else the mean of their prompts in its templates."""
        said = {value["value"]: value["prompts"] for value in group["values"]}
        if asked := (group.get(NONE) or {}).get("prompts"):
            said[NONE] = asked
        prompts = [[t.format(p) for p in its for t in group["templates"]] for its in said.values()]
        found = prompt_vectors(self.head, self.judge.cache, prompts)
        for n, value in enumerate(said):
            found[n] = self.learned.get(group["name"], {}).get(value, found[n])
        return list(said), found

    def answers(self, group: dict[str, Any]) -> GroupAnswers:
        """A group's answers; garments in a photo compete among the types of their kind."""
        values, vectors = self.vectors(group)
        shown = self.tasks[f"taxonomy.{group['name']}"].targets
        rows = [
            int(n)
            for name in TAG_SETS
            for n in self.judge.rows(name)
            if n in shown and (name != "street_box" or n in self.kinds)
        ]
        truth = np.zeros((len(rows), len(values)), bool)
        allowed = np.ones((len(rows), len(values)), np.float32)
        kinds_of_values = None
        if group["name"] == "type":
            kinds_of_values = np.array([-1 if v == NONE else kind_of(v, self.taxonomy) for v in values])
        for place, row in enumerate(rows):
            truth[place, shown[row]] = True
            if kinds_of_values is not None and row in self.kinds:
                allowed[place] = np.where(kinds_of_values == self.kinds[row], 1.0, FINDER_ERRS[-1])
        cosine = self.images[rows] @ vectors.T if rows else np.zeros((0, len(values)), np.float32)
        return GroupAnswers(values=values, rows=rows, truth=truth, cosine=cosine, allowed=allowed)


def fit_tags(asked: Asked) -> dict[str, dict[str, Any]]:
    """Per group of the taxonomy the scale of least log loss and the thresholds that reach the wanted precision.

    Where no threshold does, it is the one of the best F1; it is never below .25. A group without labelled photos, one
    that does not surely reach the precision, or only on few of them, is not validated: the product does not ask it
    unless told to.
    """
    found: dict[str, dict[str, Any]] = {}
    for group in asked.groups:
        answers = asked.answers(group)
        templates = list(group["templates"])
        if len(answers.rows) < LEAST_LABELLED:
            scale = found["type"]["scale"]
            found[group["name"]] = {
                "scale": scale,
                "threshold": 0.5,
                "further": NEVER,
                "validated": False,
                "templates": templates,
            }
            continue
        weight = set_weights([asked.judge.records[n] for n in answers.rows])

        def loss(scale: float, answers: GroupAnswers = answers, weight: Floats = weight) -> float:
            return float(-(np.log((answers.chances(scale) * answers.truth).sum(1) + 1e-9) * weight).sum())

        scale = float(minimize_scalar(loss, bounds=(2, 80), method="bounded").x)
        wanted = OF_GROUP.get(group["name"], PRECISION)
        reached = threshold_of(
            answers.chances(scale)[:, answers.real], answers.truth[:, answers.real], precision=wanted
        )
        found[group["name"]] = {
            "scale": round(scale, 3),
            **reached,
            "validated": surely(reached["precision"], reached["coverage"] * len(answers.rows)) >= wanted - ALLOWED
            and reached["coverage"] >= LEAST_COVERAGE,
            "templates": templates,
        }
    return found


def tag_report(asked: Asked, fitted: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Per group and value: precision and recall at the threshold, calibration error of the likeliest value, support."""
    report: dict[str, Any] = {}
    for group in asked.groups:
        name = group["name"]
        answers = asked.answers(group)
        if not answers.rows:
            report[name] = {"validated": fitted[name]["validated"], "support": 0}
            continue
        p = answers.chances(fitted[name]["scale"])
        real = answers.real
        said = np.zeros_like(answers.truth)
        said[:, real] = said_at(p[:, real], fitted[name]["threshold"], fitted[name]["further"])
        top, right = p.argmax(1), answers.truth[np.arange(len(p)), p.argmax(1)]
        said[:, ~real] = np.arange(p.shape[1])[~real] == top[:, None]  # no tag, but the photo is taken to show none
        shown = {}
        for n, value in enumerate(answers.values):
            support, hits = int(answers.truth[:, n].sum()), int((said[:, n] & answers.truth[:, n]).sum())
            if support or said[:, n].any():
                shown[value] = {"precision": round(hits / max(1, int(said[:, n].sum())), 3), "recall": round(hits / max(1, support), 3),
                                "calibration_error": round(float(np.abs(p[:, n].mean() - answers.truth[:, n].mean())), 4), "support": support}  # fmt: skip
        hits = int((said & answers.truth)[:, real].sum())
        report[name] = {
            "validated": fitted[name]["validated"], "precision": round(hits / max(1, int(said[:, real].sum())), 3),
            "recall": round(hits / max(1, int(answers.truth[:, real].sum())), 3), "top1": round(float(right.mean()), 3),
            "calibration_error": round(ece(p.max(1).astype(np.float32), right), 4), "support": len(top), "values": shown,
        }  # fmt: skip
    return report


def set_weights(records: list[Record]) -> Floats:
    """Weights that sum to 1, each set counting by the root of its size."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.set] = counts.get(record.set, 0) + 1
    weight = np.array([counts[r.set] ** -0.5 for r in records], np.float32)
    out: Floats = weight / weight.sum()
    return out


def said_at(p: Floats, threshold: float, further: float) -> NDArray[np.bool_]:
    """What is said of each row, (rows, values): the likeliest value from `threshold` on, others from `further` on."""
    top = np.arange(p.shape[1]) == p.argmax(1)[:, None]
    found: NDArray[np.bool_] = p >= np.where(top, threshold, further)
    return found


def surely(precision: float, said: float) -> float:
    """The lower end of the 95 % interval (Wilson) of a precision that was seen on so many photos."""
    return float(wilson(np.array([precision * said]), np.array([said]))[0][0])


def reached_at(p: Floats, truth: NDArray[np.bool_], threshold: float, further: float) -> dict[str, float]:
    """Both thresholds with the precision, recall, F1 and coverage that they reach."""
    said = said_at(p, threshold, further)
    hits = float((said & truth).sum())
    precision, recall = hits / max(1, said.sum()), hits / max(1, truth.sum())
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    covered = float(said[truth.any(1)].any(1).mean())
    measured = {"precision": precision, "recall": recall, "f1": f1, "coverage": covered}
    return {"threshold": threshold, "further": further} | {name: round(value, 4) for name, value in measured.items()}


def threshold_of(p: Floats, truth: NDArray[np.bool_], precision: float = PRECISION) -> dict[str, float]:
    """The least thresholds of the wanted precision, with what they reach.

    First that of the likeliest value alone, then that of further ones beside it: a second value is wrong more often at
    the same probability, and with one threshold for both the likeliest would be silenced for it.
    """
    grid = [round(n / 100, 2) for n in range(round(LEAST_THRESHOLD * 100), 91)]
    rows = [reached_at(p, truth, threshold, NEVER) for threshold in grid]
    good = [r for r in rows if r["precision"] >= precision and r["f1"] >= 0.85 * max(x["f1"] for x in rows)]
    best = good[0] if good else max(rows, key=lambda r: r["f1"])
    furthers = [reached_at(p, truth, best["threshold"], f) for f in grid if best["threshold"] <= f < NEVER]
    return next((r for r in furthers if r["precision"] >= min(precision, best["precision"])), best)


def main() -> None:
    """Calibrate a run by a config, or by flags: `calibration.json` beside its checkpoint, the same that export fits."""
    if config := config_of(sys.argv[1:]):
        run("calibrate", config)
        return
    from training.export import load_towers, measure  # noqa: PLC0415  it imports this module

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of tar shards per set")
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--taxonomy", type=Path, default=Path("models/taxonomy.yaml"))
    args = parser.parse_args()
    tower, head = load_towers(args.run / "state.pt")
    found, _, _ = measure(open_cache(args.work), TextCache(args.work / "texts"), tower, head, args)
    (args.run / "calibration.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
