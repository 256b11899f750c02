"""Photos of a source, and labels of a CSV, to the gate of a model's precision."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

from trendloom.artifacts import Gate, find_model, load_card, taxonomy_path, write_gate
from trendloom.errors import ImageError, InputError
from trendloom.photos import fitted
from trendloom.types import Pixels, Source
from trendloom.vision.gate import measure

__all__ = ["gate", "read_gate_labels"]

_COLUMNS = ("key", "group", "value")


def read_gate_labels(path: Path) -> dict[str, dict[str, str]]:
    """Returns what photos are known to show, by key and group, of a CSV with the columns key, group and value.

    Raises:
        InputError: The file cannot be read, or has other columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise InputError(
                    f"{path.name}: expected the columns key, group and value, {', '.join(missing)} is missing"
                )
            found: dict[str, dict[str, str]] = {}
            for row in rows:
                found.setdefault(row["key"], {})[row["group"]] = row["value"]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"{path.name} cannot be read as a CSV ({exc})") from exc
    return found


def gate(
    name: str,
    models_dir: Path | None,
    engine: str,
    source: Source,
    labels: Mapping[str, Mapping[str, str]],
    *,
    machine: str,
    today: date,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Gate:
    """Measures an engine on a source's photos, writes the gate beside the model's card, and returns it.

    Raises:
        InputError: No photo can be read, or no label is of one of them.
        ArtifactError: The model or the engine cannot be used, or the gate cannot be written.
    """
    folder = find_model(name, models_dir)
    card = load_card(folder)

    def photos() -> Iterator[tuple[Pixels, Mapping[str, str]]]:
        for done, item in enumerate(source.items(), 1):
            progress(done, source.total)
            try:
                pixels = fitted(item.load(), card.onto, identify=False).pixels
            except ImageError:
                continue  # a photo that cannot be read says nothing about an engine
            yield pixels, labels.get(item.key, {})

    found = measure(folder, taxonomy_path(models_dir), engine, photos(), machine=machine, made=today.isoformat())
    if labels and not found.labels:
        raise InputError(
            "no label fits: expected keys as `trendloom tag` gives them, and groups and values of the taxonomy; "
            f"the first of {len(labels):,} keys is {next(iter(labels))!r}"
        )
    write_gate(card, found)
    return found
