"""A training run as one YAML file: sources with adapters, label lists, model, schedule, losses, seed, ranks, folders."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.adapters import ADAPTERS, Adapter
from training.adapters.checked import LONGEST_CAPTION, LabelRule
from training.nodes import Node, built, converted, path_of, read_yaml, shown
from trendloom.errors import InputError
from trendloom.vision.labels import refuse_group

__all__ = [
    "PHASES",
    "Command",
    "Config",
    "Data",
    "LabelList",
    "Losses",
    "Model",
    "Outputs",
    "Source",
    "Stage",
    "load_config",
]

PHASES = ("fit", "calibrate", "evaluate", "export")
TEMPLATES = ("{}", "a photo of {}", "a photo of a {}", "someone wearing {}")


@dataclass(frozen=True, kw_only=True)
class LabelList:
    """Values that compete for a photo.

    Attributes:
        values: The values, or each with its prompts; without them, whatever the sources state.
        templates: Sentences around a prompt, `{}` in its place.
        weight: Of its loss.
        several: Whether a photo may show several at once, each judged for itself.
    """

    values: dict[str, tuple[str, ...]] | None = None
    templates: tuple[str, ...] = TEMPLATES
    weight: float = 1.0
    several: bool = False


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where photos come from and which of their fields are label lists.

    Attributes:
        name: Of the source, in the cache and in reports.
        adapter: Reads it.
        labels: Label list -> field of the source, and words for values.
        share: Of the pictures of a batch, against the other sources' shares.
        group: Field whose value photos of one thing share, so that they stand on one side of the split.
        id_prefix: The same by the first characters of the id.
        boxes: `crop`: each box is a photo of its own with its label in the list `box_list`.
        box_list: The label list of boxes.
        cut_out: Products on white grounds are put on other grounds.
        other: The photos show none of the values of any list.
    """

    name: str
    adapter: Adapter
    labels: dict[str, LabelRule] = field(default_factory=dict)
    share: float = 1.0
    group: str | None = None
    id_prefix: int | None = None
    boxes: Literal["ignore", "crop"] = "ignore"
    box_list: str | None = None
    cut_out: bool = False
    other: bool = False


@dataclass(frozen=True, kw_only=True)
class Data:
    """How photos are kept: long side in pixels, and the longest caption that is learned."""

    size: int = 192
    longest_caption: int = LONGEST_CAPTION


@dataclass(frozen=True, kw_only=True)
class Model:
    """The towers.

    Attributes:
        trunk: The photo tower's architecture; `tiny` has no published weights and is for trying things out.
        pretrained: Whether the trunk starts from its published weights.
        freeze: Blocks of the trunk that do not learn.
        width: Of the heads.
        text: The sentence encoder; `hashed` needs no weights, knows equal words alone and is for trying things out.
        start: Checkpoint of another run, whose fitting weights are taken.
    """

    trunk: Literal["efficientnet-lite0", "tiny"] = "efficientnet-lite0"
    pretrained: bool = True
    freeze: int = 5
    width: int = 640
    text: Literal["minilm", "hashed"] = "minilm"
    start: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of training; several run one after the other, each from the averaged weights of the one before.

    Attributes:
        name: Its folder under the run's.
        steps: Updates of the weights.
        batch: Pictures a step and rank.
        sizes: Sides of the pictures; one is drawn for each batch.
        head_rate: Highest learning rate of the heads.
        trunk_rate: Highest learning rate of the trunk.
        warm_up: Steps until the highest rate.
        decay: Weight decay.
        average: Of the weights, a step.
        scenes: Share of cut-out products that stand on other grounds.
        grey: Share of pictures without colours.
        seed: Added to the run's.
    """

    name: str = "main"
    steps: int = 2000
    batch: int = 40
    sizes: tuple[int, ...] = (128, 128, 160)
    head_rate: float = 1e-3
    trunk_rate: float = 3e-4
    warm_up: int = 150
    decay: float = 0.05
    average: float = 0.998
    scenes: float = 0.55
    grey: float = 0.05
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Weights of the losses: of label lists, of captions, and of sentences composed of labels; and label smoothing."""

    labels: float = 1.0
    captions: float = 1.0
    composed: float = 1.0
    smoothing: float = 0.03


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is measured and shipped: the size of photos, the version, the wanted precision, where to, under which terms."""

    size: int = 160
    version: str = "0.1.0"
    precision: float = 0.8
    folder: Path | None = None
    licence: str = "not stated"
    terms: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A module of `training` with its flags, and the minutes that it once took; 0 where nobody looked."""

    module: str
    flags: dict[str, Any]
    minutes: float = 0


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run. `commands` instead of sources names the commands of a recipe of this project, with their flags."""

    file: Path
    name: str
    work: Path
    run: Path
    sources: tuple[Source, ...] = ()
    lists: dict[str, LabelList] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    stages: tuple[Stage, ...] = (Stage(),)
    losses: Losses = field(default_factory=Losses)
    outputs: Outputs = field(default_factory=Outputs)
    commands: dict[str, tuple[Command, ...]] = field(default_factory=dict)
    seed: int = 0
    ranks: int = 1
    threads: int = 2
    workers: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    save_every: float = 150
    print_every: int = 25
    judge_every: int = 1000

    def photos(self) -> str:
        """A name for what decides the photos and their labels: the sources but for their shares, and how photos are kept."""
        raw = [[dataclasses.replace(source, share=0) for source in self.sources], self.data]
        return hashlib.sha256(json.dumps(raw, default=plain, sort_keys=True).encode()).hexdigest()[:16]


def plain(value: object) -> object:
    """A value of a config as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return sorted(value) if isinstance(value, frozenset | set) else str(value)


