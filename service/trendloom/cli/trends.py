"""trends: the list, trends of one's own in words, and a check of what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trendloom.cli.door import app, settings
from trendloom.cli.workspace import Home, Segment, forecast_trends, show_trends, views_of
from trendloom.errors import InputError

if TYPE_CHECKING:
    from trendloom.store import Workspace

__all__: list[str] = []

group = typer.Typer(help="Lists trends; adds trends of your own; checks what is stored.", rich_markup_mode=None)
app.add_typer(group, name="trends")


@group.callback(invoke_without_command=True)
def trends(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only trends of this stage.", show_default=False)] = None,
    segment: Segment = None,
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
    k: Annotated[int, typer.Option(help="Publish nothing about fewer people.")] = 1,
) -> None:
    """Lists trends, strongest first; `trends add WORDS` makes one of your own, `trends verify` checks the counts."""
    from trendloom.cli.show import notes
    from trendloom.export import parse_segment
    from trendloom.pipeline.output import escape_formulas
    from trendloom.pipeline.searching import Filters

    if context.invoked_subcommand is not None:
        return
    if workspace is None:
        raise typer.BadParameter("expected the folder of a workspace", param_hint="'--workspace' / '-w'")
    if format not in ("table", "json", "csv"):
        raise InputError(f"--format: expected table, json or csv, got {format!r}")
    if k < 1:
        raise InputError(f"--k: expected 1 or more people, got {k}")
    views, where = views_of(workspace, settings(), k=k), parse_segment(segment or [])
    if format == "table":
        show_trends(views, stage=stage, segment=where)
        return
    notes(views.absent(Filters(segment=where)))
    rows = views.trends(stage=stage, segment=where)
    text = rows.write_json() if format == "json" else escape_formulas(rows.lazy()).collect().write_csv()
    typer.echo(text, nl=not text.endswith("\n"))


@group.command()
def passage(
    workspace: Home,
    trend: Annotated[
        str | None,
        typer.Argument(
            metavar="[TREND_ID]", help="As in `trends --format csv`; without it all that rose.", show_default=False
        ),
    ] = None,
    k: Annotated[int, typer.Option(help="Publish nothing about fewer people.")] = 10,
) -> None:
    """Shows how rises pass from who is ahead of trends to who follows soon, and to everybody else."""
    from trendloom.cli.show import err, out
    from trendloom.counting.cohorts import COHORTS
    from trendloom.pipeline.study import reached
    from trendloom.store import Workspace

    found = reached(Workspace.open(workspace), trend)
    if not found.trends:
        err.print("no trend rose among enough people to say how it passed on", highlight=False)
        return
    for before, after, (lag, error) in zip(COHORTS, COHORTS[1:], found.lags, strict=True):
        words = f"{after} after {before}: {lag:.0f} weeks (give or take {error:.0f}), of {found.trends} rises"
        out.print(words, highlight=False)
    for name, cohort, middle, error, authors in found.rows.iter_rows():
        if trend not in (None, name):
            continue
        if authors < k:
            err.print(f"{name}  {cohort}: fewer than {k} people, not shown", highlight=False)
        else:
            words = f"{name}  {cohort:16}  half done {middle} (give or take {error:.0f} weeks), {authors} people"
            out.print(words, highlight=False)


@group.command()
def add(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Such as 'red leather boots'.", show_default=False)],
    workspace: Home,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also of words that the model does not know.")] = False,
) -> None:
    """Makes a trend of your own words, with its whole history, from stored vectors: no photo is read again."""
    from trendloom.cli.show import err, out, trend_table
    from trendloom.pipeline.prompts import add_prompt
    from trendloom.pipeline.study import results
    from trendloom.store import Workspace
    from trendloom.vision import registry
    from trendloom.vision.labels import refuse_labels

    chosen = settings()
    refuse_labels([words], "trends add: ")  # before the towers are loaded
    home = Workspace.open(workspace)
    loaded = registry.load_of(home.meta.model, chosen.models_dir, engine=chosen.engine)
    with home.writing():
        made, new = add_prompt(home, words, loaded, anyway=anyway)
        _again(home)
    asked = "; ".join(factor.asks for factor in made.factors)
    err.print(f"{'added' if new else 'known already'}, asks for: {asked}", highlight=False, markup=False)
    found = results(home)
    rows = found.trends.filter(trend_id=made.trend_id)
    if rows.is_empty():
        err.print(
            "no dated post of the workspace shows that yet: it is counted from the first that does", highlight=False
        )
        return
    out.print(trend_table(rows, found.series.filter(trend_id=made.trend_id)))
    told = found.trends.filter(trend_id=rows["under"][0] or "").select("label", "stage").rows()
    if told:
        out.print(f"tells the same story as: {told[0][0]}, {told[0][1]}", highlight=False, markup=False)


@group.command("list")
def list_prompts(workspace: Home) -> None:
    """Lists the trends of your own, and what each asks for."""
    from trendloom.pipeline.prompts import load_prompts
    from trendloom.store import Workspace

    home = Workspace.open(workspace)
    for prompt in load_prompts(home):
        stale = "" if prompt.model == home.meta.model else f" (made with {prompt.model}, not counted: add it again)"
        typer.echo(f"{prompt.text}: {'; '.join(factor.asks for factor in prompt.factors)}{stale}")


@group.command()
def remove(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="As it was added.", show_default=False)],
    workspace: Home,
) -> None:
    """Removes a trend of your own."""
    from trendloom.pipeline.prompts import remove_prompt
    from trendloom.store import Workspace

    home = Workspace.open(workspace)
    with home.writing():
        gone = remove_prompt(home, words)
        _again(home)
    typer.echo(f"removed {gone.text}")


def _again(home: Workspace) -> None:
    """Studies a workspace as it was studied last; one that never was is left to its first run."""
    from trendloom.cli.show import phases
    from trendloom.pipeline.ledger import issued
    from trendloom.pipeline.study import study_again

    last = home.last_run()
    if not last.height:
        return
    with phases() as phase:
        study_again(home, threads=settings().threads, phase=phase)
        if not issued(home, str(last["run"][0])).is_empty():  # a run without forecasts stays without
            forecast_trends(home, phase)


@group.command("verify")
def check(
    workspace: Home,
    sample: Annotated[int, typer.Option(help="Points to count again: a trend in a week or month.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Another number, another sample.")] = 0,
) -> None:
    """Counts a random sample of the stored points again from the facts, in another way, and compares."""
    from trendloom.pipeline.verify import COMPARED, verify
    from trendloom.store import Workspace

    found = verify(Workspace.open(workspace), sample=sample, seed=seed)
    kinds = ", ".join(f"{n:,} of {kind}s" for kind, n in found.kinds.items())
    typer.echo(
        f"{found.points:,} points of {found.trends:,} trends in {found.windows:,} windows ({kinds}), seed {seed}"
    )
    typer.echo(f"compared: {', '.join(COMPARED)}")
    for one in found.mismatches:
        typer.echo(
            f"  {one.trend_id} {one.window_start}: {one.column} is {one.stored:.12g} in the store, "
            f"{one.recomputed:.12g} by the facts"
        )
    wrong = len({(one.trend_id, one.window_start) for one in found.mismatches})
    typer.echo(
        f"{wrong:,} points differ: tables changed since the study, or it counted wrong" if wrong else "all equal"
    )
    if wrong:
        raise typer.Exit(1)
