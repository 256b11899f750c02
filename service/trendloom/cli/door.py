"""The command line's one app, its settings, and how a command ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from trendloom import __version__
from trendloom.config import Settings
from trendloom.errors import ConfigError

__all__ = ["Map", "app", "finish", "importing", "settings"]

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Another column or JSON field for a field; repeat it.", show_default=False
    ),
]

app = typer.Typer(
    name="trendloom",
    help="Turns dumps of dated social photos into fashion trends, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trendloom {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Turns dumps of dated social photos into fashion trends, on your own machine."""


@contextmanager
def importing() -> Iterator[None]:
    """Keeps the garbage collector from going through ever more classes and functions while modules are imported."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settings(**overrides: object) -> Settings:
    """Returns the settings of this command: arguments, then the environment, then defaults."""
    try:
        return Settings.load(os.environ, **overrides)
    except TypeError as exc:
        raise ConfigError(str(exc)) from exc


def finish(counts: Mapping[str, int], output: Path | None = None, *, what: str = "images") -> None:
    """Says what came of the items, on stderr, and exits with 1 where some failed."""
    from trendloom.cli.progress import status_line

    print(status_line(counts, what) + (f", written to {output}" if output else ""), file=sys.stderr)
    if any(n for status, n in counts.items() if status != "ok"):
        raise typer.Exit(1)
