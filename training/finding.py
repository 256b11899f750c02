"""What the card says of finding garments: kinds and their types, least scores, and how the colours of a name spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from training.cache import Cache, letterbox
from training.garments import KINDS, Garment, kind_of
from training.measures import Floats
from training.prepared import prepare
from training.scenes import scene
from training.shards import TUNING, VALIDATION
from training.views import known_garments, on_square
from training.vocab import Task
from trendloom.types import Box
from trendloom.vision.colours import ColourNames, main_colours
from trendloom.vision.garments import GarmentSettings, overlap, select
from trendloom.vision.session import OnnxSession

__all__ = ["fit_finding"]

OVERLAP, CONTESTS, FIRST_LEAST = 0.45, (0.75, 0.6, 0.5), 0.4
PRICES, SWEEPS = (0.15, 0.25, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0), 2
MOST_FALSE = 0.36  # garments a street photo that overlap nothing labelled
GRID = np.round(np.arange(0.15, 0.76, 0.05), 3)
COLOUR_PHOTOS, LEAST_COLOURS = 150, 8  # of each colour


def kinds_of(taxonomy: Path) -> dict[str, list[str]]:
    """The types of the taxonomy that each kind may be."""
    groups = yaml.safe_load(taxonomy.read_text())["groups"]
    types = [v["value"] for g in groups if g["name"] == "type" for v in g["values"]]
    return {kind: [t for t in types if KINDS[kind_of(t, taxonomy)] == kind] for kind in KINDS}


def colour_names(cache: Cache, task: Task, seed: int = 0) -> dict[str, Any]:
    """Mean, covariance (drawn a little to a round one) and share of the main colours of cut-out training products.

    Colours are measured as the product measures them, here on the cut-out's own pixels. What has no one colour is left out.
    """
    rng, found = np.random.default_rng(seed), dict[str, Any]()
    nameless = ColourNames({})
    rows_of: dict[int, list[int]] = {n: [] for n in range(len(task.classes))}
    for row, classes in task.targets.items():
        record = cache.records[row]
        if len(classes) == 1 and record.cut and record.set != "drawn" and record.bucket not in (TUNING, VALIDATION):
            rows_of[classes[0]].append(row)
    total = sum(len(rows) for rows in rows_of.values())
    for number, name in enumerate(task.classes):
        first = []
        for row in rng.permutation(rows_of[number])[:COLOUR_PHOTOS]:
            opaque = np.asarray(cache.content(int(row))[cache.alpha(int(row)) > 200][::11] / 255, np.float32)
            if len(opaque) and (colours := main_colours(opaque, np.ones(len(opaque), np.float32), nameless)):
                first.append(colours[0].lab)
        if len(first) >= LEAST_COLOURS and name not in ("multicolour", "none"):
            lab = np.array(first)
            spread = np.cov(lab.T) * 0.85 + np.eye(3) * 30.0
            found[name] = {"lab": np.round(np.median(lab, axis=0), 1).tolist(), "spread": np.round(spread, 1).tolist(),
                           "share": round(len(rows_of[number]) / total, 4)}  # fmt: skip
    return found


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the graphs say of a photo and what is in it.

    Attributes:
        scores: (kinds, g, g).
        boxes: (kinds, 4, g, g), shares of the square.
        wanted: Kind and box of each labelled garment.
        every: Every labelled box. Where it is empty the photo shows the wanted garment alone, and one more is false.
    """

    scores: Floats
    boxes: Floats
    wanted: list[tuple[int, Box]]
    every: list[Box]


def seen(folder: Path, pixels: NDArray[np.uint8]) -> Iterator[tuple[Floats, Floats]]:
    """Scores and boxes of prepared photos."""
    image, find = (OnnxSession(folder / name, threads=2) for name in ("image.onnx", "find.onnx"))
    names = ("detail", "fine", "coarse")
    for start in range(0, len(pixels), 16):
        grids = image.outputs(names, {"pixels": pixels[start : start + 16]})
        yield from zip(*find.outputs(("scores", "boxes"), dict(zip(names, grids, strict=True))), strict=True)


def street_photos(data: Path, cache: Cache, folder: Path, *, bucket: int, size: int, taxonomy: Path) -> list[Seen]:
    """Street photos with labelled boxes."""
    _, boxed = known_garments(cache, taxonomy)
    rows = [n for n, r in enumerate(cache.records) if r.set == "street" and r.bucket == bucket and r.boxes]
    found = []
    for n, (scores, boxes) in zip(rows, seen(folder, prepare(data, cache, rows, size)), strict=True):
        r = cache.records[n]
        all_of = [Garment(kind=0, box=(x0, y0, x1, y1), row=-1) for _, x0, y0, x1, y1 in r.boxes]
        wanted, every = ([(g.kind, box_of(g)) for g in on_square(of, r.width, r.height)] for of in (boxed[n], all_of))
        found.append(Seen(scores=scores, boxes=boxes, wanted=wanted, every=[box for _, box in every]))
    return found


