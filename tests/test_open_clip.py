"""open_clip models become models of this house: tiny ones with random weights, of every kind of architecture."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import pickle
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries that are not ours
    open_clip = pytest.importorskip("open_clip")
    onnx = pytest.importorskip("onnx")
    import torch

from trendloom.artifacts import load_card, taxonomy_path, verify
from trendloom.cli import main
from trendloom.errors import ArtifactError, InputError
from trendloom.vision.fitting import center_crop, letterbox, squash
from trendloom.vision.open_clip import adding, graphs
from trendloom.vision.open_clip.adding import Added, add_model, default_name
from trendloom.vision.open_clip.loading import Loaded, Wanted, load
from trendloom.vision.open_clip.samples import drawn_samples
from trendloom.vision.open_clip.tokens import HARD_TEXTS, write_tokenizer
from trendloom.vision.registry import load as load_installed

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

DAY = date(2026, 1, 2)
TEXTS = {"width": 32, "heads": 2, "layers": 1}
TAXONOMY = """
name: tiny
version: 1
groups:
  - name: type
    label: Type
    exclusive: false
    templates: ["{}", "a photo of {}"]
    values:
      - {value: dress, id: trendloom:dress, plural: dresses, part: whole, prompts: [dress, gown]}
      - {value: shirt, id: trendloom:shirt, plural: shirts, part: upper, prompts: [shirt]}
      - {value: sneakers, id: trendloom:sneakers, plural: sneakers, part: feet, prompts: [sneakers, trainers]}
  - name: colour
    label: Colour
    exclusive: false
    templates: ["{} clothes"]
    values:
      - {value: red, id: trendloom:red, prompts: [red]}
      - {value: blue, id: trendloom:blue, prompts: [blue]}
"""


drawn_once = functools.cache(drawn_samples)


def built_in(name: str) -> dict[str, Any]:
    folder = Path(open_clip.__file__).parent / "model_configs"
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def config(kind: str, folder: Path) -> dict[str, Any]:
    """A tiny architecture of a kind, after open_clip's own configuration of a full one."""
    if kind == "vit":
        made = built_in("ViT-B-32")
        made["vision_cfg"].update(image_size=32, layers=2, width=64, patch_size=8)
    elif kind == "siglip":
        made = built_in("ViT-B-16-SigLIP")
        made["vision_cfg"].update(image_size=224, timm_model_name="vit_tiny_patch16_224")
        made["text_cfg"].update(hf_tokenizer_name=str(sentence_pieces(folder / "pieces")), vocab_size=300)
        made["text_cfg"].update(context_length=32)
    elif kind == "mobileclip":
        made = built_in("MobileCLIP-S1")
        made["vision_cfg"].update(image_size=64, timm_model_name="fastvit_t8")
    else:
        made = built_in("RN50")
        made["vision_cfg"].update(image_size=64, layers=[1, 1, 1, 1], width=16)
    made["embed_dim"] = 192 if kind == "siglip" else 24
    made["text_cfg"].update(TEXTS if kind != "siglip" else {**TEXTS, "width": 192, "heads": 3})
    return made


def sentence_pieces(folder: Path) -> Path:
    """A tokenizer of SigLIP's form (unigrams, an end, padding with the end), learned from a few words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator([*HARD_TEXTS, TAXONOMY], trainer)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="</s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    return folder


def make_checkpoint(kind: str, folder: Path) -> Wanted:
    """A checkpoint of random weights with its architecture beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny-{kind}.json"
    path.write_text(json.dumps(config(kind, folder)))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model(path.stem)
    with torch.no_grad():
        for weight in model.parameters():  # random towers say much the same of everything: let photos differ
            if weight.ndim > 1:
                weight.mul_(2.0)
    torch.save(model.state_dict(), folder / f"{kind}.pt")
    return Wanted(what=str(folder / f"{kind}.pt"), arch=str(path))


