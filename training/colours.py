"""Main colours against labels: `python -m training.colours --work DIR [--models models] [--bucket 1]`.

The name of a product's first main colour, measured on its pixels, beside the label: on its own plain ground, and cut out
onto drawn grounds; and how far the same product's colour moves between the two (Delta E in Lab, CIE 1976).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from training.cache import Cache, letterbox, open_cache
from training.scenes import scene
from training.shards import VALIDATION
from training.vocab import taxonomy_tasks
from trendloom.types import MainColour, Piece
from trendloom.vision.registry import Model, load

__all__ = ["main", "measured"]

NEIGHBOURS = {  # shades that shops themselves exchange
    "navy": {"blue", "black"}, "blue": {"navy", "light blue"}, "light blue": {"blue"}, "burgundy": {"red"}, "red": {"burgundy"},
    "beige": {"brown", "white"}, "grey": {"silver"}, "silver": {"grey"}, "olive": {"green"}, "white": {"beige"},
}  # fmt: skip


def first_colour(pieces: list[Piece]) -> MainColour | None:
    """The main colour of the best garment, or of the whole photo where none was found."""
    colours = pieces[min(1, len(pieces) - 1)].colours
    return colours[0] if colours else None


def measured(model: Model, cache: Cache, rows: list[int], names: list[str], seed: int = 0) -> dict[str, float]:
    """Shares of products whose colour has the label's name (or a neighbour's), on both grounds, and the median Delta E."""
    finder = model.finder
    if finder is None:
        raise SystemExit(f"expected a model that finds garments, {model.identity} does not")
    rng, size = np.random.default_rng(seed), model.encoder.size
    plain = np.stack([letterbox(Image.fromarray(cache.content(row)), size) for row in rows])
    drawn = np.stack([letterbox(scene(cache, [row], 320, rng, None)[0], size) for row in rows])
    found = [[first_colour(p) for p in finder.look(batch)] for batch in (plain, drawn)]
    result: dict[str, float] = {"photos": len(rows)}
    for title, colours in zip(("plain", "drawn"), found, strict=True):
        said = [c.name if c else "" for c in colours]
        result[f"{title}_named"] = round(float(np.mean([s == n for s, n in zip(said, names, strict=True)])), 3)
        near = [s == n or s in NEIGHBOURS.get(n, ()) for s, n in zip(said, names, strict=True)]
        result[f"{title}_named_or_neighbour"] = round(float(np.mean(near)), 3)
    apart = [np.linalg.norm(np.subtract(a.lab, b.lab)) for a, b in zip(*found, strict=True) if a and b]
    return result | {"median_delta_e": round(float(np.median(apart)), 1)}


def main() -> None:
    """Print the measures on cut-out products of one bucket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--bucket", type=int, default=VALIDATION)
    parser.add_argument("--most", type=int, default=600)
    args = parser.parse_args()
    cache = open_cache(args.work)
    task = next(t for t in taxonomy_tasks(cache.records, args.models / "taxonomy.yaml") if t.name == "taxonomy.colour")
    rows = [n for n, classes in task.targets.items() if len(classes) == 1 and cache.records[n].cut and cache.records[n].set != "drawn"
            and cache.records[n].bucket == args.bucket and task.classes[classes[0]] != "multicolour"]  # fmt: skip
    rows = [int(r) for r in np.random.default_rng(1).permutation(rows)[: args.most]]
    model = load(models_dir=args.models)
    print(json.dumps(measured(model, cache, rows, [task.classes[task.targets[r][0]] for r in rows])))


if __name__ == "__main__":
    main()
