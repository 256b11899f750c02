"""`python benchmarks/search.py [--counts 10000,100000,1000000]`: is what is found the nearest, how fast, at what cost?

Vectors are drawn: unequal groups around random centres in 32 dimensions, turned into 256, with noise on every one.
Queries are of three kinds: near to a stored vector (a photo), the same moved away from all of them (words: towers put
texts and photos apart), and directions at random (the worst there is). Recall is the share of the ten nearest, by exact
comparison in single precision, that are found. One thread; each search is timed alone in CPU time, on the index that
was written and opened again.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.index import VectorIndex, sample_size
from trendloom.types import Floats

DIM, LATENT, K = 256, 32, 10
BLOCK = 50_000


class Drawn:
    """Vectors of a seed, block by block, the same each time."""

    def __init__(self, count: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        groups = max(2, count // 200)
        weight = np.exp(rng.normal(0, 1, groups))
        self.count, self.seed = count, seed
        self.share = weight / weight.sum()
        self.centre = rng.normal(size=(groups, LATENT)).astype(np.float32)
        self.turn = rng.normal(size=(LATENT, DIM)).astype(np.float32) / np.sqrt(np.float32(LATENT))

    def blocks(self) -> Iterator[Floats]:
        """Yields all vectors in order."""
        for start in range(0, self.count, BLOCK):
            yield self.rows(min(BLOCK, self.count - start), self.seed + 1 + start)

    def rows(self, count: int, seed: int) -> Floats:
        """Returns so many vectors of this make, (count, DIM)."""
        rng = np.random.default_rng(seed)
        label = rng.choice(len(self.share), size=count, p=self.share)
        latent = self.centre[label] + 0.55 * rng.normal(size=(count, LATENT)).astype(np.float32)
        return unit(latent @ self.turn + 0.3 * rng.normal(size=(count, DIM)).astype(np.float32))


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def make_queries(drawn: Drawn, count: int) -> dict[str, Floats]:
    rng = np.random.default_rng(99)
    photos = drawn.rows(count, 77)
    away = unit(rng.normal(size=(1, DIM)).astype(np.float32))
    return {
        "like a photo": photos,
        "like words": unit(0.3 * photos + 0.95 * away),
        "at random": unit(rng.normal(size=(count, DIM)).astype(np.float32)),
    }


def nearest(drawn: Drawn, queries: Floats, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Returns the ids of the ten nearest by exact comparison, (n, 10), -1 where fewer are allowed."""
    best = np.full((len(queries), K), -2, dtype=np.float32)
    ids = np.full((len(queries), K), -1, dtype=np.int64)
    start = 0
    for block in drawn.blocks():
        cosine = queries @ block.T
        if allowed is not None:
            cosine[:, ~allowed[start : start + len(block)]] = -2
        both = np.concatenate([best, cosine], axis=1)
        places = np.argpartition(-both, K, axis=1)[:, :K]
        known = np.concatenate([ids, np.tile(np.arange(start, start + len(block)), (len(queries), 1))], axis=1)
        best, ids = np.take_along_axis(both, places, axis=1), np.take_along_axis(known, places, axis=1)
        start += len(block)
    ids[best < -1] = -1
    return ids


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(index: VectorIndex, queries: Floats, wanted: NDArray[np.int64], allowed: NDArray[np.bool_] | None) -> str:
    took, right, there = [], 0, int((wanted >= 0).sum())
    for n in range(len(queries)):
        begun = time.process_time()
        found = index.search(queries[n : n + 1], K, allowed=allowed)[0]
        took.append(1000 * (time.process_time() - begun))
        right += len({at for at, _ in found} & set(wanted[n].tolist()))
    median, late = np.quantile(took, [0.5, 0.95])
    return f"{right / there:.3f} | {median:.1f} | {late:.1f} |"


def build(count: int, folder: Path) -> None:
    """Builds an index, changes it, and says what that cost."""
    drawn = Drawn(count)
    names = pl.DataFrame({"key": [f"images/{n:08d}.jpg" for n in range(count)]})
    begun = time.process_time()
    sample = drawn.rows(sample_size(count), 5)  # of the same make as the vectors themselves
    drawing = time.process_time()
    for _ in drawn.blocks():
        pass
    drawing = time.process_time() - drawing
    begun = time.process_time()
    index = VectorIndex.build(drawn.blocks(), names, sample=sample)
    built = time.process_time() - begun - drawing
    begun = time.process_time()
    index.save(folder)
    saved, peak = time.process_time() - begun, peak_gib()
    size = sum(path.stat().st_size for path in folder.iterdir())
    begun = time.process_time()
    changed = VectorIndex.load(folder, mapped=False)
    more = pl.DataFrame({"key": [f"more/{n}.jpg" for n in range(1_000)]})
    changed.add(drawn.rows(1_000, 3), more)
    changed.remove(np.arange(count, count + 1_000))
    changed.save(folder)
    print(
        f"| {count:,} | {index.lists:,} | {built:.1f} | {saved:.1f} | {time.process_time() - begun:.1f} | "
        f"{size / count:.0f} | {peak:.2f} |",
        flush=True,
    )


def search(count: int, folder: Path, asked: int) -> None:
    """Opens the index and measures searches."""
    drawn, rng = Drawn(count), np.random.default_rng(4)
    begun = time.process_time()
    index = VectorIndex.load(folder)
    opened, peak = 1000 * (time.process_time() - begun), peak_gib()
    queries = make_queries(drawn, asked)
    for share in (1.0, 0.3, 0.01, 0.0001):
        allowed = None if share == 1 else rng.random(index.room) < share
        if allowed is not None:
            allowed[count:] = False
        said = "all" if share == 1 else f"{100 * share:g} %"
        for kind, rows in queries.items():
            wanted = nearest(drawn, rows, allowed)
            print(f"| {count:,} | {said} | {kind} | {measure(index, rows, wanted, allowed)}", flush=True)
    print(f"| {count:,} | opened in {opened:.0f} ms CPU, peak memory then {peak:.2f} GiB | | | | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="10000,100000,1000000")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--part", choices=("build", "search"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    counts = [int(count) for count in args.counts.split(",")]
    if args.part:
        faiss.omp_set_num_threads(1)
        (build(counts[0], args.folder) if args.part == "build" else search(counts[0], args.folder, args.queries))
        return
    print(
        f"vectors x {DIM}, {args.queries} queries of a kind, one thread, {platform.machine()}, faiss {faiss.__version__}"
    )
    heads = {
        "build": "| vectors | lists | built, CPU s | saved and read back, CPU s | opened, 1,000 added and removed, saved, CPU s "
        "| bytes a vector | peak GiB |\n" + "| --- " * 7 + "|",
        "search": "| vectors | pass the filter | queries | recall of 10 | ms median | ms p95 |\n" + "| --- " * 6 + "|",
    }
    with tempfile.TemporaryDirectory() as name:
        for part, head in heads.items():
            print(head, flush=True)
            for count in counts:  # each in a process of its own, so that memory is its own
                command = [sys.executable, __file__, "--part", part, "--counts", str(count)]
                command += ["--queries", str(args.queries), "--folder", f"{name}/{count}"]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
