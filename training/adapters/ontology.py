"""Names behind the numbers of annotation files: categories and attributes, each with the group above it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trendloom.errors import InputError

__all__ = ["PARTS", "Names", "labels_of", "names_of", "read_json"]

PARTS = ("garment parts", "closures", "decorations")


@dataclass(frozen=True, kw_only=True)
class Names:
    """Categories and attributes by number: name and group."""

    categories: dict[str, tuple[str, str]]
    attributes: dict[str, tuple[str, str]]


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: The file is missing, damaged or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise InputError(f"expected an annotation file at {path}: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise InputError(f"{path}: expected JSON in UTF-8 ({exc}): get the file anew") from exc
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def names_of(raw: dict[str, Any], path: Path) -> Names:
    """The names of an annotation or description file.

    Raises:
        InputError: It has no categories, or one of them no number or name.
    """
    found: list[dict[str, tuple[str, str]]] = []
    for kind in ("categories", "attributes"):
        entries = raw.get(kind) or []
        if kind == "categories" and not entries:
            raise InputError(f"{path}: expected a list `categories`, found none")
        table = {}
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict) or "id" not in entry or not entry.get("name"):
                raise InputError(
                    f"{path}: {kind}[{place}]: expected an object with `id` and `name`, got {str(entry)[:120]}"
                )
            table[str(entry["id"])] = (str(entry["name"]), str(entry.get("supercategory") or "").lower() or "attribute")
        found.append(table)
    return Names(categories=found[0], attributes=found[1])


def labels_of(garments: Iterable[tuple[str, Iterable[str]]], names: Names) -> dict[str, tuple[str, ...]]:
    """The values of a photo's garments, each a category's and its attributes' numbers.

    The field `category`, and a field per group of attributes.
    """
    found: dict[str, dict[str, None]] = {}
    for category, attributes in garments:
        found.setdefault("category", {})[names.categories[category][0]] = None
        for number in attributes:
            name, group = names.attributes[number]
            found.setdefault(group, {})[name] = None
    return {field: tuple(values) for field, values in found.items()}
