"""Why a trend has its stage: the parts that a study stores, and the sentence that is made of them when it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trendloom.nouns import amount

__all__ = ["PARTS", "reason"]

PARTS = ("window", "windows", "compared", "year_before", "authors_now", "authors_before", "told_by")
"""Columns of a trend that are there for its reason alone.

window: `week` or `month`. windows: how many the share is of. compared: how many are compared, 0 where nothing earlier is
known. year_before: whether with the same ones a year before. authors_now, authors_before: people in them and, on average
over the spans before, in those. told_by: label of the trend that tells the same story.
"""

_EARLIER = (
    "counted by an earlier version, which kept no reason that can be told here: the next `trendloom run` tells it"
)


def reason(row: Mapping[str, Any], k: int) -> str:
    """Returns the numbers behind the stage of a trend, in words; 1 to k - 1 people are told as fewer than k.

    Args:
        row: Of `trends` as it is stored.
        k: Smallest number of people that is told.
    """
    unit, length = row["window"], row["compared"]
    if length is None:
        return _EARLIER
    if not length:
        return "nothing earlier to compare with"
    text = _panel(row, k)
    if row["authors_now"] != row["authors"] or length != row["windows"]:
        text += f"; {_people(row['authors_now'], k)} in the last {length} {unit}s"
    past = f"the same {unit}s a year before" if row["year_before"] else f"a usual span of {length} {unit}s before"
    text += (
        f", {_few(row['authors_before'], k) or format(row['authors_before'], '.0f')} in {past}: "
        f"{row['growth']:.2f} times the share ({row['growth_low']:.2f} to {row['growth_high']:.2f}), q {row['q_value']:.2g}"
    )
    if row["growth_without_loudest"] is not None:
        loudest = 100 * row["loudest_share"]
        text += (
            f"; its ten loudest authors posted {loudest:.0f} %, without them {row['growth_without_loudest']:.2f} times"
        )
    if row["told_by"]:
        text += f"; told by {row['told_by']}"
    elif row["stage"] == "seasonal":
        text += "; moves within the year and is back where it was"
    elif row["stage"] in {"emerging", "rising"} and not row["year_before"]:
        text += "; less than a year is known, it may be a season"
    return text


def _panel(row: Mapping[str, Any], k: int) -> str:
    """Returns how many people of the last months show a trend, and where."""
    low, share, high = (_percent(row[name]) for name in ("share_low", "share", "share_high"))
    spread = f", spread over {row['countries']} countries" if row["countries"] > 1 else ""
    span = f"in the last {row['windows']} {row['window']}s"
    return f"{share} % of people ({low} to {high}) {span}, {_people(row['authors'], k)}{spread}"


def _few(people: float, k: int) -> str:
    """Returns the words for 1 to k - 1 people, an average of less than one included; none for others."""
    return f"fewer than {k}" if k > 1 and people > 0 and round(people) < k else ""


def _people(people: int, k: int) -> str:
    few = _few(people, k)
    return f"{few} people" if few else amount(people, "person", "people")


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.1 else 1 if share >= 0.001 else 2}f}"
