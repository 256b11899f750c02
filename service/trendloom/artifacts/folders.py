"""Where models live: those that ship with trendloom, and the user's own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from trendloom.artifacts.cards import CARD, MODEL_NAME, load_card
from trendloom.artifacts.files import digest
from trendloom.artifacts.nouns import ModelCard
from trendloom.errors import ArtifactError

__all__ = [
    "find_model",
    "installed_cards",
    "model_names",
    "models_folder",
    "remove_model",
    "taxonomy_note",
    "taxonomy_path",
    "user_models_folder",
]

TAXONOMY = "taxonomy.yaml"


def models_folder() -> Path:
    """Returns the folder of the models that ship: the installed one, else the checkout's.

    Raises:
        ArtifactError: no such folder.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_models", package.parents[1] / "models"):
        if candidate.is_dir():
            return candidate
    raise ArtifactError("no models are installed with trendloom; install the wheel again")


def user_models_folder(models_dir: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """Returns the folder of the user's own models, which may not be there yet: the given one, else the platform's.

    On Linux `$XDG_DATA_HOME/trendloom/models`, by default below `~/.local/share` (XDG Base Directory Specification);
    elsewhere where the system keeps the data of applications.
    """
    if models_dir is not None:
        return models_dir
    told = os.environ if environment is None else environment
    if sys.platform == "win32":
        base = Path(told.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(told.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "trendloom" / "models"


def _folders(models_dir: Path | None) -> Iterator[Path]:
    """Yields the folders in which models are looked for; a name of an earlier one hides the same of a later one.

    Raises:
        ArtifactError: the given folder is not there.
    """
    if models_dir is not None and not models_dir.is_dir():
        raise ArtifactError(f"expected a folder of models at {str(models_dir)!r}, found none; give another folder")
    yield user_models_folder(models_dir)
    yield models_folder()


def taxonomy_path(models_dir: Path | None = None) -> Path:
    """Returns the path of the taxonomy: the one in the user's folder of models if it has one, else the shipped one.

    Raises:
        ArtifactError: the given folder, or any taxonomy, is not there.
    """
    for folder in _folders(models_dir):
        if (folder / TAXONOMY).is_file():
            return folder / TAXONOMY
    raise ArtifactError(f"expected {TAXONOMY} beside the models, found none; install the models again")


def taxonomy_note(card: ModelCard, models_dir: Path | None = None) -> str:
    """Returns what there is to say of the taxonomy that would be asked beside the one that the card is for.

    Raises:
        ArtifactError: it is the shipped one, and another file than the card names; or there is none.
    """
    path = taxonomy_path(models_dir)
    if not card.taxonomy or digest(path) == card.taxonomy["sha256"]:
        return f", and so does {path.name}" if card.taxonomy else ""
    if path.parent == models_folder() == card.folder.parent:
        raise ArtifactError(
            f"{path.name}: expected SHA-256 {card.taxonomy['sha256']}, got {digest(path)}; install it again"
        )
    return f"; its tags were calibrated for {card.taxonomy['identity']}, {path} is another"


def model_names(models_dir: Path | None = None) -> dict[str, Path]:
    """Returns the folder of every installed model by name, in the order of names; whether a card can be read is open.

    Raises:
        ArtifactError: the given folder of models, or the shipped one, is not there.
    """
    found: dict[str, Path] = {}
    for folder in _folders(models_dir):
        for path in folder.glob(f"*/{CARD}"):
            if MODEL_NAME.fullmatch(path.parent.name):  # a model that is being written lies in a hidden folder
                found.setdefault(path.parent.name, path.parent)
    return dict(sorted(found.items()))


def find_model(name: str, models_dir: Path | None = None) -> Path:
    """Returns the folder of the model called `name`.

    Raises:
        ArtifactError: no such model; the message lists those that are there.
    """
    names = model_names(models_dir)
    if name in names:
        return names[name]
    there = ", ".join(names) or "none"
    raise ArtifactError(f"expected the name of an installed model, got {name!r}; installed: {there}")


def installed_cards(models_dir: Path | None = None) -> tuple[ModelCard, ...]:
    """Returns the card of every installed model, sorted by name.

    Raises:
        ArtifactError: there is no folder of models, or a card in it cannot be read.
    """
    return tuple(load_card(folder) for folder in model_names(models_dir).values())


def remove_model(name: str, models_dir: Path | None = None) -> Path:
    """Returns the folder of one of the user's own models, now gone; it is gone for readers at once.

    Raises:
        ArtifactError: no such model, or it ships with trendloom.
    """
    folder = find_model(name, models_dir)
    if folder.parent == models_folder():
        raise ArtifactError(f"{name} ships with trendloom and stays; models that you added can be removed")
    gone = folder.with_name(f".removed-{name}-{os.getpid()}")
    try:
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as exc:
        raise ArtifactError(f"{name} cannot be removed ({exc.strerror}): may you write {folder.parent}?") from exc
    return folder
