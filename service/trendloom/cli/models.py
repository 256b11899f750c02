"""models: list, show, verify, remove, add, bench, gate; and reembed, which brings a workspace to another model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trendloom.cli.door import app, settings
from trendloom.errors import StoreError, TrendloomError
from trendloom.nouns import amount

if TYPE_CHECKING:
    from trendloom.artifacts import ModelCard

__all__: list[str] = []

group = typer.Typer(help="Lists, inspects, adds and removes models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(group, name="models")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model that is installed.", show_default=False)]
SomeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A model that is installed; by default all.", show_default=False)
]


EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="What the image tower runs on; by default the fastest that passed its gate.",
        show_default=False,
    ),
]


def _size_mb(card: ModelCard) -> float:
    return sum(record.size_bytes for record in card.files.values()) / 1e6


@group.command("list")
def list_models() -> None:
    """Lists the installed models: name, version, dimensions, picture, size, and which one would run."""
    from trendloom.artifacts import load_card, model_names, models_folder

    chosen = settings()
    for name, folder in model_names(chosen.models_dir).items():
        try:
            card = load_card(folder)
        except TrendloomError as reason:
            typer.echo(f"{name}  cannot be used: {reason}")
            continue
        place = "shipped" if folder.parent == models_folder() else "yours"
        mark = ", would run" if name == chosen.model else ""
        typer.echo(
            f"{card.identity}  {card.dim} dimensions, {card.image_size} px {card.fit}, "
            f"{_size_mb(card):,.1f} MB, {place}{mark}"
        )


@group.command()
def show(
    name: Name, as_json: Annotated[bool, typer.Option("--json", help="The card as it is stored.")] = False
) -> None:
    """Shows what a model's card says: files, preprocessing, parity, calibration, how good, weak spots; all by --json."""
    from trendloom.artifacts import CARD, find_model, load_card

    folder = find_model(name, settings().models_dir)
    card = load_card(folder)
    if as_json:
        typer.echo((folder / CARD).read_text(encoding="utf-8"), nl=False)
        return
    for title, text in _facts(card):
        typer.echo(f"{title:<15} {text}")


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    """Returns the lines of a card: title and text."""
    from trendloom.artifacts import read_gates

    source, length = card.source, card.text.context_length
    lines = [
        ("model", f"{card.identity}, made {card.created}"),
        ("folder", str(card.folder)),
        ("picture", f"{card.image_size} px, {card.fit}, {card.interpolation}" + _fill(card)),
        ("text", f"at most {length} ids, padded to the {card.text.pad_to}" if length else "as the tokenizer says"),
        ("embedding", f"{card.dim} dimensions"),
        ("licence", card.licence),
    ]
    lines += [("file", f"{n}  {r.size_bytes:,} bytes  sha256 {r.sha256}") for n, r in card.files.items()]
    if card.taxonomy:
        lines.append(("taxonomy", f"{card.taxonomy['identity']}  sha256 {card.taxonomy['sha256']}"))
    if source:
        checkpoint = f"  sha256 {source.sha256}" if source.sha256 else ""
        lines.append(("source", f"{source.architecture}, {source.pretrained}, {source.library}{checkpoint}"))
    lines += [("parity", text) for text in _parity(card.parity)]
    lines += [("gate", gate.words) for gate in read_gates(card).values()]
    told = card.calibration.classify
    lines.append(
        ("classify", f"softmax scale {told.softmax_scale:g}, sigmoid {told.sigmoid_scale:g} x + {told.sigmoid_bias:g}")
    )
    measured = card.metrics.get("tags")
    for name, tags in card.calibration.tags.items():
        sure = f"sure from {tags.threshold:.2f}" if tags.validated else "off, not validated"
        worth = _worth(measured.get(name)) if isinstance(measured, dict) else ""
        lines.append(("tags", f"{name}: scale {tags.scale:g}, {sure}{worth}"))
    lines += [("trained on", f"{t.name}: {t.photos:,} photos, {t.terms}") for t in card.training_data]
    lines += [("figure", f"{name} {_figure(value)}") for name, value in card.metrics.items() if _figure(value)]
    lines += [("weak spot", spot) for spot in card.weak_spots]
    return [*lines, ("reproduce", card.reproduce)]


def _fill(card: ModelCard) -> str:
    return f" on {card.fill}" if card.fit == "letterbox" else ""


def _figure(value: Any) -> str:
    if not isinstance(value, dict) or "value" not in value:
        return f"{value:g}" if isinstance(value, int | float) else ""
    low, high = value.get("low"), value.get("high")
    return f"{value['value']:.3f}" + (f" ({low:.3f}-{high:.3f})" if low is not None and high is not None else "")


