"""The command `models`: what is installed is told, checked, measured and removed; what is not whole is never run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.dumps import make_dump
from tests.tiny_onnx import direction, tiny_model
from trendloom.artifacts import load_card, models_folder, write_card
from trendloom.cli import main
from trendloom.errors import ArtifactError, InputError
from trendloom.store import Workspace
from trendloom.vision.bench import bench
from trendloom.vision.open_clip.loading import read_preprocessing
from trendloom.vision.registry import load, load_of


@pytest.fixture(name="home", autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("TRENDLOOM_MODELS_DIR", str(folder))
    return folder


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


def test_the_tiny_model_runs(home: Path) -> None:
    tiny_model(home / "tiny")
    model = load("tiny", home)
    photo = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    photo[..., 0] = 255
    np.testing.assert_allclose(model.encoder.images(photo)[0], direction(256, 1, 1), atol=1e-5)
    np.testing.assert_allclose(model.encoder.texts(["Red", "hm"])[0], direction(4, 1, 1), atol=1e-5)


def test_a_workspaces_model_is_found_again_or_the_remedy_told(home: Path) -> None:
    tiny_model(home / "tiny")
    assert load_of("tiny 1.0", home).identity == "tiny 1.0"
    with pytest.raises(ArtifactError, match=r"holds vectors of tiny 0\.9, installed is tiny 1\.0.*trendloom reembed"):
        load_of("tiny 0.9", home)
    with pytest.raises(
        ArtifactError, match=r"holds vectors of gone 2: .* installed: fashion-lite, tiny; .*trendloom reembed"
    ):
        load_of("gone 2", home)


def test_list_names_yours_and_the_shipped_and_what_is_broken(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model(home / "tiny")
    tiny_model(home / "torn")
    (home / "torn" / "image.onnx").write_bytes(b"")
    assert call("models", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fashion-lite", "tiny", "torn"]
    assert "shipped, would run" in lines[0]
    assert lines[1].startswith("tiny 1.0  3 dimensions, 16 px letterbox")
    assert lines[1].endswith("yours")
    assert "cannot be used: torn/image.onnx: expected" in lines[2]


def test_show_tells_the_card(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spread = {"median": 0.999998, "least": 0.9991}
    parity = {
        "against": "open_clip 3", "photos": 64, "photos_from": "drawn garments", "image_cosine": spread,
        "image_cosine_of_others": 0.61, "text_cosine": spread, "texts": 63, "same_top_label": 1.0, "labels": 63,
        "texts_with_equal_ids": 1600,
        "preprocessing": {"cosine": spread, "same_top_label": 0.9844, "same_pixels_when_decoded": 1.0},
    }  # fmt: skip
    source = {"library": "open_clip 3", "architecture": "ViT-B-32", "pretrained": "w.pt", "sha256": "0" * 64}
    tiny_model(
        home / "tiny",
        parity=parity,
        source=source,
        fit="squash",
        text={"context_length": 7, "pad_id": 1, "pad_to": "context"},
    )
    assert call("models", "show", "tiny") == 0
    said = capsys.readouterr().out
    for words in (
        "tiny 1.0, made 2026-11-22", "16 px, squash, bicubic", "at most 7 ids, padded to the context", "Apache-2.0",
        "ViT-B-32, w.pt, open_clip 3  sha256 000", "image tower: cosine 0.999998 in the median, 0.999100 at worst",
        "to other photos 0.61", "same top label: 98.4%", "type: scale 12, sure from 0.30", "everything but colour",
    ):  # fmt: skip
        assert words in said
    assert call("models", "show", "tiny", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "tiny"
    assert call("models", "show", "fashion-lite") == 0
    said, shipped = capsys.readouterr().out, load("fashion-lite").card
    assert "catalogue_type_top1" in said
    for group, scores in shipped.metrics["tags"].items():
        (line,) = [line for line in said.splitlines() if line.startswith("tags") and f" {group}: scale" in line]
        assert ("off, not validated" in line) == (not shipped.calibration.tags[group].validated)
        assert ("precision" in line and f"of {scores['support']:,} " in line) == bool(scores["support"])
    assert call("models", "show", "none") == 2
    assert "installed: fashion-lite, tiny" in capsys.readouterr().err


def test_a_card_is_written_as_it_is_read(home: Path) -> None:
    for folder in (tiny_model(home / "tiny"), home / "fashion-lite"):
        if not folder.exists():
            shutil.copytree(load("fashion-lite").card.folder, folder)
        card = load_card(folder)
        write_card(card)
        assert load_card(folder) == card


def test_verify_names_the_taxonomy_that_tags_were_calibrated_for(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("models", "verify", "fashion-lite") == 0
    assert "8 files match their sha256, and so does taxonomy.yaml" in capsys.readouterr().out
    own = (models_folder() / "taxonomy.yaml").read_text(encoding="utf-8").replace("version: 4", "version: 4b")
    (home / "taxonomy.yaml").write_text(own, encoding="utf-8")
    assert call("models", "verify", "fashion-lite") == 0
    told = capsys.readouterr().out
    assert f"its tags were calibrated for trendloom 4, {home / 'taxonomy.yaml'} is another" in told
    shipped = home.parent / "shipped"
    shutil.copytree(models_folder(), shipped)
    (shipped / "taxonomy.yaml").write_text(own, encoding="utf-8")
    (home / "taxonomy.yaml").unlink()
    monkeypatch.setattr("trendloom.artifacts.folders.models_folder", lambda: shipped)
    assert call("models", "verify", "fashion-lite") == 1
    assert "taxonomy.yaml: expected SHA-256" in capsys.readouterr().out


def test_verify_finds_a_flipped_byte(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model(home / "tiny")
    assert call("models", "verify") == 0
    assert capsys.readouterr().out.count("files match their sha256") == 2
    path = home / "tiny" / "text.onnx"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert call("models", "verify", "tiny") == 1
    assert "tiny/text.onnx: expected SHA-256" in capsys.readouterr().out
    assert call("models", "verify") == 1
    assert call("models", "verify", "none") == 2


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_no_file_is_used_that_is_not_the_cards(home: Path, name: str) -> None:
    tiny_model(home / "tiny")
    path = home / "tiny" / name
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1  # of the same length: the card is read all the same
    path.write_bytes(raw)
    encoder = load("tiny", home).encoder
    with pytest.raises(ArtifactError, match=rf"tiny/{name}: expected SHA-256 [0-9a-f]+, got [0-9a-f]+; install"):
        _ = encoder.images(np.zeros((1, 16, 16, 3), dtype=np.uint8)) if "image" in name else encoder.texts(["red"])


def test_remove_takes_yours_and_never_the_shipped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model(home / "tiny")
    assert call("models", "remove", "tiny") == 0
    assert list(home.iterdir()) == []
    assert call("models", "remove", "tiny") == 2
    assert call("models", "remove", "fashion-lite") == 2
    assert "ships with trendloom" in capsys.readouterr().err
    assert load_card(load("fashion-lite").card.folder).name == "fashion-lite"


def test_bench_measures_every_part(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model(home / "tiny")
    found = bench(load("tiny", home), seconds=0.01)
    assert min(found.decode, found.images, found.texts) > 0
    assert call("models", "bench", "tiny", "--seconds", "0.01", "--threads", "2") == 0
    said = capsys.readouterr().out
    assert said.startswith("tiny 1.0 on onnxruntime-cpu-fp32, 2 threads a call")
    assert [line.split()[0] for line in said.splitlines()[1:4]] == ["decode", "image", "text"]
    assert "engine onnxruntime-cpu-fp32: chosen" in said


def test_a_workspace_goes_from_one_model_to_another(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model(home / "tiny")
    dump, work = make_dump(tmp_path / "dump", weeks=6, per_week=4, broken=0), tmp_path / "w"
    assert call("ingest", dump, "--workspace", work, "--model", "tiny") == 0
    assert call("ingest", dump, "--workspace", work) == 2
    assert f"trendloom reembed --workspace {work} --model fashion-lite" in capsys.readouterr().err
    (dump / "images").rename(dump / "elsewhere")
    assert call("reembed", "--workspace", work) == 2
    assert "24 photos of the workspace are not in" in capsys.readouterr().err
    (dump / "elsewhere").rename(dump / "images")
    assert call("reembed", "--workspace", work) == 0
    assert "24 photos, now of fashion-lite" in capsys.readouterr().err
    assert Workspace.open(work).meta.model == load("fashion-lite").identity
    assert call("ingest", dump, "--workspace", work) == 0
    assert call("search", "red", "--workspace", work) == 0
    assert call("reembed", "--workspace", work) == 2
    assert call("reembed", "--workspace", work, "--model", "none") == 2


def test_adding_without_the_extra_says_how_to_install_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert call("models", "add", "ViT-B-32", "--pretrained", "openai") == 2
    assert "pip install 'trendloom[train]'" in capsys.readouterr().err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected JSON"),
        ("[]", "expected an object"),
        ('{"size": 3}', "expected an object with some of mean"),
        ('{"mean": [1, 2]}', "mean: expected three numbers"),
        ('{"std": [0, 1, 1]}', "std: expected three numbers"),
        ('{"resize_mode": "crop"}', "resize_mode: expected shortest or longest or squash"),
    ],
)
def test_odd_preprocessing_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_preprocessing(text)
    good = '{"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1], "interpolation": "bilinear"}'
    assert read_preprocessing(good) == json.loads(good)
