"""models fit-head, heads, remove-head: groups learned from the user's own labels."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trendloom.cli.door import settings
from trendloom.cli.models import group as models
from trendloom.errors import InputError
from trendloom.nouns import amount

if TYPE_CHECKING:
    from rich.table import Table

    from trendloom.pipeline.heads import Fitted
    from trendloom.vision.heads import Head

__all__: list[str] = []

Home = Annotated[Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)]
Format = Annotated[str, typer.Option(help="table or json.")]
_SHOWN = 5  # labels that could not be used


@models.command("fit-head")
def fit_head(
    labels: Annotated[
        Path,
        typer.Argument(metavar="LABELS.csv", help="A CSV file with the columns key and label.", show_default=False),
    ],
    workspace: Home,
    group: Annotated[str, typer.Option(help="Name of the new group, such as season.", show_default=False)],
    precision: Annotated[float, typer.Option(help="Share of sure values that should be right.")] = 0.8,
    format: Format = "table",
) -> None:
    """Learns a group of your own from labelled photos, and tags the workspace's photos with it, later ones too."""
    from trendloom.artifacts import taxonomy_path
    from trendloom.cli.show import err, out
    from trendloom.pipeline.heads import fit_head as fit
    from trendloom.store import Workspace
    from trendloom.taxonomy import load_taxonomy

    _check_format(format)
    taken = [known.name for known in load_taxonomy(taxonomy_path(settings().models_dir)).groups] + ["aesthetic"]
    home = Workspace.open(workspace)
    with home.writing():
        fitted = fit(home, labels, group=group, precision=precision, taken=taken)
    if format == "json":
        typer.echo(json.dumps(_report(fitted), indent=1))
    else:
        out.print(_table(fitted.head))
        out.print(_summary(fitted.head), highlight=False, markup=False)
    done = f"{fitted.tagged:,} photos tagged" if fitted.tagged else "every photo was tagged already"
    same = "" if fitted.changed else "the same labels as before: the head is unchanged, "
    err.print(f"{fitted.head.identity}: {same}{done}", highlight=False, markup=False)
    for reason in fitted.refused.values():
        err.print(f"trendloom: {reason}", highlight=False, markup=False)
    if fitted.left_out:
        err.print(f"{amount(len(fitted.left_out), 'label')} left out:", highlight=False, markup=False)
        for entry, reason in fitted.left_out[:_SHOWN]:
            err.print(f"  {labels.name}, line {entry.line}: {entry.key!r} {reason}", highlight=False, markup=False)
    if fitted.left_out or fitted.refused:
        raise typer.Exit(1)


@models.command("heads")
def heads(workspace: Home, format: Format = "table") -> None:
    """Lists the heads of a workspace: what they learned, how good they are, and how many photos they tagged."""
    from trendloom.cli.show import out
    from trendloom.pipeline.heads import heads_of, tag_counts
    from trendloom.store import Workspace

    _check_format(format)
    home = Workspace.open(workspace)
    found, counts = heads_of(home), tag_counts(home)
    if format == "json":
        rows = [
            _facts(head)
            | {
                "applied": head.model == home.meta.model,
                "sure": counts[head.identity, True],
                "unsure": counts[head.identity, False],
            }
            for head in found
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    if not found:
        out.print("no heads: `trendloom models fit-head LABELS.csv` learns one", highlight=False, markup=False)
    for head in found:
        sure, unsure = counts[head.identity, True], counts[head.identity, False]
        state = f"{sure + unsure:,} photos, {sure:,} sure"
        if head.model != home.meta.model:
            state = f"not applied: learned for {head.model}, the workspace has {home.meta.model}; fit it again"
        out.print(f"{head.group} {head.version}  {', '.join(head.values)}  {state}", highlight=False, markup=False)
        out.print(f"  {_summary(head)}", highlight=False, markup=False)


@models.command("remove-head")
def remove_head(
    name: Annotated[str, typer.Argument(metavar="GROUP", help="A head of the workspace.", show_default=False)],
    workspace: Home,
) -> None:
    """Removes a head and all tags that it gave."""
    from trendloom.cli.show import err
    from trendloom.pipeline.heads import remove_head as remove
    from trendloom.store import Workspace

    home = Workspace.open(workspace)
    with home.writing():
        remove(home, name)
    err.print(f"the head {name} and its tags are removed", highlight=False, markup=False)


def _check_format(format: str) -> None:
    if format not in ("table", "json"):
        raise InputError(f"--format: expected table or json, got {format!r}")


def _table(head: Head) -> Table:
    """Returns precision, recall and support of each value."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(head.group, no_wrap=True)
    for name in ("labelled", "precision", "recall"):
        table.add_column(name, justify="right")
    for value in head.scores.values:
        precision = "-" if value.precision is None else f"{value.precision:.2f}"
        table.add_row(value.value, f"{value.support:,}", precision, f"{value.recall:.2f}")
    return table


def _summary(head: Head) -> str:
    """Returns in words how good a head is on photos that it had not learned from."""
    scores = head.scores
    precision = "-" if scores.precision is None else f"{scores.precision:.2f}"
    return (
        f"{scores.photos:,} labelled photos, judged in {scores.folds} parts by the others: likeliest value right "
        f"{scores.accuracy:.2f} (most frequent value {scores.majority:.2f}), calibration error {scores.ece:.3f}; "
        f"sure from {head.threshold:.2f}: {scores.coverage:.2f} of photos, {precision} right (asked {head.wanted:.2f})"
    )


def _facts(head: Head) -> dict[str, object]:
    return {
        "group": head.group,
        "version": head.version,
        "model": head.model,
        "values": head.values,
        "penalty": head.penalty,
        "temperature": head.temperature,
        "threshold": head.threshold,
        "wanted_precision": head.wanted,
        "out_of_fold": asdict(head.scores),
    }


def _report(fitted: Fitted) -> dict[str, object]:
    left_out = [{"line": e.line, "key": e.key, "label": e.label, "reason": why} for e, why in fitted.left_out]
    found = {"changed": fitted.changed, "tagged": fitted.tagged, "left_out": left_out, "refused": dict(fitted.refused)}
    return _facts(fitted.head) | found
