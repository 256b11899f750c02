"""The comparison of one tally: counted once, compared as often as asked."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trendloom.stages.counted import Counted
from trendloom.stages.evidence import Evidence, Spans, choose_spans, compare, count_spans, dispersion

__all__ = ["Bench"]

Ints = NDArray[np.int64]


class Bench:
    """What a tally is compared with.

    Attributes:
        recent: (windows,) the last 13 weeks (3 months), of which people, posts and shares are told.
        shown: The last weeks against the same ones a year before, where these are known: the growth that is reported.
    """

    def __init__(self, tally: Counted) -> None:
        self.tally = tally
        self.count = len(tally.trends)
        self.windows = len(tally.windows.starts)
        self.trend = tally.row_trend.astype(np.int64)
        self.window = tally.row_window.astype(np.int64)
        self.voice = tally.row_voice.astype(np.int64)
        counts = tally.series["numerator"].to_numpy().reshape(self.count, self.windows)
        self.phi = dispersion(counts, tally.exposure.sum(axis=1))
        span, year = tally.windows.span, tally.windows.year
        self.recent = np.arange(self.windows) >= self.windows - span
        self.shown = choose_spans(self.windows, length=span, least=4 if tally.windows.step == "week" else 1, year=year)

    @cached_property
    def people(self) -> Ints:
        """Returns (trends,) how many showed each in the last 13 weeks."""
        recent = self.recent[self.window]
        voices = max(int(self.voice.max(initial=0)) + 1, 1)
        key = np.unique(self.trend[recent] * voices + self.voice[recent])
        return np.bincount(key // voices, minlength=self.count)

    def evidence(self, spans: Spans) -> Evidence:
        """Returns how much each trend grew in a comparison."""
        counts = count_spans(self.trend, spans.block[self.window], self.voice, self.tally.stratum, trends=self.count)
        exposure = self.tally.exposure
        now, past = exposure[spans.block == 0].sum(axis=0), exposure[spans.block > 0].sum(axis=0)
        return compare(*counts, now, past, phi=self.phi)
