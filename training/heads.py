"""The last layers alone, on stored inputs of theirs: `python -m training.heads --work DIR --run DIR --out DIR`.

The trunk, the maps and the garment head stay as they are. The projections of both towers learn from what they read of
plain photos and of training pictures, under heavy dropout, since a trunk tells photos that it was trained on better than
others. Two passes start from the run's weights; what is written is the mean of both. It takes minutes.
"""

from __future__ import annotations

import argparse
import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.cache import Cache, open_cache
from training.checkpoints import read_checkpoint, write_checkpoint
from training.detect import part_parser
from training.export import load_towers
from training.features import centred, to_pixels
from training.losses import BLANK, GREY, Objective, Pictures
from training.model import ImageHead, ImageTower, TextHead
from training.prompts import TaskTexts, load_words
from training.sampling import sampling_weights, trainable
from training.texts import TextCache
from training.views import Batches, Recipe
from trendloom.vision.garments import regions

__all__ = ["Pass", "Stored", "class_vectors", "fit_pass", "main", "mean_of", "plain_inputs", "store"]

PLAIN_SETS = ("catalogue", "articles")
TOGETHER, ALONE = 0.8, 0.15  # shares of the garments that count as pictures: of those that share one, and of others
LAYERS = ("inner", "outer", "skip")
ANCHOR_SCALE = 20.0
WARM_UP = 30


@dataclass(frozen=True, kw_only=True)
class Pass:
    """How to train the last layers.

    Attributes:
        plain: Share of plain photos among the rows of a batch; the others are training pictures.
        drop: Dropout of what the layers read.
        inner_drop: Dropout between the layers.
        mix: Share of rows of one garment that are averaged with another such row, and then show both.
        colours: Weight of the labels in tasks of colours.
        anchor: Weight of what the run said of colours before (Li and Hoiem, Learning without Forgetting, 2016).
        average: How much of the average of the weights stays in a step.
    """

    steps: int
    smoothing: float
    plain: float
    drop: float
    average: float
    colours: float = 1.0
    anchor: float = 0.0
    inner_drop: float = 0.4
    mix: float = 0.3
    batch: int = 320
    rate: float = 1e-3
    text_rate: float = 5e-4
    decay: float = 0.3
    seed: int = 0


PASSES = (
    Pass(steps=600, smoothing=0.08, plain=0.3, drop=0.35, average=0.992),
    Pass(steps=700, smoothing=0.06, plain=0.35, drop=0.3, average=0.993, colours=0.3, anchor=3.0),
)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the last layers read of pictures, (n, width) 16-bit floats, photo rows (n, 2), flags (n,), chances (n,)."""

    inputs: Tensor
    rows: Tensor
    flags: Tensor
    chance: NDArray[np.float64]


@torch.no_grad()
def plain_inputs(cache: Cache, tower: ImageTower, rows: list[int], size: int) -> Tensor:
    """What the layers read of photos as they are, (rows, width)."""
    found = []
    for start in range(0, len(rows), 32):
        grids = tower.grids(to_pixels(np.stack([centred(cache, row, size) for row in rows[start : start + 32]])))
        found.append(tower.head.pooled(grids.fine, grids.coarse, grids.samples)[0].half())
    return torch.cat(found)


@torch.no_grad()
def picture_inputs(tower: ImageTower, batches: Batches) -> tuple[Tensor, Tensor, Tensor]:
    """What the layers read of training pictures and of garments in them, with their photo rows and flags."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    rng = np.random.default_rng(batches.seed)
    for step in range(len(batches)):
        batch = batches[step]
        grids, garments = tower.grids(batch["pixels"].permute(0, 3, 1, 2).float() / 255), batch["garments"]
        found.append(
            (tower.head.pooled(grids.fine, grids.coarse, grids.samples)[0].half(), batch["rows"], batch["flags"])
        )
        count = torch.bincount(garments.picture, minlength=len(batch["flags"]))
        share = torch.where(count[garments.picture] > 1, TOGETHER, ALONE)
        chosen = ((garments.row >= 0) & (torch.from_numpy(rng.random(len(garments.row))) < share)).nonzero()[:, 0]
        if len(chosen):
            of = garments.picture[chosen]
            place = torch.from_numpy(regions(garments.box[chosen].numpy(), grids.fine.shape[2]))
            pieces = tower.head.pooled(grids.fine[of], grids.coarse[of], grids.samples[of], place)[0].half()
            found.append((pieces, torch.stack([garments.row[chosen], torch.full_like(of, -1)], 1), batch["flags"][of]))
    inputs, rows, flags = (torch.cat(parts) for parts in zip(*found, strict=True))
    return inputs, rows, flags


