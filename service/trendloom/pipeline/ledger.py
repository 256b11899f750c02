"""The ledger of a workspace: every forecast it issued, frozen, beside what happened.

A forecast is a Parquet file under `ledger/`, named for the run whose series it continues, with a report beside it; both are
written once and never again (`trendloom.pipeline.issuing`). Nothing in them names a person; what stands on few people is
left out when they are read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from trendloom.errors import StoreError
from trendloom.pipeline.publishing import publish
from trendloom.pipeline.study import Results, results
from trendloom.store import Workspace

__all__ = ["ENTRY", "FOLDER", "NUMBERS", "frozen", "issued", "judged", "ledger", "public", "report_of"]

FOLDER = "ledger"
NUMBERS = ("low_95", "low_80", "point", "high_80", "high_95", "expected", "naive")

# A row for each trend and window ahead.
ENTRY: dict[str, pl.DataType] = {
    "trend_id": pl.String(),
    "label": pl.String(),
    "window_start": pl.Date(),
    "windows": pl.Int64(),  # 1, or of a quarter: the numbers are means over as many
    **dict.fromkeys(
        NUMBERS, pl.Float64()
    ),  # expected: the share of its quarter's mean; counts that are small are skewed
    **dict.fromkeys(("peak_13", "peak_26", "peak_52"), pl.Float64()),  # probability of a peak within as many weeks
    "model": pl.String(),  # combined, seasonal-naive, young or constant
    "forecaster": pl.String(),
    "issued": pl.Date(),  # the workspace's now: what was posted from this day on was not known
    "run": pl.String(),  # the study whose series were continued: model and data version
}


def issued(home: Workspace, run: str) -> pl.DataFrame:
    """Returns the forecast that was frozen for a run, the columns of `ENTRY`; no rows where there is none."""
    path = home.root / FOLDER / f"{run}.parquet"
    return _read(path) if path.exists() else pl.DataFrame(schema=ENTRY)


def report_of(home: Workspace, run: str) -> dict[str, Any]:
    """Returns what was chosen for a run's forecast, and `reasons`: why a trend has none."""
    path = home.root / FOLDER / f"{run}.json"
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"reasons": {}, "chosen": {}, "treated": {}}
    except (OSError, ValueError) as exc:
        raise StoreError(f"{path.name} in the ledger cannot be read ({exc}): restore or remove it") from exc
    return read


def frozen(home: Workspace) -> pl.DataFrame:
    """Returns every row of every forecast that was issued, the oldest first."""
    paths = sorted((home.root / FOLDER).glob("[!.]*.parquet"))
    return pl.concat([_read(path) for path in paths]).sort("issued", "run") if paths else pl.DataFrame(schema=ENTRY)


def _read(path: Path) -> pl.DataFrame:
    """Returns one forecast; columns that came later are null in older ones."""
    try:
        rows = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise StoreError(f"{path.name} in the ledger cannot be read ({exc}): restore or remove it") from exc
    missing = [pl.lit(None, dtype=kind).alias(column) for column, kind in ENTRY.items() if column not in rows.columns]
    older = pl.col("windows").fill_null(1), pl.col("expected").fill_null(pl.col("point"))
    return rows.with_columns(missing).select(*ENTRY).with_columns(*older)


def public(rows: pl.DataFrame, found: Results, history: pl.DataFrame, k: int) -> pl.DataFrame:
    """Returns a forecast's rows of trends that k people or more stand behind, with `suppressed` set where one is withheld.

    Trends whose history is published in blocks of windows have means over quarters, the others also each window.

    Args:
        rows: The columns of `ENTRY`.
        found: The result that the trends are of, not yet published.
        history: Its series in blocks of `windows`, as it is published at this k.
        k: Least people.
    """
    shown = publish(found.trends, "trends", k).filter(~pl.col("suppressed")).select("trend_id")
    coarse = history.filter(pl.col("windows") > 1).select("trend_id").unique()
    fine = rows.filter(pl.col("windows") == 1).join(coarse, on="trend_id", how="anti")
    kept = pl.concat([fine, rows.filter(pl.col("windows") > 1)]).join(shown, on="trend_id", how="semi")
    return _unrepeated(kept, found.series, k).sort("trend_id", "windows", "window_start")


