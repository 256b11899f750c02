"""Finding garments: which boxes stay, what regions are, and that boxes come back in the photo's own shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.doubles import write_model
from trendloom.artifacts import load_card
from trendloom.errors import ArtifactError, InputError
from trendloom.photos import Picture
from trendloom.pipeline.looking import garments_of
from trendloom.types import WHOLE, Box, Fit, Floats, Pixels, Tag
from trendloom.vision.colours import ColourNames, NamedColour
from trendloom.vision.garments import GarmentFinder, GarmentSettings, inside, overlap, regions

SIZE, CELLS, DIM = 64, 4, 3
ROUND = ((100.0, 0.0, 0.0), (0.0, 100.0, 0.0), (0.0, 0.0, 100.0))
LABS = {"red": (53.2, 80.1, 67.2), "white": (100.0, 0.0, 0.0)}
SETTINGS = GarmentSettings(
    kinds={"upper": ("shirt",), "bag": ("handbag",)},
    thresholds={"upper": 0.5, "bag": 0.3},
    overlap=0.5,
    contest=0.8,
    colours=ColourNames({name: NamedColour(lab=lab, spread=ROUND, share=0.5) for name, lab in LABS.items()}),
)
boxes_strategy = st.tuples(*[st.floats(0, 1, width=32)] * 4).map(
    lambda v: Box(x0=min(v[0], v[2]), y0=min(v[1], v[3]), x1=max(v[0], v[2]) + 0.01, y1=max(v[1], v[3]) + 0.01)
)


class Towers:
    """Sessions whose grids are set by hand: scores (k, g, g) and boxes (k, 4, g, g) of every photo."""

    engine, batch = "by hand", 2

    def __init__(self, scores: Floats, boxes: Floats) -> None:
        self.scores, self.boxes = scores, boxes
        self.regions: list[Floats] = []

    def run(self, inputs: dict[str, NDArray[np.generic]]) -> Floats:
        raise AssertionError("the finder asks for outputs by name")

    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        n = len(next(iter(inputs.values())))
        if "scores" in names:
            return [np.stack([self.scores] * n), np.stack([self.boxes] * n)]
        if "attention" in names:
            region = np.asarray(inputs["region"], np.float32)
            self.regions.append(region)
            vectors = np.zeros((len(region), DIM), np.float32)
            vectors[:, 1] = 1
            return [vectors, np.ones((len(region), SIZE // 4, SIZE // 4), np.float32)]
        pixels = np.asarray(inputs["pixels"], np.float32) / 255
        samples = pixels[:, ::4, ::4].transpose(0, 3, 1, 2)
        whole = np.zeros((n, DIM), np.float32)
        whole[:, 0] = 1
        grids = [np.zeros((n, 1, side, side), np.float32) for side in (2 * CELLS, CELLS, CELLS // 2)]
        return [whole, *grids, np.ascontiguousarray(samples)]


def grids() -> tuple[Floats, Floats]:
    boxes = np.zeros((2, 4, CELLS, CELLS), np.float32)
    boxes[:, 2:] = 1
    return np.zeros((2, CELLS, CELLS), np.float32), boxes


def finder(scores: Floats, boxes: Floats) -> tuple[GarmentFinder, Towers]:
    towers = Towers(scores, boxes)
    return GarmentFinder(SETTINGS, size=SIZE, image=lambda: towers, find=lambda: towers, region=lambda: towers), towers


def red_half() -> Pixels:
    photo = np.full((SIZE, SIZE, 3), 255, np.uint8)
    photo[:, : SIZE // 2] = (255, 0, 0)
    return photo


def test_overlap_by_hand() -> None:
    one = Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5)
    assert overlap(one, one) == 1.0
    assert overlap(one, Box(x0=0.25, y0=0.0, x1=0.75, y1=0.5)) == pytest.approx(1 / 3)
    assert overlap(one, Box(x0=0.5, y0=0.5, x1=1.0, y1=1.0)) == 0.0


@given(boxes_strategy, boxes_strategy)
def test_overlap_is_symmetric_and_a_share(a: Box, b: Box) -> None:
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1.000001


def test_inside_by_hand() -> None:
    large, small = Box(x0=0.0, y0=0.0, x1=1.0, y1=0.5), Box(x0=0.9, y0=0.25, x1=1.1, y1=0.75)
    assert inside(large, small) == inside(small, large) == pytest.approx(0.25)
    assert inside(large, Box(x0=0.2, y0=0.1, x1=0.3, y1=0.2)) == 1.0
    assert inside(large, Box(x0=0.2, y0=0.6, x1=0.3, y1=0.7)) == 0.0


def test_a_part_of_a_garment_is_not_one_more_but_a_bag_before_a_coat_is() -> None:
    scores, boxes = grids()
    scores[0, 0, 0], scores[0, 3, 3], scores[1, 2, 2] = 0.9, 0.8, 0.7
    boxes[0, :, 0, 0] = (0.0, 0.0, 1.0, 1.0)
    boxes[0, :, 3, 3] = boxes[1, :, 2, 2] = (0.1, 0.1, 0.4, 0.4)
    found, _ = finder(scores, boxes)
    ((_, *garments),) = found.look(red_half()[None])
    assert [(g.kind, round(g.score, 1)) for g in garments] == [("upper", 0.9), ("bag", 0.7)]


def test_regions_by_hand() -> None:
    found = regions(np.array([(0, 0, 1, 1), (0, 0, 0.25, 0.375), (0.3, 0.3, 0.31, 0.31)], np.float32), 4)
    assert found.shape == (3, 1, 4, 4)
    assert (found[0] == 1).all()
    assert found[1, 0, :, 0].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert found[1, 0, :, 1:].max() == 0
    assert found[2, 0].max() == 1  # however small, its own cell counts fully
    assert (found[2, 0] > 0).sum() == 1


def test_nothing_over_the_least_score_leaves_the_whole_photo() -> None:
    scores, boxes = grids()
    scores[0, 1, 1] = 0.49
    found, _ = finder(scores, boxes)
    ((whole,),) = found.look(red_half()[None])
    assert (whole.kind, whole.score, whole.box) == ("", 1.0, WHOLE)
    assert whole.vector.tolist() == [1, 0, 0]  # the whole photo keeps its own vector


def test_of_two_boxes_on_one_garment_the_better_stays() -> None:
    scores, boxes = grids()
    scores[0, 0, 0], scores[0, 0, 1], scores[1, 2, 2] = 0.9, 0.8, 0.4
    boxes[0, :, 0, 0] = (0.0, 0.0, 0.5, 1.0)
    boxes[0, :, 0, 1] = (0.02, 0.0, 0.5, 1.0)
    boxes[1, :, 2, 2] = (0.1, 0.1, 0.4, 0.9)
    found, towers = finder(scores, boxes)
    ((_, first, second),) = found.look(red_half()[None])
    assert (first.kind, second.kind) == ("upper", "bag")
    assert first.score == pytest.approx(0.9)
    assert first.vector.tolist() == [0, 1, 0]  # the region's vector
    assert towers.regions[0].shape == (3, 1, CELLS, CELLS)
    assert [c.name for c in first.colours] == ["red"]  # its box holds nothing else


def test_colours_are_measured_only_where_they_are_asked_for() -> None:
    found, _ = finder(*grids())
    assert found.look(red_half()[None], colours=False)[0][0].colours == ()
    assert [c.name for c in found.look(red_half()[None])[0][0].colours] == ["red", "white"]


class PreparedEncoder:
    """Photos come prepared, and the finder gives the vectors."""

    model, engine, batch, dim, size, fit = "m", "by hand", 8, DIM, SIZE, Fit(size=SIZE)

    def prepare(self, pixels: Pixels) -> Pixels:
        return pixels

    def images(self, batch: Pixels) -> Floats:
        raise AssertionError("the finder gives the vectors")

    def texts(self, lines: Sequence[str]) -> Floats:
        raise AssertionError("no texts here")

    def pieces(self, text: str) -> int:
        raise AssertionError("no texts here")


def test_boxes_leave_the_square_as_shares_of_the_photo() -> None:
    scores, boxes = grids()
    scores[0, 0, 0] = 0.9
    boxes[0, :, 0, 0] = (0.25, 0.5, 0.75, 1.2)  # below the square: cut
    found, _ = finder(scores, boxes)

    picture = Picture(pixels=red_half(), width=100, height=200, sha256="0" * 64, phash=0)
    ((whole, garment),) = garments_of(red_half()[None], [picture], PreparedEncoder(), None, found)
    assert whole.box == WHOLE
    assert (garment.box.x0, garment.box.x1) == (0.0, 1.0)  # a tall photo fills the middle half of the square
    assert (garment.box.y0, garment.box.y1) == (0.5, 1.0)


class SameTagger:
    """Says the same types of every photo's pieces, in their order."""

    taxonomy = "by hand 1"

    def __init__(self, *types: str | None) -> None:
        self.types = types

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        def said(group: str, value: str) -> Tag:
            return Tag(group=group, value=value, value_id=value, probability=0.5)

        return [[said("type", name), said("colour", "red")] if name else [] for name in self.types]


