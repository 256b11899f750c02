"""Settings: built once at the door, from arguments, the environment (`TRENDLOOM_`), and defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from trendloom.errors import ConfigError

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every knob with its default; an environment variable `TRENDLOOM_<NAME>` overrides it.

    Attributes:
        model: Name of the model to load.
        models_dir: Folder of your own models, searched before the shipped ones.
        workers: Worker threads; 0 takes one per core.
        engine: What the image tower runs on; `auto` takes the fastest that passed its gate.
        garments: `on` looks for the garments of a photo, `off` takes the whole photo for one.
        horizon: Weeks of posts that looks are clustered from, older garments join the nearest; 0 takes all history.
        k: Smallest number of people that API and pages publish.
        host: Address that `serve` binds.
        port: Port that `serve` binds.
        max_body_mb: Largest request body in MiB.
        max_files: Most images in one request.
        queue: Photos, and searches, that may wait for the model; who comes then is told to come back. One request's
            images always fit.
        batch_wait_ms: How long a batch of photos that is not full waits for company while a worker is free.
        max_wait_s: How long a photo or a search waits at most for its turn; then its caller is told to come back.
        body_timeout_s: How long a request body may take to come in.
    """

    model: str = "fashion-lite"
    models_dir: Path | None = None
    workers: int = 0
    engine: str = "auto"
    garments: str = "on"
    horizon: int = 0
    k: int = 10
    host: str = "127.0.0.1"
    port: int = 8321
    max_body_mb: int = 32
    max_files: int = 32
    queue: int = 64
    batch_wait_ms: int = 5
    max_wait_s: int = 10
    body_timeout_s: int = 30

    def __post_init__(self) -> None:
        for name, low, high in (
            ("workers", 0, 256),
            ("horizon", 0, 5200),
            ("k", 1, 10**6),
            ("port", 0, 65535),
            ("max_body_mb", 1, 4096),
            ("max_files", 1, 4096),
            ("queue", 1, 10**5),
            ("batch_wait_ms", 0, 1000),
            ("max_wait_s", 1, 3600),
            ("body_timeout_s", 1, 3600),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name}: expected {low} to {high}, got {value}")

        if self.garments not in ("on", "off"):
            raise ConfigError(f"garments: expected on or off, got {self.garments!r}")

    @property
    def threads(self) -> int:
        """Worker threads to start."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @classmethod
    def load(cls, environment: Mapping[str, str], **overrides: Any) -> Settings:
        """Returns settings; precedence argument (unless None) > environment > default.

        Raises:
            ConfigError: A variable that is not of its type, or out of range.
        """
        hints, chosen = get_type_hints(cls), {}
        for spec in fields(cls):
            raw = environment.get(f"TRENDLOOM_{spec.name.upper()}")
            if raw:
                kind = int if hints[spec.name] is int else Path if "Path" in str(hints[spec.name]) else str
                try:
                    chosen[spec.name] = kind(raw)
                except ValueError as exc:
                    raise ConfigError(f"TRENDLOOM_{spec.name.upper()}: expected a whole number, got {raw!r}") from exc
        return cls(**{**chosen, **{k: v for k, v in overrides.items() if v is not None}})
