"""Bring a model's card up to date without training: `python -m training.card models/fashion-lite`.

Keeps the taxonomy beside the model parsed, and records what is not recorded yet: the vectors of prompts (written anew
where they are of another taxonomy), the gates, the taxonomy; and sets what stands in code: how to make the weights again
and the weak spots. Weights are only compared with their records. `--calibration FILE` of `training.calibrate` also sets
the figures of tags, if it fitted what the card has.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml

from trendloom.artifacts import CARD, GATES, amend_card, digest, load_card, record_file, taxonomy_path, verify
from trendloom.errors import ArtifactError
from trendloom.taxonomy import load_taxonomy, write_parsed
from trendloom.vision.registry import write_prompts
from trendloom.vision.tagger import PROMPTS, find_prompt_vectors

__all__ = ["REPRODUCE", "WEAK_SPOTS", "set_figures", "taken", "update"]

RECIPE = Path(__file__).parent / "configs" / "fashion-lite.yaml"
WEAK_SPOTS = [
    "Dark and pale neighbours are confused: brown and black, navy and black, grey and white.",
    "Neighbouring types are confused: t-shirts and tops, sandals and flip flops, flats and heels, coats and jackets.",
    "Fine patterns fall to plain: melange, embroidery, narrow stripes.",
    "In photos of whole outfits belts, jewellery, scarves, socks and hats are mostly missed (metrics.garments says how many "
    "of each kind are found).",
    "Trained mostly on shops' product photos, on European and Indian clothes and on women's and men's sizes; children's "
    "and other traditions' clothes are rare in it.",
    "Words that the training never saw are understood only as far as the sentence encoder relates them to those it did.",
    "It never says that a photo hides what a group asks for (not_visible), nor that a garment has none of it where no value "
    "says so: metrics.absent has what was tried.",
]


def taken(recipe: Path = RECIPE) -> str:
    """How long the commands of a recipe took together, as its file notes for each, such as `5 h 20 min`."""
    phases = yaml.safe_load(recipe.read_text(encoding="utf-8"))["commands"]
    minutes = sum(command.get("minutes", 0) for commands in phases.values() for command in commands)
    return f"{minutes // 60} h {minutes % 60} min"


REPRODUCE = (
    "DATA=... WORK=... python -m training.reproduce training/configs/fashion-lite.yaml. It goes on where it was stopped and "
    f"says when it would end. Its commands took {taken()} on two shared cores, the sum of times taken one by one as the "
    "model came about; as one command it has not been run to its end. Weights of the same recipe, not the shipped ones bit "
    "for bit: training/README.md says what differed."
)


def set_figures(folder: Path, file: Path) -> None:
    """Set the figures of tags to those of a file that `training.calibrate` wrote.

    Raises:
        ArtifactError: It fitted other scales or thresholds than the card has.
    """
    found = json.loads(file.read_text(encoding="utf-8"))
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    for group, its in card["calibration"]["tags"].items():
        if odd := [name for name, value in its.items() if found["tags"].get(group, {}).get(name) != value]:
            raise ArtifactError(
                f"{file}: expected the calibration of the card, but {group} has another {', '.join(odd)}: export the run anew"
            )
    amend_card(folder, {"metrics": card["metrics"] | {"tags": found["report"]}})
    load_card(folder)


def update(folder: Path) -> None:
    """Record every file that the product reads from the folder, and set what code says of the model.

    Raises:
        ArtifactError: A file differs from its record.
    """
    verify(load_card(folder))
    for name in (PROMPTS, GATES):
        if name not in load_card(folder).files and (folder / name).is_file():
            record_file(folder, name)
    path = taxonomy_path(folder.parent)
    if path.parent == folder.parent:
        write_parsed(path)
    taxonomy = load_taxonomy(path)
    if find_prompt_vectors(taxonomy, load_card(folder)) is None:
        write_prompts(folder)
    stated = {"identity": taxonomy.identity, "sha256": digest(path)}
    amend_card(folder, {"reproduce": REPRODUCE, "weak_spots": WEAK_SPOTS, "taxonomy": stated})
    load_card(folder)


def main() -> None:
    """Bring the card of a model's folder up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the model's folder, beside the taxonomy that it is for")
    parser.add_argument("--calibration", type=Path, help="calibration.json of the run that the model was exported from")
    args = parser.parse_args()
    update(args.folder)
    if args.calibration:
        set_figures(args.folder, args.calibration)
    print(f"{load_card(args.folder).identity}: {', '.join(load_card(args.folder).files)}")


if __name__ == "__main__":
    main()
