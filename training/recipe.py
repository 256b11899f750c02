"""The four commands of a config: `python -m training.{fit,calibrate,evaluate,export} CONFIG.yaml`.

A config of sources is trained, calibrated, scored and shipped by its label lists and captions. A config of commands is a
recipe of this project: its commands run one after the other, each once.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.config import Config, load_config
from trendloom.errors import ConfigError, TrendloomError

__all__ = ["command_line", "config_of", "run"]

PHASES: dict[str, tuple[str, str]] = {
    "fit": ("training.running", "fit"),
    "calibrate": ("training.shipping", "calibrate"),
    "evaluate": ("training.shipping", "evaluate"),
    "export": ("training.shipping", "export"),
}
ALWAYS = ("evaluate",)  # what is run again although it was run before


def config_of(arguments: list[str]) -> Path | None:
    """The config that a command line names in place of flags, if it does."""
    return Path(arguments[0]) if len(arguments) == 1 and arguments[0].endswith((".yaml", ".yml")) else None


def run(phase: str, file: Path) -> None:
    """Run a phase of a config; what a user can set right ends it with one sentence and exit code 2."""
    try:
        config = load_config(file)
        if config.commands:
            follow(config, phase)
        else:
            module, name = PHASES[phase]
            work: Callable[[Config], None] = getattr(importlib.import_module(module), name)
            work(config)
    except TrendloomError as exc:
        print(f"error: {exc}", file=sys.stderr, flush=True)
        raise SystemExit(2) from exc
    except OSError as exc:
        print(
            f"error: {exc}; set it right and start the same command again: it goes on from what is whole",
            file=sys.stderr,
            flush=True,
        )
        raise SystemExit(2) from exc
    except ModuleNotFoundError as exc:
        print(
            f"error: {exc.name} is not installed: pip install 'trendloom[train]' and the packages that training/README.md names",
            file=sys.stderr,
        )
        raise SystemExit(2) from exc


def command_line(module: str, flags: dict[str, Any]) -> list[str]:
    """The command of a module with its flags; a flag that is true stands alone, one that is false is left out."""
    found = [sys.executable, "-m", f"training.{module}"]
    for name, value in flags.items():
        if value is False or value is None:
            continue
        found.append(f"--{name.replace('_', '-')}")
        if value is not True:
            found += [str(v) for v in value] if isinstance(value, list) else [str(value)]
    return found


def follow(config: Config, phase: str) -> None:
    """Run the commands of a phase that were not run before with the same flags, and note each.

    Raises:
        ConfigError: The phase has none.
        TrendloomError: A command failed.
    """
    if not config.commands.get(phase):
        raise ConfigError(f"{config.file}: expected commands for {phase}, found none")
    config.run.mkdir(parents=True, exist_ok=True)
    done = config.run / "done.json"
    known: list[str] = json.loads(done.read_text()) if done.exists() else []
    before = ""
    for number, (module, flags) in enumerate(config.commands[phase], 1):
        command = command_line(module, flags)
        before = hashlib.sha256(json.dumps([before, command[1:]]).encode()).hexdigest()[
            :16
        ]  # what went before counts too
        words = f"{phase} {number}/{len(config.commands[phase])}: {' '.join(command[1:])}"
        if before in known and phase not in ALWAYS:
            print(f"done before, {words}", flush=True)
            continue
        print(words, flush=True)
        code = subprocess.run(command, check=False).returncode
        if code:
            raise TrendloomError(
                f"{words} ended with code {code}; set right what it says above and start the same command again: it goes on here"
            )
        known.append(before)
        part = done.with_suffix(".part")
        part.write_text(json.dumps(known))
        part.replace(done)
