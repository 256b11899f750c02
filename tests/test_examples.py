"""Photos that stand for a trend: the garment that shows it, one photo a person; and thumbnails of garments."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trendloom.counting import asked_values
from trendloom.pipeline.examples import Examples, Photo
from trendloom.pipeline.facts import Facts
from trendloom.pipeline.thumbnails import Thumbnails
from trendloom.types import WHOLE, Box

LEFT, RIGHT = (0.0, 0.1, 0.4, 0.9), (0.5, 0.1, 1.0, 0.9)
TREND = "attribute:type:dress+colour:any blue"
# key, author, day, and the tags of garments: garment, group, value, probability
PHOTOS: list[tuple[str, str, int, list[tuple[int, str, str, float]]]] = [
    ("old", "ana", 1, [(1, "type", "dress", 0.9), (1, "colour", "navy", 0.9)]),
    ("two", "ben", 2, [(1, "type", "bag", 0.9), (1, "colour", "blue", 0.9),
                       (2, "type", "dress", 0.8), (2, "colour", "blue", 0.5), (2, "colour", "navy", 0.6)]),
    ("whole", "cat", 3, [(0, "type", "dress", 0.7), (0, "colour", "light blue", 0.9)]),
    ("apart", "dan", 4, [(1, "type", "dress", 0.9), (2, "colour", "blue", 0.9)]),
    ("again", "ana", 5, [(1, "type", "dress", 0.5), (1, "colour", "blue", 0.5)]),
    ("copy", "eve", 6, [(1, "type", "dress", 0.6), (1, "colour", "navy", 0.6)]),  # of ana's old one
]  # fmt: skip


class Home:
    """The part of a workspace that examples read: one run, one look of two garments."""

    def current_run(self) -> str:
        return "run-1"

    def result(self, name: str, run: str) -> pl.DataFrame:
        tables = {
            "looks": pl.DataFrame({"look_id": ["look:a"], "exemplars": [["two", "old"]]}),
            "assignments": pl.DataFrame(
                {"look_id": ["look:a", "look:a", None], "key": ["old", "two", "two"], "garment": [1, 2, 1]},
                schema_overrides={"garment": pl.Int16},
            ),
        }
        return tables[name]


def make_facts() -> Facts:
    rows = [(key, *tag) for key, _, _, tags in PHOTOS for tag in tags]
    columns = {"key": pl.String, "garment": pl.Int16, "group": pl.String, "value": pl.String, "probability": pl.Float32}
    tags = pl.DataFrame(rows, schema=columns, orient="row").sort("key", maintain_order=True)
    sides = {1: LEFT, 2: RIGHT}
    boxes = [(key, n, *sides[n]) for key, n in sorted({(row[0], row[1]) for row in rows}) if n]
    schema = {"key": pl.String, "garment": pl.Int16, **dict.fromkeys(("x0", "y0", "x1", "y1"), pl.Float64)}
    return Facts(
        photos=pl.DataFrame(), posts=pl.DataFrame(), tags=tags, versions=(),
        boxes=pl.DataFrame(boxes, schema=schema, orient="row"),
    )  # fmt: skip


def choose(trend: str, *, n: int = 12, k: int = 1) -> list[Photo]:
    keys = [key for key, *_ in PHOTOS]
    posted = [datetime(2025, 1, day, tzinfo=UTC) for _, _, day, _ in PHOTOS]
    found = SimpleNamespace(
        members=pl.DataFrame({"trend_id": [trend] * len(keys), "post_id": keys}),
        posts=pl.DataFrame({"post_id": keys, "author_hash": [who for _, who, _, _ in PHOTOS], "posted_at": posted}),
        photos=pl.DataFrame(
            {
                "key": keys,
                "post_id": keys,
                "phash": [0 if key in ("old", "copy") else n for n, key in enumerate(keys, 1)],
                "width": [30] * len(keys),
                "height": [40] * len(keys),
            }
        ),
    )
    facts = make_facts()
    examples = Examples(
        cast(Any, Home()), cast(Any, SimpleNamespace(get=lambda: facts)), Path, k=k
    )  # fmt: skip
    return examples.of(trend, cast(Any, found), n=n)


def test_an_attribute_is_shown_by_its_surest_garments_one_photo_a_person() -> None:
    # old .9 x .9, whole .7 x .9, two .8 x .6 (the dress, not the surer blue bag); copy is old once more, again is ana's
    # second; in apart no garment is both, so it comes last
    found = choose(TREND)
    assert [photo.key for photo in found] == ["old", "whole", "two", "apart"]
    boxes = [(photo.box.x0, photo.box.y0, photo.box.x1, photo.box.y1) for photo in found]
    assert boxes == [LEFT, (0, 0, 1, 1), RIGHT, (0, 0, 1, 1)]


def test_a_look_is_shown_by_what_is_nearest_to_its_centre() -> None:
    found = choose("look:a", n=2)
    assert [(photo.key, photo.box.x0) for photo in found] == [("two", 0.5), ("old", 0.0)]


def test_a_trend_of_words_is_shown_by_its_latest_photos() -> None:
    found = choose("prompt:blue-dress:1", n=3)
    assert [(photo.key, photo.box) for photo in found] == [("copy", WHOLE), ("again", WHOLE), ("apart", WHOLE)]


def test_few_people_are_not_shown() -> None:
    assert choose(TREND, k=6) == []
    assert len(choose(TREND, k=5)) == 4


def test_what_an_attribute_asks() -> None:
    assert asked_values(TREND) == {"type": ("dress",), "colour": ("navy", "blue", "light blue")}
    assert asked_values("attribute:colour:red") == {"colour": ("red",)}
    assert asked_values("look:ae9bb54463") == {}
    assert asked_values("prompt:blue:1") == {}


@pytest.fixture(name="thumbnails", scope="module")
def _thumbnails(tmp_path_factory: pytest.TempPathFactory) -> Thumbnails:
    folder = tmp_path_factory.mktemp("photos")
    image = Image.new("RGB", (400, 200), "white")
    image.paste("red", (240, 60, 320, 140))  # a square in the right half
    image.save(folder / "a.png")
    return Thumbnails(str(folder))


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_a_garments_thumbnail_is_a_square_about_it(thumbnails: Thumbnails) -> None:
    red = opened(thumbnails.jpeg("a.png", 64, Box(x0=0.6, y0=0.3, x1=0.8, y1=0.7)))
    assert red.size == (64, 64)  # 1.25 times the 80 pixels of the box are 100, brought to 64
    pixels = [red.getpixel(at) for at in ((32, 32), (8, 8), (56, 56), (2, 2), (61, 61))]
    shown = [min(cast(tuple[int, int, int], pixel)[1:]) < 100 for pixel in pixels]
    assert shown == [True, True, True, False, False]
    assert opened(thumbnails.jpeg("a.png", 64)).size == (64, 32)  # the whole photo is not kept in its place


@given(
    x=st.tuples(st.floats(0, 0.99), st.floats(0.01, 1)),
    y=st.tuples(st.floats(0, 0.99), st.floats(0.01, 1)),
)
def test_any_box_gives_a_picture(thumbnails: Thumbnails, x: tuple[float, float], y: tuple[float, float]) -> None:
    box = Box(x0=x[0], y0=y[0], x1=min(x[0] + x[1], 1.0), y1=min(y[0] + y[1], 1.0))
    size = opened(thumbnails.jpeg("a.png", 48, box)).size
    assert 1 <= min(size) <= max(size) <= 48
