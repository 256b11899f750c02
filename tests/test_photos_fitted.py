"""Photos on the tower's square: where a plain decode and resize puts them, upright, in sRGB."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from trendloom.drawn import draw_garment, draw_scene
from trendloom.errors import ImageError
from trendloom.photos import decode, fitted, placement, resize, resizing
from trendloom.types import Fit, Pixels
from trendloom.vision.fitting import fit_photo

KINDS = ("letterbox", "center-crop", "squash")


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth blobs of colour: no edge that a filter could ring at."""
    rough = np.random.default_rng(seed).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 92, **options})
    return buffer.getvalue()


def plain(data: bytes, fit: Fit) -> Pixels:
    return fit_photo(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), fit)


def apart(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1080, 1350), (1079, 1347), (2000, 701), (300, 200), (224, 224)])
def test_scaled_decoding_moves_nothing(kind: str, size: tuple[int, int]) -> None:
    data, fit = jpeg(scene(*size)), Fit(size=96, kind=kind)
    found = fitted(data, fit)
    assert (found.width, found.height) == size
    assert apart(found.pixels, plain(data, fit)) < 0.6  # levels; a shift by a pixel is over 2 here
    assert apart(np.roll(found.pixels, 1, axis=1), plain(data, fit)) > 1.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(610, 377), (200, 331)])
def test_every_orientation_ends_upright(kind: str, orientation: int, size: tuple[int, int]) -> None:
    turns = {
        1: (),
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_90,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }
    stored = upright = scene(*size)
    for turn in turns[orientation]:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    fit, data = Fit(size=64, kind=kind), jpeg(stored, exif=exif.tobytes(), quality=97)
    found = fitted(data, fit)
    assert (found.width, found.height) == size
    assert apart(found.pixels, fit_photo(np.asarray(upright), fit)) < 2
    assert apart(decode(data, target=400).pixels, np.asarray(upright)) < 2


@given(width=st.integers(1, 400), height=st.integers(1, 400), size=st.integers(16, 64), kind=st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_a_plain_colour_fills_its_part_of_the_square(width: int, height: int, size: int, kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 90)).save(buffer, "PNG")
    fit = Fit(size=size, kind=kind, fill=(10, 200, 90))
    assert (fitted(buffer.getvalue(), fit).pixels == (10, 200, 90)).all()
    place = placement(fit, width, height)
    assert 0 <= place.box[0] < place.box[2] <= width
    assert 0 <= place.box[1] < place.box[3] <= height


def test_both_ways_to_resize_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.asarray(scene(1200, 900))
    boxes = [(0.0, 0.0, 1200.0, 900.0), (150.3, 0.0, 1049.7, 899.5)]
    fast = [resize(pixels, (97, 61), box, name) for box in boxes for name in ("bicubic", "bilinear", "box")]
    monkeypatch.setattr(resizing, "simd", None)
    slow = [resize(pixels, (97, 61), box, name) for box in boxes for name in ("bicubic", "bilinear", "box")]
    for a, b in zip(fast, slow, strict=True):
        assert np.abs(a.astype(int) - b.astype(int)).max() <= 2


def srgb_profile() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def test_colours_of_a_profile_become_srgb() -> None:
    red, fit = Image.new("RGB", (600, 600), (255, 0, 0)), Fit(size=32)
    swapped = srgb_profile().replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    for data in (jpeg(red, icc_profile=swapped), encoded_png(red, swapped)):  # its red is what sRGB calls blue
        assert np.abs(fitted(data, fit).pixels.astype(int) - (0, 0, 255)).max() <= 3
        assert np.abs(decode(data, target=32).pixels.astype(int) - (0, 0, 255)).max() <= 3


def encoded_png(image: Image.Image, profile: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=profile)
    return buffer.getvalue()


def test_profiles_that_change_nothing_are_left_alone() -> None:
    grey, fit = Image.new("RGB", (600, 600), (128, 128, 128)), Fit(size=32)
    other_kind = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    plain_pixels = fitted(jpeg(grey), fit).pixels
    for profile in (srgb_profile(), b"no profile", other_kind, srgb_profile()[:200]):
        np.testing.assert_array_equal(fitted(jpeg(grey, icc_profile=profile), fit).pixels, plain_pixels)


@pytest.mark.parametrize("kept", [0.02, 0.1, 0.35, 0.6, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_that_ends_early_has_the_status_that_pillow_gives(kept: float, progressive: bool) -> None:
    data = jpeg(scene(900, 700), progressive=progressive)
    cut = data[: int(len(data) * kept)]
    try:
        with Image.open(io.BytesIO(cut)) as image:
            image.load()
        expected = "ok"
    except OSError:
        expected = "broken"
    try:
        fitted(cut, Fit(size=64))
        found = "ok"
    except ImageError as reason:
        found = "broken" if reason.status in ("truncated", "unreadable") else reason.status
    assert found == expected


def test_damage_inside_is_judged_by_pillow() -> None:
    data = bytearray(jpeg(scene(900, 700)))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    with Image.open(io.BytesIO(bytes(data))) as image:
        image.load()  # Pillow goes on over it, and so do we
    assert fitted(bytes(data), Fit(size=64)).pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_press_jpegs_are_read(mode: str) -> None:
    data = jpeg(scene(700, 500).convert(mode), quality=95)
    assert apart(fitted(data, Fit(size=64)).pixels, plain(data, Fit(size=64))) < 1


def test_facts_of_the_file_are_given_where_asked_for() -> None:
    data = jpeg(scene(700, 500))
    assert fitted(data, Fit(size=64)).sha256 == decode(data, target=64).sha256
    square, whole = fitted(data, Fit(size=64)), decode(data, target=64)
    assert (square.phash, square.colours) == (whole.phash, whole.colours)
    bare = fitted(data, Fit(size=64), identify=False)
    assert (bare.sha256, bare.phash, bare.colours) == ("", 0, 0)


def test_colours_last_through_compression_and_resizing_and_tell_garments_apart() -> None:
    def saved(colour: str, size: int, quality: int) -> bytes:
        garment = draw_garment(np.random.default_rng(2), type="shirt", colour=colour)
        drawn = Image.fromarray(draw_scene(np.random.default_rng(3), [garment]))
        return jpeg(drawn.resize((size, size), Image.Resampling.BICUBIC), quality=quality)

    def octets(data: bytes) -> np.ndarray:
        packed = decode(data, target=64).colours
        return np.array([(packed >> (8 * n)) & 0xFF for n in range(6)])

    red = octets(saved("red", 400, 95))
    assert abs(red - octets(saved("red", 250, 60))).max() <= 4
    assert abs(red - octets(saved("blue", 400, 95))).max() > 24
