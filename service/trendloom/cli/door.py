"""The command line's one app, its settings, and how a command ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import typer

from trendloom.config import Settings
from trendloom.errors import ConfigError

__all__ = ["app", "finish", "settings"]

app = typer.Typer(
    name="trendloom",
    help="Turns dumps of dated social photos into fashion trends, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def settings(**overrides: object) -> Settings:
    """Returns the settings of this command: arguments, then the environment, then defaults."""
    try:
        return Settings.load(os.environ, **overrides)
    except TypeError as exc:
        raise ConfigError(str(exc)) from exc


def finish(counts: Mapping[str, int], output: Path | None = None, *, what: str = "images") -> None:
    """Says what came of the items, on stderr, and exits with 1 where some failed."""
    from trendloom.cli.show import err, status_line

    err.print(status_line(counts, what) + (f", written to {output}" if output else ""), highlight=False, markup=False)
    if any(n for status, n in counts.items() if status != "ok"):
        raise typer.Exit(1)
