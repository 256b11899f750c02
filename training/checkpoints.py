"""Checkpoints: whole or not at all, of the architecture that reads them, and clear when a disk is full."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trendloom.errors import ArtifactError, StoreError

__all__ = ["describe", "fill_towers", "fitting", "read_checkpoint", "refuse_other", "write_checkpoint"]


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint beside its place, read it back, and move it there.

    Raises:
        StoreError: It cannot be written; the one that was there stays.
    """
    part = path.with_suffix(".part")
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    data = buffer.getbuffer()
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with part.open("rb") as file:
            if hashlib.file_digest(file, "sha256").digest() != hashlib.sha256(data).digest():
                raise OSError("what was read back differs from what was written")
        os.replace(part, path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        stays = f"the checkpoint before it, {path}, stays" if path.exists() else "there is none before it"
        raise StoreError(f"the checkpoint of step {content.get('step')} cannot be written ({exc.strerror or exc}; {len(data):,} bytes wanted, "
                         f"{free:,} free): {stays}; free some room and start the same command again") from exc  # fmt: skip


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds.

    Raises:
        ArtifactError: It is missing, damaged or something else.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as exc:
        raise ArtifactError(f"expected a checkpoint at {path}, found none: train first, or correct the path") from exc
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as exc:
        raise ArtifactError(f"the checkpoint {path} is damaged or no checkpoint ({first_line(exc)}): delete it; the run then "
                            "begins anew") from exc  # fmt: skip
    if not isinstance(found, dict) or not {"model", "average", "step"} <= set(found):
        raise ArtifactError(f"expected a checkpoint of a training run at {path}, which holds something else")
    return found


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def describe(state: Mapping[str, Tensor]) -> str:
    """An architecture in words: how many weights each part has."""
    parts = Counter[str]()
    for name, value in state.items():
        parts[".".join(name.split(".")[:2])] += value.numel()
    return ", ".join(f"{name} {count:,}" for name, count in parts.items())


def refuse_other(
    path: Path, theirs: Mapping[str, Tensor], mine: Mapping[str, Tensor], names: tuple[str, str] = ("", "")
) -> None:
    """Refuse weights that do not fit a model, all of them.

    Raises:
        ArtifactError: Naming both architectures and where they differ.
    """
    odd = [name for name in (*mine, *(n for n in theirs if n not in mine))
           if name not in mine or name not in theirs or mine[name].shape != theirs[name].shape]  # fmt: skip
    if not odd:
        return
    first = ", ".join(f"{n} {shape_of(theirs, n)} against {shape_of(mine, n)}" for n in odd[:3])
    there, here = (
        f"{name} ({describe(state)})" if name else describe(state)
        for name, state in zip(names, (theirs, mine), strict=True)
    )
    raise ArtifactError(f"the checkpoint {path} is of another architecture: it holds {there}; this run makes {here}. {len(odd)} weights differ: "
                        f"{first}. Choose another run folder, or name the checkpoint as `start`, which takes what fits")  # fmt: skip


def shape_of(state: Mapping[str, Tensor], name: str) -> str:
    """The shape of a weight, or that it is missing."""
    return str(tuple(state[name].shape)) if name in state else "missing"


def fitting(path: Path, theirs: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights whose names and shapes agree.

    Raises:
        ArtifactError: None does.
    """
    found = {name: value for name, value in theirs.items() if name in mine and mine[name].shape == value.shape}
    if not found:
        raise ArtifactError(
            f"no weight of {path} ({describe(theirs)}) fits this run's model ({describe(mine)}): leave `start` out"
        )
    return found


def fill_towers(weights: Mapping[str, Tensor], tower: nn.Module, head: nn.Module) -> None:
    """Put a run's weights into its photo tower and text head."""
    for module, prefix in ((tower, "tower."), (head, "objective.text.")):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