@pytest.fixture(name="home", autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    monkeypatch.setenv("TRENDLOOM_MODELS_DIR", str(folder))
    monkeypatch.setattr(adding, "COMPARED", 6)
    monkeypatch.setattr(adding, "DRAWN", 38)
    monkeypatch.setattr(adding, "drawn_samples", drawn_once)
    return folder


@pytest.fixture(name="checkpoints", scope="module")
def _checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(name="vit", scope="module")
def _vit(checkpoints: Path) -> Wanted:
    return make_checkpoint("vit", checkpoints)


@pytest.fixture(name="loaded", scope="module")
def _loaded(vit: Wanted) -> Loaded:
    return load(vit)


def add(wanted: Wanted, home: Path, **options: Any) -> Added:
    return add_model(wanted, created=DAY, models_dir=home, **options)


@pytest.mark.parametrize("kind", ["vit", "siglip", "mobileclip", "rn"])
def test_every_kind_of_architecture_gives_open_clips_own_vectors(kind: str, checkpoints: Path, home: Path) -> None:
    wanted = make_checkpoint(kind, checkpoints)
    card = add(wanted, home, name=f"my-{kind}", licence="MIT").card
    verify(card)
    assert card.folder == home / f"my-{kind}"
    assert sorted(p.name for p in home.iterdir()) == [f"my-{kind}", "taxonomy.yaml"]
    original, model = load(wanted), load_installed(f"my-{kind}", home)
    photos = [Image.open(io.BytesIO(s.data)).convert("RGB") for s in drawn_samples(5, seed=9)]
    lines = ["a red dress", "Blue SHIRT, size 38!", "sneakers " * 60]
    with torch.no_grad():
        images = original.model.encode_image(torch.stack([original.transform(p) for p in photos]), normalize=True)
        texts = original.model.encode_text(original.tokenizer(lines), normalize=True)
    ours = model.encoder.images(np.stack([model.encoder.prepare(np.asarray(p)) for p in photos]))
    np.testing.assert_allclose(ours, images.numpy(), atol=2e-4)
    np.testing.assert_allclose(model.encoder.texts(lines), texts.numpy(), atol=2e-4)
    assert card.parity["image_cosine"]["least"] > 0.9999
    assert card.parity["text_cosine"]["least"] > 0.9999
    assert card.parity["same_top_label"] == 1.0
    assert card.parity["preprocessing"]["same_pixels_when_decoded"] == 1.0
    assert card.parity["photos"] == 6
    assert (card.licence, card.created, card.fit) == ("MIT", DAY, "center-crop")
    assert card.text.context_length == (32 if kind == "siglip" else 77)
    assert card.text.pad_to == ("longest" if kind in ("vit", "rn") else "context")  # these two see no later word
    assert card.source is not None
    assert card.source.pretrained == f"{kind}.pt"
    told = card.calibration.classify
    assert told.softmax_scale == pytest.approx(float(original.model.logit_scale.detach().exp()), rel=1e-5)
    if kind == "siglip":
        assert told.sigmoid_bias == pytest.approx(-10)
    assert all(not tags.validated for tags in card.calibration.tags.values())
    assert (card.folder / "prompts.npz").is_file()
    model.tagger.tag(ours)


def test_the_gate_sees_another_normalisation(vit: Wanted, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tinted(loaded: Loaded, folder: Path, *, context_length: int) -> tuple[list[str], bool]:
        return graphs.write_graphs(replace(loaded, std=(9.0, 0.01, 1.0)), folder, context_length=context_length)

    monkeypatch.setattr(adding, "write_graphs", tinted)
    with pytest.raises(ArtifactError, match=r"converted image tower is not open_clip's.*not added"):
        add(vit, home)
    assert [p.name for p in home.iterdir()] == ["taxonomy.yaml"]


def test_the_gate_sees_other_words(vit: Wanted, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(loaded: Loaded, folder: Path, *, context_length: int) -> tuple[list[str], bool]:
        found = graphs.write_graphs(loaded, folder, context_length=context_length)
        graph = onnx.load(folder / "text.onnx")
        words = max(graph.graph.initializer, key=lambda weight: len(weight.raw_data))
        rows = np.frombuffer(words.raw_data, dtype=np.float32).reshape(tuple(words.dims))
        words.raw_data = np.roll(rows, 1, axis=0).tobytes()  # every word for its neighbour in the vocabulary
        onnx.save(graph, folder / "text.onnx")
        return found

    monkeypatch.setattr(adding, "write_graphs", deaf)
    with pytest.raises(ArtifactError, match="converted text tower is not open_clip's"):
        add(vit, home)


def test_weights_swapped_under_one_name_are_another_version(vit: Wanted, home: Path, tmp_path: Path) -> None:
    state = torch.load(vit.what, weights_only=True)
    state["text_projection"] = state["text_projection"] * -1
    torch.save(state, tmp_path / "vit.pt")
    one = add(vit, home, name="same").card
    with pytest.raises(ArtifactError, match="a model called same is installed"):
        add(replace(vit, what=str(tmp_path / "vit.pt")), home, name="same")
    (home / "same").rename(tmp_path / "old")
    two = add(replace(vit, what=str(tmp_path / "vit.pt")), home, name="same").card
    assert one.identity != two.identity
    with pytest.raises(ArtifactError, match="a model called fashion-lite is installed"):
        add(vit, home, name="fashion-lite")


def test_labels_calibrate(vit: Wanted, home: Path, tmp_path: Path) -> None:
    rows = []
    for sample in drawn_once(38):
        (tmp_path / f"{sample.key}.jpg").write_bytes(sample.data)
        rows.append([f"{sample.key}.jpg", "dress" if sample.known["colour"] in ("red", "pink") else "shirt"])
    (tmp_path / "torn.jpg").write_bytes(b"x")
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        bad = [["torn.jpg", "shirt"], [rows[0][0], "old woman"], [rows[1][0], "red", " with dots"]]
        csv.writer(stream).writerows([["key", "label"], *rows, *bad])
    added = add(vit, home, photos=tmp_path, labels=tmp_path / "labels.csv")
    assert any(line.startswith("labels.csv, line 40: torn.jpg: ") for line in added.skipped)
    assert any(line.startswith("labels.csv, line 41: ") and "asks for a person" in line for line in added.skipped)
    assert any(line.startswith("labels.csv, line 42: ") and "a comma in quotes" in line for line in added.skipped)
    card = added.card
    assert card.metrics["labels_top1"]["n"] == 38
    assert any("Tags of type are calibrated on 38" in spot for spot in card.weak_spots)
    assert not card.calibration.tags["colour"].validated
    assert card.parity["photos_from"] == "given"
    assert any("calibrated on 38 labelled photos" in spot for spot in card.weak_spots)
    assert card.calibration.classify.softmax_scale != pytest.approx(float(load(vit).model.logit_scale.detach().exp()))
    with pytest.raises(InputError, match="give it with --photos"):
        add(vit, home, name="b", labels=tmp_path / "labels.csv")


# ---- what cannot be loaded


def test_what_is_not_said_fully_is_asked_for(vit: Wanted, home: Path, tmp_path: Path) -> None:
    for wanted, said in (
        (Wanted(what="ViT-B-32"), "give --pretrained with a tag .*openai"),
        (Wanted(what="ViT-B-33", pretrained="openai"), "near: .*ViT-B-32"),
        (Wanted(what="ViT-B-32", pretrained="opnai"), "a tag of ViT-B-32"),
        (Wanted(what=vit.what), "does not say its architecture: give --arch"),
        (Wanted(what="gone.pt", arch="ViT-B-32"), "there is no gone.pt"),
        (Wanted(what=vit.what, arch="gone.json"), "there is no gone.json"),
        (Wanted(what="hf-hub:a/b", pretrained="c"), "brings its own weights"),
        (Wanted(what="ViT-B-32", arch="ViT-B-32"), "--arch goes with a checkpoint"),
    ):
        with pytest.raises(InputError, match=said):
            add(wanted, home)
    with pytest.raises(InputError, match="--name: expected small letters"):
        add(vit, home, name="My Model")
    assert [p.name for p in home.iterdir()] == ["taxonomy.yaml"]


def test_a_checkpoint_of_another_architecture_is_told(checkpoints: Path, vit: Wanted, home: Path) -> None:
    other = make_checkpoint("rn", checkpoints)
    with pytest.raises(ArtifactError, match=r"rn\.pt cannot be loaded as tiny-vit: .{20,}"):
        add(replace(vit, what=other.what), home)


class Evil:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.path,))

    def __init__(self, path: str) -> None:
        self.path = path


def test_damaged_and_hostile_checkpoints_are_refused(vit: Wanted, home: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.pt").write_bytes(Path(vit.what).read_bytes()[:5000])
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil(str(tmp_path / "ran"))))
    state = torch.load(vit.what, weights_only=True)
    state["text_projection"][0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    for name, said in (
        ("torn", "cannot be loaded"),
        ("evil", "cannot be loaded"),
        ("nan", "text_projection.*not finite"),
    ):
        with pytest.raises(ArtifactError, match=rf"{name}\.pt.*{said}"):
            add(replace(vit, what=str(tmp_path / f"{name}.pt")), home)
    assert not (tmp_path / "ran").exists()
    assert [p.name for p in home.iterdir()] == ["taxonomy.yaml"]


def test_no_room_is_left_behind_when_the_disk_is_full(vit: Wanted, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    stale = home / ".adding-999999999-abc"  # of a process that is no more
    stale.mkdir()
    monkeypatch.setattr(adding, "save_prompt_vectors", full)
    with pytest.raises(ArtifactError, match=r"No space left on device.*disk full"):
        add(vit, home)
    assert [p.name for p in home.iterdir()] == ["taxonomy.yaml"]


def test_a_published_folder_of_open_clip_brings_all_it_needs(vit: Wanted, home: Path, tmp_path: Path) -> None:
    preprocessing = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "longest", "fill_color": 128}
    told = {"model_cfg": json.loads(Path(vit.arch or "").read_text()), "preprocess_cfg": preprocessing}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(told))
    os.link(vit.what, tmp_path / "open_clip_pytorch_model.bin")
    card = add(Wanted(what=f"local-dir:{tmp_path}"), home, name="published").card
    assert (card.fit, card.fill) == ("letterbox", (128, 128, 128))
    assert card.parity["preprocessing"]["same_pixels_when_decoded"] == 1.0
    assert not any("default mean" in spot for spot in card.weak_spots)


