"""tag, embed, classify: photos or texts in, one file out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trendloom.cli.door import Map, app, finish, importing, settings
from trendloom.errors import InputError

if TYPE_CHECKING:
    from trendloom.types import Tagger

__all__: list[str] = []

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="SRC",
        help="A folder, a manifest, tar shards, an image, or several files and folders.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The file to write: .parquet, .csv or .jsonl.", show_default=False)
]
Format = Annotated[str, typer.Option(help="auto, folder, manifest, tar or files.")]
Workers = Annotated[int | None, typer.Option(help="Worker threads; by default one per core.", show_default=False)]
Garments = Annotated[
    str | None,
    typer.Option(help="on: find the garments of a photo (default); off: the whole photo alone.", show_default=False),
]
Engine = Annotated[
    str | None,
    typer.Option(help="What the image tower runs on; by default the fastest that passed its gate.", show_default=False),
]
ModelName = Annotated[str | None, typer.Option("--model", help="A model that is installed.", show_default=False)]


@app.command()
def tag(
    paths: Paths,
    output: Output,
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layers",
            metavar="NAME|FILE.yaml",
            help="Also tag by prompts that nothing has validated: aesthetics, or a file of your own; repeat it.",
            show_default=False,
        ),
    ] = None,
    unsaid: Annotated[
        bool, typer.Option("--unsaid", help="Also a row for each group that a garment has no tag of, and why.")
    ] = False,
    garments: Garments = None,
    format: Format = "auto",
    map: Map = None,
    workers: Workers = None,
    model: ModelName = None,
    engine: Engine = None,
) -> None:
    """Tags photos: a row per image, garment and tag."""
    with importing():
        from trendloom.cli.progress import bar
        from trendloom.pipeline.output import check_ending
        from trendloom.pipeline.stateless import tag_to
        from trendloom.sources import open_source, parse_map
        from trendloom.vision import registry

    check_ending(output)
    source, chosen = (
        open_source(paths, format=format, columns=parse_map(map or [])),
        settings(workers=workers, model=model, garments=garments, engine=engine),
    )
    loaded = registry.load(chosen.model, chosen.models_dir, engine=chosen.engine)
    finder = loaded.finder if chosen.garments == "on" else None
    tagger: Tagger = loaded.tagger
    origins: dict[str, str] = {}
    if layers:
        from trendloom.vision.layers import add_layers

        tagger, origins = add_layers(loaded, layers, chosen.models_dir)
    with bar("tagging") as progress:
        counts = tag_to(
            source,
            loaded.encoder,
            tagger,
            output,
            workers=chosen.threads,
            progress=progress,
            origins=origins,
            finder=finder,
            unsaid=loaded.tagger.unsaid if unsaid else None,
        )
    finish(counts, output)


@app.command()
def embed(
    output: Output,
    paths: Annotated[list[Path] | None, typer.Argument(metavar="SRC", help="As for tag.", show_default=False)] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A file of texts, one per line, instead of photos.", show_default=False)
    ] = None,
    format: Format = "auto",
    map: Map = None,
    workers: Workers = None,
    model: ModelName = None,
    engine: Engine = None,
) -> None:
    """Embeds photos, or the lines of a text file: a row each with a unit vector."""
    from trendloom.cli.progress import bar
    from trendloom.pipeline.output import check_ending
    from trendloom.pipeline.stateless import embed_texts_to, embed_to
    from trendloom.sources import open_source, parse_map
    from trendloom.vision import registry

    check_ending(output)
    if bool(paths) == (texts is not None):
        raise InputError("embed: expected either photos or --texts LINES.txt, got " + ("both" if paths else "neither"))
    chosen = settings(workers=workers, model=model, engine=engine)
    encoder = registry.load(chosen.model, chosen.models_dir, engine=chosen.engine).encoder
    counts: Counter[str]
    with bar("embedding") as progress:
        if texts is not None:
            counts = embed_texts_to(texts, encoder, output, progress=progress)
        else:
            source = open_source(paths or [], format=format, columns=parse_map(map or []))
            counts = embed_to(source, encoder, output, workers=chosen.threads, progress=progress)
    finish(counts, output, what="lines" if texts is not None else "images")


@app.command()
def classify(
    paths: Paths,
    labels: Annotated[Path, typer.Option(help="Your labels, one per line, in your words.", show_default=False)],
    output: Output,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Each label on its own, instead of one that fits best.")
    ] = False,
    format: Format = "auto",
    map: Map = None,
    workers: Workers = None,
    model: ModelName = None,
    engine: Engine = None,
) -> None:
    """Classifies photos over your own words (zero-shot): every label ranked per image."""
    from trendloom.cli.progress import bar, status_line
    from trendloom.cli.show import err
    from trendloom.pipeline.output import check_ending
    from trendloom.pipeline.stateless import classify_to, read_labels
    from trendloom.sources import open_source, parse_map
    from trendloom.vision import registry
    from trendloom.vision.labels import fold_labels, split_labels

    check_ending(output)
    written, chosen = read_labels(labels), settings(workers=workers, model=model, engine=engine)
    written, folded = fold_labels(written)
    for label, known in folded.items():
        told = f"the label {label!r} differs from {known!r} by case or spaces alone: asked once, as {known!r}"
        err.print(f"trendloom: {told}", highlight=False, markup=False)
    names, refused = split_labels(written)
    for reason in refused.values():
        err.print(f"trendloom: {reason}", highlight=False, markup=False)
    if not names:
        raise InputError(f"{labels.name}: expected at least one label that can be used, all {len(refused)} are refused")
    source = open_source(paths, format=format, columns=parse_map(map or []))
    loaded = registry.load(chosen.model, chosen.models_dir, engine=chosen.engine)
    score = loaded.classifier(names, multi_label=multi_label)
    job = "multi" if multi_label else "single"
    with bar("classifying") as progress:
        counts = classify_to(
            source, loaded.encoder, names, score, output, job=job, workers=chosen.threads, progress=progress, refused=refused
        )  # fmt: skip
    if refused:
        err.print(status_line({"ok": len(names), "refused": len(refused)}, "labels"), highlight=False, markup=False)
    finish(counts, output)
    if refused:
        raise typer.Exit(1)
