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
    over actual, less 1), error and naive_error (mean absolute, of the medians and of seasonal naive), inside_80 (share of
    windows), run. Trends that fewer than `k` people stand behind, in these windows or now, are left out. Of several
    forecasts of one trend from one day the first counts.
    """
    return judged(home, results(home), k)


def judged(home: Workspace, found: Results, k: int) -> pl.DataFrame:
    """Returns the ledger beside a result's trends and series."""
    shown = publish(found.trends, "trends", k).filter(~pl.col("suppressed"))
    said = _first_of_a_day(home).filter(pl.col("windows") == 1).join(shown, on="trend_id", how="semi")
    known = found.series.select("trend_id", "window_start", "share", "authors").drop_nulls("share")
    passed = said.join(known.filter(pl.col("share").is_not_nan()), on=["trend_id", "window_start"])
    before = _repeated(passed).rename({"repeats": "then"}).select("run", "trend_id", "window_start", "then")
    passed = passed.join(before, on=["run", "trend_id", "window_start"], how="left")
    earlier = found.series.select("trend_id", then="window_start", authors_then="authors")
    passed = passed.join(earlier, on=["trend_id", "then"], how="left")
    share, point, naive = pl.col("share"), pl.col("point"), pl.col("naive")
    rows = passed.group_by("issued", "run", "trend_id", "label", "model", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("windows"),
        pl.col("expected").mean().alias("forecast"),
        share.mean().alias("actual"),
        naive.mean().alias("naive"),
        (point - share).abs().mean().alias("error"),
        (naive - share).abs().mean().alias("naive_error"),
        ((share >= pl.col("low_80")) & (share <= pl.col("high_80"))).mean().alias("inside_80"),
        pl.col("authors", "authors_then").max(),
        pl.col("window_start").min().alias("first"),
        pl.col("window_start").max().alias("last"),
    )
    rows = _of_enough(_with_people(rows, found), k).with_columns(
        pl.when(pl.col("actual") > 0).then(pl.col("forecast") / pl.col("actual") - 1).otherwise(None).alias("miss")
    )
    return rows.sort(
        "inside_80", (pl.col("error") / pl.col("actual")), "trend_id", descending=[False, True, False], nulls_last=True
    ).select(
        *("issued", "trend_id", "label", "model", "windows", "forecast", "actual", "naive"),
        *("miss", "error", "naive_error", "inside_80", "run"),
    )


def _with_people(rows: pl.DataFrame, found: Results) -> pl.DataFrame:
    """Returns rows with `people` and `people_then`: who showed the trend in the windows, and in those a year before.

    Windows with few people must count too: what is left without them would be the weeks that happened to be high, or empty.
    """
    who = found.posts.select("post_id", pl.coalesce("author_hash", "post_id").alias("who"))
    shown = found.members.select("trend_id", "post_id", "window_start").drop_nulls().join(who, on="post_id")
    year = "-12mo" if _monthly(rows.rename({"first": "window_start"})) else "-52w"
    for name, floor, back in (("people", "authors", None), ("people_then", "authors_then", year)):
        span = [pl.col(c) if back is None else pl.col(c).dt.offset_by(back) for c in ("first", "last")]
        spans = rows.select("run", "trend_id", span[0].alias("from"), span[1].alias("to"))
        inside = spans.join(shown, on="trend_id").filter(pl.col("window_start").is_between("from", "to"))
        count = inside.group_by("run", "trend_id").agg(pl.col("who").n_unique().alias(name))
        rows = rows.join(count, on=["run", "trend_id"], how="left").with_columns(
            pl.max_horizontal(pl.col(name).fill_null(0), pl.col(floor).fill_null(0)).alias(name)
        )
    return rows


def _of_enough(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """Returns the rows that no people, or k and more, stand behind; seasonal naive is withheld by who stood behind it."""
    few, few_then = (pl.col(name).is_between(1, k - 1) for name in ("people", "people_then"))
    copied = few_then & pl.col("model").is_in(["seasonal-naive", "constant"])
    hidden = [pl.when(few_then).then(None).otherwise(pl.col(c)).alias(c) for c in ("naive", "naive_error")]
    return rows.filter(~few & ~copied).with_columns(hidden)


def _first_of_a_day(home: Workspace) -> pl.DataFrame:
    """Returns every frozen row; of one trend's forecasts that were issued for one day those of the earliest study."""
    made = home.read("runs").group_by("run").agg(pl.col("finished_at").min())
    rows = frozen(home).join(made, on="run", how="left", maintain_order="left")
    first = rows.sort("finished_at", "run", nulls_last=True).unique(["issued", "trend_id"], keep="first")
    return rows.join(first.select("run", "trend_id"), on=["run", "trend_id"], how="semi", maintain_order="left").drop(
        "finished_at"
    )
