"""How good are forecasts on public series, beside seasonal naive and published models?

    python benchmarks/forecast.py FOLDER [--quick]

FOLDER holds the series, which come from elsewhere and are not part of this project: f1_main_100_sequences.csv and
f1_fashion_forward_100_sequences.csv (HERMES, github.com/etidav/HERMES), us_female_sneakers.csv (59 of the series of
github.com/etidav/is_fashion_predictable_foundation_models), google_trends_fashion_weekly.csv (garments of
github.com/matbmeijer/covid19_fashion_trends). The seasonal-naive figures are checked first: .8763, 1.1037, 1.0274.
Emergence: areas under the ROC curve of the score that orders series by how likely their coming year is a tenth (a quarter)
above the last. Origins are 0, 13, 26, 39 weeks before the last that leaves 52 weeks to test; each forecast sees its past alone.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from trendloom.forecast import Backtest, Panel, Signal, align, backtest
from trendloom.forecast.engine import Engine
from trendloom.forecast.forecasting import grid_of
from trendloom.forecast.growing import MARKS, growing_chances
from trendloom.forecast.prepare import prepare
from trendloom.forecast.signals import at_origin
from trendloom.pipeline.forecasting import load_panel

NAIVE = {"hermes": 0.8763, "sneakers": 1.1037, "google": 1.0274}
FILES = {
    "hermes": "f1_main_100_sequences.csv",
    "sneakers": "us_female_sneakers.csv",
    "google": "google_trends_fashion_weekly.csv",
}
SIGNAL = "f1_fashion_forward_100_sequences.csv"


def measure(title: str, panel: Panel, origins: int, signal: Signal | None = None) -> None:
    start = time.process_time()
    found = backtest(panel, 52, origins=origins, signals=[signal] if signal else [], clock=time.process_time)
    took = time.process_time() - start
    first = found.replays[0].measures
    naive = float(np.nanmean(first["seasonal-naive"]["mase"]))
    expected = NAIVE[title.split(maxsplit=1)[0]]
    assert abs(naive - expected) < 0.0005, f"the metric is off: seasonal naive {naive:.4f}, known {expected}"
    print(f"{title}: {len(panel.names)} series, {len(found.replays)} origins, {took:.0f} CPU seconds")
    rows(found)


def rows(found: Backtest) -> None:
    print("  model           MASE k=0  mean  by origin                 classes k=0  mean  80 %   width  95 %")
    for model, scores in found.scores.items():
        by = [float(np.nanmean(r.measures[model]["mase"])) for r in found.replays]
        classes = float(np.nanmean(found.replays[0].measures[model]["accuracy"]))
        print(
            f"  {model:15} {by[0]:.4f}  {np.mean(by):.4f}  {' '.join(f'{b:.3f}' for b in by):27} {classes:.3f}  "
            f"{scores['accuracy'].middle:.3f}  {scores['coverage_80'].middle:.3f}  {scores['width_80'].middle:.2f}  "
            f"{scores['coverage_95'].middle:.3f}"
        )
    mase = found.scores["trendloom"]["mase"]
    print(f"  interval of the mean over series {mase.low:.3f} - {mase.high:.3f}", flush=True)


def emergence(title: str, panel: Panel, signal: Signal | None, origins: int) -> None:
    """Prints how well growth of the coming year is told from the past alone, over all origins."""
    scores, truth = [], []
    for number in range(origins):
        known = len(panel.dates) - 52 - 13 * number
        cut = replace(panel, dates=panel.dates[:known], values=panel.values[:known])
        grid = grid_of(cut, prepare(cut), [at_origin(signal, panel, known, 52)] if signal else [], 52, 0)
        scores.append(growing_chances(Engine(grid)).score)
        truth.append(panel.values[known : known + 52].mean(axis=0) / panel.values[known - 52 : known].mean(axis=0) - 1)
    score, grew = np.concatenate(scores), np.concatenate(truth)
    areas = ", ".join(f"{mark:.0%} {roc_auc_score(grew > mark, score):.3f}" for mark in MARKS)
    print(
        f"emergence, {title}: {areas} ({', '.join(f'{(grew > mark).mean():.2f}' for mark in MARKS)} grow so)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="the last origin alone")
    args = parser.parse_args()
    origins = 1 if args.quick else 4
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, seed 0, one thread")
    panels = {name: load_panel(args.folder / file) for name, file in FILES.items()}
    measure("hermes", panels["hermes"], origins)
    lead, _ = align(load_panel(args.folder / SIGNAL), panels["hermes"])
    measure("hermes with the fashion-forward signal", panels["hermes"], origins, lead)
    measure("sneakers", panels["sneakers"], origins)
    measure("google", panels["google"], origins)
    emergence("hermes", panels["hermes"], None, origins)
    emergence("hermes with the fashion-forward signal", panels["hermes"], lead, origins)


if __name__ == "__main__":
    main()
