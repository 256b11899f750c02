from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles import card_fields, write_model
from trendloom.artifacts import (
    find_model,
    installed_cards,
    load_card,
    models_folder,
    remove_model,
    taxonomy_path,
    user_models_folder,
    verified,
    verify,
)
from trendloom.errors import ArtifactError

FILES = {"image.onnx": b"image", "text.onnx": b"text", "tokenizer.json": b"{}"}


def test_a_sound_card_is_read_whole(tmp_path: Path) -> None:
    card = load_card(write_model(tmp_path / "toy"))
    assert card.identity == "toy 1.0"
    assert (card.dim, card.image_size, card.fill) == (32, 16, (255, 255, 255))
    assert card.created == date(2026, 11, 22)
    assert card.training_data[0].photos == 3
    assert card.metrics == {"top1": 0.5}
    assert card.calibration.classify.softmax_scale_log_n == 0.0
    assert card.calibration.tags["colour"].threshold == 0.3
    assert card.calibration.tags["colour"].further == 0.3
    assert card.folder == tmp_path / "toy"
    verify(card)


@pytest.mark.parametrize("field", [*card_fields(FILES)])
def test_every_field_is_needed(tmp_path: Path, field: str) -> None:
    with pytest.raises(ArtifactError, match=field):
        load_card(write_model(tmp_path / "toy", **{field: None}))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"mean": [0, 0, 0]}, "unknown field mean"),
        ({"name": "Toy/../x"}, "name"),
        ({"version": " "}, "version"),
        ({"dim": 0}, "dim"),
        ({"dim": 2.5}, "dim"),
        ({"dim": True}, "dim"),
        ({"dim": "32"}, "dim"),
        ({"image_size": 10**9}, "image_size"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"fit": "stretch"}, "fit"),
        ({"text": {"context_length": 0}}, "text"),
        ({"text": {"pad_to": "context"}}, "context_length is missing"),
        ({"text": {"pad_to": "left"}}, "pad_to"),
        ({"text": {"language": "en"}}, "unknown field language"),
        ({"source": {"library": "open_clip 3"}}, "architecture"),
        ({"parity": [1]}, "parity"),
        ({"fill": [255, 255]}, "fill"),
        ({"fill": [255, 255, 256]}, "fill"),
        ({"created": "22.11.2026"}, "created"),
        ({"files": {"image.onnx": {"sha256": "0" * 64, "bytes": 5}}}, "text.onnx"),
        ({"files": {"../image.onnx": {"sha256": "0" * 64, "bytes": 5}}}, "plain file names"),
        ({"files": {"image.onnx": {"sha256": "xyz", "bytes": 5}}}, "SHA-256"),
        ({"files": []}, "files"),
        ({"training_data": [{"name": "x", "terms": "y"}]}, "photos"),
        ({"training_data": {}}, "training_data"),
        ({"weak_spots": [""]}, "weak_spots"),
        ({"calibration": {"classify": {}, "tags": {}}}, "templates"),
        ({"metrics": 3}, "metrics"),
    ],
)
def test_odd_fields_are_refused_with_their_place(tmp_path: Path, changes: dict[str, object], place: str) -> None:
    with pytest.raises(ArtifactError, match=place):
        load_card(write_model(tmp_path / "toy", stored=None, **changes))


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda c: c["classify"].update(templates=[]), "classify.templates"),
        (lambda c: c["classify"].update(templates=["no place"]), r"templates\[0\]"),
        (lambda c: c["classify"].update(softmax_scale=float("nan")), "softmax_scale"),
        (lambda c: c["classify"].update(temperature=1), "unknown field temperature"),
        (lambda c: c["tags"]["type"].update(threshold=1.5), "tags.type: threshold"),
        (lambda c: c["tags"]["type"].pop("scale"), "tags.type: scale"),
    ],
)
def test_odd_calibration_is_refused(tmp_path: Path, edit: Callable[[dict[str, object]], None], place: str) -> None:
    calibration = json.loads(json.dumps(card_fields(FILES)["calibration"]))
    edit(calibration)
    with pytest.raises(ArtifactError, match=place):
        load_card(write_model(tmp_path / "toy", calibration=calibration))


