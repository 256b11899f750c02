"""Rows to one output file, in parts: bounded in memory, resumed after a kill, complete or absent."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from trendloom.errors import InputError

__all__ = [
    "ENDINGS",
    "PartWriter",
    "check_apart",
    "check_ending",
    "escape_formulas",
    "no_formula",
    "plain",
    "whole",
    "write_table",
]

ENDINGS = (".parquet", ".csv", ".jsonl")
_XLSX_ROWS = 1_048_575
_FORMULA = r"^[=+\-@\t\r]"
_LOCK = "lock"


def check_ending(path: Path, allowed: Iterable[str] = ENDINGS, *, option: str = "--output") -> None:
    """Raises InputError unless `path` can be written and ends in one of `allowed`."""
    endings = tuple(allowed)
    if path.suffix.lower() not in endings:
        raise InputError(f"{option}: expected a file ending in {', '.join(endings)}, got {path.name!r}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{option}: expected a file in a folder that is there, got {path}")


def check_apart(outputs: Iterable[Path], inputs: Sequence[Path], *, option: str = "--output") -> None:
    """Raises InputError where an output is one of the files that are read."""
    for path in outputs:
        if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
            raise InputError(f"{option}: expected another file than those that are read, got {path}: name another")


def escape_formulas(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Returns rows whose text cells a spreadsheet takes as text: a quote before a leading = + - @ tab or return."""
    texts = [name for name, kind in rows.collect_schema().items() if kind == pl.String]
    risky = [
        pl.when(pl.col(c).str.contains(_FORMULA)).then("'" + pl.col(c)).otherwise(pl.col(c)).alias(c) for c in texts
    ]
    return rows.with_columns(risky) if risky else rows


def no_formula(text: str) -> str:
    """Returns a text that a spreadsheet takes as text, as `escape_formulas` does."""
    return f"'{text}" if re.match(_FORMULA, text) else text


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a name beside `path` to write to; `path` is then that file, or as it was where the block fails."""
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_table(rows: pl.LazyFrame, path: Path) -> None:
    """Writes rows to a .parquet, .csv, .jsonl or .xlsx file; the file is whole or not there.

    Raises:
        InputError: Another ending, or the file cannot be written.
    """
    try:
        with whole(path) as part:
            _write(rows, part)
    except (OSError, pl.exceptions.ComputeError) as exc:
        raise InputError(f"{path} cannot be written ({exc})") from exc


def _write(rows: pl.LazyFrame, path: Path) -> None:
    match path.suffix.lower():
        case ".parquet":
            rows.sink_parquet(path)
        case ".csv":
            escape_formulas(_flat(rows)).sink_csv(path)
        case ".jsonl":
            rows.sink_ndjson(path)
        case ".xlsx":
            table = escape_formulas(_flat(rows)).collect()
            if table.height > _XLSX_ROWS:
                raise InputError(
                    f"an .xlsx sheet holds {_XLSX_ROWS:,} rows, this table has {table.height:,}: write .csv or .parquet"
                )
            # as they are: three decimals would show a small q as 0
            table.write_excel(path, dtype_formats={pl.Float64: "General", pl.Float32: "General"})
        case other:
            raise InputError(f"expected a file ending in .parquet, .csv, .jsonl or .xlsx, got {other!r}")


def _flat(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Returns rows without nested cells: lists become JSON text, moments ISO 8601."""
    schema = rows.collect_schema()
    lists = [
        pl.format("[{}]", pl.col(c).cast(pl.List(pl.String)).list.join(",")).alias(c)
        for c, kind in schema.items()
        if isinstance(kind, pl.List)
    ]
    moments = [
        pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias(c)
        for c, kind in schema.items()
        if isinstance(kind, pl.Datetime)
    ]
    return rows.with_columns(lists + moments) if lists or moments else rows


class PartWriter:
    """Collects frames in `OUT.parts/`; `finish` joins them to OUT. A new writer for the same job goes on from the parts.

    The parts are this writer's alone from the beginning of a `with` block to its end.

    Args:
        path: The output.
        job: What is done, and to what: parts of another job are dropped.
        rows_per_part: Rows that wait in memory at most.

    Raises:
        InputError: The output cannot be written, another program writes it, or something else is where its parts go.
    """

    def __init__(self, path: Path, job: Mapping[str, object], *, rows_per_part: int = 50_000) -> None:
        check_ending(path)
        self._path, self._limit = path, rows_per_part
        self._folder = path.with_name(path.name + ".parts")
        self._lock, self._note = FileLock(self._folder / _LOCK), self._folder / "job"
        self._waiting: list[pl.DataFrame] = []
        self._stamp = hashlib.sha256(json.dumps(job, sort_keys=True, default=str).encode()).hexdigest()
        self._count = 0

    def __enter__(self) -> PartWriter:
        """Returns this writer, with the parts of its job."""
        try:
            self._folder.mkdir(exist_ok=True)
            if self._others() and not self._note.exists():
                raise InputError(
                    f"{self._folder} is in the way of {self._path.name}: remove it, or name another --output"
                )
            self._lock.acquire(timeout=0)
            self._take_over()
        except Timeout as exc:
            raise InputError(
                f"{self._path} is being written by another command: wait for it to end, or name another --output"
            ) from exc
        except OSError as exc:
            raise InputError(f"{self._path} cannot be written ({exc.strerror})") from exc
        self._count = len(self._parts())
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go of the parts; what was made safe stays."""
        if not self._parts():
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()

    def _take_over(self) -> None:
        """Leaves the parts of this job alone in the folder."""
        others = self._others()
        if others and self._note.read_text(encoding="utf-8") != self._stamp:
            for file in sorted(others, key=lambda one: one == self._note):  # last: it says that the others are ours
                file.unlink()
        self._note.write_text(self._stamp, encoding="utf-8")

    def _others(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if file.name != _LOCK]

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"))

    def done(self) -> dict[str, str]:
        """Returns the keys that finished parts hold, each with its status: `ok` where one of its rows is."""
        parts = self._parts()
        if not parts:
            return {}
        rows = pl.scan_parquet(parts).select("key", "status").unique().collect()
        return dict(rows.sort(pl.col("status") == "ok").iter_rows())  # the last row of a key counts

    def add(self, rows: pl.DataFrame) -> None:
        """Takes the rows of whole items; they are safe once their part is full."""
        self._waiting.append(rows)
        if sum(f.height for f in self._waiting) >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Makes what was added safe."""
        if not self._waiting:
            return
        name = f"{self._count:06d}"
        part = self._folder / f"{name}.part"
        try:
            pl.concat(self._waiting).write_parquet(part)
            part.replace(self._folder / f"{name}.parquet")
        except OSError as exc:
            raise InputError(f"{self._path} cannot be written ({exc})") from exc
        self._count += 1
        self._waiting = []

    def finish(self, empty: pl.DataFrame) -> None:
        """Writes the output from all parts and removes them; `empty` gives the columns where there is no row."""
        self.flush()
        parts = self._parts()
        write_table(pl.scan_parquet(parts) if parts else empty.lazy(), self._path)
        shutil.rmtree(self._folder)


def plain(value: object) -> object:
    """Returns a value with NaN as None, as JSON has none."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
