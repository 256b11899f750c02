"""Forecasts in words."""

from __future__ import annotations

from trendloom.web.forecast_schemas import Ledger, Peak, TrendForecast
from trendloom.web.words import day, growth, percent, percent_range

__all__ = ["ahead", "held", "step", "summary", "whole_percent"]

_MODELS = {
    "combined": "level, season and last year's growth, corrected by what earlier forecasts of all trends got wrong",
    "seasonal-naive": "the same weeks of last year, which did better than anything else at earlier dates",
    "young": "a smoothed level with what season the older trends share, as its history is short",
    "constant": "its one value, as it has never changed",
}


def whole_percent(chance: float | None) -> str:
    """Returns a chance, 0..1, as a whole percentage."""
    return "–" if chance is None else f"{100 * chance:.0f}%"


def step(outlook: TrendForecast, window: str) -> str:
    """Returns what stands before the first day of a row, such as `Week of` or `13 weeks from`."""
    long = max((w.windows for w in outlook.windows), default=1)
    unit = window or "week"
    return f"{long} {unit}s from" if long > 1 else f"{unit.capitalize()} of"


def ahead(outlook: TrendForecast) -> str:
    """Returns a forecast in a few sentences."""
    known = [w for w in outlook.windows if w.point is not None]
    if not known:
        return "The forecast repeats last year's windows, which too few people stand behind to publish."
    first, top = known[0], max(known, key=lambda w: w.point or 0.0)
    quarters = first.windows > 1
    words = f"Made from what was known by {day(outlook.issued)}: "
    if quarters:
        words += f"{percent(first.point)} of people in the quarter from {day(first.window_start)}, "
        words += f"80% interval {percent_range(first.point, first.low_80, first.high_80).strip('()')}"
    else:
        words += f"{percent(sum(w.expected or 0.0 for w in known) / len(known))} of people on average"
    if outlook.change is not None:
        words += f"; over the year {growth(outlook.change)} the year before"
    words += f"; most {'from' if quarters else 'around'} {day(top.window_start)} ({percent(top.point)})."
    return f"{words} It is made of {_MODELS.get(outlook.model or '', outlook.model)}."


def held(peak: Peak) -> str:
    """Returns how such chances held, in a sentence."""
    if not peak.number or peak.said is None or peak.happened is None or peak.brier is None:
        return "Not tested yet: too few outcomes are known."
    if peak.plain:
        return f"Trends could not be told apart: this is the share that did before, tested {peak.number:,} times."
    where = "at later dates" if peak.held_out == "later origins" else "on other trends"
    return (
        f"Tested {where} than learned from, {peak.number:,} times: {whole_percent(peak.said)} said on average, "
        f"{whole_percent(peak.happened)} came; nearer than the plain share."
    )


def summary(ledger: Ledger) -> str:
    """Returns how all judged forecasts did, in a sentence."""
    if not ledger.total or ledger.inside_80 is None:
        return ""
    words = f"{whole_percent(ledger.inside_80)} of the windows that have passed lie inside their 80% interval"
    if ledger.error_over_naive is not None:
        words += f"; the mean error is {ledger.error_over_naive:.2f} times that of repeating last year"
    return f"{words}."
