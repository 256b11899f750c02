"""The texts of a config's photos: label lists as tasks, captions, and sentences composed of labels."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.cache import Record
from training.config import Config, LabelList
from training.prompts import Tags, TaskTexts, Words, task_texts
from training.texts import WIDTH, TextCache
from training.vocab import Task, filled, values_of

__all__ = ["HashedTexts", "classes_of", "is_other", "make_words", "open_texts"]

MOST_COMPOSED = 6


class HashedTexts(TextCache):
    """Vectors of texts from the hashes of their words, for runs that try things out: equal words, near vectors."""

    def rows(self, texts: list[str]) -> NDArray[np.int64]:
        """Row numbers in `vectors`."""
        texts = [text.lower() for text in texts]
        fresh = [text for text in dict.fromkeys(texts) if text not in self.row]
        if fresh:
            self.vectors = np.concatenate([self.vectors, np.stack([hashed(text) for text in fresh])])
            self.row |= {text: len(self.row) + n for n, text in enumerate(fresh)}
        return np.array([self.row[text] for text in texts], np.int64)


def hashed(text: str) -> NDArray[np.float32]:
    """The normalised sum of a random direction per word, (384,) float32."""
    words = re.findall(r"\w+", text) or [""]
    seeds = [int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little") for word in words]
    found = np.sum([np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds], 0)
    return np.asarray(found / np.linalg.norm(found), np.float32)


def open_texts(config: Config) -> TextCache:
    """The sentence vectors of the config's encoder, kept in its work folder."""
    return HashedTexts(config.work / "hashed") if config.model.text == "hashed" else TextCache(config.work / "texts")


def is_other(config: Config, records: list[Record]) -> NDArray[np.bool_]:
    """Which photos show none of the values of any list."""
    names = {source.name for source in config.sources if source.other}
    return np.array([record.set in names for record in records], bool)


def lists_of(config: Config) -> dict[str, LabelList]:
    """Every label list that a source fills, in a fixed order."""
    names = {name: None for source in config.sources for name in (*source.labels, *filter(None, [source.box_list]))}
    return {name: config.lists.get(name, LabelList()) for name in names}


def classes_of(config: Config, records: list[Record]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The values of every list with their prompts: as the config states them, else as the photos have them."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, labels in lists_of(config).items():
        seen = sorted({value for record in records for value in values_of(record.labels, name)})
        found[name] = labels.values if labels.values is not None else {value: (value,) for value in seen}
    return {name: values for name, values in found.items() if values}


def make_tasks(config: Config, records: list[Record]) -> list[Task]:
    """A task for each list whose values compete."""
    lists, tasks = lists_of(config), []
    for name, values in classes_of(config, records).items():
        if lists[name].several:
            continue
        classes, rows = list(values), {}
        for n, record in enumerate(records):
            if shown := [v for v in values_of(record.labels, name) if v in values]:
                rows[n] = [classes.index(v) for v in shown]
        tasks.append(Task(name=name, classes=classes, prompts=[prompts_of(lists[name], p) for p in values.values()], templates=lists[name].templates,
                          weight=lists[name].weight * config.losses.labels, targets=rows, flat=True, colour="colo" in name.lower()))  # fmt: skip
    return tasks


def prompts_of(labels: LabelList, prompts: tuple[str, ...]) -> list[str]:
    """The prompts of a value in every template."""
    return [text for prompt in prompts for text in filled(prompt, labels.templates)]


def make_tags(config: Config, records: list[Record], texts: TextCache) -> Tags:
    """The list of which photos may show several values at once, if there is one; photos of other things show none."""
    lists = lists_of(config)
    name = next((n for n in classes_of(config, records) if lists[n].several), None)
    if name is None:
        return Tags(names=[], prompts=[], shown=torch.zeros(len(records), 0), absent_weight=torch.zeros(len(records)))
    values, other = classes_of(config, records)[name], is_other(config, records)
    shown, absent, place = (
        torch.zeros(len(records), len(values)),
        torch.zeros(len(records)),
        {v: n for n, v in enumerate(values)},
    )
    for n, record in enumerate(records):
        found = [place[v] for v in values_of(record.labels, name) if v in place]
        if found or other[n]:
            absent[n] = lists[name].weight * config.losses.labels
            shown[n, found] = 1
    prompts = [texts.rows(prompts_of(lists[name], p)) for p in values.values()]
    return Tags(names=list(values), prompts=prompts, shown=shown, absent_weight=absent)


def composed(record: Record, names: list[str]) -> list[str]:
    """Sentences made of a photo's labels: all of them, and each list's values alone."""
    values = [" and ".join(values_of(record.labels, name)) for name in names]
    said = [value for value in values if value]
    if not said:
        return []
    return list(dict.fromkeys([", ".join(said), f"a photo of {' '.join(reversed(said))}", *said]))[:MOST_COMPOSED]


def make_words(config: Config, records: list[Record], texts: TextCache) -> Words:
    """Tasks, tags and captions of all photos; encodes the texts that the cache lacks."""
    tasks, names = make_tasks(config, records), list(lists_of(config))
    written = [values_of(record.labels, "captions") for record in records]
    made = [composed(record, names) for record in records]
    texts.rows(
        [
            *(p for task in tasks for prompts in task.prompts for p in prompts),
            *(t for found in (*written, *made) for t in found),
        ]
    )
    tags = make_tags(config, records, texts)
    tasks_with_texts: list[TaskTexts] = [task_texts(task, texts, len(records)) for task in tasks]
    rows = [texts.rows(found) for found in written], [texts.rows(found) for found in made]
    vectors: Tensor = torch.from_numpy(texts.vectors)
    return Words(tasks=tasks_with_texts, tags=tags, written=rows[0], composed=rows[1], vectors=vectors)
