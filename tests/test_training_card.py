"""A card that is brought up to date without training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from trendloom.artifacts import load_card, models_folder, verify
from trendloom.errors import ArtifactError

card = pytest.importorskip("training.card", reason="the recipe is beside the package, in a checkout")


@pytest.fixture(name="shipped")
def _shipped(tmp_path: Path) -> Path:
    """A copy of the shipped model and its taxonomy."""
    shutil.copytree(models_folder() / "fashion-lite", tmp_path / "fashion-lite")
    shutil.copyfile(models_folder() / "taxonomy.yaml", tmp_path / "taxonomy.yaml")
    return tmp_path / "fashion-lite"


def fields(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return found


def test_the_shipped_card_is_what_the_command_writes(shipped: Path) -> None:
    files = {path.name for path in shipped.iterdir()} - {"card.json"}
    assert set(load_card(shipped).files) == files  # whatever the product could read from there
    before = fields(shipped)
    older = before | {
        "files": {name: its for name, its in before["files"].items() if name not in ("prompts.npz", "gates.json")}
    }
    del older["taxonomy"]
    (shipped / "card.json").write_text(json.dumps(older | {"reproduce": "ask around"}), encoding="utf-8")
    card.update(shipped)
    assert fields(shipped) == before
    assert "python -m training.reproduce training/configs/fashion-lite.yaml" in before["reproduce"]
    assert card.taken() in before["reproduce"]
    assert {path.name for path in shipped.iterdir()} == files | {"card.json"}


def test_weights_that_differ_from_their_record_are_not_recorded_anew(shipped: Path) -> None:
    raw = bytearray((shipped / "find.onnx").read_bytes())
    raw[-1] ^= 1
    (shipped / "find.onnx").write_bytes(raw)
    before = (shipped / "card.json").read_bytes()
    with pytest.raises(ArtifactError, match=r"find\.onnx: expected SHA-256"):
        card.update(shipped)
    assert (shipped / "card.json").read_bytes() == before


def test_another_taxonomy_gets_vectors_of_its_own(shipped: Path) -> None:
    path = shipped.parent / "taxonomy.yaml"
    text = (
        path.read_text(encoding="utf-8").replace("version: 4", "version: mine").replace('"jet black"', '"deep black"')
    )
    path.write_text(text, encoding="utf-8")
    before = load_card(shipped)
    card.update(shipped)
    after = load_card(shipped)
    verify(after)
    assert after.taxonomy["identity"] == "trendloom mine"
    assert {name for name in after.files if after.files[name] != before.files[name]} == {"prompts.npz"}


def test_figures_come_from_the_calibration_that_the_card_has(shipped: Path, tmp_path: Path) -> None:
    tags = fields(shipped)["calibration"]["tags"]
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"tags": tags, "report": {"type": {"support": 3}}}), encoding="utf-8")
    card.set_figures(shipped, file)
    assert fields(shipped)["metrics"]["tags"] == {"type": {"support": 3}}
    assert "catalogue_type_top1" in fields(shipped)["metrics"]
    tags["colour"]["threshold"] = 0.9
    file.write_text(json.dumps({"tags": tags, "report": {}}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="colour has another threshold: export the run anew"):
        card.set_figures(shipped, file)
