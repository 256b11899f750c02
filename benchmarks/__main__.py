"""Runs every benchmark that needs no data from elsewhere, one after another: `python -m benchmarks`, or `make bench`.

Figures go to `benchmarks/results/<machine>.json` and, as Markdown, to `<machine>.md` beside it. `benchmarks/forecast.py` and
`benchmarks/events.py` ask for folders of public series and are run by hand.
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.recording import keep_text, write_table
from benchmarks.throughput import ROOT

# what it is called in the results, and how it is run so that all take less than 20 minutes on two cores
SCRIPTS: dict[str, list[str]] = {
    "decode": ["-m", "benchmarks.decode"],
    "throughput": ["-m", "benchmarks.throughput"],
    "overlap": ["-m", "benchmarks.overlap"],
    "growth": ["-m", "benchmarks.growth"],
    "looks": ["benchmarks/looks.py", "--count", "20000"],
    "search": ["benchmarks/search.py", "--counts", "10000,100000"],
    "serving": ["benchmarks/serving.py", "--photos", "128", "--rounds", "3"],
    "emergence": ["benchmarks/emergence.py", "--quick"],
}
RECORDING = ("decode", "throughput", "overlap", "growth")  # these write their own sections


def main() -> int:
    """Returns the number of scripts that failed."""
    failed = 0
    for name, arguments in SCRIPTS.items():
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            check=False,
            text=True,
            stdout=None if name in RECORDING else subprocess.PIPE,
        )
        taken = time.perf_counter() - start
        print(
            f"{name}: {taken:.0f} s" + (f", ended with {done.returncode}" if done.returncode else ""), file=sys.stderr
        )
        failed += bool(done.returncode)
        if name not in RECORDING and not done.returncode:
            keep_text(name, " ".join(arguments), done.stdout)
    print(f"table: {write_table()}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
