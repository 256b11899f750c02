"""The library: vectors by id, and the neighbours of all. Always rebuildable from the garments table."""

from trendloom.index.graph import neighbours
from trendloom.index.vectors import VectorIndex, sample_size

__all__ = ["VectorIndex", "neighbours", "sample_size"]
