"""A workspace: a folder of Delta Lake tables that is either before or after a commit, never between."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from filelock import FileLock, Timeout

from trendloom.errors import StoreError, WorkspaceBusy
from trendloom.store.tables import RESULTS, TABLES, frame

__all__ = ["SCHEMA_VERSION", "Meta", "Workspace"]

SCHEMA_VERSION = 1
_KEPT_RUNS = 2  # the run before the current one stays, for readers that are still at it
_BEFORE_META = {
    "workspace.lock",
    "secret.key",
    "secret.key.part",
    "workspace.toml.part",
}  # what a killed first run leaves
_COMPACT_AFTER = 64  # files of one table
_PROBED_S = 2.0  # seconds a writer waits for the lock, which a question whether one is writing holds for a moment
_REPLACED_H = 1  # hours that replaced files stay, for readers that are still at them


@dataclass(frozen=True, kw_only=True)
class Meta:
    """`workspace.toml`: what this workspace is.

    Attributes:
        schema: Version of the tables.
        model: Name and version of the model whose vectors it holds.
        taxonomy: Name and version of the taxonomy of its tags.
        source: Folder that the photos came from, for showing them.
    """

    schema: int
    model: str
    taxonomy: str
    source: str


class Workspace:
    """Tables, key and lock of one workspace folder; open it with `open` or `create`."""

    def __init__(self, root: Path, meta: Meta) -> None:
        self.root = root
        self.meta = meta
        self._key: bytes | None = None
        self._versions: dict[str, tuple[tuple[int, int], int]] = {}  # by table: state of its log, version
        self._current: tuple[int, str | None] = (-2, None)  # version of `runs`, its last run

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Returns the workspace in `root`.

        Raises:
            StoreError: There is none, it is damaged, or a newer version made it.
        """
        path = root / "workspace.toml"
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
            meta = Meta(**{name: fields[name] for name in Meta.__dataclass_fields__})
        except FileNotFoundError as exc:
            raise StoreError(
                f"expected a workspace in {root}, found none: make one with `trendloom run SRC --workspace {root}`"
            ) from exc
        except (OSError, tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as exc:
            raise StoreError(
                f"workspace.toml in {root} cannot be read ({exc}): restore it or start a new workspace"
            ) from exc
        if meta.schema != SCHEMA_VERSION:
            raise StoreError(
                f"the workspace {root} has schema version {meta.schema}, this trendloom reads version {SCHEMA_VERSION}: "
                "upgrade trendloom, or start a new workspace"
            )
        return cls(root, meta)

    @classmethod
    def create(cls, root: Path, *, model: str, taxonomy: str, source: str) -> Workspace:
        """Returns the workspace in `root`, made if it is not there.

        Raises:
            StoreError: It cannot be written, or holds vectors of another model.
        """
        if (root / "workspace.toml").exists():
            found = cls.open(root)
            for what, has, wants in (("model", found.meta.model, model), ("taxonomy", found.meta.taxonomy, taxonomy)):
                if has != wants:
                    raise StoreError(
                        f"the workspace {root} was made with {what} {has}, not {wants}: mixing them would look like a trend. "
                        f"Bring all of it to the new one with `trendloom reembed --workspace {root} --model {model.split(maxsplit=1)[0]}`, "
                        f"start a new workspace, or give the {what} it was made with"
                    )
            if source and source != found.meta.source:
                found.meta = Meta(**{**asdict(found.meta), "source": source})
                found._write_meta()
            return found
        if root.exists() and (not root.is_dir() or any(p.name not in _BEFORE_META for p in root.iterdir())):
            raise StoreError(f"{root} is not empty and not a workspace: name another folder")
        made = cls(root, Meta(schema=SCHEMA_VERSION, model=model, taxonomy=taxonomy, source=source))
        try:
            root.mkdir(parents=True, exist_ok=True)
            made.secret()
            made._write_meta()
        except OSError as exc:
            raise StoreError(
                f"the workspace {root} cannot be written ({exc.strerror}): choose a folder that you may write"
            ) from exc
        return made

    def _write_meta(self) -> None:
        quoted = {
            k: v if isinstance(v, int) else '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for k, v in asdict(self.meta).items()
        }
        part = self.root / "workspace.toml.part"
        part.write_text("".join(f"{k} = {v}\n" for k, v in quoted.items()), encoding="utf-8")
        part.replace(self.root / "workspace.toml")

    # ---- authors

    def secret(self) -> bytes:
        """Returns the key of this workspace's author hashes, made on first use, readable by its owner alone."""
        path = self.root / "secret.key"
        if self._key is None:
            if not path.exists():
                part = self.root / "secret.key.part"
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(32))
                part.replace(path)
            self._key = path.read_bytes()
            if len(self._key) != 32:
                raise StoreError(
                    f"secret.key in {self.root} is damaged: restore it; without it new posts would get other author hashes"
                )
        return self._key

    def author_hash(self, author: str | None) -> str | None:
        """Returns the keyed hash (HMAC-SHA256, 128 bits) of an author's name or id; None of None."""
        if author is None:
            return None
        return hmac.new(self.secret(), author.encode(), hashlib.sha256).hexdigest()[:32]

    # ---- one writer

    @contextmanager
    def writing(self, *, patience: float = _PROBED_S) -> Iterator[None]:
        """Holds the workspace's lock; the system lets go of it when the process dies.

        Waits `patience` seconds for it, since whoever asks whether a run is writing holds it for a moment.

        Raises:
            WorkspaceBusy: Another process holds it.
            StoreError: The folder cannot be written.
        """
        lock = FileLock(self.root / "workspace.lock")
        try:
            lock.acquire(timeout=patience)
        except Timeout as exc:
            raise WorkspaceBusy(
                f"another run is writing the workspace {self.root}: wait for it to end, or name another workspace"
            ) from exc
        except OSError as exc:
            raise StoreError(
                f"the workspace {self.root} cannot be written ({exc.strerror}): choose a folder that you may write"
            ) from exc
        try:
            yield
        finally:
            lock.release()

    def busy(self) -> bool:
        """Returns whether a run is writing now."""
        try:
            with self.writing(patience=0):
                return False
        except StoreError:
            return True

    # ---- tables

    def _path(self, name: str) -> str:
        return str(self.root / "tables" / name)

    def version(self, name: str) -> int:
        """Returns the number of the table's last commit, -1 where there is none; cheap while nothing was committed."""
        log = Path(self._path(name)) / "_delta_log"
        try:
            state = (log.stat().st_mtime_ns, len(os.listdir(log)))  # two commits may share a tick of the clock
            known = self._versions.get(name)
            if known is None or known[0] != state:
                known = self._versions[name] = (state, DeltaTable(self._path(name)).version())
            return known[1]
        except (FileNotFoundError, TableNotFoundError):
            return -1
        except (DeltaError, OSError) as exc:
            raise StoreError(f"table {name} of {self.root} cannot be read ({exc})") from exc

    def scan(self, name: str) -> pl.LazyFrame:
        """Returns a lazy snapshot of a table, empty where nothing was committed yet."""
        try:
            table = DeltaTable(self._path(name))
        except TableNotFoundError:
            return pl.LazyFrame(schema=TABLES[name])
        except (DeltaError, OSError) as exc:
            raise StoreError(f"table {name} of {self.root} cannot be read ({exc})") from exc
        rows = pl.scan_delta(table)
        there = rows.collect_schema()
        absent = [
            pl.lit(None, dtype=kind).alias(column) for column, kind in TABLES[name].items() if column not in there
        ]
        return rows.with_columns(absent) if absent else rows  # columns that came after the table was made are null

    def read(self, name: str) -> pl.DataFrame:
        """Returns a snapshot of a table."""
        try:
            return self.scan(name).collect()
        except (pl.exceptions.PolarsError, OSError) as exc:
            raise StoreError(f"table {name} of {self.root} cannot be read ({exc})") from exc

    def append(self, name: str, rows: pl.DataFrame) -> None:
        """Commits `rows` to a table at once, or not at all."""
        if rows.height:
            self._write(name, rows, mode="append")

    def _write(self, name: str, rows: pl.DataFrame, **how: str) -> None:
        try:
            # a table made before a column came gets it with its next rows
            write_deltalake(self._path(name), frame(name, rows), schema_mode="merge", **how)  # type: ignore[call-overload]  # mode and predicate
        except (DeltaError, OSError) as exc:
            raise StoreError(f"table {name} of {self.root} cannot be written ({exc}): is the disk full?") from exc

    def delete(self, name: str, predicate: str) -> None:
        """Deletes the rows for which the SQL `predicate` holds, in one commit."""
        if self.version(name) < 0:
            return
        try:
            DeltaTable(self._path(name)).delete(predicate)
        except (DeltaError, OSError) as exc:
            raise StoreError(f"table {name} of {self.root} cannot be written ({exc})") from exc

    def compact(self) -> None:
        """Joins the many small files that batches leave, removes what was replaced before; readers notice nothing."""
        for name in TABLES:
            if self.version(name) < 0:
                continue
            table = DeltaTable(self._path(name))
            if len(table.file_uris()) > _COMPACT_AFTER:
                table.optimize.compact()
                table.create_checkpoint()
            if table.vacuum(
                _REPLACED_H, enforce_retention_duration=False
            ):  # only asks: a removal is a version of its own
                table.vacuum(_REPLACED_H, enforce_retention_duration=False, dry_run=False)

    # ---- results of runs

    def last_run(self) -> pl.DataFrame:
        """Returns the row of `runs` whose result readers see; no row where nothing was studied yet."""
        return self.read("runs").sort("finished_at").tail(1)

    def current_run(self) -> str | None:
        """Returns the id of the last complete study."""
        version = self.version("runs")
        if self._current[0] != version:
            last = self.last_run()
            self._current = (version, None if last.is_empty() else str(last["run"][0]))
        return self._current[1]

    def result(self, name: str, run: str | None = None) -> pl.DataFrame:
        """Returns the rows of a result table that belong to `run`, by default the current one, without that column."""
        wanted = run or self.current_run()
        rows = self.scan(name).filter(pl.col("run") == wanted) if wanted else pl.LazyFrame(schema=TABLES[name])
        return rows.drop("run").collect()

    def publish(self, run: pl.DataFrame, results: dict[str, pl.DataFrame]) -> None:
        """Writes a study's tables, then the row of `runs` that makes readers see them; drops runs before the last two.

        Killed anywhere, the run before stays current, and doing it again gives the same rows.
        """
        name = str(run["run"][0])
        for table in RESULTS:
            rows = results[table].with_columns(pl.lit(name).alias("run"))
            if self.version(table) < 0:
                self._write(table, rows, mode="append")
            else:
                self._write(table, rows, mode="overwrite", predicate=f"run = '{name}'")
        self._write("runs", run, mode="append")
        runs = (
            self.read("runs").sort("finished_at").unique("run", keep="last", maintain_order=True)
        )  # one may come back
        kept = runs["run"][-_KEPT_RUNS:].to_list()
        for table in RESULTS:
            self.delete(table, "run NOT IN (" + ", ".join(f"'{r}'" for r in kept) + ")")
