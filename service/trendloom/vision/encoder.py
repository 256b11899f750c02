"""Photos and texts to one joint space, as the model's card says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from trendloom.artifacts import ModelCard, verified
from trendloom.errors import ArtifactError, InputError
from trendloom.types import Fit, Floats, Pixels, Session
from trendloom.vision.fitting import fit_photo, letterbox

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["ClipEncoder", "Lazy", "letterbox"]

TEXT_CHUNK = 64
MAX_CHARACTERS = 4_096  # far beyond what 64 tokens hold; spares the tokenizer a book
_NORM_TOLERANCE = 0.02

T = TypeVar("T")


class Lazy(Generic[T]):
    """Something built on first use, once, whichever worker asks first."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._built: T | None = None

    def get(self) -> T:
        """Returns the thing, built now if it was not yet."""
        if self._built is None:
            with self._lock:
                if self._built is None:
                    self._built = self._build()
        return self._built


def _load_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of the text tower; padding is left to the encoder.

    Raises:
        ArtifactError: the file cannot be read as a tokenizer.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415  tagging photos never needs it

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises bare Exception
        raise ArtifactError(f"{path.parent.name}/{path.name}: expected a tokenizer file, got: {exc}") from exc
    tokenizer.no_padding()
    return tokenizer


class ClipEncoder:
    """An image tower and a text tower that share a joint space; each is loaded when first needed."""

    def __init__(self, card: ModelCard, *, image: Callable[[], Session], text: Callable[[], Session]) -> None:
        self._card = card
        self._image = Lazy(image)
        self._text = Lazy(text)
        self._tokenizer = Lazy(lambda: _load_tokenizer(verified(card, "tokenizer.json")))

    @property
    def model(self) -> str:
        """Name and version of the model."""
        return self._card.identity

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._card.dim

    @property
    def size(self) -> int:
        """Side of the square that `prepare` returns, in pixels."""
        return self._card.image_size

    @property
    def fit(self) -> Fit:
        """How a photo comes onto that square, as the card says."""
        return self._card.onto

    @property
    def engine(self) -> str:
        """Runtime, provider and precision of the image tower; loads it."""
        return self._image.get().engine

    @property
    def batch(self) -> int:
        """Photos that go through the image tower in one call; loads it."""
        return self._image.get().batch

    def prepare(self, pixels: Pixels) -> Pixels:
        """Returns one photo (h, w, 3) as the tower wants it, (size, size, 3) uint8."""
        return fit_photo(pixels, self.fit)

    def images(self, batch: Pixels) -> Floats:
        """Returns (n, dim) float32, rows L2-normalised, of prepared photos (n, size, size, 3) uint8.

        Raises:
            InputError: photos that were not prepared.
            ArtifactError: the tower cannot be loaded or gives no unit rows.
        """
        size = self._card.image_size
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (size, size, 3):
            raise InputError(f"expected prepared photos (n, {size}, {size}, 3) uint8, got {batch.shape} {batch.dtype}")
        found = np.empty((len(batch), self.dim), dtype=np.float32)
        step = self.batch
        for start in range(0, len(batch), step):
            chunk = np.ascontiguousarray(batch[start : start + step])
            found[start : start + len(chunk)] = self._checked(self._image.get().run({"pixels": chunk}), len(chunk))
        return found

    def texts(self, lines: Sequence[str]) -> Floats:
        """Returns (n, dim) float32, rows L2-normalised; the text as it is, no template.

        Raises:
            InputError: a text is empty.
            ArtifactError: the tower or its tokenizer cannot be loaded, or gives no unit rows.
        """
        for n, line in enumerate(lines):
            if not line.strip():
                raise InputError(f"text {n + 1} of {len(lines)} is empty: expected words, such as 'navy striped shirt'")
        found = np.empty((len(lines), self.dim), dtype=np.float32)
        if not lines:
            return found
        # a lone surrogate is no character: it would stop the tokenizer
        clean = [line[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for line in lines]
        tokens = [(row.ids, row.attention_mask) for row in self._tokenizer.get().encode_batch(clean)]
        spec = self._card.text
        by_length = sorted(range(len(lines)), key=lambda n: len(tokens[n][0]))
        for start in range(0, len(lines), TEXT_CHUNK):
            rows = by_length[start : start + TEXT_CHUNK]
            width = max(1, *(len(tokens[n][0]) for n in rows))
            if spec.context_length is not None:
                if width > spec.context_length:
                    raise ArtifactError(
                        f"{self.model}: the tokenizer gives {width} ids, the card {spec.context_length}"
                    )
                width = spec.context_length if spec.pad_to == "context" else width
            ids, mask = np.zeros((2, len(rows), width), dtype=np.int64)
            ids += spec.pad_id
            for at, n in enumerate(rows):
                ids[at, : len(tokens[n][0])], mask[at, : len(tokens[n][1])] = tokens[n]
            found[rows] = self._checked(self._text.get().run({"input_ids": ids, "attention_mask": mask}), len(rows))
        return found

    def pieces(self, text: str) -> int:
        """Returns how many pieces the tokenizer cuts a text into, one for each word that it knows.

        Raises:
            ArtifactError: the tokenizer cannot be loaded.
        """
        found = self._tokenizer.get().encode(text.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False)
        return len(found.ids)

    def _checked(self, rows: Floats, count: int) -> Floats:
        """Returns the rows if they are `count` unit vectors of the card's dimension.

        Raises:
            ArtifactError: they are not: the files and the card do not belong together.
        """
        if rows.shape != (count, self.dim):
            raise ArtifactError(f"{self.model}: expected rows ({count}, {self.dim}), the tower gave {rows.shape}")
        if not np.all(np.abs(np.linalg.norm(rows, axis=1) - 1.0) < _NORM_TOLERANCE):
            raise ArtifactError(f"{self.model}: expected rows of length 1, the tower gave others")
        return rows
