"""The commands of a config: `python -m training.{fit,calibrate,evaluate,export} CONFIG.yaml`, and `reproduce` for all four.

A config of sources is trained, calibrated, scored and shipped by its label lists and captions. A config of commands is a
recipe of this project: its commands run one after the other, each once.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import PHASES, Command, Config, load_config
from trendloom.errors import ConfigError, TrendloomError

__all__ = ["command_line", "config_of", "run"]

WORK: dict[str, tuple[str, str]] = {
    "fit": ("training.running", "fit"),
    "calibrate": ("training.shipping", "calibrate"),
    "evaluate": ("training.shipping", "evaluate"),
    "export": ("training.shipping", "export"),
    "reproduce": ("training.shipping", "reproduce"),
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
            reproduce(config) if phase == "reproduce" else follow(config, phase)
        else:
            module, name = WORK[phase]
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


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of a recipe at its place: `key` names it with all that goes before it, in earlier phases too."""

    command: Command
    line: list[str]
    words: str
    key: str


def steps_of(config: Config, phase: str) -> list[Step]:
    """The commands of a phase in order.

    Raises:
        ConfigError: There are none.
    """
    if not config.commands.get(phase):
        raise ConfigError(f"{config.file}: expected commands for {phase}, found none")
    found: list[Step] = []
    earlier = next((name for name in reversed(PHASES[: PHASES.index(phase)]) if config.commands.get(name)), None)
    before = steps_of(config, earlier)[-1].key if earlier else ""
    for number, command in enumerate(config.commands[phase], 1):
        line = command_line(command.module, command.flags)
        before = hashlib.sha256(json.dumps([before, line[1:]]).encode()).hexdigest()[:16]
        words = f"{phase} {number}/{len(config.commands[phase])}: {' '.join(line[1:])}"
        found.append(Step(command=command, line=line, words=words, key=before))
    return found


def follow(config: Config, phase: str) -> None:
    """Run the commands of a phase that were not run before with the same flags, and note each.

    Raises:
        ConfigError: The phase has none.
        TrendloomError: A command failed, or one of another start is still running.
    """
    steps = steps_of(config, phase)
    with alone(config) as lock:
        for step in steps:
            if step.key in done_of(config) and phase not in ALWAYS:
                print(f"done before, {step.words}", flush=True)
                continue
            print(step.words, flush=True)
            take(config, step, lock)


def reproduce(config: Config) -> None:
    """Run every phase of a recipe, each command once, and say before each when the last would end.

    Raises:
        ConfigError: A phase has no commands.
        TrendloomError: A command failed, or one of another start is still running.
    """
    steps = [step for phase in PHASES for step in steps_of(config, phase)]
    with alone(config) as lock:
        done = done_of(config)
        left = [step for step in steps if step.key not in done]
        if len(left) < len(steps):
            print(f"{len(steps) - len(left)} of {len(steps)} commands were run before", flush=True)
        took, known = 0.0, 0.0
        for number, step in enumerate(left):
            pace = took / known if known else 1.0
            print(f"{ends([one.command.minutes for one in left[number:]], pace)}{step.words}", flush=True)
            began = time.monotonic()
            take(config, step, lock)
            spent = (time.monotonic() - began) / 60
            print(f"took {spent:.1f} min (known: {step.command.minutes:g})", flush=True)
            if step.command.minutes:
                took, known = took + spent, known + step.command.minutes
    print(f"all {len(steps)} commands of {config.name} have run", flush=True)


def ends(minutes: list[float], pace: float) -> str:
    """When commands that are known to take so many minutes would end at a pace, for the log; nothing if none is known."""
    left = pace * sum(minutes)
    if not left:
        return ""
    clock = time.strftime("%a %H:%M", time.localtime(time.time() + 60 * left))
    unknown = sum(not some for some in minutes)
    rest = f" and {unknown} of unknown length" if unknown else ""
    return f"[{left:.0f} min{rest} to go, ends about {clock}, at {pace:.2f} times the known minutes] "


def take(config: Config, step: Step, lock: int) -> None:
    """Run one command, which holds the lock too, and note that it ended well.

    Raises:
        TrendloomError: It did not.
    """
    code = subprocess.run(step.line, check=False, pass_fds=(lock,)).returncode
    if code:
        raise TrendloomError(
            f"{step.words} ended with code {code}; set right what it says above and start the same command again: it goes on here"
        )
    part = (path := config.run / "done.json").with_suffix(".part")
    part.write_text(json.dumps([*done_of(config), step.key]))
    part.replace(path)


def done_of(config: Config) -> list[str]:
    """The keys of the commands that ended well."""
    path = config.run / "done.json"
    found: list[str] = json.loads(path.read_text()) if path.exists() else []
    return found


@contextmanager
def alone(config: Config) -> Iterator[int]:
    """Hold the run's lock; a command inherits it, so that one which outlives a killed start is not run a second time.

    Raises:
        TrendloomError: Another holds it.
    """
    config.run.mkdir(parents=True, exist_ok=True)
    with (config.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise TrendloomError(
                f"{config.run}: a command of this run is still running: wait for it, or end it, and start again"
            ) from exc
        yield file.fileno()
