"""Everyday words for the text tower: `python -m training.words --work DIR --run DIR --out DIR`.

Captions and labels name few of the words that people search with, and the sentence encoder was not made for clothes: a
windbreaker lies beside ties, one trouser beside boots. `lexicon.yaml` says which words mean which value. The text tower's
hidden layer gets further units that begin silent, and they alone learn: each word, alone and in phrases, to lie where the
tower's own words for the value lie, as far as it does not know better already; and everything that the tower has read
before to stay where it is (Li and Hoiem, Learning without Forgetting, 2016). No photo is looked at, and the photo tower
stays as it is. It takes five minutes.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.cache import Record, open_cache
from training.checkpoints import read_checkpoint, write_checkpoint
from training.detect import part_parser
from training.measures import FIELDS
from training.model import TextHead
from training.texts import TextCache
from training.vocab import COLOUR_TEMPLATES, TEMPLATES, values_of
from trendloom.vision.values import VALUES

__all__ = ["Learned", "Said", "Words", "learn", "load_words", "main", "placed", "said"]

LEXICON = Path(__file__).parent / "lexicon.yaml"
COLOURS = ("black", "white", "red", "blue", "green", "brown", "pink", "navy", "grey", "beige")
PATTERNS = ("striped", "floral", "checked", "printed", "plain", "denim")
GARMENTS = ("shirt", "dress", "jacket", "skirt", "sweater", "trousers", "t-shirt", "top")
ROUND_A_GARMENT = (
    *(f"{word} {{}}" for word in (*COLOURS, *PATTERNS, "women's", "men's", "a")),
    *TEMPLATES[1:],
    "someone wearing a {}",
    "{} on a plain background",
)
ROUND_A_TRAIT = (*(f"{{}} {word}" for word in (*GARMENTS, "clothes")), "a {} garment", "a photo of {} clothes")
PHRASES = 7  # of each word, beside the word alone
SCALE = 20.0
SURE = 0.75  # of a word's phrases that lie nearest to their value: below it the tower does not know the word
SAME_WORD = 0.3  # what the tower says of the value's own name in the other number counts no more than this
UNITS = 640
WARM_UP = 50


@dataclass(frozen=True, kw_only=True)
class Said:
    """A phrase: the word in it, its value's number within the group, and the same phrase with the value's own name."""

    group: str
    value: int
    word: str
    phrase: str
    plainly: str
    same_word: bool


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is learned from.

    Attributes:
        said: Every phrase.
        values: The tower's vectors of each group's values before, (values, 256), the mean of a value's prompts.
        rows: Text rows of the phrases, (phrases,).
        wanted: Where they are to lie, (phrases, 256).
        unknown: Whether the tower did not know the phrase's word, (phrases,).
        kept: Text rows of what is to stay, (texts,).
        lists: Those of them that stand in label lists, (texts,).
        vectors: Sentence vectors, (all texts, 384).
    """

    said: list[Said]
    values: dict[str, Tensor]
    rows: NDArray[np.int64]
    wanted: Tensor
    unknown: NDArray[np.bool_]
    kept: NDArray[np.int64]
    lists: NDArray[np.int64]
    vectors: Tensor


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The head, the share of phrases per group that lie nearest to their value before and after, and the mean cosine kept."""

    head: TextHead
    before: dict[str, float]
    after: dict[str, float]
    kept: float


def said(groups: list[dict[str, Any]], lexicon: dict[str, dict[str, list[str]]], seed: int = 0) -> list[Said]:
    """Every word of the lexicon alone and in some phrases.

    Raises:
        ValueError: the lexicon names a group or value that the taxonomy does not have.
    """
    rng, found = np.random.default_rng(seed), list[Said]()
    known = {group["name"]: [value["value"] for value in group["values"]] for group in groups}
    for name, values in lexicon.items():
        missing = [name] if name not in known else [value for value in values if value not in known[name]]
        if missing:
            raise ValueError(f"lexicon.yaml names {missing} ({name}), which the taxonomy does not have: correct one")
        plural = {v["value"]: v.get("plural", "") for g in groups if g["name"] == name for v in g["values"]}
        around = ROUND_A_GARMENT if name == "type" else ROUND_A_TRAIT
        for value, words in values.items():
            forms = {plural[value], value.removesuffix("s"), value.removesuffix("es")}
            found += [
                Said(group=name, value=known[name].index(value), word=word, phrase=phrase.format(word),
                     plainly=phrase.format(value), same_word=word != value and word in forms)
                for word in words
                for phrase in ("{}", *rng.choice(around, min(PHRASES, len(around)), replace=False))
            ]  # fmt: skip
    return found


def label_texts(records: list[Record]) -> list[str]:
    """Every name of a label list in every template."""
    names = {v for r in records for name, key, *_ in FIELDS if r.set == name for v in values_of(r.labels, key)}
    names |= {v for r in records if r.set == "street" for v in values_of(r.labels, "tags")}
    return [t.format(name) for name in sorted(names) for t in dict.fromkeys((*TEMPLATES, *COLOUR_TEMPLATES))]


@torch.no_grad()
def load_words(
    head: TextHead,
    cache: TextCache,
    groups: list[dict[str, Any]],
    lexicon: dict[str, dict[str, list[str]]],
    records: list[Record],
) -> Words:
    """The phrases and where they are to lie; encodes the texts that the cache lacks.

    A phrase of a word that the tower knows stays where it is, the less sure the nearer to the same phrase with the
    value's name; one of an unknown word goes there.
    """
    lists = cache.rows(label_texts(records))
    everything, named = np.arange(len(cache.vectors)), {int(row) for row in lists}
    phrases = said(groups, lexicon)
    rows = cache.rows([some.phrase for some in phrases])
    use = np.array([int(row) not in named for row in rows])  # a list's own name stays what it is there
    phrases, rows = [some for some, it in zip(phrases, use, strict=True) if it], rows[use]
    plainly = cache.rows([some.plainly for some in phrases])
    asked = {g["name"]: [[t.format(p) for p in v["prompts"] for t in g["templates"]] for v in g["values"]]
             for g in groups if g["name"] in lexicon}  # fmt: skip
    cache.rows([text for prompts in asked.values() for texts in prompts for text in texts])
    vectors = torch.from_numpy(cache.vectors)
    values = {
        name: functional.normalize(
            torch.stack([head(vectors[torch.from_numpy(cache.rows(texts))]).mean(0) for texts in prompts]), dim=1
        )
        for name, prompts in asked.items()
    }
    now, plain = head(vectors[torch.from_numpy(rows)]), head(vectors[torch.from_numpy(plainly)])
    sure, hit = placed(now, phrases, values)
    number: dict[tuple[str, str], int] = {}
    of = np.array([number.setdefault((some.group, some.word), len(number)) for some in phrases])
    count = np.bincount(of)
    unknown = (np.bincount(of, hit) / count < SURE)[of]
    trust = (np.bincount(of, sure) / count)[of]
    trust = np.where([some.same_word for some in phrases], np.minimum(trust, SAME_WORD), trust)
    weight = torch.from_numpy(np.where(unknown, 0.0, trust)).float()[:, None]
    return Words(
        said=phrases,
        values=values,
        rows=rows,
        wanted=functional.normalize(weight * now + (1 - weight) * plain, dim=1),
        unknown=unknown,
        kept=(kept := np.setdiff1d(everything, rows)),
        lists=lists if len(lists) else kept,
        vectors=vectors,
    )


def placed(
    vectors: Tensor, phrases: list[Said], values: dict[str, Tensor]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How likely each phrase's own value is among its group's, and whether it is the likeliest, (phrases,) each."""
    sure, hit = np.zeros(len(phrases)), np.zeros(len(phrases), np.bool_)
    for name, its in values.items():
        chosen = np.array([n for n, some in enumerate(phrases) if some.group == name], np.int64)
        truth = torch.tensor([phrases[n].value for n in chosen])
        chance = (SCALE * vectors[torch.from_numpy(chosen)] @ its.T).softmax(1)
        sure[chosen] = chance[torch.arange(len(chosen)), truth].double().numpy()
        hit[chosen] = (chance.argmax(1) == truth).numpy()
    return sure, hit


