"""Materials that texts name: captions, hashtags and compositions such as `60 % cotton, 40 % polyester`."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["KINDS", "MATERIALS", "materials_in"]

KINDS = ("fibre", "fabric")

_LEAST_PERCENT = 15  # of a composition: less is a stretch, not what a garment is made of

# Name: its kind, and the words for it in English, French, German, Italian and Spanish. Words that are also names of
# people or mean something else stand with what makes them clear.
MATERIALS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cotton": ("fibre", ("cotton", "coton", "baumwolle", "cotone", "algodon", "algodón")),
    "linen": ("fibre", ("linen", "en lin", "pur lin", "leinen", "di lino", "de lino")),
    "wool": ("fibre", ("wool", "woolen", "woollen", "merino", "laine", "wolle", "schurwolle", "di lana", "de lana")),
    "cashmere": ("fibre", ("cashmere", "cachemire", "kaschmir", "cachemir")),
    "mohair": ("fibre", ("mohair", "angora")),
    "alpaca": ("fibre", ("alpaca", "alpaga", "alpaka")),
    "silk": ("fibre", ("silk", "silky", "soie", "seide", "di seta", "de seda")),
    "hemp": ("fibre", ("hemp", "chanvre", "hanf", "canapa", "cáñamo")),
    "viscose": ("fibre", ("viscose", "rayon", "viskose", "viscosa")),
    "lyocell": ("fibre", ("lyocell", "tencel")),
    "modal": ("fibre", ("modal",)),
    "polyester": ("fibre", ("polyester", "poliestere", "poliéster", "poliester")),
    "polyamide": ("fibre", ("polyamide", "nylon", "polyamid", "poliammide", "poliamida")),
    "acrylic": ("fibre", ("acrylic", "acrylique", "polyacryl", "acrilico", "acrílico")),
    "elastane": ("fibre", ("elastane", "elasthanne", "elasthan", "elastan", "spandex", "lycra")),
    "leather": ("fabric", ("leather", "cuir", "leder", "cuero")),
    "imitation leather": (
        "fabric",
        ("faux leather", "vegan leather", "imitation leather", "pu leather", "pleather", "simili cuir", "kunstleder",
         "ecopelle", "similicuir", "fauxleather", "veganleather"),
    ),
    "suede": ("fabric", ("suede", "nubuck", "wildleder", "veloursleder", "daim", "camoscio", "ante sintético")),
    "fur": ("fabric", ("fur", "fourrure", "pelliccia")),
    "imitation fur": ("fabric", ("faux fur", "fake fur", "fauxfur", "fausse fourrure", "kunstpelz", "ecopelliccia")),
    "shearling": ("fabric", ("shearling", "sherpa", "teddy fleece", "lammfell")),
    "fleece": ("fabric", ("fleece", "polaire")),
    "denim": ("fabric", ("denim",)),
    "corduroy": ("fabric", ("corduroy", "velours côtelé", "cordstoff", "velluto a coste", "pana")),
    "velvet": ("fabric", ("velvet", "velours", "samt", "velluto", "terciopelo")),
    "knit": ("fabric", ("knit", "knitted", "knitwear", "tricot", "strick", "maglia", "punto tricotado")),
    "crochet": ("fabric", ("crochet", "gehäkelt", "uncinetto", "ganchillo")),
    "lace": ("fabric", ("lace", "dentelle", "pizzo", "encaje")),
    "satin": ("fabric", ("satin", "raso", "satén")),
    "chiffon": ("fabric", ("chiffon", "mousseline")),
    "tulle": ("fabric", ("tulle", "tüll", "tul")),
    "organza": ("fabric", ("organza",)),
    "mesh": ("fabric", ("mesh", "fishnet")),
    "tweed": ("fabric", ("tweed", "bouclé", "boucle")),
    "jersey": ("fabric", ("jersey fabric", "cotton jersey", "jersey dress", "jersey top")),
    "poplin": ("fabric", ("poplin", "popeline", "popelina")),
    "canvas": ("fabric", ("canvas", "toile")),
    "sequins": ("fabric", ("sequin", "sequins", "sequined", "paillettes", "pailletten", "paillette", "lentejuelas")),
}  # fmt: skip

_OF_WORD = {word: name for name, (_, words) in MATERIALS.items() for word in words}
# Names of people and things in a caption; fibres where a percentage stands beside them, with no other word between.
_WITH_PERCENT = {"lin": "linen", "lino": "linen", "lana": "wool", "seta": "silk", "seda": "silk"}
_PURE = ("pur ", "pura ", "puro ")
_WORDS = "|".join(re.escape(word) for word in sorted(_OF_WORD, key=len, reverse=True))
_NOT = r"(?:no|not|non|without|sans|ohne|senza|sin)\s+"
_ELSE = ("candy", "wood", "mouth", "underground", "road", "ball", "head", "up")  # cotton candy, silk road, lace-up
_NEXT = rf"[\s-]?(?:{'|'.join(_ELSE)})\b"
_PERCENT = r"(?P<percent>\d+(?:[.,]\d+)?)\s*%"
_SAID = re.compile(
    rf"(?<![\w#])(?P<refused>{_NOT})?(?:{_PERCENT}\s*)?(?P<between>\w+\s)??(?P<word>{_WORDS}|{'|'.join(_WITH_PERCENT)})"
    rf"(?!\w|{_NEXT})"
)
_CLAUSE = re.compile(r"[;|\n]|\.\s")
_FIRST = re.compile(_PERCENT)
_BEHIND = re.compile(rf"[\s:(=–-]*{_PERCENT}")  # cotton 95%, cotton: 95 %, cotton (95%)
_TAGGED = re.compile(rf"#(?P<word>{_WORDS})(?P<rest>\w*)")
_COPIES = {"imitation leather": "leather", "imitation fur": "fur"}


def materials_in(text: str) -> set[str]:
    """Returns the materials that a text names; those of under 15 percent of a composition, and denied ones, are left out.

    Percentages stand before their materials or, all through a clause, behind them.
    """
    text = text.lower()
    found = set()
    for clause in _CLAUSE.split(text):
        said = list(_SAID.finditer(clause))
        first = _FIRST.search(clause)
        behind = first is not None and any(
            (at := _BEHIND.match(clause, m.end())) and at.end() == first.end() for m in said
        )
        for match in said:
            percent = _BEHIND.match(clause, match.end()) if behind else match
            share = float(percent["percent"].replace(",", ".")) if percent and percent["percent"] else None
            name = _OF_WORD.get(match["word"])
            if name is None and share is not None and (behind or (match["between"] or _PURE[0]) in _PURE):
                name = _WITH_PERCENT[match["word"]]
            if name and not match["refused"] and (share is None or share >= _LEAST_PERCENT):
                found.add(name)
    found |= {_OF_WORD[match["word"]] for match in _TAGGED.finditer(text) if match["rest"] not in _ELSE}
    return found - {real for copy, real in _COPIES.items() if copy in found}
