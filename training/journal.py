"""The log of a run: a line of JSON per entry, and TensorBoard's event files where it is installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

__all__ = ["Journal"]


class Journal:
    """Appends to `log.jsonl`; what an interrupted run wrote after its last checkpoint is dropped."""

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / "log.jsonl"
        kept = [line for line in self.lines() if json.loads(line)["step"] <= step]
        part = self.path.with_suffix(".part")
        part.write_text("".join(f"{line}\n" for line in kept))
        part.replace(self.path)
        self.file = self.path.open("a", encoding="utf-8")
        self.board = board(folder / "events", step)

    def lines(self) -> list[str]:
        """The whole lines of the log so far; a torn last one is left out."""
        found = []
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                json.loads(line)["step"]
            except (ValueError, KeyError, TypeError):
                continue
            found.append(line)
        return found

    def write(self, step: int, kind: str, values: dict[str, float]) -> None:
        """Note numbers of a step."""
        said = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.file.write(json.dumps({"step": step, "time": said, "kind": kind, **values}) + "\n")
        self.file.flush()
        for name, value in values.items() if self.board else ():
            self.board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Finish the files."""
        self.file.close()
        if self.board:
            self.board.close()


def board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, going on at a step, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  optional
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)  # type: ignore[no-untyped-call, unused-ignore]
