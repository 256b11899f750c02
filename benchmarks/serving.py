"""What does the API cost beside the batch pipeline, how long do callers wait, and does anything grow?

    python benchmarks/serving.py [--photos 256] [--rounds 5] [--callers 64] [--soak 50000]

Draws photos of 640 x 800 pixels. `trendloom serve` runs in a process of its own, and so does the batch pipeline (what
`trendloom tag` does, as many workers); this process sends the photos over keep-alive connections, one photo a request.
Both look at the same photos on the same cores, in turns; each is charged its own CPU time (user and system), so that
neither the sender nor other programs count. `--soak` then sends that many small photos and watches the server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.config import Settings
from trendloom.drawn import COLOURS, TYPES, draw_garment, draw_scene
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.looking import look
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.vision import registry

TICK = os.sysconf("SC_CLK_TCK")


def draw_photos(folder: Path, count: int, size: tuple[int, int]) -> list[bytes]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for n in range(count):
        garment = draw_garment(rng, type=TYPES[n % len(TYPES)], colour=COLOURS[n % len(COLOURS)], size=256)
        picture = Image.fromarray(draw_scene(rng, [garment], size=256)).resize(size, Image.Resampling.BICUBIC)
        grain = rng.integers(-6, 7, (size[1], size[0], 1), dtype=np.int16)
        pixels = np.clip(np.asarray(picture).astype(np.int16) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:05d}.jpg", quality=88)
    return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def held(pid: int) -> tuple[float, int, int]:
    """Returns resident MiB, threads and open files of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return (
        int(status["VmRSS"].split()[0]) / 1024,
        int(status["Threads"]),
        len(os.listdir(f"/proc/{pid}/fd")),
    )


@dataclass
class Answers:
    """Seconds of the answers by status, and of the whole round."""

    took: dict[int, list[float]] = field(default_factory=dict)
    wall_s: float = 0.0

    def quantiles(self, status: int = 200) -> str:
        """Returns p50, p95 and p99 in milliseconds."""
        values = np.array(self.took.get(status, [0.0])) * 1000
        return " / ".join(f"{v:,.0f}" for v in np.quantile(values, [0.5, 0.95, 0.99]))


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, photo: bytes) -> int:
    head = "POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    writer.write(f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo)
    await writer.drain()
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(answer.partition("content-length:")[2].split()[0])
    await reader.readexactly(length)
    return int(answer.split()[1])


async def send(port: int, photos: list[bytes], count: int, callers: int) -> Answers:
    """Returns how `count` photos were answered to so many callers, each with one request at a time."""
    found, numbers = Answers(), iter(range(count))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for n in numbers:
            begun = time.perf_counter()
            status = await one(reader, writer, photos[n % len(photos)])
            found.took.setdefault(status, []).append(time.perf_counter() - begun)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    found.wall_s = time.perf_counter() - begun
    return found


def pipeline(folder: Path) -> None:
    """Looks at the folder once per line of stdin, and says CPU and wall seconds."""
    model, workers = registry.load(), Settings.load(os.environ).threads
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        items = open_source([folder]).items()
        seen = list(look(items, model.encoder, model.tagger, workers=workers, finder=model.finder, colours=True))
        print(len(seen), time.process_time() - cpu, time.perf_counter() - wall, flush=True)


class Batch:
    """The batch pipeline in a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, __file__, "--pipeline", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> tuple[float, float]:
        """Returns CPU and wall seconds of one pass."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        _, cpu, wall = self.process.stdout.readline().split()
        return float(cpu), float(wall)


def serve(folder: Path, root: Path) -> tuple[subprocess.Popen[str], int]:
    """Returns the server's process, on a workspace of a few photos, and its port."""
    model = registry.load()
    home = Workspace.create(root, model=model.identity, taxonomy=model.taxonomy.identity, source=str(folder))
    with home.writing():
        ingest(home, open_source([folder]), model.encoder, model.tagger)
    command = [sys.executable, "-m", "trendloom", "serve", "--workspace", str(root), "--port", "0"]
    # on a machine that others use too, 64 callers may wait longer than the default; what is refused is not compared
    settings = {"COLUMNS": "200", "TRENDLOOM_MAX_WAIT_S": os.environ.get("TRENDLOOM_MAX_WAIT_S", "120")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **settings})
    assert process.stderr
    line = process.stderr.readline()
    port = int(line.partition("http://127.0.0.1:")[2].partition("/")[0])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return process, port


