"""cluster: the same tags from many machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trendloom.cli.door import app, finish, settings

if TYPE_CHECKING:
    from trendloom.pipeline.tagging import Eyes

__all__: list[str] = []


def _load(model: str, models_dir: Path | None, garments: str, engine: str) -> Eyes:
    """Returns what a worker of the cluster looks with."""
    from trendloom.vision import registry

    loaded = registry.load(model, models_dir, engine=engine)
    return loaded.encoder, loaded.tagger, loaded.finder if garments == "on" else None


@app.command()
def cluster(
    src: Annotated[
        str, typer.Argument(metavar="SRC", help="Folder or address of the images: s3://...", show_default=False)
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder or address for the Parquet parts.", show_default=False)
    ],
    address: Annotated[
        str | None,
        typer.Option(help="The Ray cluster, such as auto; without it one is started here.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; by default all cores.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model that is installed.", show_default=False)] = None,
    garments: Annotated[str | None, typer.Option(help="on or off, as for tag.", show_default=False)] = None,
    engine: Annotated[
        str | None, typer.Option(help="What the image tower runs on, as for tag.", show_default=False)
    ] = None,
) -> None:
    """Tags photos of an object store on a Ray cluster: the rows of `tag`, in parts. On one machine `tag` is faster."""
    from functools import partial

    from trendloom.cli.progress import bar
    from trendloom.pipeline.cluster import tag_on_cluster
    from trendloom.vision import registry

    chosen = settings(workers=workers, model=model, garments=garments, engine=engine)
    identity = registry.load(
        chosen.model, chosen.models_dir, engine=chosen.engine
    ).identity  # what is wrong is said here
    load = partial(_load, chosen.model, chosen.models_dir, chosen.garments, chosen.engine)
    with bar("tagging") as progress:
        counts = tag_on_cluster(
            src,
            output,
            load,
            stamp=f"{identity} {chosen.garments}",
            address=address,
            workers=chosen.workers or None,
            progress=progress,
        )
    finish(counts)
