"""A YAML document as typed dataclasses; what does not fit is refused with file, line and key."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from trendloom.errors import ConfigError

__all__ = ["Node", "built", "converted", "path_of", "read_yaml", "shown"]

T = TypeVar("T")
EXPONENT = re.compile(r"\d+(?:\.\d*)?[eE][-+]?\d+")


class Node:
    """A value of the YAML with its place, for messages."""

    def __init__(
        self, value: Any, file: Path, lines: Mapping[tuple[Any, ...], int], path: tuple[Any, ...] = ()
    ) -> None:
        self.value, self.file, self.lines, self.path = value, file, lines, path

    def child(self, key: Any) -> Node:
        """The value under a key."""
        return Node(self.value[key], self.file, self.lines, (*self.path, key))

    def error(self, message: str) -> ConfigError:
        """An error that names file, line and key."""
        line = next(
            (self.lines[self.path[:n]] for n in range(len(self.path), -1, -1) if self.path[:n] in self.lines), 1
        )
        name = ".".join(str(p) for p in self.path)
        return ConfigError(f"{self.file}, line {line}: {name + ': ' if name else ''}{message}")

    def mapping(self) -> dict[str, Node]:
        """The children of a mapping."""
        if not isinstance(self.value, dict):
            raise self.error(f"expected keys with values, got {shown(self.value)}")
        return {str(key): self.child(key) for key in self.value}

    def items(self) -> list[Node]:
        """The children of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"expected a list, got {shown(self.value)}")
        return [self.child(n) for n in range(len(self.value))]


def shown(value: object) -> str:
    """A value in a message."""
    return "nothing" if value is None else f"{value!r:.60}"


def built(cls: type[T], node: Node, *, given: dict[str, Any] | None = None, skip: frozenset[str] = frozenset()) -> T:
    """A dataclass of a mapping's keys, each of the type that the class states; `given` are made already."""
    hints, found = typing.get_type_hints(cls), dict(given or {})
    names = [f.name for f in dataclasses.fields(cls) if f.name not in found]  # type: ignore[arg-type]  # a dataclass always
    for key, child in node.mapping().items():
        if key in skip:
            continue
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise child.error(f"expected one of {', '.join(names)}{f' (did you mean {near[0]}?)' if near else ''}")
        found[key] = converted(hints[key], child)
    missing = [f.name for f in dataclasses.fields(cls)  # type: ignore[arg-type]
               if f.name not in found and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]  # fmt: skip
    if missing:
        raise node.error(f"expected {', '.join(missing)}, which is missing")
    return cls(**found)


def converted(hint: Any, node: Node) -> Any:  # noqa: PLR0911  one return a type
    """The node's value as a type asks for it."""
    origin, arguments, value = typing.get_origin(hint), typing.get_args(hint), node.value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else converted(next(a for a in arguments if a is not type(None)), node)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return built(hint, node)
    if origin is Literal:
        if value not in arguments:
            raise node.error(f"expected one of {', '.join(map(str, arguments))}, got {shown(value)}")
        return value
    if origin is tuple:
        children = node.items() if isinstance(value, list) else [node]
        return tuple(converted(arguments[0], child) for child in children)
    if origin is dict:
        return {key: converted(arguments[1], child) for key, child in node.mapping().items()}
    if hint is Path and isinstance(value, str):
        return path_of(value, node)
    if hint is float and isinstance(value, str) and EXPONENT.fullmatch(value):  # YAML 1.1 reads 1e-3 as a text
        return number_of(float(value), node)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return number_of(float(value), node)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return int(number_of(value, node))
    if hint in (str, bool) and isinstance(value, hint):
        return value
    if hint is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise node.error(f"expected {getattr(hint, '__name__', hint)}, got {shown(value)}")


def number_of(value: float, node: Node) -> float:
    """The number, which no setting wants below 0."""
    if not 0 <= value < math.inf:
        raise node.error(f"expected a number from 0, got {value}")
    return value


def path_of(text: str, node: Node) -> Path:
    """A path, `${NAME}` replaced from the environment; relative ones start at the config's folder."""

    def known(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise node.error(f"expected the environment to hold {match[1]}: say {match[1]}=... before the command")
        return os.environ[match[1]]

    return node.file.resolve().parent / Path(re.sub(r"\$\{(\w+)\}", known, text)).expanduser()


def read_yaml(file: Path) -> Node:
    """The root of a YAML file.

    Raises:
        ConfigError: It is missing, or not YAML in UTF-8, or says something twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
        tree, raw = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except OSError as exc:
        raise ConfigError(f"expected a config at {file}: {exc.strerror or exc}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file}: expected YAML in UTF-8: {exc}") from exc
    return Node(raw, file, lines_of(tree, file) if tree else {})


def lines_of(node: yaml.Node, file: Path, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], int]:
    """The line of every value of a YAML document."""
    found = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if (*path, key.value) in found:
                raise ConfigError(
                    f"{file}, line {key.start_mark.line + 1}: {key.value} stands twice: leave one of them out"
                )
            found |= lines_of(value, file, (*path, key.value))
            found[*path, key.value] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            found |= lines_of(value, file, (*path, n))
    return found
