"""From an open_clip model to an installed one: converted, compared, calibrated, verified, and only then in its place."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from trendloom.artifacts import (
    MODEL_NAME,
    Calibration,
    ClassifyCalibration,
    ModelCard,
    TagCalibration,
    load_card,
    model_names,
    records,
    taxonomy_path,
    user_models_folder,
    verify,
    write_card,
)
from trendloom.errors import ArtifactError, InputError
from trendloom.taxonomy import Taxonomy, load_taxonomy
from trendloom.types import Floats
from trendloom.vision.open_clip.calibration import cautious_tags, default_classify
from trendloom.vision.open_clip.graphs import write_graphs
from trendloom.vision.open_clip.labelled import embed, fit_labelled
from trendloom.vision.open_clip.loading import SCHEMES, Loaded, Wanted, load, need
from trendloom.vision.open_clip.parity import check, compare
from trendloom.vision.open_clip.samples import Sample, drawn_samples, photo_samples, read_labels
from trendloom.vision.open_clip.tokens import write_tokenizer
from trendloom.vision.registry import Model, open_model
from trendloom.vision.tagger import make_prompt_vectors, save_prompt_vectors

__all__ = ["Added", "add_model", "default_name"]

COMPARED = 64  # photos
DRAWN = 228  # six of each type
Phase = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Added:
    """A model that was installed; `skipped` says which photos or labels could not be used, and why."""

    card: ModelCard
    skipped: tuple[str, ...]


def default_name(wanted: Wanted) -> str:
    """Returns a name for an installed model made of what was asked for, such as `vit-b-32-laion2b_s34b_b79k`."""
    parts = [Path(wanted.what).stem if Path(wanted.what).is_file() else wanted.what.split(":")[-1].split("/")[-1]]
    if wanted.pretrained:
        parts.append(Path(wanted.pretrained).stem)
    plain = re.sub(r"[^a-z0-9._-]+", "-", "-".join(parts).lower()).strip("-._")
    return plain[:64] or "model"


def add_model(
    wanted: Wanted,
    *,
    created: date,
    name: str | None = None,
    models_dir: Path | None = None,
    photos: Path | None = None,
    labels: Path | None = None,
    licence: str | None = None,
    threads: int = 1,
    phase: Phase = lambda what: None,
) -> Added:
    """Returns the model installed in the user's folder of models; nothing is left behind where it fails.

    Args:
        wanted: Which model.
        created: The day that the card names.
        name: Of the installed model; by default made of what was asked for.
        models_dir: The user's folder of models, by default the platform's.
        photos: Folder of photos to compare on; by default garments are drawn.
        labels: CSV of key and label to calibrate on; keys are paths below `photos`.
        licence: What the card says of the weights.
        threads: For a tower's call.
        phase: Told what is being done.

    Raises:
        InputError: what is wanted is not known, or the photos or labels cannot be used.
        ArtifactError: the model cannot be loaded or converted exactly, or the name is taken.
    """
    need()
    chosen = _free_name(name or default_name(wanted), models_dir)
    if labels and not photos:
        raise InputError("--labels names photos by their path below a folder: give it with --photos FOLDER")
    compared, skipped = photo_samples(photos, COMPARED) if photos else ([], [])
    labelled, unusable = read_labels(labels, photos) if labels and photos else ([], [])
    phase("loading")
    loaded = load(wanted)
    home = user_models_folder(models_dir)
    with _workroom(home, chosen) as folder:
        card = _convert(loaded, folder, licence=licence, created=created, models_dir=models_dir, phase=phase)
        model = open_model(folder, taxonomy_path(models_dir), threads)
        drawn = drawn_samples(DRAWN)
        phase("comparing with open_clip")
        card = _compared(loaded, model, card, compared or drawn[:COMPARED], "given" if compared else "drawn garments")
        phase("calibrating")
        vectors = make_prompt_vectors(model.encoder, model.taxonomy, card)
        card = _calibrated(loaded, model, card, vectors, drawn)
        if labelled:
            card = fit_labelled(model, card, vectors, labelled)
        write_card(card)
        save_prompt_vectors(vectors, model.taxonomy, card)
        phase("verifying")
        verify(load_card(folder))
        folder.rename(home / chosen)
    return Added(card=load_card(home / chosen), skipped=(*skipped, *unusable))


def _free_name(name: str, models_dir: Path | None) -> str:
    """Returns the name if it can be given.

    Raises:
        InputError: it is no name.
        ArtifactError: a model has it, or the folder of models cannot be made.
    """
    if not MODEL_NAME.fullmatch(name):
        raise InputError(f"--name: expected small letters, digits, dots and dashes, at most 64, got {name!r}")
    try:
        user_models_folder(models_dir).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ArtifactError(f"the folder of models cannot be made ({exc.strerror}): give another one") from exc
    if name in model_names(models_dir):
        raise ArtifactError(f"a model called {name} is installed: give another --name, or `trendloom models remove` it")
    return name


@contextmanager
def _workroom(home: Path, name: str) -> Iterator[Path]:
    """Yields a hidden folder beside the models, on the same disk, that is gone afterwards unless it was renamed."""
    _sweep(home)
    room = Path(tempfile.mkdtemp(prefix=f".adding-{os.getpid()}-", dir=home))
    room.chmod(0o755)
    try:
        folder = room / name
        folder.mkdir()
        yield folder
    except OSError as exc:
        raise ArtifactError(f"the model cannot be written ({exc.strerror or exc}): is the disk full?") from exc
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Removes what runs left that were killed."""
    if os.name != "posix":
        return  # elsewhere asking for a process may end it
    for room in home.glob(".adding-*"):
        process = room.name.split("-")[1]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(room, ignore_errors=True)
        except (ValueError, OSError):
            continue


