"""What the API says of forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, Field

from trendloom.web.reading import OutlookRow
from trendloom.web.schemas import Cell, Number, Panel, Row, Whole

__all__ = ["Ahead", "Bin", "Entry", "Issue", "Ledger", "Material", "Materials", "Peak", "TrendForecast"]


class Ahead(Cell):
    """A trend's forecast for one coming window, or quarter where the history is published in blocks.

    Without numbers where it would repeat a window that is withheld.
    """

    window_start: date = Field(description="First day of the window.", examples=["2025-04-21"])
    windows: int = Field(1, description="Windows that the numbers are means over: 1, or a quarter's.")
    point: Number = Field(None, description="Median forecast of the share of people, 0..1.", examples=[0.021])
    expected: Number = Field(None, description="The mean: above the median where counts are small and skewed.")
    low_80: Number = Field(None, description="Lower end of the 80 % interval.")
    high_80: Number = Field(None, description="Upper end.")
    low_95: Number = Field(None, description="Lower end of the 95 % interval.")
    high_95: Number = Field(None, description="Upper end.")
    naive: Number = Field(None, description="What the same window showed a year before: seasonal naive.")


class Bin(BaseModel):
    """Forecasts of about the same probability, and how often they came true."""

    said: float
    happened: float
    number: int


class Peak(BaseModel):
    """How likely the trend peaks soon, and how such probabilities held where they had not been learned."""

    weeks: int = Field(description="Within so many weeks.", examples=[26])
    probability: Number = Field(
        None,
        description="Of a highest quarter followed by a fall of 5 % or more; null where too few outcomes are known.",
    )
    held_out: str | None = Field(
        None, description="`later origins`, or `other series` where the history is too short to hold out time."
    )
    plain: bool = Field(
        False, description="Trends could not be told apart: the probability is the share that peaked before, for all."
    )
    number: int = Field(0, description="Outcomes that the probabilities were held against.")
    said: Number = Field(None, description="Their mean.")
    happened: Number = Field(None, description="Share of them that came true.")
    brier: Number = Field(None, description="Mean squared error of the probabilities.")
    brier_of_past_share: Number = Field(None, description="The same of the plain share known before.")
    bins: list[Bin] = Field(default_factory=list)

    @classmethod
    def of(cls, weeks: int, probability: float | None, held: Mapping[str, Any]) -> Self:
        """Returns the chance of a peak within so many weeks with its calibration."""
        bins = [Bin(said=said, happened=happened, number=number) for said, happened, number in held.get("bins", [])]
        return cls(
            weeks=weeks,
            probability=probability,
            held_out=held.get("held_out"),
            plain=bool(held.get("plain")),
            number=held["rows"],
            said=held.get("said"),
            happened=held.get("peaked"),
            brier=held.get("brier"),
            brier_of_past_share=held.get("brier_of_past_share"),
            bins=bins,
        )


class TrendForecast(BaseModel):
    """The year ahead of one trend, or why there is none."""

    panel: Panel
    trend_id: str
    label: str
    model: str | None = Field(
        description="`combined` (level, season, trees), `seasonal-naive`, `young` (under a year of history), `constant`."
    )
    reason: str | None = Field(description="Why there is no forecast.")
    issued: date | None = Field(description="From this day on nothing was known.")
    change: Number = Field(None, description="Mean of the coming windows over the mean of as many before, where known.")
    peaks: list[Peak]
    windows: list[Ahead]

    @classmethod
    def of(cls, outlook: OutlookRow, *, panel: Panel, trend_id: str, label: str) -> Self:
        """Returns a forecast as the API says it."""
        windows = [Ahead.model_validate(row) for row in outlook.rows.iter_rows(named=True)]
        return cls(
            panel=panel,
            trend_id=trend_id,
            label=label,
            model=outlook.model,
            reason=outlook.reason,
            issued=outlook.issued,
            change=_change(windows),
            peaks=[Peak.of(weeks, chance, outlook.held[weeks]) for weeks, chance in outlook.peaks.items()],
            windows=windows,
        )


def _change(windows: list[Ahead]) -> float | None:
    """Returns the mean forecast over the mean of the same windows a year before; None where one of them is not known."""
    said = [w.expected for w in windows if w.expected is not None]
    past = [w.naive for w in windows if w.naive is not None]
    if len(said) < len(windows) or len(past) < len(windows) or not sum(past):
        return None
    return sum(said) / sum(past)


class Entry(Row):
    """A frozen forecast of one trend beside what happened in the windows that have passed since."""

    issued: date
    trend_id: str
    label: str | None
    model: str
    windows: int = Field(description="Windows that have passed and can be shown.")
    forecast: Number = Field(None, description="Mean median forecast over them, share of people.")
    actual: Number = Field(None, description="Mean share over them.")
    naive: Number = Field(None, description="Mean of the same windows a year before.")
    miss: Number = Field(None, description="Forecast over actual, less 1.")
    error: Number = Field(None, description="Mean absolute error of the medians.")
    naive_error: Number = Field(None, description="The same of seasonal naive.")
    inside_80: Number = Field(None, description="Share of the windows inside the 80 % interval.")


class Issue(Row):
    """A forecast of all trends that was frozen."""

    issued: date
    run: str
    trends: int
    first: date = Field(description="First window that it speaks of.")
    last: date


class Ledger(BaseModel):
    """All frozen forecasts, and those that can be judged by now, misses first."""

    panel: Panel
    issued: list[Issue]
    total: int = Field(description="Rows that can be judged.")
    inside_80: Number = Field(None, description="Share of all judged windows inside their 80 % interval.")
    error_over_naive: Number = Field(
        None, description="Mean error over that of seasonal naive, over all judged rows that have both."
    )
    rows: list[Entry]


class Material(Cell):
    """What people show or name of one material, by one source."""

    material: str = Field(examples=["linen"])
    kind: str = Field(description="`fibre` or `fabric`.", examples=["fibre"])
    source: str = Field(description="`photos`, `captions` or `catalogue`; they do not compare.", examples=["captions"])
    authors: Whole = Field(None, description="People of the last 13 weeks.")
    posts: Whole = None
    share: Number = Field(None, description="Share of active people who show or name it, 0..1.")
    share_low: Number = Field(None, description="Lower end of the 95 % interval.")
    share_high: Number = None
    growth: Number = Field(None, description="How many times the same weeks a year before.")
    growth_low: Number = None
    growth_high: Number = None
    ahead: Number = Field(None, description="The coming quarter over the same one a year before, forecast.")
    ahead_low: Number = Field(None, description="Lower end of its 80 % interval.")
    ahead_high: Number = None


class Materials(BaseModel):
    """Demand by material, most people first."""

    panel: Panel
    sources: dict[str, str] = Field(description="How each source knows, or why it is silent.")
    materials: list[Material]