def test_the_command_line_adds_and_shows(
    vit: Wanted, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return int(ended.value.code or 0)

    preprocess = '{"resize_mode": "squash", "mean": [0, 0, 0], "std": [1, 1, 1]}'
    assert call("models", "add", vit.what, "--arch", vit.arch or "", "--name", "mine", "--preprocess", preprocess) == 0
    assert "32 px, squash, bicubic" in capsys.readouterr().out
    assert call("models", "show", "mine") == 0
    said = capsys.readouterr().out
    assert "same top label of 3: 100.0%" in said
    assert "sha256" in said
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(drawn_samples(1)[0].data)
    for command in ("tag", "embed"):
        out = tmp_path / f"{command}.parquet"
        assert call(command, str(tmp_path / "photos"), "--output", str(out), "--model", "mine") == 0


# ---- preprocessing, pixel by pixel


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 200), width=st.integers(1, 200), bilinear=st.booleans(), seed=st.integers(0, 99))
def test_photos_are_prepared_to_the_pixel_as_open_clip_does(height: int, width: int, bilinear: bool, seed: int) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    how = "bilinear" if bilinear else "bicubic"
    for mode, ours in (
        ("shortest", center_crop(photo, 32, how)),
        ("squash", squash(photo, 32, how)),
        ("longest", letterbox(photo, 32, (0, 0, 0), how)),
    ):
        if max(height, width) > 16 * min(height, width):
            continue  # strips are cut before they are scaled here, and may vanish there
        shown = Image.fromarray(photo)
        transform = image_transform_v2(PreprocessCfg(size=32, interpolation=how, resize_mode=mode), is_train=False)
        for step in transform.transforms[:-2]:
            shown = step(shown)
        np.testing.assert_array_equal(ours, np.asarray(shown))


