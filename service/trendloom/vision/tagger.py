"""Embeddings of garments to tags, by the prompts of a taxonomy."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trendloom.artifacts import ModelCard, TagCalibration, record_file, verified
from trendloom.errors import ArtifactError
from trendloom.taxonomy import Group, Taxonomy
from trendloom.types import Encoder, Floats, Tag
from trendloom.vision.scores import cosines, mean_vectors, softmax
from trendloom.vision.values import NONE, VALUES, read_values

__all__ = [
    "FINDER_ERRS",
    "PROMPTS",
    "PromptTagger",
    "Unsaid",
    "Why",
    "find_prompt_vectors",
    "make_prompt_vectors",
    "prompt_vectors",
    "save_prompt_vectors",
]

PROMPTS = "prompts.npz"
_NOT_UNLIKELY = 0.25  # a second value of a group is worth counting from here on: photos show several garments
# What a type of another kind counts where the finder says what kind a garment is, by how many garments it found in the
# photo: among several a region shows its neighbours too, alone the vector is the better witness.
FINDER_ERRS = (1.0, 0.2, 0.02)
TYPE = "type"


Why = Literal[
    "none",  # it shows nothing that the group asks for; of types: there is no garment
    "does not apply",  # the group is not asked of garments of this type
    "unsure",  # the likeliest value is below the group's threshold
    "off",  # the model was not validated for the group
]


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """A group that a garment has no sure tag of, and why.

    `value_id` is the taxonomy's for `none`; `probability` is that of the likeliest value, where one was looked for.
    """

    group: str
    why: Why
    value_id: str | None = None
    probability: float | None = None


class PromptTagger:
    """Tags by the cosine between a garment and each value's prompts; the probabilities are the card's.

    `vectors` has one unit row per value of a group, in order, and one more for its `none` prompts. `kinds` are those that
    a finder of garments tells apart, each with the types that it may be.

    Raises:
        ArtifactError: the card does not calibrate a group, or the vectors are not those of the taxonomy.
    """

    def __init__(
        self,
        *,
        taxonomy: Taxonomy,
        card: ModelCard,
        vectors: Mapping[str, Floats],
        kinds: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self._taxonomy = taxonomy
        self._card = card
        self._vectors: dict[str, Floats] = {}
        self._calibration: dict[str, TagCalibration] = {}
        known = _calibrated(taxonomy, card)  # a group that the card does not know is not asked
        self._asked = tuple(g for g in known if g.name == TYPE or _calibration(card, g).validated)
        for group in known:
            self._calibration[group.name] = _calibration(card, group)
            rows = vectors.get(group.name)
            shape = (len(group.values) + bool(group.none_prompts), card.dim)
            if rows is None or rows.shape != shape:
                got = "none" if rows is None else str(rows.shape)
                raise ArtifactError(f"{group.name}: expected prompt vectors {shape}, got {got}; write them again")
            self._vectors[group.name] = rows
        self._own = _own(taxonomy.group(TYPE), kinds)

    @property
    def taxonomy(self) -> str:
        """Name and version of the taxonomy."""
        return self._taxonomy.identity

    def probabilities(self, embeddings: Floats, group: str) -> Floats:
        """Returns (n, values) float32 of a group, in the taxonomy's order, and `none` last where it has prompts.

        Softmax of scale * cosine; rows sum to 1.
        """
        logits = self._calibration[group].scale * cosines(embeddings, self._vectors[group])
        return softmax(np.asarray(logits, dtype=np.float32))

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        """Returns the tags of each garment, groups in the taxonomy's order, most probable first within a group.

        A value is given at the group's threshold. Where `none` of the types is likelier than every type there is
        no garment and so no tag; the other groups are asked where they fit the likeliest type. Where a garment was
        found as some kind among several, the types of other kinds share what is left to a finder's mistake.
        """
        if not len(embeddings):
            return []
        chances = {group.name: self.probabilities(embeddings, group.name) for group in self._asked}
        if any(kinds):
            allowed = chances[TYPE] * self._allowed(kinds, among or [len(FINDER_ERRS)] * len(kinds))
            chances[TYPE] = allowed / allowed.sum(axis=1, keepdims=True)
        types = self._taxonomy.group(TYPE)
        best = chances[TYPE].argmax(axis=1)
        found: list[list[Tag]] = []
        for n, winner in enumerate(best):
            tags: list[Tag] = []
            if winner < len(types.values):
                kind = types.values[winner].value
                for group in self._asked:
                    if group.name == TYPE or group.fits(kind):
                        tags += self._over_threshold(group, chances[group.name][n])
            found.append(tags)
        return found

    def unsaid(self, tags: Sequence[Tag]) -> list[Unsaid]:
        """Returns the groups that a garment has no sure tag of, in the taxonomy's order, given all tags that `tag` gave it."""
        asked = {group.name for group in self._asked}
        best = {tag.group: tag for tag in reversed(tags)}  # tags come most probable first within a group
        said = {tag.group for tag in tags if tag.sure}
        found: list[Unsaid] = []
        for group in self._taxonomy.groups:
            if group.name in said:
                continue
            if group.name not in asked:
                found.append(Unsaid(group=group.name, why="off"))
            elif group.name in best:
                found.append(Unsaid(group=group.name, why="unsure", probability=best[group.name].probability))
            elif group.name == TYPE or (TYPE in best and group.fits(best[TYPE].value)):
                found.append(Unsaid(group=group.name, why="none", value_id=group.none.id if group.none else None))
            else:
                found.append(Unsaid(group=group.name, why="does not apply"))
        return found

    def _allowed(self, kinds: Sequence[str], among: Sequence[int]) -> Floats:
        """Returns how much each type (and `none`) counts, (n, types), where finders say kinds; all of a whole photo.

        That it shows a garment at all is the finder's word, however many it found.
        """
        errs = np.array([FINDER_ERRS[min(max(n, 1), len(FINDER_ERRS)) - 1] for n in among], dtype=np.float32)
        found = np.where(np.stack([self._own[kind] for kind in kinds]), np.float32(1), errs[:, None])
        if self._taxonomy.group(TYPE).none_prompts:
            found[[bool(kind) for kind in kinds], -1] = FINDER_ERRS[-1]
        return np.asarray(found, dtype=np.float32)

    def _over_threshold(self, group: Group, chances: Floats) -> list[Tag]:
        """Returns the group's tags of one garment: the likeliest value, and others that are not unlikely.

        At most one where the values exclude each other. The likeliest is sure from the group's threshold on, others
        from where the card says.
        """
        told = self._calibration[group.name]
        order = np.argsort(-chances[: len(group.values)], kind="stable")
        rest = float(chances[len(group.values)]) if group.none_prompts else 0.0  # that it shows none of them
        if group.exclusive:
            order = order[:1]
        return [
            Tag(
                group=group.name,
                value=group.values[n].value,
                value_id=group.values[n].id,
                probability=float(chances[n]),
                sure=bool(chances[n] >= (told.threshold if n == order[0] else told.further)),
            )
            for n in order
            if chances[n] >= told.threshold or (n == order[0] and chances[n] > rest) or chances[n] >= _NOT_UNLIKELY
        ]


