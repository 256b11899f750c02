"""An open_clip model with its tokenizer and its own preprocessing, whatever names it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trendloom.artifacts import ModelSource, digest
from trendloom.errors import ArtifactError, InputError

__all__ = ["Loaded", "Wanted", "load", "need", "read_preprocessing"]

INSTALL = "pip install 'trendloom[train]'"
CHECKPOINTS = {".pt", ".pth", ".bin", ".safetensors", ".npz", ".ckpt", ".tar"}
SCHEMES = ("hf-hub:", "local-dir:")
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode", "fill_color")
_FITS = {"shortest": "center-crop", "longest": "letterbox", "squash": "squash"}
_SAID = 300  # characters of a library's message that are passed on


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which open_clip model.

    Attributes:
        what: A checkpoint file, an architecture's name, `hf-hub:ORG/NAME`, or `local-dir:FOLDER`.
        pretrained: Tag or checkpoint file where `what` names an architecture.
        arch: The architecture where `what` is a checkpoint: a name, or a .json file of open_clip's form.
        preprocessing: Values that take the place of the model's own; keys as in PREPROCESSING.
    """

    what: str
    pretrained: str | None = None
    arch: str | None = None
    preprocessing: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model of open_clip in evaluation mode, float32 on the CPU.

    Attributes:
        model: The torch module, with `encode_image` and `encode_text`.
        tokenizer: open_clip's own; a list of texts to ids (n, context_length).
        transform: open_clip's own preprocessing of a PIL image to a tensor (3, size, size).
        size: Side of the square, in pixels.
        fit: As a card names it.
        interpolation: As a card names it.
        fill: Ground of a letterbox, 0..255.
        mean: Per channel, 0..1.
        std: Per channel.
        assumed: Whether the preprocessing is a guess, since the weights do not say.
        source: What the card will name.
    """

    model: Any
    tokenizer: Any
    transform: Any
    size: int
    fit: str
    interpolation: str
    fill: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    assumed: bool
    source: ModelSource


def read_preprocessing(text: str) -> dict[str, Any]:
    """Returns preprocessing given as JSON.

    Raises:
        InputError: it is no JSON object, or has another key or value than open_clip takes.
    """
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise InputError(f"--preprocess: expected JSON, got text that does not parse ({exc})") from exc
    if not isinstance(found, dict) or not set(found) <= set(PREPROCESSING):
        raise InputError(f"--preprocess: expected an object with some of {', '.join(PREPROCESSING)}, got {text}")
    for key, good in (("interpolation", ("bicubic", "bilinear")), ("resize_mode", tuple(_FITS))):
        if key in found and found[key] not in good:
            raise InputError(f"--preprocess: {key}: expected {' or '.join(good)}, got {found[key]!r}")
    for key in ("mean", "std"):
        if key in found and not _three_numbers(found[key], positive=key == "std"):
            raise InputError(f"--preprocess: {key}: expected three numbers, got {found[key]!r}")
    return found


def _three_numbers(value: object, *, positive: bool) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(v, int | float) and not isinstance(v, bool) and (v > 0 or not positive) for v in value)
    )


def need() -> Any:
    """Returns the library open_clip.

    Raises:
        ArtifactError: it, or what it needs, is not installed.
    """
    try:
        import onnx  # noqa: F401, PLC0415  an extra
        import open_clip  # noqa: PLC0415
        import torch  # noqa: F401, PLC0415
    except ImportError as exc:
        raise ArtifactError(
            f"adding a model needs open_clip, torch and onnx, and {exc.name} is not installed: {INSTALL}"
        ) from exc
    return open_clip


def load(wanted: Wanted) -> Loaded:
    """Returns the model, loaded from its weights alone: code in a checkpoint is never run.

    Raises:
        InputError: what is wanted is not said fully, or not known.
        ArtifactError: open_clip is not installed, or the weights cannot be loaded or are not finite.
    """
    library = need()
    identifier, pretrained = _named(library, wanted)
    checkpoint = Path(pretrained) if pretrained and Path(pretrained).is_file() else None
    own = dict(wanted.preprocessing or {})
    known = _preprocessing_of(library, identifier) if checkpoint else {}
    try:
        model = library.create_model(
            identifier,
            pretrained=pretrained,
            require_pretrained=True,
            force_preprocess_cfg={**known, **own},
            weights_only=True,
        ).eval()
        tokenizer = library.get_tokenizer(identifier)
    except ImportError as exc:
        raise ArtifactError(f"{wanted.what} needs {exc.name or exc}, which is not installed: {INSTALL}") from exc
    except Exception as exc:  # open_clip raises whatever its parts raise
        said = re.sub(r"\s+", " ", str(exc))[:_SAID]
        name = checkpoint.name if checkpoint else wanted.what
        raise ArtifactError(f"{name} cannot be loaded as {identifier}: {said or type(exc).__name__}") from exc
    _check_finite(model, checkpoint.name if checkpoint else wanted.what)
    return _described(
        library,
        model,
        tokenizer,
        assumed=bool(checkpoint) and not {"mean", "std"} <= ({*known} | {*own}),
        source=ModelSource(
            library=f"open_clip {library.__version__}",
            architecture=identifier,
            pretrained=checkpoint.name if checkpoint else pretrained or identifier,
            sha256=digest(checkpoint) if checkpoint else "",
        ),
    )


def _named(library: Any, wanted: Wanted) -> tuple[str, str | None]:
    """Returns open_clip's name of the model, and the tag or file of its weights."""
    if wanted.what.startswith(SCHEMES):
        if wanted.pretrained or wanted.arch:
            raise InputError(f"{wanted.what} brings its own weights: leave out --pretrained and --arch")
        return wanted.what, None
    path = Path(wanted.what)
    if path.is_file() or path.suffix.lower() in CHECKPOINTS:
        if not path.is_file():
            raise InputError(f"expected a checkpoint, there is no {path}")
        if not wanted.arch:
            raise InputError(f"{path.name} does not say its architecture: give --arch, such as --arch ViT-B-32")
        return _architecture(library, wanted.arch), str(path)
    if wanted.arch:
        raise InputError(f"--arch goes with a checkpoint file, there is no file {wanted.what}")
    name = _architecture(library, wanted.what)
    tags = library.list_pretrained_tags_by_model(name)
    if not wanted.pretrained:
        there = f"a tag ({', '.join(tags)}) or a checkpoint file" if tags else "a checkpoint file"
        raise InputError(f"{name} alone has no weights: give --pretrained with {there}")
    if wanted.pretrained not in tags and not Path(wanted.pretrained).is_file():
        raise InputError(
            f"--pretrained: expected a checkpoint file or a tag of {name} ({', '.join(tags) or 'none is known'}), "
            f"got {wanted.pretrained!r}"
        )
    return name, wanted.pretrained


