"""`python benchmarks/looks.py [--count N]`: garments to looks: seconds, memory, recall of the graph, and whether groups are found.

Vectors are drawn: unequal groups around random centres in 32 dimensions, turned into 256 and with noise on every one.
Each part is timed as the pipeline runs it, and the recall is that of the neighbours of 2,000 rows against exact search.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from trendloom.index import neighbours
from trendloom.looks import assign, assignment_cuts, centroids, communities, exemplars, fineness, merge_alike
from trendloom.types import Floats

K, DIM, LATENT = 15, 256, 32


def draw(count: int, groups: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    weight = np.exp(rng.normal(0, 1, groups))
    label = rng.choice(groups, size=count, p=weight / weight.sum()).astype(np.int64)
    centre = rng.normal(size=(groups, LATENT)).astype(np.float32)
    turn = rng.normal(size=(LATENT, DIM)).astype(np.float32) / np.sqrt(np.float32(LATENT))
    rows = np.empty((count, DIM), dtype=np.float32)
    for start in range(0, count, 50_000):
        block = label[start : start + 50_000]
        latent = centre[block] + 0.55 * rng.normal(size=(len(block), LATENT)).astype(np.float32)
        rows[start : start + 50_000] = latent @ turn + 0.3 * rng.normal(size=(len(block), DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, label


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {what} | {time.perf_counter() - wall:,.1f} | {time.process_time() - cpu:,.1f} | {peak:.2f} |", flush=True)


def recall(vectors: Floats, found: NDArray[np.int64], seed: int, queries: int = 2_000) -> float:
    rows = np.random.default_rng(seed).choice(len(vectors), size=min(queries, len(vectors)), replace=False)
    right = 0
    for start in range(0, len(rows), 200):
        some = rows[start : start + 200]
        cosine = vectors[some] @ vectors.T
        cosine[np.arange(len(some)), some] = -2
        exact = np.argpartition(-cosine, K, axis=1)[:, :K]
        right += sum(len(np.intersect1d(a, b)) for a, b in zip(exact, found[some], strict=True))
    return right / (len(rows) * K)


def rand(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Returns the adjusted Rand index (Hubert and Arabie 1985); rows without a look are groups of their own."""
    one = np.where(one < 0, one.max() + 1 + np.arange(len(one)), one)

    def pairs(codes: NDArray[np.int64]) -> float:
        size = np.unique(codes, return_counts=True)[1].astype(np.float64)
        return float((size * (size - 1) / 2).sum())

    both, a, b = pairs(one * (int(other.max()) + 1) + other), pairs(one), pairs(other)
    chance = a * b / (len(one) * (len(one) - 1) / 2)
    return (both - chance) / ((a + b) / 2 - chance)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="garments")
    parser.add_argument("--groups", type=int, default=0, help="planted groups; by default one for 200 garments")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    groups = args.groups or max(2, args.count // 200)
    print(
        f"{args.count:,} garments x {DIM}, {groups:,} groups, seed {args.seed}, {args.threads} threads, {platform.machine()}"
    )
    print("| part | seconds | CPU seconds | peak memory so far, GiB |\n| --- | --- | --- | --- |")
    with timed("drawing (not part of the work)"):
        vectors, truth = draw(args.count, groups, args.seed)
    start, cpu = time.perf_counter(), time.process_time()
    with timed("neighbours"):
        near, cosines = neighbours(vectors, K, threads=args.threads)
    with timed("communities"):
        pieces = communities(near, cosines, resolution=fineness(args.count), min_size=5)
    with timed("joining"):
        labels = merge_alike(vectors, pieces)
    with timed("centres, cuts, photos, assignment of a tenth"):
        centres = centroids(vectors, labels)
        cuts = assignment_cuts(vectors, labels, centres)
        exemplars(vectors, labels, centres, np.arange(args.count) % 5_000, count=24)
        again = assign(vectors[: args.count // 10], centres, cuts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| all | {time.perf_counter() - start:,.1f} | {time.process_time() - cpu:,.1f} | {peak:.2f} |")
    kept = again >= 0
    print(f"recall of the {K} neighbours {recall(vectors, near, args.seed):.3f}")
    print(
        f"{int(pieces.max()) + 1:,} pieces, {int(labels.max()) + 1:,} looks, {np.mean(labels < 0):.3f} in none, "
        f"adjusted Rand index {rand(labels, truth):.3f} (pieces {rand(pieces, truth):.3f}), "
        f"assigned to their own look {np.mean(again[kept] == labels[: len(again)][kept]):.3f}"
    )


if __name__ == "__main__":
    main()
