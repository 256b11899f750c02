"""Does the whole path keep its cores busy, and how much memory does it hold?

    python -m benchmarks.overlap [--photos 160] [--rounds 3] [--workers 2] [--large 60]

Decoding alone, the tower alone (batches of 8) and the whole path are timed on the same cores with as many threads, in
turns: the path should reach 1 / (1 / decoding + 1 / encoding). Then `trendloom ingest` takes `--large` photos of 12
megapixels in a process of its own, whose greatest resident size is read; drawn once and linked, so that disk is no matter.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.recording import record, spread
from benchmarks.throughput import ROOT, draw_photos
from trendloom.photos import fitted
from trendloom.pipeline.looking import CHUNK, look
from trendloom.sources import open_source
from trendloom.vision import registry


def rate(work: Callable[[], object], photos: int) -> tuple[float, float]:
    """Returns photos per second and per CPU-second."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return photos / (time.perf_counter() - wall), photos / (time.process_time() - cpu)


def memory(count: int, workers: int) -> float:
    """Returns the greatest resident size in MiB of a process that takes in `count` photos of 12 megapixels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        draw_photos(folder, 4)
        sources = sorted(folder.glob("*.jpg"))
        for path in sources:
            Image.open(path).resize((3000, 4000), Image.Resampling.BICUBIC).save(path, quality=85)
        for n in range(len(sources), count):
            os.link(sources[n % len(sources)], folder / f"{n:05d}.jpg")
        command = [sys.executable, "-m", "trendloom", "ingest", str(folder), "--workspace", f"{name}/w"]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "service")}
        subprocess.run([*command, "--workers", str(workers)], check=True, capture_output=True, env=env)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--large", type=int, default=60)
    args = parser.parse_args()
    model = registry.load()
    encoder = model.encoder
    rates: dict[str, list[tuple[float, float]]] = {"decoding alone": [], "tower alone": [], "whole path": []}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(args.workers) as pool:
        draw_photos(Path(name), args.photos)
        files = sorted(Path(name).glob("*.jpg"))
        squares = np.stack([fitted(path.read_bytes(), encoder.fit).pixels for path in files[:CHUNK]])
        encoder.images(squares)

        def decode_all() -> None:
            list(pool.map(lambda path: fitted(path.read_bytes(), encoder.fit), files))

        def encode_all() -> None:
            list(pool.map(lambda _: encoder.images(squares), range(args.photos // CHUNK)))

        def path() -> None:
            list(look(open_source([Path(name)]).items(), encoder, model.tagger, workers=args.workers))

        for _ in range(args.rounds):
            for title, work in (("decoding alone", decode_all), ("tower alone", encode_all), ("whole path", path)):
                rates[title].append(rate(work, args.photos))
    reached = [
        [1 / (1 / d[n] + 1 / e[n]) for d, e in zip(rates["decoding alone"], rates["tower alone"], strict=True)]
        for n in range(2)
    ]
    share = [spread([w[n] / most for w, most in zip(rates["whole path"], reached[n], strict=True)]) for n in range(2)]
    rows = [
        [title, *(f"{spread([v[n] for v in values])['median']:.1f}" for n in range(2))]
        for title, values in rates.items()
    ]
    rows.append(
        ["share of what the two parts allow", *(f"{s['median']:.0%} ({s['low']:.0%}-{s['high']:.0%})" for s in share)]
    )
    columns = ["part", "photos per second", "photos per CPU-second"]
    record("overlap", f"{args.photos} photos of 1080 x 1350, {args.workers} threads, with tags", columns, rows)
    peak = memory(args.large, args.workers)
    record(
        "memory",
        "Greatest resident size of `trendloom ingest`",
        ["photos of 12 megapixels", "workers", "MiB"],
        [[f"{args.large:,}", args.workers, f"{peak:.0f}"]],
    )


if __name__ == "__main__":
    main()
