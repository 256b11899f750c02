"""A whole run with doubles, in its own process, that kills itself at the n-th write (or never)."""

import os
import signal
import sys
from pathlib import Path

import deltalake
from doubles import HistogramEncoder
from dumps import ShirtTagger

from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.study import study, vector_index
from trendloom.sources import open_source
from trendloom.store import Workspace, workspace


COUNT = [0]


def die_at(write: int) -> None:
    """Makes every way to change the disk count, and the n-th one end the process at once, before or after its effect."""
    def counted(act):  # type: ignore[no-untyped-def]  # wraps functions of any signature
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            COUNT[0] += 1
            if COUNT[0] == write and write % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            result = act(*args, **kwargs)
            if COUNT[0] == write:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    workspace.write_deltalake = counted(deltalake.write_deltalake)
    deltalake.DeltaTable.delete = counted(deltalake.DeltaTable.delete)  # type: ignore[method-assign]
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.write_bytes = counted(Path.write_bytes)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]


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
