"""Training: `python -m training.fit CONFIG.yaml`, or by flags: `python -m training.fit --work DIR --run DIR --steps N`.

A run writes its state every few minutes and goes on from it when started again with the same arguments; a batch
depends on the seed and the step alone, so a killed run ends where an unbroken one does.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing, nn

from training.cache import Cache, open_cache
from training.checkpoints import fitting, read_checkpoint, refuse_other, write_checkpoint
from training.garments import finding_loss
from training.losses import Objective, Pictures
from training.measures import Judge
from training.model import GarmentHead, ImageHead, ImageTower
from training.prompts import load_words
from training.recipe import config_of, run
from training.sampling import SHARES, trainable
from training.shards import TUNING
from training.texts import TextCache
from training.trunk import Trunk, pretrained_path
from training.views import Batches, Recipe
from trendloom.errors import TrendloomError
from trendloom.vision.garments import regions

__all__ = ["NotFinite", "Plan", "Trainer", "embed_frozen", "embed_photos", "main"]


NOT_FINITE = ("the loss ({loss}) or a gradient is not a finite number. The batch's photos are the rows {rows} of the cache's records.jsonl. No weight "
              "was changed and the last checkpoint stays: lower the rates or lengthen the warm-up, look at these photos and their labels, "
              "then start the same command again")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train."""

    steps: int
    batch: int
    head_rate: float = 1e-3
    trunk_rate: float = 3e-4
    warm_up: int = 150
    decay: float = 0.05
    average: float = 0.998
    finding: float = 0.5
    seed: int = 0


class NotFinite(TrendloomError):
    """The loss or a gradient is no number any more."""


class Trainer:
    """Model, average, optimiser and step: what a checkpoint holds."""

    name = ""  # of the architecture, for messages

    def __init__(self, plan: Plan, tower: ImageTower, objective: Objective, *, frozen: bool, rank: int = 0) -> None:
        self.plan, self.frozen, self.step, self.rank = plan, frozen, 0, rank
        self.model = nn.ModuleDict({"tower": tower, "objective": objective})
        self.average = copy.deepcopy(self.model.state_dict())
        trunk = [p for p in tower.trunk.parameters() if p.requires_grad and not frozen]
        heads = [*tower.head.parameters(), *tower.garments.parameters(), *objective.text.parameters()]
        self.optimiser = torch.optim.AdamW([
            {"params": heads, "rate": plan.head_rate, "weight_decay": plan.decay},
            {"params": trunk, "rate": plan.trunk_rate, "weight_decay": plan.decay / 5},
            {"params": list(objective.scales.parameters()), "rate": plan.head_rate, "weight_decay": 0.0},
        ], betas=(0.9, 0.98), fused=True)  # fmt: skip
        self.tower, self.objective = tower, objective

    def rate(self) -> float:
        """The share of the full rate at this step: linear warm-up, then half a cosine."""
        if self.step < self.plan.warm_up:
            return (self.step + 1) / self.plan.warm_up
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / self.plan.steps)))

    def parts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The parts of the loss of a batch of pixels, or of cached grids; garments count as pictures of their own."""
        rng = np.random.default_rng((self.plan.seed, self.step, 1, self.rank))
        rows, flags, head = batch["rows"], batch["flags"], self.tower.head
        if self.frozen:
            vectors: Tensor = head(*(batch[k].float() for k in ("fine", "coarse", "samples")))
            return self.objective(vectors, Pictures(rows=rows, flags=flags), rng)
        grids, garments = self.tower.grids(batch["pixels"].permute(0, 3, 1, 2).float() / 255), batch["garments"]
        vectors = head(grids.fine, grids.coarse, grids.samples)
        chosen = self.chosen(batch, rng)
        if len(chosen):
            of = garments.picture[chosen]
            place = torch.from_numpy(regions(garments.box[chosen].numpy(), grids.fine.shape[2]))
            pieces = head(grids.fine[of], grids.coarse[of], grids.samples[of], place)
            vectors = torch.cat([vectors, pieces])
            alone = torch.stack([garments.row[chosen], torch.full_like(of, -1)], 1)
            rows, flags = torch.cat([rows, alone]), torch.cat([flags, flags[of]])
        found = self.objective(vectors, Pictures(rows=rows, flags=flags), rng)
        logits, sides = self.tower.garments(grids.detail, grids.fine, grids.coarse)
        return found | {"finding": self.plan.finding * finding_loss(logits, sides, garments) / len(batch["flags"])}

    def chosen(self, batch: dict[str, Any], rng: np.random.Generator) -> Tensor:
        """The garments whose vectors are trained: those that share a picture, and some that fill one."""
        garments = batch["garments"]
        count = torch.bincount(garments.picture, minlength=len(batch["flags"]))
        draw = torch.from_numpy(rng.random(len(garments.row)))
        keep = (garments.row >= 0) & (draw < torch.where(count[garments.picture] > 1, 0.7, 0.12))
        return keep.nonzero()[:, 0]

    def update(self, batch: dict[str, Any]) -> dict[str, float]:
        """One step; the parts of the loss."""
        torch.manual_seed((self.plan.seed * 1_000_003 + self.step) * 64 + self.rank)
        self.model.train()
        parts = self.parts(batch)
        loss = torch.stack(list(parts.values())).sum()
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.share_gradients()
        norm = nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 5.0)
        if not bool(torch.isfinite(norm)):
            raise NotFinite(
                f"step {self.step}, rank {self.rank}: {NOT_FINITE.format(loss=float(loss.detach()), rows=batch['rows'][:, 0].tolist())}"
            )
        self.optimiser.step()
        self.step += 1
        keep = min(self.plan.average, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - keep)
        return {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}}

    def share_gradients(self) -> None:
        """Average the gradients over the ranks; a parameter that a rank's batch did not touch counts as 0 there."""
        if not distributed.is_initialized():
            return
        learning = [p for g in self.optimiser.param_groups for p in g["params"]]
        for p in learning:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        flat = torch.cat([p.grad.contiguous().view(-1) for p in learning if p.grad is not None])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        start = 0
        for p in learning:
            p.grad = flat[start : start + p.numel()].view(p.shape)
            start += p.numel()

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        write_checkpoint(path, {"model": self.model.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict(),
                                "step": self.step, "name": self.name})  # fmt: skip

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same architecture."""
        state = read_checkpoint(path)
        refuse_other(path, state["model"], self.model.state_dict(), (str(state.get("name", "")), self.name))
        self.model.load_state_dict(state["model"])
        self.average = {name: value.to(self.average[name].device) for name, value in state["average"].items()}
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def start_from(self, path: Path) -> None:
        """Take the averaged weights of another run, where names and shapes agree."""
        mine = self.model.state_dict()
        self.model.load_state_dict(mine | fitting(path, read_checkpoint(path)["average"], mine))
        self.average = copy.deepcopy(self.model.state_dict())

    def averaged(self) -> tuple[ImageTower, Objective]:
        """Copies of tower and objective with the averaged weights, ready to be judged."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average)
        model.eval()
        tower, objective = model["tower"], model["objective"]
        assert isinstance(tower, ImageTower)
        assert isinstance(objective, Objective)
        return tower, objective