def mixed(
    x: Tensor, pictures: Pictures, objective: Objective, share: float, rng: np.random.Generator
) -> tuple[Tensor, Pictures]:
    """Some rows of one garment averaged with another's, as pictures of two."""
    rows, flags = pictures.rows.clone(), pictures.flags
    other = torch.from_numpy(rng.permutation(len(x)))
    single = (rows[:, 1] < 0) & (flags == 0) & ~objective.is_other[rows[:, 0]]
    single &= objective.words.tags.absent_weight[rows[:, 0]] == 0
    use = single & single[other] & torch.from_numpy(rng.random(len(x)) < share)
    rows[:, 1] = torch.where(use, rows[other, 0], rows[:, 1])
    return torch.where(use[:, None], (x + x[other]) / 2, x), Pictures(rows=rows, flags=flags)


def class_vectors(text: TextHead, task: TaskTexts, vectors: Tensor) -> Tensor:
    """The mean vector of each class's prompts, (classes, 256)."""
    found = text(vectors[torch.from_numpy(np.concatenate(task.prompts))]).split([len(p) for p in task.prompts])
    return functional.normalize(torch.stack([some.mean(0) for some in found]), dim=1)


class Anchor:
    """What the weights that a pass began with say of colours, and how far others are from it."""

    def __init__(self, head: ImageHead, objective: Objective) -> None:
        self.head = copy.deepcopy(head).eval()
        self.vectors = objective.words.vectors
        self.tasks = [task for task in objective.words.tasks if task.task.colour]
        with torch.no_grad():
            self.classes = [class_vectors(objective.text, task, self.vectors) for task in self.tasks]

    def __call__(self, x: Tensor, images: Tensor, flags: Tensor, text: TextHead) -> Tensor:
        """Sum over the tasks of the divergence of what is said now from what was said, mean over coloured pictures."""
        shown = flags & (GREY | BLANK) == 0
        if not self.tasks or not shown.any():
            return images.sum() * 0
        with torch.no_grad():
            before = self.head.joint(x[shown])
        parts = []
        for task, classes in zip(self.tasks, self.classes, strict=True):
            said = ANCHOR_SCALE * images[shown] @ class_vectors(text, task, self.vectors).T
            was = ANCHOR_SCALE * before @ classes.T
            parts.append(
                functional.kl_div(said.log_softmax(1), was.log_softmax(1), reduction="batchmean", log_target=True)
            )
        return torch.stack(parts).sum()


