"""Which words a model knows no meaning of: it reads them letter by letter and puts them where random letters lie.

Both must hold: .4 or more of the tokenizer's pieces a letter, and a vector that lies, between the taxonomy's names and
random letters, half of the way from the middle to the letters. With fashion-lite 0.4.2 none of 100 ordinary phrases
("gorpcore jacket", "kitten heels", "winklepickers") and two of the 1,236 words of the training's lexicon (nightgowns, v neckline)
are taken for made up, and 17 of 30 made-up ones ("qwrtzx blorp"): those that can be pronounced often pass. The level was
chosen on these. Of 30 phrases with a meaning that is no garment ("tax return") none is found: a model of clothes puts them
among clothes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from trendloom.types import Encoder, Floats

__all__ = ["gibberish"]

_CRUMBLED = 0.4  # pieces a letter
_AWAY = 0.5  # of the way from the middle to random letters
_MADE_UP = 200
_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"


def gibberish(words: Sequence[str], encoder: Encoder, names: Sequence[str]) -> list[str]:
    """Returns the words that the model knows no meaning of, in order; `names` are some that it knows."""
    crumbled = [word for word in dict.fromkeys(words) if encoder.pieces(word) >= _CRUMBLED * len(word)]
    if not crumbled:
        return []
    letters, known = _middle(encoder, _random_letters()), _middle(encoder, names)
    away = encoder.texts(crumbled) @ (letters - known) / (1 - letters @ known)
    return [word for word, far in zip(crumbled, away.tolist(), strict=True) if far > _AWAY]


def _middle(encoder: Encoder, texts: Sequence[str]) -> Floats:
    mean = encoder.texts(texts).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def _random_letters() -> list[str]:
    """Returns the same strings every time: half of any letters, half of consonants and vowels that mostly alternate."""
    draw = random.Random(0)
    found = []
    for n in range(_MADE_UP):
        length = draw.randint(4, 8)
        spoken = (_VOWELS if at % 2 and draw.random() < 0.75 else _CONSONANTS for at in range(length))
        any_ = (_VOWELS + _CONSONANTS for _ in range(length))
        found.append("".join(draw.choice(letters) for letters in (spoken if n % 2 else any_)))
    return found
