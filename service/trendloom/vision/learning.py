"""Labels and embeddings to a head: penalty, temperature and threshold from photos that were not learned from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import InputError, NotEnoughData
from trendloom.types import Floats
from trendloom.vision.heads import GROUP_NAME, Head, HeadScores, ValueScore
from trendloom.vision.labels import refuse_group
from trendloom.vision.logistic import Doubles, Integers, Linear, fit_linear, log_softmax

__all__ = ["MIN_PHOTOS", "Examples", "check_names", "fingerprint", "learn_head", "refused_names"]

MIN_PHOTOS = 8  # of a value
_FOLDS = 5
_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)  # strong first: each starts from the one before
_TRIED_ON = 3_000  # photos on which penalties are compared
_CHANCE = 1.645  # standard errors: one head in twenty on labels without meaning would pass
_CAUTION = 0.5  # standard errors
_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled photos: embeddings (n, dim) float32, a label each, and a number that photos of one origin share."""

    embeddings: Floats
    labels: Sequence[str]
    origins: Integers


def check_names(group: str, values: Sequence[str]) -> None:
    """Refuses names of a group and its values that cannot be used or ask about people.

    Raises:
        InputError: naming what cannot be used and why.
    """
    if not GROUP_NAME.fullmatch(group):
        raise InputError(
            f"--group: expected small letters, digits, - and _, at most 40, beginning with a letter, got {group!r}"
        )
    refuse_group(group, group.replace("_", " "), values, (), f"group {group}: ")


def refused_names(group: str, values: Sequence[str]) -> dict[str, str]:
    """Returns the values that ask about people, each with the reason; each is judged for itself, as a value of the group."""
    found: dict[str, str] = {}
    for value in values:
        try:
            check_names(group, (value,))
        except InputError as exc:
            found[value] = str(exc)
    return found


def learn_head(
    examples: Examples, *, group: str, model: str, precision: float = 0.8, version: int = 1, seed: int = 0
) -> Head:
    """Returns a head that tells the labels apart.

    Penalty, temperature and threshold are chosen on out-of-fold scores; `scores` uses for each photo a temperature and
    a threshold that were chosen without its fold.

    Args:
        examples: Embeddings and labels.
        group: Name of the new group.
        model: Name and version of the model that made the embeddings.
        precision: What sure values should reach, above 0 and below 1.
        version: Number of the fit.
        seed: Of the folds.

    Raises:
        InputError: a name cannot be used, or the precision is out of range.
        NotEnoughData: too few values or photos, nothing that can be told apart, or the precision is out of reach.
    """
    if not 0 < precision < 1:
        raise InputError(f"--precision: expected a number between 0 and 1, got {precision}")
    counts = Counter(examples.labels)
    values = tuple(sorted(counts))
    check_names(group, values)
    _check_support(counts)
    classes = np.asarray([values.index(label) for label in examples.labels], dtype=np.int64)
    fold = _folds(classes, examples.origins, _fold_count(classes, examples.origins, values), seed)
    penalty = _best_penalty(examples.embeddings, classes, fold, len(values), seed)
    fits: dict[int, Linear] = {}
    told = _out_of_fold(examples.embeddings, classes, fold, penalty=penalty, starts=fits)
    _check_use(told, classes)
    temperature = _temperature(told, classes)
    threshold = _threshold(_softmax(told / temperature), classes, precision)
    if threshold is None:
        best = _ranked(_softmax(told / temperature), classes)[1][MIN_PHOTOS - 1 :].max()
        raise NotEnoughData(
            f"group {group}: expected a confidence from which a share of {precision:.2f} is right, the best on photos not "
            f"learned from is {best:.2f}: label more photos, join values that look alike, or ask for a lower --precision"
        )
    return Head(
        group=group,
        version=version,
        model=model,
        values=values,
        linear=_mean(list(fits.values())),
        temperature=temperature,
        threshold=threshold,
        wanted=precision,
        penalty=penalty,
        learned_from=fingerprint(examples, model=model, precision=precision, seed=seed),
        scores=_scores(told, classes, fold, values, precision),
    )


