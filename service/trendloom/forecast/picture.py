"""A page that shows the best, the middle and the worst forecast of a backtest, as drawn lines; no script, no network."""

from __future__ import annotations

from html import escape

import numpy as np

from trendloom.forecast.backtest import Backtest, Replay
from trendloom.forecast.metrics import Floats64
from trendloom.forecast.panel import Panel

__all__ = ["page"]

_WIDE, _HIGH, _LEFT, _BELOW = 860, 240, 60, 24  # pixels
_STYLE = """body{font:15px system-ui,sans-serif;max-width:900px;margin:2em auto;color:#222}
h2{font-size:16px;margin:1.6em 0 .2em}p{margin:.2em 0;color:#555}svg{width:100%;height:auto}
.past{stroke:#222}.truth{stroke:#222;stroke-dasharray:3 2}.said{stroke:#b3261e}.naive{stroke:#8a8a8a}
.band{fill:#b3261e;opacity:.15}path{fill:none;stroke-width:1.4}text{font-size:11px;fill:#555}line{stroke:#ccc}"""


def page(panel: Panel, found: Backtest) -> str:
    """Returns HTML with three series of the latest origin: best, median and worst by their error over all origins."""
    replay = found.replays[0]
    errors = np.where(np.isfinite(replay.found.point).all(axis=0), found.by_series, np.nan)
    order = [int(i) for i in np.argsort(errors) if np.isfinite(errors[i])]
    shown = [("Best", order[0]), ("Median", order[len(order) // 2]), ("Worst", order[-1])] if order else []
    parts = [
        f"<h2>{title}: {escape(panel.names[i])}</h2><p>MASE over {len(found.replays)} origins {errors[i]:.2f}; "
        f"{escape(replay.found.models[i])}</p>{_chart(panel, replay, i)}"
        for title, i in shown
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Backtest</title>"
        f"<style>{_STYLE}</style><h1>Backtest</h1><p>Black: observed, dashed after the origin. Red: forecast with its 80 % "
        f"interval. Grey: seasonal naive.</p>{''.join(parts)}</html>\n"
    )


def _chart(panel: Panel, replay: Replay, column: int) -> str:
    """Returns an SVG of the last two years before the origin, and of what was forecast and happened."""
    past = panel.values[max(0, replay.origin - 2 * panel.rhythm.season) : replay.origin, column]
    said, truth = replay.found.point[:, column], replay.truth[:, column]
    low, high = replay.found.quantiles[1, :, column], replay.found.quantiles[2, :, column]
    naive = replay.found.rivals.get("seasonal-naive")
    plain = naive[0][:, column] if naive is not None else np.full(len(said), np.nan)
    count = len(past) + len(said)
    everything = np.concatenate([past, said, truth, high, plain])
    top = float(np.nanmax(everything)) or 1.0
    bottom = min(0.0, float(np.nanmin(np.concatenate([everything, low]))))

    def at(place: float, value: float) -> str:
        x = _LEFT + (_WIDE - _LEFT) * place / max(count - 1, 1)
        y = (_HIGH - _BELOW) * (1 - (value - bottom) / (top - bottom))
        return f"{x:.1f},{y:.1f}"

    def line(kind: str, values: Floats64, first: int) -> str:
        points = [at(first + i, v) for i, v in enumerate(values) if np.isfinite(v)]
        return f"<path class='{kind}' d='M{' L'.join(points)}'/>" if points else ""

    start = len(past)
    edge = [at(start + i, v) for i, v in enumerate(high)] + [
        at(start + i, v) for i, v in reversed(list(enumerate(low)))
    ]
    first = panel.dates[replay.origin - len(past)]
    x = _LEFT + (_WIDE - _LEFT) * start / max(count - 1, 1)
    return (
        f"<svg viewBox='0 0 {_WIDE} {_HIGH}' role='img'><line x1='{x:.0f}' y1='0' x2='{x:.0f}' y2='{_HIGH - _BELOW}'/>"
        f"<path class='band' style='fill:#b3261e' d='M{' L'.join(edge)}Z'/>"
        + line("past", past, 0)
        + line("truth", truth, start)
        + line("naive", plain, start)
        + line("said", said, start)
        + f"<text x='2' y='12'>{top:.3g}</text><text x='2' y='{_HIGH - _BELOW}'>{bottom:.3g}</text>"
        f"<text x='{_LEFT}' y='{_HIGH - 6}'>{first}</text><text x='{x:.0f}' y='{_HIGH - 6}'>{replay.found.dates[0]}</text></svg>"
    )
