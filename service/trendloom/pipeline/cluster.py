"""The mapper on a cluster: photos of an object store to tables beside them, under Ray Data."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl

from trendloom.errors import InputError
from trendloom.pipeline.looking import look
from trendloom.pipeline.stateless import tag_rows
from trendloom.pipeline.tagging import Eyes
from trendloom.sources.stores import Store

__all__ = ["tag_on_cluster"]

JOB = 256  # photos of one part

Progress = Callable[[int, int], None]


class _Mapper:
    """What each worker process of the cluster holds: the model, loaded once."""

    def __init__(self, load: Callable[[], Eyes], source: Store, output: Store) -> None:
        self._eyes, self._source, self._output = load(), source, output

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Returns the number of photos by status, of each job of the batch."""
        counts = [self._do(str(part), list(keys)) for part, keys in zip(batch["part"], batch["keys"], strict=True)]
        return {"status": [list(c) for c in counts], "photos": [list(c.values()) for c in counts]}

    def _do(self, part: str, keys: list[str]) -> Counter[str]:
        encoder, tagger, finder = self._eyes
        items = map(self._source.item, keys)
        seen = list(look(items, encoder, tagger, workers=1, finder=finder, colours=True))
        table = io.BytesIO()
        tag_rows(seen, encoder=encoder, taxonomy=tagger.taxonomy).write_parquet(table)
        self._output.write(part, table.getvalue())
        return Counter(one.status for one in seen)


def tag_on_cluster(
    source: str,
    output: str,
    load: Callable[[], Eyes],
    *,
    stamp: str = "",
    address: str | None = None,
    workers: int | None = None,
    job: int = JOB,
    progress: Progress = lambda done, total: None,
) -> Counter[str]:
    """Writes the rows of `tag` as Parquet parts below `output`; returns the photos of this call by status.

    A part holds the same photos whoever writes it, and is there as a whole or not at all. So a worker that dies loses
    nothing and doubles nothing: its job is done again and replaces its part; a second call does what is missing.

    Args:
        source: Address of the photos.
        output: Address of the parts, for one source and model.
        load: Makes encoder, tagger and finder, on each worker.
        stamp: Names what `load` makes; parts of another are not mixed with these.
        address: Of an existing cluster; None starts one on this machine.
        workers: Worker processes, a core each; None for as many as the cluster has cores.
        job: Photos of one part.
        progress: Called with photos done and in all.

    Raises:
        InputError: Ray is not installed, nothing usable is there, or the parts are of other photos or another model.
    """
    try:
        import ray  # noqa: PLC0415  an extra
    except ImportError as exc:
        raise InputError("a cluster needs an extra: pip install 'trendloom[ray]'") from exc
    photos, parts = Store(source), Store(output)
    keys = photos.images()
    if not keys:
        raise InputError(f"expected images below {source}, found none")
    there = _checked(parts, keys, job, stamp)
    jobs = [
        {"part": name, "keys": keys[start : start + job]}
        for start in range(0, len(keys), job)
        if (name := f"part-{start // job:06d}.parquet") not in there
    ]
    counts: Counter[str] = Counter()
    if jobs:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        wanted = min(len(jobs), workers or int(ray.cluster_resources().get("CPU", 1)))
        data = ray.data.from_items(jobs, override_num_blocks=len(jobs)).map_batches(
            _Mapper,
            fn_constructor_args=(load, photos, parts),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=wanted),
        )
        known = len(keys) - sum(len(one["keys"]) for one in jobs)
        for row in data.iter_rows():
            counts.update(dict(zip(row["status"], map(int, row["photos"]), strict=True)))
            progress(known + counts.total(), len(keys))
    return counts


def _checked(parts: Store, keys: list[str], job: int, stamp: str) -> set[str]:
    """Returns the parts that are there, after the plan that they were made by was compared with this one."""
    plan = pl.DataFrame({"key": keys, "part": [n // job for n in range(len(keys))], "stamp": [stamp] * len(keys)})
    written = io.BytesIO()
    plan.write_parquet(written)
    there = set(parts.names())
    if "plan.parquet" in there:
        if not pl.read_parquet(parts.read("plan.parquet", most=None)).equals(plan):
            raise InputError(f"{parts.address} has parts of other photos, or of another model: name another place")
    else:
        parts.write("plan.parquet", written.getvalue())
    return there
