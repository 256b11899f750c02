"""`python -m tests.drive_run`: a whole run with doubles, in its own process, that kills itself at the n-th write (or never)."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger
from trendloom.pipeline.indexing import vector_index
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.study import study
from trendloom.sources import open_source
from trendloom.store import Workspace, workspace

COUNT = [0]


def die_at(write: int) -> None:
    """Makes every way to change the disk count, and the n-th one end the process at once, before or after its effect."""

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            COUNT[0] += 1
            if COUNT[0] == write and write % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            result = act(*args, **kwargs)
            if COUNT[0] == write:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in (
        (workspace, "write_deltalake"),
        (deltalake.DeltaTable, "delete"),
        (Path, "replace"),
        (Path, "write_bytes"),
        (Path, "unlink"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))


def main() -> None:
    dump, root, write, batch = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    die_at(write)
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(root, model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    with home.writing():
        ingest(home, open_source([dump]), encoder, tagger, workers=2, batch=batch)
        study(home)
        vector_index(home)


if __name__ == "__main__":
    main()
