"""Heads of a workspace: learned from the user's labels, applied to stored embeddings; no photo is read again."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from trendloom.counting import copy_groups
from trendloom.errors import InputError, ManifestError, NotEnoughData
from trendloom.pipeline.study import SAME_PHOTO, garment_vectors
from trendloom.store import Workspace, frame
from trendloom.types import Floats
from trendloom.vision.heads import Head, find_heads, head_names, head_path, save_head
from trendloom.vision.learning import Examples, check_names, fingerprint, learn_head, refused_names

__all__ = ["Fitted", "Labelled", "apply_heads", "fit_head", "heads_of", "read_head_labels", "remove_head"]

_FOLDER = "heads"
_PREFIX = "head "  # what the taxonomy of a head's tags begins with
_AT_ONCE = 50_000  # photos
_COLUMNS = ("key", "label")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One line of a file of labels."""

    line: int
    key: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What fitting a head gave.

    Attributes:
        head: The head, as it is stored.
        changed: False where the same labels gave this head before.
        tagged: Stored photos that got its tags now.
        left_out: Labels of photos that could not be used, with the reason.
        refused: Labels that ask about people, with the reason; the head does not have them.
    """

    head: Head
    changed: bool
    tagged: int
    left_out: tuple[tuple[Labelled, str], ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def read_head_labels(path: Path) -> list[Labelled]:
    """Returns the labels of a CSV file with the columns key and label, each key once, in the order of the file.

    Raises:
        ManifestError: the file cannot be read, a column or a cell is missing, or a key has two labels; with the line.
    """
    found: dict[str, Labelled] = {}
    spellings: dict[str, Labelled] = {}
    for entry in _rows(path):
        before = found.get(entry.key)
        if before and before.label != entry.label:
            raise ManifestError(
                f"{path.name}, line {entry.line}: expected one label for {entry.key!r}, got {entry.label!r} here and "
                f"{before.label!r} in line {before.line}: keep the right one"
            )
        alike = spellings.setdefault(" ".join(entry.label.casefold().split()), entry)
        if alike.label != entry.label:
            raise ManifestError(
                f"{path.name}, line {entry.line}: the label {entry.label!r} is written {alike.label!r} in line {alike.line}: "
                "write both the same"
            )
        found.setdefault(entry.key, entry)
    if not found:
        raise ManifestError(f"{path.name}: expected lines of key,label below the header, got none")
    return list(found.values())


def _rows(path: Path) -> Iterator[Labelled]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=";" if ";" in first and "," not in first else ",", strict=True)
            header = [name.strip().lower() for name in next(rows, [])]
            if missing := [name for name in _COLUMNS if name not in header]:
                raise ManifestError(
                    f"{path.name}, line 1: expected the columns key and label, got {', '.join(header) or 'nothing'}; "
                    f"{' and '.join(missing)} is missing"
                )
            places = [header.index(name) for name in _COLUMNS]
            for row in rows:
                if any(cell.strip() for cell in row):
                    if "".join(row[len(header) :]).strip():
                        raise ManifestError(
                            f"{path.name}, line {rows.line_num}: expected {len(header)} cells, got {len(row)}: {row}; "
                            "write a text that holds the separator in double quotes"
                        )
                    cells = [row[place].strip() if place < len(row) else "" for place in places]
                    if not all(cells):
                        raise ManifestError(f"{path.name}, line {rows.line_num}: expected a key and a label, got {row}")
                    yield Labelled(line=rows.line_num, key=cells[0], label=cells[1])
    except FileNotFoundError as exc:
        raise ManifestError(f"expected a CSV file of labels, there is no {path}") from exc
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ManifestError(f"{path.name} cannot be read as CSV in UTF-8 ({exc})") from exc


def fit_head(
    workspace: Workspace, labels: Path, *, group: str, precision: float = 0.8, taken: Collection[str] = ()
) -> Fitted:
    """Returns the head learned from a file of labels, registered, and applied to every stored photo.

    A label that asks about people is left out, and the head is learned from the others. The same labels again give the
    same head, and add nothing.

    Args:
        workspace: Locked by the caller.
        labels: CSV file with the columns key and label.
        group: Name of the group that the head gives values of.
        precision: What sure values should reach.
        taken: Names of groups that the taxonomy has.

    Raises:
        InputError: the file, a name or the precision cannot be used; nothing is changed.
        NotEnoughData: the labels do not allow a head; nothing is changed.
    """
    check_names(group, ())
    if group in taken:
        raise InputError(f"--group: the taxonomy has a group {group!r} already: give the head another name")
    wanted = read_head_labels(labels)
    names = sorted({entry.label for entry in wanted})
    refused = refused_names(group, names)
    if len(refused) == len(names):
        check_names(group, names)
    wanted = [entry for entry in wanted if entry.label not in refused]
    rows, left_out = _matched(workspace, wanted)
    if rows.is_empty():
        entry, reason = left_out[0]
        raise NotEnoughData(
            f"{labels.name}: expected keys of photos in the workspace, none of {len(wanted)} can be used: line {entry.line}, "
            f"{entry.key!r} {reason}. A key is a photo's path as `trendloom export tags` writes it"
        )
    examples = Examples(
        embeddings=garment_vectors(rows), labels=rows["label"].to_list(), origins=rows["origin"].to_numpy()
    )
    before = {head.group: head for head in heads_of(workspace)}.get(group)
    model = workspace.meta.model
    if before is not None and before.learned_from == fingerprint(examples, model=model, precision=precision):
        return Fitted(head=before, changed=False, tagged=apply_heads(workspace), left_out=left_out, refused=refused)
    version = before.version + 1 if before is not None else 1
    head = learn_head(examples, group=group, model=model, precision=precision, version=version)
    save_head(workspace.root / _FOLDER, head)
    return Fitted(head=head, changed=True, tagged=apply_heads(workspace), left_out=left_out, refused=refused)


def _matched(workspace: Workspace, wanted: list[Labelled]) -> tuple[pl.DataFrame, tuple[tuple[Labelled, str], ...]]:
    """Returns key, label, vector and origin of the labels that have an embedding, and the others with the reason."""
    asked = pl.DataFrame({"key": [e.key for e in wanted], "label": [e.label for e in wanted]})
    photos = workspace.scan("photos").select("key", "post_id", "sha256", "phash", "colours", "status").collect()
    photos = photos.join(asked, on="key", how="semi").sort("key", "post_id")
    whole = _whole_photos(workspace, asked["key"])
    ok = photos.filter(pl.col("status") == "ok").unique("key", keep="first", maintain_order=True)
    rows = asked.join(whole, on="key").join(ok.select("key", "post_id"), on="key").sort("key")
    copies = copy_groups(
        photos.filter(pl.col("status") == "ok").select("post_id", "sha256", "phash", "colours"), radius=SAME_PHOTO
    )
    rows = rows.join(copies, on="post_id", how="left").with_columns(
        origin=pl.coalesce(pl.concat_str(pl.lit("copies "), "group"), pl.concat_str(pl.lit("post "), "post_id"))
    )
    rows = rows.with_columns(pl.col("origin").rank("dense").cast(pl.Int64)).select("key", "label", "vector", "origin")
    good, status = set(rows["key"]), dict(photos.select("key", "status").iter_rows())
    reasons = [
        (entry, f"is in the workspace as {status[entry.key]}" if entry.key in status else "is not in the workspace")
        for entry in wanted
        if entry.key not in good
    ]
    return rows, tuple(reasons)


def _whole_photos(workspace: Workspace, keys: pl.Series) -> pl.DataFrame:
    """Returns key and vector of whole photos (garment 0)."""
    garments = workspace.scan("garments").filter((pl.col("garment") == 0) & pl.col("key").is_in(keys.implode()))
    return garments.select("key", "vector").unique("key", keep="first").collect()


def heads_of(workspace: Workspace) -> list[Head]:
    """Returns every head of a workspace, by name; also such as were learned for another model.

    Raises:
        ArtifactError: a file is damaged.
    """
    return find_heads(workspace.root / _FOLDER)


def apply_heads(workspace: Workspace) -> int:
    """Tags stored photos that lack a head's tags, removes tags of heads that are gone, and returns the photos tagged.

    A photo is tagged where it shows a garment. Heads of another model than the workspace's are not applied. Done again,
    or after it was stopped anywhere, it leaves the same tags.
    """
    folder = workspace.root / _FOLDER
    if not folder.is_dir():
        return 0
    heads = [head for head in find_heads(folder) if head.model == workspace.meta.model]
    tags = workspace.scan("tags")
    worn = tags.filter(pl.col("group") == "type").select("key").unique()
    stored = tags.filter(pl.col("taxonomy").str.starts_with(_PREFIX)).select("key", "taxonomy").unique().collect()
    tagged = 0
    for head in heads:
        done = stored.filter(pl.col("taxonomy") == head.identity)["key"]
        missing = worn.filter(~pl.col("key").is_in(done.implode())).collect()["key"].sort()
        tagged += missing.len()
        for start in range(0, missing.len(), _AT_ONCE):
            rows = _whole_photos(workspace, missing[start : start + _AT_ONCE]).sort("key")
            workspace.append("tags", _tag_rows(head, rows["key"].to_list(), garment_vectors(rows)))
    kept = {head.identity for head in heads}
    if gone := sorted(set(stored["taxonomy"]) - kept):
        workspace.delete(
            "tags", "taxonomy IN (" + ", ".join("'" + name.replace("'", "''") + "'" for name in gone) + ")"
        )
    return tagged


def _tag_rows(head: Head, keys: list[str], vectors: Floats) -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {
            "key": key,
            "garment": 0,
            "group": tag.group,
            "value": tag.value,
            "value_id": tag.value_id,
            "probability": np.float32(tag.probability),
            "sure": tag.sure,
            "model": head.model,
            "taxonomy": head.identity,
        }
        for key, tag in zip(keys, head.tags(vectors) if keys else [], strict=True)
    ]
    return frame("tags", rows)


def remove_head(workspace: Workspace, group: str) -> None:
    """Removes the head of a group, damaged or not, and all its tags.

    Raises:
        InputError: there is no head of that name.
    """
    names = head_names(workspace.root / _FOLDER)
    if group not in names:
        raise InputError(
            f"expected the name of a head of this workspace, got {group!r}; there: {', '.join(names) or 'none'}"
        )
    head_path(workspace.root / _FOLDER, group).unlink(missing_ok=True)
    apply_heads(workspace)


def tag_counts(workspace: Workspace) -> Counter[tuple[str, bool]]:
    """Returns how many photos have tags of each head, by its identity and whether they are sure."""
    rows = workspace.scan("tags").filter(pl.col("taxonomy").str.starts_with(_PREFIX))
    return Counter({(name, sure): n for name, sure, n in rows.group_by("taxonomy", "sure").len().collect().iter_rows()})
