"""One row of a manifest or a JSON beside a photo, to a post."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from trendloom.errors import ManifestError
from trendloom.types import Counts, Post

__all__ = ["FIELDS", "parse_map", "read_post", "read_time", "separator_of"]

_COUNTS = ("likes", "comments", "shares", "views", "followers")
FIELDS = ("image", "post_id", "posted_at", "author", "caption", *_COUNTS, "country", "department", "platform")
_LONGEST_CAPTION = 5_000  # characters
# Handles and addresses in a caption name people; the words around them are what is wanted.
_HANDLE = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|@[\w.]+")


def separator_of(header: str) -> str:
    """Returns what separates the cells of a CSV file, by its first line: spreadsheets of half the world take semicolons."""
    return max(",;\t", key=header.count)


def parse_map(pairs: list[str]) -> dict[str, str]:
    """Returns {field: column} of `field=column` pairs.

    Raises:
        ManifestError: A pair of another form, or a field that is not one of `FIELDS`.
    """
    found = {}
    for pair in pairs:
        field, sign, column = pair.partition("=")
        if not sign or not column or field not in FIELDS:
            raise ManifestError(f"--map: expected FIELD=COLUMN with a field of {', '.join(FIELDS)}, got {pair!r}")
        found[field] = column
    return found


def read_time(text: object) -> datetime | None:
    """Returns an ISO 8601 moment in UTC, None where it cannot be read; without an offset it is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, (dict, list)) or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).encode("utf-8", "replace").decode().strip() or None


def _count(value: object) -> int | None:
    try:
        number = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and 0 <= number < 2**62 else None


def read_post(row: Mapping[str, object], columns: Mapping[str, str], *, key: str) -> Post:
    """Returns the post of a row; `columns` names another column for a field; without post_id it is the key."""

    def cell(field: str) -> object:
        return row.get(columns.get(field, field))

    caption = _text(cell("caption"))
    return Post(
        post_id=_text(cell("post_id")) or key,
        posted_at=read_time(cell("posted_at")),
        author=_text(cell("author")),
        caption=_HANDLE.sub("@…", caption[:_LONGEST_CAPTION]) if caption else None,
        country=_text(cell("country")),
        department=_text(cell("department")),
        platform=_text(cell("platform")),
        counts=Counts(**{name: _count(cell(name)) for name in _COUNTS}),
    )
