"""Frozen nouns and the seams between rooms. Imports nothing of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "WHOLE",
    "Box",
    "Counts",
    "Encoder",
    "Finder",
    "Fit",
    "Floats",
    "Item",
    "MainColour",
    "Piece",
    "Pixels",
    "Post",
    "Session",
    "Source",
    "Status",
    "Tag",
    "Tagger",
]

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

Status = Literal[
    "ok",
    "empty",  # zero bytes, or a blank line of text
    "missing",  # named by a manifest, not there
    "refused",  # a path that leaves SRC, a link, a member with ..
    "too_large",  # over the byte or pixel cap
    "truncated",  # ends early
    "unreadable",  # an image by its first bytes, but broken
    "unsupported",  # not an image, or a format without its plug-in
]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in shares of the photo's width and height, 0..1, origin at the top left."""

    x0: float = 0.0
    y0: float = 0.0
    x1: float = 1.0
    y1: float = 1.0


WHOLE = Box()


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a photo comes onto the square that a tower takes.

    Attributes:
        size: Side of the square in pixels.
        kind: `letterbox` (the whole photo on a ground of `fill`), `center-crop` (the middle) or `squash`.
        fill: Ground of a letterbox, 0..255.
        interpolation: `bicubic` or `bilinear`, antialiased.
    """

    size: int
    kind: str = "letterbox"
    fill: tuple[int, int, int] = (255, 255, 255)
    interpolation: str = "bicubic"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Public counters of a post; None where the source does not say."""

    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    views: int | None = None
    followers: int | None = None


@dataclass(frozen=True, kw_only=True)
class Post:
    """What a source says about a post, before anything is hashed or stored.

    `posted_at` is timezone-aware UTC, or None where the time cannot be read.
    `author` is the raw name: it never leaves the front door except through the keyed hash.
    """

    post_id: str
    posted_at: datetime | None = None
    author: str | None = None
    caption: str | None = None
    country: str | None = None
    department: str | None = None
    platform: str | None = None
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image of a source and the post that shows it: `load` returns its bytes or raises ImageError."""

    key: str
    post: Post
    load: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A value of a group that a garment shows; `probability` is calibrated, 0..1.

    `sure` tags reach the precision that the model's card states: they are what is shown. The others are the likeliest
    of their group all the same; trends count them too, since an abstention would thin out every curve.
    """

    group: str
    value: str
    value_id: str
    probability: float
    sure: bool = True


@dataclass(frozen=True, kw_only=True)
class MainColour:
    """A colour of a garment's pixels: name, `#rrggbb`, CIE Lab under D65, and share of the garment's pixels, 0..1."""

    name: str
    hex: str
    lab: tuple[float, float, float]
    share: float


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a photo that was looked at on its own.

    `kind` is what the finder took it for, such as `feet`; the whole photo has none and a score of 1. `heat` is where
    the tower looked, on a grid over the prepared square, summing to 1.
    """

    kind: str
    score: float
    box: Box
    vector: Floats  # (dim,)
    colours: tuple[MainColour, ...] = ()
    heat: Floats | None = None


class Source(Protocol):
    """Where photos come from."""

    @property
    def place(self) -> str:
        """What was opened, as absolute paths: tells a source from another whose photos have the same keys."""

    @property
    def total(self) -> int:
        """Number of items that `items` yields."""

    def items(self) -> Iterator[Item]:
        """Yields every item once, in a stable order."""


class Session(Protocol):
    """A tower's runtime: named arrays in, the first output out."""

    @property
    def engine(self) -> str:
        """Runtime, provider and precision, such as `onnxruntime-cpu-fp32`."""

    @property
    def batch(self) -> int:
        """Photos in one call."""

    def run(self, inputs: dict[str, NDArray[np.generic]]) -> Floats:
        """Returns the tower's output, shape (n, dim) float32."""

    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        """Returns the named outputs, in order, float32."""


class Encoder(Protocol):
    """Images and texts to one joint space."""

    @property
    def model(self) -> str:
        """Name and version, such as `fashion-lite 1.0`."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    def size(self) -> int:
        """Side of the square that `prepare` returns, in pixels."""

    @property
    def fit(self) -> Fit:
        """How a photo comes onto that square."""

    @property
    def engine(self) -> str:
        """Runtime, device and precision of the image tower."""

    @property
    def batch(self) -> int:
        """Photos that go through the image tower in one call: 1 where nothing beside a photo can touch its vector."""

    def prepare(self, pixels: Pixels) -> Pixels:
        """Returns one photo (h, w, 3) as the tower wants it, (size, size, 3) uint8."""

    def images(self, batch: Pixels) -> Floats:
        """Returns (n, dim) float32, rows L2-normalised, of (n, size, size, 3) uint8."""

    def texts(self, lines: Sequence[str]) -> Floats:
        """Returns (n, dim) float32, rows L2-normalised; the text as it is, no template."""

    def pieces(self, text: str) -> int:
        """Returns how many pieces the tokenizer cuts a text into, one for each word that it knows."""


class Finder(Protocol):
    """Photos to their vectors and garments."""

    def look(self, batch: Pixels, count: int | None = None, *, colours: bool = True) -> list[list[Piece]]:
        """Returns the pieces of the first `count` prepared photos (all): the whole photo, then its garments.

        Without `colours` their main colours are not measured.
        """


class Tagger(Protocol):
    """Embeddings of garments to tags."""

    @property
    def taxonomy(self) -> str:
        """Name and version of the taxonomy, such as `trendloom 1`."""

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        """Returns the tags of each garment, sure or not, most probable first within a group; (n, dim) in.

        `kinds` says for each what the finder took it for, empty for a whole photo: its type is more likely one of that
        kind, the surer the more garments were found in its photo (`among`).
        """
