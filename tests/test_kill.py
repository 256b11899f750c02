"""A run that is killed and run again leaves the same tables as one clean run."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.dumps import make_dump, tables
from trendloom.index import VectorIndex
from trendloom.pipeline.indexing import vector_index
from trendloom.store import Workspace

ROOT = Path(__file__).parents[1]
BATCH = 64
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}


def drive(dump: Path, root: Path, *, die_at: int = 0, timeout: float | None = None) -> int:
    command = [sys.executable, "-m", "tests.drive_run", str(dump), str(root), str(die_at), str(BATCH)]
    process = subprocess.Popen(command, env=ENV, cwd=ROOT)
    try:
        return process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump"), weeks=78, per_week=8)


@pytest.fixture(scope="module")
def clean(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clean") / "w"
    assert drive(dump, root) == 0
    return root


def same(root: Path, clean: Path) -> None:
    found, wanted = tables(root), tables(clean)
    # every workspace hashes authors with a key of its own
    for name in wanted:
        assert found[name] == wanted[name], name
    index = VectorIndex.load(root / "index")
    assert len(index) == len(VectorIndex.load(clean / "index"))
    home = Workspace.open(root)
    assert index.stamp == f"hist 1:{home.version('garments')}:{home.version('photos')}"


def seeded(root: Path, clean: Path) -> Path:
    """A new workspace folder with the clean one's key, so that hashes can be compared."""
    root.mkdir()
    shutil.copy(clean / "secret.key", root / "secret.key")
    return root


@pytest.mark.parametrize("trial", range(10))
def test_killed_at_a_random_write(trial: int, dump: Path, clean: Path, tmp_path: Path) -> None:
    root = seeded(tmp_path / "w", clean)
    write = int(np.random.default_rng(trial).integers(1, 55))  # a whole run writes 57 times
    assert drive(dump, root, die_at=write) == -signal.SIGKILL
    assert drive(dump, root) == 0
    same(root, clean)


def test_killed_again_and_again_at_random_moments(dump: Path, clean: Path, tmp_path: Path) -> None:
    root = seeded(tmp_path / "w", clean)
    rng = np.random.default_rng(1)
    for _ in range(4):
        drive(dump, root, timeout=float(rng.uniform(0.8, 4.0)))
    assert drive(dump, root) == 0
    same(root, clean)


def test_a_second_run_adds_nothing(dump: Path, clean: Path) -> None:
    before = tables(clean)
    versions = {name: Workspace.open(clean).version(name) for name in ("photos", "garments", "tags", "posts", "trends")}
    assert drive(dump, clean) == 0
    assert tables(clean) == before
    assert versions == {name: Workspace.open(clean).version(name) for name in versions}


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "meta"])
def test_a_damaged_index_is_rebuilt(harm: str, clean: Path, tmp_path: Path) -> None:
    shutil.copytree(clean, tmp_path / "w")
    folder = tmp_path / "w" / "index"
    vectors, names = next(folder.glob("vectors-*")), next(folder.glob("names-*"))
    raw = vectors.read_bytes()
    match harm:
        case "cut":
            vectors.write_bytes(raw[: len(raw) // 2])
        case "flip":
            vectors.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
        case "gone":
            names.unlink()
        case "meta":
            (folder / "index.json").write_text("{")
    rebuilt = vector_index(Workspace.open(tmp_path / "w"))
    whole = VectorIndex.load(clean / "index")
    query = np.eye(32, dtype=np.float32)[:3]
    assert rebuilt.search(query, 5) == whole.search(query, 5)
    assert len(VectorIndex.load(folder)) == len(whole)
