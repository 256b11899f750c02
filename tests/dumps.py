"""Tiny dumps for tests: coloured patches as garments, dated, with authors; one colour rises."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from tests.doubles import COLOURS, ColourTagger
from trendloom.types import Floats, Tag

__all__ = ["ShirtTagger", "make_dump", "patch", "tables"]

RESULTS = ("looks", "assignments", "members", "series", "trends")


class ShirtTagger(ColourTagger):
    """Takes every patch for a shirt."""

    @property
    def taxonomy(self) -> str:
        return "shirts 1"

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        shirt = Tag(group="type", value="shirt", value_id="trendloom:shirt", probability=0.9)
        return [[shirt, *tags] for tags in super().tag(embeddings)]


def patch(colour: str, rng: np.random.Generator, side: int = 24) -> bytes:
    """A noisy patch of a colour as PNG bytes."""
    pixels = np.asarray(COLOURS[colour], float) + rng.normal(0, 12, (side, side, 3)) + rng.normal(0, 6, 3)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def make_dump(folder: Path, *, weeks: int = 80, per_week: int = 10, seed: int = 0, broken: int = 3) -> Path:
    """A folder with manifest.csv; red rises over the last 14 weeks, the other colours are level."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    level = ["blue", "green", "yellow", "black"]
    rows: list[dict[str, object]] = []
    monday = datetime(2023, 1, 2, tzinfo=UTC)
    for week in range(weeks):
        for _ in range(per_week):
            red = rng.random() < (0.45 if week >= weeks - 14 else 0.08)
            name = f"images/{len(rows):05d}.png"
            data = patch("red" if red else str(rng.choice(level)), rng)
            (folder / name).write_bytes(data if len(rows) % 97 or len(rows) // 97 >= broken else data[:50])
            moment = monday + timedelta(weeks=week, seconds=float(rng.uniform(0, 604_000)))
            rows.append({
                "image": name, "post_id": f"p{len(rows):05d}", "posted_at": moment.isoformat() if len(rows) % 50 else "yesterday",
                "author": f"author {rng.integers(60)}", "caption": "=new in", "likes": int(rng.integers(100)),
                "country": str(rng.choice(["FR", "US"])), "platform": "instagram",
            })  # fmt: skip
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def tables(root: Path) -> dict[str, object]:
    """Every table of a workspace, sorted, without the moment at which a run ended."""
    from trendloom.store import FACTS, Workspace

    home = Workspace.open(root)
    found: dict[str, object] = {}
    for name in FACTS:
        rows = home.read(name)
        found[name] = rows.sort(rows.columns).rows()
    for name in RESULTS:
        rows = home.result(name)
        order = [c for c in rows.columns if c != "exemplars"]
        found[name] = rows.sort(order).rows()
    runs = home.read("runs").drop("finished_at")
    found["runs"] = runs.unique().rows()
    return found
