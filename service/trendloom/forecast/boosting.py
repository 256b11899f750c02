"""The global correction: gradient-boosted trees over all series say where the structural forecast errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from trendloom.forecast.metrics import Floats64

__all__ = ["Correction", "fit"]

Floats32 = NDArray[np.float32]
_CHUNK = 400_000  # rows predicted at once


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Trees that were fitted, and the features they use; `predict` gives the correction in units of each series' scale."""

    trees: tuple[HistGradientBoostingRegressor, ...]
    used: NDArray[np.bool_]

    def predict(self, features: Floats32) -> Floats64:
        """Returns (h, n) float64 for features (h, n, f)."""
        rows = features.reshape(-1, features.shape[-1])[:, self.used]
        found = np.zeros(len(rows))
        with threadpool_limits(limits=1):
            for start in range(0, len(rows), _CHUNK):
                part = slice(start, start + _CHUNK)
                for tree in self.trees:
                    found[part] += tree.predict(rows[part])
        return (found / len(self.trees)).reshape(features.shape[:2])


def fit(rows: Floats32, targets: Floats64, *, seed: int, models: int = 3) -> Correction:
    """Returns a correction learned from rows (r, f) and targets (r,), in units of each series' scale.

    Each of the models sees a random half of the rows; their mean is used. The loss is the absolute error, as in MASE.
    """
    trees = []
    used = np.asarray(np.isfinite(rows).any(axis=0))
    rows = rows[:, used]
    with threadpool_limits(limits=1):
        for number in range(models):
            chance = np.random.default_rng([seed, number])
            seen = chance.random(len(rows)) < 0.5
            tree = HistGradientBoostingRegressor(
                loss="absolute_error",
                learning_rate=0.1,
                max_iter=40,
                max_leaf_nodes=15,
                min_samples_leaf=int(np.clip(len(rows) // 100, 40, 400)),
                l2_regularization=10.0,
                max_features=0.5,
                max_bins=64,
                early_stopping=False,
                random_state=seed * 1000 + number,
            )
            trees.append(tree.fit(rows[seen], targets[seen]))
    return Correction(trees=tuple(trees), used=used)