def frozen_batches(work: Path, batches: Batches, first: int) -> Iterator[dict[str, Any]]:
    """Batches of cached grids, from a step on."""
    grids = {k: np.load(work / f"{k}.npy") for k in ("fine", "coarse", "samples")}
    for step in range(first, batches.steps):
        rows, _ = batches.rows(step)
        rows = np.sort(rows)
        pairs = torch.from_numpy(np.stack([rows, np.full_like(rows, -1)], 1))
        yield {k: torch.from_numpy(v[rows]) for k, v in grids.items()} | {
            "rows": pairs,
            "flags": torch.zeros(len(rows), dtype=torch.int64),
        }


@torch.no_grad()
def embed_frozen(work: Path, tower: ImageTower, rows: list[int], size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Image vectors of cached grids, (size, 256), zero outside `rows`."""
    grids = [np.load(work / f"{k}.npy", mmap_mode="r") for k in ("fine", "coarse", "samples")]
    found = np.zeros((size, tower.head.outer.out_features), np.float32)
    for start in range(0, len(rows), 256):
        some = rows[start : start + 256]
        found[some] = tower.head(*(torch.from_numpy(g[some]).float() for g in grids)).numpy()
    return found


def embed_photos(cache: Cache, tower: ImageTower, rows: list[int], size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Image vectors of cached photos letterboxed at `size`, (photos, 256), zero outside `rows`."""
    from training.features import embed_cached  # noqa: PLC0415  features imports the model, which fit builds

    found = np.zeros((len(cache.records), tower.head.outer.out_features), np.float32)
    found[rows] = embed_cached(cache, tower, rows, size)
    return found


def judged(trainer: Trainer, cache: Cache, texts: TextCache, work: Path, size: int) -> dict[str, float]:
    """Scores of the averaged weights on the tuning photos."""
    tower, objective = trainer.averaged()
    rows = [n for n, r in enumerate(cache.records) if r.bucket == TUNING and not r.set.endswith("_box")]
    images = (
        embed_frozen(work, tower, rows, len(cache.records))
        if trainer.frozen
        else embed_photos(cache, tower, rows, size)
    )
    scale = float(objective.scales.task.exp())
    found = Judge(records=cache.records, bucket=TUNING, cache=texts).scores(objective.text, images, scale)
    return {name: score["value"] for name, score in found.items() if "ece" not in name and "weighted" not in name} | {
        "scale": scale
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--run", type=Path, required=True, help="folder of this run: state, log")
    parser.add_argument("--taxonomy", type=Path, default=Path("models/taxonomy.yaml"))
    parser.add_argument("--frozen", action="store_true", help="train the heads alone, on training.features' grids")
    parser.add_argument("--start", type=Path, help="state of another run to take weights from")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=40, help="pictures a step and rank")
    parser.add_argument(
        "--ranks",
        type=int,
        default=1,
        help="processes of one thread each; they meet once a step, which a busy machine disturbs least",
    )
    parser.add_argument("--threads", type=int, default=2, help="of a single rank")
    parser.add_argument("--print-every", type=int, default=25, help="steps between lines of the log")
    parser.add_argument("--trunk-rate", type=float, default=3e-4)
    parser.add_argument("--head-rate", type=float, default=1e-3)
    parser.add_argument("--freeze", type=int, default=5, help="blocks of the trunk that do not learn")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 128, 128, 160])
    parser.add_argument("--late-sizes", type=int, nargs="*", default=[], help="sizes of the last steps")
    parser.add_argument("--late-from", type=float, default=0.6, help="share of the steps after which those begin")
    parser.add_argument("--save-every", type=float, default=150, help="seconds between states")
    parser.add_argument("--judge-every", type=int, default=1000, help="steps between scores on the tuning photos")
    parser.add_argument("--judge-size", type=int, default=160)
    parser.add_argument(
        "--drawn-share", type=float, default=SHARES["drawn"], help="of drawn garments, to the other sets' 1"
    )
    parser.add_argument("--warm-up", type=int, default=150, help="steps until the full rate")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_trainer(args: argparse.Namespace, cache: Cache, texts: TextCache) -> Trainer:
    """The trainer of a run, its state loaded if there is one."""
    words = load_words(cache.records, args.taxonomy, texts)
    trunk = Trunk(args.freeze)
    trunk.load(torch.load(pretrained_path(), map_location="cpu", weights_only=True))
    tower = ImageTower(trunk, ImageHead(), GarmentHead()).to(memory_format=torch.channels_last)
    training = np.array([n for n, r in enumerate(cache.records) if trainable(r)], np.int64)
    objective = Objective(words, np.array([r.set == "other" for r in cache.records]), training)
    plan = Plan(
        steps=args.steps,
        batch=args.batch,
        trunk_rate=args.trunk_rate,
        head_rate=args.head_rate,
        warm_up=args.warm_up,
        seed=args.seed,
    )
    trainer = Trainer(plan, tower, objective, frozen=args.frozen)
    if (args.run / "state.pt").exists():
        trainer.load(args.run / "state.pt")
    elif args.start:
        trainer.start_from(args.start)
    return trainer