def values_of(node: Node) -> dict[str, tuple[str, ...]]:
    """The values of a list with their prompts."""
    if isinstance(node.value, dict):
        return {key: converted(tuple[str, ...] | None, child) or (key,) for key, child in node.mapping().items()}
    return {converted(str, child): (converted(str, child),) for child in node.items()}


def list_of(node: Node) -> LabelList:
    """A label list."""
    values = values_of(node.child("values")) if (node.value or {}).get("values") is not None else None
    made = built(LabelList, node, given={"values": values}, skip=frozenset({"values"}))
    wrong = [t for t in made.templates if t.count("{}") != 1]
    if wrong:
        raise node.error(f"expected templates with one {{}}, got {wrong[0]!r}")
    prompts = [prompt for prompts in (values or {}).values() for prompt in prompts]
    refuse_person(node, list(values or {}), prompts)
    return made


def refuse_person(node: Node, values: list[str], prompts: list[str]) -> None:
    """Refuse a list that asks what a person is, by its name, values or prompts."""
    name = str(node.path[-1])
    try:
        refuse_group(name, name, values, prompts)
    except InputError as exc:
        raise node.error(str(exc)) from exc


def rule_of(node: Node, lists: Mapping[str, LabelList]) -> LabelRule:
    """How a field of a source becomes a list's values: the field's name, or `column` and `map`."""
    name = str(node.path[-1])
    refuse_person(node, [], [])
    known = lists.get(name, LabelList()).values
    values = frozenset(known) if known is not None else None
    if isinstance(node.value, str):
        return LabelRule(column=node.value, map={}, values=values)
    parts = node.mapping()
    if "column" not in parts or set(parts) - {"column", "map"}:
        raise node.error(f"expected the field's name, or `column` and `map`, got {', '.join(parts)}")
    words = converted(dict[str, str | None], parts["map"]) if "map" in parts else {}
    wrong = sorted({v for v in words.values() if v is not None and values is not None and v not in values})
    if wrong:
        raise parts["map"].error(f"expected values of the list {name}, got {', '.join(wrong)}")
    return LabelRule(column=converted(str, parts["column"]), map=words, values=values)


