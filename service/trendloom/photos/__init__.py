"""The front door for pixels: bytes to RGB, under caps, upright, in sRGB, with a reason for everything refused."""

from trendloom.photos.decoding import Picture, colour_signature, decode, fitted, perceptual_hash
from trendloom.photos.fitting import Placement, placement
from trendloom.photos.opening import EXTENSIONS, MAX_BYTES, MAX_PIXELS, heic_available
from trendloom.photos.resizing import resize

__all__ = [
    "EXTENSIONS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "Picture",
    "Placement",
    "colour_signature",
    "decode",
    "fitted",
    "heic_available",
    "perceptual_hash",
    "placement",
    "resize",
]
