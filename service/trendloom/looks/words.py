"""What people call a look: words of captions and hashtags that its authors use and others of its category do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trendloom.looks.given_names import GIVEN_NAMES

__all__ = ["LEAST_AUTHORS", "author_words", "look_words"]

LEAST_AUTHORS = 10  # people who must use a word before it is shown
_SPEAKS = 0.35  # share of a look's authors that use a word which names it
_LIFT = 2.0  # ... and how much more often than the authors of the rest of its category
_CAPITAL = 0.5  # share of the uses within a sentence that are written with a capital: a name
_ADDRESS = re.compile(
    r"\S+@\S+|@\S+|\bhttps?:\S+|\bwww\.\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|shop|co|de|fr|uk|it|io|me|ly)\b\S*"
)
_WORD = re.compile(r"#?[^\W\d_]\w*(?:['’-]\w+)*|#?\d\d?0s\b", re.UNICODE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LENGTH = range(3, 25)
_NO_NAMES = {"christmas"}
_STOP_WORDS = """
about after again all also always and another any are avec back because been before being both but can che come con
could dans das day del della delle der des did die does done down each ein eine elle else est even ever every few
first for found from full get gets give gli going gone good got great had has have having her here hers him his how
i'm i've ich into ist it's its just keep know las last les let like little long look looks los lot love made make many
may maybe mes mine mis mit mon more most much must myself need nel never new next nicht not nothing nous now off old
once one only other our ours out over own par para pas per por pour que qui really right same see ses she should some
son soon still such sur sure sus take than that that's the their them then there these they thing things think this
those through today tomorrow tonight too two una und under une until upon very von want was way wear wearing week well
were what when where which while who why will with without wore would yes yet you your yours
"""
_STOP = frozenset(_STOP_WORDS.split())


def author_words(captions: pl.DataFrame, *, refused: Callable[[str], bool] = lambda word: False) -> pl.DataFrame:
    """Returns post_id, who, word, tagged: each word of a caption once, in small letters, and whether it was a hashtag.

    Left out are handles, addresses and links, given names and what is written like a name, words without meaning, words
    that `refused` says no to, and words that fewer than `LEAST_AUTHORS` people use.

    Args:
        captions: post_id, who (code of the author), caption.
        refused: Says which words may not be shown.
    """
    rows: list[tuple[str, str, str, bool]] = []
    capital: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for post, who, caption in captions.select("post_id", "who", "caption").drop_nulls().iter_rows():
        said: dict[str, bool] = {}
        for word, tagged, first, capitalised in _tokens(caption):
            said[word] = said.get(word, False) or tagged
            if not first and not tagged:
                inside[word] += 1
                capital[word] += capitalised
        rows += [(post, who, word, tagged) for word, tagged in said.items()]
    schema = {"post_id": pl.String, "who": pl.String, "word": pl.String, "tagged": pl.Boolean}
    words = pl.DataFrame(rows, schema=schema, orient="row")
    people = words.group_by("word").agg(people=pl.col("who").n_unique())
    usable = [
        word
        for word in people.filter(pl.col("people") >= LEAST_AUTHORS)["word"].to_list()
        if capital[word] <= _CAPITAL * inside[word] and not _is_name(word) and not refused(word)
    ]
    return words.filter(pl.col("word").is_in(usable))


def _tokens(caption: str) -> list[tuple[str, bool, bool, bool]]:
    """Returns (word, whether a hashtag, whether it begins a sentence, whether it has a capital) of what may be a word."""
    text = _ADDRESS.sub(" . ", caption)
    found = []
    for match in _WORD.finditer(text):
        raw = match[0]
        bare = raw.lstrip("#")
        if raw.startswith("#") and any(_is_name(part.lower()) for part in _HUMP.split(bare)):
            continue  # a hashtag that spells a name in humps
        word = bare.lower().replace("’", "'").removesuffix("'s")
        first = not text[: match.start()].rstrip() or text[: match.start()].rstrip()[-1] in ".!?:#"
        if len(word) in _LENGTH and word not in _STOP:
            found.append((word, raw.startswith("#"), first, bare[0].isupper() and not bare.isupper()))
    return found


def _is_name(word: str) -> bool:
    """Returns whether a word is a given name, or begins with one and goes on like a full name run together."""
    return word not in _NO_NAMES and (
        word in GIVEN_NAMES or any(word[:cut] in GIVEN_NAMES for cut in range(5, len(word) - 3))
    )


def look_words(
    labels: NDArray[np.int64], kinds: Mapping[int, str], types: pl.DataFrame, words: pl.DataFrame
) -> dict[int, str]:
    """Returns the word that names each look which has one, hashtags as `#grunge`.

    Of the words that a third of a look's authors use (and ten people or more), twice as often as the authors who show
    the same type of garment otherwise, the one with the highest class-based tf-idf: share of the look's authors times
    log(1 + A / f), A authors of a look on average, f authors of all looks who use it (Grootendorst 2022, BERTopic,
    arXiv:2203.05794, section 3.3, with authors in place of words, so that nobody counts twice).

    Args:
        labels: (n,) look of each garment, -1 for none.
        kinds: Type that names each look.
        types: row (place in `labels`), value: types of each garment.
        words: row, who, word, tagged: of the posts that show the garment; word is null where nothing was said.
    """
    place = pl.DataFrame({"row": np.arange(len(labels)), "look": labels}, schema={"row": pl.Int64, "look": pl.Int64})
    said = words.with_columns(pl.col("row").cast(pl.Int64)).join(place, on="row")
    inside = said.filter(pl.col("look") >= 0)
    if inside.is_empty():
        return {}
    size = inside.group_by("look").agg(authors=pl.col("who").n_unique())
    usual = float(size["authors"].sum()) / size.height  # authors of a look
    spoken = inside.drop_nulls("word")
    f = spoken.select("look", "who", "word").unique().group_by("word").agg(f=pl.len())
    found = (
        spoken.group_by("look", "word")
        .agg(people=pl.col("who").n_unique(), tagged=pl.col("tagged").mean())
        .join(size, on="look")
        .filter((pl.col("people") >= LEAST_AUTHORS) & (pl.col("people") >= _SPEAKS * pl.col("authors")))
        .join(f, on="word")
        .with_columns(score=pl.col("people") / pl.col("authors") * (1 + usual / pl.col("f")).log())
        .sort("look", "score", "word", descending=[False, True, False])
    )
    chosen: dict[int, str] = {}
    for row in found.iter_rows(named=True):
        look = row["look"]
        if look not in chosen:
            rest = _rest_share(said, types, look, kinds.get(look), row["word"])
            if row["people"] / row["authors"] >= _LIFT * rest:
                chosen[look] = ("#" if row["tagged"] > 0.5 else "") + row["word"]
    return chosen


def _rest_share(said: pl.DataFrame, types: pl.DataFrame, look: int, kind: str | None, word: str) -> float:
    """Returns the share of the authors showing the same type outside the look who use the word; all others without a type."""
    rest = said.filter(pl.col("look") != look)
    same = rest.join(types.filter(pl.col("value") == kind).select(pl.col("row").cast(pl.Int64)), on="row", how="semi")
    rest = same if same.height else rest
    authors = rest["who"].n_unique()
    using = rest.filter(pl.col("word") == word)["who"].n_unique()
    return (using + 0.5) / (authors + 1)
