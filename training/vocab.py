"""Tasks: label lists whose prompts compete, and which photo shows what of each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from training.cache import Record

__all__ = [
    "TEMPLATES",
    "TOP10",
    "WORN",
    "Task",
    "field_tasks",
    "labels_of_sets",
    "taxonomy_tasks",
    "taxonomy_values",
    "values_of",
]

HERE = Path(__file__).parent
WEIGHTS = {"type": 1.0, "colour": 0.7, "fabric": 0.2, "fit": 0.15, "length": 0.2, "closure": 0.15, "occasion": 0.1}
TEMPLATES = ("{}", "a photo of {}", "a photo of a {}", "someone wearing {}", "{}, a fashion photo")
COLOUR_TEMPLATES = ("{}", "a {} garment", "{} clothes", "the colour {}", "a photo of {}", "a photo of a {}")
FIELDS = (
    ("catalogue", "articleType", 1.0), ("catalogue", "baseColour", 0.7), ("catalogue", "usage", 0.1),
    ("articles", "type", 1.0), ("articles", "pattern", 0.7), ("articles", "colour_master", 0.5), ("articles", "colour", 0.3),
    ("clothing", "label", 1.0),
    ("attributes", "category", 0.4),
)  # fmt: skip
TOP10 = ("t-shirt", "shoes", "shorts", "shirt", "pants", "skirt", "dress", "outwear", "hat", "longsleeve")
WORN: dict[str, dict[str, str]] = {
    "sleeves": {"long": "long sleeves", "short": "short sleeves", "none": "sleeveless"},
    "neckline": {"v-shape": "v-neck", "round": "round neck"},
    "patterns": {"solid": "plain", "striped": "striped", "plaid": "checked", "dotted": "dotted", "floral": "floral",
                 "graphics": "graphic print"},
}  # fmt: skip
SPOKEN_COLOURS = {"gray": "grey", "cyan": "turquoise"}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Classes with their prompts, and per photo row the classes that it shows."""

    name: str
    classes: list[str]
    prompts: list[list[str]]  # of each class, templates filled in
    templates: tuple[str, ...]
    weight: float
    targets: dict[int, list[int]] = field(default_factory=dict)  # row -> classes
    flat: bool = False  # whether photos of other things get an even answer
    none: int | None = None  # the class of photos of other things
    colour: bool = False


def values_of(labels: dict[str, Any], name: str) -> list[str]:
    """The values of a label field, none if it is missing."""
    found = labels.get(name) or []
    return [found] if isinstance(found, str) else list(found)


def filled(name: str, templates: tuple[str, ...]) -> list[str]:
    """The name in every template."""
    return [template.format(name) for template in templates]


def field_tasks(records: list[Record]) -> list[Task]:
    """A task for each label field of the data sets, classes named as the data name them."""
    tasks = []
    for set_name, key, weight in FIELDS:
        rows = {n: values_of(r.labels, key) for n, r in enumerate(records) if r.set == set_name}
        classes = sorted({v for values in rows.values() for v in values})
        colour = "olour" in key
        templates = COLOUR_TEMPLATES if colour else TEMPLATES
        tasks.append(Task(name=f"{set_name}.{key}", classes=classes, prompts=[filled(c, templates) for c in classes], templates=templates,
                          weight=weight, targets={n: [classes.index(v) for v in values] for n, values in rows.items() if values},
                          flat=weight == 1.0, colour=colour))  # fmt: skip
    rows10 = {
        n: [TOP10.index(r.labels["label"])] for n, r in enumerate(records) if r.set == "clothing" and r.labels["top10"]
    }
    tasks.append(Task(name="clothing.top10", classes=list(TOP10), prompts=[filled(c, TEMPLATES) for c in TOP10], templates=TEMPLATES,
                      weight=0.5, targets=rows10))  # fmt: skip
    return tasks + worn_tasks(records)


def worn_tasks(records: list[Record]) -> list[Task]:
    """Tasks of worn upper garments, in plain words."""
    tasks = []
    for key, words in WORN.items():
        classes = list(words.values())
        rows = {}
        for n, record in enumerate(records):
            found = values_of(record.labels, key) if record.set == "attributes" else []
            sure = found and not (key == "patterns" and record.labels.get("unsure_patterns"))
            if sure and all(v in words for v in found):
                rows[n] = [classes.index(words[v]) for v in found]
        tasks.append(Task(name=f"attributes.{key}", classes=classes, prompts=[filled(c, TEMPLATES) for c in classes], templates=TEMPLATES,
                          weight=0.7, targets=rows))  # fmt: skip
    return tasks