@pytest.mark.parametrize(
    ("types", "right", "kinds"),
    [
        (("shirt", "shirt", "shirt"), 0.8, ["", "upper"]),  # one garment, found as two kinds
        (("shirt", "shirt", "handbag"), 0.8, ["", "upper", "bag"]),
        (("shirt", "shirt", "shirt"), 0.5, ["", "upper", "bag"]),  # they overlap by a third
        (("shirt", None, None), 0.8, ["", "upper", "bag"]),
    ],
)
def test_a_garment_that_was_found_twice_counts_once(
    types: tuple[str | None, ...], right: float, kinds: list[str]
) -> None:
    scores, boxes = grids()
    scores[0, 0, 0], scores[1, 2, 2] = 0.9, 0.6
    boxes[0, :, 0, 0] = (0.0, 0.0, right, 1.0)
    boxes[1, :, 2, 2] = (1.0 - right, 0.0, 1.0, 1.0) if right > 0.6 else (0.25, 0.0, 0.75, 1.0)
    found, _ = finder(scores, boxes)
    picture = Picture(pixels=red_half(), width=SIZE, height=SIZE, sha256="0" * 64, phash=0)
    (garments,) = garments_of(red_half()[None], [picture], PreparedEncoder(), SameTagger(*types), found)
    assert [garment.number for garment in garments] == list(range(len(kinds)))
    assert [garment.box.x0 for garment in garments[1:2]] == [0.0]  # the better one stays


def test_photos_that_were_not_prepared_are_refused() -> None:
    found, _ = finder(*grids())
    with pytest.raises(InputError, match="expected prepared photos"):
        found.look(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("section", [{"kinds": {"upper": ["shirt"]}}, {"kinds": 3}, {"kinds": {}, "thresholds": {}}])
def test_a_card_that_half_describes_garments_is_refused(tmp_path: Path, section: dict[str, object]) -> None:
    card = load_card(write_model(tmp_path / "toy"))
    object.__setattr__(card, "garments", section)
    with pytest.raises(ArtifactError, match="garments: expected kinds"):
        GarmentSettings.of(card)
    object.__setattr__(card, "garments", {})
    assert GarmentSettings.of(card) is None
