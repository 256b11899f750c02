"""The gate: arguments to one call each, errors to one line and an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from trendloom.cli.door import app, importing
from trendloom.errors import TrendloomError

__all__ = ["COMMANDS", "app", "main", "register"]

# Which modules register a command: Typer goes through every option that it knows of at each start, so it is told of no more
# than what is run.
COMMANDS: dict[str, tuple[str, ...]] = {
    "backtest": ("forecast",),
    "classify": ("stateless",),
    "cluster": ("cluster",),
    "demo": ("extras",),
    "doctor": ("extras",),
    "embed": ("stateless",),
    "events": ("events",),
    "export": ("workspace",),
    "forecast": ("forecast",),
    "ingest": ("workspace",),
    "ledger": ("forecast",),
    "materials": ("forecast",),
    "models": ("models", "heads"),
    "reembed": ("models",),
    "run": ("workspace",),
    "search": ("workspace",),
    "serve": ("workspace",),
    "tag": ("stateless",),
    "trends": ("trends",),
}

# Typer brings its own copy of click from some version on; its errors are found through one that it exports.
_UsageError: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_INTERRUPTED = 130


def register(arguments: Sequence[str] = ()) -> None:
    """Makes the command that the arguments ask for known to `app`; all of them where they ask for none or for help."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    for module in COMMANDS.get(command) or sorted({name for names in COMMANDS.values() for name in names}):
        importlib.import_module(f"trendloom.cli.{module}")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Exit codes: 0 fine, 1 finished with failed items, 2 could not start, 130 interrupted."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        with importing():
            register(sys.argv[1:] if arguments is None else arguments)
        code = app(args=arguments, standalone_mode=False)
    except TrendloomError as reason:
        print(f"trendloom: {reason}", file=sys.stderr)
        return 2
    except _UsageError as reason:
        reason.show()
        return 2
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except typer.Exit as reason:
        code = reason.exit_code
    except BrokenPipeError:  # the reader of stdout went away, as `head` does
        sys.stderr.close()
        return 0
    if code == _INTERRUPTED:  # some versions of Typer say so by the code alone
        print("trendloom: interrupted; run the same command again to go on", file=sys.stderr)
    return code if isinstance(code, int) else 0