def _own(types: Group, kinds: Mapping[str, tuple[str, ...]]) -> dict[str, NDArray[np.bool_]]:
    """Returns for each kind of garment which types (and `none`) are of it; all for a whole photo."""
    names = [value.value for value in types.values] + [NONE] * bool(types.none_prompts)
    return {"": np.ones(len(names), dtype=np.bool_)} | {
        kind: np.array([name in its_types for name in names]) for kind, its_types in kinds.items()
    }


def make_prompt_vectors(encoder: Encoder, taxonomy: Taxonomy, card: ModelCard) -> dict[str, Floats]:
    """Returns per group (values [+ 1 for none], dim) float32, rows L2-normalised: the mean of each value's prompts.

    A prompt stands in every template of the group; the text tower sees each sentence once. Where the model ships a
    vector of a value that was learned from photos, that one stands instead.

    Raises:
        ArtifactError: the text tower cannot be loaded, or the file of learned vectors is damaged.
    """
    rows: list[list[str]] = []
    ends: dict[str, int] = {}
    for group in _calibrated(taxonomy, card):
        templates = _templates(card, group)
        values = [value.prompts for value in group.values] + ([group.none_prompts] if group.none_prompts else [])
        rows += [[template.replace("{}", prompt) for prompt in prompts for template in templates] for prompts in values]
        ends[group.name] = len(rows)
    vectors = mean_vectors(encoder, rows)
    starts = [0, *ends.values()]
    found = {name: vectors[start:end] for start, (name, end) in zip(starts, ends.items(), strict=False)}
    learned = read_values(verified(card, VALUES)) if VALUES in card.files else {}
    for name, its in learned.items():
        if name in found:
            for n, value in enumerate([*(known.value for known in taxonomy.group(name).values), NONE]):
                if value in its:
                    found[name][n] = its[value]
    return found


