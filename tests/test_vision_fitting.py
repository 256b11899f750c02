"""Photos onto the tower's square: hand-computed cuts, and what a card asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.doubles import write_model
from trendloom.artifacts import load_card
from trendloom.errors import InputError
from trendloom.types import Pixels
from trendloom.vision.fitting import center_crop, fit_photo, letterbox, squash


def ramp(height: int, width: int) -> Pixels:
    """Rows count in red, columns in green."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "first", "last"),
    [
        # of a photo whose short side is 16 already nothing is scaled: (row, column) of the corners kept
        ((16, 16), (0, 0), (15, 15)),
        ((16, 21), (0, 2), (15, 17)),  # (21 - 16) / 2 = 2.5, to the even number
        ((16, 23), (0, 4), (15, 19)),  # 3.5, to the even number
        ((30, 16), (7, 0), (22, 15)),
    ],
)
def test_center_crop_of_hand_computed_corners(
    shape: tuple[int, int], first: tuple[int, int], last: tuple[int, int]
) -> None:
    found = center_crop(ramp(*shape), 16)
    assert tuple(found[0, 0, :2].tolist()) == first
    assert tuple(found[15, 15, :2].tolist()) == last


def test_center_crop_scales_the_short_side() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (100, 250, 3), dtype=np.uint8)
    whole = Image.fromarray(photo).resize((40, 16), Image.Resampling.BILINEAR)  # int(16 * 250 / 100)
    np.testing.assert_array_equal(center_crop(photo, 16, "bilinear"), np.asarray(whole)[:, 12:28])


@given(height=st.integers(1, 90), width=st.integers(1, 90), size=st.integers(16, 40))
def test_every_fit_fills_the_square(height: int, width: int, size: int) -> None:
    photo = np.full((height, width, 3), 7, dtype=np.uint8)
    for made in (center_crop(photo, size), squash(photo, size), letterbox(photo, size, (7, 7, 7), "bilinear")):
        assert made.shape == (size, size, 3)
        assert (made == 7).all()


def test_a_long_strip_takes_no_memory() -> None:
    strip = np.zeros((2, 60_000, 3), dtype=np.uint8)
    strip[:, 29_000:31_000] = 255
    found = center_crop(strip, 224)  # scaled as a whole it would be 224 x 6,720,000 pixels
    assert found.shape == (224, 224, 3)
    assert (found == 255).all()


def test_the_card_decides(tmp_path: Path) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (50, 30, 3), dtype=np.uint8)
    expected = {
        "letterbox": letterbox(photo, 16, (1, 2, 3), "bilinear"),
        "center-crop": center_crop(photo, 16, "bilinear"),
        "squash": squash(photo, 16, "bilinear"),
    }
    for fit, made in expected.items():
        card = load_card(write_model(tmp_path / fit, fit=fit, fill=[1, 2, 3], interpolation="bilinear"))
        np.testing.assert_array_equal(fit_photo(photo, card.onto), made)
    with pytest.raises(InputError, match="expected RGB pixels"):
        squash(np.zeros((4, 4), dtype=np.uint8), 16)
