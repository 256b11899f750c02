"""How far a run is, on stderr, and what came of it; the library that draws bars is imported where a terminal shows one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

__all__ = ["bar", "status_line"]

_EVERY_S = 10.0  # between progress lines where stderr is a file


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a callback (done, total) that draws a bar with rate and time left; plain lines where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _lines(what)
        return
    from trendloom.cli.show import drawn_bar

    with drawn_bar(what) as progress:
        yield progress


def _lines(what: str) -> Callable[[int, int], None]:
    start = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY_S or done == total:
            last = now
            rate = done / max(now - start, 1e-9)
            left = (total - done) / max(rate, 1e-9)
            print(f"{what}: {done:,} of {total:,}, {rate:,.0f}/s, {left:,.0f} s left", file=sys.stderr, flush=True)

    return report


def status_line(counts: Mapping[str, int], what: str = "images") -> str:
    """Returns counts by status in words, such as `2,474 images: 2,463 ok, 11 failed (5 unreadable, 6 truncated)`."""
    total, ok = sum(counts.values()), counts.get("ok", 0)
    failed = {name: n for name, n in counts.items() if name != "ok" and n}
    words = f"{total:,} {what if total != 1 else what.removesuffix('s')}: {ok:,} ok"
    if failed:
        parts = ", ".join(
            f"{n:,} {name.replace('_', ' ')}" for name, n in sorted(failed.items(), key=lambda p: (-p[1], p[0]))
        )
        words += f", {sum(failed.values()):,} failed ({parts})"
    return words
