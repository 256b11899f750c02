"""How many labelled events in hourly mentions are found, and how many alarms are none?

    python benchmarks/events.py FOLDER

FOLDER holds series that come from elsewhere: nab_twitter_volume_hourly.csv (mentions of companies by the hour, summed from
the Numenta Anomaly Benchmark, github.com/numenta/NAB) and nab_twitter_windows.csv (series, start, end of its labels).
Recall: windows that an event touches; precision: events that touch a window.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import polars as pl

from trendloom.pipeline.events import read_counts
from trendloom.stages.events import events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    read = read_counts(folder / "nab_twitter_volume_hourly.csv")
    windows = pl.read_csv(folder / "nab_twitter_windows.csv", try_parse_dates=True)
    times = [dt.datetime.fromisoformat(text) for text in read.times]
    hour = dt.timedelta(hours=1)
    touched = found = 0
    alarms = 0
    for name, counts in read.series.items():
        labels = windows.filter(series=name).select("start", "end").rows()
        spans = [(times[event.start], times[event.end] + hour) for event in events(counts, read.pace)]
        found += sum(any(begin <= stop and end >= start for begin, end in spans) for start, stop in labels)
        touched += sum(any(begin <= stop and end >= start for start, stop in labels) for begin, end in spans)
        alarms += len(spans)
    recall, precision = found / windows.height, touched / max(alarms, 1)
    print(f"{len(read.series)} series of {len(times):,} hours, {windows.height} windows, {alarms} events")
    print(f"recall {recall:.3f}, precision {precision:.3f}, F1 {2 * recall * precision / (recall + precision):.3f}")


if __name__ == "__main__":
    main()
