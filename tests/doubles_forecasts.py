"""A deterministic reading side of forecasts: a year ahead of every trend that is published, and a ledger with misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

__all__ = ["FakeForecasts", "Outlook"]

_NUMBERS = ("low_95", "low_80", "point", "high_80", "high_95", "expected", "naive")


@dataclass(frozen=True, kw_only=True)
class Outlook:
    rows: pl.DataFrame
    model: str | None = "combined"
    reason: str | None = None
    issued: date | None = None
    peaks: dict[int, float | None] = field(default_factory=lambda: {13: 0.12, 26: 0.4, 52: None})
    held: dict[int, dict[str, Any]] = field(
        default_factory=lambda: {
            13: {
                "held_out": "later origins",
                "rows": 600,
                "said": 0.226,
                "peaked": 0.208,
                "brier": 0.15,
                "brier_of_past_share": 0.165,
                "bins": [[0.1, 0.07, 300], [0.35, 0.34, 300]],
            },
            26: {
                "held_out": "other series",
                "plain": True,
                "rows": 500,
                "said": 0.44,
                "peaked": 0.45,
                "brier": 0.25,
                "brier_of_past_share": 0.24,
                "bins": [[0.44, 0.45, 500]],
            },
            52: {"rows": 0},
        }
    )


@dataclass(frozen=True, kw_only=True)
class Cloth:
    rows: pl.DataFrame
    sources: dict[str, str]


class FakeForecasts:
    """Forecasts that continue the last share of a trend, a little wider each week."""

    def __init__(self, now: date, trend: Callable[[str], dict[str, object] | None], *, passed: int = 0) -> None:
        self.now, self._trend, self.passed = now, trend, passed

    def trend(self, trend_id: str, *, segment: Mapping[str, str] | None = None) -> Outlook:
        row = self._trend(trend_id)
        if row is None or row["suppressed"] or (segment or {}).get("country") == "NL":
            empty = pl.DataFrame(schema={"window_start": pl.Date})
            few = "too few people show it to publish numbers"
            return Outlook(rows=empty, model=None, reason=few, peaks=dict.fromkeys((13, 26, 52)))
        share = float(str(row["share"]))
        rows = [
            {"window_start": self.now + timedelta(weeks=w), "windows": 1, "suppressed": False}
            | dict(
                zip(_NUMBERS, (share * f for f in (0.4, 0.7, 1.0, 1.3 + w / 100, 1.9 + w / 50, 1.0, 0.9)), strict=True)
            )
            for w in range(52)
        ]
        return Outlook(rows=pl.DataFrame(rows), issued=self.now)

    def entries(self) -> pl.DataFrame:
        days = [self.now - timedelta(weeks=52), self.now]
        rows = [
            {"issued": d, "run": f"run-{d}", "trends": 40, "first": d, "last": d + timedelta(weeks=51)} for d in days
        ]
        return pl.DataFrame(rows)

    def materials(self) -> Cloth:
        numbers: dict[str, float | None] = {
            "authors": 84, "posts": 99, "share": 0.04, "share_low": 0.03, "share_high": 0.05, "growth": 1.4, "growth_low": 1.1,
            "growth_high": 1.9, "ahead": 1.2, "ahead_low": 0.8, "ahead_high": 1.7,
        }  # fmt: skip
        linen = {"material": "linen", "kind": "fibre", "source": "captions", **numbers, "suppressed": False}
        suede = {
            "material": "suede",
            "kind": "fabric",
            "source": "photos",
            **dict.fromkeys(numbers),
            "suppressed": True,
        }
        return Cloth(
            rows=pl.DataFrame([linen, suede]), sources={"photos": "silent: not validated", "captions": "named in 9"}
        )

    def ledger(self) -> pl.DataFrame:
        rows = [
            {
                "issued": self.now - timedelta(weeks=52), "trend_id": f"gone-{i}", "label": f"trend {i}", "model": "combined",
                "windows": 10, "forecast": 0.01 * (i + 1), "actual": 0.02 * (i + 1), "naive": None if i % 2 else 0.015,
                "miss": -0.5, "error": 0.01, "naive_error": None if i % 2 else 0.02, "inside_80": i / max(self.passed, 1),
                "run": "run-0",
            }
            for i in range(self.passed)
        ]  # fmt: skip
        numbers = dict.fromkeys(
            ("forecast", "actual", "naive", "miss", "error", "naive_error", "inside_80"), pl.Float64
        )
        schema = {"issued": pl.Date, "trend_id": pl.String, "label": pl.String, "model": pl.String, "windows": pl.Int64}
        return pl.DataFrame(rows, schema={**schema, **numbers, "run": pl.String})
