"""The drawn dump, and whether what was planted in it was found."""

from __future__ import annotations

import polars as pl

from trendloom.drawn.plan import Call, Plan, score_plan, summary
from trendloom.pipeline.study import results
from trendloom.store import Workspace

__all__ = ["findings"]


def findings(plan: Plan, workspace: Workspace) -> list[str]:
    """Returns in words which planted trends the current result found, and which calls nothing was planted for."""
    found = results(workspace)
    shown = found.trends.filter(pl.col("under").is_null()).select("trend_id", "label", "stage")
    recent = found.members.drop_nulls("window_start")
    posts = dict(recent.group_by("trend_id").agg("post_id").iter_rows())
    calls = [
        Call(trend_id=trend, label=label, stage=stage, post_ids=tuple(posts.get(trend, ())))
        for trend, label, stage in shown.iter_rows()
    ]
    judged = score_plan(plan, calls)
    lines = [
        f"  {one.planted}: planted {one.kind}, "
        + (f'"{one.call}" is {one.stage}' if one.call else "no trend holds it")
        + ("" if one.right else "  <- wrong")
        for one in judged
        if one.planted
    ]
    return [summary(judged), *lines]
