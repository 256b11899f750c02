"""Vectors of the taxonomy's values from photos: `python -m training.values --work DIR --run DIR --out DIR`.

The tagger compares a garment with the mean vector of a value's prompts. Words say cuts, fabrics and lengths badly: for
such groups the vectors are learned that tell the training garments apart best, starting from the prompts and held near
them. Which groups gain by it is decided on the tuning photos. Writes `values.npz`, which
export takes from the run's folder.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.cache import Cache, open_cache
from training.detect import part_parser
from training.export import load_towers
from training.heads import class_vectors, plain_inputs, store
from training.losses import BLANK, GREY
from training.measures import Floats
from training.model import ImageTower
from training.prompts import task_texts
from training.shards import TUNING
from training.texts import TextCache
from training.views import Batches, Recipe
from training.vocab import taxonomy_tasks
from trendloom.vision.values import VALUES, write_values

__all__ = ["accuracy", "learn", "main"]

SCALE = 20.0
SMOOTHING = 0.05
PULL = 0.3  # weight of the squared distance from the prompts' vectors
BATCH = 1024
RATE = 3e-3
LEAST_GAIN = 0.01  # of the accuracy on tuning photos, or a group keeps its prompts
LEAST_PHOTOS = 50


def learn(
    vectors: Tensor, shown: Tensor, start: Floats, *, pull: float = PULL, steps: int = 300, seed: int = 0
) -> Floats:
    """Vectors of the classes, (classes, dim), unit rows, that tell garments apart.

    Cross-entropy of the scaled cosines, and the squared distance from where they start.

    Args:
        vectors: Of garments, (n, dim), unit rows.
        shown: Which classes they show, (n, classes), rows summing to 1.
        start: Vectors of the classes' prompts, (classes, dim).
        pull: Weight of the distance; a large one leaves the prompts.
        steps: How often the vectors are moved.
        seed: Of the garments that each step looks at.
    """
    generator = torch.Generator().manual_seed(seed)
    origin = torch.from_numpy(start)
    found = nn.Parameter(origin.clone())
    optimiser = torch.optim.Adam([found], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    wanted = shown * (1 - SMOOTHING) + SMOOTHING / shown.shape[1]
    for _ in range(steps):
        chosen = torch.randint(len(vectors), (BATCH,), generator=generator)
        logits = SCALE * vectors[chosen] @ functional.normalize(found, dim=1).T
        loss = functional.cross_entropy(logits, wanted[chosen]) + pull * (found - origin).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    unit: Floats = functional.normalize(found.detach(), dim=1).numpy()
    return unit


def accuracy(vectors: Tensor, shown: Tensor, classes: Floats) -> float:
    """Share of garments whose likeliest class is one that they show."""
    best = (vectors @ torch.from_numpy(classes).T).argmax(1)
    return float((shown[torch.arange(len(shown)), best] > 0).float().mean())


@torch.no_grad()
def tuning_vectors(cache: Cache, tower: ImageTower, size: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Vectors of the tuning photos as they are, and their rows."""
    rows = [n for n, r in enumerate(cache.records) if r.bucket == TUNING and not r.set.endswith("_box")]
    return tower.head.joint(plain_inputs(cache, tower, rows, size).float()), np.array(rows, np.int64)


def known_of(shown: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors (n, dim) of garments of which something is known, and what (n, classes)."""
    known = shown.sum(1) > 0
    return vectors[known], shown[known]


def main() -> None:
    """Learn the groups, keep those that gain, and write their vectors."""
    parser = part_parser(__doc__)
    parser.add_argument("--batches", type=int, default=900, help="of 16 training pictures")
    parser.add_argument("--seed", type=int, default=101)
    args = parser.parse_args()
    torch.set_num_threads(2)
    cache, texts = open_cache(args.work), TextCache(args.work / "texts")
    tower, head = load_towers(args.run / "state.pt")
    batches = Batches(
        cache,
        Recipe(sizes=(args.size,)),
        batch=16,
        steps=args.batches,
        seed=args.seed,
        taxonomy=args.taxonomy,
        drawn=0.1,
    )
    stored, _ = store(cache, tower, batches, args.size)
    with torch.no_grad():
        vectors = torch.cat([tower.head.joint(some.float()) for some in stored.inputs.split(BATCH)])
    plain = (stored.rows[:, 1] < 0) & (stored.flags & (GREY | BLANK) == 0)
    learned_from, rows = vectors[plain], stored.rows[plain, 0].numpy()
    judged, judged_rows = tuning_vectors(cache, tower, args.size)
    kept: dict[str, dict[str, Floats]] = {}
    for task in taxonomy_tasks(cache.records, args.taxonomy):
        group, said = task.name.removeprefix("taxonomy."), task_texts(task, texts, len(cache.records))
        known, shown = known_of(said.targets[rows], learned_from)
        tuning, truth = known_of(said.targets[judged_rows], judged)
        if task.name.endswith(".names") or len(tuning) < LEAST_PHOTOS or len(known) < LEAST_PHOTOS:
            continue
        with torch.no_grad():
            start = class_vectors(head, said, torch.from_numpy(texts.vectors)).numpy()
        found = learn(known, shown, start)
        before, after = accuracy(tuning, truth, start), accuracy(tuning, truth, found)
        if after >= before + LEAST_GAIN:
            kept[group] = dict(zip(task.classes, found, strict=True))
        report = {
            "group": group,
            "garments": len(known),
            "tuning": len(tuning),
            "prompts": round(before, 3),
            "learned": round(after, 3),
        }
        print(json.dumps(report | {"kept": group in kept}), flush=True)
    if not kept:
        raise SystemExit(
            "expected a group that learned vectors tell better than its prompts, got none: nothing was written"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    write_values(args.out / VALUES, kept)


if __name__ == "__main__":
    main()
