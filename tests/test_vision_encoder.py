from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.doubles import write_model
from trendloom.artifacts import ModelCard, load_card
from trendloom.errors import ArtifactError, InputError
from trendloom.types import Floats, Pixels, Session
from trendloom.vision.encoder import TEXT_CHUNK, ClipEncoder, letterbox
from trendloom.vision.session import OnnxSession

WORDS = ["[PAD]", "[UNK]", "red", "blue", "dress", "shirt"]


class MeanSession:
    """A tower of both kinds: a photo's mean colour, or the sum of a text's word axes; remembers its inputs."""

    engine = "mean"

    batch = 5

    def __init__(self) -> None:
        self.seen: list[dict[str, NDArray[np.generic]]] = []
        self.broken = False

    def run(self, inputs: dict[str, NDArray[np.generic]]) -> Floats:
        self.seen.append(inputs)
        if "pixels" in inputs:
            rows = np.asarray(inputs["pixels"], dtype=np.float32).mean(axis=(1, 2)) + 1.0  # (n, 3)
            rows = np.concatenate([rows, np.ones((len(rows), len(WORDS) - 3), dtype=np.float32)], axis=1)
        else:
            axes = np.eye(len(WORDS), dtype=np.float32)[np.asarray(inputs["input_ids"], dtype=np.int64)]
            rows = (axes * np.asarray(inputs["attention_mask"], dtype=np.float32)[..., None]).sum(axis=1)
        return np.asarray(rows / (1.0 if self.broken else np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)

    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        assert list(names) == ["embedding"]
        return [self.run(inputs)]


def tokenizer_file() -> bytes:
    # the file format of the `tokenizers` library: lower-case words, and padding switched on to be overruled
    return json.dumps(
        {
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": {
                "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "[PAD]",
            },
            "added_tokens": [], "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {w: n for n, w in enumerate(WORDS)}, "unk_token": "[UNK]"},
        }
    ).encode()  # fmt: skip


class Towers:
    """An encoder over two recorded towers, and how often each was built."""

    def __init__(self, folder: Path, tokenizer: bytes | None = None) -> None:
        stored = {"tokenizer.json": tokenizer or tokenizer_file()}
        self.card: ModelCard = load_card(write_model(folder, dim=len(WORDS), stored=stored))
        self.image, self.text = MeanSession(), MeanSession()
        self.built: list[str] = []
        self.encoder = ClipEncoder(self.card, image=self._open_image, text=self._open_text)

    def _open_image(self) -> Session:
        self.built.append("image")
        return self.image

    def _open_text(self) -> Session:
        self.built.append("text")
        return self.text


@pytest.fixture(name="towers")
def _towers(tmp_path: Path) -> Towers:
    return Towers(tmp_path / "toy")


@pytest.mark.parametrize(
    ("shape", "size", "inner", "offset"),
    [
        # (height, width) -> (width, height) inside, (left, top)
        ((100, 50), 16, (8, 16), (4, 0)),
        ((50, 100), 16, (16, 8), (0, 4)),
        ((30, 30), 16, (16, 16), (0, 0)),
        ((1350, 1080), 224, (179, 224), (22, 0)),  # 179.2; (224 - 179) // 2 = 22, 23 on the right
        ((1000, 1), 16, (1, 16), (7, 0)),
        ((8, 4), 16, (8, 16), (4, 0)),  # small photos grow
    ],
)
def test_letterbox_of_hand_computed_sizes(
    shape: tuple[int, int], size: int, inner: tuple[int, int], offset: tuple[int, int]
) -> None:
    found = letterbox(np.zeros((*shape, 3), dtype=np.uint8), size)
    assert found.shape == (size, size, 3)
    black = (found == 0).all(axis=2)
    assert (found[~black] == 255).all()
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    assert (columns[0], rows[0]) == offset
    assert (len(columns), len(rows)) == inner
    assert black.sum() == inner[0] * inner[1]


