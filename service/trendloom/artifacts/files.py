"""Digests of a model's files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trendloom.artifacts.nouns import FileRecord, ModelCard
from trendloom.errors import ArtifactError

__all__ = ["check_length", "digest", "records", "verify"]


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def records(folder: Path, names: Sequence[str]) -> dict[str, FileRecord]:
    """Returns digest and length of files of a folder, as a card names them."""
    return {name: FileRecord(sha256=digest(folder / name), size_bytes=(folder / name).stat().st_size) for name in names}


def verify(card: ModelCard) -> None:
    """Reads every file of the model and compares its SHA-256 with the card.

    Raises:
        ArtifactError: a file is missing or differs.
    """
    for name, record in card.files.items():
        path = card.folder / name
        check_length(path, record)
        if (found := digest(path)) != record.sha256:
            place = f"{card.name}/{name}"
            raise ArtifactError(f"{place}: expected SHA-256 {record.sha256}, got {found}; install the model again")


def check_length(path: Path, record: FileRecord) -> None:
    """Raises ArtifactError unless the file is there with the stated length."""
    place = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ArtifactError(f"expected the model file {place}, found none; install the model again")
    if (size := path.stat().st_size) != record.size_bytes:
        raise ArtifactError(f"{place}: expected {record.size_bytes} bytes, got {size}; install the model again")
