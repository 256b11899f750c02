"""Free text in ordinary English: words that no label list has find the types that they mean."""

from __future__ import annotations

import pytest

from trendloom.vision.registry import load
from trendloom.vision.tagger import prompt_vectors

WORDS = {
    "trainers": {"sneakers", "casual shoes"},
    "a maxi frock": {"dress"},
    "summer frock": {"dress"},
    "pullover": {"sweater"},
    "woolly jumper": {"sweater"},
    "a tee": {"t-shirt"},
    "slacks": {"trousers"},
    "dungarees": {"jumpsuit"},
    "stilettos": {"heels"},
    "rucksack": {"backpack"},
    "shades": {"sunglasses"},
    "wristwatch": {"watch"},
    "purse": {"handbag", "wallet", "clutch"},
    "bathing suit": {"swimsuit", "bikini top"},
    "thongs for the beach": {"flip flops"},
    "anorak": {"jacket", "coat"},
    "a pair of denims": {"jeans"},
    "woolly hat": {"beanie", "hat"},
    "windbreaker": {"jacket"},
    "espadrilles": {"casual shoes"},
    "moccasins": {"casual shoes"},
    "a red miniskirt": {"skirt"},
    "bandana": {"scarf"},
    "kaftan": {"tunic"},
    "pashmina": {"scarf"},
    "choker": {"necklace"},
    "culottes": {"trousers"},
    "sundress": {"dress"},
    "midi dresses": {"dress"},
    "black slingbacks": {"heels"},
    "trouser": {"trousers"},
    "sandal": {"sandals"},
    "a navy blazer": {"blazer"},
    "frocks": {"dress"},
}
MOST_MISSED = 2


def test_everyday_words_find_their_type() -> None:
    model = load()
    types = model.taxonomy.group("type")
    vectors = prompt_vectors(model.encoder, model.taxonomy, model.card)["type"][: len(types.values)]
    nearest = (model.encoder.texts(list(WORDS)) @ vectors.T).argmax(axis=1)
    said = {word: types.values[n].value for word, n in zip(WORDS, nearest, strict=True)}
    wrong = {word: said[word] for word in WORDS if said[word] not in WORDS[word]}
    assert len(wrong) <= MOST_MISSED, wrong


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("trainers", "sneakers", "handbag"),
        ("a maxi frock", "a long dress", "a pair of jeans"),
        ("navy", "dark blue", "red"),
    ],
)
def test_synonyms_lie_closer_than_other_things(one: str, other: str, far: str) -> None:
    a, b, c = load().encoder.texts([one, other, far])
    assert a @ b > a @ c + 0.1
