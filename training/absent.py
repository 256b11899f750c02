"""What can be told of `none` and `not_visible`: `python -m training.absent --data DATA --model models/fashion-lite`.

Where labels say that a group has nothing to say, a linear rule on the shipped vectors learns it from training photos, gets
its threshold from tuning photos and is judged on validation photos. The figures go into the card as `metrics.absent`. No
label says that a photo hides something, so photos are cut there: a rule is on only if it also finds what is hidden
otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.cache import Record
from training.calibrate import ALLOWED, LEAST_COVERAGE, surely
from training.shards import TUNING, VALIDATION, ShardPhoto, read_set
from training.vocab import labels_of_sets, taxonomy_values
from trendloom.artifacts import CARD, amend_card, load_card, taxonomy_path
from trendloom.photos import decode
from trendloom.types import Floats, Pixels
from trendloom.vision.fitting import fit_photo
from trendloom.vision.logistic import fit_linear, log_softmax
from trendloom.vision.registry import Model, open_model

__all__ = ["Rule", "cut", "judge", "main", "threshold_of"]

ENGINE = "onnxruntime-cpu-fp32"
PRECISION = 0.9
PENALTY = 0.03
FOUND = 0.5  # least share of what is hidden otherwise that a rule of cut photos has to find
CUT = (0.3, 0.45)  # of the product's height
SIDE = (0.1, 0.25)  # of the photo's width: a cut that hides nothing that is asked
NO_CLOSURE = re.compile(r"\bno (buttons?|fasteners?|fastenings?)\b")
WHITE = 245


@dataclass
class Rule:
    """Examples of one rule, row by row, and the photos on which something is hidden otherwise than in them."""

    group: str
    what: str
    learned_from: str
    vectors: list[int] = field(default_factory=list)  # places among the vectors of all pictures
    truth: list[int] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)

    def add(self, place: int, truth: bool, bucket: int) -> None:
        """Add an example."""
        self.vectors.append(place)
        self.truth.append(int(truth))
        self.buckets.append(bucket)


def cut(pixels: Pixels, side: str, rng: np.random.Generator) -> Pixels:
    """A photo without a part: `top` or `bottom` of the product that stands on white, or a strip at the `edge`."""
    height, width = pixels.shape[:2]
    if side == "edge":
        strip = int(rng.uniform(*SIDE) * width)
        return np.ascontiguousarray(pixels[:, strip:] if rng.random() < 0.5 else pixels[:, : width - strip])
    rows = np.flatnonzero((np.asarray(Image.fromarray(pixels).convert("L")) < WHITE).any(axis=1))
    first, last = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, height)
    off = int(rng.uniform(*CUT) * (last - first))
    return np.ascontiguousarray(pixels[first + off :] if side == "top" else pixels[: last - off])


def threshold_of(chances: Floats, truth: NDArray[np.int64], precision: float = PRECISION) -> float:
    """The least threshold of the wanted precision, above 1 where none reaches it: then nothing is said."""
    for threshold in np.arange(0.3, 1.0, 0.01):
        said = chances >= threshold
        if said.any() and truth[said].mean() >= precision:
            return round(float(threshold), 2)
    return 1.01


def judge(rule: Rule, vectors: Floats) -> dict[str, Any]:
    """What a rule reaches on validation photos, and whether that is enough to say it."""
    rows, truth, buckets = (np.array(part, np.int64) for part in (rule.vectors, rule.truth, rule.buckets))
    parts = {
        name: buckets == number if number else (buckets != TUNING) & (buckets != VALIDATION)
        for name, number in (("train", 0), ("tune", TUNING), ("validate", VALIDATION))
    }
    found: dict[str, Any] = {
        "learned_from": rule.learned_from,
        "learned": int(truth[parts["train"]].sum()),
        "on": False,
    }
    if min(int(truth[part].sum()) for part in parts.values()) == 0:
        return found | {"support": int(truth[parts["validate"]].sum())}
    linear = fit_linear(vectors[rows[parts["train"]]], truth[parts["train"]], 2, penalty=PENALTY)

    def chances(places: NDArray[np.int64]) -> Floats:
        return np.exp(log_softmax(linear.scores(vectors[places])))[:, 1].astype(np.float32)

    threshold = threshold_of(chances(rows[parts["tune"]]), truth[parts["tune"]])
    said = chances(rows[parts["validate"]]) >= threshold
    wanted = truth[parts["validate"]] == 1
    precision = float(wanted[said].mean()) if said.any() else 0.0
    recall = float(said[wanted].mean())
    on = surely(precision, float(said.sum())) >= PRECISION - ALLOWED if said.any() else False
    found |= {
        "threshold": threshold, "precision": round(precision, 3), "recall": round(recall, 3), "support": int(wanted.sum()),
        "photos": len(wanted),
    }  # fmt: skip
    if rule.hidden:
        share = float((chances(np.array(rule.hidden, np.int64)) >= threshold).mean())
        found |= {"hidden_otherwise": len(rule.hidden), "of_these_found": round(share, 3)}
        on = on and share >= FOUND
    elif rule.what == "not_visible":
        on = False  # nothing shows that it holds for what is not cut
    return found | {"on": bool(on and recall >= LEAST_COVERAGE)}


class Pictures:
    """Prepared pictures to vectors, a few at a time."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.count = 0
        self._waiting: list[Pixels] = []
        self._found: list[Floats] = []

    def add(self, pixels: Pixels) -> int:
        """The place of a picture's vector."""
        self._waiting.append(fit_photo(pixels, self.model.card.onto))
        self.count += 1
        if len(self._waiting) == 8:
            self._look()
        return self.count - 1

    def _look(self) -> None:
        self._found.append(self.model.encoder.images(np.stack(self._waiting)))
        self._waiting = []

    def vectors(self) -> Floats:
        """All vectors, (pictures, dim)."""
        if self._waiting:
            self._look()
        return np.concatenate(self._found)