def _convert(
    loaded: Loaded, folder: Path, *, licence: str | None, created: date, models_dir: Path | None, phase: Phase
) -> ModelCard:
    """Returns the card of the files written: tokenizer and graphs; its calibration is the model's own so far."""
    taxonomy = load_taxonomy(taxonomy_path(models_dir))
    phase("converting the tokenizer")
    spec, tokens = write_tokenizer(loaded.tokenizer, folder / "tokenizer.json", _sentences(taxonomy))
    phase("exporting the towers")
    names, short = write_graphs(loaded, folder, context_length=spec.context_length or 1)
    scale = float(loaded.model.logit_scale.detach().exp())
    files = records(folder, ["image.onnx", "text.onnx", "tokenizer.json", *(n for n in names if n.endswith("weights"))])
    own = ClassifyCalibration(
        templates=("{}",), softmax_scale=scale, softmax_scale_log_n=0.0, sigmoid_scale=scale, sigmoid_bias=0.0
    )
    off = TagCalibration(scale=scale, threshold=1.0, further=1.0, templates=(), validated=False)
    card = ModelCard(
        name=folder.name,
        version=hashlib.sha256("".join(r.sha256 for r in files.values()).encode()).hexdigest()[:10],
        files=files,
        dim=_dim(loaded),
        image_size=loaded.size,
        interpolation=loaded.interpolation,
        fit=loaded.fit,
        fill=(loaded.fill, loaded.fill, loaded.fill),
        licence=licence or f"Not stated: see the terms of {loaded.source.pretrained} before use.",
        training_data=(),
        metrics={},
        calibration=Calibration(classify=own, tags={group.name: off for group in taxonomy.groups}),
        weak_spots=(),
        reproduce=_command(loaded, folder.name),
        created=created,
        folder=folder,
        text=replace(spec, pad_to="longest" if short else "context"),
        source=loaded.source,
        parity={"texts_with_equal_ids": tokens},
    )
    write_card(card)
    return card


def _sentences(taxonomy: Taxonomy) -> list[str]:
    return [t.replace("{}", p) for g in taxonomy.groups for v in g.values for p in v.prompts for t in g.templates]


def _dim(loaded: Loaded) -> int:
    """Returns the length of an embedding, as the image tower gives it."""
    import torch  # noqa: PLC0415  an extra

    with torch.no_grad():
        return int(loaded.model.encode_image(torch.zeros(1, 3, loaded.size, loaded.size)).shape[-1])


def _command(loaded: Loaded, name: str) -> str:
    source = loaded.source
    if source.architecture.startswith(SCHEMES):
        return f"trendloom models add {source.architecture} --name {name}"
    if source.sha256:
        return f"trendloom models add {source.pretrained} --arch {source.architecture} --name {name}"
    return f"trendloom models add {source.architecture} --pretrained {source.pretrained} --name {name}"


def _compared(loaded: Loaded, model: Model, card: ModelCard, samples: Sequence[Sample], origin: str) -> ModelCard:
    """Returns the card with its certificate and the classification that the model brings.

    Raises:
        ArtifactError: the converted model is not the one it was made of.
    """
    labels = [f"a photo of a {value.value}" for value in model.taxonomy.group("type").values]
    parity = compare(
        loaded, model.encoder, samples, labels, tokens=card.parity["texts_with_equal_ids"], photos_from=origin
    )
    check(parity)
    return replace(card, parity=parity.fields())


def _calibrated(
    loaded: Loaded, model: Model, card: ModelCard, vectors: dict[str, Floats], drawn: Sequence[Sample]
) -> ModelCard:
    """Returns the card with calibration from the model's own scale and from drawn garments, and what that is worth."""
    scale = card.calibration.classify.softmax_scale
    own_bias = getattr(loaded.model, "logit_bias", None)
    bias = None if own_bias is None else float(own_bias.detach())
    rows = embed(model.encoder, drawn)
    cosines: dict[str, Floats] = {}
    known = {}
    for group in model.taxonomy.groups:
        values = {value.value: n for n, value in enumerate(group.values)}
        places = [(n, values[s.known[group.name]]) for n, s in enumerate(drawn) if s.known.get(group.name) in values]
        if places:
            at, classes = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
            cosines[group.name], known[group.name] = rows[at] @ vectors[group.name].T, classes
    groups = [group.name for group in model.taxonomy.groups]
    tags = cautious_tags(cosines, known, scale=scale, groups=groups)
    classify = default_classify(scale, bias, rows @ vectors["type"].T)
    return replace(
        card, calibration=Calibration(classify=classify, tags=tags), weak_spots=_weak_spots(loaded, tags, bias)
    )


def _weak_spots(loaded: Loaded, tags: dict[str, TagCalibration], bias: float | None) -> tuple[str, ...]:
    """Returns what a reader of the card must know of a model whose calibration saw no labelled photo."""
    off = [group for group, told in tags.items() if told.threshold >= 1.0]
    on = [f"{group} from {told.threshold:.2f}" for group, told in tags.items() if told.threshold < 1.0]
    said = [
        "Tags are validated on drawn garments, not on photos: nine of ten sure tags are right there. "
        f"Sure: {', '.join(on) or 'no group'}; off: {', '.join(off) or 'no group'}.",
        "Probabilities of classify use the model's own logit scale, which was not fitted on photos here.",
        "Text that was decoded with a wrong code page is read as it stands; open_clip repairs it first.",
    ]
    if bias is None:
        said.append("The model brings no bias for several labels at once: its even point is a convention, not a fit.")
    if loaded.assumed:
        said.append(
            "The checkpoint does not say its preprocessing: open_clip's default mean and deviation are assumed."
        )
    return tuple(said)