def find_prompt_vectors(taxonomy: Taxonomy, card: ModelCard) -> dict[str, Floats] | None:
    """Returns the vectors that ship beside the model, or None where there are none for this taxonomy and tower.

    Raises:
        ArtifactError: the file is missing, differs from the card's record, or is damaged.
    """
    if PROMPTS not in card.files:
        return None
    try:
        with verified(card, PROMPTS).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if str(stored["key"]) != _key(taxonomy, card):
                return None
            return {g.name: stored[f"vectors.{g.name}"].astype(np.float32) for g in _calibrated(taxonomy, card)}
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise ArtifactError(f"{card.name}/{PROMPTS}: expected prompt vectors, got a damaged file ({exc})") from exc


def prompt_vectors(encoder: Encoder, taxonomy: Taxonomy, card: ModelCard) -> dict[str, Floats]:
    """Returns the vectors that ship beside the model if they fit, else those the text tower makes now."""
    shipped = find_prompt_vectors(taxonomy, card)
    return shipped if shipped is not None else make_prompt_vectors(encoder, taxonomy, card)


def save_prompt_vectors(vectors: Mapping[str, Floats], taxonomy: Taxonomy, card: ModelCard) -> Path:
    """Returns the path of the file written beside the model, so that tagging needs no text tower; the card records it."""
    path = card.folder / PROMPTS
    fresh = path.with_suffix(".new.npz")
    arrays = {f"vectors.{name}": rows for name, rows in vectors.items()}
    np.savez(fresh, key=np.asarray(_key(taxonomy, card)), allow_pickle=False, **arrays)
    os.replace(fresh, path)
    record_file(card.folder, PROMPTS)
    return path


def _key(taxonomy: Taxonomy, card: ModelCard) -> str:
    """Returns the digest of everything that the vectors depend on: prompts, templates and the text tower."""
    said = {
        "tower": [card.files[name].sha256 for name in ("text.onnx", "tokenizer.json", VALUES) if name in card.files],
        "groups": [
            [group.name, _templates(card, group), [value.prompts for value in group.values], group.none_prompts]
            for group in _calibrated(taxonomy, card)
        ],
    }
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()


def _calibrated(taxonomy: Taxonomy, card: ModelCard) -> tuple[Group, ...]:
    """Returns the groups that the card calibrates, and the types, which it must."""
    return tuple(g for g in taxonomy.groups if g.name == TYPE or g.name in card.calibration.tags)


def _calibration(card: ModelCard, group: Group) -> TagCalibration:
    if group.name not in card.calibration.tags:
        known = ", ".join(card.calibration.tags) or "none"
        raise ArtifactError(f"{card.identity} calibrates no group {group.name!r} of the taxonomy; it has: {known}")
    return card.calibration.tags[group.name]


def _templates(card: ModelCard, group: Group) -> tuple[str, ...]:
    """Returns the card's templates of the group if it has some, else the taxonomy's."""
    return _calibration(card, group).templates or group.templates
