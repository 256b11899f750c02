"""Daily series as weeks: weeks are forecast, and each day takes its share of its week."""

from __future__ import annotations

import numpy as np

from trendloom.forecast.calendar import Dates
from trendloom.forecast.metrics import Floats64

__all__ = ["day_shares", "to_days", "to_weeks"]

_WEEKS = 26  # that shares are measured on
_LEAST = 4
_SHRINK = 2.0  # weeks of "every day alike" that are added


def to_weeks(values: Floats64, dates: Dates) -> tuple[Floats64, Dates]:
    """Returns means of seven days, the last seven as the last week, (t // 7, n), and the last date of each.

    A week in which a series starts counts from its first whole week on.
    """
    first = len(values) % 7
    return values[first:].reshape(-1, 7, values.shape[1]).mean(axis=1), dates[first + 6 :: 7]


def day_shares(values: Floats64) -> Floats64:
    """Returns what each of the seven days after a week's end is to its week, (7, n), 1 on average."""
    weeks = min(len(values) // 7, _WEEKS)
    if weeks < _LEAST:
        return np.ones((7, values.shape[1]))
    recent = values[-weeks * 7 :].reshape(weeks, 7, values.shape[1])
    known = np.asarray(np.isfinite(recent).all(axis=1))
    clean = np.where(known[:, None], recent, 0.0)
    total = clean.sum(axis=0)
    whole = total.mean(axis=0)
    usual = np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), 1.0)
    count = known.sum(axis=0)
    return np.asarray((usual * count + _SHRINK) / (count + _SHRINK))


def to_days(last: Floats64, weeks: Floats64, shares: Floats64, days: int) -> Floats64:
    """Returns (days, n): weeks joined by straight lines from middle to middle, times each day's share.

    Args:
        last: (n,) mean of the last known week.
        weeks: (h, n) forecast of the weeks.
        shares: (7, n) from `day_shares`.
        days: How many to return.
    """
    anchors = np.vstack([last[None], weeks, weeks[-1:]])
    at = (np.arange(days) + 4) / 7  # the first day lies 4 days after the middle of the last week
    left = np.floor(at).astype(int)
    part = (at - left)[:, None]
    line = (1 - part) * anchors[left] + part * anchors[left + 1]
    return np.asarray(line * shares[np.arange(days) % 7])