def _worth(scores: Any) -> str:
    """Returns how good the tags of a group are on validation photos, as far as the card says; its values are in --json."""
    if not isinstance(scores, dict) or not scores.get("support"):
        return ""
    told = {"precision": "precision", "recall": "recall", "calibration_error": "calibration error"}
    figures = [
        f"{title} {scores[name]:.3f}" for name, title in told.items() if isinstance(scores.get(name), int | float)
    ]
    return f"; {', '.join(figures)} of {scores['support']:,} validation labels" if figures else ""


def _parity(parity: Any) -> list[str]:
    """Returns the certificate in words."""
    if "image_cosine" not in parity:
        return []

    def spread(cosines: dict[str, float]) -> str:
        return f"cosine {cosines['median']:.6f} in the median, {cosines['least']:.6f} at worst"

    own = parity["preprocessing"]
    return [
        f"with {parity['against']}: {parity['photos']} photos ({parity['photos_from']})",
        f"image tower: {spread(parity['image_cosine'])} (to other photos {parity['image_cosine_of_others']:.2f}); "
        f"same top label of {parity['labels']}: {parity['same_top_label']:.1%}",
        f"text tower: {spread(parity['text_cosine'])} over {parity['texts']} texts; "
        f"{parity['texts_with_equal_ids']:,} texts with equal ids",
        f"with our own decoding and preprocessing: {spread(own['cosine'])}; same top label: {own['same_top_label']:.1%}; "
        f"same pixels of decoded photos: {own['same_pixels_when_decoded']:.1%}",
    ]


@group.command()
def verify(name: SomeName = None) -> None:
    """Reads every file of a model, or of all, and compares its SHA-256 with the card."""
    from trendloom.artifacts import find_model, load_card, model_names, taxonomy_note
    from trendloom.artifacts import verify as check

    chosen = settings()
    folders = [find_model(name, chosen.models_dir)] if name else list(model_names(chosen.models_dir).values())
    broken = 0
    for folder in folders:
        try:
            card = load_card(folder)
            check(card)
            typer.echo(
                f"{card.identity}: {len(card.files)} files match their sha256{taxonomy_note(card, chosen.models_dir)}"
            )
        except TrendloomError as reason:
            broken += 1
            typer.echo(f"{folder.name}: {reason}")
    if broken:
        raise typer.Exit(1)


@group.command()
def remove(name: Name) -> None:
    """Removes a model that you added."""
    from trendloom.artifacts import remove_model

    typer.echo(f"removed {remove_model(name, settings().models_dir)}")


@group.command()
def bench(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A model; by default the one that would run.", show_default=False),
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads that one call of a tower may use.", min=1, max=256)] = 1,
    seconds: Annotated[float, typer.Option(help="Time for each part.", min=0.01, max=60.0)] = 1.0,
    engine: EngineName = None,
) -> None:
    """Measures how fast a model is on this machine: a few seconds; and says which engines there are."""
    from trendloom.artifacts import passed_gates, read_gates
    from trendloom.vision import registry
    from trendloom.vision.bench import bench as measure
    from trendloom.vision.engines import Machine

    chosen = settings(engine=engine)
    model = registry.load(name or chosen.model, chosen.models_dir, threads=threads, engine=chosen.engine)
    found = measure(model, seconds=seconds)
    typer.echo(f"{model.identity} on {found.engine}, {amount(threads, 'thread')} a call, one caller")
    for what, rate in (
        ("decode", f"{found.decode:10,.1f} photos/s of 1080 x 1350 pixels to {model.card.image_size} px"),
        ("image tower", f"{found.images:10,.1f} photos/s"),
        ("text tower", f"{found.texts:10,.1f} texts/s"),
    ):
        typer.echo(f"  {what:<12} {rate}")
    for line in Machine.here().words(frozenset(passed_gates(model.card))):
        typer.echo(f"  {line}")
    for gate in read_gates(model.card).values():
        typer.echo(f"  gate of {gate.words}")


@group.command("gate")
def measure_gate(
    name: Name,
    sources: Annotated[
        list[Path], typer.Argument(metavar="SRC", help="Photos of yours, a few hundred or more.", show_default=False)
    ],
    engine: Annotated[str, typer.Option(help="The engine to measure, such as openvino-cpu-bf16.", show_default=False)],
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of key, group and value: what photos are known to show.", show_default=False),
    ] = None,
) -> None:
    """Compares an engine with fp32 on photos of yours and keeps the figures; only what passed is ever chosen."""
    from datetime import UTC, datetime

    from trendloom.cli.progress import bar
    from trendloom.pipeline.gating import gate, read_gate_labels
    from trendloom.sources import open_source
    from trendloom.vision.engines import Machine, engine_of

    chosen, machine = settings(), Machine.here()
    wanted = engine_of(engine)
    note = "" if machine.fast(wanted) else f", {wanted.precision} emulated"
    known = read_gate_labels(labels) if labels else {}
    with bar("photos") as progress:
        found = gate(
            name,
            chosen.models_dir,
            engine,
            open_source(sources),
            known,
            machine=f"{machine.title}{note}",
            today=datetime.now(tz=UTC).date(),
            progress=progress,
        )
    typer.echo(found.words)
    for failure in found.failures:
        typer.echo(f"  {failure}")
    if found.failures:
        raise typer.Exit(1)


