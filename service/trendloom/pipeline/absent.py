"""Values that nothing in a workspace has, in words, with those that were perhaps meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import polars as pl

from trendloom.store import Workspace

__all__ = ["absent_tags", "absent_values"]

_OPEN = ("country", "platform", "department")  # fields whose values only the posts know
_SHORT = 8  # values that are all named where none is near
_NAMED = 3


def absent_values(workspace: Workspace, segment: Mapping[str, str], *, k: int = 1) -> list[str]:
    """Returns a sentence for each value of a segment that no post has; values of fewer than k people are not named."""
    said = []
    for field, value in segment.items():
        if field not in _OPEN:
            continue
        posts = workspace.scan("posts").select(pl.col(field).alias("value"), pl.coalesce("author_hash", "post_id"))
        people = posts.drop_nulls().group_by("value").agg(people=pl.col("author_hash").n_unique()).collect()
        if people.filter(value=value).is_empty():
            known = people.filter(pl.col("people") >= k).sort("people", "value", descending=[True, False])
            said.append(f"no post has {field}={value}{_near(value, known['value'].to_list())}")
    return said


def absent_tags(tags: pl.DataFrame, asked: Sequence[tuple[str, str]]) -> list[str]:
    """Returns a sentence for each pair of group and value that no garment has; `tags` has group and value."""
    said = []
    for group, value in asked:
        known = tags.lazy().filter(group=group).group_by("value").len().sort("len", "value", descending=[True, False])
        values = known.collect()["value"].to_list()
        if value not in values:
            said.append(f"no garment has {group}={value}{_near(value, values)}")
    return said


def _near(value: str, known: Sequence[str]) -> str:
    """Returns the values that were perhaps meant, all where they are few, or some; most frequent first."""
    by_lower = {one.lower(): one for one in known}
    near = [by_lower[one] for one in get_close_matches(value.lower(), by_lower, n=_NAMED)]
    if near:
        return f": near it is {' or '.join(near)}"
    if not known:
        return ": nothing has a value there"
    if len(known) <= _SHORT:
        return f": there is {', '.join(known)}"
    return f": there is {', '.join(known[:_SHORT])} and {len(known) - _SHORT} more"
