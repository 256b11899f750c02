"""How near a converted model is to open_clip's own pipeline: the certificate that its card carries."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from trendloom.errors import ArtifactError
from trendloom.photos import fitted
from trendloom.types import Encoder, Floats, Pixels
from trendloom.vision.open_clip.loading import Loaded
from trendloom.vision.open_clip.samples import Sample

__all__ = ["LEAST_COSINE", "MEDIAN_COSINE", "Parity", "check", "compare"]

MEDIAN_COSINE = 0.999
LEAST_COSINE = 0.99
_CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What was compared; cosines are between a vector of ours and open_clip's of the same photo or text.

    Attributes:
        image: (photos,) float32, the graph on the pixels that open_clip prepared.
        others: Median cosine between different photos, open_clip's: what a cosine near 1 must be seen beside.
        text: (texts,) float32, tokenizer and graph.
        whole: (photos,) float32, our decoding and preprocessing included.
        same_label: Share of photos with the same likeliest label, the graph on open_clip's pixels.
        same_label_whole: The same, our decoding and preprocessing included.
        same_pixels: Share of photos that both prepare to the same pixels when they are given decoded.
        labels: Labels that compete.
        tokens: Texts whose ids were found equal.
        against: Libraries of the comparison.
        photos_from: Where the photos come from.
    """

    image: Floats
    others: float
    text: Floats
    whole: Floats
    same_label: float
    same_label_whole: float
    same_pixels: float
    labels: int
    tokens: int
    against: str
    photos_from: str

    def fields(self) -> dict[str, Any]:
        """Returns the certificate as a card stores it."""
        return {
            "against": self.against,
            "photos": len(self.image),
            "photos_from": self.photos_from,
            "image_cosine": _spread(self.image),
            "image_cosine_of_others": round(self.others, 4),
            "text_cosine": _spread(self.text),
            "texts": len(self.text),
            "same_top_label": round(self.same_label, 4),
            "labels": self.labels,
            "texts_with_equal_ids": self.tokens,
            "preprocessing": {
                "cosine": _spread(self.whole),
                "same_top_label": round(self.same_label_whole, 4),
                "same_pixels_when_decoded": round(self.same_pixels, 4),
            },
        }


def _spread(cosines: Floats) -> dict[str, float]:
    return {"median": round(float(np.median(cosines)), 6), "least": round(float(cosines.min()), 6)}


def compare(
    loaded: Loaded,
    encoder: Encoder,
    samples: Sequence[Sample],
    labels: Sequence[str],
    *,
    tokens: int,
    photos_from: str,
) -> Parity:
    """Returns how near the converted model is to open_clip's, on the bytes of photos and on texts."""
    import torch  # noqa: PLC0415  an extra

    theirs, equal, whole, prepared = [], [], [], []
    for start in range(0, len(samples), _CHUNK):
        batch = [_both(loaded, encoder, sample) for sample in samples[start : start + _CHUNK]]
        equal += [bool((own == other).all()) for _, own, other, _ in batch]
        with torch.no_grad():
            rows = loaded.model.encode_image(torch.stack([tensor for tensor, *_ in batch]), normalize=True)
        theirs.append(rows.numpy())
        prepared.append(encoder.images(np.stack([other for _, _, other, _ in batch])))
        whole.append(encoder.images(np.stack([ours for *_, ours in batch])))
    images, exported, own = (np.concatenate(rows) for rows in (theirs, prepared, whole))
    with torch.no_grad():
        texts = np.concatenate(
            [
                loaded.model.encode_text(loaded.tokenizer(list(labels[n : n + _CHUNK])), normalize=True).numpy()
                for n in range(0, len(labels), _CHUNK)
            ]
        )
    mine = encoder.texts(labels)
    best = (images @ texts.T).argmax(axis=1)
    return Parity(
        image=(images * exported).sum(axis=1),
        others=float(np.median((images @ images.T)[np.triu_indices(len(images), 1)])) if len(images) > 1 else 1.0,
        text=(texts * mine).sum(axis=1),
        whole=(images * own).sum(axis=1),
        same_label=float((best == (exported @ mine.T).argmax(axis=1)).mean()),
        same_label_whole=float((best == (own @ mine.T).argmax(axis=1)).mean()),
        same_pixels=float(np.mean(equal)),
        labels=len(labels),
        tokens=tokens,
        against=f"{loaded.source.library}, torch {torch.__version__}, CPU, float32",
        photos_from=photos_from,
    )


def _both(loaded: Loaded, encoder: Encoder, sample: Sample) -> tuple[Any, Pixels, Pixels, Pixels]:
    """Returns open_clip's tensor, our and its pixels of the decoded photo, and ours of the file, each prepared."""
    with Image.open(io.BytesIO(sample.data)) as photo:
        photo.load()
        rgb = photo.convert("RGB")
    shown = rgb
    for step in loaded.transform.transforms[:-2]:  # the last two make a tensor of the picture and normalise it
        shown = step(shown)
    ours = encoder.prepare(np.asarray(rgb))
    return loaded.transform(rgb), ours, np.asarray(shown), fitted(sample.data, encoder.fit).pixels


def check(parity: Parity) -> None:
    """Refuses a conversion that is not the model that it was made of.

    Raises:
        ArtifactError: a cosine is below MEDIAN_COSINE in the median or LEAST_COSINE at worst.
    """
    for what, cosines in (("image", parity.image), ("text", parity.text)):
        middle, least = float(np.median(cosines)), float(cosines.min())
        if not (middle >= MEDIAN_COSINE and least >= LEAST_COSINE):  # so that NaN fails too
            raise ArtifactError(
                f"the converted {what} tower is not open_clip's: expected cosines of at least {MEDIAN_COSINE} in the "
                f"median and {LEAST_COSINE} at worst, got {middle:.4f} and {least:.4f}; the model is not added"
            )
