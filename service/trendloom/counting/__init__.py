"""Posts and memberships to counts per trend and window: unique authors, copies collapsed, shares with intervals."""

from trendloom.counting.attributes import asked_values, attribute_members, how_probable
from trendloom.counting.copies import copy_groups, near_pairs
from trendloom.counting.parts import PARTS, posts_showing
from trendloom.counting.shares import wilson
from trendloom.counting.tally import Tally, tally
from trendloom.counting.windows import Step, Windows, choose_windows, plausible, step_named, window_start

__all__ = [
    "PARTS",
    "Step",
    "Tally",
    "Windows",
    "asked_values",
    "attribute_members",
    "choose_windows",
    "copy_groups",
    "how_probable",
    "near_pairs",
    "plausible",
    "posts_showing",
    "step_named",
    "tally",
    "wilson",
    "window_start",
]
