"""Under Ray the rows are those of one machine, from a folder or an S3 server, also where a worker dies half-way.

Needs the extra `ray`, and `moto[server]` for the S3 server: skipped without them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump
from trendloom.errors import InputError
from trendloom.pipeline.stateless import tag_to
from trendloom.pipeline.tagging import Eyes
from trendloom.sources import open_source
from trendloom.sources.stores import Store
from trendloom.types import Floats, Pixels

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
from trendloom.pipeline.cluster import tag_on_cluster  # noqa: E402  after the skip

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


class Mortal(HistogramEncoder):
    """An encoder whose process dies when it has looked at some chunks, once in all."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.mark, self.chunks = mark, 0

    def images(self, batch: Pixels) -> Floats:
        self.chunks += 1
        if self.chunks == 4 and not self.mark.exists():
            self.mark.touch()
            os._exit(1)
        return super().images(batch)


def eyes(mark: Path | None = None) -> Eyes:
    return (Mortal(mark) if mark else HistogramEncoder()), ShirtTagger(), None


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    root = str(Path(__file__).parents[1])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{root}:{root}/service"}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump"), weeks=10, per_week=8, broken=1) / "images"


@pytest.fixture(scope="module")
def wanted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    output = tmp_path_factory.mktemp("out") / "tags.parquet"
    encoder, tagger, _ = eyes()
    tag_to(open_source([images]), encoder, tagger, output, workers=1, progress=lambda done, total: None)
    return pl.read_parquet(output)


def rows(store: Store) -> pl.DataFrame:
    parts = [name for name in store.names() if name.startswith("part-")]
    return pl.concat([pl.read_parquet(store.read(name)) for name in parts])


def same(found: pl.DataFrame, wanted: pl.DataFrame) -> None:
    assert found.sort(found.columns).equals(wanted.sort(wanted.columns))


def test_a_folder_gives_the_rows_of_one_machine_and_a_second_call_nothing(
    images: Path, wanted: pl.DataFrame, tmp_path: Path
) -> None:
    output = str(tmp_path / "parts")
    counts = tag_on_cluster(str(images), output, eyes, job=16)
    assert counts.total() == 80
    same(rows(Store(output)), wanted)
    assert tag_on_cluster(str(images), output, eyes, job=16).total() == 0
    (tmp_path / "parts" / "part-000002.parquet").unlink()
    assert tag_on_cluster(str(images), output, eyes, job=16).total() == 16
    same(rows(Store(output)), wanted)
    with pytest.raises(InputError, match="other photos"):
        tag_on_cluster(str(images), output, eyes, job=8)
    with pytest.raises(InputError, match="another model"):
        tag_on_cluster(str(images), output, eyes, job=16, stamp="other")
    with pytest.raises(InputError, match="found none"):
        tag_on_cluster(str(tmp_path / "nothing"), output, eyes)


def test_a_worker_that_dies_loses_nothing_and_doubles_nothing(
    images: Path, wanted: pl.DataFrame, tmp_path: Path
) -> None:
    mark = tmp_path / "died"
    output = str(tmp_path / "parts")
    counts = tag_on_cluster(str(images), output, partial(eyes, mark), job=16, workers=2)
    assert mark.exists()
    assert counts.total() == 80
    same(rows(Store(output)), wanted)
    assert len(Store(output).names()) == 6


@pytest.fixture(name="bucket")
def _bucket() -> Iterator[str]:
    server: Any = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    running = server.ThreadedMotoServer(port=0)
    running.start()
    _, port = running.get_host_and_port()
    query = f"?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(f"s3://testing:testing@looks{query}&allow_bucket_creation=true")
    system.create_dir(path)
    yield query
    running.stop()


def test_an_object_store_is_read_and_written_by_the_same_code(images: Path, wanted: pl.DataFrame, bucket: str) -> None:
    photos, parts = (
        Store(f"s3://testing:testing@looks/photos{bucket}"),
        Store(f"s3://testing:testing@looks/parts{bucket}"),
    )
    for name in Store(str(images)).names():
        photos.write(name, (images / name).read_bytes())
    assert photos.images() == Store(str(images)).images()
    assert tag_on_cluster(photos.address, parts.address, eyes, job=40).total() == 80
    same(rows(parts), wanted)


def test_a_store_refuses_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder or an address"):
        Store("no-such-kind://x").names()
    assert Store(str(tmp_path / "nothing")).names() == []
