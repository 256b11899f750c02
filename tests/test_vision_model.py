"""What the shipped model promises: the numbers of its card are measured elsewhere, here are the plain truths."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trendloom.artifacts import verify
from trendloom.drawn import draw_garment
from trendloom.errors import ArtifactError, InputError
from trendloom.types import Floats, Pixels
from trendloom.vision.registry import Model, installed, load
from trendloom.vision.session import OnnxSession
from trendloom.vision.tagger import find_prompt_vectors, make_prompt_vectors


@pytest.fixture(name="model", scope="module")
def _model() -> Model:
    return load()


def garment(kind: str, colour: str, seed: int) -> Pixels:
    """A drawn garment on white, (240, 240, 3) uint8."""
    rgba = draw_garment(np.random.default_rng(seed), type=kind, colour=colour, size=240).rgba.astype(np.float32)
    alpha = rgba[..., 3:] / 255.0
    return np.asarray(rgba[..., :3] * alpha + 255.0 * (1.0 - alpha), dtype=np.uint8)


def embed(model: Model, *photos: Pixels) -> Floats:
    return model.encoder.images(np.stack([model.encoder.prepare(photo) for photo in photos]))


def noise(model: Model, n: int) -> Pixels:
    size = model.encoder.size
    return np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_every_file_is_the_one_that_the_card_names(model: Model) -> None:
    verify(model.card)
    assert model.identity == f"fashion-lite {model.card.version}"
    assert "fashion-lite" in [card.name for card in installed()]
    assert model.engine == "onnxruntime-cpu-fp32"


def test_photos_become_unit_rows_whatever_the_batch(model: Model) -> None:
    batch = noise(model, 8)
    together = model.encoder.images(batch)
    assert together.shape == (8, model.card.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-4)
    alone = np.concatenate([model.encoder.images(batch[n : n + 1]) for n in range(8)])
    np.testing.assert_array_equal(together, alone)  # one by one through the tower: nothing beside a photo counts


def test_workers_share_a_model(model: Model) -> None:
    batch = noise(model, 4)
    expected = model.encoder.images(batch)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(model.encoder.images, [batch] * 8):
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_texts_become_unit_rows_whatever_stands_beside_them(model: Model) -> None:
    lines = ["dress", "a navy and white striped cotton shirt with long sleeves", "trainers", "\u88d9\u5b50"]
    together = model.encoder.texts(lines)
    assert together.shape == (4, model.card.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-4)
    alone = np.concatenate([model.encoder.texts([line]) for line in lines])
    assert ((together * alone).sum(axis=1) > 0.999).all()


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("trainers", "sneakers", "dress"),
        ("frock", "dress", "jeans"),
        ("pullover", "sweater", "shorts"),
        ("rucksack", "backpack", "skirt"),
        ("maroon", "burgundy", "turquoise"),
        ("plaid", "checked", "floral"),
        ("a pair of trainers", "sneakers", "hat"),
    ],
)
def test_synonyms_lie_together(model: Model, word: str, near: str, far: str) -> None:
    rows = model.encoder.texts([word, near, far])
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


TYPES = ["t-shirt", "dress", "jeans", "sneakers", "handbag", "sunglasses"]
COLOURS = ["red", "blue", "green", "black", "yellow"]
DRAWN = [
    (kind, colour, n) for n, (kind, colour) in enumerate((k, c) for k in TYPES[:5] for c in COLOURS if k != "jeans")
]


def test_drawn_garments_are_told_apart(model: Model) -> None:
    embeddings = embed(model, *(garment(*what) for what in DRAWN))
    types = model.classifier(TYPES)(embeddings).argmax(axis=1)
    colours = model.classifier(COLOURS)(embeddings).argmax(axis=1)
    assert np.mean([TYPES[found] == kind for found, (kind, _, _) in zip(types, DRAWN, strict=True)]) >= 0.8
    assert np.mean([COLOURS[found] == colour for found, (_, colour, _) in zip(colours, DRAWN, strict=True)]) >= 0.8


def test_drawn_garments_get_their_tags(model: Model) -> None:
    tagged = model.tagger.tag(embed(model, *(garment(*what) for what in DRAWN)))
    right = [colour in {tag.value for tag in tags} for tags, (_, colour, _) in zip(tagged, DRAWN, strict=True)]
    assert np.mean(right) >= 0.5
    for tags in tagged:
        for tag in tags:
            found = model.taxonomy.group(tag.group).find(tag.value)
            assert found is not None
            assert found.id == tag.value_id
            assert 0.0 < tag.probability <= 1.0
            told = model.card.calibration.tags[tag.group]
            likeliest = tag.probability == max(other.probability for other in tags if other.group == tag.group)
            least = told.threshold if likeliest else told.further
            assert least is not None
            assert tag.sure == (tag.probability >= least)


def test_prompt_vectors_ship_and_are_those_of_the_text_tower(model: Model) -> None:
    shipped = find_prompt_vectors(model.taxonomy, model.card)
    assert shipped is not None, "run trendloom.vision.registry.write_prompts on the model's folder"
    made = make_prompt_vectors(model.encoder, model.taxonomy, model.card)
    for name, rows in made.items():
        assert (np.sum(rows * shipped[name], axis=1) > 0.999).all()


def test_what_a_tower_does_not_take_is_told(model: Model) -> None:
    session = OnnxSession(model.card.folder / "image.onnx")
    with pytest.raises(ArtifactError, match=r"fashion-lite/image\.onnx"):
        session.run({"pixels": np.zeros((1, 3, 3, 3), dtype=np.uint8)})
    with pytest.raises(ArtifactError, match=r"fashion-lite/image\.onnx"):
        session.run({"photo": noise(model, 1)})


def test_a_model_is_asked_for_by_name_and_threads() -> None:
    with pytest.raises(ArtifactError, match="fashion-lite"):
        load("fashion-heavy")
    with pytest.raises(InputError, match="1 thread"):
        load(threads=0)
