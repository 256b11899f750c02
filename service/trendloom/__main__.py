"""`trendloom`, and `python -m trendloom`."""

from __future__ import annotations

import gc
import sys

_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; interrupted while that is still imported, it ends as it does later."""
    gc.disable()  # while modules are imported; the command line sees to it that it goes on
    try:
        from trendloom.cli import main as run  # noqa: PLC0415  a third of a second

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
