"""The front door reads what can be read and says why not where it cannot."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trendloom.errors import ImageError
from trendloom.photos import MAX_BYTES, decode, perceptual_hash


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return Image.fromarray(pixels)


def corner(data: bytes) -> tuple[int, ...]:
    pixels = decode(data, target=64).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    return tuple(int(v) for v in pixels[2, 2])


def near(found: tuple[int, ...], wanted: tuple[int, int, int], within: int = 12) -> bool:
    return all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_formats_are_read(kind: str) -> None:
    assert near(corner(encoded(picture(), kind)), (255, 0, 0), within=40)


@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_avif_under_a_general_name_is_no_heic(brand: bytes) -> None:
    data = encoded(picture(), "AVIF", quality=95)
    assert near(corner(data[:8] + brand + data[12:]), (255, 0, 0), 40)


def test_damaged_exif_costs_neither_the_photo_nor_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture().save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\3\0\xff\xff\xff\x7f\6\0\0\0\0\0\0\0")
    code = f"from trendloom.photos import decode; print(decode(open({str(path)!r}, 'rb').read(), target=64).width)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("60", "")


def test_cmyk_is_read() -> None:
    assert near(corner(encoded(picture().convert("CMYK"), "JPEG")), (255, 0, 0), within=40)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    grey = Image.fromarray(np.full((20, 20), 128 * 257, np.uint16))
    assert near(corner(encoded(grey)), (128, 128, 128), within=1)


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert corner(encoded(clear)) == (255, 255, 255)
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([9, 9, 9])
    assert corner(encoded(palette, transparency=0)) == (255, 255, 255)


def test_exif_rotation_is_honoured_and_size_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    turned = picture(60, 40).rotate(90, expand=True)
    found = decode(encoded(turned, "JPEG", exif=exif.tobytes(), quality=95), target=64)
    assert (found.width, found.height) == (60, 40)
    assert near(tuple(int(v) for v in found.pixels[5, 5]), (255, 0, 0), within=60)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 20), c) for c in ("red", "lime", "blue")]
    assert near(corner(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])), (255, 0, 0))


def test_large_jpegs_are_decoded_small_but_never_below_twice_the_target() -> None:
    found = decode(encoded(picture(2000, 1500), "JPEG"), target=100)
    assert (found.width, found.height) == (2000, 1500)
    assert 200 <= max(found.pixels.shape[:2]) <= 500


def test_large_pngs_are_kept_small_in_memory() -> None:
    assert max(decode(encoded(picture(3000, 30)), target=100).pixels.shape[:2]) == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", "empty"),
        (b"<!doctype html>", "unsupported"),
        (bytes(4096), "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n", "unsupported"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(300), "unsupported"),
        (encoded(picture(), "JPEG")[:400], "truncated"),
        (encoded(picture(300, 300), "PNG")[:200], "truncated"),
        (b"\xff\xd8\xff" + bytes(90), "unreadable"),
        (encoded(picture(), "AVIF")[:200], "unreadable"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(90), "unsupported"),
        (b"x" * (MAX_BYTES + 1), "too_large"),
    ],
)
def test_what_is_refused_says_why(data: bytes, status: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data, target=64)
    assert caught.value.status == status or (status == "truncated" and caught.value.status == "unreadable")
    assert str(caught.value)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    small = encoded(Image.new("L", (10, 10)))
    bomb = small[:16] + (50_000).to_bytes(4, "big") * 2 + small[24:]
    with pytest.raises(ImageError) as caught:
        decode(bomb, target=64)
    assert caught.value.status in ("too_large", "unreadable")


@given(
    data=st.binary(max_size=400),
    head=st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"BM", b"II*\x00"]
    ),
)
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_else(data: bytes, head: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode(head + data, target=32).pixels.shape[2] == 3


def test_the_hash_survives_scaling_and_tells_pictures_apart() -> None:
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize(
        (300, 300), Image.Resampling.BICUBIC
    )
    other = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize(
        (300, 300), Image.Resampling.BICUBIC
    )

    def apart(a: Image.Image, b: Image.Image) -> int:
        return ((perceptual_hash(a) ^ perceptual_hash(b)) & (2**64 - 1)).bit_count()

    again = Image.open(io.BytesIO(encoded(rough.resize((201, 201)), "JPEG", quality=70)))
    assert apart(rough, again) <= 4
    assert apart(rough, other) > 12
