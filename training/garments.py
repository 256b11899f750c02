"""Garments of a training picture: their boxes, kinds, targets on the grid, and the loss of finding them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = [
    "COMPLETE",
    "KINDS",
    "POSITIVES",
    "UNKNOWN",
    "Garment",
    "Garments",
    "finding_loss",
    "kind_of",
    "pack",
]

KINDS = ("upper", "outer", "lower", "whole", "legwear", "feet", "bag", "headwear", "eyewear", "jewellery", "waist",
         "neckwear", "other")  # fmt: skip
OUTER = {"jacket", "coat", "blazer", "waistcoat", "cardigan", "suit"}
OWN = {
    "socks": "legwear",
    "tights": "legwear",
    "sunglasses": "eyewear",
    "belt": "waist",
    "scarf": "neckwear",
    "tie": "neckwear",
}
OF_PART = {"upper": "upper", "lower": "lower", "whole": "whole", "feet": "feet", "bag": "bag", "head": "headwear",
           "jewellery": "jewellery", "accessory": "other"}  # fmt: skip
OF_TAG = {"shoes": "feet", "glasses": "eyewear", "top": "upper", "pants": "lower"}  # tags that name no one type
CORE = 0.5  # the middle share of a box whose cells stand for it
FAIR_CELLS, FAIRNESS = 6, 0.6  # a garment of so many cells weighs 1 a cell
COMPLETE, POSITIVES, UNKNOWN = 1, 2, 0  # what is known of a picture's garments


@dataclass(frozen=True, kw_only=True)
class Garment:
    """One garment of a picture: its kind, its box as shares of the picture, and the photo whose labels it has or -1."""

    kind: int
    box: tuple[float, float, float, float]
    row: int


@dataclass(frozen=True, kw_only=True)
class Garments:
    """Garments of a batch: pictures (m,), kinds (m,), boxes (m, 4), rows (m,), and what is known of each picture (n,)."""

    picture: Tensor
    kind: Tensor
    box: Tensor
    row: Tensor
    known: Tensor


@cache
def parts(taxonomy: Path) -> dict[str, str]:
    """The part of every type of the taxonomy."""
    groups = yaml.safe_load(taxonomy.read_text())["groups"]
    return {v["value"]: v["part"] for g in groups if g["name"] == "type" for v in g["values"]}


def kind_of(type_: str, taxonomy: Path) -> int:
    """The number of the kind that a type of the taxonomy is."""
    name = "outer" if type_ in OUTER else OWN.get(type_) or OF_PART[parts(taxonomy)[type_]]
    return KINDS.index(name)


def kind_of_tag(tag: str, names: dict[str, str], taxonomy: Path) -> int | None:
    """The number of the kind that a tag of an outfit is, None where it could be anything."""
    if tag in names:
        return kind_of(names[tag], taxonomy)
    return KINDS.index(OF_TAG[tag]) if tag in OF_TAG else None


def pack(pictures: list[tuple[int, list[Garment]]]) -> Garments:
    """The garments of a batch as tensors."""
    flat: list[tuple[int, Garment]] = [(n, g) for n, (_, garments) in enumerate(pictures) for g in garments]
    return Garments(
        picture=torch.tensor([n for n, _ in flat], dtype=torch.int64),
        kind=torch.tensor([g.kind for _, g in flat], dtype=torch.int64),
        box=torch.tensor([g.box for _, g in flat], dtype=torch.float32).view(-1, 4),
        row=torch.tensor([g.row for _, g in flat], dtype=torch.int64),
        known=torch.tensor([known for known, _ in pictures], dtype=torch.int64),
    )


@dataclass(frozen=True, kw_only=True)
class GridTargets:
    """Wanted scores (n, kinds, g, g), their weights, the boxes of positive cells, and which cells those are.

    A garment's cells weigh less the more it has, so that sunglasses count beside a coat.
    """

    score: Tensor
    weight: Tensor
    box: Tensor
    positive: Tensor


def grid_targets(garments: Garments, cells: int) -> GridTargets:
    """What the grid should say; of two garments of one kind at a cell the smaller counts."""
    n = len(garments.known)
    score: NDArray[Any] = np.zeros((n, len(KINDS), cells, cells), np.float32)
    weight: NDArray[Any] = np.zeros_like(score)
    box: NDArray[Any] = np.zeros((n, len(KINDS), cells, cells, 4), np.float32)
    weight[garments.known.numpy() == COMPLETE] = 1
    centre = (np.arange(cells) + 0.5) / cells
    boxes = garments.box.numpy()
    order = np.argsort(-((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])), kind="stable")
    for inner in (False, True):
        for m in order:
            x0, y0, x1, y1 = boxes[m]
            at = (int(garments.picture[m]), int(garments.kind[m]))
            if inner:
                cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2 * CORE, (y1 - y0) / 2 * CORE
                xs = np.flatnonzero(np.abs(centre - cx) <= max(rx, 0.51 / cells))
                ys = np.flatnonzero(np.abs(centre - cy) <= max(ry, 0.51 / cells))
                cell = np.ix_(ys, xs)
                share = (FAIR_CELLS / max(1, len(xs) * len(ys))) ** FAIRNESS
                score[at][cell], weight[at][cell], box[at][cell] = 1, min(3.0, max(0.4, share)), boxes[m]
            else:  # its edge is neither
                cell = np.ix_((centre > y0) & (centre < y1), (centre > x0) & (centre < x1))
                weight[at][cell] = 0
    found = torch.from_numpy(score)
    return GridTargets(score=found, weight=torch.from_numpy(weight), box=torch.from_numpy(box), positive=found > 0)


def finding_loss(logits: Tensor, sides: Tensor, garments: Garments) -> Tensor:
    """Focal loss of the scores and the log of the boxes' overlap, a sum over the batch's pictures.

    Lin et al., Focal loss (2017), with gamma 2 and alpha .4; Yu et al., UnitBox (2016).
    """
    known = garments.known > UNKNOWN
    if not known.any():
        return logits.sum() * 0
    cells = logits.shape[2]
    target = grid_targets(garments, cells)
    p = logits.sigmoid()
    surprise = torch.where(target.positive, 1 - p, p)
    alpha = torch.where(target.positive, 0.4, 0.6)
    cross = functional.binary_cross_entropy_with_logits(logits, target.score, reduction="none")
    of_picture = target.positive.sum((1, 2, 3)).clamp(min=4)  # a large garment has many cells, and counts once
    focal = ((alpha * surprise**2 * cross * target.weight).sum((1, 2, 3)) / of_picture * known).sum()
    picture, kind, row, column = target.positive.nonzero(as_tuple=True)
    if not len(picture):
        return 2 * focal
    centre = torch.stack([(column + 0.5) / cells, (row + 0.5) / cells], 1)
    near, far = (sides[picture, kind, a:b, row, column] for a, b in ((0, 2), (2, 4)))
    wanted = target.box[picture, kind, row, column]
    low, high = centre - near, centre + far
    inner = (torch.minimum(high, wanted[:, 2:]) - torch.maximum(low, wanted[:, :2])).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (wanted[:, 2:] - wanted[:, :2]).prod(1) - inner
    overlap = -torch.log((inner + 1e-4) / (union + 1e-4))
    weight = target.weight[picture, kind, row, column]
    return 2 * focal + (weight * overlap / of_picture[picture]).sum()
