"""Which labels are refused: those that ask what a person is instead of what is worn.

A label is judged by what it names as a whole, by rules over English words; other languages are not judged. The rules look
for the noun that a phrase is about (`men's shirt` a shirt, `young man` a person), cut the label where another part begins
(`dress for women over 50` names a dress, `woman in a red dress` a person, `dress on an old woman` both) and know what is
said of people alone (`pregnant`), what parts of a person are described (`dark skin`) and what is asked about one (`age`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from trendloom.errors import InputError
from trendloom.vision import person_words as w

__all__ = ["fold_labels", "refusal", "refuse_group", "refuse_labels", "split_labels"]

WHY = "trendloom infers nothing about people: name a garment, an accessory, a colour, a pattern or a style"
_PERSON, _BODY = "a person", "a person's body, skin, hair or face"
_ASKED, _LOOKS = "a person's age, gender, body or ethnicity", "what a person looks like"
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*\+?")
_BREAKS = re.compile(
    r"[,;|>:()\[\]{}\u2022\u2192]+|\s/|/\s|\s[-\u2013\u2014]+\s|[.?!]+(?:\s|$)|\s(?:and|or|&|\+|vs|versus)\s"
)
_LEAD = re.compile(
    r"^(?:(?:please|a|an|the|this|is|it|my|close-?up|full-?length|street|black and white|colou?r|studio|candid)\s)*"
    r"(?:photo|photograph|picture|image|portrait|selfie|snapshot|pic|shot|close-?up|view|drawing|painting|photos|pictures|images)s?"
    r"\s(?:of|showing|with)\s"
)
_TAIL = re.compile(r"\s(?:close-?up|portrait|selfie|photo|photograph|picture|image|pic|shot|headshot)s?\W*$")
_STYLE = re.compile(rf"\b(?:{'|'.join(w.STYLES)})(?:'s)?\b")
_PEOPLE = w.PEOPLE | w.NEUTRAL
_ONE_PERSON = w.PEOPLE - w.AUDIENCE
_SAID_OF = _PEOPLE | w.ROLES
_DESCRIBED = w.DESCRIBING | w.BODY | w.ASKED
_ASKED_PLAINLY = w.ASKED - w.ASKED_OF_THINGS - {"race", "races"}  # of a person, whatever stands beside it
_OF_A_PERSON = _PEOPLE | w.PRONOUNS | w.BODY | _ASKED_PLAINLY | {"facial"}
_MASKED = _PEOPLE | w.TRAITS_OF_PEOPLE | w.BODY_ALONE | w.ASKED
_SPACED = re.compile(r"(?<!\S)(?:\w[\s.*_-]){2,}\w(?!\w)")
_GLUED = re.compile(
    rf"({'|'.join(sorted(w.TRAITS_OF_PEOPLE | {'black', 'white', 'brown'}, key=len, reverse=True))})"
    r"(woman|women|man|men|girls?|boys?|lady|ladies|guys?|people|persons?)"
)
_HAIRED = re.compile(r"\b[a-z]+[ -](haired|skinned)\b")  # whatever the colour
_APART = re.compile(r"\b([a-z]+) (eyed|shaped)\b")
_DESCRIPTION = 12  # words: a label is shorter, what a shop says of a garment is longer
_MAX_CHARACTERS = 4_096  # as much as the text tower reads

Kind = Literal["", "garment", "other", "audience", "trait", "person", "body", "asked", "looks"]
_WHAT: dict[Kind, str] = {"person": _PERSON, "body": _BODY, "asked": _ASKED, "looks": _LOOKS, "trait": _LOOKS}
_REFUSED: frozenset[Kind] = frozenset({"audience", *_WHAT})


def refuse_labels(labels: Iterable[str], place: str = "") -> None:
    """Refuses labels, prompts or queries that ask what a person is instead of what is worn.

    Raises:
        InputError: at least one asks for a person's gender, age, body, skin, face or ethnicity; the message names all.
    """
    if refused := split_labels(labels)[1]:
        raise InputError(f"{place}{'; '.join(why.removesuffix(f'; {WHY}') for why in refused.values())}; {WHY}")


def split_labels(labels: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Returns the labels that can be used, in order, and of those that are refused the reason."""
    reasons = {label: refusal(label) for label in labels}
    return [label for label, reason in reasons.items() if not reason], {k: why for k, why in reasons.items() if why}


