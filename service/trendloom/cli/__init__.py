"""The gate: arguments to one call each, errors to one line and an exit code."""

from __future__ import annotations

import sys

import typer

from trendloom.cli import cluster, events, extras, forecast, heads, models, stateless, trends, workspace  # noqa: F401  they register
from trendloom.cli.door import app
from trendloom.errors import TrendloomError

__all__ = ["app", "main"]

# Typer brings its own copy of click from some version on; its errors are found through one that it exports.
_UsageError: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Exit codes: 0 fine, 1 finished with failed items, 2 could not start, 130 interrupted."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
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