@group.command()
def add(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_CHECKPOINT",
            help="An architecture of open_clip, a checkpoint file, hf-hub:ORG/NAME or local-dir:FOLDER.",
            show_default=False,
        ),
    ],
    pretrained: Annotated[
        str | None, typer.Option(help="Tag or checkpoint of the architecture's weights.", show_default=False)
    ] = None,
    arch: Annotated[
        str | None, typer.Option(help="Architecture of the checkpoint: a name, or a .json file.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the installed model.", show_default=False)] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of photos to compare on; by default garments are drawn.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of key and label to calibrate on; keys are paths below --photos.", show_default=False),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="What the card says of the weights' terms.", show_default=False)
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help='Instead of the model\'s own: {"mean": [..], "std": [..], "interpolation": "bicubic", "resize_mode": "shortest"}.',
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of a tower's call; by default one per core.", show_default=False)
    ] = None,
) -> None:
    """Converts an open_clip model, compares it with the original, and installs it."""
    from datetime import UTC, datetime

    from trendloom.cli.show import err
    from trendloom.vision.open_clip.adding import add_model
    from trendloom.vision.open_clip.loading import Wanted, read_preprocessing

    chosen = settings(workers=threads)
    wanted = Wanted(
        what=what,
        pretrained=pretrained,
        arch=arch,
        preprocessing=read_preprocessing(preprocess) if preprocess else None,
    )
    added = add_model(
        wanted,
        created=datetime.now(tz=UTC).date(),
        name=name,
        models_dir=chosen.models_dir,
        photos=photos,
        labels=labels,
        licence=licence,
        threads=chosen.threads,
        phase=lambda said: err.print(f"{said} ...", highlight=False, markup=False),
    )
    for line in added.skipped:
        err.print(f"skipped: {line}", highlight=False, markup=False)
    for title, text in _facts(added.card):
        if title in ("model", "folder", "picture", "source", "parity", "tags", "figure"):
            typer.echo(f"{title:<15} {text}")
    if added.skipped:
        raise typer.Exit(1)


@app.command()
def reembed(
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default=False)],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SRC",
            help="What was ingested; by default the folder that the workspace names.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model to go on with.", show_default=False)] = None,
    format: Annotated[str, typer.Option(help="auto, folder, manifest, tar or files.")] = "auto",
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="As the photos were ingested.", show_default=False),
    ] = None,
    garments: Annotated[
        str | None, typer.Option(help="on: find the garments of a photo (default); off: not.", show_default=False)
    ] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Go on without photos that are gone.")] = False,
    workers: Annotated[
        int | None, typer.Option(help="Worker threads; by default one per core.", show_default=False)
    ] = None,
) -> None:
    """Brings a workspace to another model: every photo is looked at again. Can be stopped and run again."""
    from trendloom.cli.progress import bar
    from trendloom.cli.show import err, phases
    from trendloom.pipeline.heads import heads_of
    from trendloom.pipeline.indexing import vector_index
    from trendloom.pipeline.reembed import reembed as look_again
    from trendloom.pipeline.study import study_again
    from trendloom.sources import open_source, parse_map
    from trendloom.store import Workspace
    from trendloom.vision import registry

    chosen = settings(model=model, workers=workers, garments=garments)
    told = sources or [Path(Workspace.open(workspace).meta.source)]
    found = [open_source([path], format=format, columns=parse_map(map or [])) for path in told]
    loaded = registry.load(chosen.model, chosen.models_dir, engine=chosen.engine)
    with bar("photos") as progress:
        came = look_again(
            workspace,
            found,
            loaded.encoder,
            loaded.tagger,
            workers=chosen.threads,
            finder=loaded.finder if chosen.garments == "on" else None,
            drop_missing=drop_missing,
            progress=progress,
        )
    if not came.done:
        raise StoreError(
            f"{len(came.missing):,} photos of the workspace are not in {', '.join(str(path) for path in told)} as they were, the first: "
            f"{came.missing[0]}. Name every SRC that was ingested, or give --drop-missing; the workspace is as it was"
        )
    home = Workspace.open(workspace)
    with home.writing(), phases() as phase:
        study_again(home, threads=chosen.threads, phase=phase)
        phase("index")
        vector_index(home)
    err.print(f"{came.photos:,} photos, now of {loaded.identity}", highlight=False, markup=False)
    if stale := [head.group for head in heads_of(home) if head.model != loaded.identity]:
        err.print(
            f"learned for another model: {', '.join(stale)}; run `trendloom models fit-head` again", highlight=False
        )
