"""Files to lazily opened images: an allow-list of formats, caps on bytes and pixels, and which way is up."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from trendloom.errors import ImageError
from trendloom.types import Pixels

__all__ = ["EXTENSIONS", "MAX_BYTES", "MAX_PIXELS", "Turn", "heic_available", "open_image"]

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 89_478_485  # a quarter of a GiB of RGB, the size above which Pillow warns of a decompression bomb
_ORIENTATION = 0x0112  # of EXIF

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
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)

# The cap below refuses what the first of these is about; others are of metadata (EXIF) that is damaged and not needed.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How stored pixels become upright: mirrored across, mirrored down, then rows and columns swapped (EXIF 2.32, 4.6.5)."""

    across: bool = False
    down: bool = False
    swap: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> Turn:
        """Returns the turn that an image's EXIF asks for."""
        n = image.getexif().get(_ORIENTATION, 1)
        return cls(across=n in (2, 3, 7, 8), down=n in (3, 4, 6, 7), swap=n in (5, 6, 7, 8))

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns width and height after the turn, or before it."""
        return size[::-1] if self.swap else size

    def stored(
        self, box: tuple[float, float, float, float], size: tuple[int, int]
    ) -> tuple[float, float, float, float]:
        """Returns a box of the upright photo (left, top, right, bottom) in stored pixels; `size` is as stored."""
        x0, y0, x1, y1 = (box[1], box[0], box[3], box[2]) if self.swap else box
        if self.across:
            x0, x1 = size[0] - x1, size[0] - x0
        if self.down:
            y0, y1 = size[1] - y1, size[1] - y0
        return x0, y0, x1, y1

    def upright(self, pixels: Pixels) -> Pixels:
        """Returns stored pixels (h, w, 3) turned, a view."""
        pixels = pixels[:: -1 if self.down else 1, :: -1 if self.across else 1]
        return np.swapaxes(pixels, 0, 1) if self.swap else pixels


def heic_available() -> bool:
    """Returns whether the HEIC plug-in (`pip install trendloom[heic]`) is installed and registered."""
    try:
        import pillow_heif  # noqa: PLC0415  an extra, wanted only when a HEIC file comes
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _brands(data: bytes) -> frozenset[bytes]:
    """Returns what a file of boxes says that it is, of AVIF and HEIC (ISO/IEC 14496-12, 4.3); none of another file."""
    if data[4:8] != b"ftyp":
        return frozenset()
    box = data[: min(int.from_bytes(data[:4], "big"), 256)]
    named = frozenset([data[8:12], *(box[start : start + 4] for start in range(16, len(box), 4))])
    return named & (_AVIF_BRANDS | _HEIC_BRANDS)


def open_image(data: bytes) -> Image.Image:
    """Returns the lazily opened image, its size checked before a pixel is decoded.

    Raises:
        ImageError: With the status that the photo's row gets.
    """
    if not data:
        raise ImageError("empty", "expected an image, got zero bytes")
    if len(data) > MAX_BYTES:
        raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, got {len(data):,}")
    formats, brands = list(_FORMATS), _brands(data)
    if brands & _HEIC_BRANDS and not brands & _AVIF_BRANDS:
        if not heic_available():
            raise ImageError("unsupported", "HEIC needs a plug-in: pip install 'trendloom[heic]'")
        formats = ["HEIF"]
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as exc:
        if data.startswith((b"\xff\xd8\xff", b"\x89PNG")) or data[8:12] == b"WEBP" or brands:
            raise ImageError("unreadable", "the file begins like an image, but its header is broken") from exc
        raise ImageError("unsupported", f"expected an image ({', '.join(_FORMATS)}), got something else") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS:,} pixels, got more") from exc
    except Exception as exc:  # decoders raise many kinds on hostile headers
        raise ImageError("unreadable", f"the header cannot be read ({type(exc).__name__})") from exc
    if image.width * image.height > MAX_PIXELS:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS:,} pixels, got {image.width} x {image.height}")
    return image
