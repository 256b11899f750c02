"""Small pictures made on the server: sparklines, intervals, and the chart for readers without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from trendloom.web.forecast_schemas import Ahead
from trendloom.web.schemas import Group, Point, Trend
from trendloom.web.words import day, percent

__all__ = ["Dots", "chart", "growth_axis", "growth_dot", "share_dots", "sparkline", "sparse", "top_of"]

_GROWTH_LOW, _GROWTH_HIGH = 0.25, 8.0

_WITHHELD = 0.25

Place = tuple[float, float]


def _path(places: Sequence[Place | None]) -> str:
    """Returns the path through the places; None lifts the pen."""
    words, down = [], False
    for at, place in enumerate(places):
        if place is not None:
            words.append(f"{'L' if down else 'M'}{place[0]:.4g} {place[1]:.4g}")
            if not down and (at + 1 == len(places) or places[at + 1] is None):
                words.append("h0")  # a lone point: a dot, by the round ends of the line
        down = place is not None
    return "".join(words)


def _band(low: Sequence[Place | None], high: Sequence[Place | None]) -> str:
    """Returns the closed path between two lines where both are known."""
    both = [(a, b) for a, b in zip(low, high, strict=True) if a is not None and b is not None]
    if len(both) < 2:
        return ""
    return _path([b for _, b in both]) + "".join(f"L{x:.4g} {y:.4g}" for (x, y), _ in reversed(both)) + "Z"


def sparse(shares: Sequence[float | None]) -> bool:
    """Returns whether so much of a history is withheld that its line would mislead: what is left is mostly the zeros."""
    return sum(share is None for share in shares) > _WITHHELD * len(shares)


def sparkline(shares: Sequence[float | None], *, year: int, stage: str, width: int = 132, height: int = 34) -> Markup:
    """Returns the last year of a trend's share, the year before in grey behind it, as inline SVG.

    Args:
        shares: By window, oldest first; None is withheld.
        year: Windows in a year.
        stage: Whose colour the line has.
        width: In pixels.
        height: In pixels.
    """
    now = list(shares[-year:])
    then = [*([None] * max(0, 2 * len(now) - len(shares))), *shares[: -len(now)][-len(now) :]] if now else []
    if not now or sparse(now):
        return Markup('<span class="quiet">too few to draw</span>')
    known = [v for v in (*now, *then) if v is not None]
    top = max(known) or 1.0
    step = (width - 6) / max(len(now) - 1, 1)

    def line(values: Sequence[float | None]) -> list[Place | None]:
        return [
            None if v is None else (2 + at * step, height - 2 - v / top * (height - 6)) for at, v in enumerate(values)
        ]

    places = [p for p in line(now) if p is not None]
    said = "Share of people over the last year"
    seen = [v for v in now if v is not None]
    said += f", from {percent(seen[0])} to {percent(seen[-1])}" if seen else ""
    dot = f'<circle cx="{places[-1][0]:.4g}" cy="{places[-1][1]:.4g}" r="2.5"/>' if places else ""
    return Markup(
        f'<svg class="spark s-{escape(stage)}" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(said)}"><path class="then" d="{_path(line(then))}"/>'
        f'<path class="now" d="{_path(line(now))}"/>{dot}</svg>'
    )


def _log_x(value: float, width: float) -> float:
    """Returns the place of a growth on a doubling scale from a quarter to eight times."""
    part = math.log(min(max(value, _GROWTH_LOW), _GROWTH_HIGH) / _GROWTH_LOW) / math.log(_GROWTH_HIGH / _GROWTH_LOW)
    return 3 + part * (width - 6)


def growth_dot(row: Trend | Group, *, stage: str, width: int = 130, height: int = 14) -> Markup:
    """Returns growth and its interval on a doubling scale that all rows share; a line stands at unchanged."""
    if row.growth is None or row.growth_low is None or row.growth_high is None:
        return Markup("")
    one, low, at, high = (_log_x(v, width) for v in (1.0, row.growth_low, row.growth, row.growth_high))
    middle = height / 2
    return Markup(
        f'<svg class="dot s-{escape(stage)}" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'aria-hidden="true"><path class="one" d="M{one:.4g} 0V{height}"/>'
        f'<path class="range" d="M{low:.4g} {middle:.4g}H{high:.4g}"/>'
        f'<circle cx="{at:.4g}" cy="{middle:.4g}" r="3.5"/></svg>'
    )


def growth_axis(width: int = 130, height: int = 16) -> Markup:
    """Returns the scale of `growth_dot` for the head of a column."""
    marks = "".join(
        f'<text x="{_log_x(at, width):.4g}" y="{height - 4}" text-anchor="middle">{said}</text>'
        for at, said in ((0.5, "½"), (1.0, "×1"), (2.0, "×2"), (4.0, "×4"))
    )
    return Markup(
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">{marks}</svg>'
    )


@dataclass(frozen=True, kw_only=True)
class Dots:
    """A row of a small multiple and its picture."""

    row: Group
    picture: Markup


def top_of(rows: Sequence[Group]) -> float:
    """Returns the largest upper end of the rows' shares, for one scale over several multiples."""
    return max((r.share_high for r in rows if r.share_high is not None), default=0.0)


