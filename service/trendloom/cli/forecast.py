"""forecast, backtest, ledger: what series do next, and how good such forecasts were."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trendloom.cli.door import app, settings
from trendloom.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from trendloom.forecast import Backtest, Forecasts, Score
    from trendloom.pipeline.issuing import Issued
    from trendloom.pipeline.materials import Taken

__all__: list[str] = []

Series = Annotated[
    Path,
    typer.Argument(metavar="SERIES.csv", help="Dates in the first column, a series in each other.", show_default=False),
]
Signal = Annotated[
    list[Path] | None,
    typer.Option(
        "--signal",
        metavar="SIGNAL.csv",
        help="Weather, holidays, leading authors: columns named like the series or a word of their names; repeat it.",
        show_default=False,
    ),
]
Horizon = Annotated[int, typer.Option(help="Periods to forecast.")]
Seed = Annotated[int, typer.Option(help="Of everything random: the same seed gives the same forecast.")]
_SHOWN = 10  # series that had no forecast


@app.command("forecast")
def forecast(
    series: Series,
    output: Annotated[
        Path,
        typer.Option(metavar="OUT.csv", help="Where the forecast goes: .csv, .parquet or .jsonl.", show_default=False),
    ],
    horizon: Horizon = 52,
    signal: Signal = None,
    quantiles: Annotated[str, typer.Option(help="Such as 0.1,0.5,0.9: a row per series, date and quantile.")] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Says for each series in the report what its forecast is made of.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Forecasts every series of a CSV file; OUT.report.json says what was recognised, treated and chosen."""
    from trendloom.cli.show import err
    from trendloom.pipeline.forecasting import forecast_file

    found = forecast_file(
        series, output, horizon=horizon, signals=signal or [], quantiles=_levels(quantiles), explain=explain, seed=seed
    )
    for what, count in found.treated.items():
        err.print(f"{what}: {count:,}", highlight=False, markup=False)
    for line in _worth(found):
        err.print(line, highlight=False, markup=False)
    done = len(found.models) - len(found.reasons)
    err.print(f"{done:,} of {len(found.models):,} series forecast, written to {output}", highlight=False, markup=False)
    for name, reason in list(found.reasons.items())[:_SHOWN]:
        err.print(f"  {name or 'a column without a name'}: {reason}", highlight=False, markup=False)
    if len(found.reasons) > _SHOWN:
        err.print(f"  and {len(found.reasons) - _SHOWN:,} more, see the report", highlight=False, markup=False)
    if found.reasons:
        raise typer.Exit(1)


def _worth(found: Forecasts) -> list[str]:
    """Returns for each signal whether it was used, and what it was worth at earlier dates."""
    told: dict[str, dict[str, float]] = found.facts.get("signals", {})  # type: ignore[assignment]  # as `forecast` wrote it
    lines = []
    for name, row in told.items():
        before, after = row["error_without"], row["error_with"]
        if not before > 0 or before == after:
            lines.append(f"{name}: not used, too little history or too few series to learn from it")
        else:
            verb = "used" if row["used"] else "not used"
            lines.append(
                f"{name}: {verb}, error at earlier dates {after:.4f} with it alone, {before:.4f} without signals"
            )
    return lines


def _levels(text: str) -> list[float]:
    if not text.strip():
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--quantiles: expected numbers such as 0.1,0.5,0.9, got {text!r}") from None


@app.command("backtest")
def backtest(
    series: Series,
    origins: Annotated[int, typer.Option(help="Earlier dates to forecast from, a quarter apart.")] = 4,
    horizon: Horizon = 52,
    signal: Signal = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Draws the best, the median and the worst series.")
    ] = None,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    seed: Seed = 0,
) -> None:
    """Says how good forecasts of a CSV file's series would have been, beside plain models; exit 1 if some had none."""
    from trendloom.cli.show import err, out
    from trendloom.pipeline.forecasting import backtest_file

    if format not in ("table", "json"):
        raise ConfigError(f"--format: expected table or json, got {format!r}")
    found = backtest_file(series, horizon=horizon, origins=origins, signals=signal or [], picture=picture, seed=seed)
    if format == "json":
        typer.echo(json.dumps(_facts(found), indent=1))
    else:
        out.print(_table(found))
    for what, count in found.treated.items():
        err.print(f"{what}: {count:,}", highlight=False, markup=False)
    if len(found.replays) < origins:
        err.print(
            f"{len(found.replays)} of {origins} origins: the history allows no more", highlight=False, markup=False
        )
    missing = sorted({name for replay in found.replays for name in replay.found.reasons})
    if missing:
        err.print(f"{len(missing):,} series had no forecast at some origin", highlight=False, markup=False)
        raise typer.Exit(1)


@app.command("ledger")
def ledger(
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)],
    issue: Annotated[
        bool, typer.Option("--issue", help="Forecasts the current trends a year ahead and freezes that.")
    ] = False,
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
    k: Annotated[
        int | None, typer.Option(help="Least people that a published trend stands on.", show_default=False)
    ] = None,
) -> None:
    """Shows every forecast that was issued beside what happened and seasonal naive, misses first."""
    from trendloom.cli.show import err, out
    from trendloom.pipeline import ledger as book
    from trendloom.store import Workspace

    if format not in ("table", "json", "csv"):
        raise ConfigError(f"--format: expected table, json or csv, got {format!r}")
    home = Workspace.open(workspace)
    if issue:
        from trendloom.pipeline.issuing import issue as freeze

        with home.writing():
            made = freeze(home)
        err.print(said(made) if made.new else "frozen already", highlight=False, markup=False)
    rows = book.ledger(home, k=settings(k=k).k)
    if format == "json":
        typer.echo(rows.write_json())
    elif format == "csv":
        typer.echo(_csv(rows), nl=False)
    elif rows.is_empty():
        issued = book.frozen(home)["run"].n_unique()
        out.print(f"forecasts issued: {issued}; none of their windows has passed yet", highlight=False, markup=False)
    else:
        out.print(_passed(rows))


