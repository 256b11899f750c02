"""The README and the code say the same."""

import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import typer.main

import trendloom
from trendloom import cli
from trendloom.config import Settings
from trendloom.pipeline.stateless import TAG_COLUMNS
from trendloom.store import TABLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
cli.register()
COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]  # a group, of one click or another
MODULES = [m.name for m in pkgutil.walk_packages(trendloom.__path__, "trendloom.") if not m.name.endswith("__main__")]


def test_every_command_is_in_the_contract_and_the_other_way_round() -> None:
    written = set(re.findall(r"^\| `trendloom ([a-z]+)", README, flags=re.MULTILINE))
    assert written == set(COMMANDS)


def test_a_command_is_registered_by_the_modules_that_are_imported_for_it() -> None:
    assert set(cli.COMMANDS) == set(COMMANDS)
    for name, command in COMMANDS.items():
        every = getattr(command, "commands", {name: command}).values()
        assert {f"trendloom.cli.{module}" for module in cli.COMMANDS[name]} >= {c.callback.__module__ for c in every}


def test_every_option_in_the_contract_exists() -> None:
    for line in README.splitlines():
        if found := re.match(r"\| `trendloom ([a-z]+)(.*?) \| ", line):
            command = COMMANDS[found[1]]
            every = [command, *getattr(command, "commands", {}).values()]  # those of models and trends too
            known = {option for one in every for parameter in one.params for option in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", found[2])) <= known | {"--version"}, line


def test_every_setting_is_named() -> None:
    for field in dataclasses.fields(Settings):
        assert f"_{field.name.upper()}`" in README, field.name


def test_the_columns_are_those_of_the_tables() -> None:
    assert ", ".join(list(TAG_COLUMNS)[:12]).replace("x0, y0, x1, y1", "x0, y0, x1, y1") in README
    for column in TABLES["series"]:
        assert column == "run" or column in README
    for status in ("empty", "missing", "refused", "too_large", "truncated", "unreadable", "unsupported"):
        assert status in README


def test_the_picture_is_there_and_small() -> None:
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert 0 < (ROOT / path).stat().st_size < 400_000


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_listed_and_exist(name: str) -> None:
    module = importlib.import_module(name)
    if name.rpartition(".")[2].startswith("_") or not any(not n.startswith("_") for n in vars(module)):
        return
    listed = getattr(module, "__all__", None)
    if listed is None:
        own = [n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "") == name]
        assert not own, f"{name} has no __all__, but defines {own}"
        return
    assert len(set(listed)) == len(listed)
    assert all(hasattr(module, n) for n in listed)
