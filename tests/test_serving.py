"""Pages and API answer while a run writes the same workspace."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from starlette.testclient import TestClient

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump
from trendloom.config import Settings
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.study import study
from trendloom.pipeline.views import Views
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.types import Item
from trendloom.web.app import create_app

ROOT = Path(__file__).parents[1]


class Some:
    """A source of items that are given."""

    def __init__(self, given: list[Item]) -> None:
        self._given = given

    @property
    def place(self) -> str:
        return "given"

    @property
    def total(self) -> int:
        return len(self._given)

    def items(self) -> Iterator[Item]:
        return iter(self._given)


def site(home: Workspace) -> TestClient:
    views = Views(home, lambda: (HistogramEncoder(), ShirtTagger(), None), k=1)
    return TestClient(create_app(views, Settings()), base_url="http://127.0.0.1", raise_server_exceptions=True)


def test_serve_answers_while_a_run_writes(tmp_path: Path) -> None:
    dump = make_dump(tmp_path / "dump", weeks=78, per_week=8)
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    with home.writing():
        half = [item for item, _ in zip(open_source([dump]).items(), range(300), strict=False)]
        ingest(home, Some(half), encoder, tagger)
        study(home)
    client = site(Workspace.open(tmp_path / "w"))
    before = client.get("/v1/trends").json()
    assert before["trends"]
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.drive_run", str(dump), str(tmp_path / "w"), "0", "16"], cwd=ROOT
    )
    answers = 0
    while run.poll() is None:
        listed = client.get("/v1/trends")
        assert listed.status_code == 200
        assert listed.json()["trends"]  # the last complete result stays until the new one is whole
        one = listed.json()["trends"][0]["trend_id"]
        for path in ("/", "/healthz", "/readyz", "/v1/search?q=red+shirt"):
            assert client.get(path).status_code == 200, path
        assert client.get(f"/v1/trends/{one}").status_code in (200, 404)  # 404: a new result came in between
        answers += 1
    assert run.returncode == 0
    assert answers >= 1
    after = client.get("/v1/trends").json()
    assert after["panel"]["posts"] > before["panel"]["posts"]
    assert after["panel"]["run"] != before["panel"]["run"]


def test_photos_without_times_say_so_instead_of_trends(tmp_path: Path) -> None:
    dump = make_dump(tmp_path / "dump", weeks=4, per_week=10, broken=0)
    (dump / "manifest.csv").unlink()
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    with home.writing():
        ingest(home, open_source([dump]), encoder, tagger)
        study(home)
    client = site(home)
    assert client.get("/v1/trends").json()["total"] == 0
    assert "No post has a usable time" in client.get("/").text
    assert client.get("/v1/search?q=red").json()["hits"]
