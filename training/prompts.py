"""Texts of the training as rows of sentence vectors, and dense targets of the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.cache import Record
from training.captions import composed, written
from training.texts import TextCache
from training.vocab import TEMPLATES, Task, field_tasks, filled, taxonomy_tasks, values_of

__all__ = ["Tags", "TaskTexts", "Words", "load_words"]


@dataclass(frozen=True, kw_only=True)
class TaskTexts:
    """A task with the text rows of each class and its targets, (n, classes), rows summing to 1 or 0."""

    task: Task
    prompts: list[NDArray[np.int64]]
    targets: Tensor


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Tags of outfits: text rows of each tag's prompts, which a photo shows, and how much an absent one counts."""

    names: list[str]
    prompts: list[NDArray[np.int64]]
    shown: Tensor  # (n, tags) 0 or 1
    absent_weight: Tensor  # (n,), 0 where the photo is not judged by tags


@dataclass(frozen=True, kw_only=True)
class Words:
    """Everything textual that the losses need."""

    vectors: Tensor  # (texts, 384)
    tasks: list[TaskTexts]
    tags: Tags
    written: list[NDArray[np.int64]]  # per photo
    composed: list[NDArray[np.int64]]


def task_texts(task: Task, cache: TextCache, count: int) -> TaskTexts:
    """The task over `count` photos."""
    targets = torch.zeros(count, len(task.classes))
    for row, classes in task.targets.items():
        targets[row, classes] = 1 / len(classes)
    return TaskTexts(task=task, prompts=[cache.rows(p) for p in task.prompts], targets=targets)


def street_tags(records: list[Record], cache: TextCache) -> Tags:
    """Tags of whole outfits and of boxed garments."""
    names = sorted({t for r in records if r.set == "street" for t in values_of(r.labels, "tags")})
    shown, absent = torch.zeros(len(records), len(names)), torch.zeros(len(records))
    weights = {"street": 0.6, "outfits": 0.05, "street_box": 0.3, "outfits_box": 0.05}
    for n, record in enumerate(records):
        if record.set in weights:
            absent[n] = weights[record.set]
            shown[n, [names.index(t) for t in values_of(record.labels, "tags") if t in names]] = 1
    return Tags(
        names=names, prompts=[cache.rows(filled(n, TEMPLATES)) for n in names], shown=shown, absent_weight=absent
    )


def load_words(records: list[Record], taxonomy: Path, cache: TextCache) -> Words:
    """Tasks, tags and captions of all photos; encodes the texts that the cache lacks."""
    tasks = [*field_tasks(records), *taxonomy_tasks(records, taxonomy)]
    written_of, composed_of = [written(r) for r in records], [composed(r) for r in records]
    tag_names = [t for r in records if r.set == "street" for t in values_of(r.labels, "tags")]
    everything = [p for t in tasks for ps in t.prompts for p in ps] + [
        f for n in tag_names for f in filled(n, TEMPLATES)
    ]
    cache.rows(everything + [t for found in (*written_of, *composed_of) for t in found])
    count = len(records)
    return Words(
        tasks=[task_texts(task, cache, count) for task in tasks],
        tags=street_tags(records, cache),
        written=[cache.rows(texts) for texts in written_of],
        composed=[cache.rows(texts) for texts in composed_of],
        vectors=torch.from_numpy(cache.vectors),
    )
