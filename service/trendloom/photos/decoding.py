"""Bytes to pixels, at the smallest scale that keeps what is asked for."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from trendloom.errors import ImageError
from trendloom.photos.fitting import placement
from trendloom.photos.opening import Turn, open_image
from trendloom.photos.profiles import to_srgb
from trendloom.photos.resizing import resize
from trendloom.types import Fit, Pixels

__all__ = ["Picture", "colour_signature", "decode", "fitted", "perceptual_hash"]

_ENOUGH = 2.0  # how much larger than the result a photo is decoded: what a bicubic filter needs to look whole
_EIGHTH = 8  # JPEGs are decoded at n eighths of their size
_HASH_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, upright, in sRGB: smaller than the original, or fitted to a square.
        width: Of the original, after orientation, in pixels.
        height: Of the original, after orientation, in pixels.
        sha256: Of the file's bytes, hexadecimal; empty where nobody asked for it.
        phash: 64-bit perceptual hash as a signed integer; 0 where nobody asked for it.
        colours: What `colour_signature` says; 0 where nobody asked for it.
    """

    pixels: Pixels
    width: int
    height: int
    sha256: str = ""
    phash: int = 0
    colours: int = 0


@dataclass(frozen=True, kw_only=True)
class _Raw:
    """Pixels as stored, maybe scaled down, and what is known of them.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        size: Width and height of the original, as stored.
        scale: What one pixel of the original became, across and down: `pixels` may be a fraction of a pixel larger.
        turn: What makes them upright.
        profile: ICC profile that still has to be applied.
    """

    pixels: Pixels
    size: tuple[int, int]
    scale: tuple[float, float]
    turn: Turn
    profile: bytes | None


def decode(data: bytes, *, target: int) -> Picture:
    """Returns the photo in `data`, upright and in sRGB; of an animation the first frame.

    The long side is kept at twice `target` pixels or more, and at most four times.

    Raises:
        ImageError: With the status that the photo's row gets.
    """
    image = open_image(data)
    raw = _raw(data, image, _turn(image), _ENOUGH * target / max(image.size))
    pixels, longest = raw.pixels, max(raw.pixels.shape[:2])
    if longest > 2 * _ENOUGH * target:  # formats without scaled decoding: bound what is kept in memory
        height, width = pixels.shape[:2]
        factor = _ENOUGH * target / longest
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = resize(pixels, size, (0.0, 0.0, float(width), float(height)))
    return _picture(data, raw, np.ascontiguousarray(_managed(raw.turn.upright(pixels), raw.profile)), identify=True)


def fitted(data: bytes, fit: Fit, *, identify: bool = True) -> Picture:
    """Returns the photo in `data` on the square that `fit` describes: decoded small, resized once, upright, in sRGB.

    The box is computed in pixels of the original, so that the scale of decoding moves nothing. `identify` adds sha256
    and perceptual hash.

    Raises:
        ImageError: With the status that the photo's row gets.
    """
    image = open_image(data)
    turn = _turn(image)
    place = placement(fit, *turn.size(image.size))
    x0, y0, x1, y1 = place.box
    raw = _raw(data, image, turn, _ENOUGH * max(place.size[0] / (x1 - x0), place.size[1] / (y1 - y0)))
    x0, y0, x1, y1 = turn.stored(place.box, raw.size)
    box = (x0 * raw.scale[0], y0 * raw.scale[1], x1 * raw.scale[0], y1 * raw.scale[1])
    part = _managed(turn.upright(resize(raw.pixels, turn.size(place.size), box, fit.interpolation)), raw.profile)
    if place.size == (fit.size, fit.size):
        square = np.ascontiguousarray(part)
    else:
        square = _ground(fit.size, fit.fill).copy()
        (x, y), (width, height) = place.at, place.size
        square[y : y + height, x : x + width] = part
    return _picture(data, raw, square, identify=identify)


@functools.lru_cache(maxsize=8)
def _ground(size: int, fill: tuple[int, int, int]) -> Pixels:
    """Returns a square of one colour; a copy of it takes a fortieth of the time that painting takes."""
    square: Pixels = np.full((size, size, 3), fill, dtype=np.uint8)
    square.setflags(write=False)
    return square


def _picture(data: bytes, raw: _Raw, pixels: Pixels, *, identify: bool) -> Picture:
    width, height = raw.turn.size(raw.size)
    if not identify:
        return Picture(pixels=pixels, width=width, height=height)
    rows, columns = raw.pixels.shape[:2]
    small = resize(raw.pixels, (_HASH_SIDE, _HASH_SIDE), (0.0, 0.0, float(columns), float(rows)), "box")
    return Picture(
        pixels=pixels,
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
        phash=perceptual_hash(Image.fromarray(np.ascontiguousarray(raw.turn.upright(small)))),
        colours=colour_signature(small),
    )


