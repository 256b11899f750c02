"""Scores of a run: `python -m training.evaluate --work DIR --run DIR --size 160 192 [--bucket 1] [--sheet FILE]`.

Bucket 2 is for choosing (sizes, lengths, losses), bucket 1 is validation: look at it once a model is chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.cache import Cache, open_cache
from training.export import load_towers
from training.features import centred
from training.measures import Floats, Judge
from training.model import TextHead
from training.prepared import embed
from training.recipe import config_of, run
from training.shards import TUNING
from training.texts import TextCache
from trendloom.vision.scores import softmax

__all__ = ["main", "sheet"]

SHEET_SETS = {"catalogue": 18, "articles": 14, "clothing": 10, "street": 6, "attributes": 8, "other": 6}
CELL = 150


def said(judge: Judge, head: TextHead, images: Floats, rows: list[int], names: list[str], *, scale: float) -> list[str]:
    """The likeliest name for each row, with its probability in percent."""
    logits = scale * images[rows] @ judge.label_list(head, names).T
    return [f"{names[int(p.argmax())]} {p.max():.0%}" for p in softmax(logits)]


def sheet(cache: Cache, judge: Judge, head: TextHead, images: Floats, *, scale: float, path: Path) -> None:
    """Draw photos of every set beside what is said of them and what their labels say; for eyes, never for shipping."""
    rng = np.random.default_rng(0)
    rows = [int(r) for name, count in SHEET_SETS.items() for r in rng.permutation(judge.rows(name))[:count]]
    types = said(judge, head, images, rows, judge.vocabulary("catalogue", "articleType"), scale=scale)
    colours = said(judge, head, images, rows, judge.vocabulary("articles", "colour_master"), scale=scale)
    columns = 10
    page = Image.new("RGB", (columns * CELL, -(-len(rows) // columns) * (CELL + 46)), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    for n, row in enumerate(rows):
        x, y = n % columns * CELL, n // columns * (CELL + 46)
        page.paste(Image.fromarray(centred(cache, row, CELL - 6)), (x, y))
        labels = cache.records[row].labels
        truth = [
            str(labels.get(k))
            for k in ("articleType", "type", "label", "category", "baseColour", "colour")
            if labels.get(k)
        ]
        truth = truth or [", ".join(labels.get("tags", []))]
        for line, text in enumerate((types[n], colours[n], "= " + " ".join(truth))):
            draw.text((x + 2, y + CELL - 4 + 14 * line), text[:27], fill=(0, 0, 160) if line < 2 else (0, 0, 0))
    page.save(path)


def main() -> None:
    """Print the scores at each size."""
    if config := config_of(sys.argv[1:]):
        run("evaluate", config)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of tar shards per set")
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--size", type=int, nargs="+", default=[160])
    parser.add_argument("--bucket", type=int, default=TUNING)
    parser.add_argument(
        "--scale", type=float, default=19.0, help="softmax scale, for the gate and the calibration error"
    )
    parser.add_argument("--sheet", type=Path, help="also draw a page of photos and answers")
    parser.add_argument("--resamples", type=int, default=0)
    args = parser.parse_args()
    cache, texts = open_cache(args.work), TextCache(args.work / "texts")
    tower, head = load_towers(args.run / "state.pt")
    judge = Judge(records=cache.records, bucket=args.bucket, cache=texts, resamples=args.resamples)
    rows = [n for n, r in enumerate(cache.records) if r.bucket == args.bucket and not r.set.endswith("_box")]
    for size in args.size:
        images = embed(args.data, cache, tower, rows, size)
        found = judge.scores(head, images, args.scale)
        print(json.dumps({"size": size} | {k: v["value"] for k, v in found.items()}), flush=True)
        if args.sheet:
            sheet(cache, judge, head, images, scale=args.scale, path=args.sheet)


if __name__ == "__main__":
    main()
