"""What rises beyond what returns every year.

A trend's history is a season, a slow drift and perhaps a rise. Seasons are estimated jointly: a trend of a type has
about the season of the rest of its type, as far as that is known, and a season of its own of a usual size. How large
seasons, own seasons and drifts usually are is learned from all trends of the study (empirical Bayes: the scales with the
largest marginal likelihood), around the slope that trends usually have. A rise is a logistic curve (Rogers 1962, Diffusion of Innovations), tried at several
times. Its evidence is the signed root of the likelihood ratio. Beside it stands the weight of evidence against a
strong season of the trend's own without a rise, since less than a year of history, or a little more, shows a season's
way up as a rise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from trendloom.stages.counted import Counted
from trendloom.stages.curves import (
    REACH,
    WIDTH,
    Counts,
    Prior,
    drift_column,
    expected_counts,
    fit,
    rise_column,
    season_columns,
    weekly,
)

__all__ = ["Rise", "Rises"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_HARMONICS = np.repeat([1.0, 0.35, 0.2], 2)  # usual size of the year's harmonics, cosine and sine
_STRONG = 1.1 * np.repeat([1.0, 0.45, 0.22], 2)  # of a strong season: its peak may be ten times its trough
_SEASONS, _OWN, _DRIFTS = (  # standard deviations of logs that are tried
    (0.05, 0.1, 0.18, 0.3),
    (0.03, 0.05, 0.08, 0.12, 0.18),
    (0.03, 0.05, 0.08, 0.12, 0.18, 0.3),
)
_LEARNED_FROM, _LEAST = 160, 20.0  # trends, and people in each
_USUAL, _UNSURE = (0.15, 0.08, 0.08), 0.7  # scales before any data, and the standard deviation of their logs
_MOVING = (-4.0, -3.0, -2.0)  # log odds of a rise or fall at one of four times, tried with the scales ...
_SEASONAL = 1.0  # ... and by how much those of a strong season are larger
_ANY_SLOPE = 1.0  # standard deviation of slopes while the usual one is learned
_FREE = 25.0  # variance of a rise that may be any
_RISE, _SPREAD = 0.8, 0.6  # mean and standard deviation of the log of a rise, where it is weighed against a season
_MIDDLE = 2.0  # widths from the middle of an ordinary new rise to the last window
_INSIDE = 0.5  # share of its posts that makes a trend one of a type
_LOOKED_AT = 1.5  # evidence from which a rise is weighed against a season
_BACK = {"week": (-4, 0, 3, 6, 9, 12, 15, 18, 22, 26, 32, 40), "month": (-1, 0, 1, 2, 3, 4, 6, 9)}
_THIRD = 0.69  # widths before its middle, where a third of a logistic rise is done
_TURN = {"week": (2, 4, 6), "month": (0, 1)}
_TURNED, _TURNED_Z = 0.25, 2.6  # depth of the fall after a rise, as a log, and its evidence
_BURST = {"week": (1, 2, 3), "month": (1,)}
_YEAR = {"week": 365.2425 / 7, "month": 12.0}


@dataclass(frozen=True, kw_only=True)
class Rise:
    """The best rise (or fall) of each trend; arrays (trends,).

    Attributes:
        z: Signed root of its likelihood ratio, standard deviations.
        log_growth: From before it to the end of it.
        error: Standard error of that.
        done: Share of it that the last 13 weeks (3 months) show on average.
        back: Windows from its middle to the last window; negative where it is not half done.
        begun: Window by which a third of it was done.
        odds: Log weight against a strong season without it; 0 where it is not remarkable.
    """

    z: Floats
    log_growth: Floats
    error: Floats
    done: Floats
    back: Floats
    begun: Ints
    odds: Floats


class Rises:
    """The rises and falls of all trends of a tally.

    Attributes:
        up: The best rise of each trend.
        down: The best fall.
        people: (trends,) people, once a season, weighed by how probably they show it.
        expected: (trends,) the evidence that an ordinary rise within the last months would have, standard deviations.
        slope: The usual slope of a trend, log a year.
        scales: Standard deviations that were learned: of seasons, of own seasons, of drifts around the usual slope.
    """

    def __init__(self, tally: Counted, dispersion: Floats) -> None:
        step = tally.windows.step
        self._tally, self._dispersion = tally, dispersion
        self._windows, self._reach = len(tally.windows.starts), REACH[step]
        counts = self._weekly(tally.row_trend, slice(None), trends=len(tally.trends))
        self.people, self._counts = counts.by_window.sum(axis=1), counts.over(dispersion)
        self._columns = np.hstack(
            [season_columns(self._windows, _YEAR[step]), drift_column(self._windows, _YEAR[step])]
        )
        self._backs = np.array([b for b in _BACK[step] if b <= self._windows / 2], dtype=np.float64)
        self._width = WIDTH[step]
        self._rises = [np.hstack([self._columns, rise_column(self._windows, b, self._width)]) for b in self._backs]
        self._type = _types(tally)
        self._sample, self._weight = self._learned_from()
        self.slope = self._usual_slope()
        self.scales = self._learn()
        self._prior = self._priors(self.scales, np.arange(len(tally.trends)), self.slope)
        self.expected: Floats = _RISE * np.sqrt(self._information())
        up, down = self._best(self._counts, self._prior)
        self.up, self.down = self._weighed(up, 1.0), self._weighed(down, -1.0)

    def _weekly(self, trend: NDArray[np.int32], rows: NDArray[np.bool_] | slice, *, trends: int) -> Counts:
        """Returns the counts of some of the tally's rows, `trend` being whose each of them is."""
        tally = self._tally
        which, window, voice = (c.astype(np.int64) for c in (trend, tally.row_window[rows], tally.row_voice[rows]))
        return weekly(
            which,
            window,
            voice,
            tally.stratum,
            tally.exposure,
            trends=trends,
            reach=self._reach,
            probability=tally.row_probability[rows],
        )

    def _priors(self, scales: tuple[float, float, float], trends: Ints, slope: float) -> Prior:
        """Returns the priors of season and drift around a slope (log a year).

        A trend's season is that of the rest of its type, as far as known.
        """
        season, own, drift = scales
        mean = np.zeros((len(trends), 7))
        mean[:, 6] = slope
        variance = np.tile(np.r_[(season * _HARMONICS) ** 2, drift**2], (len(trends), 1))
        placed = np.flatnonzero(self._type[trends] >= 0)
        if len(placed):
            part, whole = self._counts.of(trends[placed]), self._counts.of(self._type[trends[placed]])
            rest = np.clip(whole.by_window - part.by_window, 0, None)
            strata = np.clip(whole.by_stratum - part.by_stratum, 0, None)
            strata *= (rest.sum(axis=1) / np.maximum(strata.sum(axis=1), 1e-9))[:, None]
            others = Counts(by_window=rest, by_stratum=strata, exposure=whole.exposure)
            known = fit(others, self._columns, Prior(mean=mean[placed], variance=variance[placed]))
            mean[placed, :6] = known.mode[:, :6]
            variance[placed, :6] = np.diagonal(known.covariance, axis1=1, axis2=2)[:, :6] + (own * _HARMONICS) ** 2
        return Prior(mean=mean, variance=variance)

    def _learned_from(self) -> tuple[Ints, Floats]:
        """Returns a sample of the trends and their weights, with which a post that several of them show counts once.

        So weighted, likelihoods are composite ones (Varin, Reid and Firth 2011, Stat. Sin. 21:5): a few trends with many
        names do not outweigh what is usual.
        """
        order = np.argsort(-self.people, kind="stable")
        enough = order[self.people[order] >= _LEAST]
        sample = enough[:: max(-(-len(enough) // _LEARNED_FROM), 1)]
        rows = np.isin(self._tally.row_trend, sample)
        trend, post = self._tally.row_trend[rows], self._tally.row_post[rows]
        once = np.bincount(trend, weights=1 / np.bincount(post)[post], minlength=len(self.people))
        return sample, once[sample] / np.bincount(trend, minlength=len(self.people))[sample]

    def _usual_slope(self) -> float:
        """Returns the slope a year that half of the trends are above, weighted by how well each is known.

        Shares add up: what rises takes from everything else, which then falls together, and should not pass for drift.
        """
        if not len(self._sample):
            return 0.0
        season, own, _ = _USUAL
        prior = self._priors((season, own, _ANY_SLOPE), self._sample, 0.0)
        free = fit(self._counts.of(self._sample), self._columns, prior)
        slope, weight = free.mode[:, -1], self._weight / free.covariance[:, -1, -1]
        order = np.argsort(slope, kind="stable")
        return float(slope[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])

    def _learn(self) -> tuple[float, float, float]:
        """Returns the likeliest scales given the sample: first season and drift, then own season."""
        if not len(self._sample):
            return _USUAL

        def worth(scales: tuple[float, float, float]) -> float:
            away = np.log(np.divide(scales, _USUAL)) / _UNSURE
            return self._likelihood(scales) - 0.5 * float((away**2).sum())

        season, _, drift = max(product(_SEASONS, _USUAL[1:2], _DRIFTS), key=worth)
        return max(product((season,), _OWN, (drift,)), key=worth)

    def _likelihood(self, scales: tuple[float, float, float]) -> float:
        """Returns the log likelihood of a sample of which some, as many as is likeliest, have a strong season or move."""
        prior, counts = self._priors(scales, self._sample, self.slope), self._counts.of(self._sample)
        usual = fit(counts, self._columns, prior).marginal
        season = fit(counts, self._columns, _stronger(prior)).marginal
        moved = [
            fit(counts, columns, prior.and_one(sign * _RISE, _SPREAD**2)).marginal
            for columns in (self._rises[len(self._rises) // 4], self._rises[-1 - len(self._rises) // 4])
            for sign in (1.0, -1.0)
        ]

        def mixed(odds: float) -> float:
            weights = np.array([0.0, odds + _SEASONAL, *[odds] * len(moved)])
            each = np.stack([usual, season, *moved]) + (weights - np.log(np.exp(weights).sum()))[:, None]
            return float(np.logaddexp.reduce(each, axis=0) @ self._weight)

        return max(mixed(odds) for odds in _MOVING)

    def _information(self) -> Floats:
        """Returns the information (trends,) about a rise in the middle of the last months, from sizes alone."""
        middle = float(self._backs[np.abs(self._backs - _MIDDLE * self._width).argmin()])
        rise = rise_column(self._windows, middle, self._width)[:, 0]
        exposure = self._counts.exposure
        total = np.maximum(exposure.sum(axis=0), 1e-9)
        spread = (rise**2 @ exposure) / total - ((rise @ exposure) / total) ** 2
        found: Floats = np.clip(self._counts.by_stratum @ spread, 0, None)
        return found

    def _weighed(self, best: Rise, sign: float) -> Rise:
        """Returns rises (sign 1) or falls (-1) with their odds against a strong season."""
        looked = np.flatnonzero(sign * best.z >= _LOOKED_AT)
        odds = best.odds.copy()
        if len(looked):
            counts, usual = self._counts.of(looked), self._prior.of(looked)
            season = fit(counts, self._columns, _stronger(usual)).marginal
            moved = [
                self._marginal(counts, prior.and_one(sign * _RISE, _SPREAD**2)) for prior in (usual, _stronger(usual))
            ]
            odds[looked] = np.maximum(moved[0], moved[1]) - season
        return replace(best, odds=odds)

    def _best(self, counts: Counts, prior: Prior) -> tuple[Rise, Rise]:
        """Returns the likeliest rise and the likeliest fall of each trend."""
        still = fit(counts, self._columns, prior).posterior
        free = prior.and_one(0.0, _FREE)
        fits = [fit(counts, columns, free) for columns in self._rises]
        growth = np.stack([f.mode[:, -1] for f in fits])
        ratio = 2 * (np.stack([f.posterior for f in fits]) + 0.5 * growth**2 / _FREE - still)
        z = np.sign(growth) * np.sqrt(np.clip(ratio, 0, None))
        error = np.sqrt(np.stack([f.covariance[:, -1, -1] for f in fits]))
        done = np.array([columns[-self._tally.windows.span :, -1].mean() for columns in self._rises])

        def of(place: Ints) -> Rise:
            at = place, np.arange(z.shape[1])
            begun = np.clip(
                np.rint(self._windows - 1 - self._backs[place] - _THIRD * self._width), 0, self._windows - 1
            )
            return Rise(
                z=z[at],
                log_growth=growth[at],
                error=error[at],
                done=done[place],
                back=self._backs[place],
                begun=begun.astype(np.int64),
                odds=np.zeros(len(place)),
            )

        return of(z.argmax(axis=0)), of(z.argmin(axis=0))

    def _marginal(self, counts: Counts, prior: Prior) -> Floats:
        """Returns the log marginal likelihood of a rise at any of the times."""
        each = np.stack([fit(counts, columns, prior).marginal for columns in self._rises])
        most = each.max(axis=0)
        found: Floats = most + np.log(np.exp(each - most).mean(axis=0))
        return found

    def turned(self, trends: Ints) -> NDArray[np.bool_]:
        """Returns which rising trends (trends,) have turned in the last two months: a fall follows the rise."""
        counts, usual = self._counts.of(trends), self._prior.of(trends)
        turned = np.zeros(len(trends), dtype=np.bool_)
        for n, back in enumerate(self.up.back[trends].tolist()):
            risen = np.hstack([self._columns, rise_column(self._windows, back, self._width)])
            one, prior = counts.of(slice(n, n + 1)), usual.of(np.array([n])).and_one(0.0, _FREE)
            still = fit(one, risen, prior).posterior
            for since in _TURN[self._tally.windows.step]:
                if since < back:
                    fall = np.hstack([risen, rise_column(self._windows, since, self._width / 4)])
                    found = fit(one, fall, prior.and_one(0.0, _FREE))
                    depth = float(found.mode[0, -1])
                    z = np.sqrt(max(2 * float((found.posterior - still)[0] + 0.5 * depth**2 / _FREE), 0.0))
                    turned[n] |= depth <= -_TURNED and z >= _TURNED_Z
        return turned

    def bursts(self) -> tuple[Floats, Ints]:
        """Returns the evidence (trends,) of the greatest excess of 1 to 3 windows in the last 13 (3 months), and its window.

        Signed root of the Poisson deviance from season and drift alone, as if it had been the only one looked at.
        """
        usual = fit(self._counts, self._columns, self._prior)
        counts, span = self._counts, min(self._tally.windows.span, self._windows)
        expected = expected_counts(usual.mode, counts, self._columns)[:, -span:]
        seen = counts.by_window[:, -span:]
        best, where = np.zeros(len(seen)), np.full(len(seen), self._windows - 1)
        for length in _BURST[self._tally.windows.step]:
            for start in range(span - length + 1):
                n, m = seen[:, start : start + length].sum(axis=1), expected[:, start : start + length].sum(axis=1)
                m = np.maximum(m, 1e-9)
                deviance = 2 * (np.where(n > 0, n * np.log(np.maximum(n, 1e-9) / m), 0.0) - (n - m))
                z = np.sign(n - m) * np.sqrt(np.clip(deviance, 0, None))
                more = z > best
                best[more], where[more] = z[more], self._windows - span + start
        return best, where

    def without(self, trend: int, posts: NDArray[np.bool_]) -> Rise:
        """Returns the best rise of a trend without some posts; arrays (1,)."""
        tally = self._tally
        rows = (tally.row_trend == trend) & ~posts[tally.row_post]
        alone = np.zeros(int(rows.sum()), dtype=np.int32)
        counts = self._weekly(alone, rows, trends=1).over(self._dispersion[[trend]])
        return self._best(counts, self._prior.of(np.array([trend])))[0]


def _stronger(prior: Prior) -> Prior:
    """Returns the priors with a strong season of the trend's own."""
    variance = prior.variance.copy()
    variance[:, :6] += _STRONG**2
    return Prior(mean=prior.mean, variance=variance)


def _types(tally: Counted) -> Ints:
    """Returns the trend of the type (trends,) that most posts of a trend are of, -1 for types and where there is none."""
    names = tally.trends
    types = [n for n, name in enumerate(names) if name.startswith("attribute:type:") and "+" not in name]
    size = np.maximum(np.bincount(tally.row_trend, minlength=len(names)), 1)
    found, most = np.full(len(names), -1, dtype=np.int64), np.full(len(names), _INSIDE)
    for kind in types:
        held = np.zeros(len(tally.post_window), dtype=np.bool_)
        held[tally.row_post[tally.row_trend == kind]] = True
        share = np.bincount(tally.row_trend[held[tally.row_post]], minlength=len(names)) / size
        more = share > most
        found[more], most[more] = kind, share[more]
    found[types] = -1
    return found
