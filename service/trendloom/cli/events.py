"""events: when mentions by the hour or day stand out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trendloom.cli.door import app

__all__: list[str] = []


@app.command("events")
def events(
    counts: Annotated[
        Path,
        typer.Argument(
            metavar="COUNTS.csv", help="Hours or days in the first column, a series in each other.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option(help="Where the events go: .csv, .parquet or .jsonl.", show_default=False)],
) -> None:
    """Finds when counts (mentions, searches, sales) leave their daily course further than they do once in four weeks."""
    from trendloom.cli.show import err
    from trendloom.nouns import amount
    from trendloom.pipeline.events import find_events

    found = find_events(counts, output)
    err.print(f"{amount(found.events.height, 'event')}, written to {output}", highlight=False, markup=False)
    if found.short:
        err.print(
            f"too short to be judged, under {found.least} with a count: {', '.join(found.short)}",
            highlight=False,
            markup=False,
        )
        raise typer.Exit(1)
