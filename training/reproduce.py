"""Everything that a config asks for by one command: `python -m training.reproduce CONFIG.yaml`.

Fits, calibrates, evaluates and exports. Started again, it goes on where it was stopped: what ended is not done again.
"""

from __future__ import annotations

import sys

from training.recipe import config_of, run

__all__ = ["main"]


def main() -> None:
    """Run all phases of a config."""
    config = config_of(sys.argv[1:])
    if config is None:
        print("error: expected one config, such as training/configs/fashion-lite.yaml", file=sys.stderr)
        raise SystemExit(2)
    run("reproduce", config)


if __name__ == "__main__":
    main()
