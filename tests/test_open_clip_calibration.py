"""Calibration of converted models, without torch: fits find what the numbers were made of."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.dumps import patch
from trendloom.errors import InputError, ManifestError
from trendloom.photos import decode
from trendloom.types import Floats
from trendloom.vision.open_clip.calibration import (
    OFF,
    PRECISION,
    Classes,
    cautious_tags,
    default_classify,
    fit_scale,
    fit_sigmoid,
    score_labels,
    threshold_for,
)
from trendloom.vision.open_clip.samples import drawn_samples, photo_samples, read_labels
from trendloom.vision.scores import softmax


def made(n: int, labels: int, scale: float, seed: int = 0) -> tuple[Floats, Classes]:
    """Cosines, and classes drawn from the softmax of `scale` times them."""
    rng = np.random.default_rng(seed)
    cosines = rng.uniform(-0.2, 0.4, (n, labels)).astype(np.float32)
    chances = softmax(scale * cosines.astype(np.float64))
    classes = (chances.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return cosines, classes.astype(np.int64)


@pytest.mark.parametrize("scale", [4.0, 12.0, 40.0])
def test_the_scale_that_made_the_labels_is_found(scale: float) -> None:
    assert fit_scale(*made(4000, 10, scale), most=100) == pytest.approx(scale, rel=0.1)


def test_no_scale_is_steeper_than_allowed() -> None:
    cosines = np.eye(5, dtype=np.float32)[np.arange(50) % 5]
    assert fit_scale(cosines, np.arange(50, dtype=np.int64) % 5, most=30) == pytest.approx(30, rel=0.01)


def test_the_sigmoid_that_made_the_labels_is_found() -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(-0.2, 0.5, 4000)
    shown = rng.random(4000) < 1 / (1 + np.exp(-(20 * first - 3)))
    cosines = np.stack([first, 0.3 - first], axis=1).astype(np.float32)  # the other label at the opposite logit
    scale, bias = fit_sigmoid(cosines, np.where(shown, 0, 1).astype(np.int64), scale=5.0, bias=0.0)
    assert scale == pytest.approx(20, rel=0.1)
    assert bias == pytest.approx(-3, rel=0.1)


def test_labels_without_a_fault_leave_the_sigmoid_finite() -> None:
    scale, bias = fit_sigmoid(np.eye(3, dtype=np.float32), np.arange(3, dtype=np.int64), scale=10.0, bias=-5.0)
    assert 1 < scale < 100
    assert -100 < bias < 0


def test_a_threshold_keeps_its_precision() -> None:
    rng = np.random.default_rng(1)
    chances = rng.random(5000)
    right = rng.random(5000) < chances
    found = threshold_for(chances, right)
    assert right[chances >= found].mean() >= PRECISION
    assert right[chances >= found - 0.05].mean() < PRECISION + 0.01  # and is hardly higher than it must be
    assert threshold_for(chances, right, floor=0.97) >= 0.97
    assert threshold_for(chances, np.zeros(5000, dtype=bool)) == OFF
    assert threshold_for(chances[:19], np.ones(19, dtype=bool)) == OFF


def test_groups_that_cannot_be_judged_are_off() -> None:
    cosines, classes = made(300, 6, 400.0)
    noise = np.random.default_rng(2).integers(0, 6, 300)
    found = cautious_tags(
        {"type": cosines, "colour": cosines},
        {"type": classes, "colour": noise},
        scale=100,
        groups=["type", "colour", "fit"],
    )
    assert [found[group].validated for group in ("type", "colour", "fit")] == [True, False, False]
    assert 0.5 <= found["type"].threshold < OFF
    assert (found["colour"].threshold, found["fit"].threshold, found["fit"].scale) == (OFF, OFF, 100)


def test_the_model_brings_its_scale_and_bias() -> None:
    cosines = np.array([[0.3, 0.1, 0.2]], dtype=np.float32)
    siglip = default_classify(117.0, -12.9, cosines)
    assert (siglip.softmax_scale, siglip.sigmoid_scale, siglip.sigmoid_bias) == (117.0, 117.0, -12.9)
    assert default_classify(100.0, None, cosines).sigmoid_bias == pytest.approx(-100 * (0.3 + 0.2) / 2, rel=1e-5)


def test_scores_are_of_what_was_not_fitted_on() -> None:
    cosines, classes = made(2000, 8, 15.0)
    found = score_labels(cosines, classes, scale=100.0, most=400.0)
    value, low, high = found.top1
    assert low < value < high
    assert found.calibration_error < 0.04 < found.calibration_error_before
    assert found.fields()["labels_top1"]["n"] == 2000


def test_drawn_garments_are_the_same_every_time() -> None:
    one, two = drawn_samples(4), drawn_samples(4)
    assert [s.data for s in one] == [s.data for s in two]
    assert {"type", "colour", "pattern"} <= set(one[0].known)
    assert decode(one[0].data, target=100).pixels.shape[:2] < (960, 960)  # reduced while it is decoded, as photos are


def test_photos_that_cannot_be_used_are_told_and_passed_by(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(patch("red", np.random.default_rng(number)))
    (tmp_path / "torn.png").write_bytes(patch("red", np.random.default_rng(0))[:60])
    found, failed = photo_samples(tmp_path, 64)
    assert len(found) == 6
    assert failed[0].startswith("torn.png: ")
    assert len(photo_samples(tmp_path, 3)[0]) == 3
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of 1 photos"):
        photo_samples(tmp_path / "only", 3)


def test_labels_are_read_with_file_and_line(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(patch("red", np.random.default_rng(number)))
    path = tmp_path / "labels.csv"
    rows = [[f"{n}.png", "dress" if n % 2 else "shirt"] for n in range(12)]
    rows += [["gone.png", "dress"], ["", "dress"], ["../x.png", "dress"]]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["key", "label"], *rows])
    found, failed = read_labels(path, tmp_path)
    assert [s.label for s in found[:2]] == ["shirt", "dress"]
    assert len(found) == 12
    assert [line.split(":")[0] for line in failed] == [f"labels.csv, line {n}" for n in (14, 15, 16)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the columns key and label, got none"),
        ("image,label\na.png,dress\n", "line 1: expected the columns key and label, got image, label"),
        ("key,label\na.png,dress\n", "at least 10 photos and 2 labels, got 0 and 0; labels.csv, line 2: a.png"),
    ],
)
def test_labels_that_say_too_little_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ManifestError, match=said):
        read_labels(tmp_path / "labels.csv", tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", tmp_path)
