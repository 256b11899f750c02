"""Digests of a model's files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trendloom.artifacts.nouns import FileRecord, ModelCard
from trendloom.errors import ArtifactError

__all__ = ["check_length", "digest", "records", "verified", "verify"]


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
    for name in card.files:
        _check(card, name)


def verified(card: ModelCard, name: str) -> Path:
    """Returns the path of one of the model's files, read and compared with the card, as are weights kept beside it.

    Raises:
        ArtifactError: the card does not name it, or it is missing or differs.
    """
    if name not in card.files:
        raise ArtifactError(f"{card.name}: expected the card to name {name}, it does not; install the model again")
    for part in (name, f"{name}.weights"):
        if part in card.files:
            _check(card, part)
    return card.folder / name


def _check(card: ModelCard, name: str) -> None:
    path, record = card.folder / name, card.files[name]
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
