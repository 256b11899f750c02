"""Tar shards with a JSON of labels beside each photo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.adapters.members import Group, groups, shards_of
from training.adapters.samples import Box, Found, Sample, Skipped, words_of

__all__ = ["Shards", "json_of"]


@dataclass(frozen=True, kw_only=True)
class Shards:
    """`ID.jpg` beside `ID.json` in tar shards.

    Attributes:
        path: A folder of shards, or one shard.
        captions: Keys of the JSON that hold sentences.
        boxes_key: Key of the JSON that holds boxes: `{label: {"box": [x0, y0, x1, y1]}}` or a list of objects with `label` and `box`.
        separator: Where a text holds several values.
    """

    path: Path
    captions: tuple[str, ...] = ("caption",)
    boxes_key: str = "boxes"
    separator: str | None = None

    def read(self) -> Iterator[Found]:
        """The shards' photos."""
        for shard in shards_of(self.path):
            for group in groups(shard, ("json",)):
                if isinstance(group, Skipped):
                    yield group
                    continue
                labels = json_of(group)
                if isinstance(labels, Skipped):
                    yield labels
                else:
                    yield from self.sample(group, labels)

    def sample(self, group: Group, labels: dict[str, Any]) -> Iterator[Found]:
        """The photo, after what is wrong with its boxes."""
        boxes = []
        for place, raw in enumerate(listed(labels.get(self.boxes_key))):
            box = box_of(raw)
            if box is None:
                yield Skipped(kind="box", place=f"{group.place}, box {place}", message=f"expected a label and four corners with x0 < x1 and "
                              f"y0 < y1, got {str(raw)[:120]}: this box is left out")  # fmt: skip
            else:
                boxes.append(box)
        yield Sample(
            id=group.id,
            place=group.place,
            image=group.photo,
            captions=tuple(" ".join(words_of(labels[key])) for key in self.captions if key in labels),
            labels={
                k: words_of(v, self.separator) for k, v in labels.items() if k not in (*self.captions, self.boxes_key)
            },
            boxes=tuple(boxes),
        )


def json_of(group: Group) -> dict[str, Any] | Skipped:
    """The JSON object beside a photo, or why there is none."""
    place = group.place.rpartition(".")[0] + ".json"
    if "json" not in group.texts:
        return Skipped(
            kind="label",
            place=place,
            message="expected a JSON of labels beside the photo, found none: the photo is left out",
        )
    try:
        found = json.loads(group.texts["json"].decode())
    except ValueError as exc:
        return Skipped(kind="label", place=place, message=f"expected JSON in UTF-8 ({exc}): the photo is left out")
    if not isinstance(found, dict):
        return Skipped(
            kind="label",
            place=place,
            message=f"expected a JSON object, got {type(found).__name__}: the photo is left out",
        )
    return found


def listed(raw: object) -> list[object]:
    """Boxes as a list, whichever of the two forms they have."""
    if isinstance(raw, dict):
        return [
            {"label": label, **value} if isinstance(value, dict) else {"label": label, "box": value}
            for label, value in raw.items()
        ]
    return list(raw) if isinstance(raw, list) else []


def box_of(raw: object) -> Box | None:
    """A box, or None if it is not one."""
    if not isinstance(raw, dict) or not isinstance(raw.get("label"), str):
        return None
    corners = raw.get("box")
    if not isinstance(corners, list) or len(corners) != 4 or not all(isinstance(c, int | float) for c in corners):
        return None
    x0, y0, x1, y1 = corners
    if not (x0 < x1 and y0 < y1):
        return None
    return Box(label=raw["label"], x0=x0, y0=y0, x1=x1, y1=y1, attributes=words_of(raw.get("attributes")))
