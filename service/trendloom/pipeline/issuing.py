"""Forecasts of a workspace's trends, and how they come into its ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from trendloom.errors import NotEnoughData, StoreError
from trendloom.forecast import Forecasts, Panel, forecast, panel_of
from trendloom.forecast.calendar import Dates
from trendloom.forecast.forecasting import quarter_of
from trendloom.forecast.metrics import Floats64
from trendloom.pipeline.ledger import ENTRY, FOLDER, issued, report_of
from trendloom.pipeline.output import plain, whole
from trendloom.store import Workspace

__all__ = ["Issued", "continued", "entries", "issue", "panel_of_trends"]

_LEVELS = (0.025, 0.1, 0.9, 0.975)
_AHEAD = {"week": 52, "month": 12}
_VERSION = "trendloom structural+trees 1"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """What was frozen: trends with a forecast, trends without, and whether it was made now."""

    trends: int
    without: int
    new: bool


def issue(home: Workspace, *, seed: int = 0) -> Issued:
    """Returns what was forecast for the current run, now or before.

    A year ahead for every trend whose series allows it. The caller holds the workspace's lock.

    Raises:
        NotEnoughData: No study was made yet, or its series have fewer than two windows.
        StoreError: The ledger cannot be written.
    """
    run = home.current_run()
    if run is None:
        raise NotEnoughData("expected a workspace with trends to forecast, got one without a study: run it first")
    path = home.root / FOLDER / f"{run}.parquet"
    if path.exists():
        return Issued(
            trends=issued(home, run)["trend_id"].n_unique(), without=len(report_of(home, run)["reasons"]), new=False
        )
    facts = home.read("runs").filter(pl.col("run") == run).row(0, named=True)
    panel = panel_of_trends(home.result("series"))
    found = continued(panel, str(facts["window"]), seed=seed)
    labels = dict(home.result("trends").select("trend_id", "label").iter_rows())
    rows = entries(found, panel, labels=labels, day=facts["now"], run=run)
    report = {"reasons": found.reasons, "chosen": found.facts, "treated": found.treated}
    try:
        path.parent.mkdir(exist_ok=True)
        with whole(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        with whole(path) as part:
            rows.write_parquet(part)
    except OSError as exc:
        raise StoreError(f"the ledger of {home.root} cannot be written ({exc.strerror})") from exc
    return Issued(trends=rows["trend_id"].n_unique(), without=len(found.reasons), new=True)


def continued(panel: Panel, window: str, *, seed: int = 0) -> Forecasts:
    """Returns the panel's series a year on, with the intervals that the ledger keeps and the chances of a peak."""
    return forecast(panel, _AHEAD[window], quantiles=_LEVELS, seed=seed, explained=True)


def panel_of_trends(series: pl.DataFrame) -> Panel:
    """Returns the shares of trends over time as a panel; a window in which nothing was counted is a gap.

    Raises:
        NotEnoughData: There are fewer than two windows.
    """
    wide = series.sort("window_start", "trend_id").pivot("trend_id", index="window_start", values="share")
    if wide.height < 2 or wide.width < 2:
        raise NotEnoughData(f"expected series of at least two windows to forecast, got {wide.height}: wait for more")
    values = wide.drop("window_start").cast(pl.Float64).fill_null(np.nan).to_numpy()
    return panel_of(wide["window_start"].to_numpy(), values, names=wide.columns[1:])


def entries(found: Forecasts, panel: Panel, *, labels: Mapping[str, str], day: date | None, run: str) -> pl.DataFrame:
    """Returns the forecast as rows of `ENTRY`."""
    season = panel.rhythm.season
    frames = []
    for i, name in enumerate(panel.names):
        if found.models[i] == "none":
            continue
        past = panel.values[-season:, i]
        naive = past[np.arange(len(found.dates)) % season] if len(past) == season else np.full(len(found.dates), np.nan)
        told = found.explained.get(name, {})
        same: dict[str, object] = {f"peak_{weeks}": told.get(f"peak_within_{weeks}_weeks") for weeks in (13, 26, 52)}
        same |= {"trend_id": name, "label": labels.get(name), "model": found.models[i]}
        same |= {"forecaster": _VERSION, "issued": day, "run": run}
        wide = quarter_of(panel.rhythm)
        weeks = _bands(found.dates, found.point[:, i], naive, found.quantiles[:, :, i], windows=1)
        weeks = weeks.with_columns(expected=_expected(found.point[:, i], found.quarters[:, i], wide))
        whole_quarters = len(found.quarters) * wide
        means = naive[:whole_quarters].reshape(-1, wide).mean(axis=1)
        starts = found.dates[:whole_quarters:wide]
        quarters = _bands(starts, found.quarters[:, i], means, found.quarter_quantiles[:, :, i], windows=wide)
        frames.append(
            pl.concat([weeks, quarters])
            .with_columns(pl.lit(value).alias(column) for column, value in same.items())
            .select(
                pl.col(c).cast(t).fill_nan(None) if t == pl.Float64() else pl.col(c).cast(t) for c, t in ENTRY.items()
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=ENTRY)


def _bands(starts: Dates, point: Floats64, naive: Floats64, quantiles: Floats64, *, windows: int) -> pl.DataFrame:
    """Returns the numbers of one series, a row per window or quarter."""
    bands = {c: quantiles[q] for q, c in enumerate(("low_95", "low_80", "high_80", "high_95"))}
    rows = {"window_start": starts, "point": point, "expected": point, "naive": naive, **bands}
    return pl.DataFrame(rows).with_columns(pl.lit(windows).alias("windows"))


def _expected(point: Floats64, quarters: Floats64, wide: int) -> Floats64:
    """Returns the medians, (h,), brought to the mean of their quarter; beyond the last whole quarter as that one."""
    if not len(quarters):
        return point
    spread = np.repeat(np.append(quarters, quarters[-1]), wide)[: len(point)]
    means = point[: len(quarters) * wide].reshape(-1, wide).mean(axis=1)
    usual = np.repeat(np.append(means, means[-1]), wide)[: len(point)]
    return np.asarray(np.where(usual > 0, point * spread / np.where(usual > 0, usual, 1.0), spread))
