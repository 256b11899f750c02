"""The seam to counting: what a tally must hold to be judged."""

from __future__ import annotations

from datetime import date
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Counted"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class _Windows(Protocol):
    """When was counted."""

    @property
    def step(self) -> str:
        """Week or month."""

    @property
    def starts(self) -> tuple[date, ...]:
        """First day of each window."""

    @property
    def now(self) -> date | None:
        """End of the last window."""

    @property
    def span(self) -> int:
        """Windows in a comparison."""

    @property
    def year(self) -> int:
        """Windows in a year."""


class Counted(Protocol):
    """What is judged: see `trendloom.counting.Tally`."""

    @property
    def windows(self) -> _Windows:
        """The windows."""

    @property
    def trends(self) -> tuple[str, ...]:
        """Trend ids."""

    @property
    def stratum(self) -> NDArray[np.int32]:
        """Stratum per author."""

    @property
    def country(self) -> NDArray[np.int32]:
        """Country per author, -1 where it is not known."""

    @property
    def exposure(self) -> Floats:
        """Posts, (windows, strata)."""

    @property
    def active(self) -> Ints:
        """People per window."""

    @property
    def row_trend(self) -> NDArray[np.int32]:
        """Trend per row."""

    @property
    def row_post(self) -> NDArray[np.int32]:
        """Post per row."""

    @property
    def row_window(self) -> NDArray[np.int32]:
        """Window per row."""

    @property
    def row_author(self) -> NDArray[np.int32]:
        """Author per row."""

    @property
    def row_voice(self) -> NDArray[np.int32]:
        """Author per row, copies counted as their first poster."""

    @property
    def row_probability(self) -> Floats:
        """Probability that the post shows the trend, per row."""

    @property
    def post_author(self) -> NDArray[np.int32]:
        """Author per post."""

    @property
    def post_window(self) -> NDArray[np.int32]:
        """Window per post, -1 for none."""

    @property
    def post_at(self) -> Ints:
        """Microseconds since 1970 per post."""

    @property
    def series(self) -> pl.DataFrame:
        """A row per trend and window."""

    @property
    def members(self) -> pl.DataFrame:
        """A row per trend and post."""

    @property
    def report(self) -> dict[str, int]:
        """What was counted and what was not."""
