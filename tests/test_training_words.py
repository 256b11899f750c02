"""Everyday words for the text tower: unknown words move to their value, what was known stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'trendloom[train]'")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install 'trendloom[train]'")

from training.cache import Record  # noqa: E402
from training.model import TextHead  # noqa: E402
from training.wording import HashedTexts  # noqa: E402
from training.words import LEXICON, PHRASES, learn, load_words, said  # noqa: E402
from trendloom.artifacts import taxonomy_path  # noqa: E402

GROUPS: list[dict[str, Any]] = [
    {"name": "type", "templates": ["{}", "a photo of {}"],
     "values": [{"value": v, "plural": f"{v}s", "prompts": [v]} for v in ("jacket", "skirt", "tie")]},
    {"name": "colour", "templates": ["{}", "{} clothes"],
     "values": [{"value": v, "prompts": [v]} for v in ("red", "blue")]},
]  # fmt: skip
LEXICONS: dict[str, dict[str, list[str]]] = {
    "type": {"jacket": ["jacket", "jackets", "windbreaker"], "tie": ["tie", "cravat"], "skirt": ["tutu"]},
    "colour": {"red": ["crimson"], "blue": ["cobalt"]},
}


def record(number: int, name: str) -> Record:
    return Record(id=str(number), set="catalogue", labels={"articleType": name}, bucket=5, width=9, height=9, cut=False)


def test_unknown_words_learn_their_value_and_the_rest_stays(tmp_path: Path) -> None:
    texts = HashedTexts(tmp_path / "texts")
    texts.rows([f"caption {n} of something worn {n % 7}" for n in range(300)])
    torch.manual_seed(1)
    head = TextHead().eval()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    words = load_words(head, texts, GROUPS, LEXICONS, [record(0, "Tutu")])
    assert "tutu" not in {some.phrase for some in words.said}  # a list's own name stays what it is there
    assert not set(words.rows) & set(words.kept)
    found = learn(head, words, steps=50, rate=1e-2)
    assert found.before["type"] < 0.8 < found.after["type"]
    assert found.before["colour"] < 0.9 <= found.after["colour"]
    assert found.kept > 0.99
    old = len(before["inner.bias"])
    after = found.head.state_dict()
    assert len(after["inner.bias"]) > old
    assert torch.equal(after["inner.weight"][:old], before["inner.weight"])
    assert torch.equal(after["outer.weight"][:, :old], before["outer.weight"])
    assert all(torch.equal(after[name], before[name]) for name in ("outer.bias", "skip.weight", "skip.bias"))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_every_word_stands_alone_and_in_phrases() -> None:
    found = said(GROUPS, LEXICONS)
    of = [some for some in found if some.word == "crimson"]
    assert len(of) == PHRASES + 1
    assert of[0].phrase == "crimson"
    assert all(some.plainly == some.phrase.replace("crimson", "red") for some in of)
    assert {some.word for some in found if some.same_word} == {"jackets"}


def test_a_lexicon_of_other_values_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['hats'\] \(type\), which the taxonomy does not have"):
        said(GROUPS, {"type": {"hats": ["hat"]}})


def test_the_lexicon_fits_the_taxonomy_and_no_word_means_two_values() -> None:
    groups = yaml.safe_load(taxonomy_path().read_text(encoding="utf-8"))["groups"]
    lexicon = yaml.safe_load(LEXICON.read_text(encoding="utf-8"))
    assert said(groups, lexicon)
    for values in lexicon.values():
        words = [word for its in values.values() for word in its]
        assert len(words) == len(set(words)), {word for word in words if words.count(word) > 1}
        assert all(word == word.strip() and word for word in words)
    assert np.mean([len(words) for words in lexicon["type"].values()]) > 10
