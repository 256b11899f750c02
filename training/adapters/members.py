"""Members of tar shards, grouped by the photo that they belong to."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.adapters.samples import Skipped, is_photo
from trendloom.errors import InputError
from trendloom.photos import MAX_BYTES

__all__ = ["Group", "groups", "shards_of"]

TEXT_BYTES = 2**20
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The files of one photo: the photo itself and the texts beside it, by their endings."""

    id: str
    place: str
    photo: bytes
    texts: dict[str, bytes]


def shards_of(path: Path) -> list[Path]:
    """The shards of a folder in the order of their names, or the one shard that is named.

    Raises:
        InputError: There is none.
    """
    found = [path] if path.is_file() else sorted(p for p in path.glob("*.tar*") if p.suffix in (".tar", ".gz", ".tgz"))
    if not found:
        raise InputError(f"expected tar shards in {path}, found none: correct `path` of the source")
    return found


def groups(shard: Path, endings: tuple[str, ...]) -> Iterator[Group | Skipped]:
    """The photos of a shard with the texts of these endings; a damaged shard gives what stands before the damage."""
    try:
        tar = tarfile.open(shard)  # noqa: SIM115  closed below; opening has its own message
    except BROKEN as exc:
        yield Skipped(
            kind="shard", place=str(shard), message=f"expected a tar file, which this is not ({exc}): left out"
        )
        return
    with tar:
        found: dict[str, dict[str, tarfile.TarInfo]] = {}
        damage = collect(tar, found)
        for stem, parts in found.items():
            yield read_group(tar, shard, stem, parts, endings)
        damage = damage or unfinished(shard, tar.offset)
        if damage:
            yield Skipped(kind="shard", place=str(shard), message=f"{damage}: {len(found)} photos before it were read; "
                          "get the shard anew for the rest")  # fmt: skip


def collect(tar: tarfile.TarFile, found: dict[str, dict[str, tarfile.TarInfo]]) -> str | None:
    """Put the shard's members into `found` by stem and ending; what stopped that, if anything did."""
    last = "the start"
    while True:
        try:
            member = tar.next()
        except BROKEN as exc:
            return f"the shard is damaged after {last} ({exc})"
        if member is None:
            return None
        last = member.name
        stem, _, ending = member.name.rpartition(".")
        if member.isfile() and stem:
            found.setdefault(stem, {})[ending.lower()] = member


def unfinished(shard: Path, offset: int) -> str | None:
    """What is wrong with the end of an uncompressed shard, where the reader stops without a word."""
    with shard.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return None
        file.seek(offset)
        block = file.read(512)
    if not block:
        return f"the shard ends at byte {offset:,} without its end mark"
    return f"the shard is damaged at byte {offset:,}" if block.strip(b"\0") else None


def read_group(
    tar: tarfile.TarFile, shard: Path, stem: str, parts: dict[str, tarfile.TarInfo], endings: tuple[str, ...]
) -> Group | Skipped:
    """The files of one photo, or why they are left out."""
    place = f"{shard}, member {stem}"
    photos = [ending for ending in parts if is_photo(f"x.{ending}")]
    if not photos:
        return Skipped(
            kind="photo", place=place, message=f"expected a photo beside .{', .'.join(sorted(parts))}: left out"
        )
    wanted = {ending: parts[ending] for ending in endings if ending in parts}
    large = [
        m.name for m in (parts[photos[0]], *wanted.values()) if m.size > (MAX_BYTES if is_photo(m.name) else TEXT_BYTES)
    ]
    if large:
        return Skipped(kind="photo", place=place, message=f"{large[0]} is larger than such a file may be: left out")
    try:
        texts = {ending: whole(tar, member) for ending, member in wanted.items()}
        return Group(
            id=stem, place=f"{shard}, member {stem}.{photos[0]}", photo=whole(tar, parts[photos[0]]), texts=texts
        )
    except BROKEN as exc:
        return Skipped(kind="photo", place=place, message=f"the member cannot be read ({exc}): left out")


def whole(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A member's bytes; fails if the shard ends before they do."""
    file = tar.extractfile(member)
    data = file.read() if file else b""
    if len(data) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return data