def source_of(node: Node, lists: Mapping[str, LabelList]) -> Source:
    """A source and its adapter, whose settings stand beside the source's own."""
    parts = node.mapping()
    kind = parts["adapter"].value if "adapter" in parts else None
    if kind not in ADAPTERS:
        raise parts.get("adapter", node).error(f"expected an adapter: one of {', '.join(ADAPTERS)}, got {shown(kind)}")
    own = {f.name for f in dataclasses.fields(Source)}
    taken = {f.name for f in dataclasses.fields(ADAPTERS[kind])}  # type: ignore[arg-type]  # every adapter is a dataclass
    unknown = [key for key in parts if key not in own | taken]
    if unknown:
        near = difflib.get_close_matches(unknown[0], sorted(own | taken), 1)
        raise parts[unknown[0]].error(
            f"the adapter {kind} knows {', '.join(sorted(own | taken))}{f' (did you mean {near[0]}?)' if near else ''}"
        )
    adapter = built(ADAPTERS[kind], node, skip=frozenset(own))
    rules = (
        {name: rule_of(child, lists) for name, child in parts["labels"].mapping().items()} if "labels" in parts else {}
    )
    made = built(
        Source, node, given={"adapter": adapter, "labels": rules}, skip=frozenset({"adapter", "labels"} | (taken - own))
    )
    if made.boxes == "crop" and made.box_list is None:
        raise node.error("expected box_list, the label list of the cropped boxes")
    return made


def commands_of(node: Node) -> dict[str, tuple[Command, ...]]:
    """The commands of a recipe: for each phase a list of modules with their flags, each with the minutes that it took."""
    found: dict[str, tuple[Command, ...]] = {}
    for phase, steps in node.mapping().items():
        if phase not in PHASES:
            raise steps.error("expected fit, calibrate, evaluate or export")
        made = []
        for step in steps.items():
            parts = dict(step.mapping())
            minutes = converted(float, parts.pop("minutes")) if "minutes" in parts else 0
            if len(parts) != 1:
                raise step.error("expected one module with its flags, and perhaps minutes")
            ((module, flags),) = parts.items()
            said = {key: flag_of(child) for key, child in flags.mapping().items()}
            made.append(Command(module=module, flags=said, minutes=minutes))
        found[phase] = tuple(made)
    return found


def flag_of(node: Node) -> Any:
    """A flag's value, `${NAME}` replaced from the environment."""
    if isinstance(node.value, list):
        return [flag_of(child) for child in node.items()]
    if isinstance(node.value, str) and "${" in node.value:
        return str(path_of(node.value, node))
    return node.value


def load_config(file: Path) -> Config:
    """The run that a YAML file describes.

    Raises:
        ConfigError: It cannot be read, or says something that no setting allows; the message names file and line.
    """
    node = read_yaml(file)
    parts = node.mapping()
    lists = {name: list_of(child) for name, child in parts["lists"].mapping().items()} if "lists" in parts else {}
    sources = tuple(source_of(child, lists) for child in parts["sources"].items()) if "sources" in parts else ()
    commands = commands_of(parts["commands"]) if "commands" in parts else {}
    made = built(Config, node, given={"file": file, "lists": lists, "sources": sources, "commands": commands},
                 skip=frozenset({"lists", "sources", "commands"}))  # fmt: skip
    check(made, node)
    return made


def check(config: Config, node: Node) -> None:
    """Refuse what single settings do not show."""
    if bool(config.sources) == bool(config.commands):
        raise node.error("expected either sources or commands")
    for what, names in (("sources", [s.name for s in config.sources]), ("stages", [s.name for s in config.stages])):
        if len(set(names)) < len(names):
            raise node.child(what).error(f"expected different names, got {', '.join(names)}")
    if config.sources and not sum(s.share for s in config.sources) > 0:
        raise node.child("sources").error("expected a share above 0 somewhere")
    several = [name for name, labels in config.lists.items() if labels.several]
    if len(several) > 1:
        raise node.child("lists").error(f"expected one list with several values a photo, got {', '.join(several)}")
    for number, stage in enumerate(config.stages):
        place = node.child("stages").child(number) if "stages" in node.value else node
        if min(stage.steps, stage.batch, *stage.sizes) < 1:
            raise place.error("expected steps, batch and sizes of at least 1")
        if stage.average >= 1:
            raise place.error(f"expected an average below 1, got {stage.average}")
    if min(config.ranks, config.threads, config.print_every, config.judge_every) < 1:
        raise node.error("expected ranks, threads, print_every and judge_every of at least 1")
