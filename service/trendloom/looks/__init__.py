"""Looks: communities of garments that look alike, with ids that last and names a person would use."""

from trendloom.looks.communities import assign, assignment_cuts, centroids, communities, exemplars
from trendloom.looks.identity import identify
from trendloom.looks.names import attribute_names, name_looks, plural

__all__ = [
    "assign",
    "assignment_cuts",
    "attribute_names",
    "centroids",
    "communities",
    "exemplars",
    "identify",
    "name_looks",
    "plural",
]
