"""`python -m benchmarks.cluster [--photos 128]`: when does a cluster pay? The same photos by `tag`, and under Ray on one machine.

Needs the extra `ray`. Photos of 640 x 800 pixels are drawn; both use two workers and write the same rows. CPU seconds
are those of this process and of every process that Ray started, read before it ends, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import polars as pl

try:
    import ray
except ImportError:
    sys.exit("benchmarks.cluster needs an extra: pip install 'trendloom[ray]'")

from benchmarks.serving import TICK, draw_photos
from trendloom.cli.cluster import _load
from trendloom.pipeline.cluster import tag_on_cluster
from trendloom.pipeline.stateless import tag_to
from trendloom.sources import open_source

WORKERS = 2


def family_cpu_s() -> float:
    """Returns the CPU seconds of this process and all below it, those that ended and were waited for included."""
    times: dict[int, float] = {}
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(fields[1])
            times[int(folder.name)] = sum(map(int, fields[11:15])) / TICK
    family, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return sum(times.get(pid, 0.0) for pid in family)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=128)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_photos(folder / "photos", args.photos, (640, 800))
        print(f"{args.photos} photos, {WORKERS} workers, ray {ray.__version__}, {platform.machine()}")
        load = partial(_load, "fashion-lite", None, "on", "auto")

        def pool() -> None:
            encoder, tagger, finder = load()
            source = open_source([folder / "photos"])
            tag_to(
                source, encoder, tagger, folder / "t.parquet", workers=WORKERS, progress=lambda *_: None, finder=finder
            )

        def under_ray() -> None:
            ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
            tag_on_cluster(str(folder / "photos"), str(folder / "parts"), load, workers=WORKERS, job=args.photos // 4)

        for title, run in (("tag, one process", pool), ("under Ray", under_ray)):
            cpu, wall = family_cpu_s(), time.perf_counter()
            run()
            print(
                f"  {title:16} {time.perf_counter() - wall:6.1f} s of the clock, {family_cpu_s() - cpu:6.1f} CPU s",
                flush=True,
            )
        parts = pl.read_parquet(folder / "parts" / "part-*.parquet")
        same = parts.sort(parts.columns).equals(pl.read_parquet(folder / "t.parquet").sort(parts.columns))
        print(f"  the rows are {'the same' if same else 'not the same'}")
        ray.shutdown()


if __name__ == "__main__":
    main()
