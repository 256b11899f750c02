"""Photos or texts in, one table out, no workspace: tag, embed, classify."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from trendloom.errors import InputError
from trendloom.pipeline.looking import Garment, Seen, look
from trendloom.pipeline.output import PartWriter
from trendloom.types import Encoder, Finder, Floats, Item, Source, Tag, Tagger
from trendloom.vision.tagger import Unsaid

__all__ = [
    "EMBED_COLUMNS",
    "TAG_COLUMNS",
    "Progress",
    "classify_to",
    "embed_texts_to",
    "embed_to",
    "read_labels",
    "tag_rows",
    "tag_to",
]

Progress = Callable[[int, int], None]
Probabilities = Callable[[Floats], Floats]  # (n, dim) -> (n, labels)
Reasons = Callable[[Sequence[Tag]], Sequence[Unsaid]]  # a garment's tags -> the groups it has none of, and why

_HEAD: dict[str, pl.DataType] = {"key": pl.String(), "status": pl.String(), "error": pl.String()}
TAG_COLUMNS: dict[str, pl.DataType] = {
    **_HEAD,
    "garment": pl.Int16(),
    **dict.fromkeys(("group", "value", "value_id"), pl.String()),
    **dict.fromkeys(("probability", "x0", "y0", "x1", "y1"), pl.Float32()),
    **dict.fromkeys(("model", "taxonomy"), pl.String()),
    "hex": pl.String(),
    **dict.fromkeys(("lab_l", "lab_a", "lab_b", "share"), pl.Float32()),
    "engine": pl.String(),
}
EMBED_COLUMNS: dict[str, pl.DataType] = {
    **_HEAD,
    "embedding": pl.List(pl.Float32()),
    "engine": pl.String(),
    "model": pl.String(),
}
_CLASSIFY_COLUMNS: dict[str, pl.DataType] = {
    **_HEAD,
    "label": pl.String(),
    "probability": pl.Float32(),
    "rank": pl.Int32(),
    "model": pl.String(),
}
MAIN_COLOUR = "main colour"
_FRAME = 256  # photos per frame


def read_labels(path: Path) -> list[str]:
    """Returns the labels of a file, one per line, as written.

    Raises:
        InputError: The file cannot be read, or a line is blank or repeated.
    """
    labels = _lines(path)
    for number, label in enumerate(labels, 1):
        if not label.strip():
            raise InputError(f"{path.name}, line {number}: expected a label, the line is blank: remove it")
        if label in labels[: number - 1]:
            raise InputError(f"{path.name}, line {number}: the label {label!r} was given before: remove one")
    if not labels:
        raise InputError(f"expected labels in {path.name}, one per line, the file is empty")
    return labels


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as exc:
        raise InputError(f"expected a text file, there is no {path}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path.name} cannot be read as UTF-8 text ({exc})") from exc
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _run(
    source: Source,
    encoder: Encoder,
    tagger: Tagger | None,
    writer: PartWriter,
    rows: Callable[[list[Seen]], pl.DataFrame],
    *,
    workers: int,
    progress: Progress,
    finder: Finder | None = None,
) -> Counter[str]:
    """Feeds what is seen through `rows` into the writer, each key once; returns all items of the output by status."""
    done = writer.done()
    used, counts = set(done), Counter(done.values())
    total, passed = source.total, 0

    def step() -> None:
        nonlocal passed
        passed += 1
        progress(passed, total)

    def new() -> Iterator[Item]:
        for item in source.items():
            if item.key in used:
                step()
            else:
                used.add(item.key)
                yield item

    waiting: list[Seen] = []
    try:
        for seen in look(new(), encoder, tagger, workers=workers, finder=finder, colours=True, identify=False):
            counts[seen.status] += 1
            waiting.append(seen)
            step()
            if len(waiting) >= _FRAME:
                writer.add(rows(waiting))
                waiting = []
    finally:
        if waiting:
            writer.add(rows(waiting))
        writer.flush()
    return counts


def tag_to(
    source: Source,
    encoder: Encoder,
    tagger: Tagger,
    output: Path,
    *,
    workers: int,
    progress: Progress,
    origins: Mapping[str, str] = MappingProxyType({}),
    finder: Finder | None = None,
    unsaid: Reasons | None = None,
) -> Counter[str]:
    """Writes a row per image, garment and tag, and one per main colour; returns the images by status.

    `origins` names the taxonomy of groups that are not the tagger's own. With `unsaid` there is a column `why` and a row
    for each group that a garment has no tag of.
    """
    names = {"model": encoder.model, "taxonomy": tagger.taxonomy}
    stamp = {
        "command": "tag", "source": source.place, **names, "origins": dict(origins), "garments": finder is not None,
    }  # fmt: skip
    if unsaid:
        stamp["unsaid"] = True
    rows = partial(tag_rows, encoder=encoder, taxonomy=tagger.taxonomy, origins=origins, unsaid=unsaid)
    with PartWriter(output, stamp) as writer:
        counts = _run(source, encoder, tagger, writer, rows, workers=workers, progress=progress, finder=finder)
        writer.finish(pl.DataFrame(schema=_tag_columns(unsaid)))
    return counts


def _tag_columns(unsaid: Reasons | None) -> dict[str, pl.DataType]:
    return {**TAG_COLUMNS, "why": pl.String()} if unsaid else TAG_COLUMNS


def tag_rows(
    batch: Sequence[Seen],
    *,
    encoder: Encoder,
    taxonomy: str,
    origins: Mapping[str, str] = MappingProxyType({}),
    unsaid: Reasons | None = None,
) -> pl.DataFrame:
    """Returns a row per image, garment and tag, and one per main colour, with the columns of `TAG_COLUMNS`.

    With `unsaid` also one per group without a tag: its value is empty, and the column `why` says the reason.
    """
    found: list[dict[str, object]] = []
    names = {"model": encoder.model, "taxonomy": taxonomy}
    for seen in batch:
        head = {"key": seen.item.key, "status": seen.status, "error": seen.error, **names}
        if not seen.garments:
            found.append({**head, "model": None, "taxonomy": None})
        for g in seen.garments:
            sure = [tag for tag in g.tags if tag.sure]
            place = {
                "garment": g.number, "engine": encoder.engine,
                "x0": g.box.x0, "y0": g.box.y0, "x1": g.box.x1, "y1": g.box.y1,
            }  # fmt: skip
            found += [
                {
                    **head,
                    **place,
                    "group": t.group,
                    "value": t.value,
                    "value_id": t.value_id,
                    "probability": t.probability,
                    "taxonomy": origins.get(t.group, taxonomy),
                }
                for t in sure
            ]
            found += [{**head, **place, **row} for row in _colour_rows(g)]
            if unsaid:
                found += [
                    {
                        **head,
                        **place,
                        "group": u.group,
                        "value_id": u.value_id,
                        "probability": u.probability,
                        "why": u.why,
                    }
                    for u in unsaid(g.tags)
                ]
            elif not sure and not (g.tags and g.colours):
                found.append({**head, **place})
    return pl.DataFrame(found, schema=_tag_columns(unsaid))


def _colour_rows(garment: Garment) -> list[dict[str, object]]:
    """Returns a row for each main colour of a garment that has tags: measured on its pixels, so without a probability."""
    if not garment.tags:
        return []
    return [
        {
            "group": MAIN_COLOUR,
            "value": colour.name,
            "hex": colour.hex,
            **dict(zip(("lab_l", "lab_a", "lab_b"), colour.lab, strict=True)),
            "share": colour.share,
        }
        for colour in garment.colours
    ]


def embed_to(source: Source, encoder: Encoder, output: Path, *, workers: int, progress: Progress) -> Counter[str]:
    """Writes a row per image with its embedding; returns the images by status."""

    def rows(batch: list[Seen]) -> pl.DataFrame:
        found = [
            {
                "key": s.item.key,
                "status": s.status,
                "error": s.error,
                "embedding": s.garments[0].vector.tolist() if s.garments else None,
                "engine": encoder.engine if s.garments else None,
                "model": encoder.model if s.garments else None,
            }
            for s in batch
        ]
        return pl.DataFrame(found, schema=EMBED_COLUMNS)

    stamp = {"command": "embed", "source": source.place, "model": encoder.model, "columns": list(EMBED_COLUMNS)}
    with PartWriter(output, stamp, rows_per_part=5_000) as writer:
        counts = _run(source, encoder, None, writer, rows, workers=workers, progress=progress)
        writer.finish(pl.DataFrame(schema=EMBED_COLUMNS))
    return counts


def embed_texts_to(lines: Path, encoder: Encoder, output: Path, *, progress: Progress) -> Counter[str]:
    """Writes a row per line, key from 0; a blank line has status `empty`; returns the lines by status."""
    texts = _lines(lines)
    stamp = {"command": "texts", "model": encoder.model, "lines": texts, "columns": list(EMBED_COLUMNS)}
    with PartWriter(output, stamp, rows_per_part=5_000) as writer:
        counts = _embed_texts(texts, encoder, writer, progress)
        writer.finish(pl.DataFrame(schema=EMBED_COLUMNS))
    return counts


def _embed_texts(texts: Sequence[str], encoder: Encoder, writer: PartWriter, progress: Progress) -> Counter[str]:
    """Feeds what no part holds into the writer; returns all texts by status."""
    done = writer.done()
    counts = Counter(done.values())
    for first in range(len(done), len(texts), _FRAME):
        block = texts[first : first + _FRAME]
        vectors = iter(encoder.texts([t for t in block if t.strip()])) if any(t.strip() for t in block) else iter(())
        rows = []
        for place, text in enumerate(block, first):
            ok = bool(text.strip())
            counts["ok" if ok else "empty"] += 1
            rows.append(
                {
                    "key": str(place),
                    "status": "ok" if ok else "empty",
                    "error": None if ok else "expected a text, the line is blank",
                    "embedding": next(vectors).tolist() if ok else None,
                    "model": encoder.model if ok else None,
                }
            )
        writer.add(pl.DataFrame(rows, schema=EMBED_COLUMNS))
        progress(first + len(block), len(texts))
    return counts


def classify_to(
    source: Source,
    encoder: Encoder,
    labels: Sequence[str],
    probabilities: Probabilities,
    output: Path,
    *,
    job: str,
    workers: int,
    progress: Progress,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> Counter[str]:
    """Writes a row per image and label, ranked from 1; returns the images by status.

    A label that was refused has a row too, with the status `refused`, the reason and no probability.

    Args:
        source: What to read.
        encoder: Makes the vectors.
        labels: In the order of the columns of `probabilities`.
        probabilities: (n, dim) to (n, labels).
        output: The file.
        job: What tells this job from another with the same labels.
        workers: Threads.
        progress: Called with items done and in all.
        refused: Labels that are not asked, and why.
    """
    names = np.array(labels, dtype=object)
    reasons = [{"status": "refused", "label": label, "error": why} for label, why in refused.items()]

    def rows(batch: list[Seen]) -> pl.DataFrame:
        good = [s for s in batch if s.garments]
        bad = [{"key": s.item.key, "status": s.status, "error": s.error} for s in batch if not s.garments]
        bad += [{"key": s.item.key, **reason} for s in good for reason in reasons]
        frames = [pl.DataFrame(bad, schema=_CLASSIFY_COLUMNS)]
        if good:
            grid = probabilities(np.stack([s.garments[0].vector for s in good]))  # (n, labels)
            order = np.argsort(-grid, axis=1, kind="stable")
            frames.append(
                pl.DataFrame(
                    {
                        "key": np.repeat(np.array([s.item.key for s in good], dtype=object), len(names)),
                        "status": ["ok"] * order.size,
                        "error": [None] * order.size,
                        "label": names[order].ravel(),
                        "probability": np.take_along_axis(grid, order, axis=1).ravel(),
                        "rank": np.tile(np.arange(1, len(names) + 1), len(good)),
                        "model": [encoder.model] * order.size,
                    },
                    schema=_CLASSIFY_COLUMNS,
                )
            )
        return pl.concat(frames)

    stamp = {
        "command": "classify", "source": source.place, "model": encoder.model, "labels": list(labels), "refused": list(refused), "job": job,
        "columns": list(_CLASSIFY_COLUMNS),
    }  # fmt: skip
    with PartWriter(output, stamp, rows_per_part=500_000) as writer:
        counts = _run(source, encoder, None, writer, rows, workers=workers, progress=progress)
        writer.finish(pl.DataFrame(schema=_CLASSIFY_COLUMNS))
    return counts
