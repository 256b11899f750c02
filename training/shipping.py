"""After training by a config: scales and thresholds, scores, and the model's folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.cache import Cache
from training.checkpoints import fill_towers, read_checkpoint, refuse_other
from training.collect import cache_folder, open_collected
from training.config import Config
from training.features import centred, embed_cached
from training.fitting import make_tower
from training.marks import Marked, Scores
from training.measures import CLASSIFY_TEMPLATES
from training.model import DIM, ImageTower, TextHead
from training.running import stage_folder
from training.shards import TUNING, VALIDATION
from training.wording import classes_of, open_texts
from trendloom.errors import ArtifactError, ConfigError, NotEnoughData, StoreError

__all__ = ["calibrate", "evaluate", "export", "load_towers", "reproduce"]

FILES = ("image.onnx", "text.onnx", "tokenizer.json")
LEAST_COSINE = {"image": 0.999, "text": 0.99}
Say = Callable[[str], None]


def checkpoint(config: Config) -> Path:
    """The checkpoint that the last stage ended with."""
    return stage_folder(config, config.stages[-1]) / "state.pt"


def load_towers(config: Config) -> tuple[ImageTower, TextHead, str]:
    """The averaged towers of the run, and the digest of their checkpoint.

    Raises:
        ArtifactError: There is none, or it is of another architecture.
    """
    path = checkpoint(config)
    weights = read_checkpoint(path)["average"]
    tower, head = make_tower(config.model, fresh=False), TextHead()
    mine = {f"tower.{k}": v for k, v in tower.state_dict().items()} | {
        f"objective.text.{k}": v for k, v in head.state_dict().items()
    }
    refuse_other(path, {k: v for k, v in weights.items() if not k.startswith("objective.scales")}, mine)
    fill_towers(weights, tower, head)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return tower.eval(), head.eval(), digest


def marked(config: Config, cache: Cache, tower: ImageTower, head: TextHead, bucket: int) -> Marked:
    """A part of the photos with their image vectors.

    Raises:
        NotEnoughData: The part is too small to say anything.
    """
    rows = np.array([n for n, r in enumerate(cache.records) if r.bucket == bucket], np.int64)
    if len(rows) < 2:
        part = {TUNING: "tuning", VALIDATION: "validation"}[bucket]
        raise NotEnoughData(
            f"expected at least 2 {part} photos (one of ten by the hash of the id), got {len(rows)}: give more photos"
        )
    images = embed_cached(cache, tower, rows, config.outputs.size)
    return Marked(config=config, records=cache.records, rows=rows, images=images, head=head, texts=open_texts(config))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def known(path: Path, digest: str) -> dict[str, Any] | None:
    """What an earlier command wrote of the same checkpoint."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.get("checkpoint") == digest else None


def out_of(config: Config) -> Path:
    """The folder of the model to be written.

    Raises:
        ConfigError: The config names no folder, or a text encoder that does not ship.
    """
    if config.outputs.folder is None:
        raise ConfigError(f"{config.file}: outputs: expected a folder to write the model to")
    if config.model.text != "minilm":
        raise ConfigError(
            f"{config.file}: model.text: {config.model.text} is for trying things out and does not ship: say minilm"
        )
    return config.outputs.folder / config.name


def calibrate(config: Config, say: Say = print) -> dict[str, Any]:
    """Scales and thresholds fitted on the tuning photos, written to `calibration.json` in the run's folder."""
    tower, head, digest = load_towers(config)
    photos = marked(config, open_collected(cache_folder(config)), tower, head, TUNING)
    found = photos.calibrated()
    if not found:
        raise NotEnoughData(
            "expected a label list with two values and two tuning photos to calibrate on, got none: give more labelled photos"
        )
    found = {"checkpoint": digest, "photos": len(photos.rows), **found}
    write_json(config.run / "calibration.json", found)
    for name, tags in found["tags"].items():
        short = "" if tags["precision"] >= config.outputs.precision else f": none reaches {config.outputs.precision:g}"
        say(f"{name}: scale {tags['scale']}, threshold {tags['threshold']} with precision {tags['precision']} and recall {tags['recall']} "
            f"on {tags['photos']} tuning photos{short}")  # fmt: skip
    return found


def evaluate(config: Config, say: Say = print) -> Scores:
    """Scores of the validation photos, which nothing was chosen by, written to `metrics.json` in the run's folder."""
    tower, head, digest = load_towers(config)
    fitted = known(config.run / "calibration.json", digest) or calibrate(config, say)
    photos = marked(config, open_collected(cache_folder(config)), tower, head, VALIDATION)
    found = photos.scores({"": fitted["classify"]["softmax_scale"]})
    write_json(config.run / "metrics.json", {"checkpoint": digest, "scores": found})
    for name, score in found.items():
        say(
            f"{name:32} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}] of {score['n']} validation photos"
        )
    return found


def export(config: Config, say: Say = print) -> Path:
    """The model's folder: both graphs, the tokenizer and the card, written beside its place and moved there whole.

    Raises:
        ConfigError: The config names no folder, or a text encoder that does not ship.
        ArtifactError: The folder holds this version, or the graphs leave the towers' vectors.
        StoreError: The disk is full.
    """
    out = out_of(config)
    if (out / "card.json").exists() and json.loads((out / "card.json").read_text()).get(
        "version"
    ) == config.outputs.version:
        raise ArtifactError(f"{out} holds version {config.outputs.version}: give another `version` in outputs")
    tower, head, digest = load_towers(config)
    fitted = known(config.run / "calibration.json", digest) or calibrate(config, say)
    if known(config.run / "metrics.json", digest) is None:
        evaluate(config, say)
    measured = known(config.run / "metrics.json", digest) or {}
    cache = open_collected(cache_folder(config))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as name:
            folder = Path(name) / "model"
            folder.mkdir()
            parity = write_towers(config, tower, head, cache, folder)
            write_json(
                folder / "card.json", card_of(config, cache, folder, fitted, measured["scores"] | {"parity": parity})
            )
            replace(folder, out)
    except OSError as exc:
        raise StoreError(
            f"the model cannot be written to {out} ({exc.strerror or exc}): free some room and start again; what was there stays"
        ) from exc
    say(f"{config.name} {config.outputs.version} in {out}; parity {parity}")
    return out


