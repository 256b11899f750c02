"""What the card says of finding garments: kinds and their types, least scores, and how the colours of a name spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from training.cache import Cache
from training.garments import KINDS, Garment, kind_of
from training.measures import Floats
from training.prepared import prepare
from training.shards import TUNING, VALIDATION
from training.views import known_garments, on_square
from training.vocab import Task
from trendloom.types import Box, Piece
from trendloom.vision.colours import ColourNames, main_colours
from trendloom.vision.garments import GarmentFinder, GarmentSettings, overlap
from trendloom.vision.session import OnnxSession

__all__ = ["fit_finding"]

OVERLAP, CONTEST = 0.45, 0.75
MOST_FALSE = 0.35  # garments a photo that overlap nothing labelled
GRID = np.round(np.arange(0.15, 0.71, 0.025), 3)
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


def boxed_photos(
    data: Path, cache: Cache, bucket: int, size: int, taxonomy: Path
) -> tuple[NDArray[np.uint8], list[list[Garment]], list[list[Box]]]:
    """Prepared street photos with boxes, their garments, and every labelled box, as shares of the square."""
    _, boxed = known_garments(cache, taxonomy)
    rows = [n for n, r in enumerate(cache.records) if r.set == "street" and r.bucket == bucket and r.boxes]
    wanted, every = [], []
    for n in rows:
        r = cache.records[n]
        wanted.append(on_square(boxed[n], r.width, r.height))
        all_of = [Garment(kind=0, box=(x0, y0, x1, y1), row=-1) for _, x0, y0, x1, y1 in r.boxes]
        every.append(
            [Box(x0=b[0], y0=b[1], x1=b[2], y1=b[3]) for b in (g.box for g in on_square(all_of, r.width, r.height))]
        )
    return prepare(data, cache, rows, size), wanted, every


def least_scores(pieces: list[list[Piece]], wanted: list[list[Garment]], every: list[list[Box]]) -> dict[str, float]:
    """The least score of each kind: most garments found at no more false ones a photo than is allowed, over all kinds.

    The price of a false garment is raised until the budget holds; at a price each kind takes its own best score.
    """
    table = np.zeros((len(GRID), len(KINDS), 2))  # found, false
    for n, least in enumerate(GRID):
        table[n, :, 0], table[n, :, 1] = hits_and_false(pieces, wanted, every, dict.fromkeys(KINDS, float(least)))
    best = np.zeros(len(KINDS), np.int64)
    for price in np.geomspace(0.02, 20, 60):
        best = (table[..., 0] - price * table[..., 1] - 1e-6 * np.arange(len(GRID))[:, None]).argmax(0)
        if table[best, np.arange(len(KINDS)), 1].sum() <= MOST_FALSE * len(pieces):
            break
    return {kind: float(GRID[n]) for kind, n in zip(KINDS, best, strict=True)}


def hits_and_false(
    pieces: list[list[Piece]], wanted: list[list[Garment]], every: list[list[Box]], least: dict[str, float]
) -> tuple[Floats, Floats]:
    """Garments found (same kind, overlap of .3) and pieces that overlap nothing labelled by .2, of each kind."""
    hits, false = np.zeros(len(KINDS), np.float32), np.zeros(len(KINDS), np.float32)
    for of, garments, boxes in zip(pieces, wanted, every, strict=True):
        kept = [p for p in of if p.kind and p.score >= least[p.kind]]
        for p in kept:
            false[KINDS.index(p.kind)] += all(overlap(p.box, b) < 0.2 for b in boxes)
        for g in garments:
            box = Box(x0=g.box[0], y0=g.box[1], x1=g.box[2], y1=g.box[3])
            hits[g.kind] += any(p.kind == KINDS[g.kind] and overlap(p.box, box) >= 0.3 for p in kept)
    return hits, false


def found_share(
    pieces: list[list[Piece]], wanted: list[list[Garment]], every: list[list[Box]], least: dict[str, float]
) -> tuple[float, float, Floats]:
    """Recall of garments by kind and overlap of .3, false garments a photo, and recall of each kind."""
    hits, false = hits_and_false(pieces, wanted, every, least)
    totals = np.bincount([g.kind for garments in wanted for g in garments], minlength=len(KINDS))
    by_kind = np.asarray(hits / np.maximum(totals, 1), np.float32)
    return float(hits.sum() / totals.sum()), float(false.sum()) / len(pieces), by_kind


def fit_finding(
    data: Path, cache: Cache, folder: Path, *, size: int, taxonomy: Path, colour: Task
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card's section, and what it reaches on the tuning and validation photos.

    The least scores are fitted on the tuning photos, see `least_scores`.
    """
    section: dict[str, Any] = {"kinds": kinds_of(taxonomy), "thresholds": dict.fromkeys(KINDS, float(GRID[0])), "overlap": OVERLAP,
                               "contest": CONTEST, "colours": colour_names(cache, colour)}  # fmt: skip
    image, find, region = (OnnxSession(folder / name, threads=2) for name in ("image.onnx", "find.onnx", "region.onnx"))
    finder = GarmentFinder(
        GarmentSettings.read(section), size=size, image=lambda: image, find=lambda: find, region=lambda: region
    )
    scores: dict[str, Any] = {}
    for title, bucket in (("tuning", TUNING), ("validation", VALIDATION)):
        pixels, wanted, every = boxed_photos(data, cache, bucket, size, taxonomy)
        pieces = finder.look(pixels, colours=False)
        if title == "tuning":
            section["thresholds"] = least_scores(pieces, wanted, every)
            print("least scores:", section["thresholds"], flush=True)
        recall, false, by_kind = found_share(pieces, wanted, every, section["thresholds"])
        scores[title] = {"photos": len(pixels), "recall": round(recall, 3), "false": round(false, 3),
                         "by_kind": {k: round(float(v), 3) for k, v in zip(KINDS, by_kind, strict=True)}}  # fmt: skip
    return section, scores