def photos(root: Path, name: str, size: int) -> Iterator[tuple[ShardPhoto, Record, Callable[[], Pixels]]]:
    """The photos of a set, their labels as the taxonomy's tasks read them, and their pixels when asked."""
    for photo in read_set(root, name):
        record = Record(
            set=name, id=photo.id, bucket=photo.bucket, height=0, width=0, cut=False, labels=photo.labels
        )  # fmt: skip
        yield photo, record, lambda jpeg=photo.jpeg: decode(jpeg, target=size).pixels  # type: ignore[misc]


def collect(root: Path, pictures: Pictures) -> tuple[list[Rule], list[int], list[int]]:
    """The rules with their examples, and the places of validation photos without and with a garment."""
    mapping, size = labels_of_sets(), pictures.model.card.image_size
    closed = pictures.model.taxonomy.group("closure")
    necks = Rule(group="neckline", what="not_visible", learned_from="photos cut below the neck")
    hems = Rule(group="length", what="not_visible", learned_from="photos cut above the hem")
    bare = Rule(group="closure", what="none", learned_from="descriptions that say so, such as: no buttons")
    without, with_garment = [], []
    for name in ("articles", "attributes", "other"):
        for photo, record, pixels in photos(root, name, size):
            rng = np.random.default_rng(int(hashlib.sha1(photo.id.encode(), usedforsecurity=False).hexdigest()[:8], 16))
            whole = -1
            for rule, side in ((necks, "top"), (hems, "bottom")):
                if name != "other" and taxonomy_values(record, mapping, rule.group):
                    whole = pictures.add(pixels()) if whole < 0 else whole
                    rule.add(whole, truth=False, bucket=photo.bucket)
                    rule.add(pictures.add(cut(pixels(), side, rng)), truth=True, bucket=photo.bucket)
                    if rng.random() < 0.5:
                        rule.add(pictures.add(cut(pixels(), "edge", rng)), truth=False, bucket=photo.bucket)
            judged = photo.bucket in (TUNING, VALIDATION)
            if photo.labels.get("scarf") is True and not photo.labels.get("neckline") and judged:
                whole = pictures.add(pixels()) if whole < 0 else whole
                necks.hidden.append(whole)
            says = NO_CLOSURE.search(f"{photo.labels.get('caption') or ''}".lower()) is not None
            values = taxonomy_values(record, mapping, "closure")
            fits = any(closed.fits(kind) for kind in taxonomy_values(record, mapping, "type"))
            if name == "articles" and fits and says != bool(values):
                whole = pictures.add(pixels()) if whole < 0 else whole
                bare.add(whole, truth=says, bucket=photo.bucket)
            if name == "other" and photo.bucket == VALIDATION:
                without.append(pictures.add(pixels()))
            elif whole >= 0 and photo.bucket == VALIDATION:
                with_garment.append(whole)
    return [necks, hems, bare], without, with_garment


def measure(root: Path, model: Model) -> dict[str, dict[str, Any]]:
    """Per group what is reached for `none` and `not_visible`; a group without figures has no labels for it."""
    pictures = Pictures(model)
    rules, without, with_garment = collect(root, pictures)
    vectors = pictures.vectors()
    found: dict[str, dict[str, Any]] = {}
    for group in model.taxonomy.groups:
        if group.none and group.none.value:
            its = model.card.metrics["tags"].get(group.name, {}).get("values", {}).get(group.none.value, {"support": 0})
            on = model.card.calibration.tags[group.name].validated
            found[group.name] = {"none": {"value": group.none.value, **its, "on": on}}
    empty, full = (np.array([not tags for tags in model.tagger.tag(vectors[rows])]) for rows in (without, with_garment))
    found["type"] = {
        "none": {
            "learned_from": "prompts, and photos of other things", "precision": round(float(empty.sum() / max(1, empty.sum() + full.sum())), 3),
            "recall": round(float(empty.mean()), 3), "support": len(empty), "photos": len(empty) + len(full), "on": True,
        }
    }  # fmt: skip
    for rule in rules:
        found.setdefault(rule.group, {})[rule.what] = judge(rule, vectors)
    return found


def main() -> None:
    """Measure, and put the figures into the model's card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of tar shards per set")
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    args = parser.parse_args()
    found = measure(args.data, open_model(args.model, taxonomy_path(args.model.parent), threads=2, engine=ENGINE))
    metrics = json.loads((args.model / CARD).read_text(encoding="utf-8"))["metrics"]
    amend_card(args.model, {"metrics": metrics | {"absent": found}})
    load_card(args.model)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