def _architecture(library: Any, name: str) -> str:
    """Returns a known architecture; a .json file is made known under its file's name."""
    known = library.list_models()
    if name.endswith(".json"):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"--arch: expected an architecture's name or a .json file, there is no {name}")
        library.add_model_config(path)
        if path.stem not in library.list_models():
            raise InputError(f"--arch: {path.name} is no architecture: expected embed_dim, vision_cfg and text_cfg")
        return path.stem
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:3]
        raise InputError(
            f"expected an architecture of open_clip, a checkpoint file or hf-hub:ORG/NAME, got {name!r}; "
            f"near: {', '.join(near)}"
        )
    return name


def _preprocessing_of(library: Any, name: str) -> dict[str, Any]:
    """Returns what all published weights of an architecture agree on: a bare checkpoint does not say its own."""
    told = [library.get_pretrained_cfg(name, tag) for tag in library.list_pretrained_tags_by_model(name)]
    return {
        key: told[0][key]
        for key in PREPROCESSING
        if told and key in told[0] and all(t.get(key) == told[0][key] for t in told)
    }


def _check_finite(model: Any, name: str) -> None:
    for key, values in model.state_dict().items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise ArtifactError(f"{name}: the weight {key} holds values that are not finite; use another checkpoint")


def _described(library: Any, model: Any, tokenizer: Any, *, assumed: bool, source: ModelSource) -> Loaded:
    """Returns the model with the preprocessing that open_clip has for it."""
    from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: PLC0415  an extra

    found = PreprocessCfg(**model.visual.preprocess_cfg)
    sides = (found.size, found.size) if isinstance(found.size, int) else tuple(found.size)
    if len(set(sides)) != 1:
        raise ArtifactError(f"{source.architecture}: expected a square picture, got {sides}; this is not supported")
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        transform=image_transform_v2(found, is_train=False),
        size=int(sides[0]),
        fit=_FITS[found.resize_mode],
        interpolation="bilinear" if found.interpolation == "bilinear" else "bicubic",  # "random" is for training
        fill=int(found.fill_color),
        mean=tuple(float(v) for v in found.mean),
        std=tuple(float(v) for v in found.std),
        assumed=assumed,
        source=source,
    )
