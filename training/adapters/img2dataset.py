"""What img2dataset writes: shards of photo, caption and JSON, with a parquet of all rows beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from training.adapters.members import Group, groups, shards_of
from training.adapters.samples import Found, Sample, Skipped, words_of

__all__ = ["Img2dataset"]

OWN = (
    "key",
    "status",
    "error_message",
    "exif",
    "sha256",
    "md5",
    "width",
    "height",
    "original_width",
    "original_height",
    "url",
)
PAUSED = "success"


@dataclass(frozen=True, kw_only=True)
class Img2dataset:
    """`00000.tar` with `KEY.jpg`, `KEY.txt` and `KEY.json`, and `00000.parquet` beside it.

    Attributes:
        path: The output folder.
        captions: `txt` for the text beside the photo, else columns of the JSON or parquet.
        separator: Where a text holds several values.
    """

    path: Path
    captions: tuple[str, ...] = ("txt",)
    separator: str | None = None

    def read(self) -> Iterator[Found]:
        """The photos of all shards; rows that the downloader could not fetch are counted as left out."""
        for shard in shards_of(self.path):
            table = shard.with_name(shard.name.split(".")[0] + ".parquet")
            rows: dict[str, dict[str, Any]] = {}
            if table.exists():
                try:
                    rows = keyed(table)
                except (pl.exceptions.PolarsError, OSError) as exc:
                    yield Skipped(kind="shard", place=str(table), message=f"expected a parquet file ({str(exc).splitlines()[0]}): "
                                  "the shard is read without it")  # fmt: skip
            yield from failed(table, rows)
            for group in groups(shard, ("txt", "json")):
                yield group if isinstance(group, Skipped) else self.sample(group, rows)

    def sample(self, group: Group, rows: dict[str, dict[str, Any]]) -> Found:
        """The photo with its texts; what the shard lacks comes from the parquet."""
        try:
            beside = json.loads(group.texts["json"].decode()) if "json" in group.texts else {}
            text = group.texts["txt"].decode() if "txt" in group.texts else None
        except ValueError as exc:
            return Skipped(
                kind="label",
                place=group.place,
                message=f"expected text and JSON in UTF-8 beside the photo ({exc}): left out",
            )
        known = rows.get(group.id.rpartition("/")[2], {}) | (beside if isinstance(beside, dict) else {})
        if text is None:
            text = str(known.get("caption") or "")
        captions = [text if key == "txt" else " ".join(words_of(known.get(key))) for key in self.captions]
        labels = {
            k: words_of(v, self.separator) for k, v in known.items() if k not in (*OWN, *self.captions, "caption")
        }
        return Sample(id=group.id, place=group.place, image=group.photo, captions=tuple(captions), labels=labels)


def keyed(table: Path) -> dict[str, dict[str, Any]]:
    """The parquet's rows by key."""
    frame = pl.read_parquet(table)
    if "key" not in frame.columns:
        return {}
    return {str(row["key"]): row for row in frame.iter_rows(named=True)}


def failed(table: Path, rows: dict[str, dict[str, Any]]) -> Iterator[Skipped]:
    """Rows whose photo was never fetched."""
    for key, row in rows.items():
        status = row.get("status", PAUSED)
        if status != PAUSED:
            reason = row.get("error_message") or status
            yield Skipped(
                kind="photo", place=f"{table}, key {key}", message=f"the photo was not fetched ({reason}): left out"
            )
