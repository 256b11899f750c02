"""The ledger of a workspace: every forecast it issued, frozen, beside what happened.

A forecast is a Parquet file under `ledger/`, named for the run whose series it continues; it is written once and never
again. Nothing in it names a person; what stands on few people is left out when the ledger is read.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from trendloom.errors import NotEnoughData, StoreError
from trendloom.forecast import Forecasts, Panel, forecast, panel_of
from trendloom.pipeline.output import whole
from trendloom.store import Workspace

__all__ = ["ENTRY", "frozen", "issue", "ledger"]

_FOLDER = "ledger"
_LEVELS = (0.025, 0.1, 0.9, 0.975)
_AHEAD = {"week": 52, "month": 12}
_VERSION = "trendloom structural+trees 1"

# A row for each trend and window ahead.
ENTRY: dict[str, pl.DataType] = {
    "trend_id": pl.String(),
    "label": pl.String(),
    "window_start": pl.Date(),
    **dict.fromkeys(("low_95", "low_80", "point", "high_80", "high_95", "naive"), pl.Float64()),
    "model": pl.String(),  # combined, seasonal-naive, young or constant
    "forecaster": pl.String(),
    "issued": pl.Date(),  # the workspace's now: what was posted from this day on was not known
    "run": pl.String(),  # the study whose series were continued: model and data version
}


def issue(home: Workspace, *, seed: int = 0) -> int:
    """Returns how many trends were forecast for the current run; 0 where its forecast is frozen already.

    A year ahead for every trend whose series allows it. The caller holds the workspace's lock.

    Raises:
        NotEnoughData: No study was made yet, or no trend has enough weeks.
        StoreError: The ledger cannot be written.
    """
    run = home.current_run()
    if run is None:
        raise NotEnoughData("expected a workspace with trends to forecast, got one without a study: run it first")
    path = home.root / _FOLDER / f"{run}.parquet"
    if path.exists():
        return 0
    facts = home.read("runs").filter(pl.col("run") == run).row(0, named=True)
    panel = panel_of_trends(home.result("series"))
    found = forecast(panel, _AHEAD[str(facts["window"])], quantiles=_LEVELS, seed=seed)
    rows = _entries(home, found, panel, issued=facts["now"], run=run)
    try:
        path.parent.mkdir(exist_ok=True)
        with whole(path) as part:
            rows.write_parquet(part)
    except OSError as exc:
        raise StoreError(f"the ledger of {home.root} cannot be written ({exc.strerror})") from exc
    return rows["trend_id"].n_unique()


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


def _entries(home: Workspace, found: Forecasts, panel: Panel, *, issued: date | None, run: str) -> pl.DataFrame:
    labels = dict(home.result("trends").select("trend_id", "label").iter_rows())
    season = panel.rhythm.season
    frames = []
    for i, name in enumerate(panel.names):
        if found.models[i] == "none":
            continue
        past = panel.values[-season:, i]
        naive = past[np.arange(len(found.dates)) % season] if len(past) == season else np.full(len(found.dates), np.nan)
        bands = {c: found.quantiles[q, :, i] for q, c in enumerate(("low_95", "low_80", "high_80", "high_95"))}
        frames.append(
            pl.DataFrame({"window_start": found.dates, "point": found.point[:, i], "naive": naive, **bands})
            .with_columns(
                pl.lit(name).alias("trend_id"),
                pl.lit(labels.get(name)).alias("label"),
                pl.lit(found.models[i]).alias("model"),
                pl.lit(_VERSION).alias("forecaster"),
                pl.lit(issued).alias("issued"),
                pl.lit(run).alias("run"),
            )
            .select(pl.col(c).cast(t) for c, t in ENTRY.items())
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=ENTRY)


def frozen(home: Workspace) -> pl.DataFrame:
    """Returns every row of every forecast that was issued, the oldest first."""
    paths = sorted((home.root / _FOLDER).glob("[!.]*.parquet"))
    return pl.concat([_read(path) for path in paths]).sort("issued", "run") if paths else pl.DataFrame(schema=ENTRY)


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise StoreError(f"{path.name} in the ledger cannot be read ({exc}): restore or remove it") from exc


def ledger(home: Workspace, *, k: int = 10) -> pl.DataFrame:
    """Returns a row per forecast and trend whose windows have begun to pass, the largest misses first.

    Columns: issued, trend_id, label, model, windows (passed), forecast, actual, naive (means over them), miss (forecast
    over actual, less 1), error and naive_error (mean absolute), inside_80 (share of windows), run. Trends that fewer
    than `k` people stand behind are left out, and so are windows with 1 to k - 1 people.
    """
    series = home.result("series").select("trend_id", "window_start", "share", "authors")
    people = home.result("trends").filter(pl.col("authors") >= k).select("trend_id")
    known = series.filter((pl.col("authors") == 0) | (pl.col("authors") >= k)).join(people, on="trend_id", how="semi")
    passed = frozen(home).join(known, on=["trend_id", "window_start"]).drop_nulls("share")
    share, point, naive = pl.col("share"), pl.col("point"), pl.col("naive").fill_nan(None)
    return (
        passed.group_by("issued", "run", "trend_id", "label", "model", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("windows"),
            point.mean().alias("forecast"),
            share.mean().alias("actual"),
            naive.mean().alias("naive"),
            (point - share).abs().mean().alias("error"),
            (naive - share).abs().mean().alias("naive_error"),
            ((share >= pl.col("low_80")) & (share <= pl.col("high_80"))).mean().alias("inside_80"),
        )
        .with_columns((pl.col("forecast") / pl.col("actual") - 1).alias("miss"))
        .sort("inside_80", (pl.col("error") / pl.col("actual")), descending=[False, True], nulls_last=True)
        .select(
            *("issued", "trend_id", "label", "model", "windows", "forecast", "actual", "naive"),
            *("miss", "error", "naive_error", "inside_80", "run"),
        )
    )
