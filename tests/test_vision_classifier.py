from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import COLOURS, HistogramEncoder, write_model
from trendloom.artifacts import ModelCard, load_card
from trendloom.errors import InputError
from trendloom.types import Floats
from trendloom.vision.classifier import classify, label_vectors
from trendloom.vision.scores import cosines

ENCODER = HistogramEncoder()


@pytest.fixture(name="card", scope="module")
def _card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return load_card(write_model(tmp_path_factory.mktemp("models") / "toy"))


def card_with(folder: Path, **classify_fields: object) -> ModelCard:
    base = {"templates": ["{}"], "softmax_scale": 10.0, "sigmoid_scale": 10.0, "sigmoid_bias": -5.0}
    return load_card(write_model(folder, calibration={"classify": base | classify_fields, "tags": {}}))


def patches(*names: str) -> Floats:
    flat = [np.full((16, 16, 3), COLOURS[name], dtype=np.uint8) for name in names]
    return ENCODER.images(np.stack(flat))


def test_probabilities_are_the_softmax_of_scaled_cosines(card: ModelCard) -> None:
    embeddings = patches("red", "blue")
    labels = ["red", "blue", "green"]
    cosines = embeddings @ ENCODER.texts(labels).T
    odds = np.exp(10.0 * cosines)
    found = classify(ENCODER, card, embeddings, labels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True), rtol=1e-5)
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_several_labels_are_judged_each_on_its_own(card: ModelCard) -> None:
    embeddings = patches("red")
    together = classify(ENCODER, card, embeddings, ["red", "blue"], multi_label=True)
    cosine = float((embeddings @ ENCODER.texts(["red"]).T)[0, 0])
    assert together[0, 0] == pytest.approx(1 / (1 + math.exp(-(10 * cosine - 5))), rel=1e-5)
    alone = classify(ENCODER, card, embeddings, ["red"], multi_label=True)
    assert alone[0, 0] == together[0, 0]


def test_the_scale_may_grow_with_the_list(tmp_path: Path) -> None:
    plain = card_with(tmp_path / "plain", softmax_scale=10.0 + 3.0 * math.log(3))
    grown = card_with(tmp_path / "grown", softmax_scale_log_n=3.0)
    embeddings, labels = patches("red"), ["red", "blue", "green"]
    np.testing.assert_allclose(
        classify(ENCODER, grown, embeddings, labels), classify(ENCODER, plain, embeddings, labels), rtol=1e-5
    )


def test_a_label_is_the_mean_of_its_templates(tmp_path: Path) -> None:
    card = card_with(tmp_path / "toy", templates=["{}", "{} and black"])
    rows = ENCODER.texts(["red", "red and black"])
    mean = rows.mean(axis=0)
    np.testing.assert_allclose(label_vectors(ENCODER, card, ["red"])[0], mean / np.linalg.norm(mean), rtol=1e-5)


@pytest.mark.parametrize("labels", [["{}", "{x}"], ["{0}", "%s"]])
def test_labels_with_braces_are_taken_as_written(card: ModelCard, labels: list[str]) -> None:
    assert classify(ENCODER, card, patches("red"), labels).shape == (1, 2)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([], "at least one label"),
        (["red", " "], "label 2 of 2 is empty"),
        (["red", "blue", "red"], "'red' more than once"),
        (["red", "young man"], "infers nothing about people"),
    ],
)
def test_unusable_lists_are_refused(card: ModelCard, labels: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        classify(ENCODER, card, patches("red"), labels)


def test_no_garments_give_no_rows(card: ModelCard) -> None:
    for multi_label in (False, True):
        found = classify(ENCODER, card, np.zeros((0, 32), dtype=np.float32), ["a", "b"], multi_label=multi_label)
        assert found.shape == (0, 2)


@given(labels=st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=8, unique=True), shift=st.integers(0, 7))
def test_rows_sum_to_one_and_order_does_not_matter(card: ModelCard, labels: list[str], shift: int) -> None:
    embeddings = patches("red", "navy", "beige")
    found = classify(ENCODER, card, embeddings, labels)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    turned = labels[shift:] + labels[:shift]
    again = classify(ENCODER, card, embeddings, turned)
    np.testing.assert_allclose(again, found[:, [labels.index(label) for label in turned]], rtol=1e-4, atol=1e-6)


def test_a_cosine_is_the_same_to_the_last_digit_whatever_stands_beside_it() -> None:
    draw = np.random.default_rng(0)
    rows, vectors = draw.normal(size=(33, 256)).astype(np.float32), draw.normal(size=(51, 256)).astype(np.float32)
    together = cosines(rows, vectors)
    for count in (1, 2, 5, 8):
        for start in range(len(rows) - count):
            assert np.array_equal(cosines(rows[start : start + count], vectors), together[start : start + count])
    np.testing.assert_allclose(together, rows @ vectors.T, rtol=1e-4, atol=1e-4)
    assert cosines(rows[:0], vectors).shape == (0, 51)