def test_a_missing_or_cut_file_is_found_on_load(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    (folder / "text.onnx").write_bytes(b"tex")
    with pytest.raises(ArtifactError, match="expected 4 bytes, got 3"):
        load_card(folder)
    (folder / "text.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"toy/text\.onnx"):
        load_card(folder)


def test_verify_finds_a_flipped_byte(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    card = load_card(folder)
    (folder / "image.onnx").write_bytes(b"imagf")
    load_card(folder)  # the length is as stated
    with pytest.raises(ArtifactError, match=r"toy/image\.onnx: expected SHA-256"):
        verify(card)


def test_a_file_is_used_with_the_weights_beside_it_and_only_if_the_card_names_it(tmp_path: Path) -> None:
    files = {name: name.encode() for name in ("image.onnx", "image.onnx.weights", "text.onnx", "tokenizer.json")}
    folder = write_model(tmp_path / "toy", stored=files)
    card = load_card(folder)
    assert verified(card, "image.onnx") == folder / "image.onnx"
    (folder / "image.onnx.weights").write_bytes(b"image.onnx.WEIGHTS")
    with pytest.raises(ArtifactError, match=r"toy/image\.onnx\.weights: expected SHA-256"):
        verified(card, "image.onnx")
    with pytest.raises(ArtifactError, match=r"expected the card to name find\.onnx"):
        verified(card, "find.onnx")


def test_no_card_and_no_json_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"card\.json"):
        load_card(tmp_path)
    (tmp_path / "card.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match="expected JSON"):
        load_card(tmp_path)
    (tmp_path / "card.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ArtifactError, match="expected JSON"):
        load_card(tmp_path)
    (tmp_path / "card.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ArtifactError, match="expected an object"):
        load_card(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789truefalsn\\ud8', max_size=40).map(str.encode)
)
def test_any_card_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ArtifactError):
        load_card(tmp_path)


def test_what_newer_cards_add_has_defaults(tmp_path: Path) -> None:
    plain = load_card(write_model(tmp_path / "toy"))
    assert (plain.text.context_length, plain.text.pad_id, plain.source, plain.parity) == (None, 0, None, {})
    assert plain.calibration.tags["type"].validated
    changes: dict[str, Any] = {
        "fit": "center-crop",
        "interpolation": "bilinear",
        "text": {"context_length": 64, "pad_id": 1},
        "source": {"library": "open_clip 3", "architecture": "ViT-B-32", "pretrained": "x.pt", "sha256": "0" * 64},
        "parity": {"photos": 3},
        "garments": {"any": [1, 2]},
    }
    card = load_card(write_model(tmp_path / "new", **changes))
    assert (card.fit, card.interpolation, card.text.context_length, card.text.pad_id) == (
        "center-crop", "bilinear", 64, 1,
    )  # fmt: skip
    assert card.source is not None
    assert card.source.architecture == "ViT-B-32"
    assert card.parity == {"photos": 3}
    assert card.garments == {"any": [1, 2]}


def test_models_are_found_by_name_beside_the_shipped(tmp_path: Path) -> None:
    write_model(tmp_path / "toy")
    write_model(tmp_path / "another", name="another")
    write_model(tmp_path / ".adding-x")
    assert find_model("toy", tmp_path) == tmp_path / "toy"
    assert [card.name for card in installed_cards(tmp_path)] == ["another", "fashion-lite", "toy"]
    for name in ("tiny", "../toy", "", "TOY", ".adding-x"):
        with pytest.raises(ArtifactError, match="installed: another, fashion-lite, toy"):
            find_model(name, tmp_path)


def test_a_model_of_ones_own_hides_the_shipped_one_of_that_name(tmp_path: Path) -> None:
    write_model(tmp_path / "fashion-lite", name="fashion-lite")
    assert find_model("fashion-lite", tmp_path) == tmp_path / "fashion-lite"
    assert remove_model("fashion-lite", tmp_path) == tmp_path / "fashion-lite"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArtifactError, match="ships with trendloom"):
        remove_model("fashion-lite", tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="expected a folder of models"):
        find_model("toy", tmp_path / "nowhere")
    assert taxonomy_path(tmp_path) == taxonomy_path()
    (tmp_path / "taxonomy.yaml").write_text("")
    assert taxonomy_path(tmp_path) == tmp_path / "taxonomy.yaml"


def test_the_users_folder_is_the_platforms(tmp_path: Path) -> None:
    assert user_models_folder(tmp_path) == tmp_path
    if sys.platform == "linux":
        assert user_models_folder(environment={"XDG_DATA_HOME": "/data"}) == Path("/data/trendloom/models")
        assert user_models_folder(environment={}) == Path.home() / ".local/share/trendloom/models"


def test_the_checkout_has_its_models() -> None:
    assert taxonomy_path().is_file()
    assert taxonomy_path().parent == models_folder()
