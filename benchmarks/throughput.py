"""How fast are photos tagged, beside what a user would write instead? Whole processes, one thread each, in turns.

    python -m benchmarks.throughput [--photos 128] [--rounds 3] [--torch PYTHON] [--openvino PYTHON] [--fastembed PYTHON]
        [--clip-retrieval PYTHON]

Draws photos of 1080 x 1350 pixels and runs `trendloom tag` (one worker) and the loops of `benchmarks.rivals` on them, one
after another, round by round: images per CPU-second (user and system, of the whole process), images per second, and in
each round the ratio to every rival. Every contestant runs from bytecode, as installers leave it: the runs of one photo
write what is not there yet. `--torch` and the others name interpreters that have these packages, by default this
one; what is not installed is left out and said. Start-up counts; the table also says what it is.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.recording import record, spread
from trendloom.drawn import COLOURS, TYPES, draw_garment, draw_scene
from trendloom.vision.engines import ENGINES, Machine

SIZE = (1080, 1350)
PHOTOS = 128  # what `make bench` runs
ROOT = Path(__file__).parents[1]
RIVALS = {
    "vit1": "torch + open_clip + Pillow, ViT-B/32, one by one as documented",
    "vit32": "the same, 32 photos at a time",
    "torch1": "torch + Pillow, the shipped model, one by one",
    "torch32": "the same, 32 photos at a time",
    "onnx1": "onnxruntime fp32 + Pillow, the shipped model, one by one",
    "fastembed-vit": "fastembed, ViT-B/32, 32 photos at a time",
    "fastembed": "fastembed, the shipped model, 32 photos at a time",
    "clip-retrieval": "clip-retrieval's worker, ViT-B/32, 32 photos at a time, no names",
}
# whose interpreter has what a rival needs; torch's otherwise
INSTALLED_BY = {
    "onnx1": "own",
    "fastembed-vit": "fastembed",
    "fastembed": "fastembed",
    "clip-retrieval": "clip_retrieval",
}


def draw_photos(folder: Path, count: int) -> None:
    """Writes JPEGs of the size that platforms serve, with grain; a dozen scenes, each copy with its own grain."""
    rng = np.random.default_rng(0)
    scenes = []
    for n in range(12):
        garment = draw_garment(rng, type=TYPES[n % len(TYPES)], colour=COLOURS[n % len(COLOURS)], size=512)
        scenes.append(Image.fromarray(draw_scene(rng, [garment], size=512)).resize(SIZE, Image.Resampling.BICUBIC))
    for n in range(count):
        grain = rng.integers(-6, 7, (SIZE[1], SIZE[0], 1), dtype=np.int16)
        pixels = np.clip(np.asarray(scenes[n % 12]).astype(np.int16) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:05d}.jpg", quality=86)


@dataclass(kw_only=True)
class Contestant:
    """A command and what its runs took: CPU seconds and seconds."""

    title: str
    command: list[str]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)


def timed(command: list[str]) -> tuple[float, float, str]:
    """Returns CPU seconds, seconds and stdout of a process.

    Raises:
        RuntimeError: It failed.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    bytecode = {"PYTHONDONTWRITEBYTECODE": ""}  # else a checkout is compiled at every start, and packages are not
    paths = os.pathsep.join([str(ROOT / "service"), str(ROOT)])
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, **threads, **bytecode, "PYTHONPATH": paths},
    )
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it ended with an error")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, done.stdout