def word_values(record: Record, rules: dict[str, dict[str, dict[str, str]]], group: str) -> list[str]:
    """What the photo's name or sentence says of a group."""
    text = f"{record.labels.get('caption') or ''}".lower()
    for value, expression in rules.get(record.set, {}).get(group, {}).items():
        if re.search(expression, text):
            return [value]
    return []


def labels_of_sets(path: Path = HERE / "labels.yaml") -> dict[str, Any]:
    """What the label names of the data sets mean in the taxonomy."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def taxonomy_values(record: Record, mapping: dict[str, Any], group: str) -> list[str]:
    """The taxonomy's values of a group that the photo's labels state, most certain source first."""
    if record.set == "drawn":
        return values_of(record.labels, group)
    found: list[str] = []
    for place, names in mapping.get(group, {}).items():
        set_name, key = place.split(".")
        if set_name == record.set and not (key == "patterns" and record.labels.get("unsure_patterns")):
            found += [names[v] for v in values_of(record.labels, key) if v in names]
    words = word_values(record, mapping["words"], group)
    if words and (not found or (group == "pattern" and words == ["floral"] and found == ["printed"])):
        found = words
    if group in ("sleeves", "neckline") and not found and record.set != "street":
        types = taxonomy_values(record, mapping, "type")
        if not (
            record.set == "articles" and record.labels.get("group") not in ("Garment Upper body", "Garment Full body")
        ):
            found = [mapping["implied"][group][t] for t in types if t in mapping["implied"][group]]
    if group in ("sleeves", "neckline") and record.set == "articles" and record.labels.get("group") not in (
        "Garment Upper body", "Garment Full body", "Nightwear", "Swimwear"):  # fmt: skip
        return []
    return sorted(set(found))


def taxonomy_tasks(records: list[Record], taxonomy: Path, labels: Path = HERE / "labels.yaml") -> list[Task]:
    """A task for each group of the taxonomy, over all sets whose labels map to its values.

    The labels' own names stand as further prompts of the value that they map to.
    """
    groups = yaml.safe_load(taxonomy.read_text())["groups"]
    mapping = labels_of_sets(labels)
    tasks = []
    for group in groups:
        name = group["name"]
        classes = [v["value"] for v in group["values"]]
        prompts = [[t.format(p) for p in v["prompts"] for t in group["templates"]] for v in group["values"]]
        none = None
        if asked := (group.get("none") or {}).get("prompts"):
            none = len(classes)
            classes = [*classes, "none"]
            prompts.append([t.format(p) for p in asked for t in group["templates"]])
        rows = {}
        for n, record in enumerate(records):
            values = (
                taxonomy_values(record, mapping, name)
                if record.set != "other"
                else (["none"] if none is not None else [])
            )
            unknown = [v for v in values if v not in classes]
            if unknown:
                raise ValueError(
                    f"labels.yaml names {unknown} of {name}, which the taxonomy does not have: correct one of the two"
                )
            if values:
                rows[n] = [classes.index(v) for v in values]
        tasks.append(Task(name=f"taxonomy.{name}", classes=classes, prompts=prompts, templates=tuple(group["templates"]),
                          weight=WEIGHTS.get(name, 0.5), targets=rows, none=none, colour=name == "colour"))  # fmt: skip
    return tasks + [alias_task(task, mapping) for task in tasks if task.name in ("taxonomy.type", "taxonomy.colour")]


def alias_task(task: Task, mapping: dict[str, Any]) -> Task:
    """The task with the data sets' own names in place of the prompts, so that lists that mix them work."""
    names: dict[str, Counter[str]] = {value: Counter() for value in task.classes}
    for source in mapping[task.name.split(".")[1]].values():
        for label, value in source.items():
            names[value][label] += 1
    keep = [n for n, value in enumerate(task.classes) if names[value]]
    number = {old: new for new, old in enumerate(keep)}
    return Task(name=f"{task.name}.names", classes=[task.classes[n] for n in keep],
                prompts=[[t.format(label) for label in (*names[task.classes[n]], task.classes[n]) for t in TEMPLATES[:3]] for n in keep],
                templates=task.templates, weight=task.weight * 0.7, colour=task.colour,
                targets={row: [number[c] for c in classes] for row, classes in task.targets.items()
                         if all(c in number for c in classes)})  # fmt: skip
