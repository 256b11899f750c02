"""Looks: communities of garments that look alike, with ids that last and names a person would use."""

from trendloom.looks.communities import assign, assignment_cuts, centroids, communities, exemplars
from trendloom.looks.identity import identify
from trendloom.looks.lineage import EVENTS, carried, issued_ids, lineage
from trendloom.looks.merging import fineness, merge_alike
from trendloom.looks.names import attribute_names, look_kinds, name_looks, plural
from trendloom.looks.words import LEAST_AUTHORS, author_words, look_words

__all__ = [
    "EVENTS",
    "LEAST_AUTHORS",
    "assign",
    "assignment_cuts",
    "attribute_names",
    "author_words",
    "carried",
    "centroids",
    "communities",
    "exemplars",
    "fineness",
    "identify",
    "issued_ids",
    "lineage",
    "look_kinds",
    "look_words",
    "merge_alike",
    "name_looks",
    "plural",
]
