"""Captions of a photo: its shop's words, and sentences composed of its labels."""

from __future__ import annotations

import re

from training.cache import Record

__all__ = ["composed", "written"]

SINGULAR = {
    "tshirts": "t-shirt",
    "dresses": "dress",
    "watches": "watch",
    "clutches": "clutch",
    "scarves": "scarf",
    "sarees": "saree",
}
AS_IT_IS = {
    "jeans",
    "shorts",
    "trousers",
    "sunglasses",
    "socks",
    "leggings",
    "tights",
    "shoes",
    "sandals",
    "heels",
    "flats",
    "boots",
    "pants",
}
WHO = {
    "Men": "men's",
    "Women": "women's",
    "Boys": "boys'",
    "Girls": "girls'",
    "Ladieswear": "women's",
    "Menswear": "men's",
}
MOST_SENTENCES = 4


def spoken(name: str) -> str:
    """A shop's category as one would say it: lower case, singular."""
    name = name.lower().replace("/", " or ")
    if name in SINGULAR or not name or name.split()[-1] in AS_IT_IS:
        return SINGULAR.get(name, name)
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def written(record: Record) -> list[str]:
    """Texts that people wrote of this very photo; the first is the whole caption."""
    caption = " ".join((record.labels.get("caption") or "").split())
    if not caption:
        return []
    found = [caption]
    if record.set == "articles":
        sentences = [s.strip() for s in re.split(r"(?<=\.)\s+", caption) if len(s) > 25]
        found += sentences[:MOST_SENTENCES] if len(sentences) > 1 else []
        if name := record.labels.get("name"):
            found.append(name)
    return found


def composed(record: Record) -> list[str]:
    """Short captions made of the photo's labels; different photos may share them."""
    labels = record.labels
    colour = (labels.get("baseColour") or labels.get("colour") or "").lower()
    kind = spoken(
        labels.get("articleType") or labels.get("type") or labels.get("label") or labels.get("category") or ""
    )
    who = WHO.get(labels.get("gender") or labels.get("index_group") or "", "")
    pattern = {"Stripe": "striped", "Check": "checked", "Dot": "dotted", "Lace": "lace", "All over pattern": "patterned", "Melange": "melange",
               "Denim": "denim", "Embroidery": "embroidered"}.get(labels.get("pattern") or "", "")  # fmt: skip
    if record.set == "drawn" and labels["pattern"] != "plain":
        pattern = labels["pattern"]
    if record.set == "other":
        return [f"a photo of a {kind}", kind, "something that is not clothing"]
    if record.set in ("street", "outfits"):
        tags = labels["tags"]
        return [
            f"an outfit with {', '.join(tags)}",
            f"someone wearing {', '.join(tags[:3])}",
            *[f"an outfit with {t}" for t in tags[:5]],
        ]
    if record.set.endswith("_box"):
        return [f"{labels['tags'][0]}", f"someone wearing {labels['tags'][0]}"]
    if record.set == "attributes":
        return worn(record, kind)
    if not kind:
        return []
    base = " ".join(w for w in (colour, pattern, kind) if w)
    found = [base, f"a photo of {base}", f"someone wearing a {base}", kind]
    if who:
        found.append(f"{who} {base}")
    if (usage := labels.get("usage")) and usage != "Casual":
        found.append(f"{usage.lower()} {kind}")
    return found


def worn(record: Record, kind: str) -> list[str]:
    """Captions of an upper garment by its agreed attributes."""
    labels = record.labels
    colours = " and ".join(labels.get("colours", [])[:2]).replace("gray", "grey").replace("cyan", "turquoise")
    patterns = [] if labels.get("unsure_patterns") else [p for p in labels.get("patterns", []) if p != "solid"]
    sleeves = {"long": "long sleeves", "short": "short sleeves", "none": "no sleeves"}.get(
        labels.get("sleeves", ""), ""
    )
    neck = {"v-shape": "a v-neck", "round": "a round neck"}.get(labels.get("neckline", ""), "")
    base = " ".join(w for w in (colours, *patterns[:1], kind or "garment") if w)
    ends = " and ".join(w for w in (sleeves, neck) if w)
    found = [base, f"someone wearing a {base}"]
    if ends:
        found += [f"{base} with {ends}", f"{kind or 'a garment'} with {ends}"]
    return found
