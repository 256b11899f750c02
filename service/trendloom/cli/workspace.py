"""run, ingest, search, export, serve: what takes photos into a workspace and what reads it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trendloom.cli.door import Map, app, finish, settings
from trendloom.errors import ArtifactError, ConfigError, InputError, NotEnoughData

if TYPE_CHECKING:
    from trendloom.config import Settings
    from trendloom.pipeline.ingest import Ingested
    from trendloom.pipeline.views import Views
    from trendloom.store import Workspace
    from trendloom.types import Encoder, Finder, Tagger

__all__ = ["Home", "Segment", "forecast_trends", "ingest_into", "run_all", "show_trends", "views_of"]

Src = Annotated[
    Path,
    typer.Argument(
        metavar="SRC", help="A folder of images, a folder with manifest.csv, or tar shards.", show_default=False
    ),
]
Home = Annotated[Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)]
Format = Annotated[str, typer.Option(help="auto, folder, manifest, tar or files.")]
Workers = Annotated[int | None, typer.Option(help="Worker threads; by default one per core.", show_default=False)]
Garments = Annotated[
    str | None,
    typer.Option(help="on: find the garments of a photo (default); off: the whole photo alone.", show_default=False),
]
NoForecast = Annotated[bool, typer.Option("--no-forecast", help="Leave out the year ahead of every trend.")]
ModelName = Annotated[str | None, typer.Option("--model", help="A model that is installed.", show_default=False)]
Retry = Annotated[bool, typer.Option("--retry", help="Look again at images that failed before.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Count only what was posted before this day.", show_default=False),
]
Window = Annotated[str | None, typer.Option(help="week or month; by default chosen from the data.", show_default=False)]
Segment = Annotated[
    list[str] | None,
    typer.Option(
        "--segment",
        metavar="FIELD=VALUE",
        help="Only posts of a country, platform, department, cohort, or that show a part (shows=feet).",
        show_default=False,
    ),
]

_CONNECTIONS = 900  # open at once to `serve`: below what systems allow a process, 1,024 files


@app.command()
def run(
    src: Src,
    workspace: Home,
    format: Format = "auto",
    map: Map = None,
    as_of: AsOf = None,
    window: Window = None,
    retry: Retry = False,
    workers: Workers = None,
    garments: Garments = None,
    model: ModelName = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            help="Weeks that looks are clustered from, older garments join the nearest; 0: all.", show_default=False
        ),
    ] = None,
    no_forecast: NoForecast = False,
) -> None:
    """Runs the whole path: photos in, tags, looks and trends out. Can be stopped and run again."""
    chosen = settings(workers=workers, model=model, garments=garments, horizon=horizon)
    until = {"as_of": as_of, "window": window}
    counts = run_all(src, workspace, chosen, format=format, columns=map, retry=retry, ahead=not no_forecast, **until)
    finish(counts)


@app.command()
def ingest(
    src: Src,
    workspace: Home,
    format: Format = "auto",
    map: Map = None,
    retry: Retry = False,
    workers: Workers = None,
    garments: Garments = None,
    model: ModelName = None,
) -> None:
    """Takes posts and photos into a workspace, with their tags; `run` also looks for trends."""
    from trendloom.pipeline.indexing import vector_index
    from trendloom.pipeline.ingest import statuses

    chosen = settings(workers=workers, model=model, garments=garments)
    with ingest_into(src, workspace, chosen, format=format, columns=map, retry=retry) as (home, _):
        vector_index(home)
        counts = statuses(home)
    finish(counts)


@contextmanager
def ingest_into(
    src: Path, root: Path, chosen: Settings, *, format: str, columns: list[str] | None, retry: bool
) -> Iterator[tuple[Workspace, Ingested]]:
    """Yields the workspace, locked, and what was added, once everything of `src` is in it."""
    from trendloom.cli.progress import bar
    from trendloom.pipeline.ingest import ingest as take_in
    from trendloom.sources import open_source, parse_map, source_root
    from trendloom.store import Workspace
    from trendloom.vision import registry

    source = open_source([src], format=format, columns=parse_map(columns or []))
    loaded = registry.load(chosen.model, chosen.models_dir, engine=chosen.engine)
    home = Workspace.create(
        root, model=loaded.identity, taxonomy=loaded.taxonomy.identity, source=str(source_root(src))
    )
    with home.writing():
        with bar("photos") as progress:
            found = take_in(
                home,
                source,
                loaded.encoder,
                loaded.tagger,
                workers=chosen.threads,
                retry=retry,
                progress=progress,
                finder=loaded.finder if chosen.garments == "on" else None,
            )
        yield home, found


def run_all(
    src: Path,
    root: Path,
    chosen: Settings,
    *,
    format: str = "auto",
    columns: list[str] | None = None,
    as_of: str | None = None,
    window: str | None = None,
    retry: bool = False,
    ahead: bool = True,
) -> dict[str, int]:
    """Runs the whole path, prints the trends, and returns the images by status; `ahead`: forecasts them too."""
    from trendloom.cli.show import err, phases
    from trendloom.nouns import amount
    from trendloom.pipeline.indexing import vector_index
    from trendloom.pipeline.ingest import statuses
    from trendloom.pipeline.study import study

    day, step = _day(as_of), _step_of(window)
    with ingest_into(src, root, chosen, format=format, columns=columns, retry=retry) as (home, taken):
        if taken.known:
            were = "was" if taken.known == 1 else "were"
            err.print(f"{amount(taken.known, 'image')} {were} in the workspace already", highlight=False)
        with phases() as phase:
            study(home, as_of=day, step=step, horizon=chosen.horizon, threads=chosen.threads, phase=phase)
            phase("index")
            vector_index(home)
            note = forecast_trends(home, phase) if ahead else ""
        if note:
            err.print(note, highlight=False, markup=False)
        counts = statuses(home)
    show_trends(views_of(home.root, chosen, k=1), limit=15)
    return counts


def forecast_trends(home: Workspace, phase: Callable[[str], None]) -> str:
    """Forecasts the trends of a workspace that is locked, once for each study; returns what to say about it."""
    from trendloom.cli.forecast import said

    if home.read("runs").is_empty():
        return ""
    from trendloom.pipeline.issuing import issue

    phase("forecasts")
    try:
        made = issue(home)
    except NotEnoughData as reason:
        return f"no forecasts: {reason}"
    return said(made) if made.new else ""


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"--as-of: expected a day such as 2025-04-21, got {text!r}") from exc


def _step_of(text: str | None) -> Literal["week", "month"] | None:
    """Returns the window of a word."""
    steps: dict[str | None, Literal["week", "month"] | None] = {None: None, "week": "week", "month": "month"}
    if text not in steps:
        raise InputError(f"--window: expected week or month, got {text!r}")
    return steps[text]


def views_of(root: Path, chosen: Settings, *, k: int) -> Views:
    """Returns the reading side of a workspace; the model is loaded when it is first needed."""
    from trendloom.pipeline.heads import heads_of
    from trendloom.pipeline.views import Views
    from trendloom.store import Workspace
    from trendloom.vision import registry
    from trendloom.vision.heads import HeadTagger

    home = Workspace.open(root)

    def load() -> tuple[Encoder, Tagger, Finder | None]:
        loaded = registry.load_of(home.meta.model, chosen.models_dir, engine=chosen.engine)
        tagger = HeadTagger(loaded.tagger, [head for head in heads_of(home) if head.model == loaded.identity])
        return loaded.encoder, tagger, loaded.finder if chosen.garments == "on" else None

    return Views(home, load, k=k, models_dir=chosen.models_dir)


def show_trends(
    views: Views, *, stage: str | None = None, segment: dict[str, str] | None = None, limit: int | None = None
) -> None:
    """Prints the head of a workspace and its trends as a table with sparklines."""
    from trendloom.cli.show import err, notes, out, trend_table
    from trendloom.nouns import amount
    from trendloom.pipeline.searching import Filters

    rows = views.trends(stage=stage, segment=segment)
    if notes(views.absent(Filters(segment=segment or {}))):
        return
    head = views.overview()
    span = f", {head.first:%-d %b %Y} to {head.last:%-d %b %Y}" if head.first and head.last else ""
    people, posts = amount(head.authors, "person", "people"), amount(head.posts, "post")
    out.print(f"{people}, {posts}{span}, {head.model}", highlight=False)
    for remark in head.remarks:
        out.print(remark, highlight=False)
    if head.posts and head.now is None:
        out.print(
            "No post has a usable time, so nothing can rise: a manifest.csv with image and posted_at gives times.",
            highlight=False,
        )
        for label, posts in views.shown(n=limit or 50).iter_rows():
            out.print(f"{posts:8,}  {label}", highlight=False, markup=False)
        return
    shown = rows.head(limit) if limit else rows
    if rows.is_empty():
        where = "".join(f" among posts of {field}={value}" for field, value in (segment or {}).items())
        err.print(
            f"no trends{where}: nothing was seen by enough people over enough time"
            if stage is None
            else f"no trend is {stage}{where}",
            highlight=False,
            markup=False,
        )
        return
    out.print(
        trend_table(shown, views.series(segment=segment).join(shown.select("trend_id"), on="trend_id", how="semi"))
    )
    if shown.height < rows.height:
        out.print(f"... and {rows.height - shown.height:,} more: trendloom trends", highlight=False)


@app.command()
def export(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="trends, series, members, forecasts, lineage, tags or posts.", show_default=False
        ),
    ],
    workspace: Home,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file: .csv, .parquet, .jsonl or .xlsx.", show_default=False)
    ],
    segment: Segment = None,
    k: Annotated[int, typer.Option(help="Publish nothing about fewer people.")] = 1,
) -> None:
    """Writes one table of a workspace to a file."""
    from trendloom.cli.show import err, notes
    from trendloom.export import export as write
    from trendloom.export import parse_segment
    from trendloom.pipeline.absent import absent_values
    from trendloom.store import Workspace

    home, where = Workspace.open(workspace), parse_segment(segment or [])
    count = write(home, table, output, k=k, segment=where)
    notes(absent_values(home, where))
    err.print(f"{count:,} rows written to {output}", highlight=False, markup=False)


@app.command()
def search(
    workspace: Home,
    words: Annotated[str | None, typer.Argument(help="What to look for, in words.", show_default=False)] = None,
    image: Annotated[Path | None, typer.Option(help="A photo to look for instead.", show_default=False)] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Posts to list.", min=1, max=1000)] = 10,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Posted on this day or later.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Posted before this day.", show_default=False)
    ] = None,
    segment: Segment = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP=VALUE", help="Only garments of this tag; repeat it.", show_default=False),
    ] = None,
) -> None:
    """Finds the posts nearest to words or to a photo."""
    from trendloom.cli.show import err, notes, out
    from trendloom.pipeline.searching import parse_filters
    from trendloom.sources import load_file

    if bool(words) == (image is not None):
        raise InputError("search: expected either words or --image FILE, got " + ("both" if words else "neither"))
    filters = parse_filters(since=since, until=until, segment=segment or [], tags=tag or [])
    views = views_of(workspace, settings(), k=1)
    hits = views.search(words, load_file(image) if image else None, n=n, filters=filters)
    for hit in hits:
        when = f"{hit.posted_at:%Y-%m-%d}" if hit.posted_at else "no time   "
        out.print(f"{hit.score:.3f}  {when}  {hit.key}  {', '.join(hit.tags)}", highlight=False, markup=False)
    if not hits and not notes(views.absent(filters)):
        err.print("nothing in the workspace passes these filters", highlight=False)


def _bound(host: str, port: int) -> socket.socket:
    """Returns a socket on an address.

    Raises:
        ConfigError: The address is taken, or none of this machine.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as exc:
        listening.close()
        raise ConfigError(f"{host}:{port} cannot be bound ({exc.strerror}): choose another --port or --host") from exc
    return listening


