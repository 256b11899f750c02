"""Forecasts of files: series read from CSV, forecasts, reports and tables written beside them."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from trendloom.errors import InputError
from trendloom.forecast import Backtest, Forecasts, Panel, Signal, Table, align, backtest, forecast, page, read_panel
from trendloom.pipeline.output import check_apart, check_ending, no_formula, plain, whole, write_table

__all__ = ["backtest_file", "forecast_file", "load_panel", "load_signals", "report_path"]


def load_panel(path: Path) -> Panel:
    """Returns the series of a wide CSV file.

    Raises:
        InputError: The file cannot be read, or has no dates, no series or no rhythm.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows, lines = [], []
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
    except FileNotFoundError as exc:
        raise InputError(f"expected a CSV file of series at {path}, found none") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path.name} is not in UTF-8: save it as CSV in UTF-8") from exc
    except (OSError, csv.Error) as exc:
        raise InputError(f"{path} cannot be read as CSV ({getattr(exc, 'strerror', None) or exc})") from exc
    try:
        return read_panel(Table(header=header, rows=rows, lines=lines))
    except InputError as exc:
        raise InputError(f"{path.name}: {exc}") from exc


def load_signals(paths: Sequence[Path], panel: Panel, horizon: int) -> tuple[list[Signal], dict[str, int]]:
    """Returns the signals of CSV files beside the series, named as their files, and how much of them did not match.

    Raises:
        InputError: A file cannot be read, has no column or date of the series, or two have one name.
    """
    names = [path.stem for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--signal: expected files of different names, got {twice!r} twice: rename one")
    signals: list[Signal] = []
    missed: dict[str, int] = {}
    for path in paths:
        found, counts = align(load_panel(path), panel, name=path.stem, horizon=horizon)
        signals.append(found)
        missed |= {what if len(paths) == 1 else f"{path.stem}: {what}": count for what, count in counts.items()}
    return signals, missed


def report_path(output: Path) -> Path:
    """Returns where the report on a forecast is written: OUT.report.json beside OUT.csv."""
    return output.with_suffix(".report.json")


def forecast_file(
    series: Path,
    output: Path,
    *,
    horizon: int,
    signals: Sequence[Path] = (),
    quantiles: Sequence[float] = (),
    explain: bool = False,
    seed: int = 0,
) -> Forecasts:
    """Returns the forecast of a file's series, and writes it with its report.

    Without quantiles OUT has the form of the input, each value a median; with them a row per series, date and quantile.

    Raises:
        InputError: A file cannot be read, or the output cannot be written or is one of those files.
        ConfigError: The horizon or a quantile is out of range.
    """
    check_ending(output)
    check_apart((output, report_path(output)), (series, *signals))
    panel = load_panel(series)
    leads, missed = load_signals(signals, panel, horizon)
    found = forecast(panel, horizon, signals=leads, quantiles=tuple(quantiles), seed=seed, explained=explain)
    try:
        _write(found, panel, output)
        report = report_of(found, panel, missed=missed, explain=explain)
        with whole(report_path(output)) as part:
            part.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise InputError(
            f"{output.name} cannot be written ({exc.strerror}): name a file in a folder that is there"
        ) from exc
    return found


def backtest_file(
    series: Path,
    *,
    horizon: int,
    origins: int,
    signals: Sequence[Path] = (),
    picture: Path | None = None,
    seed: int = 0,
) -> Backtest:
    """Returns how forecasts of a file's series would have done, and draws best, median and worst where asked to.

    Raises:
        InputError: A file cannot be read, or the picture cannot be written.
        NotEnoughData: The history is too short.
    """
    if picture is not None:
        check_ending(picture, (".html",), option="--picture")
        check_apart((picture,), (series, *signals), option="--picture")
    panel = load_panel(series)
    leads, missed = load_signals(signals, panel, horizon)
    found = backtest(panel, horizon, origins=origins, signals=leads, seed=seed, clock=time.process_time)
    found = replace(found, treated={**found.treated, **missed})
    if picture is not None:
        try:
            with whole(picture) as part:
                part.write_text(page(panel, found), encoding="utf-8")
        except OSError as exc:
            raise InputError(
                f"{picture.name} cannot be written ({exc.strerror}): name a file in a folder that is there"
            ) from exc
    return found


def _write(found: Forecasts, panel: Panel, output: Path) -> None:
    """Writes the forecast, wide or by quantile, in the form that the output's ending says."""
    if output.suffix.lower() == ".csv":
        with whole(output) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(_long(found, panel) if found.levels else _wide(found, panel))
    else:
        write_table(_frame(found, panel).lazy(), output)


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _wide(found: Forecasts, panel: Panel) -> Iterator[list[str]]:
    """Yields header and columns of the input, a row per coming date, each value the median; no forecast is an empty cell."""
    yield [no_formula(name) for name in (panel.date_name, *panel.names)]
    for day, row in zip(panel.written(found.dates), found.point.tolist(), strict=True):
        yield [day, *map(_cell, row)]


def _long(found: Forecasts, panel: Panel) -> Iterator[list[str]]:
    """Yields a row per series, date and quantile; series without a forecast have rows with an empty value."""
    yield ["series", "date", "quantile", "value"]
    days = panel.written(found.dates)
    for i, name in enumerate(map(no_formula, panel.names)):
        for h, day in enumerate(days):
            for q, level in enumerate(found.levels):
                yield [name, day, f"{level:g}", _cell(float(found.quantiles[q, h, i]))]


def _frame(found: Forecasts, panel: Panel) -> pl.DataFrame:
    """Returns the same as a table with dates, and null where there is no forecast."""
    days = pl.Series(found.dates.astype("datetime64[D]"))
    if not found.levels:
        columns = {panel.date_name: days} | dict(zip(panel.names, found.point.T, strict=True))
        return pl.DataFrame(columns).with_columns(pl.col(pl.Float64).fill_nan(None))
    levels, horizon, series = found.quantiles.shape
    return pl.DataFrame(
        {
            "series": np.repeat(np.array(panel.names, dtype=object), horizon * levels).tolist(),
            "date": pl.concat([days.gather(np.repeat(np.arange(horizon), levels))] * series),
            "quantile": np.tile(found.levels, horizon * series),
            "value": found.quantiles.transpose(2, 1, 0).ravel(),
        }
    ).with_columns(pl.col("value").fill_nan(None))


def report_of(
    found: Forecasts, panel: Panel, *, missed: Mapping[str, int] | None = None, explain: bool = False
) -> dict[str, object]:
    """Returns what was recognised, done and chosen, ready for JSON."""
    names, counts = np.unique(np.array(found.models), return_counts=True)
    report: dict[str, object] = {
        "series": len(panel.names),
        "frequency": panel.rhythm.frequency,
        "season": panel.rhythm.season,
        "first_date": str(panel.dates[0]),
        "last_date": str(panel.dates[-1]),
        "periods": len(panel.dates),
        "forecast_from": str(found.dates[0]),
        "forecast_to": str(found.dates[-1]),
        "models": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "not_forecast": found.reasons,
        "treated": {**found.treated, **(missed or {})},
        "notes": found.notes,
        "chosen": found.facts,
    }
    if explain:
        report["explained"] = {
            name: {"model": model, **found.explained.get(name, {})}
            for name, model in zip(panel.names, found.models, strict=True)
        }
    return {name: plain(value) for name, value in report.items()}