def _csv(rows: pl.DataFrame) -> str:
    from trendloom.pipeline.output import escape_formulas

    return escape_formulas(rows.lazy()).collect().write_csv()


def said(made: Issued) -> str:
    """Returns what was forecast, in words."""
    few = f", {made.without:,} have too little history" if made.without else ""
    return f"{made.trends:,} {'trend' if made.trends == 1 else 'trends'} forecast{few}"


@app.command("materials")
def materials(
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)],
    catalogue: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Takes in compositions: columns post_id or image, and material.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
    k: Annotated[int | None, typer.Option(help="Least people that a row stands on.", show_default=False)] = None,
) -> None:
    """Shows who shows or names linen, leather or polyester, how that moves, and the coming quarter."""
    from trendloom.cli.show import err, out
    from trendloom.pipeline import materials as cloth
    from trendloom.store import Workspace

    if format not in ("table", "json", "csv"):
        raise ConfigError(f"--format: expected table, json or csv, got {format!r}")
    home, chosen = Workspace.open(workspace), settings(k=k)
    if catalogue is not None:
        with home.writing():
            taken = cloth.take_catalogue(home, catalogue)
        err.print(_taken(taken, catalogue.name), highlight=False, markup=False)
    found = cloth.materials(home, k=chosen.k, models_dir=chosen.models_dir)
    if format == "json":
        typer.echo(found.rows.write_json())
    elif format == "csv":
        typer.echo(_csv(found.rows), nl=False)
    else:
        out.print(_cloth(found.rows))
        for source, told in found.sources.items():
            out.print(f"{source}: {told}", highlight=False, markup=False)


def _taken(found: Taken, name: str) -> str:
    """Returns what a catalogue brought, and how many of its rows brought nothing."""
    told = f"materials of {found.posts:,} posts taken from {name}"
    left = {"no post of this workspace": found.strangers, "no known material": found.silent}
    lost = [f"{count:,} name {what}" for what, count in left.items() if count]
    return f"{told}; of its {found.rows:,} rows {', '.join(lost)}" if lost else told


def _cloth(rows: pl.DataFrame) -> Table:
    """Returns a row per material and source."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("material", "kind", "said by"):
        table.add_column(title, no_wrap=True)
    for title in ("share %", "times a year ago", "coming quarter, times a year before", "people"):
        table.add_column(title, justify="right")
    for row in rows.iter_rows(named=True):
        shares = [None if row[c] is None else 100 * row[c] for c in ("share", "share_low", "share_high")]
        growth, ahead = ([row[name + end] for end in ("", "_low", "_high")] for name in ("growth", "ahead"))
        people = "-" if row["authors"] is None else f"{row['authors']:,}"
        table.add_row(
            row["material"],
            row["kind"],
            row["source"],
            _between(shares, ".1f"),
            _between(growth),
            _between(ahead),
            people,
        )
    return table


def _between(values: list[float | None], form: str = ".2f") -> str:
    """Returns a number with its interval; a dash without one."""
    middle, low, high = values
    if middle is None or low is None or high is None:
        return "-"
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def _passed(rows: pl.DataFrame) -> Table:
    """Returns a row per forecast and trend: what was said, what happened, what seasonal naive would have said."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("issued", no_wrap=True)
    table.add_column("trend")
    for title in ("windows", "forecast %", "actual %", "naive %", "miss %", "error / naive", "80 % inside"):
        table.add_column(title, justify="right")
    for row in rows.iter_rows(named=True):
        shares = [_percent(row[name]) for name in ("forecast", "actual", "naive")]
        beside = "-" if not row["naive_error"] else f"{row['error'] / row['naive_error']:.2f}"
        miss = "-" if row["miss"] is None or not math.isfinite(row["miss"]) else f"{100 * row['miss']:+.0f}"
        table.add_row(
            str(row["issued"]), row["label"], str(row["windows"]), *shares, miss, beside, f"{row['inside_80']:.2f}"
        )
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _table(found: Backtest) -> Table:
    """Returns a row per model: means over series, of season averages the median, with 95 % intervals, and seconds an origin."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", no_wrap=True)
    for title in ("MASE", "sMAPE", "3 classes", "80 % inside", "wide", "95 % inside", "wide", "season %", "CPU s"):
        table.add_column(title, justify="right")
    for model, scores in found.scores.items():
        cells = [_cell(score, measure) for measure, score in scores.items()]
        table.add_row(model, *cells, f"{found.seconds[model]:.1f}")
    return table


def _cell(score: Score, measure: str) -> str:
    if math.isnan(score.middle):
        return "-"
    scale, digits = (100, 1) if measure == "season_error" else (1, 3)
    text = f"{score.middle * scale:.{digits}f}"
    if measure in ("mase", "accuracy", "coverage_80"):
        text += f" ({score.low:.2f}-{score.high:.2f})"
    return text


def _facts(found: Backtest) -> dict[str, object]:
    """Returns a backtest ready for JSON, None where a measure is not known."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 5)

    return {
        "origins": [str(replay.found.dates[0]) for replay in found.replays],
        "models": {
            model: {
                "seconds": round(found.seconds[model], 3),
                **{
                    measure: {
                        "median" if measure == "season_error" else "mean": known(s.middle),
                        "low": known(s.low),
                        "high": known(s.high),
                    }
                    for measure, s in scores.items()
                },
            }
            for model, scores in found.scores.items()
        },
    }
