"""Garments, drawn: a type, a colour and a pattern become a picture that a person recognises at a glance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.drawn import accessories, bags, bottoms, footwear, tailored, tops
from trendloom.drawn.canvas import Canvas
from trendloom.drawn.fabric import COLOURS, PATTERNS
from trendloom.drawn.prints import make_cloth
from trendloom.drawn.torso import Traits
from trendloom.errors import ConfigError

__all__ = ["COLOURS", "PATTERNED", "PATTERNS", "TYPES", "Drawing", "draw_garment", "patterns_of"]

Painter = Callable[[Canvas], Traits]


def _cardigan(c: Canvas) -> Traits:
    """Paints a cardigan."""
    return tops.knit(c, open_front=True)


def _hoodie(c: Canvas) -> Traits:
    """Paints a hoodie."""
    return tops.sweat(c, hood=True)


_WOVEN = ("plain", "striped", "checked", "dotted", "floral", "printed", "colour block", "melange")
_PRINT = (*_WOVEN, "graphic")
_FINE = (*_WOVEN, "glitter")
_FEW = ("plain", "striped", "checked", "dotted", "colour block", "melange")
_PLAIN = ("plain",)
# type: weave, painter, patterns
_KINDS: dict[str, tuple[str, Painter, tuple[str, ...]]] = {
    "t-shirt": ("cotton", tops.tee, _PRINT),
    "polo shirt": ("cotton", tops.polo, _FEW),
    "shirt": ("cotton", tops.shirt, (*_WOVEN, "denim")),
    "vest top": ("cotton", tops.vest, (*_PRINT, "glitter")),
    "sweater": ("knit", tops.knit, (*_FEW, "floral")),
    "cardigan": ("knit", _cardigan, (*_FEW, "floral")),
    "hoodie": ("wool", _hoodie, (*_FEW, "printed", "graphic")),
    "sweatshirt": ("wool", tops.sweat, (*_FEW, "printed", "graphic")),
    "jacket": (
        "cotton",
        tailored.jacket,
        ("plain", "checked", "floral", "printed", "colour block", "denim", "glitter"),
    ),
    "blazer": (
        "wool",
        tailored.blazer,
        ("plain", "striped", "checked", "dotted", "floral", "printed", "melange", "glitter"),
    ),
    "coat": ("wool", tailored.coat, ("plain", "striped", "checked", "printed", "colour block", "melange")),
    "waistcoat": ("wool", tailored.waistcoat, ("plain", "striped", "checked", "floral", "printed", "melange")),
    "dress": ("cotton", tailored.dress, (*_FINE, "denim")),
    "jumpsuit": ("cotton", tailored.jumpsuit, (*_FINE, "denim")),
    "swimsuit": ("satin", tailored.swimsuit, _FINE),
    "skirt": ("cotton", bottoms.skirt, (*_FINE, "denim")),
    "trousers": ("cotton", bottoms.trousers, _WOVEN),
    "jeans": ("denim", bottoms.jeans, ("plain", "denim")),
    "shorts": ("cotton", bottoms.shorts, (*_WOVEN, "denim")),
    "leggings": ("satin", bottoms.leggings, _WOVEN),
    "track pants": ("cotton", bottoms.track_pants, ("plain", "printed", "colour block", "melange")),
    "sneakers": ("cotton", footwear.sneakers, ("plain", "checked", "dotted", "floral", "printed", "glitter")),
    "boots": ("leather", footwear.boots, ("plain", "floral", "printed", "glitter")),
    "heels": ("satin", footwear.heels, ("plain", "checked", "dotted", "floral", "printed", "glitter")),
    "flip flops": ("rubber", footwear.flip_flops, ("plain", "striped", "dotted", "floral", "printed")),
    "socks": ("rib", footwear.socks, ("plain", "striped", "checked", "dotted", "floral", "melange")),
    "handbag": ("leather", bags.handbag, _FINE),
    "clutch": ("leather", bags.clutch, _FINE),
    "backpack": ("cotton", bags.backpack, (*_WOVEN, "denim")),
    "scarf": ("wool", accessories.scarf, _WOVEN),
    "hat": ("wool", accessories.hat, ("plain", "striped", "checked", "floral", "printed", "melange")),
    "cap": ("cotton", accessories.cap, ("plain", "striped", "checked", "floral", "printed", "denim", "glitter")),
    "beanie": ("knit", accessories.beanie, ("plain", "striped", "dotted", "colour block", "melange")),
    "sunglasses": ("rubber", accessories.sunglasses, _PLAIN),
    "watch": ("leather", accessories.watch, _PLAIN),
    "belt": ("leather", accessories.belt, _PLAIN),
    "tie": ("satin", accessories.tie, ("plain", "striped", "checked", "dotted", "floral", "printed")),
    "gloves": ("leather", accessories.gloves, ("plain", "striped", "checked", "dotted", "melange")),
}
TYPES = tuple(_KINDS)
PATTERNED = tuple(kind for kind, (_, _, patterns) in _KINDS.items() if len(patterns) > 1)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A drawn garment and what it shows, in the taxonomy's words.

    Attributes:
        rgba: (size, size, 4) uint8; alpha is 0 off the garment, colour is not multiplied by it.
        type: what it is.
        colour: its main colour.
        pattern: its pattern.
        sleeves: long sleeves, short sleeves or sleeveless; None where it has none by its nature.
        neckline: a value of the neckline group; None where it has none.
    """

    rgba: NDArray[np.uint8]
    type: str
    colour: str
    pattern: str
    sleeves: str | None = None
    neckline: str | None = None


def patterns_of(kind: str) -> tuple[str, ...]:
    """Returns the patterns that a type is seen with; `draw_garment` draws the others too."""
    return _KINDS[kind][2]


def draw_garment(
    rng: np.random.Generator, *, type: str, colour: str, pattern: str = "plain", size: int = 256
) -> Drawing:
    """Returns a garment, drawn flat and from the front; shoes from the side.

    Args:
        rng: where the variations of cut and cloth come from; the same state gives the same picture.
        type: one of TYPES.
        colour: one of COLOURS.
        pattern: one of PATTERNS.
        size: side of the square picture in pixels.

    Raises:
        ConfigError: the type, colour or pattern is not one that can be drawn.
    """
    for word, name, known in (("type", type, TYPES), ("colour", colour, COLOURS), ("pattern", pattern, PATTERNS)):
        if name not in known:
            raise ConfigError(f"expected a {word} that can be drawn, got {name!r}; choose one of: {', '.join(known)}")
    weave, paint, _ = _KINDS[type]
    canvas = Canvas(rng, size, make_cloth(rng, colour=colour, pattern=pattern, weave=weave, size=size))
    traits = paint(canvas)
    return Drawing(
        rgba=canvas.rgba(),
        type=type,
        colour=colour,
        pattern=pattern,
        sleeves=traits.sleeves,
        neckline=traits.neckline,
    )
