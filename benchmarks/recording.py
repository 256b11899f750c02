"""Where figures go: `benchmarks/results/<machine>.json`, a section for each script, and all of it as Markdown beside it."""

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

__all__ = ["keep_text", "machine", "record", "spread", "write_table"]

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


def record(section: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Writes a table into the machine's file, leaves the other sections as they are, and prints it."""
    found = {"title": title, "columns": list(columns), "rows": [list(row) for row in rows]}
    _keep(section, found)
    print("\n".join(_lines(found)), flush=True)


def keep_text(section: str, title: str, text: str) -> None:
    """Writes what a script printed into the machine's file."""
    _keep(section, {"title": title, "text": text})


def write_table() -> Path:
    """Returns the Markdown file of this machine, written from its figures."""
    name = machine()[0]
    found = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    lines = [f"Measured on {found['machine']}.", ""]
    for section in found["sections"].values():
        lines += _lines(section)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _keep(section: str, content: dict[str, Any]) -> None:
    name, words = machine()
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = {"sections": {}}
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
    found["machine"] = words
    found["sections"][section] = content
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _lines(section: dict[str, Any]) -> list[str]:
    lines = [f"**{section['title']}**", ""]
    if "text" in section:
        return [*lines, "```", section["text"].rstrip(), "```", ""]
    lines.append("| " + " | ".join(section["columns"]) + " |")
    lines.append("| " + " | ".join("---" for _ in section["columns"]) + " |")
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in section["rows"]), ""]