# ---- tokens


@pytest.fixture(name="clip_tokenizer", scope="module")
def _clip_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    from tokenizers import Tokenizer

    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    own = open_clip.get_tokenizer("ViT-B-32")
    spec, count = write_tokenizer(own, path, ["a red dress"])
    assert (spec.context_length, spec.pad_id, count) == (77, 0, len(HARD_TEXTS) + 1)
    return own, Tokenizer.from_file(str(path))


LETTERS = st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from(
    "éèüßñçøåñÉÜабвДЖΩσ裙子ワン드레👗👠❤️™°²\n\t’“”–—…"
)


@settings(max_examples=300, deadline=None)
@given(text=st.text(LETTERS, max_size=60))
def test_ids_are_open_clips(clip_tokenizer: tuple[Any, Any], text: str) -> None:
    import ftfy

    own, ours = clip_tokenizer
    if ftfy.fix_encoding(text) != text or "&" in text or "<|" in text:
        return  # repairs of mojibake and rare entities are not promised
    row = own([text])[0].tolist()
    found = ours.encode(text).ids
    assert found + [0] * (77 - len(found)) == row


def test_a_tokenizer_that_cannot_be_converted_exactly_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ArtifactError, match="drops words at random"):
        write_tokenizer(open_clip.SimpleTokenizer(reduction_mask="simple"), path, [])
    odd = open_clip.SimpleTokenizer()
    odd.clean_fn = lambda text: text[::-1]
    with pytest.raises(ArtifactError, match="cannot be converted exactly"):
        write_tokenizer(odd, path, [])
    swapped = open_clip.SimpleTokenizer()
    encode = swapped.encode
    swapped.encode = lambda text: encode(text)[::-1]
    with pytest.raises(ArtifactError, match=r"id 1 is .* in open_clip"):
        write_tokenizer(swapped, path, [])
    with pytest.raises(ArtifactError, match="expected a SimpleTokenizer or HFTokenizer"):
        write_tokenizer(type("Other", (), {"context_length": 5})(), path, [])


