"""demo, doctor."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from trendloom import __version__
from trendloom.cli.door import app, finish, settings
from trendloom.config import Settings

__all__: list[str] = []

_PARTS = ("numpy", "pillow", "simplejpeg", "onnxruntime", "faiss-cpu", "polars", "deltalake", "fastapi")
_EXTRAS = {
    "openvino": ("openvino", "bf16 on CPUs that have it"),
    "heic": ("pillow-heif", "reads HEIC photos"),
    "train": ("torch", "trains and exports models"),
}


@app.command()
def doctor(
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            help="Also reads a workspace's index and compares it with its checksums.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Says what is installed, which model and engine would run, and what is missing."""
    from trendloom.artifacts import verify
    from trendloom.errors import TrendloomError
    from trendloom.vision import registry
    from trendloom.vision.engines import Machine

    chosen = settings()
    typer.echo(
        f"trendloom {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, {chosen.threads} workers"
    )
    for name in _PARTS:
        typer.echo(f"  {name} {_installed(name) or 'MISSING: pip install ' + name}")
    for extra, (name, what) in _EXTRAS.items():
        found = _installed(name)
        typer.echo(
            f"  {name} {found}" if found else f"  {name} not installed: {what}; pip install 'trendloom[{extra}]'"
        )
    for line in Machine.here().words(_passed(chosen)):
        typer.echo(f"  {line}")
    broken = False
    try:
        for card in registry.installed(chosen.models_dir):
            loaded = registry.load(
                card.name, chosen.models_dir, engine=chosen.engine if card.name == chosen.model else "auto"
            )
            verify(card)
            mark = "would run" if card.name == chosen.model else "installed"
            typer.echo(
                f"  model {loaded.identity}: {mark} on {loaded.engine}, {card.dim} dimensions, {card.image_size} px, files match their sha256"
            )
            typer.echo(
                f"  taxonomy {loaded.taxonomy.identity}: {sum(len(g.values) for g in loaded.taxonomy.groups)} values"
            )
    except TrendloomError as reason:
        broken = True
        typer.echo(f"  model: {reason}")
    if workspace is not None:
        broken |= not _whole(workspace)
    if broken:
        raise typer.Exit(2)


def _whole(workspace: Path) -> bool:
    """Returns whether a workspace's index matches its checksums; says so."""
    from trendloom.errors import VectorIndexError
    from trendloom.index import VectorIndex
    from trendloom.store import Workspace

    folder = Workspace.open(workspace).root / "index"
    try:
        count = VectorIndex.verify(folder)
        typer.echo(
            f"  index of {workspace}: {len(VectorIndex.load(folder)):,} vectors, {count:,} bytes match their sha256"
        )
    except VectorIndexError as reason:
        typer.echo(f"  index of {workspace}: {reason}")
        return False
    return True


def _passed(chosen: Settings) -> frozenset[str]:
    """Returns the engines that passed the gate of the model that would run; none where it cannot be read."""
    from trendloom.artifacts import find_model, load_card, passed_gates
    from trendloom.errors import TrendloomError

    try:
        return passed_gates(load_card(find_model(chosen.model, chosen.models_dir)))
    except TrendloomError:
        return frozenset()


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the drawn dump and its workspace go.")] = Path("demo"),
    weeks: Annotated[int, typer.Option(help="Weeks of posts.", min=26, max=520)] = 78,
    per_week: Annotated[int, typer.Option(help="Posts per week.", min=5, max=10_000)] = 45,
    seed: Annotated[int, typer.Option(help="Another number, another dump.")] = 7,
) -> None:
    """Draws a dated dump of garments with planted trends, runs the whole path on it, and says what was found."""
    from trendloom.cli.progress import bar
    from trendloom.cli.show import out
    from trendloom.cli.workspace import run_all
    from trendloom.drawn.dump import make_dump
    from trendloom.pipeline.demo import findings
    from trendloom.store import Workspace

    chosen = settings()
    folder.mkdir(parents=True, exist_ok=True)
    with bar("drawing") as progress:
        plan = make_dump(folder / "dump", seed=seed, weeks=weeks, per_week=per_week, progress=progress)
    counts = run_all(folder / "dump", folder / "workspace", chosen)
    for line in findings(plan, Workspace.open(folder / "workspace")):
        out.print(line, highlight=False, markup=False)
    called = Path(sys.argv[0])
    name = "python -m trendloom" if called.name == "__main__.py" else os.path.relpath(called)
    name = "trendloom" if shutil.which("trendloom") else name
    out.print(
        f"open the dashboard: {name} serve --workspace {folder / 'workspace'} --k 1", highlight=False, markup=False
    )
    try:
        finish(counts)
    except typer.Exit:
        out.print("(the demo breaks a few files on purpose, to show that the rest goes on)", highlight=False)
