"""Which words a model knows no meaning of: it reads them letter by letter and puts them where random letters lie.

Both must hold: .4 or more of the tokenizer's pieces a letter, and a vector that lies, between the taxonomy's names and
random letters, .38 of the way from the middle to the letters. Chosen with the shipped model on 75 phrases ("gorpcore jacket",
"kitten heels", "winklepickers") and 25 made-up ones ("qwrtzx blorp") as the level that finds most at one mistake; it finds 19.
On the 75 and 25 others it makes three mistakes (cagoule, mocha mousse, ikat tunic) and finds 12: made-up words that can be
pronounced often pass. Of 30 phrases with a meaning that is no garment ("tax return") none is found: a model of clothes
puts them among clothes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from trendloom.types import Encoder, Floats

__all__ = ["gibberish"]

_CRUMBLED = 0.4  # pieces a letter
_AWAY = 0.38  # of the way from the middle to random letters
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