def fit_pass(plan: Pass, head: ImageHead, objective: Objective, stored: Stored) -> tuple[float, dict[str, Tensor]]:
    """Train the last layers of both towers; the mean loss of the last tenth, and the average of the weights."""
    rng, anchor = np.random.default_rng(plan.seed), Anchor(head, objective)
    objective.smoothing, head.drop.p = plan.smoothing, plan.inner_drop
    parts = nn.ModuleDict({"head": head, "text": objective.text})
    layers = [p for name in LAYERS for p in getattr(head, name).parameters()]
    optimiser = torch.optim.AdamW([
        {"params": layers, "rate": plan.rate, "weight_decay": plan.decay},
        {"params": list(objective.text.parameters()), "rate": plan.text_rate, "weight_decay": plan.decay / 2},
        {"params": list(objective.scales.parameters()), "rate": plan.rate / 2, "weight_decay": 0.0},
    ], betas=(0.9, 0.98))  # fmt: skip
    average, last = copy.deepcopy(parts.state_dict()), list[float]()
    head.train()
    for step in range(plan.steps):
        chosen = torch.from_numpy(rng.choice(len(stored.chance), plan.batch, p=stored.chance))
        pictures = Pictures(rows=stored.rows[chosen], flags=stored.flags[chosen])
        x, pictures = mixed(stored.inputs[chosen].float(), pictures, objective, plan.mix, rng)
        images = head.joint(functional.dropout(x, plan.drop))
        found = objective(images, pictures, np.random.default_rng((plan.seed, step)))
        for task in anchor.tasks:
            found[task.task.name] = found[task.task.name] * plan.colours
        if plan.anchor:
            found["anchor"] = plan.anchor * anchor(x, images, pictures.flags, objective.text)
        loss = torch.stack(list(found.values())).sum()
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * min(1.0, (step + 1) / WARM_UP)
            group["lr"] *= 0.02 + 0.49 * (1 + math.cos(math.pi * step / plan.steps))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        keep = min(plan.average, (1 + step) / (10 + step))
        for name, value in parts.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        last = [*last, float(loss.detach())][-max(1, plan.steps // 10) :]
    return float(np.mean(last)), average


def mean_of(weights: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights of one architecture (Wortsman et al., Model soups, 2022)."""
    return {name: torch.stack([some[name] for some in weights]).mean(0) for name in weights[0]}


def store(cache: Cache, tower: ImageTower, batches: Batches, size: int) -> tuple[Stored, int]:
    """The inputs of plain photos, then of training pictures, and how many are plain; chances are those of the photos."""
    rows = [n for n, r in enumerate(cache.records) if trainable(r) and r.set in PLAIN_SETS]
    inputs, pairs, flags = picture_inputs(tower, batches)
    alone = torch.tensor([(row, -1) for row in rows]).view(-1, 2)
    every = torch.cat([plain_inputs(cache, tower, rows, size), inputs]) if rows else inputs
    chance = np.concatenate([sampling_weights(cache.records)[rows], np.ones(len(inputs))])
    flags = torch.cat([torch.zeros(len(rows), dtype=flags.dtype), flags])
    return Stored(inputs=every, rows=torch.cat([alone, pairs]), flags=flags, chance=chance), len(rows)


def shared(stored: Stored, plain: int, share: float) -> Stored:
    """The same inputs, of which the first `plain` come up with a chance of `share` together."""
    chance = stored.chance.copy()
    share = share if plain else 0.0
    for part, its in ((slice(None, plain), share), (slice(plain, None), 1 - share)):
        chance[part] *= its / max(chance[part].sum(), 1e-12)
    return Stored(inputs=stored.inputs, rows=stored.rows, flags=stored.flags, chance=chance / chance.sum())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = part_parser(__doc__)
    parser.add_argument("--batches", type=int, default=900, help="of 16 training pictures whose inputs are stored")
    parser.add_argument("--seed", type=int, default=101)
    return parser.parse_args()


def main() -> None:
    """Train the last layers and write the whole state anew."""
    args = arguments()
    torch.set_num_threads(2)
    cache, texts = open_cache(args.work), TextCache(args.work / "texts")
    state: dict[str, Any] = read_checkpoint(args.run / "state.pt")
    tower, _ = load_towers(args.run / "state.pt")
    recipe = Recipe(sizes=(args.size,))
    batches = Batches(
        cache, recipe, batch=16, steps=args.batches, seed=args.seed, taxonomy=args.taxonomy, drawn=0.1
    )  # fmt: skip
    stored, plain = store(cache, tower, batches, args.size)
    print(f"{len(stored.rows)} inputs, {plain} of plain photos", flush=True)
    words, found = load_words(cache.records, args.taxonomy, texts), []
    is_other = np.array([r.set == "other" for r in cache.records])
    known = np.array([n for n, r in enumerate(cache.records) if trainable(r)])
    name = "objective."
    own = {k.removeprefix(name): v for k, v in state["average"].items() if k.startswith(name)}
    for plan in PASSES:
        torch.manual_seed(plan.seed)
        tower, _ = load_towers(args.run / "state.pt")
        objective = Objective(words, is_other, known)
        objective.load_state_dict(own)
        loss, average = fit_pass(plan, tower.head, objective, shared(stored, plain, plan.plain))
        print(f"{plan.steps} steps, loss {loss:.3f}", flush=True)
        found.append(average)
    for name, value in mean_of(found).items():
        part = name.replace("head.", "tower.head.", 1) if name.startswith("head.") else f"objective.{name}"
        for whole in ("model", "average"):
            state[whole][part] = value
    args.out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(args.out / "state.pt", state)


if __name__ == "__main__":
    main()
