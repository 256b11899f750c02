"""Where figures go: `benchmarks/results/<machine>.json`, a section for each script, and a table of all of them.

python -m benchmarks.recording        prints the table of this machine as Markdown
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trendloom.vision.engines import Machine

__all__ = ["machine", "record", "spread"]

RESULTS = Path(__file__).parent / "results"


def machine() -> tuple[str, str]:
    """Returns a name of this machine for files, and one for people."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    title = f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} cores, {Machine.here().title}"
    return re.sub(r"[^a-z0-9]+", "-", f"{model or platform.machine()} {os.cpu_count()} cores".lower()).strip("-"), title


def spread(values: Sequence[float]) -> dict[str, float]:
    """Returns median, least and greatest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def record(section: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **facts: Any) -> None:
    """Writes one script's table into the machine's file, prints it, and leaves the other sections as they are."""
    name, words = machine()
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = {"sections": {}}
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
    found["machine"] = words
    found["sections"][section] = {"title": title, "columns": list(columns), "rows": [list(r) for r in rows], **facts}
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print("\n".join(_table(found["sections"][section])), flush=True)


def _table(section: dict[str, Any]) -> list[str]:
    lines = [f"**{section['title']}**", "", "| " + " | ".join(section["columns"]) + " |"]
    lines.append("| " + " | ".join("---" for _ in section["columns"]) + " |")
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in section["rows"]), ""]


def main() -> None:
    path = RESULTS / f"{machine()[0]}.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    print(f"Measured on {found['machine']}.\n")
    for section in found["sections"].values():
        print("\n".join(_table(section)))


if __name__ == "__main__":
    main()
