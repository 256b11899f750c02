"""How fast are photos tagged, beside the loop that a user would write?

    python benchmarks/throughput.py [--photos 400] [--rounds 3] [--quick]

Draws photos of 1080 x 1350 pixels, and alternates in one run: (1) the pipeline with one worker; (2) a plain loop over
the same model: Pillow decodes in full, bicubic resize, onnxruntime one photo at a time. Prints images per CPU-second,
the ratio with its spread, and how far the embeddings differ.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from trendloom.drawn import COLOURS, TYPES, draw_garment, draw_scene
from trendloom.pipeline.looking import look
from trendloom.sources import open_source
from trendloom.vision import registry

SIZE = (1080, 1350)


def draw_photos(folder: Path, count: int) -> None:
    """Writes JPEGs of the size that phones upload, with grain; a dozen scenes, each copy with its own grain."""
    rng = np.random.default_rng(0)
    scenes = []
    for n in range(12):
        garment = draw_garment(rng, type=TYPES[n % len(TYPES)], colour=COLOURS[n % len(COLOURS)], size=512)
        scenes.append(Image.fromarray(draw_scene(rng, [garment], size=512)).resize(SIZE, Image.Resampling.BICUBIC))
    for n in range(count):
        pixels = np.asarray(scenes[n % 12]).astype(np.int16) + rng.integers(
            -6, 7, (SIZE[1], SIZE[0], 1), dtype=np.int16
        )
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{n:05d}.jpg", quality=88)


def ours(folder: Path, model: registry.Model) -> np.ndarray:
    seen = look(open_source([folder]).items(), model.encoder, model.tagger, workers=1)
    return np.stack([one.garments[0].vector for one in seen])


def loop(folder: Path, model: registry.Model) -> np.ndarray:
    vectors = []
    for path in sorted(folder.glob("*.jpg")):
        photo = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
        vector = model.encoder.images(model.encoder.prepare(np.asarray(photo))[None])
        model.tagger.tag(vector)
        vectors.append(vector[0])
    return np.stack(vectors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="40 photos, one round")
    args = parser.parse_args()
    count, rounds = (40, 1) if args.quick else (args.photos, args.rounds)
    model = registry.load()
    rates: dict[str, list[float]] = {"pipeline": [], "plain loop": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_photos(folder, count)
        ours(folder, model)  # towers and prompts are loaded before the clock runs
        for _ in range(rounds):
            vectors = {}
            for title, run in (("pipeline", ours), ("plain loop", loop)):
                start = time.process_time()
                vectors[title] = run(folder, model)
                rates[title].append(count / (time.process_time() - start))
    cosines = (vectors["pipeline"] * vectors["plain loop"]).sum(axis=1)
    ratios = [a / b for a, b in zip(rates["pipeline"], rates["plain loop"], strict=True)]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {model.identity} on {model.engine}"
    )
    print(f"{count} photos of {SIZE[0]} x {SIZE[1]}, {rounds} rounds, one thread, tags included")
    for title, values in rates.items():
        print(
            f"  {title:12} {statistics.median(values):6.1f} images per CPU-second [{min(values):.1f}-{max(values):.1f}]"
        )
    print(f"  ratio        {statistics.median(ratios):6.2f} [{min(ratios):.2f}-{max(ratios):.2f}]")
    print(f"  cosine of the embeddings: median {np.median(cosines):.5f}, least {cosines.min():.5f}")


if __name__ == "__main__":
    main()
