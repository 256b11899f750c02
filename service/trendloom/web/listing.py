"""The list of trends under a filter, its counts by stage, and its pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from trendloom.web.problems import Refused
from trendloom.web.reading import ViewsProtocol
from trendloom.web.schemas import Trend, rows_of
from trendloom.web.words import STAGES

__all__ = ["Listed", "cursor_of", "find_trend", "list_trends", "place_of"]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Trends that pass a filter, strongest first, and how many of each stage pass all but the stage filter."""

    frame: pl.DataFrame
    stages: dict[str, int]

    @property
    def total(self) -> int:
        """Trends that pass."""
        return self.frame.height

    def few_last(self) -> Listed:
        """Returns the same list with the trends that have no numbers at its end."""
        return replace(self, frame=self.frame.sort("suppressed", maintain_order=True))

    def rows(self, begin: int = 0, end: int | None = None) -> list[Trend]:
        """Returns the trends from `begin` up to `end`."""
        return rows_of(Trend, self.frame.slice(begin, None if end is None else end - begin))


def list_trends(views: ViewsProtocol, *, stage: str | None, segment: Mapping[str, str], query: str | None) -> Listed:
    """Returns the list; trends that another one tells better stand under that one, not here.

    Raises:
        Refused: A stage that does not exist.
    """
    if stage and stage not in STAGES:
        raise Refused(422, f"stage: expected one of {', '.join(STAGES)}, got {stage[:40]!r}")
    frame = views.trends(segment=segment or None, query=query or None).filter(pl.col("under").is_null())
    counted = Counter(frame["stage"].drop_nulls().to_list())
    kept = frame.filter(pl.col("stage") == stage) if stage else frame
    return Listed(frame=kept, stages={name: counted[name] for name in STAGES if counted[name]})


def find_trend(views: ViewsProtocol, trend_id: str) -> Trend:
    """Returns one trend.

    Raises:
        Refused: 404.
    """
    row = views.trend(trend_id)
    if row is None:
        raise Refused(404, "there is no trend of this id in the current result: see the list of trends")
    return Trend.model_validate(row)


def cursor_of(run: str | None, place: int) -> str:
    """Returns the cursor of a place in the list of a result."""
    return base64.urlsafe_b64encode(json.dumps([run, place]).encode()).decode().rstrip("=")


def place_of(cursor: str | None, run: str | None) -> int:
    """Returns the place that a cursor names.

    Raises:
        Refused: 422 for a cursor that is none of ours, 409 where the list was counted anew since.
    """
    if not cursor:
        return 0
    try:
        read = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise Refused(422, "cursor: expected the next_cursor of an earlier answer") from exc
    if not (isinstance(read, list) and len(read) == 2 and type(read[1]) is int and 0 <= read[1] < 10**9):
        raise Refused(422, "cursor: expected the next_cursor of an earlier answer")
    if read[0] != run:
        raise Refused(409, "the list was counted anew since this cursor was given: begin again without a cursor")
    return read[1]
