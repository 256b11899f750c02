"""Forecasts of many series at once, with intervals that were measured. Pure: tables in, values out."""

from __future__ import annotations

from trendloom.forecast.backtest import MEASURES, Backtest, Replay, Score, backtest
from trendloom.forecast.forecasting import Forecasts, forecast
from trendloom.forecast.panel import Panel, Table, panel_of, read_panel
from trendloom.forecast.picture import page
from trendloom.forecast.signals import Signal, align

__all__ = [
    "MEASURES",
    "Backtest",
    "Forecasts",
    "Panel",
    "Replay",
    "Score",
    "Signal",
    "Table",
    "align",
    "backtest",
    "forecast",
    "page",
    "panel_of",
    "read_panel",
]
