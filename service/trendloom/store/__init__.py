"""The pantry: a workspace's tables."""

from trendloom.store.tables import FACTS, RESULTS, TABLES, frame
from trendloom.store.workspace import SCHEMA_VERSION, Meta, Workspace

__all__ = ["FACTS", "RESULTS", "SCHEMA_VERSION", "TABLES", "Meta", "Workspace", "frame"]
