"""A workspace to another model: every photo is looked at again beside it, and the whole takes its place at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from trendloom.errors import StoreError
from trendloom.pipeline.ingest import Progress, ingest
from trendloom.store import RESULTS, Workspace
from trendloom.types import Encoder, Finder, Item, Source, Tagger

__all__ = ["Reembedded", "reembed"]

_MADE_ANEW = {"tables", "index", "workspace.toml", "workspace.toml.part", "workspace.lock", "secret.key"}
_GONE = "the photo was gone when the workspace was brought to another model"


@dataclass(frozen=True, kw_only=True)
class Reembedded:
    """What came of it.

    Attributes:
        photos: Photos that the new vectors stand for.
        missing: Photos of the workspace that no source gave as they were, in the order of keys.
        done: Whether the workspace holds the new vectors; if not it is as it was, and what was looked at is kept.
    """

    photos: int
    missing: tuple[str, ...]
    done: bool


def reembed(
    root: Path,
    sources: Sequence[Source],
    encoder: Encoder,
    tagger: Tagger,
    *,
    workers: int = 1,
    finder: Finder | None = None,
    drop_missing: bool = False,
    progress: Progress = lambda done, total: None,
) -> Reembedded:
    """Returns what came of looking at every photo of a workspace with another model.

    Killed anywhere, the workspace is whole, and the same call goes on. Posts, looks and their ids stay.

    Args:
        root: The workspace's folder.
        sources: What the photos were ingested from; items that the workspace does not hold are passed by.
        encoder: Makes the new vectors.
        tagger: Makes the new tags.
        workers: Threads.
        finder: Looks for the garments of a photo.
        drop_missing: Goes on without photos that no source gives any more: their rows say so.
        progress: Called with items done and in all, of each source.

    Raises:
        StoreError: there is no workspace, it is the model's already, or it cannot be written.
    """
    root = root.resolve()
    before, beside = root.with_name(f".{root.name}.before"), root.with_name(f".{root.name}.reembed")
    _recover(root, before)
    home = Workspace.open(root)
    if (home.meta.model, home.meta.taxonomy) == (encoder.model, tagger.taxonomy):
        raise StoreError(f"the workspace {root} holds vectors of {encoder.model} already: there is nothing to do")
    with home.writing():
        staged = _stage(home, beside, encoder.model, tagger.taxonomy)
        held = home.read("photos")
        wanted = set(held.select("key", "post_id").iter_rows())
        for source in sources:
            known = _Known(source, wanted)
            ingest(staged, known, encoder, tagger, workers=workers, retry=True, progress=progress, finder=finder)
        missing = _missing(held, staged.read("photos"))
        if missing and not drop_missing:
            return Reembedded(photos=held.height - len(missing), missing=missing, done=False)
        photos = _complete(home, staged, held)
        _take_along(root, beside)
        _exchange(root, beside, before)
    return Reembedded(photos=photos, missing=missing, done=True)


class _Known:
    """The items of a source that a workspace holds."""

    def __init__(self, source: Source, wanted: set[tuple[str, str]]) -> None:
        self._source, self._wanted = source, wanted

    @property
    def place(self) -> str:
        """What was opened."""
        return self._source.place

    @property
    def total(self) -> int:
        """Number of items of the source, those passed by included."""
        return self._source.total

    def items(self) -> Iterator[Item]:
        """Yields every known item once, in the order of the source."""
        return (item for item in self._source.items() if (item.key, item.post.post_id) in self._wanted)


def _stage(home: Workspace, beside: Path, model: str, taxonomy: str) -> Workspace:
    """Returns the new workspace beside the old one, with its key; one that was begun with another model is dropped."""
    try:
        if beside.exists():
            try:
                meta = Workspace.open(beside).meta
                usable = (meta.model, meta.taxonomy) == (model, taxonomy)
            except StoreError:
                usable = False
            if not usable:
                shutil.rmtree(beside)
        if not beside.exists():
            home.secret()
            beside.mkdir()
            shutil.copy2(home.root / "secret.key", beside / "secret.key")
    except OSError as exc:
        raise StoreError(f"{beside} cannot be written ({exc.strerror}): it must lie beside the workspace") from exc
    return Workspace.create(beside, model=model, taxonomy=taxonomy, source=home.meta.source)


def _missing(held: pl.DataFrame, found: pl.DataFrame) -> tuple[str, ...]:
    """Returns the keys of photos that were read before and not now, or that are others now."""
    marks = ["key", "post_id", "sha256"]
    read = held.filter(pl.col("status") == "ok").select(marks)
    now = found.filter(pl.col("status") == "ok").select(marks)
    return tuple(read.join(now, on=marks, how="anti")["key"].unique().sort())


def _complete(home: Workspace, staged: Workspace, held: pl.DataFrame) -> int:
    """Returns the number of photos, after all was taken over that no model made: posts, failures, earlier results."""
    photos = staged.read("photos")
    left = held.join(photos, on=["key", "post_id"], how="anti").with_columns(pl.lit(staged.meta.model).alias("model"))
    gone = pl.col("status") == "ok"
    staged.append(
        "photos",
        left.with_columns(
            pl.when(gone).then(pl.lit(_GONE)).otherwise(pl.col("error")).alias("error"),
            pl.when(gone).then(pl.lit("missing")).otherwise(pl.col("status")).alias("status"),
        ),
    )
    for table in ("posts", *RESULTS, "runs"):
        staged.delete(table, "true")
        staged.append(table, home.read(table))
    staged.compact()
    return photos.filter(pl.col("status") == "ok").height


def _take_along(root: Path, beside: Path) -> None:
    """Copies what else lies in the workspace, such as heads; those of the old model wait to be learned again."""
    try:
        for entry in root.iterdir():
            if entry.name in _MADE_ANEW:
                continue
            if entry.is_dir():
                shutil.copytree(entry, beside / entry.name, dirs_exist_ok=True)
            else:
                shutil.copy2(entry, beside / entry.name)
    except OSError as exc:
        raise StoreError(f"{beside} cannot be written ({exc.strerror}): is the disk full?") from exc


def _exchange(root: Path, beside: Path, before: Path) -> None:
    """Puts the new workspace in the place of the old one: two renames, between which `_recover` undoes the first."""
    try:
        root.rename(before)
        beside.rename(root)
        shutil.rmtree(before)
    except OSError as exc:
        _recover(root, before)
        raise StoreError(f"{root} cannot be replaced ({exc.strerror}): does another program hold it open?") from exc


def _recover(root: Path, before: Path) -> None:
    """Undoes the first half of an exchange that was cut short, or finishes the second."""
    if before.exists() and not root.exists():
        before.rename(root)
    shutil.rmtree(before, ignore_errors=True)