def lone_garments(cache: Cache, folder: Path, *, bucket: int, size: int, taxonomy: Path, seed: int = 5) -> list[Seen]:
    """Drawn garments, each alone on a drawn ground."""
    kinds, _ = known_garments(cache, taxonomy)
    rows = [n for n, r in enumerate(cache.records) if r.set == "drawn" and r.bucket == bucket]
    rng = np.random.default_rng(seed)
    made = [scene(cache, [row], 320, rng, None) for row in rows]
    pixels = np.stack([letterbox(image, size) for image, _ in made])
    found = []
    for row, (image, boxes), (scores, sides) in zip(rows, made, seen(folder, pixels), strict=True):
        (garment,) = on_square([Garment(kind=int(kinds[row]), box=boxes[0], row=row)], image.width, image.height)
        found.append(Seen(scores=scores, boxes=sides, wanted=[(garment.kind, box_of(garment))], every=[]))
    return found


def box_of(garment: Garment) -> Box:
    """A garment's box in the product's words."""
    x0, y0, x1, y1 = garment.box
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def hits_and_false(photos: list[Seen], settings: GarmentSettings) -> tuple[Floats, int]:
    """Garments found by kind (same kind, overlap of .3), and false ones: over nothing labelled by .2, or one too many."""
    hits, false = np.zeros(len(KINDS), np.float32), 0
    for photo in photos:
        chosen = select(settings, photo.scores, photo.boxes)
        if photo.every:
            false += sum(all(overlap(box, other) < 0.2 for other in photo.every) for _, _, box in chosen)
        else:
            false += max(0, len(chosen) - 1)
        for kind, wanted in photo.wanted:
            hits[kind] += any(its == KINDS[kind] and overlap(box, wanted) >= 0.3 for its, _, box in chosen)
    return hits, false


def fit_settings(photos: list[Seen], start: GarmentSettings) -> GarmentSettings:
    """The least score of each kind and the contest of kinds: most found at no more false ones a photo than is allowed.

    Each is set in turn to its best at a price of a false garment, which is raised until the budget holds; what is counted
    is what the product's own selection leaves.
    """

    def worth(settings: GarmentSettings, price: float) -> float:
        hits, false = hits_and_false(photos, settings)
        return float(hits.sum()) - price * false

    best, street = start, [photo for photo in photos if photo.every]
    for price in PRICES:
        for _ in range(SWEEPS):
            for kind in KINDS:
                tried = [replace(best, thresholds={**best.thresholds, kind: float(t)}) for t in GRID]
                best = max(tried, key=lambda s: (worth(s, price), s.thresholds[kind]))
            best = max((replace(best, contest=c) for c in CONTESTS), key=lambda s: worth(s, price))
        if hits_and_false(street, best)[1] <= MOST_FALSE * len(street):
            break
    return best


def reached(photos: list[Seen], settings: GarmentSettings) -> dict[str, Any]:
    """Recall, false garments a photo, and recall of each kind."""
    hits, false = hits_and_false(photos, settings)
    totals = np.bincount([kind for photo in photos for kind, _ in photo.wanted], minlength=len(KINDS))
    by_kind = {k: round(float(h / t), 3) for k, h, t in zip(KINDS, hits, totals, strict=True) if t}
    return {"photos": len(photos), "recall": round(float(hits.sum() / totals.sum()), 3),
            "false": round(false / len(photos), 3), "by_kind": by_kind}  # fmt: skip


def fit_finding(
    data: Path, cache: Cache, folder: Path, *, size: int, taxonomy: Path, colour: Task
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card's section, fitted on the tuning photos, and what it reaches on them and on the validation photos."""
    section: dict[str, Any] = {"kinds": kinds_of(taxonomy), "thresholds": dict.fromkeys(KINDS, FIRST_LEAST), "overlap": OVERLAP,
                               "contest": CONTESTS[0], "colours": colour_names(cache, colour)}  # fmt: skip
    settings, scores = GarmentSettings.read(section), dict[str, Any]()
    for title, bucket in (("tuning", TUNING), ("validation", VALIDATION)):
        street = street_photos(data, cache, folder, bucket=bucket, size=size, taxonomy=taxonomy)
        alone = lone_garments(cache, folder, bucket=bucket, size=size, taxonomy=taxonomy)
        if bucket == TUNING:
            settings = fit_settings([*street, *alone[: len(street)]], settings)
            section |= {"thresholds": dict(settings.thresholds), "contest": settings.contest}
            print("least scores:", section["thresholds"], "contest:", section["contest"], flush=True)
        scores[title] = {"street": reached(street, settings), "drawn_alone": reached(alone, settings)}
    return section, scores
