"""Layers: groups of prompts added to the taxonomy on demand, which no labelled photos validate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from trendloom.artifacts import ModelCard, models_folder, user_models_folder
from trendloom.errors import ArtifactError, InputError
from trendloom.taxonomy import Group, Taxonomy, load_layer
from trendloom.types import Encoder, Floats, Tag, Tagger
from trendloom.vision.classifier import probabilities
from trendloom.vision.labels import refuse_group
from trendloom.vision.scores import mean_vectors

__all__ = ["LayerTagger", "Worded", "add_layers", "check_prompts", "open_layer"]

UNVALIDATED = "not validated"
_LIKELY = 0.5  # a value is given from here on: more likely than not, as far as the card's calibration goes
_TYPE = "type"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Worded(Protocol):
    """A loaded model that texts are turned into vectors with, and what its card and taxonomy say of them."""

    @property
    def card(self) -> ModelCard:
        """The model's card."""

    @property
    def encoder(self) -> Encoder:
        """Texts to vectors."""

    @property
    def taxonomy(self) -> Taxonomy:
        """What it is asked for."""


class _Model(Worded, Protocol):
    """What `add_layers` needs of a model that is loaded."""

    @property
    def tagger(self) -> Tagger: ...


class LayerTagger:
    """A tagger with layers on top: each value of a layer on its own, by the card's sigmoid over words.

    What shows no garment gets no tags of a layer either. `vectors` has one unit row per value of a group, in order.
    """

    def __init__(
        self, base: Tagger, *, card: ModelCard, groups: Sequence[Group], vectors: Mapping[str, Floats]
    ) -> None:
        self._base, self._card = base, card
        self._groups, self._vectors = tuple(groups), dict(vectors)

    @property
    def taxonomy(self) -> str:
        """Name and version of the taxonomy below the layers."""
        return self._base.taxonomy

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        """Returns the tags of each garment, those of the layers last, most probable first within a group.

        A layer is asked of whole photos alone: a style is that of an outfit, not of the shoe in it.
        """
        found = self._base.tag(embeddings, kinds, among)
        whole = [not kind for kind in kinds] or [True] * len(found)
        for group in self._groups:
            chances = probabilities(self._card, embeddings, self._vectors[group.name], multi_label=True)
            for n, row in enumerate(chances):
                if whole[n] and any(tag.group == _TYPE for tag in found[n]):
                    found[n] += _likely(group, row)
        return found


def _likely(group: Group, chances: Floats) -> list[Tag]:
    order = [n for n in np.argsort(-chances, kind="stable") if chances[n] >= _LIKELY]
    return [
        Tag(
            group=group.name,
            value=group.values[n].value,
            value_id=group.values[n].id,
            probability=float(chances[n]),
        )
        for n in order
    ]


def open_layer(name: str, models_dir: Path | None = None) -> Taxonomy:
    """Returns the layer of that name beside the models, or in a YAML file of the user's own.

    Raises:
        ArtifactError: no such layer, or its file cannot be used.
        InputError: a value or prompt asks for something about a person.
    """
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        found = _named(name, models_dir)
        if found is None:
            raise ArtifactError(
                f"expected the name of a layer beside the models, such as aesthetics, or a .yaml file, got {name!r}"
            )
        path = found
    layer = load_layer(path)
    check_prompts(layer, path.name)
    return layer


def _named(name: str, models_dir: Path | None) -> Path | None:
    """Returns the file of a layer in the user's folder of models, else beside the shipped ones."""
    if not _NAME.fullmatch(name) or name == "taxonomy":
        return None
    paths = (folder / f"{name}.yaml" for folder in (user_models_folder(models_dir), models_folder()))
    return next((path for path in paths if path.is_file()), None)


def check_prompts(taxonomy: Taxonomy, place: str) -> None:
    """Refuses a taxonomy or layer that asks about people, in the name of a group, a value, a prompt or a template.

    Raises:
        InputError: naming the file, the group and every refused label.
    """
    for group in taxonomy.groups:
        prompts = [prompt for value in group.values for prompt in value.prompts]
        prompts += [template.replace("{}", "clothes") for template in group.templates]
        values = [value.value for value in group.values]
        refuse_group(group.name, group.label, values, prompts, f"{place}: {group.name}: ")


def add_layers(model: _Model, names: Sequence[str], models_dir: Path | None = None) -> tuple[Tagger, dict[str, str]]:
    """Returns a tagger with layers on the model's own, and by group of a layer the layer's name, marked as not validated.

    Raises:
        ArtifactError: a layer cannot be read.
        InputError: a layer asks about people, or two groups have one name.
    """
    origins: dict[str, str] = {}
    groups: list[Group] = []
    taken = {group.name: model.taxonomy.identity for group in model.taxonomy.groups}
    for name in names:
        layer = open_layer(name, models_dir)
        for group in layer.groups:
            if group.name in taken:
                raise InputError(
                    f"--layers: {layer.identity} has a group {group.name!r}, {taken[group.name]} has one too: "
                    "give the group another name, or leave one layer out"
                )
            taken[group.name] = layer.identity
            origins[group.name] = f"{layer.identity}, {UNVALIDATED}"
            groups.append(group)
    rows = {group.name: mean_vectors(model.encoder, _sentences(group)) for group in groups}
    return LayerTagger(model.tagger, card=model.card, groups=groups, vectors=rows), origins


def _sentences(group: Group) -> list[list[str]]:
    """Returns each value's prompts in every template."""
    return [[t.replace("{}", prompt) for prompt in value.prompts for t in group.templates] for value in group.values]
