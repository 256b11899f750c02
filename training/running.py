"""A config's training: `python -m training.fit CONFIG.yaml`, or `torchrun --nproc-per-node N -m training.fit CONFIG.yaml`.

Every stage has a folder with its checkpoint, log and settings; started again, the run goes on where the last checkpoint
was written and ends where an unbroken one does.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, multiprocessing

from training.cache import Cache
from training.collect import cache_folder, collect, open_collected
from training.config import Config, Stage
from training.features import embed_cached
from training.fit import Plan
from training.fitting import Fitting, Place, Weighted, device_of, make_tower, precision_of
from training.journal import Journal
from training.marks import Marked
from training.pictures import Pictures
from training.sampling import trainable
from training.shards import TUNING
from training.texts import TextCache
from training.wording import is_other, make_words, open_texts
from trendloom.errors import ConfigError, TrendloomError

__all__ = ["fit", "stage_folder"]

PATIENCE = timedelta(hours=12)  # ranks wait so long for the first, which builds the cache
Say = Callable[[str], None]


def stage_folder(config: Config, stage: Stage) -> Path:
    """Where a stage's checkpoint and log are: the run's own folder if it is the only one."""
    return config.run if len(config.stages) == 1 else config.run / stage.name


def settings_of(config: Config, stage: Stage, place: Place) -> dict[str, Any]:
    """What decides the weights that a stage ends with."""
    return {
        "photos": config.photos(),
        "shares": {source.name: source.share for source in config.sources},
        "lists": {name: asdict(labels) for name, labels in config.lists.items()},
        "model": {key: str(value) for key, value in asdict(config.model).items()},
        "stage": asdict(stage),
        "losses": asdict(config.losses),
        "seed": config.seed,
        "ranks": place.world,
        "precision": str(place.precision).removeprefix("torch."),
    }


def begin(folder: Path, settings: dict[str, Any], config: Config) -> None:
    """Note the settings of a new run, or refuse to go on with others than it began with.

    Raises:
        ConfigError: Naming the settings that differ.
    """
    path, settings = folder / "settings.json", json.loads(json.dumps(settings))
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists() and (folder / "state.pt").exists():
        before = flat(json.loads(path.read_text()))
        odd = [
            f"{name} was {before.get(name)} and is {value}"
            for name, value in flat(settings).items()
            if before.get(name) != value
        ]
        if odd:
            raise ConfigError(
                f"{config.file}: the run {folder} was begun with other settings: {'; '.join(odd)}. Set them back, or choose another `run`"
            )
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps(settings, indent=1) + "\n")
    part.replace(path)


def flat(settings: dict[str, Any], above: str = "") -> dict[str, str]:
    """Settings by their dotted names."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": json.dumps(value)}
    return found


