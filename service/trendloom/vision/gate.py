"""An engine beside fp32 on the same photos: what a precision changes of vectors, neighbours and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from trendloom.artifacts import Gate
from trendloom.errors import InputError
from trendloom.types import Floats, Pixels
from trendloom.vision.engines import ENGINES
from trendloom.vision.registry import Model, open_model

__all__ = ["measure"]

_REFERENCE = "onnxruntime-cpu-fp32"
_NEAR = 10
_BATCH = 8
Labels = Mapping[str, str]  # group to value


def measure(
    folder: Path, taxonomy: Path, engine: str, photos: Iterable[tuple[Pixels, Labels]], *, machine: str, made: str
) -> Gate:
    """Returns what an engine does to a model's vectors and tags.

    Args:
        folder: Of the model.
        taxonomy: Whose values the labels are.
        engine: The name.
        photos: Prepared, (size, size, 3) uint8, each with what it is known to show; other labels are left out.
        machine: Said in the gate.
        made: The day.

    Raises:
        InputError: There are fewer than two photos.
        ArtifactError: The model or the engine cannot be used.
    """
    models = [open_model(folder, taxonomy, engine=name, gated=False) for name in (_REFERENCE, ENGINES[engine].name)]
    vectors: list[list[Floats]] = [[], []]
    labels: list[Labels] = []
    batch: list[Pixels] = []

    def run() -> None:
        full = np.stack(batch + batch[:1] * (_BATCH - len(batch)))
        for model, rows in zip(models, vectors, strict=True):
            rows.append(model.encoder.images(full)[: len(batch)])
        batch.clear()

    for pixels, known in photos:
        batch.append(pixels)
        labels.append(known)
        if len(batch) == _BATCH:
            run()
    if batch:
        run()
    if len(labels) < 2:
        raise InputError(f"expected photos to compare on, got {len(labels)} that can be read")
    fp32, other = (np.concatenate(rows) for rows in vectors)
    cosines = (fp32 * other).sum(axis=1)
    right = [_right(model, rows, labels) for model, rows in zip(models, (fp32, other), strict=True)]
    return Gate(
        engine=engine,
        image_sha256=models[0].card.files["image.onnx"].sha256,
        photos=len(labels),
        cosine=round(float(np.median(cosines)), 6),
        cosine_low=round(float(np.quantile(cosines, 0.01)), 6),
        cosine_least=round(float(cosines.min()), 6),
        neighbours=round(_kept(fp32, other), 4),
        labels=right[0][1],
        f1_fp32=round(right[0][0], 4),
        f1=round(right[1][0], 4),
        same_tags=round(_same_tags(models[0], fp32, other), 4),
        machine=machine,
        made=made,
    )


def _kept(a: Floats, b: Floats) -> float:
    """Returns the share of each photo's nearest others under `a` that are among its nearest under `b`."""
    near = min(_NEAR, len(a) - 1)
    shared = 0
    for n in range(len(a)):
        lists = []
        for rows in (a, b):
            close = rows @ rows[n]
            close[n] = -np.inf
            lists.append(set(np.argsort(-close, kind="stable")[:near].tolist()))
        shared += len(lists[0] & lists[1])
    return shared / (near * len(a))


def _right(model: Model, rows: Floats, labels: Sequence[Labels]) -> tuple[float, int]:
    """Returns F1 over all labels, and their number: one value is given for each, so it is the share that is right."""
    right = count = 0
    for group in model.taxonomy.groups:
        names = [value.value for value in group.values]
        asked = [n for n, known in enumerate(labels) if known.get(group.name) in names]
        if not asked or group.name not in model.card.calibration.tags:
            continue
        best = model.tagger.probabilities(rows[asked], group.name)[:, : len(names)].argmax(axis=1)
        right += sum(names[b] == labels[n][group.name] for b, n in zip(best, asked, strict=True))
        count += len(asked)
    return (right / count if count else 0.0), count


def _same_tags(model: Model, a: Floats, b: Floats) -> float:
    """Returns F1 of the tags that are shown under `b`, those under `a` being the truth."""
    shared = total = 0
    for ours, theirs in zip(model.tagger.tag(a), model.tagger.tag(b), strict=True):
        left, right = ({tag.value_id for tag in tags if tag.sure} for tags in (ours, theirs))
        shared, total = shared + len(left & right), total + len(left) + len(right)
    return 2 * shared / total if total else 1.0