# ---- graphs


def test_graphs_take_any_number_and_normalise_inside(loaded: Loaded, tmp_path: Path) -> None:
    import onnxruntime

    assert graphs.write_graphs(loaded, tmp_path, context_length=77) == (["image.onnx", "text.onnx"], True)
    image = onnxruntime.InferenceSession(str(tmp_path / "image.onnx"))
    (taken,) = image.get_inputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("pixels", "tensor(uint8)", [32, 32, 3])
    for n in (1, 3):
        rows = image.run(["embedding"], {"pixels": np.zeros((n, 32, 32, 3), dtype=np.uint8)})[0]
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.ones(n), atol=1e-5)
    text = onnxruntime.InferenceSession(str(tmp_path / "text.onnx"))
    assert [i.name for i in text.get_inputs()] == ["input_ids", "attention_mask"]
    opset = onnx.load(tmp_path / "image.onnx").opset_import[0].version
    assert opset == graphs.OPSET


def test_weights_over_the_limit_of_a_graph_go_to_one_file_beside_it(loaded: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "tower"
    folder.mkdir()
    graphs.write_graphs(loaded, folder, context_length=77)
    graph = onnx.load(folder / "image.onnx")
    (folder / "image.onnx").unlink()
    (folder / "image").mkdir()
    onnx.save(graph, folder / "image" / "image.onnx", save_as_external_data=True, all_tensors_to_one_file=False)
    assert len(list((folder / "image").iterdir())) > 2
    assert graphs.gather_weights(folder / "image.onnx") == ["image.onnx", "image.onnx.weights"]
    assert sorted(p.name for p in folder.iterdir()) == ["image.onnx", "image.onnx.weights", "text.onnx"]
    import onnxruntime

    rows = onnxruntime.InferenceSession(str(folder / "image.onnx")).run(
        None, {"pixels": np.zeros((1, 32, 32, 3), dtype=np.uint8)}
    )[0]
    assert np.linalg.norm(rows) == pytest.approx(1, abs=1e-5)


def test_names_are_made_of_what_was_asked_for(vit: Wanted) -> None:
    assert default_name(vit) == "vit"
    assert default_name(Wanted(what="ViT-B-32", pretrained="laion2b_s34b_b79k")) == "vit-b-32-laion2b_s34b_b79k"
    assert default_name(Wanted(what="hf-hub:Org/Fashion CLIP")) == "fashion-clip"


def test_the_shipped_taxonomy_is_left_alone(home: Path) -> None:
    assert taxonomy_path(home) == home / "taxonomy.yaml"
    assert load_card(load_installed("fashion-lite").card.folder).name == "fashion-lite"