def share_dots(rows: Sequence[Group], *, stage: str, top: float, width: int = 146, height: int = 16) -> list[Dots]:
    """Returns shares with their intervals on one scale from zero to `top`."""
    out = []
    for row in rows:
        picture = Markup("")
        if row.share is not None and top > 0:
            low, at, high = (
                3 + (v if v is not None else row.share) / top * (width - 8)
                for v in (row.share_low, row.share, row.share_high)
            )
            picture = Markup(
                f'<svg class="dot s-{escape(stage)}" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
                f'aria-hidden="true"><path class="one" d="M3 0V{height}"/>'
                f'<path class="range" d="M{low:.4g} {height / 2:.4g}H{high:.4g}"/>'
                f'<circle cx="{at:.4g}" cy="{height / 2:.4g}" r="4"/></svg>'
            )
        out.append(Dots(row=row, picture=picture))
    return out


def _nice(top: float) -> float:
    """Returns a round step that cuts `top` into three to six."""
    raw = max(top, 1e-6) / 4
    size = 10.0 ** math.floor(math.log10(raw))
    return next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw)


def _year_marks(starts: Sequence[date]) -> list[date]:
    """Returns the windows in which a quarter begins."""
    marks, seen = [], ""
    for start in starts:
        quarter = f"{start.year}-{(start.month - 1) // 3}"
        if seen and quarter != seen:
            marks.append(start)
        seen = quarter
    return marks


def chart(
    points: Sequence[Point],
    *,
    year: int,
    stage: str,
    ahead: Sequence[Ahead] = (),
    width: int = 1000,
    height: int = 320,
) -> Markup:
    """Returns the whole history with its band, the year before in grey, and the forecast, for readers without scripts."""
    values = [v for p in points for v in (p.share, p.share_high) if v is not None]
    if not values:
        return Markup("")
    values += [v for w in ahead for v in (w.point, w.high_80) if v is not None]
    step_up = _nice(max(values))
    top = math.ceil(max(values) / step_up) * step_up
    left, bottom = 48, 26
    starts = [p.window_start for p in points] + [w.window_start for w in ahead]
    days = max((starts[-1] - starts[0]).days, 1)

    def place(start: date, value: float) -> Place:
        x = left + (start - starts[0]).days / days * (width - left - 8)
        return x, (height - bottom) - min(value, top) / top * (height - bottom - 8)

    def line(field: str, back: int = 0) -> list[Place | None]:
        read = [None] * back + [getattr(p, field) for p in points]
        return [None if v is None else place(start, v) for start, v in zip(starts, read[: len(points)], strict=False)]

    def coming(field: str) -> list[Place | None]:
        return [None if (v := getattr(w, field)) is None else place(w.window_start, v) for w in ahead]

    parts = []
    for number in range(round(top / step_up) + 1):
        y = place(starts[0], number * step_up)[1]
        parts.append(f'<path class="one" d="M{left} {y:.4g}H{width - 8}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.4g}" text-anchor="end">{percent(number * step_up)}</text>')
    for start in _year_marks(starts)[:: 1 if len(starts) < 120 else 2]:
        parts.append(f'<text x="{place(start, 0)[0]:.4g}" y="{height - 6}" text-anchor="middle">{start:%b %Y}</text>')
    for low, high in (("low_95", "high_95"), ("low_80", "high_80")) if ahead else ():
        parts.append(f'<path class="band" d="{_band(coming(low), coming(high))}"/>')
    if ahead:
        x = place(ahead[0].window_start, 0)[0]
        parts.append(f'<path class="issued" d="M{x:.4g} 0V{height - bottom}"/>')
        parts.append(f'<path class="now ahead" d="{_path(coming("point"))}"/>')
    said = f"Share of people, {day(points[0].window_start)} to {day(points[-1].window_start)}"
    said += f", and its forecast to {day(ahead[-1].window_start)}" if ahead else ""
    return Markup(
        f'<svg class="chart s-{escape(stage)}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f'{"".join(parts)}<path class="band" d="{_band(line("share_low"), line("share_high"))}"/>'
        f'<path class="then" d="{_path(line("share", year))}"/>'
        f'<path class="now" d="{_path(line("share"))}"/></svg>'
    )
