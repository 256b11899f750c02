"""How much more people show a trend now than before, and how sure that is.

The unit is a person in a span: whoever shows a trend in a span counts once, so that neither a busy account nor a photo
that many repost makes a trend. Spans are compared within strata (platform and country), as Mantel and Haenszel do for
rates (Greenland and Robins 1985, Biometrics 41:55), so that a look that is level on every platform does not grow
because the mix of platforms changes. Exposure is posts, at most a few an author and window.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Evidence",
    "Spans",
    "benjamini_hochberg",
    "choose_spans",
    "compare",
    "count_spans",
    "dispersion",
    "sizes_to_weights",
    "upper_tail",
]

_Z95 = 1.959963984540054
_MAX_GROWTH = 50.0
_PRIOR = 1.0  # standard deviation of log growth among all trends, by far

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Which windows are compared.

    Attributes:
        block: (windows,) int64: 0 the last span, 1.. the spans before, -1 not compared.
        seasonal: Whether the past is the same season a year before.
        length: Windows in the last span.
    """

    block: Ints
    seasonal: bool
    length: int


def choose_spans(windows: int, *, length: int, least: int, year: int) -> Spans:
    """Returns what is compared with the last windows.

    Where `least` windows or more are known twice: the last `length` ones (fewer where less is known a year before) against
    exactly the same a year before. Otherwise the last windows, at most a third of all, against all before them, cut into
    spans of the same length, as people are counted once a span.
    """
    block = np.full(windows, -1, dtype=np.int64)
    known = min(length, windows - year)
    if known >= least:
        block[windows - year - known : windows - year] = 1
        block[windows - known :] = 0
        return Spans(block=block, seasonal=True, length=known)
    length = max(1, min(length, windows // 3))
    spans = (windows - length) // length
    block[windows - length - spans * length : windows - length] = np.repeat(np.arange(spans, 0, -1), length)
    block[windows - length :] = 0
    return Spans(block=block, seasonal=False, length=length)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Growth of each trend and how sure it is; arrays (trends,).

    Attributes:
        growth: Rate now over rate before, 1 is unchanged; nan where nothing can be compared.
        low: Lower end of its 95 % interval.
        high: Upper end.
        z: Signed evidence in standard deviations, with over-dispersion.
        now: People in the last span.
        past: People in the spans before, summed over spans.
        weight: Information about the log growth, in people.
    """

    growth: Floats
    low: Floats
    high: Floats
    z: Floats
    now: Floats
    past: Floats
    weight: Floats


def count_spans(
    trend: Ints, block: Ints, voice: Ints, stratum: NDArray[np.int32], *, trends: int
) -> tuple[Floats, Floats]:
    """Returns two arrays (trends, strata): people in block 0, and people summed over the blocks from 1 on."""
    strata = int(stratum.max(initial=0)) + 1
    people = max(len(stratum), 1)
    used = block >= 0
    key = np.unique((trend[used] * 2**12 + block[used]) * people + voice[used])
    cell, who = np.divmod(key, people)
    at, part = np.divmod(cell, 2**12)
    flat = at * strata + stratum[who]
    size = trends * strata
    now = np.bincount(flat[part == 0], minlength=size).reshape(trends, strata)
    past = np.bincount(flat[part > 0], minlength=size).reshape(trends, strata)
    return now.astype(np.float64), past.astype(np.float64)


def compare(now: Floats, past: Floats, exposure_now: Floats, exposure_past: Floats, *, phi: Floats) -> Evidence:
    """Returns the growth within strata of counts (trends, strata) under exposures (strata,).

    Strata without exposure on either side say nothing. The ratio is Mantel and Haenszel's with half a person added on
    either side; its evidence is the signed root of the conditional binomial deviance, over the square root of
    `phi`, the over-dispersion of each trend.
    """
    both = (exposure_now > 0) & (exposure_past > 0)
    e_now, e_past = exposure_now[both], exposure_past[both]
    total = e_now + e_past
    n_now, n_past = now[:, both], past[:, both]
    share = np.divide(e_now, total, out=np.zeros_like(total), where=total > 0)
    events = (n_now + n_past).sum(axis=1)
    expected = ((n_now + n_past) * share).sum(axis=1)
    weight = ((n_now + n_past) * share * (1 - share)).sum(axis=1)
    observed = n_now.sum(axis=1)
    overall = e_now.sum() / max(total.sum(), 1e-9) if both.any() else 0.5
    # half a person on either side, spread as the exposure is
    upper = (n_now * (1 - share)).sum(axis=1) + 0.5 * (1 - overall)
    lower = (n_past * share).sum(axis=1) + 0.5 * overall
    known = np.full(len(now), bool(both.any()))
    log_growth = np.log(upper / lower)
    # Robins, Breslow and Greenland 1986, Biometrics 42:311, for rates
    variance = (weight + overall * (1 - overall)) / (upper * lower)
    spread = phi * variance
    kept = 1 / (1 + spread / _PRIOR**2)  # a weak prior around no change limits what few people can say
    log_growth, spread = log_growth * kept, np.sqrt(spread * kept)
    expected_now = np.clip(expected, 1e-9, None)
    expected_past = np.clip(events - expected, 1e-9, None)
    rest = events - observed
    deviance = 2 * (_xlogy(observed, observed / expected_now) + _xlogy(rest, rest / expected_past))
    z = np.sign(observed - expected) * np.sqrt(np.clip(deviance, 0, None) / phi)
    limit = np.log(_MAX_GROWTH)
    nothing = np.where(known, 0.0, np.nan)
    return Evidence(
        growth=np.exp(np.clip(log_growth, -limit, limit)) + nothing,
        low=np.exp(np.clip(log_growth - _Z95 * spread, -2 * limit, limit)) + nothing,
        high=np.exp(np.clip(log_growth + _Z95 * spread, -limit, 2 * limit)) + nothing,
        z=np.where(known & (events > 0), z, 0.0),
        now=observed,
        past=n_past.sum(axis=1),
        weight=weight,
    )


def _xlogy(x: Floats, ratio: Floats) -> Floats:
    return np.where(x > 0, x * np.log(np.where(ratio > 0, ratio, 1.0)), 0.0)


def dispersion(counts: Ints, exposure: Floats) -> Floats:
    """Returns the over-dispersion (trends,), 1 or more, of weekly counts (trends, windows) under exposure (windows,).

    Squared differences of the rates of neighbouring windows over what Poisson counts give, drawn towards the
    median of all trends with the weight of ten windows.
    """
    good = (exposure[1:] > 0) & (exposure[:-1] > 0)
    if not good.any() or not len(counts):
        return np.ones(len(counts))
    safe = np.where(exposure > 0, exposure, 1.0)
    rate = counts / safe
    gap = ((rate[:, 1:] - rate[:, :-1]) ** 2)[:, good]
    level = ((counts[:, 1:] + counts[:, :-1]) / (safe[1:] + safe[:-1]))[:, good]
    usual = level * (1 / safe[1:] + 1 / safe[:-1])[good]
    used = usual > 0
    ratio = np.where(used, gap, 0.0).sum(axis=1) / np.maximum(usual.sum(axis=1), 1e-12)
    # two neighbouring counts that sum to n differ by sqrt(n) on average: no correction for the mean is needed
    steps = used.sum(axis=1) / 1.5
    pooled = float(np.median(ratio[steps >= 4])) if (steps >= 4).any() else 1.0
    drawn: Floats = (ratio * steps + pooled * 10) / (steps + 10)
    return np.maximum(drawn, 1.0)


def benjamini_hochberg(p: Floats) -> Floats:
    """Returns the q-values of p-values (Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57:289), in the same order."""
    if not len(p):
        return p.copy()
    order = np.argsort(p, kind="stable")
    raised = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.minimum.accumulate(raised[::-1])[::-1]
    out = np.empty_like(p)
    out[order] = np.minimum(q, 1.0)
    return out


def sizes_to_weights(expected: Floats, *, level: float) -> Floats:
    """Returns weights of mean 1 for p-values, best where effects of `expected` standard deviations are looked for.

    Where an effect could hardly be seen, or could not be missed, a test needs little of the level at which tests pass.
    The weights rest on sizes alone, so that p-values over them control false discoveries as before (Genovese, Roeder and
    Wasserman 2006, Biometrika 93:509; Roeder and Wasserman 2009, Stat. Sci. 24:398, equation 5).
    """
    if not len(expected):
        return expected.copy()
    size = np.maximum(expected, 0.1)
    low, high = -100.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        wide = upper_tail(size / 2 + middle / size).mean() > level
        low, high = (middle, high) if wide else (low, middle)
    found = upper_tail(size / 2 + low / size)
    weights: Floats = np.maximum(found / found.mean(), 1e-6)
    return weights


def upper_tail(z: Floats) -> Floats:
    """Returns the probability of a standard normal above z."""
    return np.array([erfc(value / sqrt(2)) / 2 for value in z.ravel().tolist()], dtype=np.float64).reshape(z.shape)