def fold_labels(labels: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Returns the labels without those that differ from an earlier one by case and spaces alone, and for these the earlier.

    A text tower reads both alike, so that together they would share what belongs to one.
    """
    first: dict[str, str] = {}
    folded: dict[str, str] = {}
    for label in labels:
        known = first.setdefault(" ".join(label.casefold().split()), label)
        if known != label:
            folded[label] = known
    return list(first.values()), folded


def refuse_group(name: str, label: str, values: Sequence[str], prompts: Iterable[str], place: str = "") -> None:
    """Refuses a group of values that asks about people, by its name, by a value or prompt, or by both together.

    A group called `skin` is a colour's name and `dark` is one too: together they ask for a person's skin.

    Raises:
        InputError: as `refuse_labels`.
    """
    whole = [name.replace("_", " ").replace("-", " "), label]
    pairs = [] if whole[0].split()[-1:] and whole[0].split()[-1] in w.QUALITY else [f"{v} {whole[0]}" for v in values]
    cut = whole[0].split()[-1:] in (["fit"], ["cut"])  # a fit called boyfriend
    refuse_labels(whole, place)
    refuse_labels(dict.fromkeys((*(() if cut else values), *prompts)), place)
    refuse_labels(pairs, place)


@lru_cache(maxsize=4_096)
def refusal(label: str) -> str:
    """Returns why a label is refused, in a sentence for people; an empty text where it is not."""
    text = _plain(label[:_MAX_CHARACTERS])
    kind = _judge(text)
    if kind in _REFUSED:
        shown = label if len(label) <= 80 else label[:77] + "..."
        return f"label {shown!r} asks for {_WHAT.get(kind, _PERSON)}; {WHY}"
    return ""


def _plain(label: str) -> str:
    """Returns the label in small Latin letters: compatibility forms, accents, emoji and disguises are written out."""
    text = unicodedata.normalize("NFKC", label)
    text = "".join(
        f" {unicodedata.name(c, '').lower()} " if unicodedata.category(c) in ("So", "Sk") and ord(c) > 0xFFFF else c
        for c in text
        if unicodedata.category(c) != "Cf"
    )
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower()  # OldWoman, not McQueen's whole name
    text = _APART.sub(r"\1-\2", _HAIRED.sub(r"dark-\1", text))
    text = re.sub(r"[\u2018\u2019\u02bc`\u00b4]", "'", text).replace("_", " ")
    text = _SPACED.sub(lambda m: _unless(re.sub(r"\W|_", "", m[0]), m[0]), text)
    return re.sub(r"[^\s,;/|>:()\[\]{}]+", lambda m: _unmasked(m[0]), text).strip()


def _unless(joined: str, written: str) -> str:
    """Returns letters joined where they were spaced to hide a word, else as they were written."""
    return joined if joined in _DESCRIBED else written


def _unmasked(token: str) -> str:
    """Returns a word with digits and foreign letters read as the letters that they look like, if that is a word for people."""
    if token.isascii() and token.isalpha():
        return token
    read = re.sub(r"[^a-z']", "", token.translate(w.LOOKALIKES))
    return read if read in _MASKED and not re.fullmatch(r"[\d+-]+", token) else token


def _judge(text: str) -> Kind:
    """Returns what a plain label is about."""
    bare = _STYLE.sub(" style ", text.replace(" & ", " and "))
    while (rest := _TAIL.sub("", _LEAD.sub("", bare))) != bare:
        bare = rest
    if w.QUESTIONS.search(re.sub(r"[^\w+'\s/-]", " ", bare).strip()) and _phrase(_words(bare)) != "garment":
        first = _sentence(bare)[0] if _sentence(bare) else ""
        if first != "garment":
            return "asked"
    return _joined([_part(part) for part in _BREAKS.split(f" {bare} ") if part.strip()], len(bare.split()))


def _joined(parts: Sequence[tuple[Kind, bool]], words: int) -> Kind:
    """Returns what parts side by side are about; each is its kind and whether it said for whom a garment is.

    A description of `words` that begins with a garment may say which parts of a body it covers.
    """
    worn = any(kind == "garment" for kind, _ in parts)
    sold, described = False, words > _DESCRIPTION and parts[0][0] == "garment"
    for kind, said_for in parts:
        sold = sold or (said_for and kind == "garment")
        excused = (kind == "audience" and worn) or (kind in ("person", "trait") and sold)
        excused = excused or (kind == "trait" and worn) or (kind == "body" and described)
        if kind in _REFUSED and not excused:
            return kind
    return "garment" if worn else "other"


def _words(part: str) -> list[str]:
    """Returns the words of a part; a hyphenated word that the lists do not know falls into its pieces."""
    found: list[str] = []
    for word in _WORD.findall(part):
        whole = word.removesuffix("'s").removesuffix("'")
        known = whole in w.DESCRIBING or whole in w.GARMENTS or whole in w.ASKED_ALWAYS
        glued = None if known else _GLUED.fullmatch(word)
        found += glued.groups() if glued else [word] if known or "-" not in word else word.split("-")
    return found


def _sentence(part: str) -> list[Kind]:
    """Returns the kind of each piece of a part, which is cut where a relation begins another piece."""
    return [_phrase(words) for _, words in _pieces(part)]


def _pieces(part: str) -> list[tuple[str, list[str]]]:
    """Returns (relation, words) of each piece; a relation at the beginning is dropped."""
    pieces: list[tuple[str, list[str]]] = [("", [])]
    words = _words(part)
    for n, word in enumerate(words):
        here = pieces[-1][1]
        doing = word.endswith("ing") and word not in w.GARMENTS and bool(here) and _names_people(here[-1])
        if doing and word not in w.RELATIONS_OF_DRESS and _is_garment(words[n + 1 :]):
            here.append(word)  # mens running shoes
        elif doing or (word in w.RELATIONS and here):
            pieces.append((word, []))  # kids playing football, woman in a dress
        elif word in w.RELATIONS:
            if pieces[-1][0] not in w.SHOWN:  # worn by: what it was worn by is seen
                pieces[-1] = (word if pieces[-1][0] else "", [])
        elif word not in w.FILLERS and not (word in w.VERBS and not here):
            here.append(word)
    return [piece for piece in pieces if piece[1]]


def _is_garment(words: Sequence[str]) -> bool:
    return bool(words) and words[-1] in w.GARMENTS and not w.RELATIONS & set(words)


def _names_people(word: str) -> bool:
    return word.removesuffix("'s").removesuffix("'") in _PEOPLE


def _part(part: str) -> tuple[Kind, bool]:
    """Returns what a part of a label is about, and whether it says for whom something is."""
    pieces = _pieces(part)
    if not pieces:
        return "", False
    said_for = any(relation in ("for", "to", "suitable") for relation, _ in pieces[1:])
    kinds = [_phrase(words) for _, words in pieces]
    first, relations = kinds[0], [relation for relation, _ in pieces]
    if kinds[-1] == "garment" and (
        (first == "audience" and set(relations[1:]) <= {"as", "of", "over", "like", "under"})  # a shop's title
        or (first in ("person", "looks") and relations[-1] == "of")  # Man of Steel tee
    ):
        return "garment", said_for
    if first == "person" and _is_neutral(pieces[0][1]):
        return _seen_on(pieces, kinds), False
    if first in _REFUSED:
        return first, said_for
    for relation, words in pieces[1:]:
        if relation == "for":
            break  # whom it is for, to the end
        kind = _phrase(words, alone=first != "garment")
        if first == "other" and relation in ("of", "on") and words[-1] in ("skin", "body"):
            kind = "body"
        if kind in _REFUSED and (first != "garment" or relation in w.SHOWN):
            return ("person" if kind == "audience" else kind), said_for
    return first, said_for


def _seen_on(pieces: Sequence[tuple[str, list[str]]], kinds: Sequence[Kind]) -> Kind:
    """Returns what a label is about that begins with a person without a trait: what is worn, or the person after all."""
    for (_, words), kind in zip(pieces[1:], kinds[1:], strict=True):
        if kind in _REFUSED:
            return kind
        if words[-1] in w.ALSO_BODY and set(words[:-1]) & w.DESCRIBING:
            return "body"
    worn = len(pieces) > 1 and pieces[1][0] in ("in", "wearing", "with", "carrying", "holding")
    return "other" if worn else "person"


def _is_neutral(words: Sequence[str]) -> bool:
    """Returns whether a person is named without any trait."""
    return all(word.removesuffix("'s") in w.NEUTRAL or word == "model" for word in words)


def _phrase(words: Sequence[str], *, alone: bool = True) -> Kind:
    """Returns what a phrase is about, by its last noun and what is said of it."""
    if not words:
        return ""
    bare = [word.removesuffix("'s").removesuffix("'") for word in words]
    head, before = bare[-1], set(bare[:-1])
    if head in w.ALSO_BODY and len(words) > 1 and words[-2].endswith("'s") and bare[-2] in _ONE_PERSON:
        return "body"  # a woman's neck
    if head in w.GARMENTS or (head == "body" and before & {"sleeved", "sleeveless"}):
        return "garment"
    everything = before | {head}
    if everything & w.PRONOUNS and everything & (_DESCRIBED - w.PRONOUNS):
        return "asked"
    if head in w.AUDIENCE and before & w.GARMENTS and not before & w.TRAITS_OF_PEOPLE:
        return "garment"  # cargo pants men, as people type it into a shop
    return _person(bare, head, before, alone) or _told(bare, head, before, alone)


def _person(bare: Sequence[str], head: str, before: set[str], alone: bool) -> Kind:
    """Returns whether a phrase is about a person or a part of one."""
    described = bool(before & w.DESCRIBING)
    if head in w.PEOPLE:
        return "audience" if head in w.AUDIENCE and not before & (w.DESCRIBING - w.AUDIENCE) else "person"
    if head in w.NEUTRAL:
        return "person" if alone or described else ""
    if head in w.ROLES and before & (w.DESCRIBING - {"small", "big", "straight"}):
        return "person"
    if len(bare) > 1 and bare[-2] in w.GARMENTS:
        return ""  # body jewellery type
    if head in w.QUALITY and before & w.BODY_MEASURED:
        return "body"
    return _body(head, before, described, alone)


def _body(head: str, before: set[str], described: bool, alone: bool) -> Kind:
    """Returns whether a phrase is about a part of a person."""
    if head not in w.BODY:
        return ""
    if head in ("legs", "shoulders") and before & w.CUTS:
        return "trait" if before & {"slim", "skinny"} else ""  # of trousers, where some are named
    if described or head in w.BODY_ALWAYS or before & w.PRONOUNS:
        return "body"
    if before & w.ROLES:
        return "body" if head in w.BODY_MEASURED else ""
    return "body" if head in w.BODY_ALONE and alone and not before else ""


def _told(bare: Sequence[str], head: str, before: set[str], alone: bool) -> Kind:
    """Returns whether a phrase asks about a person or says what one is like."""
    everything = set(bare)
    of_a_person = bool(before & _OF_A_PERSON)
    asked = head in w.ASKED and before <= _DESCRIBED | w.ROLES and (alone or bool(before))
    if (
        everything & w.ASKED_ALWAYS
        or (head in w.ROLES and before & _ASKED_PLAINLY)
        or (asked and (of_a_person or head not in w.ASKED_OF_THINGS))
    ):
        return "asked"
    if not asked and (everything & w.UNMISTAKABLE or (head in w.TRAITS_OF_PEOPLE and before & _SAID_OF)):
        return "looks"  # is the model asian
    if not asked and everything <= w.DESCRIBING and everything & w.TRAITS_OF_PEOPLE:
        return "looks" if everything & _PEOPLE else "trait"
    return "other"