def fingerprint(examples: Examples, *, model: str, precision: float, seed: int = 0) -> str:
    """Returns a digest (SHA-256) of everything that a head follows from: the same digest is the same head."""
    rows = hashlib.sha256(examples.embeddings.astype("<f4").tobytes() + examples.origins.astype("<i8").tobytes())
    said = {
        "model": model, "precision": precision, "seed": seed, "way": [2, _PENALTIES, _FOLDS, _TRIED_ON],
        "rows": rows.hexdigest(), "labels": list(examples.labels),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _mean(fits: Sequence[Linear]) -> Linear:
    """Returns the mean of the folds' scores, in float32 as it is stored.

    Temperature and threshold were chosen on scores of such fits; one more fit, on all photos, would be surer than they
    are: on made data it lost a hundredth of precision and of calibration, and gained no accuracy.
    """
    weights, bias = np.mean([fit.weights for fit in fits], axis=0), np.mean([fit.bias for fit in fits], axis=0)
    return Linear(weights=weights.astype("<f4").astype(np.float64), bias=bias.astype("<f4").astype(np.float64))


def _check_support(counts: Counter[str]) -> None:
    if len(counts) < 2:
        raise NotEnoughData(
            f"expected at least 2 values to tell apart, the usable labels have {len(counts)}: label photos of another value too"
        )
    if rare := {value: n for value, n in counts.items() if n < MIN_PHOTOS}:
        told = ", ".join(f"{value} {n}" for value, n in sorted(rare.items(), key=lambda pair: pair[1])[:8])
        raise NotEnoughData(
            f"expected at least {MIN_PHOTOS} photos of each value, got {told}: label more photos of these, "
            "or join or leave out these values"
        )


def _fold_count(classes: Integers, origins: Integers, values: Sequence[str]) -> int:
    """Returns the number of folds that every value can be spread over."""
    spread = [len(np.unique(origins[classes == n])) for n in range(len(values))]
    least = min(spread)
    if least < 3:
        raise NotEnoughData(
            f"expected photos of {values[spread.index(least)]!r} from at least 3 posts, got {least} (copies count once): "
            "label photos of other posts too"
        )
    return min(_FOLDS, least)


def _folds(classes: Integers, origins: Integers, count: int, seed: int) -> Integers:
    """Returns the fold (n,) of each photo: photos of one origin together, values spread evenly.

    Large origins go first, each into the fold that has fewest of its most frequent value.
    """
    _, origin, sizes = np.unique(origins, return_inverse=True, return_counts=True)
    tally = np.zeros((len(sizes), int(classes.max()) + 1), dtype=np.int64)
    np.add.at(tally, (origin, classes), 1)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((count, tally.shape[1]), dtype=np.int64)
    place = np.zeros(len(sizes), dtype=np.int64)
    for n in order:
        main = int(tally[n].argmax())
        place[n] = np.lexsort((held.sum(axis=1), held[:, main]))[0]
        held[place[n]] += tally[n]
    return np.asarray(place[origin], dtype=np.int64)


def _best_penalty(embeddings: Floats, classes: Integers, fold: Integers, count: int, seed: int) -> float:
    """Returns the penalty whose out-of-fold scores have the least log loss, after the best temperature."""
    rows = np.arange(len(classes))
    if len(rows) > _TRIED_ON:
        rows = np.sort(np.random.default_rng(seed).permutation(len(classes))[:_TRIED_ON])
        if len(np.unique(classes[rows])) < count:
            rows = np.arange(len(classes))
    starts: dict[int, Linear] = {}
    losses: list[float] = []
    for penalty in _PENALTIES:
        told = _out_of_fold(embeddings[rows], classes[rows], fold[rows], penalty=penalty, starts=starts)
        losses.append(_log_loss(told, classes[rows], _temperature(told, classes[rows])))
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break
    return _PENALTIES[int(np.argmin(losses))]


def _out_of_fold(
    embeddings: Floats, classes: Integers, fold: Integers, *, penalty: float, starts: dict[int, Linear] | None = None
) -> Doubles:
    """Returns scores (n, count): each photo's by a fit without its fold. `starts` is read and written."""
    known = starts if starts is not None else {}
    count = int(classes.max()) + 1
    told = np.zeros((len(classes), count))
    for n in np.unique(fold):
        out = fold == n
        known[int(n)] = fit_linear(embeddings[~out], classes[~out], count, penalty=penalty, start=known.get(int(n)))
        told[out] = known[int(n)].scores(embeddings[out])
    return told


def _softmax(scores: Doubles) -> Doubles:
    return np.exp(log_softmax(scores))


def _log_loss(scores: Doubles, classes: Integers, temperature: float) -> float:
    """Returns the mean log loss with one photo in n + 2 taken for wrong, so that a perfect split is not sure beyond that.

    (Platt 1999, Probabilistic Outputs for Support Vector Machines, 2.2)
    """
    told = log_softmax(scores / temperature)
    true = told[np.arange(len(classes)), classes]
    doubt = 1 / (len(classes) + 2)
    others = (told.sum(axis=1) - true) / (scores.shape[1] - 1)
    return -float(((1 - doubt) * true + doubt * others).mean())


def _temperature(scores: Doubles, classes: Integers) -> float:
    """Returns the temperature of least log loss (Guo et al. 2017, On Calibration of Modern Neural Networks, 4.2)."""
    low, high = np.log(0.05), np.log(20.0)
    for _ in range(4):
        grid = np.linspace(low, high, 17)
        best = int(np.argmin([_log_loss(scores, classes, float(np.exp(t))) for t in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 16)]
    return round(float(np.exp((low + high) / 2)), 4)


def _ranked(chances: Doubles, classes: Integers) -> tuple[Doubles, Doubles]:
    """Returns the confidences, highest first, and the share that is right of those down to each, cautiously.

    It is the lower end of Wilson's interval (1927) of half a standard error: the threshold is looked for where the share
    happens to be high.
    """
    confidence = chances.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    share = np.cumsum(chances.argmax(axis=1)[order] == classes[order]) / count
    spread = _CAUTION * np.sqrt(share * (1 - share) / count + _CAUTION**2 / (4 * count**2))
    return confidence[order], (share + _CAUTION**2 / (2 * count) - spread) / (1 + _CAUTION**2 / count)


def _threshold(chances: Doubles, classes: Integers, precision: float) -> float | None:
    """Returns the least confidence from which the wanted share is right, None where there is none."""
    confidence, share = _ranked(chances, classes)
    enough = share >= precision
    enough[: MIN_PHOTOS - 1] = False
    enough[:-1] &= confidence[1:] < confidence[:-1]  # equal confidences stand or fall together
    if not enough.any():
        return None
    n = int(np.flatnonzero(enough)[-1])
    below = confidence[n + 1] if n + 1 < len(confidence) else 0.0
    return round(float((confidence[n] + below) / 2), 6)


def _check_use(scores: Doubles, classes: Integers) -> None:
    """Refuses scores that tell no more than the most frequent value does (McNemar 1947, by the signs of the difference).

    Raises:
        NotEnoughData: with both shares.
    """
    right = scores.argmax(axis=1) == classes
    usual = classes == np.bincount(classes).argmax()
    gained, lost = int((right & ~usual).sum()), int((usual & ~right).sum())
    if gained - lost <= _CHANCE * np.sqrt(max(gained + lost, 1)):
        raise NotEnoughData(
            f"expected labels that can be seen in the photos, but on photos not learned from {right.mean():.2f} are named "
            f"right, and always naming the most frequent value gets {usual.mean():.2f}: label more photos, check the labels, "
            "or choose values that look different"
        )


def _scores(scores: Doubles, classes: Integers, fold: Integers, values: Sequence[str], precision: float) -> HeadScores:
    """Returns the report: temperature and threshold of each fold come from the other folds."""
    chances, sure = np.zeros_like(scores), np.zeros(len(classes), dtype=bool)
    for n in np.unique(fold):
        out = fold == n
        temperature = _temperature(scores[~out], classes[~out])
        chances[out] = _softmax(scores[out] / temperature)
        threshold = _threshold(_softmax(scores[~out] / temperature), classes[~out], precision)
        sure[out] = chances[out].max(axis=1) >= (2.0 if threshold is None else threshold)
    guess = chances.argmax(axis=1)
    right = guess == classes
    return HeadScores(
        photos=len(classes),
        folds=len(np.unique(fold)),
        accuracy=float(right.mean()),
        majority=float(np.bincount(classes).max() / len(classes)),
        ece=_ece(chances.max(axis=1), right),
        coverage=float(sure.mean()),
        precision=float(right[sure].mean()) if sure.any() else None,
        values=tuple(_value(value, (guess == n) & sure, classes == n) for n, value in enumerate(values)),
    )


def _value(value: str, given: NDArray[np.bool_], truly: NDArray[np.bool_]) -> ValueScore:
    hits = int((given & truly).sum())
    return ValueScore(
        value=value,
        support=int(truly.sum()),
        precision=hits / int(given.sum()) if given.any() else None,
        recall=hits / int(truly.sum()),
    )


def _ece(confidence: Doubles, right: NDArray[np.bool_]) -> float:
    """Returns the expected calibration error of the likeliest value, bins of equal width."""
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return float(np.abs(np.bincount(place, confidence - right)).sum() / len(right))
