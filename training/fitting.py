"""The trainer of a config's photo tower: on a processor or GPU, in one precision or two, alone or as one of several ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from training.cache import Record
from training.config import Config, Model
from training.fit import NotFinite, Plan, Trainer
from training.losses import Objective, Pictures
from training.model import GarmentHead, ImageHead, ImageTower
from training.tiny import TinyTrunk
from training.trunk import Trunk, pretrained_path
from trendloom.errors import ConfigError

__all__ = ["Fitting", "Place", "Weighted", "device_of", "make_tower", "precision_of"]


class Weighted(Objective):
    """The losses with the config's weights of captions."""

    weights: dict[str, float]

    def forward(self, images: Tensor, pictures: Pictures, rng: np.random.Generator) -> dict[str, Tensor]:
        """The parts of the loss."""
        parts = super().forward(images, pictures, rng)
        return {name: part * self.weights.get(name, 1.0) for name, part in parts.items()}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a process works: its device and precision, its rank among how many, and the photos' ids for messages."""

    device: torch.device
    precision: torch.dtype
    rank: int
    world: int


class Fitting(Trainer):
    """A trainer of the photo tower on any device; the text head and the losses stay on the processor."""

    def __init__(
        self, plan: Plan, tower: ImageTower, objective: Objective, *, place: Place, records: list[Record], name: str
    ) -> None:
        tower.to(place.device)
        super().__init__(plan, tower, objective, frozen=False, rank=place.rank)
        self.place, self.records, self.name, self.shown = place, records, name, np.zeros(0, np.int64)

    def parts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The parts of the loss of a batch."""
        self.shown = batch["rows"][:, 0].numpy()
        half = self.place.precision is not torch.float32
        with self.place.device, torch.autocast(self.place.device.type, dtype=torch.bfloat16, enabled=half):
            pixels = batch["pixels"].to(self.place.device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
            vectors = self.tower(pixels)
        vectors = functional.normalize(vectors.float(), dim=1) if half else vectors
        rng = np.random.default_rng((self.plan.seed, self.step, 1, self.rank))
        return self.objective(vectors.cpu(), Pictures(rows=batch["rows"], flags=batch["flags"]), rng)

    def share_gradients(self) -> None:
        """Average the gradients over the ranks, and stop before a step that would spoil the weights."""
        learning = [p for group in self.optimiser.param_groups for p in group["params"]]
        mine = finite(learning)
        if distributed.is_initialized():
            for kind in sorted({p.device.type for p in learning}):
                averaged([p for p in learning if p.device.type == kind])
        if not finite(learning):
            raise NotFinite(self.complaint(mine))

    def complaint(self, mine: bool) -> str:
        """What to do about a loss that is no number."""
        ids = ", ".join(f"{self.records[n].set} {self.records[n].id}" for n in self.shown)
        whose = "another rank's batch; see its message" if mine else f"its batch: {ids}"
        return (f"step {self.step}, rank {self.rank}: the loss or a gradient is not a finite number ({whose}). No weight was changed and the last "
                "checkpoint stays: lower head_rate and trunk_rate or raise warm_up, use precision float32, look at these photos and "
                "their labels, then start the same command again")  # fmt: skip


def finite(parameters: list[nn.Parameter]) -> bool:
    """Whether every gradient is a finite number."""
    checks = [p.grad.isfinite().all().cpu() for p in parameters if p.grad is not None]
    return bool(torch.stack(checks).all()) if checks else True


def averaged(parameters: list[nn.Parameter]) -> None:
    """Average the gradients of parameters of one device; one that a rank's batch did not touch counts as 0 there."""
    for p in parameters:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    flat = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for p in parameters:
        p.grad = flat[start : start + p.numel()].view_as(p).clone(memory_format=torch.preserve_format)
        start += p.numel()


def device_of(config: Config, local_rank: int) -> torch.device:
    """The device of a process.

    Raises:
        ConfigError: The config asks for a GPU and there is none.
    """
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            f"{config.file}: device: expected a GPU for `cuda`, torch sees none: say `auto` or `cpu`, or install torch for it"
        )
    return torch.device("cuda", local_rank % torch.cuda.device_count())


def precision_of(config: Config, device: torch.device) -> torch.dtype:
    """The precision of the photo tower: bfloat16 where it is asked for, or where the hardware has it.

    Raises:
        ConfigError: The GPU lacks it.
    """
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported()
    else:  # a processor without it would only be slow
        able = any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    if config.precision == "bfloat16" and not able and device.type == "cuda":
        raise ConfigError(f"{config.file}: precision: this GPU has no bfloat16: say float32")
    wanted = config.precision == "bfloat16" or (config.precision == "auto" and able)
    return torch.bfloat16 if wanted else torch.float32


def make_tower(model: Model, *, fresh: bool = True) -> ImageTower:
    """The photo tower of a config; where it is not fresh, its weights will be replaced."""
    trunk = TinyTrunk() if model.trunk == "tiny" else Trunk(model.freeze)
    if fresh and model.pretrained and model.trunk != "tiny":
        trunk.load(torch.load(pretrained_path(), map_location="cpu", weights_only=True))
    return ImageTower(trunk, ImageHead(model.width), GarmentHead()).to(memory_format=torch.channels_last)
