"""Fields of a JSON object, read one by one; every complaint names the place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from trendloom.errors import ArtifactError

__all__ = ["Fields", "read_number", "read_text"]

T = TypeVar("T")


class Fields:
    """One JSON object while it is read; every complaint names the place, and leftovers are refused."""

    def __init__(self, raw: object, place: str) -> None:
        if not isinstance(raw, dict):
            raise ArtifactError(f"{place}: expected an object, got {type(raw).__name__}")
        self._left: dict[str, object] = dict(raw)
        self.place = place

    def at(self, key: str) -> str:
        """Returns the place of a field, for messages."""
        return f"{self.place}: {key}"

    def take(self, key: str, default: object = ...) -> object:
        """Returns a field's value, or the default where one is given."""
        if key in self._left:
            return self._left.pop(key)
        if default is ...:
            raise ArtifactError(f"{self.at(key)} is missing")
        return default

    def text(self, key: str) -> str:
        """Returns a field that is a text with at least one visible character."""
        return read_text(self.take(key), self.at(key))

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """Returns a field that is a finite number in [low, high]."""
        value = self.take(key) if default is None else self.take(key, default)
        return read_number(value, self.at(key), low=low, high=high)

    def whole(self, key: str, *, low: int, high: int) -> int:
        """Returns a field that is a whole number in [low, high]."""
        value = self.number(key, low=low, high=high)
        if value != int(value):
            raise ArtifactError(f"{self.at(key)}: expected a whole number, got {value}")
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Returns a field that is true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise ArtifactError(f"{self.at(key)}: expected true or false, got {value!r}")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: object = ...) -> str:
        """Returns a field that is one of `choices`."""
        value = read_text(self.take(key, default), self.at(key))
        if value not in choices:
            raise ArtifactError(f"{self.at(key)}: expected {' or '.join(choices)}, got {value!r}")
        return value

    def each(self, key: str, read: Callable[[object, str], T], default: object = ...) -> tuple[T, ...]:
        """Returns a list field, each element read by `read(element, place)`."""
        value = self.take(key, default)
        if not isinstance(value, list):
            raise ArtifactError(f"{self.at(key)}: expected a list, got {type(value).__name__}")
        return tuple(read(element, f"{self.at(key)}[{n}]") for n, element in enumerate(value))

    def table(self, key: str, read: Callable[[object, str], T], default: object = ...) -> dict[str, T]:
        """Returns an object field, each value read by `read(value, place)`."""
        value = self.take(key, default)
        if not isinstance(value, dict):
            raise ArtifactError(f"{self.at(key)}: expected an object, got {type(value).__name__}")
        return {str(name): read(element, f"{self.at(key)}.{name}") for name, element in value.items()}

    def done(self, made: T) -> T:
        """Returns what was made of the fields; refuses leftovers: a newer card may ask for what this cannot do."""
        if self._left:
            raise ArtifactError(f"{self.place}: unknown field {', '.join(sorted(self._left))}; a newer trendloom?")
        return made


def read_text(value: object, place: str) -> str:
    """Returns a text with at least one visible character."""
    if not isinstance(value, str) or not value.strip():
        raise ArtifactError(f"{place}: expected a text, got {value!r}")
    return value


def read_number(value: object, place: str, *, low: float, high: float) -> float:
    """Returns a finite number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ArtifactError(f"{place}: expected a number, got {value!r}")
    if not low <= value <= high:
        raise ArtifactError(f"{place}: expected a number from {low:g} to {high:g}, got {value:g}")
    return float(value)