def work_on(rank: int, args: argparse.Namespace, trainer: Trainer, batches: Batches, texts: TextCache) -> None:
    """Train as one of `--ranks` processes; the first also judges, saves and prints."""
    torch.set_num_threads(1 if args.ranks > 1 else args.threads)
    if args.ranks > 1:
        meeting = (args.run / f"ranks.{os.getppid()}").resolve()
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.ranks)
    trainer.rank, batches.rank, cache = rank, rank, batches.cache
    feed = (
        frozen_batches(args.work, batches, trainer.step)
        if args.frozen
        else (batches[s] for s in range(trainer.step, args.steps))
    )
    start, first, saved, sums = time.monotonic(), trainer.step, time.monotonic(), defaultdict[str, float](float)
    parent = os.getppid()
    for batch in feed:
        if args.ranks > 1 and os.getppid() != parent:
            return  # the parent was killed: the run goes on from its state, not here
        for name, part in trainer.update(batch).items():
            sums[name] += part
        if rank:
            continue
        if trainer.step % args.print_every == 0:
            pace = (time.monotonic() - start) / (trainer.step - first)
            mean = " ".join(
                f"{name.removeprefix('taxonomy.')}={value / args.print_every:.3f}" for name, value in sums.items()
            )
            print(f"{time.strftime('%H:%M:%S')} step {trainer.step}/{args.steps} {args.batch * args.ranks / pace:.0f}/s "
                  f"to go {pace * (args.steps - trainer.step) / 60:.0f} min {mean}", flush=True)  # fmt: skip
            sums.clear()
        if time.monotonic() - saved > args.save_every or trainer.step == args.steps:
            trainer.save(args.run / "state.pt")
            saved = time.monotonic()
        if trainer.step % args.judge_every == 0 or (trainer.step == args.steps and args.judge_every <= args.steps):
            print(
                json.dumps({"step": trainer.step, **judged(trainer, cache, texts, args.work, args.judge_size)}),
                flush=True,
            )


def main() -> None:
    """Train by a config, or by flags."""
    if config := config_of(sys.argv[1:]):
        run("fit", config)
        return
    args = arguments()
    torch.set_num_threads(1)  # before the fork: a pool of threads would not survive it
    args.run.mkdir(parents=True, exist_ok=True)
    cache, texts = open_cache(args.work, memory=not args.frozen), TextCache(args.work / "texts")
    torch.manual_seed(args.seed)
    trainer = make_trainer(args, cache, texts)
    batches = Batches(
        cache,
        Recipe(sizes=tuple(args.sizes), late_sizes=tuple(args.late_sizes), late_from=args.late_from),
        batch=args.batch,
        steps=args.steps,
        seed=args.seed,
        taxonomy=args.taxonomy,
        drawn=args.drawn_share,
    )
    whole = (args, trainer, batches, texts)
    if args.ranks == 1:
        work_on(0, *whole)
    else:
        multiprocessing.start_processes(work_on, whole, nprocs=args.ranks, start_method="fork")


if __name__ == "__main__":
    main()