def compare(
    photos: list[bytes], server: subprocess.Popen[str], port: int, batch: Batch, args: argparse.Namespace
) -> None:
    count = len(photos)
    asyncio.run(send(port, photos, 32, 4))
    batch.run()  # towers are loaded before the clock runs
    rows = []
    quantiles = ""
    for _ in range(args.rounds):
        cpu, wall = batch.run()
        before = cpu_s(server.pid)
        answers = asyncio.run(send(port, photos, count, args.callers))
        served = cpu_s(server.pid) - before
        quantiles = answers.quantiles()
        assert set(answers.took) == {200}, Counter({k: len(v) for k, v in answers.took.items()})
        rows.append((count / cpu, count / served, cpu / served, count / wall, count / answers.wall_s))
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    spread = [f"{min(column):.2f}-{max(column):.2f}" for column in zip(*rows, strict=True)]
    print(f"{args.callers} callers, {count} photos of 640 x 800 a round, {args.rounds} rounds in turns")
    print(f"  batch pipeline  {medians[0]:6.1f} photos per CPU-second [{spread[0]}]")
    print(f"  API             {medians[1]:6.1f} photos per CPU-second [{spread[1]}]")
    print(f"  ratio           {medians[2]:6.2f} [{spread[2]}]")
    print(f"  in passing, photos per second of the clock on a shared machine: {medians[3]:.1f} and {medians[4]:.1f}")
    print(f"  p50 / p95 / p99 of the last round: {quantiles} ms")
    alone = asyncio.run(send(port, photos, min(count, 64), 1))
    print(f"one caller: p50 / p95 / p99 {alone.quantiles()} ms")
    crowd = asyncio.run(send(port, photos, 4 * count, 400))
    counts = {status: len(took) for status, took in sorted(crowd.took.items())}
    print(f"400 callers, more than may wait: answers {counts}; p50 / p95 / p99 of 200: {crowd.quantiles()} ms,")
    print(f"  of 503: {crowd.quantiles(503)} ms; the server holds {held(server.pid)[0]:,.0f} MiB")


def soak(photos: list[bytes], server: subprocess.Popen[str], port: int, count: int, callers: int) -> None:
    asyncio.run(send(port, photos, 4 * callers, callers))
    print(f"{count:,} requests of small photos, {callers} callers\n  requests  MiB  threads  files  answers")
    print(f"  {0:8,}  {held(server.pid)[0]:.0f}  {held(server.pid)[1]}  {held(server.pid)[2]}", flush=True)
    for step in range(10):
        answers = asyncio.run(send(port, photos, count // 10, callers))
        counts = {status: len(took) for status, took in sorted(answers.took.items())}
        rss, threads, files = held(server.pid)
        print(f"  {(step + 1) * (count // 10):8,}  {rss:.0f}  {threads}  {files}  {counts}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--soak", type=int, default=0, help="requests of the soak")
    parser.add_argument("--pipeline", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pipeline:
        pipeline(args.pipeline)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", args.photos, (640, 800))
        small = draw_photos(folder / "small", 64, (96, 120))
        server, port = serve(folder / "small", folder / "workspace")
        batch = Batch(folder / "photos")
        try:
            model = registry.load()
            cores, version = Settings.load(os.environ).threads, platform.python_version()
            print(f"{platform.machine()}, {cores} cores, Python {version}, {model.identity} on {model.engine}")
            if args.rounds:
                compare(photos, server, port, batch, args)
            if args.soak:
                soak(small, server, port, args.soak, args.callers)
        finally:
            batch.process.terminate()
            server.terminate()
            server.wait()
            batch.process.wait()


if __name__ == "__main__":
    main()