def reproduce(config: Config, say: Say = print) -> None:
    """Train, calibrate, evaluate and export; what an earlier start ended with the same checkpoint is not done again.

    Raises:
        ConfigError: It was started with torchrun, or the config's model cannot be written.
        TrendloomError: As the four raise it.
    """
    from training.running import fit  # noqa: PLC0415  the others do without it

    if "WORLD_SIZE" in os.environ:
        raise ConfigError(
            f"{config.file}: only training runs on several GPUs: torchrun ... -m training.fit {config.file}, then this command alone"
        )
    out, began = out_of(config), time.monotonic()

    def ended(what: str) -> None:
        say(f"{what} after {(time.monotonic() - began) / 60:.1f} min")

    fit(config, say)
    digest = load_towers(config)[2]
    ended("fit: done")
    for what, path, work in (
        ("calibrate", config.run / "calibration.json", calibrate),
        ("evaluate", config.run / "metrics.json", evaluate),
    ):
        if known(path, digest) is None:
            work(config, say)
            ended(f"{what}: done")
        else:
            say(f"{what}: done before")
    exported, note = {"checkpoint": digest, "version": config.outputs.version}, config.run / "exported.json"
    if known(note, digest) == exported and (out / "card.json").is_file():
        say(f"export: done before, {out}")
        return
    export(config, say)
    write_json(note, exported)
    ended("export: done")


def write_towers(config: Config, tower: ImageTower, head: TextHead, cache: Cache, folder: Path) -> dict[str, float]:
    """Write graphs and tokenizer; the least cosines between their vectors and the towers'.

    Raises:
        ArtifactError: A cosine is below what is allowed.
    """
    from safetensors.torch import load_file  # noqa: PLC0415  only what ships needs these

    from training.export import image_parity, text_parity  # noqa: PLC0415
    from training.graphs import write_image_graphs, write_text_graph  # noqa: PLC0415
    from training.texts import LONGEST, MiniLM, load_tokenizer, minilm_folder  # noqa: PLC0415

    write_image_graphs(tower, config.outputs.size, folder)
    for name in ("find.onnx", "region.onnx"):  # finding garments was not trained
        (folder / name).unlink(missing_ok=True)
    write_text_graph(MiniLM().load(load_file(minilm_folder() / "model.safetensors")), head, folder / "text.onnx")
    tokenizer = load_tokenizer(minilm_folder())
    tokenizer.enable_truncation(LONGEST)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    rows = np.arange(min(32, len(cache.records)))
    pixels = np.stack([centred(cache, int(row), config.outputs.size) for row in rows])
    prompts = [p for values in classes_of(config, cache.records).values() for ps in values.values() for p in ps][
        :64
    ] or ["a photo"]
    texts = open_texts(config)
    texts.rows(prompts)
    with torch.no_grad():
        found = {"image": image_parity(folder / "image.onnx", pixels, embed_cached(cache, tower, rows, config.outputs.size)),
                 "text": text_parity(folder / "text.onnx", folder / "tokenizer.json", head, texts, prompts)}  # fmt: skip
    if any(found[name] < least for name, least in LEAST_COSINE.items()):
        raise ArtifactError(
            f"expected cosines of at least {LEAST_COSINE} between shipped and trained vectors, got {found}: not written"
        )
    return {name: round(value, 6) for name, value in found.items()}


def card_of(
    config: Config, cache: Cache, folder: Path, fitted: dict[str, Any], measured: dict[str, Any]
) -> dict[str, Any]:
    """The model's card."""
    files = {
        name: {
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "bytes": (folder / name).stat().st_size,
        }
        for name in FILES
    }
    trained = {
        s.name: sum(r.set == s.name and r.bucket not in (TUNING, VALIDATION) for r in cache.records)
        for s in config.sources
    }
    scale = fitted["classify"]["softmax_scale"]
    return {
        "name": config.name, "version": config.outputs.version, "files": files, "dim": DIM, "image_size": config.outputs.size,
        "interpolation": "bicubic", "fit": "letterbox", "fill": [255, 255, 255], "licence": config.outputs.licence,
        "training_data": [{"name": n, "terms": config.outputs.terms.get(n, "not stated"), "photos": count} for n, count in trained.items()],
        "metrics": measured | {"lists": fitted["tags"]},
        "calibration": {"classify": fitted["classify"] | {"templates": list(CLASSIFY_TEMPLATES)},
                        "tags": {"type": {"scale": scale, "threshold": 1.0, "templates": [], "validated": False}}},
        "weak_spots": ["Tags of the taxonomy were not fitted: classify by your own lists, or fit a head on them.",
                       "Scales were fitted on photos of the sources alone."],
        "reproduce": f"python -m training.reproduce {config.file.name}", "created": time.strftime("%Y-%m-%d", time.gmtime()),
    }  # fmt: skip


def replace(folder: Path, out: Path) -> None:
    """Put a folder in the place of another."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        os.replace(out, old)
    os.replace(folder, out)
    shutil.rmtree(old, ignore_errors=True)