def contestants(folder: Path, one: Path, pythons: argparse.Namespace) -> tuple[list[Contestant], list[list[str]]]:
    """Returns who runs, and for each the command that only starts up."""
    found, starts = [], []
    output = str(folder.parent / "out.parquet")
    models = folder.parent / "models"
    bf16 = ENGINES["openvino-cpu-bf16"]  # where the processor would only emulate it, it is not raced
    for python, engine in ((sys.executable, "onnxruntime-cpu-fp32"), (pythons.openvino, bf16.name))[
        : 2 if Machine.here().fast(bf16) else 1
    ]:
        for garments in ("off", "on"):
            tag = [python, "-m", "trendloom", "tag"]
            how = ["--output", output, "--workers", "1", "--garments", garments, "--engine", engine]
            words = (
                "embedding and tags of the photo" if garments == "off" else "and of each garment found, with colours"
            )
            found.append(Contestant(title=f"trendloom, {engine}: {words}", command=[*tag, str(folder), *how]))
            starts.append([*tag, str(one), *how])
    for name, title in RIVALS.items():
        python = getattr(pythons, INSTALLED_BY.get(name, "torch"))
        run = [python, "-m", "benchmarks.rivals", name]
        found.append(Contestant(title=title, command=[*run, str(folder), str(models)]))
        starts.append([*run, str(one), str(models)])
    return found, starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", default=sys.executable)
    parser.add_argument("--openvino", default=sys.executable)
    parser.add_argument("--fastembed", default=sys.executable)
    parser.add_argument("--clip-retrieval", default=sys.executable)
    args = parser.parse_args(namespace=argparse.Namespace(own=sys.executable))
    with tempfile.TemporaryDirectory() as name:
        folder, one = Path(name) / "photos", Path(name) / "one"
        folder.mkdir()
        one.mkdir()
        draw_photos(folder, args.photos)
        draw_photos(one, 1)
        running: list[Contestant] = []
        try:
            timed([args.torch, "-m", "benchmarks.rivals", "write", f"{name}/models"])
        except RuntimeError as reason:
            print(f"no models for fastembed: {reason}", file=sys.stderr)
        for contestant, start in zip(*contestants(folder, one, args), strict=True):
            try:
                contestant.start = [timed(start)[0] for _ in range(2)]
                running.append(contestant)
            except RuntimeError as reason:
                print(f"left out: {contestant.title} ({reason})", file=sys.stderr)
        for number in range(args.rounds):
            for contestant in running[number % len(running) :] + running[: number % len(running)]:
                cpu, wall, _ = timed(contestant.command)
                contestant.cpu.append(cpu)
                contestant.wall.append(wall)
        sizes = [path.stat().st_size for path in folder.glob("*.jpg")]
    report(running, args.photos, args.rounds, int(np.mean(sizes)))


def report(running: list[Contestant], photos: int, rounds: int, size: int) -> None:
    rows, ratios = [], []
    for c in running:
        rate, wall = spread([photos / s for s in c.cpu]), spread([photos / s for s in c.wall])
        steady = [(s - min(c.start)) / (photos - 1) for s in c.cpu]
        rows.append(
            [
                c.title,
                f"{rate['median']:.1f} ({rate['low']:.1f}-{rate['high']:.1f})",
                f"{wall['median']:.1f} ({wall['low']:.1f}-{wall['high']:.1f})",
                f"{min(c.start):.1f}",
                f"{1000 * float(np.median(steady)):.1f}",
            ]
        )
    ours, others = ([c for c in running if c.title.startswith("trendloom") is own] for own in (True, False))
    for mine in ours:
        for rival in others:
            whole = spread([b / a for a, b in zip(mine.cpu, rival.cpu, strict=True)])
            steady_ratio = spread(
                [
                    (b - min(rival.start)) / max(a - min(mine.start), 1e-9)
                    for a, b in zip(mine.cpu, rival.cpu, strict=True)
                ]
            )
            ratios.append(
                [
                    mine.title,
                    rival.title,
                    *(f"{r['median']:.1f} ({r['low']:.1f}-{r['high']:.1f})" for r in (whole, steady_ratio)),
                ]
            )
    words = f"{photos} photos of {SIZE[0]} x {SIZE[1]} ({size // 1000} kB), one thread, {rounds} rounds in turns"
    section = "throughput" if photos == PHOTOS else f"throughput-{photos}"  # beside it, not over it
    record(
        section,
        f"JPEG to tags: {words}",
        [
            "process",
            "images per CPU-second (range)",
            "images per second",
            "start-up, CPU s",
            "CPU ms per further photo",
        ],
        rows,
    )
    record(
        f"{section}-ratios",
        f"How many times as many images per CPU-second, {photos} photos, round by round",
        ["of", "beside", "whole processes", "without start-up"],
        ratios,
    )


if __name__ == "__main__":
    main()
