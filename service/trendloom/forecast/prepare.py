"""Series made fit for forecasting: gaps filled, too short and never-changing ones set aside, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trendloom.forecast.calendar import Rhythm
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.panel import Panel

__all__ = ["Prepared", "merged", "minimum", "prepare", "refusal"]

_LONGEST_END = 13.0  # weeks: a series that ends longer before the others is not forecast
_SMALLEST, _LARGEST = 1e-9, 1e15  # of a series' largest absolute value: beyond, products lose their digits
_MOST_GAPS = 0.5  # share of periods between first and last that may be missing


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Series ready for forecasting.

    Attributes:
        values: (t, n), not negative, NaN before a series starts alone.
        shift: (n,) what was added to a series with negative values.
        lowest: (n,) bound from below of what a forecast may be, on the series' own scale.
        highest: (n,) bound from above.
        start: (n,) first period of each series, t where there is none.
        constant: (n,) whether it never changes.
        reasons: Why a series is not forecast, by its place.
        treated: How often each treatment was used.
        notes: For a series what was done to it.
    """

    values: Floats64
    shift: Floats64
    lowest: Floats64
    highest: Floats64
    start: NDArray[np.int64]
    constant: NDArray[np.bool_]
    reasons: dict[int, str]
    treated: dict[str, int]
    notes: dict[str, list[str]] = field(default_factory=dict)


def minimum(rhythm: Rhythm) -> int:
    """Returns how many periods with a value a series needs: 8 weeks, 56 days, 6 months."""
    return {"daily": 56, "weekly": 8, "monthly": 6}[rhythm.frequency]


def refusal(panel: Panel, column: int) -> str | None:
    """Returns why a series is not forecast, None where it is."""
    finite = np.flatnonzero(np.isfinite(panel.values[:, column]))
    least, what = (
        minimum(panel.rhythm),
        {"daily": "days", "weekly": "weeks", "monthly": "months"}[panel.rhythm.frequency],
    )
    if not len(finite):
        return "no numbers in its column: give values, or leave the column out"
    if len(finite) < least:
        return f"expected at least {least} {what} with a value, got {len(finite)}: wait for more"
    span = finite[-1] - finite[0] + 1
    late = len(panel.values) - 1 - finite[-1]
    if late * panel.rhythm.weeks > _LONGEST_END:
        return (
            f"its last value is of {panel.dates[finite[-1]]}, {late} {what} before the others end: bring it up to date"
        )
    largest = float(np.abs(panel.values[finite, column]).max())
    if largest and not _SMALLEST <= largest <= _LARGEST:
        return f"its values reach {largest:.3g}: give them in a unit between {_SMALLEST:g} and {_LARGEST:g}"
    if len(finite) < (1 - _MOST_GAPS) * span:
        return f"{span - len(finite)} of its {span} {what} are missing: fill them, or give a longer period"
    return None


def prepare(panel: Panel) -> Prepared:
    """Returns the panel's series with gaps filled by straight lines, and negative ones lifted above zero."""
    values = panel.values.copy()
    series = values.shape[1]
    finite = np.isfinite(values)
    reasons = {i: why for i in range(series) if (why := refusal(panel, i)) is not None}
    treated = {"missing values filled between two known": 0, "missing values filled at the end": 0}
    notes: dict[str, list[str]] = {}
    start = np.where(finite.any(axis=0), finite.argmax(axis=0), len(values))
    for i in np.flatnonzero(~finite.all(axis=0)):
        if i not in reasons:
            _fill(values[:, i], treated, notes.setdefault(panel.names[i], []))
    values[:, list(reasons)] = np.nan
    usable = [i for i in range(series) if i not in reasons]
    shift, lowest, highest, constant = (
        np.zeros(series),
        np.zeros(series),
        np.full(series, np.inf),
        np.zeros(series, bool),
    )
    if usable:
        least, most = np.nanmin(values[:, usable], axis=0), np.nanmax(values[:, usable], axis=0)
        constant[usable] = least == most
        highest[usable] = np.where((least >= 0) & (most <= 1), 1.0, np.inf)
        shift[usable] = np.where(least < 0, 0.5 * most - 1.5 * least, 0.0)
        lowest[usable] = np.where(least < 0, -np.inf, 0.0)
    treated["series with negative values, not bounded by 0"] = int((shift > 0).sum())
    treated["series that never change"] = int(constant.sum())
    treated["series that are zero throughout"] = int(sum(constant[i] and values[-1, i] == 0 for i in usable))
    return Prepared(
        values=values + shift,
        shift=shift,
        lowest=lowest,
        highest=highest,
        start=start,
        constant=constant,
        reasons=reasons,
        treated={what: count for what, count in treated.items() if count},
        notes={name: said for name, said in notes.items() if said},
    )


def _fill(column: Floats64, treated: dict[str, int], notes: list[str]) -> None:
    """Fills a series' gaps in place, from its first value to the end of the table."""
    known = np.flatnonzero(np.isfinite(column))
    first, last = int(known[0]), int(known[-1])
    between, end = last - first + 1 - len(known), len(column) - 1 - last
    if between:
        inside = np.arange(first, last + 1)
        column[first : last + 1] = np.interp(inside, known, column[known])
        treated["missing values filled between two known"] += between
        notes.append(f"{between} missing values filled between two known")
    if end:
        column[last + 1 :] = np.median(column[known[-4:]])
        treated["missing values filled at the end"] += end
        notes.append(f"{end} missing values at the end filled with the median of the last four")
    if first:
        notes.append(f"starts {first} periods after the others")


def merged(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Returns the sum of counts by name."""
    total: dict[str, int] = {}
    for part in counts:
        for what, count in part.items():
            total[what] = total.get(what, 0) + count
    return total
