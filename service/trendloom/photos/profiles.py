"""Colours of a photo with an embedded profile (ICC.1) to sRGB."""

from __future__ import annotations

import functools
import io
import itertools
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

__all__ = ["to_srgb"]

_LARGEST = 4 * 2**20  # bytes; profiles of presses reach two million
_SAME = 3  # levels; copies of sRGB differ in the last digits of their tables
_STEPS = range(0, 256, 51)


def to_srgb(profile: bytes | None, mode: str) -> ImageCmsTransform | None:
    """Returns what turns an image of `mode` (RGB, L or CMYK) into sRGB, None where it is sRGB or the profile is of no use."""
    return _transform(profile, mode) if profile and len(profile) <= _LARGEST else None


@functools.lru_cache(maxsize=64)  # a dump has few different profiles
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms  # noqa: PLC0415  most photos have none, or sRGB

    try:
        made = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # damaged, or of another kind of image
        return None
    if mode == "CMYK":
        return made
    levels = np.array(list(itertools.product(_STEPS, repeat=3)), dtype=np.uint8)[None]  # (1, 216, 3)
    shown = Image.fromarray(levels if mode == "RGB" else levels[..., 0])
    converted = made.apply(shown)
    apart = np.abs(np.asarray(converted, dtype=int) - np.asarray(shown.convert("RGB"), dtype=int)).max()
    return made if apart > _SAME else None
