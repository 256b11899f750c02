"""What was measured of a model in another precision than it was made in, kept beside its card."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trendloom.artifacts.cards import load_card, record_file
from trendloom.artifacts.files import verified
from trendloom.artifacts.nouns import ModelCard
from trendloom.errors import ArtifactError

__all__ = ["GATES", "Gate", "passed_gates", "read_gates", "write_gate"]

GATES = "gates.json"
LEAST_COSINE = 0.999  # in the median
LEAST_COSINE_OF_ALL_BUT_1_PERCENT = 0.995
LEAST_NEIGHBOURS = 0.95
MOST_DRIFT = 0.005
FEWEST = 100  # photos


@dataclass(frozen=True, kw_only=True)
class Gate:
    """An engine's vectors and tags beside those of fp32, on real photos.

    Attributes:
        engine: Its name.
        image_sha256: Of the image tower that was measured.
        photos: How many.
        cosine: Median of the cosines of a photo's two vectors.
        cosine_low: The cosine that all but 1 percent of photos exceed.
        cosine_least: The least.
        neighbours: Share of the ten nearest photos that stay the same.
        labels: Labels that the photos came with.
        f1: Of the tags against the labels, micro-averaged, as the engine gives them.
        f1_fp32: The same as fp32 gives them.
        same_tags: F1 of the engine's shown tags against those of fp32.
        machine: Where it was measured.
        made: Day, ISO 8601.
    """

    engine: str
    image_sha256: str
    photos: int
    cosine: float
    cosine_low: float
    cosine_least: float
    neighbours: float
    labels: int
    f1: float
    f1_fp32: float
    same_tags: float
    machine: str
    made: str

    @property
    def failures(self) -> list[str]:
        """Returns what keeps the gate shut, in words; nothing where it passed."""
        found = [] if self.photos >= FEWEST else [f"{self.photos} photos, fewer than {FEWEST}"]
        for what, value, least in (
            ("cosine in the median", self.cosine, LEAST_COSINE),
            ("cosine of all but 1 percent", self.cosine_low, LEAST_COSINE_OF_ALL_BUT_1_PERCENT),
            ("neighbours that stay", self.neighbours, LEAST_NEIGHBOURS),
        ):
            if value < least:
                found.append(f"{what} {value:.4f}, below {least}")
        if not self.labels:
            found.append("no labels: the drift of attributes was not measured")
        elif self.f1_fp32 - self.f1 > MOST_DRIFT:
            found.append(f"F1 of attributes falls by {self.f1_fp32 - self.f1:.4f}, over {MOST_DRIFT}")
        return found

    @property
    def words(self) -> str:
        """Returns the figures in one line."""
        return (
            f"{self.engine}: {'refused' if self.failures else 'passed'} on {self.photos:,} photos ({self.made}); "
            f"cosine {self.cosine:.5f} in the median, {self.cosine_low:.5f} for all but 1 %, {self.cosine_least:.5f} at worst; "
            f"{self.neighbours:.1%} of ten neighbours stay; F1 of {self.labels:,} labels {self.f1:.4f} (fp32 {self.f1_fp32:.4f}); "
            f"tags shown agree at F1 {self.same_tags:.4f}; {self.machine}"
        )


def read_gates(card: ModelCard) -> Mapping[str, Gate]:
    """Returns the gates of a model by engine; those of other weights than the card's do not count.

    Raises:
        ArtifactError: The file is missing, differs from the card's record, or is damaged.
    """
    if GATES not in card.files:
        return {}
    try:
        rows: list[dict[str, Any]] = json.loads(verified(card, GATES).read_text(encoding="utf-8"))
        gates = [Gate(**row) for row in rows]
    except (OSError, ValueError, TypeError) as exc:
        raise ArtifactError(f"{card.name}/{GATES}: expected gates, got a damaged file ({exc})") from exc
    return {gate.engine: gate for gate in gates if gate.image_sha256 == card.files["image.onnx"].sha256}


def passed_gates(card: ModelCard) -> frozenset[str]:
    """Returns the engines whose gate passed."""
    return frozenset(name for name, gate in read_gates(card).items() if not gate.failures)


def write_gate(card: ModelCard, gate: Gate) -> Path:
    """Returns the file that the gate was written to, in the place of an older one of its engine; the card records it.

    Raises:
        ArtifactError: It cannot be written.
    """
    path = card.folder / GATES
    kept = {**read_gates(load_card(card.folder)), gate.engine: gate}
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps([asdict(one) for one in kept.values()], indent=1) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as exc:
        raise ArtifactError(
            f"{path} cannot be written ({exc.strerror}): copy the model's folder to your own models folder, "
            "name that in TRENDLOOM_MODELS_DIR, and run this again"
        ) from exc
    record_file(card.folder, GATES)
    return path