@app.command()
def serve(
    workspace: Home,
    host: Annotated[
        str | None,
        typer.Option(help="Address to bind; others than 127.0.0.1 are open to your network.", show_default=False),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 takes a free one.", show_default=False)] = None,
    k: Annotated[int | None, typer.Option(help="Publish nothing about fewer people.", show_default=False)] = None,
) -> None:
    """Serves the dashboard and the API."""
    import uvicorn

    from trendloom.cli.show import err
    from trendloom.store import Workspace
    from trendloom.vision import registry
    from trendloom.vision.engines import AUTO
    from trendloom.web.app import create_app

    chosen = settings(host=host, port=port, k=k)
    views = views_of(workspace, chosen, k=chosen.k)
    try:
        model = registry.load_of(Workspace.open(workspace).meta.model, chosen.models_dir, engine=chosen.engine)
        if chosen.engine != AUTO:  # what was asked for is tried before anybody calls
            _ = model.engine
    except ArtifactError as reason:
        if chosen.engine != AUTO:
            raise
        err.print(f"search and tagging will be refused, trends are served: {reason}", highlight=False, soft_wrap=True)
    site = create_app(views, chosen)
    config = uvicorn.Config(
        site,
        host=chosen.host,
        port=chosen.port,
        log_level="warning",
        timeout_keep_alive=10,
        limit_concurrency=_CONNECTIONS,
    )
    listening = _bound(chosen.host, chosen.port)
    port_found = listening.getsockname()[1]
    err.print(
        f"dashboard: http://{chosen.host}:{port_found}/  API: http://{chosen.host}:{port_found}/docs  (Ctrl-C ends)",
        highlight=False,
    )
    uvicorn.Server(config).run(sockets=[listening])