def feed_of(config: Config, pictures: Pictures, first: int) -> Iterator[dict[str, Any]]:
    """The batches from a step on, made by worker processes if the config asks for some."""
    steps = range(first, pictures.stage.steps)
    if not config.workers:
        return (pictures[step] for step in steps)
    pinned = config.device != "cpu" and torch.cuda.is_available()
    return iter(torch.utils.data.DataLoader(pictures, batch_size=None, sampler=list(steps), num_workers=config.workers, prefetch_factor=4,
                                            pin_memory=pinned))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Running:
    """A stage as one process trains it."""

    config: Config
    stage: Stage
    cache: Cache
    texts: TextCache
    place: Place
    say: Say

    @property
    def folder(self) -> Path:
        """Where the stage's checkpoint and log are."""
        return stage_folder(self.config, self.stage)

    def trainer(self) -> Fitting:
        """The trainer, its checkpoint loaded if there is one."""
        config, stage = self.config, self.stage
        torch.manual_seed(config.seed)
        tower = make_tower(config.model)
        objective = Weighted(
            make_words(config, self.cache.records, self.texts),
            is_other(config, self.cache.records),
            np.array([n for n, r in enumerate(self.cache.records) if trainable(r)], np.int64),
            config.losses.smoothing,
        )
        objective.weights = {"written": config.losses.captions, "composed": config.losses.composed}
        plan = Plan(steps=stage.steps, batch=stage.batch, head_rate=stage.head_rate, trunk_rate=stage.trunk_rate, warm_up=max(1, stage.warm_up),
                    decay=stage.decay, average=stage.average, seed=config.seed * 1009 + stage.seed)  # fmt: skip
        name = f"{config.model.trunk}, heads of {config.model.width}, {config.model.text}"
        trainer = Fitting(plan, tower, objective, place=self.place, records=self.cache.records, name=name)
        number = config.stages.index(stage)
        start = stage_folder(config, config.stages[number - 1]) / "state.pt" if number else config.model.start
        if (self.folder / "state.pt").exists():
            trainer.load(self.folder / "state.pt")
        elif start:
            trainer.start_from(start)
        return trainer

    def train(self) -> None:
        """Train to the end of the stage."""
        trainer, stage, place = self.trainer(), self.stage, self.place
        if trainer.step >= stage.steps:
            if place.rank == 0:
                self.say(f"{stage.name}: done at step {trainer.step}")
            return
        feed = feed_of(self.config, Pictures(self.config, stage, self.cache, place.rank), trainer.step)
        if place.rank:
            parent = os.getppid()
            for batch in feed:
                if os.getppid() != parent:
                    return  # the parent was killed: the run goes on from its checkpoint, not here
                trainer.update(batch)
            return
        where = f"{place.world} x {place.device.type}, {str(place.precision).removeprefix('torch.')}"
        self.say(
            f"{stage.name}: {'goes on from' if trainer.step else 'begins at'} step {trainer.step} of {stage.steps} on {where}"
        )
        journal = Journal(self.folder, trainer.step)
        try:
            self.lead(trainer, feed, journal)
        finally:
            journal.close()

    def lead(self, trainer: Fitting, feed: Iterator[dict[str, Any]], journal: Journal) -> None:
        """Train as the first of the ranks, which also logs, judges and saves."""
        config, began, first, saved, told = self.config, time.monotonic(), trainer.step, time.monotonic(), trainer.step
        parent, sums = os.getppid(), defaultdict[str, float](float)
        for batch in feed:
            if self.place.world > 1 and os.getppid() != parent:
                return
            for name, part in trainer.update(batch).items():
                sums[name] += part
            last = trainer.step == self.stage.steps
            if trainer.step % config.print_every == 0 or last:
                means = {name: value / (trainer.step - told) for name, value in sums.items()}
                self.tell(journal, trainer, means, (time.monotonic() - began) / (trainer.step - first))
                sums.clear()
                told = trainer.step
            if last or trainer.step % config.judge_every == 0:
                journal.write(trainer.step, "tuning", self.judged(trainer))
            if last or time.monotonic() - saved >= config.save_every:
                trainer.save(self.folder / "state.pt")
                saved = time.monotonic()

    def tell(self, journal: Journal, trainer: Fitting, means: dict[str, float], pace: float) -> None:
        """Log the mean losses, the pace and when the stage would end."""
        left = pace * (self.stage.steps - trainer.step)
        rate = self.stage.batch * self.place.world / pace
        journal.write(
            trainer.step, "train", means | {"photos_per_second": rate, "seconds_left": left, "rate": trainer.rate()}
        )
        words = " ".join(f"{name}={value:.3f}" for name, value in means.items())
        ends = time.strftime("%H:%M", time.localtime(time.time() + left))
        self.say(
            f"{time.strftime('%H:%M:%S')} {self.stage.name} step {trainer.step}/{self.stage.steps} {rate:.0f}/s ends about {ends} {words}"
        )

    def judged(self, trainer: Fitting) -> dict[str, float]:
        """Scores of the averaged weights on the tuning photos."""
        tower, objective = trainer.averaged()
        rows = np.array([n for n, r in enumerate(self.cache.records) if r.bucket == TUNING], np.int64)
        images = embed_cached(self.cache, tower, rows, self.config.outputs.size, self.place.device)
        marked = Marked(
            config=self.config,
            records=self.cache.records,
            rows=rows,
            images=images,
            head=objective.text,
            texts=self.texts,
        )
        found = marked.scores({"": float(objective.scales.task.detach().exp())}, resamples=0)
        return {name: value["value"] for name, value in found.items()}


def fit(config: Config, say: Say = print) -> None:
    """Train every stage of a config.

    Raises:
        TrendloomError: Anything that the user can set right, said in one sentence.
    """
    if "WORLD_SIZE" in os.environ:  # torchrun started this process
        process(int(os.environ["RANK"]), config, int(os.environ["WORLD_SIZE"]), "env://", say)
        return
    if config.ranks == 1:
        process(0, config, 1, "", say)
        return
    if device_of(config, 0).type == "cuda":
        raise ConfigError(f"{config.file}: ranks: several GPUs are started with torchrun --nproc-per-node {config.ranks} -m training.fit "
                          f"{config.file}")  # fmt: skip
    collect(config, say)
    torch.set_num_threads(1)  # before the fork: a pool of threads would not survive it
    config.run.mkdir(parents=True, exist_ok=True)
    meeting = (config.run / f"ranks.{os.getpid()}").resolve()
    try:
        multiprocessing.start_processes(
            process, (config, config.ranks, f"file://{meeting}", say), nprocs=config.ranks, start_method="fork"
        )
    except multiprocessing.ProcessRaisedException as exc:
        raise TrendloomError(str(exc).strip().splitlines()[-1].partition(": ")[2]) from exc
    finally:
        meeting.unlink(missing_ok=True)


def process(rank: int, config: Config, world: int, meeting: str, say: Say) -> None:
    """One process of a run; the first also builds the cache, logs, judges and saves."""
    torch.set_num_threads(1 if world > 1 else config.threads)
    device = device_of(config, int(os.environ.get("LOCAL_RANK", rank)))
    place = Place(device=device, precision=precision_of(config, device), rank=rank, world=world)
    if world > 1:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(backend, init_method=meeting, rank=rank, world_size=world, timeout=PATIENCE)
    try:
        if rank == 0:
            collect(config, say)
        meet()
        cache, texts = open_collected(cache_folder(config)), open_texts(config)
        if rank == 0:
            make_words(config, cache.records, texts)  # encodes new texts once
        meet()
        texts = open_texts(config)
        for stage in config.stages:
            if rank == 0:
                begin(stage_folder(config, stage), settings_of(config, stage, place), config)
            meet()
            Running(config=config, stage=stage, cache=cache, texts=texts, place=place, say=say).train()
            meet()
    finally:
        if world > 1:
            distributed.destroy_process_group()


def meet() -> None:
    """Wait until every rank is here."""
    if distributed.is_initialized():
        distributed.barrier()