def _turn(image: Image.Image) -> Turn:
    with _judged(image.size):
        return Turn.of(image)


@contextmanager
def _judged(size: tuple[int, int]) -> Iterator[None]:
    """Turns whatever a decoder says into the status that the photo's row gets."""
    try:
        yield
    except (Image.DecompressionBombError, MemoryError) as exc:
        raise ImageError("too_large", f"decoding {size[0]} x {size[1]} needs more memory than is allowed") from exc
    except Exception as exc:  # many kinds, on hostile files
        cut = "truncated" in str(exc).lower() or isinstance(exc, EOFError)
        words = "the file ends early" if cut else f"the pixels cannot be decoded ({type(exc).__name__})"
        raise ImageError("truncated" if cut else "unreadable", words) from exc


def _raw(data: bytes, image: Image.Image, turn: Turn, scale: float) -> _Raw:
    """Returns an opened image's pixels, at `scale` of its size or more.

    Raises:
        ImageError: The pixels cannot be decoded.
    """
    size, profile = image.size, image.info.get("icc_profile")
    wanted = (min(size[0], math.ceil(size[0] * scale)), min(size[1], math.ceil(size[1] * scale)))
    with _judged(size):
        pixels = _turbo(data, image, wanted)
        if pixels is None:
            if image.format in ("JPEG", "MPO"):
                image.draft("RGB" if image.mode == "YCbCr" else image.mode, wanted)
            image.load()
            own = to_srgb(profile, image.mode) if image.mode in ("CMYK", "L") else None
            pixels = np.asarray(own.apply(image) if own else _rgb(image))
            profile = None if own else profile
    return _Raw(pixels=pixels, size=size, scale=_scales(size, pixels), turn=turn, profile=profile)


def _turbo(data: bytes, image: Image.Image, wanted: tuple[int, int]) -> Pixels | None:
    """Returns the pixels of a plain JPEG, at least as large as `wanted`; None of anything that Pillow should judge."""
    if image.format not in ("JPEG", "MPO") or not (
        image.mode == "RGB" or (image.mode == "L" and "icc_profile" not in image.info)
    ):
        return None
    try:
        found: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=wanted[0], min_height=wanted[1], strict=True)
    except ValueError:  # also what a decoder could recover from: Pillow says whether the photo counts as whole
        return None
    return found


def _scales(size: tuple[int, int], pixels: Pixels) -> tuple[float, float]:
    """Returns what a pixel became, across and down: eighths, since decoders round odd sizes up."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return 1.0, 1.0
    eighths = round(_EIGHTH * max(width, height) / max(size)) / _EIGHTH
    return eighths, eighths


def _rgb(image: Image.Image) -> Image.Image:
    """Returns RGB: 16-bit scaled to 8, transparency laid on white, palettes and CMYK converted."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=1.0)), 1e-9)
        return Image.fromarray(np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")


def _managed(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Returns RGB pixels of a profile in sRGB."""
    transform = to_srgb(profile, "RGB")
    if transform is None:
        return pixels
    return np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(pixels))), dtype=np.uint8)


def _dct_basis(n: int, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    k, x = np.mgrid[:rows, :n].astype(float)
    basis: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.cos(np.pi * k * (2 * x + 1) / (2 * n))
    return basis


_DCT = _dct_basis(_HASH_SIDE, 9)


def perceptual_hash(image: Image.Image) -> int:
    """Returns 64 bits, signed: signs of the 8 x 8 lowest DCT terms (the constant left out) against their median.

    The usual pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", 3.2.1).
    """
    grey = np.asarray(image.convert("L").resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.BOX), dtype=float)
    low = (_DCT @ grey @ _DCT.T)[1:, 1:].ravel()  # (64,)
    bits = np.packbits(low > np.median(low))
    return int(bits.view(">i8")[0])


def colour_signature(pixels: Pixels) -> int:
    """Returns six bytes: the mean red, green and blue of a photo (h, w, 3), and of its middle half in width and height.

    Tells apart what one hash of shapes does not: a garment in two colours.
    """
    height, width = pixels.shape[:2]
    top, left = height // 4, width // 4
    middle = pixels[top : height - top, left : width - left]
    octets = np.concatenate([pixels.mean(axis=(0, 1)), middle.mean(axis=(0, 1))]).round().astype(np.int64)  # (6,)
    return int((octets << (8 * np.arange(6))).sum())
