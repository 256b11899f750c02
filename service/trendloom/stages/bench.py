"""The comparison of one tally: counted once, compared as often as asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trendloom.stages.counted import Counted
from trendloom.stages.evidence import Evidence, Spans, choose_spans, compare, count_spans, dispersion

__all__ = ["Bench"]

Ints = NDArray[np.int64]


class Bench:
    """What a tally is compared with.

    Attributes:
        shown: The last 13 weeks (3 months) against their season a year before: the growth that is reported.
        exact: The last weeks against exactly the same ones a year before, where both are known; else None.
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
        least = 4 if tally.windows.step == "week" else 1
        span, year = tally.windows.span, tally.windows.year
        self.shown = choose_spans(self.windows, length=span, pad=span // 2, year=year)
        known = min(span, self.windows - year)
        self.exact = choose_spans(self.windows, length=known, pad=0, year=year) if known >= least else None

    def evidence(self, spans: Spans) -> Evidence:
        """Returns how much each trend grew in a comparison."""
        counts = count_spans(self.trend, spans.block[self.window], self.voice, self.tally.stratum, trends=self.count)
        exposure = self.tally.exposure
        now, past = exposure[spans.block == 0].sum(axis=0), exposure[spans.block > 0].sum(axis=0)
        return compare(*counts, now, past, phi=self.phi)
