"""Fashion trends from dumps of dated social photos."""

__all__ = ["__version__"]

__version__ = "0.4.2"
