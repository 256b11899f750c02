"""The garment head alone, on grids of a trained trunk: `python -m training.detect --work DIR --run DIR --out DIR`.

The last stage: the trunk and the vectors stay as they are, so it takes minutes and changes nothing but the boxes.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.cache import Cache, open_cache
from training.checkpoints import read_checkpoint, write_checkpoint
from training.export import load_towers
from training.features import to_pixels
from training.garments import COMPLETE, POSITIVES, Garments, finding_loss, pack
from training.model import GarmentHead, ImageTower
from training.views import Batches, Picture, Recipe, picture

__all__ = ["main", "part_parser", "train"]

SHARES = {"street": 2.4, "outfits": 1.0, "scenes": 1.6}  # pictures, to the street photos with boxes that there are


def pictures(cache: Cache, batches: Batches, size: int, seed: int) -> list[Picture]:
    """Street photos and outfits with boxes, and products on drawn grounds, two of three with a second one."""
    rng = np.random.default_rng(seed)
    recipe = Recipe(sizes=(size,), scenes=1.0, second=0.65, grey=0.03)
    boxed = {name: [n for n in batches.spares.boxed if cache.records[n].set == name and batches.chances[n] > 0]
             for name in ("street", "outfits")}  # fmt: skip
    cut = [int(n) for n in batches.spares.cut if batches.spares.kinds[n] >= 0]
    rows = [
        int(rng.choice(boxed.get(name, cut)))
        for name, share in SHARES.items()
        for _ in range(int(share * len(boxed["street"])))
    ]
    made = (picture(cache, row, batches.spares, rng, size=size, recipe=recipe) for row in rows)
    return [p for p in made if p.known in (COMPLETE, POSITIVES)]


@torch.no_grad()
def grids_of(tower: ImageTower, made: list[Picture]) -> dict[str, Tensor]:
    """The grids of pictures, as 16-bit floats."""
    found: dict[str, list[Tensor]] = {"detail": [], "fine": [], "coarse": []}
    for start in range(0, len(made), 48):
        grids = tower.grids(to_pixels(np.stack([p.pixels for p in made[start : start + 48]])))
        for name, parts in found.items():
            parts.append(getattr(grids, name).half())
    return {name: torch.cat(parts) for name, parts in found.items()}


def train(
    head: GarmentHead,
    grids: dict[str, Tensor],
    made: list[Picture],
    *,
    steps: int,
    rate: float,
    seed: int,
    batch: int = 48,
) -> float:
    """Train the head on grids; the mean loss of the last tenth of the steps."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.02, betas=(0.9, 0.98), fused=True)
    last: list[float] = []
    start = time.monotonic()
    for step in range(steps):
        rows = rng.choice(len(made), batch, replace=False)
        garments: Garments = pack([(made[n].known, made[n].garments) for n in rows])
        logits, sides = head(*(grids[name][rows].float() for name in ("detail", "fine", "coarse")))
        loss = finding_loss(logits, sides, garments) / batch
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 40) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 5.0)
        optimiser.step()
        last = [*last, float(loss.detach())][-max(1, steps // 10) :]
        if step % 100 == 99:
            pace = (time.monotonic() - start) / (step + 1)
            print(
                f"step {step + 1}/{steps} to go {pace * (steps - step - 1):.0f} s loss {np.mean(last):.3f}", flush=True
            )
    return float(np.mean(last))


def part_parser(description: str | None) -> argparse.ArgumentParser:
    """The options of a command that trains a part of a run anew: the cache, the run, where the state goes, the size."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--run", type=Path, required=True, help="folder of the trained run")
    parser.add_argument("--out", type=Path, required=True, help="folder for the state with the new part")
    parser.add_argument("--taxonomy", type=Path, default=Path("models/taxonomy.yaml"))
    parser.add_argument("--size", type=int, default=224)
    return parser


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = part_parser(__doc__)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Train the head and write the whole state anew."""
    args = arguments()
    torch.set_num_threads(2)
    torch.manual_seed(args.seed)
    cache = open_cache(args.work)
    tower, _ = load_towers(args.run / "state.pt")
    batches = Batches(cache, Recipe(), batch=1, steps=1, seed=args.seed, taxonomy=args.taxonomy)
    made = pictures(cache, batches, args.size, args.seed)
    grids = grids_of(tower, made)
    print(f"{len(made)} pictures", flush=True)
    head = tower.garments.train()
    assert isinstance(head, GarmentHead)
    train(head, grids, made, steps=args.steps, rate=args.rate, seed=args.seed)
    state: dict[str, Any] = read_checkpoint(args.run / "state.pt")
    for part in ("model", "average"):
        state[part] |= {f"tower.garments.{name}": value for name, value in head.state_dict().items()}
    args.out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(args.out / "state.pt", state)


if __name__ == "__main__":
    main()
