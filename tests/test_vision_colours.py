"""Main colours: Lab by the book, shares that add up, the ground left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendloom.vision.colours import ColourNames, NamedColour, lab_of, main_colours, srgb_of

ROUND = ((100.0, 0.0, 0.0), (0.0, 100.0, 0.0), (0.0, 0.0, 100.0))
LABS = {"red": (53.2, 80.1, 67.2), "blue": (32.3, 79.2, -107.9), "white": (100.0, 0.0, 0.0), "black": (0.0, 0.0, 0.0)}
NAMES = ColourNames({name: NamedColour(lab=lab, spread=ROUND, share=0.25) for name, lab in LABS.items()})


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # reference values of sRGB primaries under D65
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_lab_is_that_of_the_standard(rgb: tuple[float, float, float], lab: tuple[float, float, float]) -> None:
    assert lab_of(np.array([rgb], np.float32))[0] == pytest.approx(lab, abs=0.05)


@given(st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=20))
def test_lab_and_back_is_the_same_colour(rows: list[tuple[float, float, float]]) -> None:
    rgb = np.array(rows, np.float32)
    assert np.abs(srgb_of(lab_of(rgb)) - rgb).max() < 2e-3


def test_two_colours_with_their_shares_larger_first() -> None:
    rgb = np.array([(1, 0, 0)] * 30 + [(0, 0, 1)] * 70, np.float32)
    first, second = main_colours(rgb, np.ones(100, np.float32), NAMES)
    assert (first.name, first.hex, second.name, second.hex) == ("blue", "#0000ff", "red", "#ff0000")
    assert (first.share, second.share) == pytest.approx((0.7, 0.3), abs=0.01)


def test_pixels_without_weight_do_not_count() -> None:
    rgb = np.array([(1, 0, 0)] * 5 + [(1, 1, 1)] * 500, np.float32)
    weights = np.array([1.0] * 5 + [0.0] * 500, np.float32)
    (only,) = main_colours(rgb, weights, NAMES)
    assert (only.name, only.share) == ("red", 1.0)
    assert main_colours(rgb, np.zeros(505, np.float32), NAMES) == ()


def test_shades_that_the_eye_does_not_tell_apart_are_one_colour() -> None:
    rng = np.random.default_rng(0)
    rgb = np.clip(np.array([0.1, 0.2, 0.5]) + rng.normal(0, 0.02, (400, 3)), 0, 1).astype(np.float32)
    assert len(main_colours(rgb, np.ones(400, np.float32), NAMES)) == 1


@given(st.integers(1, 60), st.integers(0, 2**31))
def test_shares_never_exceed_the_whole_and_nothing_fails(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = main_colours(rng.random((count, 3)).astype(np.float32), rng.random(count).astype(np.float32), NAMES)
    assert len(found) <= 2
    assert sum(c.share for c in found) <= 1.001
    assert [c.share for c in found] == sorted((c.share for c in found), reverse=True)
    assert all(len(c.hex) == 7 and c.name in NAMES.names for c in found)


def test_a_name_that_spreads_or_is_common_reaches_further() -> None:
    flat = ((100.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))

    def names(share: float) -> ColourNames:
        grey = NamedColour(lab=(50.0, 0.0, 0.0), spread=flat, share=1 - share)
        blue = NamedColour(lab=(50.0, 0.0, -20.0), spread=ROUND, share=share)
        return ColourNames({"grey": grey, "blue": blue})

    def name(share: float, *lab: float) -> str:
        return names(share).name(np.array(lab, np.float32))

    assert name(0.5, 70.0, 0.0, 0.0) == "grey"  # far in lightness, which greys spread over
    assert name(0.5, 50.0, 0.0, -8.0) == "blue"  # nearer to grey, but greys have no colour
    # equal densities: (b/2)^2/2 - ln(100*4*4)/2 = (b+20)^2/200 - ln(10^6)/2 turns with the shares
    assert {name(0.01, 50.0, 0.0, -4.5), name(0.99, 50.0, 0.0, -4.5)} == {"grey", "blue"}


def test_spreads_that_are_none_are_refused() -> None:
    line = ((1.0, 1.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="positive definite"):
        ColourNames({"red": NamedColour(lab=LABS["red"], spread=line, share=1.0)})
