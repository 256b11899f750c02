"""What is learned of `none` and `not_visible`, on made vectors and drawn photos."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'trendloom[train]'")
pytest.importorskip("scipy", reason="training needs scipy: pip install 'trendloom[train]'")

from training.absent import Rule, cut, judge, threshold_of
from training.shards import TUNING, VALIDATION

DIM = 8


def made(
    *, apart: float, hidden: float | None = None, count: int = 800
) -> tuple[Rule, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """A rule of two clouds so far apart; what is hidden otherwise lies `hidden` of the way to the positive one."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count + 20, DIM)).astype(np.float32)
    rule = Rule(group="neckline", what="not_visible", learned_from="a test")
    for place in range(count):
        vectors[place, 0] += apart * (place % 2)
        rule.add(place, truth=bool(place % 2), bucket=place // 2 % 10)
    if hidden is not None:
        vectors[count:, 0] += apart * hidden
        rule.hidden = list(range(count, count + 20))
    return rule, vectors


def test_a_rule_that_finds_what_is_hidden_otherwise_too_is_on() -> None:
    found = judge(*made(apart=8, hidden=1.0))
    assert found["on"]
    assert found["support"] == 40
    assert found["photos"] == 80
    assert min(found["precision"], found["recall"], found["of_these_found"]) > 0.9


def test_a_rule_that_knows_only_how_its_photos_were_cut_is_off() -> None:
    found = judge(*made(apart=8, hidden=0.0))
    assert found["precision"] > 0.9
    assert found["of_these_found"] < 0.2
    assert not found["on"]
    assert not judge(*made(apart=8))["on"]  # nothing to try it on
    rule, vectors = made(apart=8)
    rule.what = "none"  # was not cut: the labels say so themselves
    assert judge(rule, vectors)["on"]


def test_too_few_photos_are_not_sure_enough() -> None:
    rule, vectors = made(apart=8, count=60)
    rule.what = "none"
    found = judge(rule, vectors)
    assert (found["precision"], found["on"]) == (1.0, False)
    rule.buckets = [n if n != VALIDATION else TUNING for n in rule.buckets]
    assert judge(rule, vectors) == {"learned_from": "a test", "learned": 24, "on": False, "support": 0}


def test_without_a_threshold_of_the_wanted_precision_nothing_is_said() -> None:
    chances = np.linspace(0, 1, 11, dtype=np.float32)
    assert 0.4 < threshold_of(chances, (chances > 0.45).astype(np.int64)) <= 0.5
    assert threshold_of(chances, np.zeros(11, dtype=np.int64)) > 1


def test_what_is_cut_off_is_gone() -> None:
    photo = np.full((100, 60, 3), 255, dtype=np.uint8)
    photo[20:80, 10:50] = 40
    photo[20:30, 10:50, 0] = 200  # the neck
    rng = np.random.default_rng(0)
    top, bottom, edge = (cut(photo, side, rng) for side in ("top", "bottom", "edge"))
    assert not (top[..., 0] == 200).any()
    assert (bottom[..., 0] == 200).sum() == 400
    assert 40 <= bottom.shape[0] <= 62
    assert edge.shape[0] == 100
    assert 45 <= edge.shape[1] <= 54
