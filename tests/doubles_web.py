"""A deterministic reading side for the web: forty trends, all stages, some with too few people, drawn photos."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from tests.doubles_forecasts import FakeForecasts
from trendloom.errors import InputError
from trendloom.pipeline.examples import Photo
from trendloom.pipeline.searching import Filters, Hit
from trendloom.pipeline.tagging import TagResult
from trendloom.pipeline.thumbnails import heat_png
from trendloom.types import WHOLE, Box, MainColour, Tag

__all__ = ["FakeViews", "Hit", "Overview", "TagResult", "photo_bytes"]

_COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (178, 45, 48),
    "brown": (112, 76, 50),
    "navy": (34, 44, 84),
    "olive": (104, 110, 60),
    "pink": (222, 150, 172),
    "beige": (208, 190, 160),
    "black": (38, 38, 40),
    "white": (238, 236, 230),
    "green": (54, 118, 78),
    "blue": (70, 110, 176),
}
_PATTERNS = ("check", "striped", "floral", "plain")
_THINGS = ("shirts", "bags", "dresses", "coats", "skirts", "cardigans", "trousers", "boots")
_STAGES = {"emerging": 4, "rising": 5, "peaking": 3, "burst": 2, "steady": 16, "seasonal": 5, "fading": 5}
_GROWTH = {
    "emerging": 3.1,
    "rising": 1.9,
    "peaking": 1.3,
    "burst": 1.2,
    "steady": 1.0,
    "seasonal": 1.02,
    "fading": 0.55,
}
_COUNTRIES = {"FR": 402, "DE": 251, "IT": 190, "ES": 148, "GB": 131, "NL": 82}
_PLATFORMS = {"tiktok": 610, "instagram": 594}
_COHORTS = {"fashion-forward": 130, "trend-aware": 380, "mainstream": 694}
_NOW = date(2025, 4, 21)


@dataclass(frozen=True, kw_only=True)
class Overview:
    authors: int = 1204
    posts: int = 27404
    photos: int = 31880
    statuses: dict[str, int] = field(default_factory=lambda: {"ok": 31790, "truncated": 52, "unsupported": 38})
    first: date | None = None
    last: date | None = date(2025, 4, 20)
    now: date | None = _NOW
    window: str = "week"
    model: str = "fashion-lite 1.0"
    taxonomy: str = "trendloom 1"
    run: str | None = "run-1"
    running: bool = False
    countries: dict[str, int] = field(default_factory=lambda: dict(_COUNTRIES))
    platforms: dict[str, int] = field(default_factory=lambda: dict(_PLATFORMS))
    stages: dict[str, int] = field(default_factory=lambda: dict(_STAGES))
    k: int = 10
    remarks: tuple[str, ...] = ("412 posts with no readable time: tagged, but counted in no week",)


def photo_bytes(colour: tuple[int, int, int], pattern: str = "plain", size: tuple[int, int] = (360, 480)) -> bytes:
    """Returns a JPEG of a garment of that colour and pattern on a wall."""
    width, height = size
    wall = tuple(int(210 + c * 0.12) for c in reversed(colour))
    image = Image.new("RGB", size, wall)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = width * 0.22, height * 0.2, width * 0.78, height * 0.86
    draw.polygon(
        [(left, top), (left - width * 0.16, height * 0.5), (left, height * 0.55), (left, bottom), (right, bottom),
         (right, height * 0.55), (right + width * 0.16, height * 0.5), (right, top), (width * 0.5, top * 1.3)],
        fill=colour,
    )  # fmt: skip
    lighter = tuple(min(255, int(c * 1.2) + 42) for c in colour)
    if pattern in ("check", "striped"):
        for at in np.arange(left + 6, right, width / 14):
            draw.line([(at, top + 20), (at, bottom)], fill=lighter, width=max(2, width // 90))
    if pattern == "check":
        for at in np.arange(top + 30, bottom, width / 14):
            draw.line([(left, at), (right, at)], fill=lighter, width=max(2, width // 90))
    if pattern == "floral":
        rng = np.random.default_rng(sum(colour))
        for x, y in rng.uniform(size=(40, 2)):
            cx, cy, r = left + x * (right - left), top * 1.3 + y * (bottom - top * 1.3), width / 45
            draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=lighter)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


class FakeViews:
    """The reading side over numbers that were made up from a seed."""

    def __init__(
        self, *, weeks: int = 120, seed: int = 7, k: int = 10, label: str | None = None, **overview: Any
    ) -> None:
        self.weeks, self.k, self.seed = weeks, k, seed
        self._overview = Overview(first=_NOW - timedelta(weeks=weeks), k=k, **overview)
        self._table = self._make_trends()
        self.forecasts = FakeForecasts(_NOW, self.trend)
        if label is not None:
            self._table = self._table.with_columns(
                label=pl.when(pl.col("rank") == 1).then(pl.lit(label)).otherwise("label")
            )

    def _make_trends(self) -> pl.DataFrame:
        rng = np.random.default_rng(self.seed)
        names = [
            (colour, pattern, thing)
            for at, (colour, thing) in enumerate((c, t) for t in _THINGS for c in _COLOURS)
            for pattern in [_PATTERNS[at % 4]]
        ]
        names = [names[i] for i in rng.permutation(len(names))]
        names.insert(0, ("red", "check", "shirts"))
        rows: list[dict[str, Any]] = []
        for stage, number in _STAGES.items():
            for at in range(number):
                rows.append(self._trend(stage, at, names[len(rows)], rng))
        rows.append(
            self._trend("steady", 0, names[len(rows)], rng) | {"under": rows[0]["trend_id"], "label": "Red shirts"}
        )
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(
            rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
        )

    def _trend(self, stage: str, at: int, name: tuple[str, str, str], rng: np.random.Generator) -> dict[str, Any]:
        colour, pattern, thing = name
        label = f"{colour} {'' if pattern == 'plain' else pattern + ' '}{thing}"
        authors = int(rng.integers(11, 220)) if at else 84
        suppressed = stage == "steady" and at in (5, 11)
        share = authors / 4400
        spread = 2.0 / math.sqrt(authors)
        growth = _GROWTH[stage] * float(np.exp(rng.normal(0, 0.12))) if at else _GROWTH[stage]
        moved = stage in ("emerging", "rising", "fading", "peaking", "burst")
        numbers: dict[str, Any] = {
            "growth": growth, "growth_low": growth * math.exp(-1.9 * spread), "growth_high": growth * math.exp(1.9 * spread),
            "q_value": float(rng.uniform(0.0001, 0.04)) if moved else float(rng.uniform(0.2, 1.0)),
            "authors": authors, "posts": int(authors * 1.4), "share": share,
            "share_low": share * (1 - spread), "share_high": share * (1 + spread * 1.15),
            "countries": 4, "loudest_share": 0.13, "growth_without_loudest": growth * 0.94 if moved else None,
        }  # fmt: skip
        since = _NOW - timedelta(weeks=int(rng.integers(4, 14))) if stage in ("emerging", "rising", "burst") else None
        past = round(authors / growth)
        reason = (
            f"{100 * share:.1f} % of people in the last 13 weeks, {authors} people, {past} in the same weeks a year before: {growth:.2f} times the share "
            f"({numbers['growth_low']:.2f} to {numbers['growth_high']:.2f}), q {numbers['q_value']:.2g}"
        )
        if suppressed:
            numbers = dict.fromkeys(numbers, None)
        return {
            "trend_id": f"look-{colour}-{pattern}-{thing}-{stage}-{at}", "kind": "look" if at % 2 == 0 else "attribute",
            "label": label, "stage": stage, "since": since, **numbers, "suppressed": suppressed,
            "first_seen": _NOW - timedelta(weeks=self.weeks - 3), "last_seen": _NOW - timedelta(days=1),
            "reason": None if suppressed else reason, "under": None, "_colour": colour, "_pattern": pattern,
        }  # fmt: skip

    def overview(self) -> Overview:
        return self._overview

    def with_overview(self, **changes: Any) -> FakeViews:
        self._overview = replace(self._overview, **changes)
        return self

    def _public(self) -> pl.DataFrame:
        return self._table.drop("_colour", "_pattern")

    def trend(self, trend_id: str) -> dict[str, object] | None:
        rows = self._public().filter(pl.col("trend_id") == trend_id)
        return rows.row(0, named=True) if rows.height else None

    def trends(
        self, *, stage: str | None = None, segment: Mapping[str, str] | None = None, query: str | None = None
    ) -> pl.DataFrame:
        frame = self._public().filter(pl.col("under").is_null())
        if stage:
            frame = frame.filter(pl.col("stage") == stage)
        if query:
            frame = frame.filter(pl.col("label").str.to_lowercase().str.contains(query.lower(), literal=True))
        for name, known in (("country", _COUNTRIES), ("platform", _PLATFORMS)):
            value = (segment or {}).get(name)
            if value is not None:
                frame = frame.filter(pl.lit(value in known) & (pl.col("rank") % (3 if value == "NL" else 1) == 0))
        return frame

    def _curve(self, row: dict[str, Any]) -> list[float]:
        rng = np.random.default_rng(self.seed * 1000 + int(row["rank"]))
        t = np.arange(self.weeks) - self.weeks
        level = float(row["share"] or 0.002)
        growth = _GROWTH[row["stage"]]
        curve = {
            "emerging": level * (1 / growth + (1 - 1 / growth) / (1 + np.exp(-(t + 11) / 2.5))),
            "rising": level * (1 / growth + (1 - 1 / growth) / (1 + np.exp(-(t + 22) / 7))),
            "peaking": level * (0.55 + 0.5 * np.exp(-((t + 4) ** 2) / 420)),
            "burst": level * (0.35 + 2.2 * np.exp(-((t + 9) ** 2) / 10)),
            "seasonal": level * (1 + 0.75 * np.cos(2 * np.pi * (t + 3) / 52.18)),
            "fading": level * (1 + (1 / growth - 1) / (1 + np.exp((t + 26) / 7))),
        }.get(row["stage"], level * np.ones(self.weeks))
        noise = np.exp(rng.normal(0, 0.9 / math.sqrt(max(level * 620, 1.5)), self.weeks))
        return [float(v) for v in np.asarray(curve) * noise]

    def series(self, trend_id: str | None = None, *, segment: Mapping[str, str] | None = None) -> pl.DataFrame:
        rows = []
        for row in self._table.iter_rows(named=True):
            if trend_id is not None and row["trend_id"] != trend_id:
                continue
            for at, share in enumerate(self._curve(row)):
                denominator = 590 + (at * 37) % 90
                people = round(share * denominator)
                suppressed = bool(row["suppressed"])
                half = 1.6 * math.sqrt(max(share, 0.001) / denominator)
                rows.append(
                    {
                        "trend_id": row["trend_id"], "window_start": _NOW - timedelta(weeks=self.weeks - at),
                        "numerator": None if suppressed else people, "denominator": None if suppressed else denominator,
                        "authors": None if suppressed else people, "share": None if suppressed else share,
                        "share_low": None if suppressed else max(0.0, share - half),
                        "share_high": None if suppressed else share + half * 1.2, "suppressed": suppressed,
                    }
                )  # fmt: skip
        schema = {
            "trend_id": pl.String, "window_start": pl.Date, "numerator": pl.Int64, "denominator": pl.Int64,
            "authors": pl.Int64, "share": pl.Float64, "share_low": pl.Float64, "share_high": pl.Float64,
            "suppressed": pl.Boolean,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    def windows(self, *, segment: Mapping[str, str] | None = None) -> int:
        return self.weeks

    def beneath(self, trend_id: str) -> pl.DataFrame:
        return self._public().filter(pl.col("under") == trend_id)

    def _row(self, trend_id: str) -> dict[str, Any]:
        return self._table.filter(pl.col("trend_id") == trend_id).row(0, named=True)

    def photos(self, trend_id: str, *, n: int = 12) -> list[Photo]:
        row = self._row(trend_id)
        if row["suppressed"]:
            return []
        return [
            Photo(
                key=f"{row['_colour']}/{row['_pattern']}/{at}.jpg", post_id=f"p{row['rank']}-{at}",
                posted_at=datetime(2025, 4, 18, tzinfo=UTC) - timedelta(days=3 * at),
                box=Box(x0=0.06, y0=0.19, x1=0.94, y1=0.87), width=360, height=480, has_file=at != 7,
            )
            for at in range(n)
        ]  # fmt: skip

    def by(self, trend_id: str, field: str) -> pl.DataFrame:
        row = self._row(trend_id)
        rows: list[dict[str, Any]] = []
        known = {"country": _COUNTRIES, "platform": _PLATFORMS, "cohort": _COHORTS}[field]
        for at, (value, active) in enumerate((value, 5 * number) for value, number in known.items()):
            few = bool(row["suppressed"]) or value == "NL"
            share = (row["share"] or 0.0) * (1.3 - 0.12 * at)
            half = 2 * math.sqrt(max(share, 1e-4) / active) / 2.4
            growth = (row["growth"] or 1.0) * (1.1 - 0.06 * at)
            numbers = {
                "authors": round(share * active), "share": share, "share_low": max(share - half, 0.0),
                "share_high": share + half, "growth": growth, "growth_low": growth * 0.6, "growth_high": growth * 1.6,
            }  # fmt: skip
            rows.append({"value": value, **(dict.fromkeys(numbers) if few else numbers), "suppressed": few})
        return pl.DataFrame(rows, infer_schema_length=None)

    def tags_of(self, trend_id: str) -> pl.DataFrame:
        row = self._row(trend_id)
        return pl.DataFrame(
            [
                {"group": "colour", "value": row["_colour"], "share": 0.92},
                {"group": "colour", "value": "white", "share": 0.11},
                {"group": "pattern", "value": row["_pattern"], "share": 0.88},
                {"group": "type", "value": "shirt", "share": 0.81},
                {"group": "type", "value": "jacket", "share": 0.09},
            ]
        )

    def absent(self, filters: Filters) -> tuple[str, ...]:
        known = {"country": _COUNTRIES, "platform": _PLATFORMS}
        missing = [(f, v) for f, v in filters.segment.items() if v not in known.get(f, [v])]
        return tuple(f"no post has {field}={value}" for field, value in missing)

    def search(
        self, text: str | None = None, image: bytes | None = None, *, n: int = 24, filters: Filters | None = None
    ) -> list[Hit]:
        self.filters = filters
        if text is not None and not text.strip():
            raise InputError("a text is empty: expected words")
        self._look(image)
        keys = [(c, p) for p in _PATTERNS for c in _COLOURS if text is None or c in text.lower() or p in text.lower()]
        return [
            Hit(
                key=f"{colour}/{pattern}/{at}.jpg", post_id=f"s{at}", score=0.34 - at / 400,
                posted_at=datetime(2025, 3, 9, tzinfo=UTC) - timedelta(days=at) if at != 2 else None,
                tags=[colour, pattern, "shirt"], has_file=at != 5,
            )
            for at, (colour, pattern) in enumerate((keys * 8)[:n])
        ]  # fmt: skip

    @staticmethod
    def _look(image: bytes | None) -> str:
        """Returns the status of an image."""
        if image is None:
            return "ok"
        try:
            with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened:
                opened.load()
        except Exception:
            return "unsupported"
        return "ok"

    def thumbnail(self, key: str, px: int, box: Box = WHOLE) -> bytes | None:
        parts = key.split("/")
        if len(parts) != 3 or parts[0] not in _COLOURS:
            return None
        return photo_bytes(_COLOURS[parts[0]], parts[1], (px * 3 // 4, px))

    def tag(self, images: Sequence[tuple[str, bytes]], *, heat: bool = False) -> list[TagResult]:
        results = []
        for key, data in images:
            status = self._look(data)
            tags = [
                ("type", "shirt", "shopify:aa-1-13-7", 0.93),
                ("colour", "red", "shopify:2", 0.88),
                ("colour", "white", "shopify:3", 0.31),
                ("pattern", "check", "fashionpedia:296", 0.81),
                ("sleeves", "long sleeves", "fashionpedia:161", 0.64),
            ]
            found = [
                (1, Box(x0=0.06, y0=0.19, x1=0.94, y1=0.87), Tag(group=g, value=v, value_id=i, probability=p))
                for g, v, i, p in tags
            ]
            error = None if status == "ok" else "expected an image (JPEG, PNG), got something else"
            red = MainColour(name="red", hex="#b02020", lab=(38.3, 55.6, 38.4), share=0.8)
            results.append(
                TagResult(
                    key=key,
                    status=status,
                    error=error,
                    tags=found if status == "ok" else [],
                    colours={1: (red,)} if status == "ok" else {},
                    heats={1: heat_png(np.eye(8, dtype=np.float32))} if heat and status == "ok" else {},
                )
            )
        return results
