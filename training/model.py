"""The two towers: pictures and texts as unit vectors of one space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.garments import KINDS
from training.trunk import COARSE, DETAIL, FINE, Trunk

__all__ = ["DIM", "TEXT_DIM", "GarmentHead", "Grids", "ImageHead", "ImageTower", "TextHead", "normalised", "small"]

DIM = 256
TEXT_DIM = 384
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
COLOUR_STEP = 4  # pixels a side that become one colour sample
COLOURS = 96
LOOKS = 2  # saliency maps
LEAST_REGION = 1e-3
FIRST_SIDE = -1.8  # softplus of it is .15: where boxes start


def normalised(pixels: Tensor) -> Tensor:
    """Pixels (n, 3, s, s) of 0..1 as the trunk wants them."""
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return (pixels - mean) / deviation


def small(pixels: Tensor) -> Tensor:
    """Colour samples (n, 3, s/4, s/4) of pixels (n, 3, s, s)."""
    return functional.avg_pool2d(pixels, COLOUR_STEP)


def sides(x: Tensor) -> tuple[int, int]:
    """Height and width, as numbers also while a graph is traced."""
    return int(x.shape[2]), int(x.shape[3])


class ImageHead(nn.Module):
    """The joint vector of a picture's feature grids and colour samples.

    Saliency maps over the fine grid say where the garment is; the coarse grid and the colours are pooled under them,
    and the coarse grid also plainly. A colour sample becomes soft memberships, so that its pool is a histogram.
    """

    def __init__(self, width: int = 640) -> None:
        super().__init__()
        self.look_fine = nn.Conv2d(FINE, LOOKS, 1)
        self.look_coarse = nn.Conv2d(COARSE, LOOKS, 1)
        self.colour = nn.Sequential(nn.Conv2d(9, 48, 1), nn.ReLU(), nn.Conv2d(48, COLOURS, 1), nn.ReLU())
        self.look_colour = nn.Conv2d(COLOURS, LOOKS, 1)
        for layer in (self.look_fine, self.look_coarse, self.look_colour):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type, unused-ignore]  # these layers have one
        inputs = COARSE * 2 + COLOURS * LOOKS
        self.norm = nn.LayerNorm(inputs)
        self.inner = nn.Linear(inputs, width)
        self.drop = nn.Dropout(0.2)
        self.outer = nn.Linear(width, DIM)
        self.skip = nn.Linear(inputs, DIM)

    def forward(self, fine: Tensor, coarse: Tensor, samples: Tensor, region: Tensor | None = None) -> Tensor:
        """Unit vectors (n, 256) of a fine grid, a coarse grid and colour samples, see `looked`."""
        return self.looked(fine, coarse, samples, region)[0]

    def looked(
        self, fine: Tensor, coarse: Tensor, samples: Tensor, region: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Unit vectors (n, 256), and where colours were looked at, (n, s/4, s/4), summing to 1.

        `region`, (n, 1, cells of the fine grid), 0 to 1: how much of each cell counts; everything where there is none.
        """
        x, where = self.pooled(fine, coarse, samples, region)
        return self.joint(x), where

    def joint(self, x: Tensor) -> Tensor:
        """Unit vectors (n, 256) of what `pooled` gives."""
        return functional.normalize(self.outer(self.drop(functional.gelu(self.inner(x)))) + self.skip(x), dim=1)

    def pooled(
        self, fine: Tensor, coarse: Tensor, samples: Tensor, region: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the last layers read, (n, 2 * 1280 + LOOKS * COLOURS), normed, and where colours were looked at."""
        size, step, cells = (sides(x) for x in (samples, fine, coarse))
        logits = self.look_fine(fine) + functional.interpolate(self.look_coarse(coarse), step, mode="bilinear")
        plain = coarse.mean((2, 3))
        if region is not None:
            logits = logits + region.clamp(min=LEAST_REGION).log()
            within = functional.avg_pool2d(region, 2).flatten(2) + LEAST_REGION
            plain = (coarse.flatten(2) * (within / within.sum(2, keepdim=True))).sum(2)
        even = step == (2 * cells[0], 2 * cells[1])
        place = functional.avg_pool2d(logits, 2) if even else functional.adaptive_avg_pool2d(logits, cells)
        place = place[:, :1].flatten(2).softmax(2)  # (n, 1, cells)
        salient = (coarse.flatten(2) * place).sum(2)
        low, high = samples.amin(1, keepdim=True), samples.amax(1, keepdim=True)
        red, green, blue = samples[:, :1], samples[:, 1:2], samples[:, 2:]
        about = torch.cat([samples, low, high, high - low, red - green, green - blue, blue - red], 1) * 2 - 0.5
        colours = self.colour(about)  # (n, COLOURS, s/4, s/4)
        where = self.look_colour(colours) + functional.interpolate(logits, size, mode="bilinear")
        where = where.flatten(2).softmax(2)  # (n, LOOKS, samples)
        pooled = torch.bmm(where, colours.flatten(2).transpose(1, 2)).flatten(1)  # (n, LOOKS * COLOURS)
        x: Tensor = self.norm(torch.cat([plain, salient, pooled], 1))
        return x, where.mean(1).view(-1, *size)


class GarmentHead(nn.Module):
    """Where garments are: at each cell of the fine grid a score for each kind and a box for each kind.

    One level of an anchor-free detector (Tian et al., FCOS, 2019) with a box for each kind, so that a bag before a
    coat keeps its own.
    """

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.detail, self.fine = nn.Conv2d(DETAIL * 4, 64, 1), nn.Conv2d(FINE, 128, 1)
        self.coarse = nn.Conv2d(COARSE, 96, 1)
        self.mix = nn.Conv2d(64 + 128 + 96, width, 1)
        self.around = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.last = nn.Conv2d(width, width, 1)
        self.score = nn.Conv2d(width, len(KINDS), 1)
        self.box = nn.Conv2d(width, 4 * len(KINDS), 1)
        nn.init.constant_(self.score.bias, -4.0)  # type: ignore[arg-type, unused-ignore]  # it has one
        nn.init.normal_(self.box.weight, std=0.01)
        nn.init.constant_(self.box.bias, FIRST_SIDE)  # type: ignore[arg-type, unused-ignore]

    def forward(self, detail: Tensor, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, kinds, g, g), and distances (n, kinds, 4, g, g) to a box's left, top, right and bottom.

        Distances are from a cell's centre, as shares of the side.
        """
        step = sides(fine)
        far = functional.interpolate(self.coarse(coarse), step, mode="bilinear")
        x = torch.cat([self.detail(functional.pixel_unshuffle(detail, 2)), self.fine(fine), far], 1)
        x = functional.relu(self.mix(functional.relu(x)))
        x = functional.relu(self.last(functional.relu(self.around(x)) + x))
        return self.score(x), functional.softplus(self.box(x)).view(-1, len(KINDS), 4, *step)


@dataclass(frozen=True, kw_only=True)
class Grids:
    """What the trunk and the pixels give of a batch."""

    detail: Tensor
    fine: Tensor
    coarse: Tensor
    samples: Tensor


class ImageTower(nn.Module):
    """Unit vectors (n, 256) of pixels (n, 3, s, s) of 0..1."""

    def __init__(self, trunk: Trunk, head: ImageHead, garments: GarmentHead) -> None:
        super().__init__()
        self.trunk, self.head, self.garments = trunk, head, garments

    def grids(self, pixels: Tensor) -> Grids:
        """The grids of pixels (n, 3, s, s)."""
        detail, fine, coarse = self.trunk(normalised(pixels))
        return Grids(detail=detail, fine=fine, coarse=coarse, samples=small(pixels))

    def forward(self, pixels: Tensor) -> Tensor:
        """Unit vectors (n, 256) of pixels (n, 3, s, s)."""
        grids = self.grids(pixels)
        out: Tensor = self.head(grids.fine, grids.coarse, grids.samples)
        return out


class TextHead(nn.Module):
    """Unit vectors (n, 256) of sentence vectors (n, 384)."""

    def __init__(self, width: int = 640) -> None:
        super().__init__()
        self.inner = nn.Linear(TEXT_DIM, width)
        self.outer = nn.Linear(width, DIM)
        self.skip = nn.Linear(TEXT_DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        """Unit vectors (n, 256) of sentence vectors."""
        return functional.normalize(self.outer(functional.gelu(self.inner(x))) + self.skip(x), dim=1)
