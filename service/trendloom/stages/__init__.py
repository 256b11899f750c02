"""Counts to stages: growth within strata, its interval, false discovery, one row per story."""

from trendloom.stages.counted import Counted
from trendloom.stages.evidence import benjamini_hochberg
from trendloom.stages.judge import MIN_PEOPLE, MIN_WINDOWS, STAGES, Study, compared, judge

__all__ = ["MIN_PEOPLE", "MIN_WINDOWS", "STAGES", "Counted", "Study", "benjamini_hochberg", "compared", "judge"]
