"""Log-linear curves of weekly counts within strata, fitted for many trends at once.

The counts of a trend in a stratum (a platform and country) are Poisson with rate `exposure * level * exp(curve)`. The
level of each stratum is conditioned away, so that a platform that joins and grows moves no curve, and what is left is
multinomial over windows: `sum_w n_w f_w - sum_s N_s log(sum_w e_sw exp(f_w))` (McCullagh and Nelder 1989, Generalized
Linear Models, section 6.4). Curves are sums of columns with normal priors; Newton's method finds their mode, Laplace's
method the marginal likelihood (Tierney and Kadane 1986, J. Am. Stat. Assoc. 81:82).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "REACH",
    "WIDTH",
    "Counts",
    "Fit",
    "Prior",
    "drift_column",
    "expected_counts",
    "fit",
    "rise_column",
    "season_columns",
    "weekly",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WIDTH = {"week": 4.0, "month": 1.0}  # of a logistic rise, in windows: from 12 % to 88 % done in four of them
REACH = {"week": 6, "month": 1}  # windows on either side that are one season of a person

_STEPS = 25
_HALVINGS = 4
_CLOSE = 1e-3  # of the log posterior
_STEEPEST = 30.0
_FLAT = 700.0  # widths before its middle where a rise is nil: exp of more has no number


@dataclass(frozen=True, kw_only=True)
class Counts:
    """People who show trends: (trends, windows), (trends, strata), and the exposure (windows, strata)."""

    by_window: Floats
    by_stratum: Floats
    exposure: Floats

    def of(self, trends: Ints | slice) -> Counts:
        """Returns the counts of some trends."""
        return Counts(by_window=self.by_window[trends], by_stratum=self.by_stratum[trends], exposure=self.exposure)

    def over(self, dispersion: Floats) -> Counts:
        """Returns the counts that carry as much information as these at a dispersion (trends,) of 1 or more."""
        by = 1 / dispersion[:, None]
        return Counts(by_window=self.by_window * by, by_stratum=self.by_stratum * by, exposure=self.exposure)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Means and variances of coefficients, (trends, columns)."""

    mean: Floats
    variance: Floats

    def of(self, trends: Ints) -> Prior:
        """Returns the priors of some trends."""
        return Prior(mean=self.mean[trends], variance=self.variance[trends])

    def and_one(self, mean: float, variance: float) -> Prior:
        """Returns the priors with those of one column more."""
        more = np.ones((len(self.mean), 1))
        return Prior(mean=np.hstack([self.mean, mean * more]), variance=np.hstack([self.variance, variance * more]))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Modes (trends, columns), their covariances, log posterior and log marginal likelihood (trends,).

    The constants that all curves of one trend share are left out of both.
    """

    mode: Floats
    covariance: Floats
    posterior: Floats
    marginal: Floats


def weekly(
    trend: Ints,
    window: Ints,
    voice: Ints,
    stratum: NDArray[np.int32],
    exposure: Floats,
    *,
    trends: int,
    reach: int,
    probability: Floats | None = None,
) -> Counts:
    """Returns counts in which a person weighs one in any season.

    Whoever shows a trend in several windows within `reach` before and after counts by one over their number in each,
    so that a busy account is one person, and at no end of the data more.

    `probability` (rows,), that a row is right, weighs it: what is noise among the rows moves with everything else, so
    that such weights see a change best. A trend's counts then sum to the effective sample size, sum(w)^2 / sum(w^2)
    (Kish 1965, Survey Sampling, section 11.7).
    """
    windows, strata = exposure.shape
    people, spread = max(len(stratum), 1), 2 * windows + 2 * reach
    key, of_row = np.unique((trend * people + voice) * spread + window, return_inverse=True)
    weight = 1 / (np.searchsorted(key, key + reach, side="right") - np.searchsorted(key, key - reach))
    pair, at = np.divmod(key, spread)
    which, who = np.divmod(pair, people)
    if probability is not None:
        likeliest = np.zeros(len(key))
        np.maximum.at(likeliest, of_row, probability)
        weight = _effective(weight, likeliest, which, trends)
    return Counts(
        by_window=_table(which * windows + at, weight, (trends, windows)),
        by_stratum=_table(which * strata + stratum[who], weight, (trends, strata)),
        exposure=exposure,
    )


def _effective(people: Floats, probability: Floats, trend: Ints, trends: int) -> Floats:
    """Returns people times probability, scaled within each trend so that they sum to its effective sample size."""
    once = np.bincount(trend, weights=people * probability, minlength=trends)
    twice = np.bincount(trend, weights=people * probability**2, minlength=trends)
    scale = np.divide(once, twice, out=np.ones(trends), where=twice > 0)
    found: Floats = people * probability * scale[trend]
    return found


def _table(flat: Ints, weight: Floats, shape: tuple[int, int]) -> Floats:
    return np.bincount(flat, weights=weight, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)


def season_columns(windows: int, year: float) -> Floats:
    """Returns three harmonics of the year as cosine and sine, (windows, 6)."""
    turn = 2 * np.pi * np.arange(windows) / year
    return np.stack([np.asarray(wave(k * turn), np.float64) for k in (1, 2, 3) for wave in (np.cos, np.sin)], axis=1)


def drift_column(windows: int, year: float) -> Floats:
    """Returns a straight line that rises by 1 a year, (windows, 1)."""
    return np.asarray((np.arange(windows) - (windows - 1) / 2) / year, np.float64)[:, None]


def rise_column(windows: int, back: float, width: float) -> Floats:
    """Returns a logistic rise from 0 to 1 (windows, 1), half done `back` windows before the last; negative: after it."""
    away = (np.arange(windows) - (windows - 1 - back)) / width
    return np.asarray(1 / (1 + np.exp(-np.clip(away, -_FLAT, None))), np.float64)[:, None]


def _grown(mode: Floats, counts: Counts, columns: Floats) -> tuple[Floats, Floats]:
    """Returns exp(curve) (trends, windows) and its sums over exposure (trends, strata)."""
    grown = np.exp(np.clip(mode @ columns.T, -_STEEPEST, _STEEPEST))
    return grown, np.maximum(grown @ counts.exposure, 1e-300)


def _value(mode: Floats, counts: Counts, columns: Floats, prior: Prior) -> tuple[Floats, tuple[Floats, Floats]]:
    """Returns the log posterior (trends,) and what `_grown` returns."""
    grown, total = _grown(mode, counts, columns)
    curve = np.log(grown)
    likelihood = (counts.by_window * curve).sum(axis=1) - (counts.by_stratum * np.log(total)).sum(axis=1)
    return likelihood - 0.5 * ((mode - prior.mean) ** 2 / prior.variance).sum(axis=1), (grown, total)


def expected_counts(mode: Floats, counts: Counts, columns: Floats) -> Floats:
    """Returns the counts (trends, windows) that a curve gives, with the sums of each stratum as they are."""
    return _expected(_grown(mode, counts, columns), counts)


def _expected(grown: tuple[Floats, Floats], counts: Counts) -> Floats:
    return grown[0] * ((counts.by_stratum / grown[1]) @ counts.exposure.T)


def _slopes(
    mode: Floats, at: tuple[Floats, Floats], counts: Counts, columns: Floats, prior: Prior
) -> tuple[Floats, Floats]:
    """Returns the gradient (trends, columns) and the negative Hessian (trends, columns, columns)."""
    (grown, total), usual = at, _expected(at, counts)
    gradient = (counts.by_window - usual) @ columns - (mode - prior.mean) / prior.variance
    windows, width = columns.shape
    exposed = (columns[:, :, None] * counts.exposure[:, None, :]).reshape(windows, -1)
    scaled = np.sqrt(counts.by_stratum) / total
    rooted = (grown @ exposed).reshape(len(mode), width, counts.exposure.shape[1]) * scaled[:, None, :]
    products = (columns[:, :, None] * columns[:, None, :]).reshape(windows, -1)
    hessian = (usual @ products).reshape(-1, width, width) - rooted @ rooted.transpose(0, 2, 1)
    hessian[:, np.arange(width), np.arange(width)] += 1 / prior.variance
    return gradient, hessian


def fit(counts: Counts, columns: Floats, prior: Prior) -> Fit:
    """Returns the curves of all trends for the columns (windows, columns)."""
    mode = prior.mean.copy()
    value, at = _value(mode, counts, columns, prior)
    gradient, hessian = _slopes(mode, at, counts, columns, prior)
    for _ in range(_STEPS):
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        size, tried, there = np.ones(len(mode)), value, at
        for _ in range(_HALVINGS):
            tried, there = _value(mode + size[:, None] * step, counts, columns, prior)
            size = np.where(tried < value, size / 4, size)
            if (tried >= value).all():
                break
        better = tried >= value
        gained = float(np.where(better, tried - value, 0.0).max(initial=0.0))
        mode = np.where(better[:, None], mode + size[:, None] * step, mode)
        value, at = (tried, there) if better.all() else _value(mode, counts, columns, prior)
        gradient, hessian = _slopes(mode, at, counts, columns, prior)
        if gained < _CLOSE:
            break
    marginal = value - 0.5 * np.log(prior.variance).sum(axis=1) - 0.5 * np.linalg.slogdet(hessian)[1]
    covariance = np.asarray(np.linalg.inv(hessian), np.float64)
    return Fit(mode=mode, covariance=covariance, posterior=value, marginal=marginal)
