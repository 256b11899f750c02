"""Numbers, dates and stages as words; one way to write each, everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from urllib.parse import quote, urlencode

from trendloom import nouns
from trendloom.web.schemas import Trend

__all__ = [
    "KINDS",
    "STAGES",
    "Spans",
    "Step",
    "amount",
    "chance",
    "closed",
    "count",
    "day",
    "growth",
    "growth_range",
    "link",
    "people",
    "percent",
    "percent_like",
    "percent_range",
    "query",
    "sentence",
    "title",
    "trend_link",
]

STAGES: dict[str, str] = {
    "emerging": "new, and rising more than chance allows",
    "rising": "known for longer, and rising more than chance allows",
    "peaking": "high, and no longer rising",
    "burst": "up and down within a few weeks",
    "steady": "no change beyond what chance brings",
    "seasonal": "moves within the year, and is where it was a year ago",
    "fading": "falling more than chance allows",
}
"""Stages in the order of the filters, and what each means."""

KINDS = {"look": "garments that look alike", "attribute": "garments tagged so", "prompt": "garments near these words"}
"""What shows a trend of each kind."""

_YEAR = {"week": 52, "month": 12}
_LEAST = {"week": 4, "month": 1}  # windows beyond a year from which the season a year before is compared
_SPAN = {"week": 13, "month": 3}


@dataclass(frozen=True, kw_only=True)
class Spans:
    """What is counted and what is compared, as the ends of phrases.

    Attributes:
        now: The last months, of which people and shares are told.
        past: What growth compares with; over which windows, where these are fewer.
    """

    now: str
    past: str

    @classmethod
    def of(cls, window: str, windows: int) -> Self:
        """Returns the words for a history of that many windows (the rule is in `trendloom.stages`)."""
        unit = window or "week"
        known = windows - _YEAR[unit]
        yearly = known >= _LEAST[unit]
        counted = max(1, min(_SPAN[unit], windows))
        length = min(_SPAN[unit], known) if yearly else max(1, min(_SPAN[unit], windows // 3))
        past = f"the same {unit}s a year ago" if yearly else f"the {unit}s before"
        return cls(now=_last(counted, unit), past=past if length == counted else f"{past}, over {_last(length, unit)}")


def _last(length: int, unit: str) -> str:
    return f"the last {amount(length, unit)}" if length > 1 else f"the last {unit}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """How long the windows of a history are.

    Attributes:
        year: Windows in a year.
        said: Words before the first day of one, such as `Week of`.
    """

    year: int
    said: str

    @classmethod
    def of(cls, starts: Sequence[date]) -> Self:
        """Returns the step between sorted first days; a week where there are fewer than two."""
        if len(starts) < 2:
            return cls(year=52, said="Week of")
        first, second = starts[0], starts[1]
        if first.day == second.day == 1:
            months = (second.year - first.year) * 12 + second.month - first.month
            return cls(year=max(1, 12 // months), said="Month of" if months == 1 else f"{months} months from")
        weeks = max(1, (second - first).days // 7)
        return cls(year=max(1, 52 // weeks), said="Week of" if weeks == 1 else f"{weeks} weeks from")


def day(value: date | datetime | None) -> str:
    """Returns a date such as 3 Feb 2025, or an empty text."""
    return f"{value.day} {value:%b %Y}" if value else ""


def count(value: float | None) -> str:
    """Returns a whole number with thousands apart, or a dash."""
    return "–" if value is None else f"{round(value):,}"


def amount(value: float | None, one: str, many: str = "") -> str:
    """Returns a number and its noun: 1 post, 1,204 posts."""
    return f"– {many or one + 's'}" if value is None else nouns.amount(value, one, many)


def people(value: float | None) -> str:
    """Returns 84 people, or 1 person."""
    return amount(value, "person", "people")


def _digits(percents: float) -> int:
    """Returns the decimals that leave two figures."""
    size = abs(percents)
    return 0 if size >= 10 or size == 0 else min(3, 1 - math.floor(math.log10(size)))


def percent(share: float | None) -> str:
    """Returns a share, 0..1, as a percentage of two figures."""
    return "–" if share is None else f"{share * 100:.{_digits(share * 100)}f}%"


def percent_like(value: float | None, like: float | None = None) -> str:
    """Returns a share as a percentage with the decimals of another, its own where there is none."""
    return percent(value) if value is None or like is None else f"{value * 100:.{_digits(like * 100)}f}%"


def percent_range(share: float | None, low: float | None, high: float | None) -> str:
    """Returns the interval (1.5–2.4) with the decimals of its share."""
    if share is None or low is None or high is None:
        return ""
    digits = _digits(share * 100 or high * 100)
    return f"({low * 100:.{digits}f}–{high * 100:.{digits}f})"


def _times(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def growth(value: float | None) -> str:
    """Returns a growth such as ×3.1, or a dash."""
    return "–" if value is None else f"×{_times(value)}"


def growth_range(low: float | None, high: float | None) -> str:
    """Returns its interval such as (2.2–4.4)."""
    return "" if low is None or high is None else f"({_times(low)}–{_times(high)})"


def chance(q: float | None) -> str:
    """Returns how often evidence this strong is a false alarm, in words."""
    if q is None:
        return "not tested"
    if q >= 0.995:
        return "no evidence of change"
    odds = 1 / max(q, 1e-9)
    if odds >= 1000:
        return "false alarms: fewer than 1 in 1,000"
    return f"false alarms: about 1 in {round(odds, -1 if odds >= 95 else 0):.0f}" if odds >= 1.95 else "weak evidence"


def query(pairs: Sequence[tuple[str, str]]) -> str:
    """Returns the pairs as the query of an address, or an empty text."""
    return f"?{urlencode(pairs)}" if pairs else ""


def link(path: str, asked: Mapping[str, str] | None = None, /, **more: str) -> str:
    """Returns an address with the query parameters that have a value."""
    return path + query([(k, v) for k, v in {**(asked or {}), **more}.items() if v])


def trend_link(trend_id: str) -> str:
    """Returns the address of a trend's page."""
    return f"/trends/{quote(trend_id, safe='')}"


def title(label: str) -> str:
    """Returns a name with a capital at its head."""
    return label[:1].upper() + label[1:]


def closed(text: str) -> str:
    """Returns a text as a sentence: a capital at its head, a stop at its end."""
    text = title(text.strip())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def sentence(trend: Trend, spans: Spans, countries: int) -> str:
    """Returns one trend in a sentence or two."""
    if trend.suppressed or trend.authors is None:
        return "Too few people show this to publish numbers."
    words = f"{people(trend.authors)} posted {trend.label[:1].lower() + trend.label[1:]} in {spans.now}"
    if trend.share is not None:
        words += (
            f", {percent(trend.share)} {percent_range(trend.share, trend.share_low, trend.share_high)} of all active"
        )
    if trend.growth is not None:
        words += f"; {_times(trend.growth)} times {spans.past} {growth_range(trend.growth_low, trend.growth_high)}"
    words = f"{words.rstrip()}."
    return f"{words} Seen in {countries} countries." if countries > 1 else words
