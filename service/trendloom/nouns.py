"""Numbers and their nouns."""

from __future__ import annotations

__all__ = ["amount"]


def amount(number: float, one: str, many: str = "") -> str:
    """Returns a number and its noun: 1 post, 1,204 posts."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"
