"""The reading side of forecasts: what was frozen for the current study, for a segment on request, and the ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from trendloom.errors import NotEnoughData
from trendloom.pipeline.ledger import ENTRY, NUMBERS, frozen, issued, judged, public, report_of
from trendloom.pipeline.materials import Materials, catalogue_stamp, materials
from trendloom.pipeline.memo import Memo
from trendloom.pipeline.publishing import publish
from trendloom.pipeline.study import Results
from trendloom.store import Workspace

__all__ = ["ForecastViews", "Outlook"]

_TRENDS = 200  # of a segment that are forecast together
_CACHED = 16
_NOT_MADE = "this result was made without forecasts: `trendloom ledger --issue` makes them"
_FEW = "too few people show it to publish numbers"
_FEW_IN_SEGMENT = "too few people show it in this segment to publish numbers"


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The year ahead of one trend.

    Attributes:
        rows: window_start, windows, point, low_80, high_80, low_95, high_95, naive, suppressed; none where there is no
            forecast. Of a trend whose history is published in blocks the means of quarters, in the unit of its blocks.
        model: What the forecast is: combined, seasonal-naive, young or constant; None without one.
        reason: Why there is none.
        issued: Day from which on nothing was known.
        peaks: Probability that the trend peaks within so many weeks, None where too few outcomes are known.
        held: For the same weeks how such probabilities held where they had not been learned.
    """

    rows: pl.DataFrame
    model: str | None
    reason: str | None
    issued: date | None
    peaks: dict[int, float | None]
    held: dict[int, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Made:
    """All published rows of a forecast, and the report on it."""

    rows: pl.DataFrame
    report: Mapping[str, Any]


class ForecastViews:
    """One per process; safe to use from several threads."""

    def __init__(
        self,
        workspace: Workspace,
        found: Callable[[Mapping[str, str] | None], Results],
        history: Callable[[Mapping[str, str] | None], pl.DataFrame],
        *,
        k: int = 10,
        models_dir: Path | None = None,
    ) -> None:
        self._workspace, self._found, self._history, self._k = workspace, found, history, k
        self._models_dir = models_dir
        self._lock = threading.Lock()
        self._made: Memo[_Made] = Memo(_CACHED)
        self._judged: tuple[str | None, pl.DataFrame] | None = None
        self._materials: tuple[tuple[object, ...], Materials] | None = None

    def trend(self, trend_id: str, *, segment: Mapping[str, str] | None = None) -> Outlook:
        """Returns the forecast of one trend; of a segment it is made on the first request and then kept."""
        found = self._found(segment)
        row = publish(found.trends.filter(pl.col("trend_id") == trend_id), "trends", self._k)
        if row.is_empty() or row["suppressed"][0] or not row["authors"][0]:
            return _without(_FEW_IN_SEGMENT if segment else _FEW)
        made = self._forecast(segment)
        rows = made.rows.filter(pl.col("trend_id") == trend_id)
        if rows.is_empty():
            return _without(str(made.report["reasons"].get(trend_id, _NOT_MADE)))
        rows = self._in_unit(rows.filter(pl.col("windows") == pl.col("windows").min()), segment)
        first = rows.row(0, named=True)
        held = made.report["chosen"].get("turning points, on origins held out", {})
        return Outlook(
            rows=rows,
            model=str(first["model"]),
            reason=None,
            issued=first["issued"],
            peaks={weeks: first[f"peak_{weeks}"] for weeks in (13, 26, 52)},
            held={weeks: held.get(f"within {weeks} weeks", {"rows": 0}) for weeks in (13, 26, 52)},
        )

    def _in_unit(self, rows: pl.DataFrame, segment: Mapping[str, str] | None) -> pl.DataFrame:
        """Returns the rows of one trend on the scale of its published history.

        A share of the people of thirteen weeks is larger than that of one week's. What it is times as large is taken from
        the blocks that are published and the windows in them.
        """
        trend = rows.select("trend_id").unique()
        blocks = publish(self._blocks(segment).join(trend, on="trend_id", how="semi"), "series", self._k)
        blocks = blocks.filter(pl.col("windows") > 1).sort("window_start")
        if blocks.is_empty():
            return rows
        weeks = self._found(segment).series.join(trend, on="trend_id", how="semi").sort("window_start")
        inside = weeks.select("window_start", weekly="share").join_asof(
            blocks.select("window_start", block="share"), on="window_start"
        )
        sums = inside.drop_nulls().select("weekly", "block").sum().row(0)
        if not sums[0]:
            return rows
        return rows.with_columns((pl.col(*NUMBERS) * (sums[1] / sums[0])).clip(upper_bound=1.0))

    def _blocks(self, segment: Mapping[str, str] | None) -> pl.DataFrame:
        """Returns the history as it is published, with the length of its blocks."""
        rows = self._history(segment)
        return rows if "windows" in rows.columns else rows.with_columns(pl.lit(1).alias("windows"))

    def ledger(self) -> pl.DataFrame:
        """Returns the forecasts whose windows have begun to pass beside what happened, misses first."""
        run = self._workspace.current_run()
        if self._judged is None or self._judged[0] != run:
            found = self._found(None)
            self._judged = (run, judged(self._workspace, found, self._k))
        return self._judged[1]

    def materials(self) -> Materials:
        """Returns shares, growth and the coming quarter by material.

        Raises:
            NotEnoughData: No study was made yet, or no post has a time.
        """
        stamp = (self._workspace.current_run(), catalogue_stamp(self._workspace))
        with self._lock:
            if self._materials is None or self._materials[0] != stamp:
                self._materials = (stamp, materials(self._workspace, k=self._k, models_dir=self._models_dir))
            return self._materials[1]

    def entries(self) -> pl.DataFrame:
        """Returns a row per forecast that was issued: issued, run, trends, first and last window; the latest first."""
        start = pl.col("window_start")
        rows = frozen(self._workspace).group_by("issued", "run")
        made = rows.agg(
            pl.col("trend_id").n_unique().alias("trends"), start.min().alias("first"), start.max().alias("last")
        )
        return made.sort("issued", "run", descending=True)

    def _forecast(self, segment: Mapping[str, str] | None) -> _Made:
        run = self._workspace.current_run() or ""
        return self._made.get(
            (run, tuple(sorted((segment or {}).items()))),
            lambda: self._segment(segment, run) if segment else self._frozen(run),
            keep=lambda made: bool(segment) or not made.rows.is_empty(),  # they may be issued at any time
        )

    def _frozen(self, run: str) -> _Made:
        found = self._found(None)
        rows = public(issued(self._workspace, run), found, self._blocks(None), self._k)
        return _Made(rows=rows, report=report_of(self._workspace, run))

    def _segment(self, segment: Mapping[str, str], run: str) -> _Made:
        """Returns the forecast of a segment's strongest trends among those that enough people in it show."""
        from trendloom.pipeline.issuing import continued, entries, panel_of_trends  # noqa: PLC0415  it loads the trees

        found = self._found(segment)
        shown = publish(found.trends, "trends", self._k).filter(~pl.col("suppressed") & (pl.col("authors") > 0))
        names = shown.sort("rank").head(_TRENDS).select("trend_id", "label")
        series = found.series.join(names, on="trend_id", how="semi")
        try:
            panel = panel_of_trends(series)
            said = continued(panel, found.step)
        except NotEnoughData as reason:
            empty = pl.DataFrame(schema={**ENTRY, "suppressed": pl.Boolean()})
            return _Made(rows=empty, report=_reasons(dict.fromkeys(names["trend_id"], str(reason))))
        rows = entries(said, panel, labels=dict(names.iter_rows()), day=found.now, run=run)
        left = dict.fromkeys(shown["trend_id"], f"of a segment the {_TRENDS} strongest trends are forecast")
        report = {**_reasons({**left, **said.reasons}), "chosen": said.facts}
        return _Made(rows=public(rows, found, self._blocks(segment), self._k), report=report)


def _reasons(reasons: Mapping[str, str]) -> dict[str, Any]:
    return {"reasons": dict(reasons), "chosen": {}}


def _without(reason: str) -> Outlook:
    """Returns that there is no forecast, and why."""
    return Outlook(
        rows=pl.DataFrame(schema={**ENTRY, "suppressed": pl.Boolean()}),
        model=None,
        reason=reason,
        issued=None,
        peaks=dict.fromkeys((13, 26, 52)),
        held={weeks: {"rows": 0} for weeks in (13, 26, 52)},
    )