def _unrepeated(rows: pl.DataFrame, series: pl.DataFrame, k: int) -> pl.DataFrame:
    """Returns rows in which nothing repeats a window that is withheld, with `suppressed` set where no number is left.

    A seasonal naive value, and a forecast that is nothing else, repeats a window of the year before, or is the mean of some.
    """
    few = publish(series, "series", k).filter("suppressed").select("trend_id", pl.col("window_start").alias("repeats"))
    starts = _repeated(rows)
    pairs = starts.join(few, on=["trend_id", "repeats"]).select("run", "trend_id", "window_start", "windows").unique()
    pairs = pairs.with_columns(pl.lit(value=True).alias("few"))
    rows = rows.join(pairs, on=["run", "trend_id", "window_start", "windows"], how="left", maintain_order="left")
    hidden = pl.col("few").fill_null(value=False)
    copied = hidden & pl.col("model").is_in(["seasonal-naive", "constant"])
    return rows.with_columns(
        pl.when(hidden).then(None).otherwise(pl.col("naive")).alias("naive"),
        *(pl.when(copied).then(None).otherwise(pl.col(c)).alias(c) for c in NUMBERS if c != "naive"),
        suppressed=copied,
    ).drop("few")


def _repeated(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns run, trend_id, window_start, windows and each window of the year before that such a row stands on."""
    unit = "mo" if _monthly(rows) else "w"
    back = 12 if unit == "mo" else 52
    keys = rows.select("run", "trend_id", "window_start", "windows")
    spans = [
        keys.filter(pl.col("windows") > i).with_columns(
            pl.col("window_start").dt.offset_by(f"{i - back}{unit}").alias("repeats")
        )
        for i in range(int(keys["windows"].max() or 0))  # type: ignore[arg-type]  # whole numbers
    ]
    return pl.concat(spans) if spans else keys.with_columns(pl.lit(None, dtype=pl.Date).alias("repeats"))


def _monthly(rows: pl.DataFrame) -> bool:
    return bool((rows["window_start"].dt.day() == 1).all()) and not rows.is_empty()


def ledger(home: Workspace, *, k: int = 10) -> pl.DataFrame:
    """Returns a row per forecast and trend whose windows have begun to pass, the largest misses first.

    Columns: issued, trend_id, label, model, windows (passed), forecast, actual, naive (means over them), miss (forecast
    over actual, less 1), error and naive_error (mean absolute, of the medians and of seasonal naive), inside_80 (share of windows), run. Trends that fewer
    than `k` people stand behind are left out, and so are windows with 1 to k - 1 people, and what would repeat them. Of
    several forecasts of one trend from one day the first counts.
    """
    return judged(home, results(home), k)


def judged(home: Workspace, found: Results, k: int) -> pl.DataFrame:
    """Returns the ledger beside a result's trends and series."""
    known = publish(found.series, "series", k).filter(~pl.col("suppressed"))
    known = known.select("trend_id", "window_start", "share").drop_nulls().filter(pl.col("share").is_not_nan())
    shown = publish(found.trends, "trends", k).filter(~pl.col("suppressed"))
    said = _first_of_a_day(home).filter(pl.col("windows") == 1).join(shown, on="trend_id", how="semi")
    said = _unrepeated(said, found.series, k).filter(~pl.col("suppressed"))
    share, point, naive = pl.col("share"), pl.col("point"), pl.col("naive")
    return (
        said.join(known, on=["trend_id", "window_start"])
        .group_by("issued", "run", "trend_id", "label", "model", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("windows"),
            pl.col("expected").mean().alias("forecast"),
            share.mean().alias("actual"),
            naive.mean().alias("naive"),
            (point - share).abs().mean().alias("error"),
            (naive - share).abs().mean().alias("naive_error"),
            ((share >= pl.col("low_80")) & (share <= pl.col("high_80"))).mean().alias("inside_80"),
        )
        .with_columns(
            pl.when(pl.col("actual") > 0).then(pl.col("forecast") / pl.col("actual") - 1).otherwise(None).alias("miss")
        )
        .sort("inside_80", (pl.col("error") / pl.col("actual")), descending=[False, True], nulls_last=True)
        .select(
            *("issued", "trend_id", "label", "model", "windows", "forecast", "actual", "naive"),
            *("miss", "error", "naive_error", "inside_80", "run"),
        )
    )


def _first_of_a_day(home: Workspace) -> pl.DataFrame:
    """Returns every frozen row; of one trend's forecasts that were issued for one day those of the earliest study."""
    made = home.read("runs").group_by("run").agg(pl.col("finished_at").min())
    rows = frozen(home).join(made, on="run", how="left", maintain_order="left")
    first = rows.sort("finished_at", "run", nulls_last=True).unique(["issued", "trend_id"], keep="first")
    return rows.join(first.select("run", "trend_id"), on=["run", "trend_id"], how="semi", maintain_order="left").drop(
        "finished_at"
    )
