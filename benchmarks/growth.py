"""What does one more photo cost as a workspace grows: CPU time to commit it, bytes to keep it; and how soon is there news?

    python -m benchmarks.growth [--most 100000]

Vectors and tags are simulated (random unit vectors of 256 dimensions, 3 garments of 6 tags), committed as `ingest` commits
them; what comes before (decoding and the tower) costs the same for every photo and is in `benchmarks.throughput`. Then
`trendloom --version`, `trendloom tag` of one photo, and the first line of progress of `trendloom ingest` are timed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.recording import record
from benchmarks.throughput import ROOT, draw_photos, timed
from trendloom.photos import Picture
from trendloom.pipeline.ingest import BATCH, Writer
from trendloom.pipeline.looking import Garment, Seen
from trendloom.store import Workspace
from trendloom.types import WHOLE, Item, Post, Tag
from trendloom.vision import registry

GARMENTS, TAGS = 3, 6


def seen(first: int, count: int, rng: np.random.Generator) -> Iterator[Seen]:
    vectors = rng.normal(size=(count, GARMENTS, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    for n in range(count):
        key = f"{first + n:08d}.jpg"
        tags = [
            Tag(group=f"group {t}", value=f"value {(first + n) % 9}", value_id=f"v{t}", probability=0.8)
            for t in range(TAGS)
        ]
        picture = Picture(
            pixels=np.zeros((0, 0, 3), np.uint8), width=1080, height=1350,
            sha256=f"{first + n:064x}", phash=int(rng.integers(-(2**62), 2**62)),
        )  # fmt: skip
        item = Item(
            key=key, post=Post(post_id=key, author=f"a{n % 997}", caption="a caption of some words"), load=bytes
        )
        garments = tuple(Garment(number=g, box=WHOLE, vector=vectors[n, g], tags=tags) for g in range(GARMENTS))
        yield Seen(item=item, status="ok", picture=picture, garments=garments)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def grow(most: int) -> list[list[str]]:
    rng, rows, done, model = np.random.default_rng(0), [], 0, registry.load()
    with tempfile.TemporaryDirectory() as name:
        home = Workspace.create(Path(name) / "w", model=model.identity, taxonomy="simulated", source=name)
        writer = Writer(home, model.encoder, taxonomy="simulated", keys={})
        target = 1000
        while target <= most:
            start, since = time.process_time(), done
            while done < target:
                count = min(BATCH, target - done)
                writer.commit(list(seen(done, count, rng)))
                done += count
            taken = time.process_time() - start
            home.compact()
            rows.append(
                [
                    f"{target:,}",
                    f"{1000 * taken / (target - since):.2f}",
                    f"{size(home.root) / done:,.0f}",
                    f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}",
                ]
            )
            target *= 10
    return rows


def soon() -> list[list[str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        draw_photos(folder, 1)
        python = [sys.executable, "-m", "trendloom"]
        rows = []
        for title, command in (
            ("`trendloom --version`", [*python, "--version"]),
            ("`trendloom tag` of one photo", [*python, "tag", str(folder), "--output", f"{name}/t.parquet"]),
        ):
            times = [timed(command)[:2] for _ in range(3)]
            rows.append([title, f"{min(t[0] for t in times):.2f}", f"{min(t[1] for t in times):.2f}"])
        draw_photos(folder, 64)
        env = {**os.environ, "PYTHONPATH": str(ROOT / "service")}
        start = time.perf_counter()
        command = [*python, "ingest", str(folder), "--workspace", f"{name}/w"]
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            running.stderr.readline()
            rows.append(["first line of progress of `trendloom ingest`", "", f"{time.perf_counter() - start:.2f}"])
            running.communicate()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=100_000)
    args = parser.parse_args()
    columns = ["photos", "CPU ms to commit one", "bytes kept of one", "resident MiB"]
    record(
        "growth",
        f"As a workspace grows: {GARMENTS} garments of {TAGS} tags a photo, simulated",
        columns,
        grow(args.most),
    )
    record("start", "How soon", ["what", "CPU seconds", "seconds"], soon())


if __name__ == "__main__":
    main()
