"""Drawn garments, flat lays of them, and a dump of posts with planted trends: photos that nobody has to license."""

from trendloom.drawn.dump import make_dump
from trendloom.drawn.garments import COLOURS, PATTERNED, PATTERNS, TYPES, Drawing, draw_garment, patterns_of
from trendloom.drawn.plan import Call, Finding, Plan, Planted, load_plan, score_plan, summary
from trendloom.drawn.scene import BACKGROUNDS, draw_scene

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "PATTERNED",
    "PATTERNS",
    "TYPES",
    "Call",
    "Drawing",
    "Finding",
    "Plan",
    "Planted",
    "draw_garment",
    "draw_scene",
    "load_plan",
    "make_dump",
    "patterns_of",
    "score_plan",
    "summary",
]