def wider(head: TextHead, units: int) -> TextHead:
    """The same head with further hidden units that say nothing yet."""
    old = head.inner.out_features
    found = TextHead(old + units)
    with torch.no_grad():
        found.inner.weight[:old], found.inner.bias[:old] = head.inner.weight, head.inner.bias
        found.inner.weight[old:] *= 4  # sentence vectors are unit rows: a unit should tell some from others at once
        found.outer.weight[:, :old], found.outer.weight[:, old:] = head.outer.weight, 0
        found.outer.bias.copy_(head.outer.bias)
    found.skip.load_state_dict(head.skip.state_dict())
    return found


def learn(
    head: TextHead, words: Words, *, steps: int = 2000, rate: float = 3e-3, keep: float = 30.0, seed: int = 0
) -> Learned:
    """Train further units of the head alone; what it could do before is the more sure, the larger `keep`."""
    torch.manual_seed(seed)
    rng, old = np.random.default_rng(seed), head.inner.out_features
    with torch.no_grad():
        before = head(words.vectors)
    learning = wider(head, UNITS).train()
    parts = (learning.inner.weight, learning.inner.bias, learning.outer.weight)
    fresh = [torch.zeros_like(part) for part in parts]
    fresh[0][old:], fresh[1][old:], fresh[2][:, old:] = 1, 1, 1
    optimiser = torch.optim.AdamW(parts, lr=rate, weight_decay=0.0)
    chance = np.where(words.unknown, 2.0, 1.0) / np.where(words.unknown, 2.0, 1.0).sum()
    group = np.array([some.group for some in words.said])
    truth = torch.tensor([some.value for some in words.said])
    for step in range(steps):
        for options in optimiser.param_groups:
            options["lr"] = rate * min(1.0, (step + 1) / WARM_UP)
            options["lr"] *= 0.02 + 0.49 * (1 + math.cos(math.pi * step / steps))
        chosen = rng.choice(len(words.said), 768, p=chance)
        stay = torch.from_numpy(np.concatenate([rng.choice(words.kept, 768), rng.choice(words.lists, 512)]))
        vectors = learning(words.vectors[torch.from_numpy(words.rows[chosen])])
        loss = (1 - (vectors * words.wanted[torch.from_numpy(chosen)]).sum(1)).mean()
        for name, values in words.values.items():
            its = torch.from_numpy(group[chosen] == name)
            said_of = SCALE * vectors[its] @ values.T
            target = truth[torch.from_numpy(chosen)][its]
            found = functional.cross_entropy(said_of, target, label_smoothing=0.05, reduction="sum")
            loss = loss + 0.3 * found / len(chosen)
        loss = loss + keep * (1 - (learning(words.vectors[stay]) * before[stay]).sum(1)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for part, mask in zip(parts, fresh, strict=True):
            if part.grad is not None:
                part.grad *= mask
        optimiser.step()
    learning.eval()
    with torch.no_grad():
        after = learning(words.vectors)
    rows, stays = torch.from_numpy(words.rows), torch.from_numpy(words.kept)
    shares = [_shares(vectors[rows], words) for vectors in (before, after)]
    kept_cosine = float((before[stays] * after[stays]).sum(1).mean())
    return Learned(head=learning, before=shares[0], after=shares[1], kept=kept_cosine)


def _shares(vectors: Tensor, words: Words) -> dict[str, float]:
    hit = placed(vectors, words.said, words.values)[1]
    group = np.array([some.group for some in words.said])
    return {name: round(float(hit[group == name].mean()), 3) for name in words.values}


def main() -> None:
    """Train the text tower's further units and write the whole state anew."""
    args = part_parser(__doc__).parse_args()
    torch.set_num_threads(2)
    cache, texts = open_cache(args.work), TextCache(args.work / "texts")
    state: dict[str, Any] = read_checkpoint(args.run / "state.pt")
    name = "objective.text."
    own = {k.removeprefix(name): v for k, v in state["average"].items() if k.startswith(name)}
    head = TextHead(len(own["inner.bias"]))
    head.load_state_dict(own)
    groups = yaml.safe_load(args.taxonomy.read_text())["groups"]
    lexicon = yaml.safe_load(LEXICON.read_text())
    words = load_words(head.eval(), texts, groups, lexicon, cache.records)
    print(
        f"{len(words.said)} phrases, {int(words.unknown.sum())} of them of words that the tower does not know",
        flush=True,
    )
    found = learn(head, words)
    print(f"nearest to their value before: {found.before}, after: {found.after}; what stays: cosine {found.kept:.4f}")
    for part, value in found.head.state_dict().items():
        for whole in ("model", "average"):
            state[whole][name + part] = value
    args.out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(args.out / "state.pt", state)
    if (args.run / VALUES).exists():
        shutil.copyfile(args.run / VALUES, args.out / VALUES)


if __name__ == "__main__":
    main()
