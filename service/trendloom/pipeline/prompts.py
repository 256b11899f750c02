"""Trends that the user defines in words, counted from stored vectors: no photo is read again.

A prompt is cut into what the taxonomy knows (`flats`, `red`) and the phrases it does not (`leopard print`). What it
knows is asked as the tagger asks it: the calibrated softmax over the values of that group. A phrase that it does not
know is put among the values of the group that it is nearest to (colour, pattern or fabric), or among the types where the
prompt names none, and asked in the same way. The product of the probabilities must reach a half for each factor and
another half, `0.5 ** (factors + 1)`.

How good, in F1 / precision / recall, means over prompts. 8,300 posts composed of product photos, 83 prompts of a type and
a colour, by post: .70 / .64 / .83; a threshold on the plain cosine of the whole prompt, chosen on the same posts: .66.
4,924 garments found in 3,200 drawn scenes, 38 types x 19 colours x 11 patterns drawn evenly, so that one garment in 700
shows a pair: types .83 / .81 / .86, colours .60 / .59 / .65, a type with a colour or pattern (300 prompts) .52 / .51 /
.64, where the plain cosine at its best gets .36 and standardised by 681 background prompts .30; with the colour or
pattern taken out of the taxonomy and asked as an unknown phrase (220 prompts) .47 / .50 / .56. A phrase that stands for
several values that the taxonomy tells apart finds little: name the values, as in `gold or silver rings`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.artifacts import ModelCard
from trendloom.errors import InputError, StoreError
from trendloom.pipeline.output import whole
from trendloom.store import Workspace
from trendloom.taxonomy import Group
from trendloom.types import Floats
from trendloom.vision.gibberish import gibberish
from trendloom.vision.labels import refuse_labels
from trendloom.vision.layers import Worded
from trendloom.vision.scores import mean_vectors, softmax
from trendloom.vision.tagger import prompt_vectors

__all__ = [
    "Factor",
    "Prompt",
    "add_prompt",
    "define",
    "load_prompts",
    "prompt_members",
    "prompt_shown",
    "remove_prompt",
]

_FOLDER = "prompts"
_TYPE = "type"
_UNKNOWN = ("colour", "pattern", "fabric")  # groups that a phrase which the taxonomy does not know may belong to
_FILLING = {
    *("a", "an", "the", "with", "in", "of", "and", "on", "for", "or", "by", "to"),
    *("clothes", "clothing", "garment", "garments", "photo", "wearing"),
}
_LONGEST = 120  # characters of a prompt
_MOST = 50  # prompts of a workspace
_BLOCK = 50_000  # garments at once


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One thing that a prompt asks: the probability that a garment is nearest to the first of some vectors.

    Attributes:
        asks: In words, such as `type flats`.
        scale: Of the softmax over cosines.
        targets: How many of the first vectors are meant; their probabilities add up.
        vectors: (values, dim) float32, those that are meant first.
    """

    asks: str
    scale: float
    targets: int
    vectors: Floats

    def probability(self, garments: Floats) -> NDArray[np.float64]:
        """Returns (n,) of garments (n, dim) with unit rows."""
        chances = softmax((self.scale * (garments @ self.vectors.T)).astype(np.float64))
        found: NDArray[np.float64] = chances[:, : self.targets].sum(axis=1)
        return found


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A trend in the user's own words.

    Attributes:
        trend_id: `prompt:` and its words.
        text: As the user wrote it.
        model: Name and version of the model that its vectors are of.
        factors: What it asks; the probabilities are multiplied.
    """

    trend_id: str
    text: str
    model: str
    factors: tuple[Factor, ...]

    @property
    def cut(self) -> float:
        """Least product of probabilities at which a garment shows it."""
        return float(0.5 ** (len(self.factors) + 1))

    def shown(self, garments: Floats) -> NDArray[np.bool_]:
        """Returns which garments (n, dim) with unit rows show it, (n,)."""
        found = np.zeros(len(garments), dtype=bool)
        for start in range(0, len(garments), _BLOCK):
            block = garments[start : start + _BLOCK]
            found[start : start + _BLOCK] = np.prod([f.probability(block) for f in self.factors], axis=0) >= self.cut
        return found


def define(text: str, model: Worded) -> Prompt:
    """Returns the trend that a text stands for.

    Raises:
        InputError: It is empty, too long, has no words, or asks for something about a person.
    """
    plain = " ".join(text.split())
    if not plain or len(plain) > _LONGEST:
        raise InputError(f"trends add: expected 1 to {_LONGEST} characters of words, got {len(plain)}")
    refuse_labels([plain], "trends add: ")
    words = _words(plain)
    if not any(word not in _FILLING for word in words):
        raise InputError(
            f"trends add: expected words for a garment, such as 'leopard print ballet flats', got {plain!r}"
        )
    card, groups = model.card, _groups(model)
    vectors = prompt_vectors(model.encoder, model.taxonomy, card)
    known, unknown = _parse(words, groups)
    factors = []
    if _TYPE not in known and unknown:
        factors.append(_phrase(" ".join(unknown), groups[_TYPE], model, vectors))
        unknown = []
    factors += [_known(groups[name], places, card, vectors[name]) for name, places in known.items()]
    candidates = [groups[name] for name in _UNKNOWN if name in groups] or [groups[_TYPE]]
    for phrase in unknown:
        factors.append(_phrase(phrase, _nearest(phrase, candidates, model, vectors), model, vectors))
    slug = "-".join(words)[:60].strip("-")
    mark = hashlib.blake2b(plain.lower().encode(), digest_size=3).hexdigest()
    return Prompt(trend_id=f"prompt:{slug}:{mark}", text=plain, model=card.identity, factors=tuple(factors))


def _words(text: str) -> list[str]:
    said = re.sub(r"\bmetallic\b", "gold or silver", text.lower().replace("/", " or "))
    return re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", said)


def _groups(model: Worded) -> dict[str, Group]:
    """Returns the groups that prompts may ask for."""
    tags = model.card.calibration.tags
    return {
        group.name: group
        for group in model.taxonomy.groups
        if group.name == _TYPE or (group.name in tags and tags[group.name].validated)
    }


def _without_meaning(text: str, model: Worded) -> list[str]:
    """Returns the words of a text that neither the taxonomy nor the model knows."""
    groups = _groups(model)
    unknown = [word for phrase in _parse(_words(text), groups)[1] for word in phrase.split()]
    names = sorted({value.value.lower() for group in groups.values() for value in group.values})
    return gibberish(unknown, model.encoder, names)


def _parse(words: Sequence[str], groups: Mapping[str, Group]) -> tuple[dict[str, list[int]], list[str]]:
    """Returns the values that the words name, places by group, and the phrases left; the last type is the one meant."""
    names = _names(groups)
    longest = max(len(name.split()) for name in names)
    found: list[tuple[str, str | None, int]] = []  # words, group, place
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            name = " ".join(words[at : at + length])
            if name in names:
                found.append((name, *names[name]))
                break
        else:
            length = 1
            found.append((words[at], None, -1))
        at += length
    last = {n for n, (_, group, _) in enumerate(found) if group == _TYPE}
    if last:  # the last type is meant, and others that stand beside it with an `or`
        meant = {max(last)}
        while (n := min(meant)) - 2 in last and found[n - 1][0] in ("or", "and"):
            meant.add(n - 2)
        last = meant
    known: dict[str, list[int]] = {}
    phrases: list[str] = [""]
    for n, (name, group, place) in enumerate(found):
        if group is None or (group == _TYPE and n not in last):
            phrases[-1] = f"{phrases[-1]} {name}".strip() if name not in _FILLING else phrases[-1]
        else:
            known.setdefault(group, []).append(place)
            phrases.append("")
    return known, [phrase for phrase in phrases if phrase]


def _names(groups: Mapping[str, Group]) -> dict[str, tuple[str, int]]:
    """Returns group and place by every name of a value: its own, plural, prompts; the first group that has a name keeps it.

    Types come first, and no name of another group holds one: the jeans of `blue jeans` are a type. A type's prompt that
    says a colour, pattern or fabric too is none of its names: `denim jacket` asks for both.
    """
    said = {
        word for name in _UNKNOWN if name in groups for v in groups[name].values for word in v.value.lower().split()
    }
    names: dict[str, tuple[str, int]] = {}
    types: set[str] = set()
    for group in sorted(groups.values(), key=lambda one: one.name != _TYPE):
        for kind in ("value", "plural", "prompts"):
            for place, value in enumerate(group.values):
                texts = value.prompts if kind == "prompts" else (str(getattr(value, kind)),)
                for text in (one.lower() for one in texts):
                    if types & set(text.split()) or (
                        group.name == _TYPE and kind == "prompts" and said & set(text.split())
                    ):
                        continue
                    for name in (text, text.replace("-", " "), text + "s", text.removesuffix("s")):
                        names.setdefault(name, (group.name, place))
        types = types or set(names)
    return names


def _known(group: Group, places: Sequence[int], card: ModelCard, vectors: Floats) -> Factor:
    rest = [n for n in range(len(vectors)) if n not in places]
    scale = card.calibration.tags[group.name].scale
    asks = f"{group.name} " + " or ".join(group.values[n].value for n in places)
    return Factor(asks=asks, scale=scale, targets=len(set(places)), vectors=vectors[[*dict.fromkeys(places), *rest]])


def _phrase_vector(phrase: str, group: Group, model: Worded) -> Floats:
    templates = model.card.calibration.tags[group.name].templates or group.templates
    row: Floats = mean_vectors(model.encoder, [[template.replace("{}", phrase) for template in templates]])
    return row


def _phrase(phrase: str, group: Group, model: Worded, vectors: Mapping[str, Floats]) -> Factor:
    rows = np.concatenate([_phrase_vector(phrase, group, model), vectors[group.name]])
    scale = model.card.calibration.tags[group.name].scale
    return Factor(asks=f"{phrase!r} among the values of {group.name}", scale=scale, targets=1, vectors=rows)


def _nearest(phrase: str, groups: Sequence[Group], model: Worded, vectors: Mapping[str, Floats]) -> Group:
    """Returns the group with the three values nearest to a phrase."""
    near = [np.sort(vectors[g.name][: len(g.values)] @ _phrase_vector(phrase, g, model)[0])[-3:].mean() for g in groups]
    return groups[int(np.argmax(near))]


# ---- in a workspace


def _path(workspace: Workspace, trend_id: str) -> Path:
    return workspace.root / _FOLDER / f"{hashlib.blake2b(trend_id.encode(), digest_size=8).hexdigest()}.json"


def add_prompt(workspace: Workspace, text: str, model: Worded, *, anyway: bool = False) -> tuple[Prompt, bool]:
    """Returns the trend of a text, stored in the workspace, and whether it is new; those of another model are made again.

    Args:
        workspace: Locked by the caller.
        text: In the user's words.
        model: That of the workspace.
        anyway: Also of words that the model knows no meaning of.

    Raises:
        InputError: The text cannot be used, some of its words mean nothing to the model, or there are too many.
        StoreError: It cannot be written.
    """
    made = define(text, model)
    if not anyway and (strange := _without_meaning(text, model)):
        raise InputError(
            f"trends add: {' and '.join(map(repr, strange))} {'is' if len(strange) == 1 else 'are'} not understood: "
            f"{model.card.identity} reads letters and no word in it, and what it finds would be chance; say it in other "
            "words, or add it as it is with --anyway"
        )
    others = load_prompts(workspace)
    if len(others) >= _MOST and made.trend_id not in {p.trend_id for p in others}:
        raise InputError(
            f"trends add: a workspace has at most {_MOST} prompts: remove one with `trendloom trends remove`"
        )
    stale = [define(p.text, model) for p in others if p.model != made.model and p.trend_id != made.trend_id]
    new = made.trend_id not in {p.trend_id for p in others if p.model == made.model}
    for one in (*stale, made):
        _save(_path(workspace, one.trend_id), one)
    return made, new


def _save(path: Path, prompt: Prompt) -> None:
    fields = {
        "trend_id": prompt.trend_id,
        "text": prompt.text,
        "model": prompt.model,
        "factors": [
            {
                "asks": f.asks,
                "scale": f.scale,
                "targets": f.targets,
                "rows": len(f.vectors),
                "vectors": base64.b64encode(f.vectors.astype("<f2").tobytes()).decode(),
            }
            for f in prompt.factors
        ],
    }
    try:
        path.parent.mkdir(exist_ok=True)
        with whole(path) as part:
            part.write_text(json.dumps(fields, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as exc:
        raise StoreError(f"the prompt cannot be written ({exc.strerror}): is the workspace yours to write?") from exc


def load_prompts(workspace: Workspace) -> list[Prompt]:
    """Returns the workspace's prompts by trend id, those made with another model too.

    Raises:
        StoreError: One is damaged.
    """
    found = []
    for path in sorted((workspace.root / _FOLDER).glob("[!.]*.json")):
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            factors = tuple(
                Factor(
                    asks=str(f["asks"]),
                    scale=float(f["scale"]),
                    targets=int(f["targets"]),
                    vectors=np.frombuffer(base64.b64decode(f["vectors"], validate=True), dtype="<f2")
                    .reshape(int(f["rows"]), -1)
                    .astype(np.float32),
                )
                for f in fields["factors"]
            )
            found.append(
                Prompt(trend_id=fields["trend_id"], text=fields["text"], model=fields["model"], factors=factors)
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StoreError(
                f"{_FOLDER}/{path.name} cannot be read ({exc}): delete it, and add the prompt again"
            ) from exc
    return sorted(found, key=lambda prompt: prompt.trend_id)


def remove_prompt(workspace: Workspace, name: str) -> Prompt:
    """Returns the prompt of that text or trend id, after removing it from the workspace; the next study leaves it out.

    Raises:
        InputError: There is none.
    """
    prompts = load_prompts(workspace)
    for prompt in prompts:
        if name in (prompt.trend_id, prompt.text) or name.casefold() == prompt.text.casefold():
            with contextlib.suppress(FileNotFoundError):
                _path(workspace, prompt.trend_id).unlink()
            return prompt
    known = ", ".join(repr(p.text) for p in prompts) or "none"
    raise InputError(f"trends remove: expected a prompt of the workspace ({known}), got {name!r}")


def prompt_shown(prompts: Sequence[Prompt], garments: pl.DataFrame, vectors: Floats) -> pl.DataFrame:
    """Returns trend_id, key, garment of every garment that shows a prompt; `vectors` (n, dim) are its rows' unit vectors."""
    marks = garments.select("key", "garment")
    parts = [
        marks.filter(pl.Series(p.shown(vectors), dtype=pl.Boolean)).with_columns(trend_id=pl.lit(p.trend_id))
        for p in prompts
    ]
    return pl.concat([marks.clear().with_columns(trend_id=pl.lit(None, pl.String)), *parts]).select(
        "trend_id", "key", "garment"
    )


def prompt_members(
    prompts: Sequence[Prompt], garments: pl.DataFrame, vectors: Floats, photos: pl.DataFrame
) -> pl.DataFrame:
    """Returns trend_id and post_id of every prompt, sorted; `photos` has key and post_id."""
    shown = prompt_shown(prompts, garments, vectors).join(photos.select("key", "post_id"), on="key")
    return shown.select("trend_id", "post_id").unique().sort("trend_id", "post_id")
