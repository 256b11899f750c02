"""Runs every benchmark that needs no data from elsewhere, one after another: `python -m benchmarks`, or `make bench`.

    python -m benchmarks [--only NAME ...] [--torch PYTHON] [--fastembed PYTHON] [...]

What else is said goes to `benchmarks.throughput`: interpreters that have the rivals. Figures go to
`benchmarks/results/<machine>.json` and, as Markdown, to `<machine>.md` beside it, with how long each part took; what would begin
after 18 minutes is left out and said. `benchmarks/forecast.py` and `benchmarks/events.py` ask for folders of public series and
are run by hand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from benchmarks.recording import keep_text, record, write_table
from benchmarks.throughput import ROOT

# what it is called in the results, and how it is run so that all take less than 20 minutes on two cores
SCRIPTS: dict[str, list[str]] = {
    "decode": ["-m", "benchmarks.decode"],
    "throughput": ["-m", "benchmarks.throughput", "--rounds", "2"],
    "overlap": ["-m", "benchmarks.overlap"],
    "growth": ["-m", "benchmarks.growth"],
    "looks": ["benchmarks/looks.py", "--count", "20000"],
    "search": ["benchmarks/search.py", "--counts", "10000,100000"],
    "serving": ["benchmarks/serving.py", "--photos", "128", "--rounds", "3"],
    "emergence": ["benchmarks/emergence.py", "--quick"],
}
RECORDING = ("decode", "throughput", "overlap", "growth")  # these write their own sections
LATEST_S = 18 * 60  # no part begins later: together they are to end within 20 minutes


def main() -> int:
    """Returns the number of scripts that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SCRIPTS, default=list(SCRIPTS))
    args, more = parser.parse_known_args()
    failed, begun, rows = 0, time.perf_counter(), list[list[str]]()
    for name, arguments in SCRIPTS.items():
        start = time.perf_counter()
        if name not in args.only:
            continue
        if start - begun > LATEST_S:
            print(f"{name}: left out, {start - begun:.0f} s are gone", file=sys.stderr)
            rows.append([name, "left out"])
            continue
        done = subprocess.run(
            [sys.executable, *arguments, *(more if name == "throughput" else [])],
            cwd=ROOT,
            check=False,
            text=True,
            stdout=None if name in RECORDING else subprocess.PIPE,
        )
        taken = time.perf_counter() - start
        print(
            f"{name}: {taken:.0f} s" + (f", ended with {done.returncode}" if done.returncode else ""), file=sys.stderr
        )
        rows.append([name, f"{taken:.0f}"])
        failed += bool(done.returncode)
        if name not in RECORDING and not done.returncode:
            keep_text(name, " ".join(arguments), done.stdout)
    rows.append(["in all", f"{time.perf_counter() - begun:.0f}"])
    record("times", "How long the benchmarks took", ["part", "seconds"], rows)
    print(f"table: {write_table()}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
