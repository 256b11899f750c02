"""The error tree: everything a caller may catch.

TrendloomError
├── InputError          what was handed in cannot be used
│   ├── ImageError      one image; carries the status its row gets
│   └── ManifestError   a manifest, label list or mapping
├── ArtifactError       model or taxonomy files are missing, damaged or of another kind
├── StoreError          the workspace cannot be read or written
│   └── WorkspaceBusy   another run is writing it
├── VectorIndexError    the vector index is damaged or does not fit its store
├── NotEnoughData       the evidence does not allow an answer
└── ConfigError         a setting is out of range

A message says what was expected, what came, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trendloom.types import Status

__all__ = [
    "ArtifactError",
    "ConfigError",
    "ImageError",
    "InputError",
    "ManifestError",
    "NotEnoughData",
    "StoreError",
    "TrendloomError",
    "VectorIndexError",
    "WorkspaceBusy",
]


class TrendloomError(Exception):
    """Base of every error that trendloom raises on purpose."""


class InputError(TrendloomError):
    """What was handed in cannot be used."""


class ImageError(InputError):
    """One image cannot be used; the run goes on and its row gets `status`."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status: Status = status


class ManifestError(InputError):
    """A manifest, label list or column mapping cannot be used."""


class ArtifactError(TrendloomError):
    """Model or taxonomy files are missing, damaged or of another kind."""


class StoreError(TrendloomError):
    """The workspace cannot be read or written."""


class WorkspaceBusy(StoreError):
    """Another run is writing the workspace."""


class VectorIndexError(TrendloomError):
    """The vector index is damaged or does not fit its store."""


class NotEnoughData(TrendloomError):
    """The evidence does not allow an answer."""


class ConfigError(TrendloomError):
    """A setting is out of range."""
