"""Installed models, ready to use: card, encoder and tagger of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trendloom.artifacts import (
    ModelCard,
    find_model,
    installed_cards,
    load_card,
    models_folder,
    passed_gates,
    read_gates,
    taxonomy_path,
    verified,
)
from trendloom.errors import ArtifactError, InputError
from trendloom.taxonomy import Taxonomy, load_taxonomy
from trendloom.types import Floats, Session
from trendloom.vision.encoder import ClipEncoder, Lazy
from trendloom.vision.engines import AUTO, Engine, Machine, candidates, engine_of
from trendloom.vision.garments import GarmentFinder, GarmentSettings
from trendloom.vision.tagger import PromptTagger, make_prompt_vectors, prompt_vectors, save_prompt_vectors

__all__ = ["DEFAULT_MODEL", "Model", "installed", "load", "load_of", "open_model", "write_prompts"]

DEFAULT_MODEL = "fashion-lite"


@dataclass(frozen=True, kw_only=True)
class Model:
    """One installed model. Towers are loaded when first needed, each compared with its SHA-256; workers may share it."""

    card: ModelCard
    taxonomy: Taxonomy
    encoder: ClipEncoder
    finder: GarmentFinder | None = None  # of a model that finds garments
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _taggers: list[PromptTagger] = field(default_factory=list, repr=False, compare=False)

    @property
    def identity(self) -> str:
        """Name and version, such as `fashion-lite 1.0`: what a workspace remembers."""
        return self.card.identity

    @property
    def engine(self) -> str:
        """Runtime, provider and precision, such as `onnxruntime-cpu-fp32`; loads the image tower."""
        return self.encoder.engine

    @property
    def tagger(self) -> PromptTagger:
        """The tagger of the shipped taxonomy, made on first use.

        Raises:
            ArtifactError: the model does not fit the taxonomy.
        """
        with self._lock:
            if not self._taggers:
                vectors = prompt_vectors(self.encoder, self.taxonomy, self.card)
                kinds = self.finder.kinds if self.finder else {}
                self._taggers.append(PromptTagger(taxonomy=self.taxonomy, card=self.card, vectors=vectors, kinds=kinds))
        return self._taggers[0]

    def classifier(self, labels: Sequence[str], *, multi_label: bool = False) -> Callable[[Floats], Floats]:
        """Returns a function of garments (n, dim) to (n, labels) float32 probabilities; labels as they are written.

        Raises:
            InputError: the list is empty, a label is empty or doubled, or asks for something about a person.
        """
        from trendloom.vision.classifier import label_vectors, probabilities  # noqa: PLC0415  tagging never needs it

        vectors = label_vectors(self.encoder, self.card, labels)  # the text tower runs once, not once a batch
        return lambda embeddings: probabilities(self.card, embeddings, vectors, multi_label=multi_label)


def installed(models_dir: Path | None = None) -> tuple[ModelCard, ...]:
    """Returns the card of every installed model, sorted by name.

    Raises:
        ArtifactError: there is no folder of models, or a card in it cannot be read.
    """
    return installed_cards(models_dir)


def load(name: str = DEFAULT_MODEL, models_dir: Path | None = None, threads: int = 1, engine: str = AUTO) -> Model:
    """Returns an installed model; `threads` is what one call of a tower may use, `engine` what the image tower runs on.

    Raises:
        ArtifactError: no such model, or its files do not fit its card.
        InputError: `threads` is not positive.
        ConfigError: there is no such engine.
    """
    if threads < 1:
        raise InputError(f"expected at least 1 thread, got {threads}")
    return open_model(find_model(name, models_dir), taxonomy_path(models_dir), threads, engine)


def load_of(identity: str, models_dir: Path | None = None, threads: int = 1, engine: str = AUTO) -> Model:
    """Returns the installed model that a workspace names, such as `fashion-lite 1.0`: no other may read its vectors.

    Raises:
        ArtifactError: it is not installed, or in another version: `trendloom reembed` brings the workspace to that.
    """
    name = identity.split(" ", 1)[0]
    try:
        found = load(name, models_dir, threads, engine)
    except ArtifactError as exc:
        raise ArtifactError(
            f"the workspace holds vectors of {identity}: {exc}; with that model gone, "
            "`trendloom reembed --workspace W --model NAME` brings the workspace to another"
        ) from exc
    if found.identity != identity:
        raise ArtifactError(
            f"the workspace holds vectors of {identity}, installed is {found.identity}, and their vectors do not compare: "
            f"bring the workspace to it with `trendloom reembed --workspace W --model {name}`"
        )
    return found


def write_prompts(model_dir: Path) -> Path:
    """Returns the path of the prompt vectors written into a model's folder, for the taxonomy beside that folder.

    Run after the text tower, the card's templates or the taxonomy changed; tagging then needs no text tower.

    Raises:
        ArtifactError: the model or the taxonomy cannot be read.
    """
    model = open_model(model_dir, taxonomy_path(model_dir.parent))
    vectors = make_prompt_vectors(model.encoder, model.taxonomy, model.card)
    return save_prompt_vectors(vectors, model.taxonomy, model.card)


def open_model(folder: Path, taxonomy: Path, threads: int = 1, engine: str = AUTO, *, gated: bool = True) -> Model:
    """Returns the model in a folder, installed or not yet; `threads` is what one call of a tower may use.

    The image tower runs on `engine`; the small graphs beside it stay in fp32. Only what measures a gate is not `gated`.

    Raises:
        ArtifactError: the card or the taxonomy cannot be read, or the engine's precision has not passed its gate.
        ConfigError: there is no such engine.
        InputError: the taxonomy asks for something about people.
    """
    card = load_card(folder)
    if engine != AUTO:
        check_gate(card, engine_of(engine), gated=gated)
    image = Lazy(lambda: _image_session(card, threads, engine))  # one for the whole photo and for its garments
    encoder = ClipEncoder(card, image=image.get, text=lambda: _session(card, "text.onnx", threads))
    settings = GarmentSettings.of(card)
    finder = None
    if settings is not None:
        finder = GarmentFinder(
            settings,
            size=card.image_size,
            image=image.get,
            find=lambda: _session(card, "find.onnx", threads),
            region=lambda: _session(card, "region.onnx", threads),
        )
    known = load_taxonomy(taxonomy)
    if taxonomy.parent != models_folder():  # the shipped one is judged by its tests, not at every start
        from trendloom.vision.layers import check_prompts  # noqa: PLC0415  reads lists that only other taxonomies need

        check_prompts(known, taxonomy.name)
    return Model(card=card, taxonomy=known, encoder=encoder, finder=finder)


def check_gate(card: ModelCard, engine: Engine, *, gated: bool = True) -> None:
    """Raises ArtifactError where a precision below fp32 has not passed its gate for a model."""
    if not gated or engine.precision == "fp32" or engine.name in passed_gates(card):
        return
    known = read_gates(card).get(engine.name)
    why = f"did not pass ({'; '.join(known.failures)})" if known else "was not measured for these weights"
    raise ArtifactError(
        f"{engine.name}: the gate of {engine.precision} for {card.identity} {why}: measure it on photos of yours with "
        f"`trendloom models gate {card.name} SRC --labels CSV --engine {engine.name}`, or choose an engine in fp32"
    )


def _image_session(card: ModelCard, threads: int, name: str) -> Session:
    """Returns the image tower on an engine, or on the first of those that may be chosen and that starts."""
    from trendloom.vision.session import start  # noqa: PLC0415

    path = verified(card, "image.onnx")
    if name != AUTO:
        return start(path, engine_of(name), threads=threads)
    *first, last = candidates(Machine.here(), passed_gates(card))
    for engine in first:
        try:
            return start(path, engine, threads=threads)
        except ArtifactError:  # a library without its device, which only starting it tells
            continue
    return start(path, last, threads=threads)


def _session(card: ModelCard, name: str, threads: int) -> Session:
    """Returns a graph's session; onnxruntime is imported here, when a graph is first needed."""
    from trendloom.vision.session import OnnxSession  # noqa: PLC0415

    return OnnxSession(verified(card, name), threads=threads)