def test_letterbox_scales_by_antialiased_bicubic() -> None:
    photo = np.random.default_rng(3).integers(0, 256, (120, 60, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(photo).resize((8, 16), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(letterbox(photo, 16)[:, 4:12], expected)


def test_a_photo_of_the_right_size_is_left_alone() -> None:
    photo = np.random.default_rng(4).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(letterbox(photo, 16), photo)
    np.testing.assert_array_equal(letterbox(photo[:, ::-1], 16), photo[:, ::-1])


@given(height=st.integers(1, 300), width=st.integers(1, 300), size=st.integers(16, 64))
def test_letterbox_fills_the_square_along_the_long_side(height: int, width: int, size: int) -> None:
    found = letterbox(np.zeros((height, width, 3), dtype=np.uint8), size, (255, 0, 255))
    assert found.shape == (size, size, 3)
    black = (found == 0).all(axis=2)
    assert black.any(axis=0 if width >= height else 1).all()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
    ],
)
def test_what_is_no_rgb_photo_is_refused(pixels: Pixels) -> None:
    with pytest.raises(InputError, match=r"expected RGB pixels"):
        letterbox(pixels, 16)


def test_images_become_unit_rows_in_chunks(towers: Towers) -> None:
    batch = np.random.default_rng(5).integers(0, 256, (2 * 5 + 3, 16, 16, 3), dtype=np.uint8)
    found = towers.encoder.images(batch)
    assert found.shape == (len(batch), 6)
    assert found.dtype == np.float32
    assert [len(call["pixels"]) for call in towers.image.seen] == [5, 5, 3]
    alone = np.concatenate([towers.encoder.images(batch[n : n + 1]) for n in range(len(batch))])
    np.testing.assert_allclose(found, alone, rtol=1e-5)
    assert towers.encoder.images(batch[:0]).shape == (0, 6)


def test_each_tower_is_loaded_once_and_only_when_needed(towers: Towers) -> None:
    assert (towers.encoder.model, towers.encoder.dim, towers.encoder.size) == ("toy 1.0", 6, 16)
    prepared = towers.encoder.prepare(np.zeros((40, 20, 3), dtype=np.uint8))
    assert towers.built == []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: towers.encoder.images(prepared[None]), range(8)))
    assert towers.built == ["image"]
    towers.encoder.texts(["red"])
    assert towers.built == ["image", "text"]


@pytest.mark.parametrize("shape", [(16, 16, 3), (1, 15, 16, 3), (1, 16, 16, 4)])
def test_photos_that_were_not_prepared_are_refused(towers: Towers, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected prepared photos \(n, 16, 16, 3\)"):
        towers.encoder.images(np.zeros(shape, dtype=np.uint8))


def test_texts_keep_their_order_whatever_their_length(towers: Towers) -> None:
    lines = ["red dress shirt", "blue", "RED dress"] * 40
    found = towers.encoder.texts(lines)
    assert [len(call["input_ids"]) for call in towers.text.seen] == [TEXT_CHUNK, 120 - TEXT_CHUNK]
    expected = np.zeros((3, 6), dtype=np.float32)
    expected[0, [2, 4, 5]] = 3**-0.5
    expected[1, 3] = 1
    expected[2, [2, 4]] = 2**-0.5
    np.testing.assert_allclose(found, np.tile(expected, (40, 1)), rtol=1e-5)
    assert towers.encoder.texts([]).shape == (0, 6)


def test_a_long_text_is_cut_by_the_tokenizer(towers: Towers) -> None:
    towers.encoder.texts(["red " * 100_000])
    assert towers.text.seen[0]["input_ids"].shape == (1, 4)


def test_any_text_with_a_word_is_read(towers: Towers) -> None:
    for line in ("\ud83d\udc57", "\ud800 red", "\x00", "\u88d9\u5b50", "red\n\tdress"):
        assert np.isfinite(towers.encoder.texts([line])).all()


@pytest.mark.parametrize("line", ["", " ", "\n\t"])
def test_empty_texts_are_refused(towers: Towers, line: str) -> None:
    with pytest.raises(InputError, match="text 2 of 2 is empty"):
        towers.encoder.texts(["red", line])


def test_a_tower_that_is_not_the_cards_is_told(towers: Towers) -> None:
    towers.image.broken = True
    with pytest.raises(ArtifactError, match="rows of length 1"):
        towers.encoder.images(np.zeros((1, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(ArtifactError, match=r"toy 1\.0"):
        towers.encoder.images(np.zeros((1, 16, 16, 3), dtype=np.uint8))


def test_a_tower_of_another_width_is_told(tmp_path: Path) -> None:
    card = load_card(write_model(tmp_path / "wide", dim=7))
    encoder = ClipEncoder(card, image=MeanSession, text=MeanSession)
    with pytest.raises(ArtifactError, match=r"expected rows \(1, 7\), the tower gave \(1, 6\)"):
        encoder.images(np.zeros((1, 16, 16, 3), dtype=np.uint8))


def test_a_damaged_tokenizer_is_told(tmp_path: Path) -> None:
    towers = Towers(tmp_path / "toy", tokenizer=b"{ torn")
    with pytest.raises(ArtifactError, match=r"toy/tokenizer\.json"):
        towers.encoder.texts(["red"])


def test_a_damaged_graph_is_told(tmp_path: Path) -> None:
    path = tmp_path / "image.onnx"
    with pytest.raises(ArtifactError, match=r"image\.onnx, found none"):
        OnnxSession(path)
    path.write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"image\.onnx: expected an ONNX graph") as told:
        OnnxSession(path)
    assert str(tmp_path) not in str(told.value)
