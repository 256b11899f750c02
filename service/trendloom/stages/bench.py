"""The comparison of one tally: counted once, compared as often as asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trendloom.stages.counted import Counted
from trendloom.stages.evidence import (
    Evidence,
    Spans,
    benjamini_hochberg,
    choose_spans,
    compare,
    count_spans,
    dispersion,
    drift,
    upper_tail,
)

__all__ = ["Bench"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FEW = 20  # trends, under which their usual drift cannot be told
_FEW_DRIFT = 0.2
_LEAST_DRIFT = 0.05
_SEASON_DRIFT = 0.2  # at least, within less than a year: any trend may be a season
_STANDS_OUT = 0.1  # false discovery rate of trends that are not ordinary
_EVEN = 0.05  # log growth of the middle trend that is put down to chance


class Bench:
    """What a tally is compared with.

    Attributes:
        shown: The last 13 weeks (3 months) against their season a year before: the growth that is reported.
        tested: The last 8 weeks (2 months), as a rise may be young, against a wider season: the evidence.
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
        weekly = tally.windows.step == "week"
        self._length, self._pad, least = (8, 8, 4) if weekly else (2, 2, 1)
        span, year = tally.windows.span, tally.windows.year
        self.shown = choose_spans(self.windows, length=span, pad=span // 2, year=year)
        self.tested = self.tested_at(self.windows)
        known = min(span, self.windows - year)
        self.exact = choose_spans(self.windows, length=known, pad=0, year=year) if known >= least else None
        self.shift, self.tau = self._drift()

    def tested_at(self, end: int) -> Spans:
        """Returns the comparison of the test at an earlier end."""
        return choose_spans(self.windows, length=self._length, pad=self._pad, year=self.tally.windows.year, end=end)

    def _drift(self) -> tuple[float, float]:
        """Returns how much an ordinary trend grows, 0 or more, and by how much ordinary trends differ, both as logs."""
        first = self.evidence(self.tested)
        used = (first.weight >= 3) & np.isfinite(first.growth)
        if used.sum() < _FEW:
            return 0.0, _FEW_DRIFT
        growth, chance = np.log(first.growth[used]), self.phi[used] / first.weight[used]
        centre, tau = drift(growth, chance)
        for _ in range(3):  # without the trends that stand out from this drift
            p = upper_tail(np.abs(growth - centre) / np.sqrt(chance + tau**2))
            usual = benjamini_hochberg(2 * p) > _STANDS_OUT
            centre, tau = drift(growth[usual], chance[usual])
        return max(centre - _EVEN, 0.0), max(tau, _LEAST_DRIFT if self.tested.seasonal else _SEASON_DRIFT)

    def evidence(
        self, spans: Spans, keep: NDArray[np.bool_] | None = None, *, shift: float = 0.0, tau: float = 0.0
    ) -> Evidence:
        """Returns the evidence of all trends for a comparison, of the rows `keep`."""
        rows = slice(None) if keep is None else keep
        counts = count_spans(
            self.trend[rows], spans.block[self.window[rows]], self.voice[rows], self.tally.stratum, trends=self.count
        )
        exposure = self.tally.exposure
        now, past = exposure[spans.block == 0].sum(axis=0), exposure[spans.block > 0].sum(axis=0)
        return compare(*counts, now * np.exp(shift), past, phi=self.phi, tau=tau)

    def test(self, spans: Spans, keep: NDArray[np.bool_] | None = None) -> Evidence:
        """Returns the evidence of all trends beyond what ordinary trends do."""
        return self.evidence(spans, keep, shift=self.shift, tau=self.tau)
