"""Vectors of values that were learned from photos, where they tell garments apart better than a model's words do."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trendloom.errors import ArtifactError
from trendloom.types import Floats

__all__ = ["NONE", "VALUES", "read_values", "write_values"]

VALUES = "values.npz"
NONE = "none"  # what stands for showing none of a group's values


def read_values(path: Path) -> dict[str, dict[str, Floats]]:
    """Returns for each group that the file holds the unit vector (dim,) float32 of each value, by name.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            groups = [name.removeprefix("names.") for name in stored.files if name.startswith("names.")]
            if not groups:
                raise KeyError("no group")
            return {
                group: dict(
                    zip(stored[f"names.{group}"].tolist(), stored[f"vectors.{group}"].astype(np.float32), strict=True)
                )
                for group in groups
            }
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise ArtifactError(f"{path.parent.name}/{path.name}: expected vectors of values, got none ({exc})") from exc


def write_values(path: Path, groups: Mapping[str, Mapping[str, Floats]]) -> None:
    """Writes what `read_values` reads, whole or not at all."""
    fresh = path.with_suffix(".new.npz")
    arrays = {f"names.{group}": np.asarray(list(values)) for group, values in groups.items()}
    arrays |= {f"vectors.{group}": np.stack(list(values.values())) for group, values in groups.items()}
    np.savez(fresh, allow_pickle=False, **arrays)
    os.replace(fresh, path)
