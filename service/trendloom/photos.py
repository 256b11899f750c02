"""The front door for pixels: bytes to RGB, under caps, oriented, with a reason for everything refused."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from trendloom.errors import ImageError
from trendloom.types import Pixels

__all__ = ["EXTENSIONS", "MAX_BYTES", "MAX_PIXELS", "Picture", "decode", "heic_available", "perceptual_hash"]

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 89_478_485  # a quarter of a GiB of RGB, the size above which Pillow warns of a decompression bomb

# Only these decoders ever see a byte of a stranger's file; importing one registers it.
_DECODERS = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "WEBP": WebPImagePlugin,
    "GIF": GifImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "AVIF": AvifImagePlugin,
}
_FORMATS = tuple(_DECODERS)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)

# The cap below refuses what this warning is about.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, upright; may be smaller than the original, never below the target asked for.
        width: Of the original, after orientation, in pixels.
        height: Of the original, after orientation, in pixels.
        sha256: Of the file's bytes, hexadecimal.
        phash: 64-bit perceptual hash as a signed integer.
    """

    pixels: Pixels
    width: int
    height: int
    sha256: str
    phash: int


def heic_available() -> bool:
    """Returns whether the HEIC plug-in (`pip install trendloom[heic]`) is installed and registered."""
    try:
        import pillow_heif  # noqa: PLC0415  an extra, wanted only when a HEIC file comes
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _open(data: bytes) -> Image.Image:
    """Returns the lazily opened image, its size checked before a pixel is decoded."""
    if not data:
        raise ImageError("empty", "expected an image, got zero bytes")
    if len(data) > MAX_BYTES:
        raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, got {len(data):,}")
    formats = list(_FORMATS)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        if not heic_available():
            raise ImageError("unsupported", "HEIC needs a plug-in: pip install 'trendloom[heic]'")
        formats = ["HEIF"]
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as exc:
        if data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")) or (formats == ["HEIF"]):
            raise ImageError("unreadable", "the file begins like an image, but its header is broken") from exc
        raise ImageError("unsupported", f"expected an image ({', '.join(_FORMATS)}), got something else") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS:,} pixels, got more") from exc
    except Exception as exc:  # decoders raise many kinds on hostile headers
        raise ImageError("unreadable", f"the header cannot be read ({type(exc).__name__})") from exc
    if image.width * image.height > MAX_PIXELS:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS:,} pixels, got {image.width} x {image.height}")
    return image


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


def decode(data: bytes, *, target: int) -> Picture:
    """Returns the photo in `data`, upright and in RGB; of an animation the first frame.

    JPEGs are decoded at a reduced scale that keeps the long side at twice `target` pixels or more.

    Raises:
        ImageError: With the status that the photo's row gets.
    """
    image = _open(data)
    width, height = image.size
    try:
        orientation = image.getexif().get(0x0112, 1)
        if image.format in ("JPEG", "MPO"):
            scale = 2 * target / max(width, height)
            image.draft("RGB" if image.mode == "YCbCr" else image.mode, (round(width * scale), round(height * scale)))
        image.load()
        upright = _rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, MemoryError) as exc:
        raise ImageError("too_large", f"decoding {width} x {height} needs more memory than is allowed") from exc
    except Exception as exc:  # as above: whatever the decoder says, it is one photo's status
        cut = "truncated" in str(exc).lower() or isinstance(exc, EOFError)
        words = "the file ends early" if cut else f"the pixels cannot be decoded ({type(exc).__name__})"
        raise ImageError("truncated" if cut else "unreadable", words) from exc
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    longest = max(upright.size)
    if longest > 4 * target:  # formats without scaled decoding: bound what is kept in memory
        factor = 2 * target / longest
        size = (max(1, round(upright.width * factor)), max(1, round(upright.height * factor)))
        upright = upright.resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(upright)
    return Picture(
        pixels=pixels,
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
        phash=perceptual_hash(upright),
    )


def _dct_basis(n: int, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    k, x = np.mgrid[:rows, :n].astype(float)
    basis: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.cos(np.pi * k * (2 * x + 1) / (2 * n))
    return basis


_DCT = _dct_basis(32, 9)


def perceptual_hash(image: Image.Image) -> int:
    """Returns 64 bits, signed: signs of the 8 x 8 lowest DCT terms (the constant left out) against their median.

    The usual pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", 3.2.1).
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), dtype=float)
    low = (_DCT @ grey @ _DCT.T)[1:, 1:].ravel()  # (64,)
    bits = np.packbits(low > np.median(low))
    return int(bits.view(">i8")[0])
