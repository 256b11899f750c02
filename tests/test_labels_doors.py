"""Every door at which words come in refuses to be asked about people, and says why."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, patch
from tests.web_client import problem
from trendloom.cli import main
from trendloom.config import Settings
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.views import Views
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.web.app import create_app

WHY = "infers nothing about people"


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(name="photos", scope="module")
def _photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in") / "photos"
    folder.mkdir()
    for colour in ("red", "blue"):
        (folder / f"{colour}.png").write_bytes(patch(colour, np.random.default_rng(0), side=64))
    return folder


@pytest.fixture(name="home", scope="module")
def _home(photos: Path) -> Workspace:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(photos.parent / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(photos))
    ingest(home, open_source([photos]), encoder, tagger)
    return home


@pytest.fixture(name="site")
def _site(home: Workspace) -> TestClient:
    views = Views(home, lambda: (HistogramEncoder(), ShirtTagger(), None), k=1)
    return TestClient(create_app(views, Settings()), base_url="http://127.0.0.1", raise_server_exceptions=False)


def test_classify_runs_the_other_labels(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "l.txt", tmp_path / "c.csv"
    labels.write_text("red\nyoung woman\nmen's shirt\nethnicity\n")
    assert call("classify", photos, "--labels", labels, "--output", out) == 1
    said = capsys.readouterr().err
    assert said.count(WHY) == 2
    assert "4 labels: 2 ok, 2 failed (2 refused)" in said
    assert "2 images: 2 ok" in said
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    good = [row for row in rows if row["status"] == "ok"]
    assert {row["label"] for row in good} == {"red", "men's shirt"}
    assert sum(float(row["probability"]) for row in good) == pytest.approx(2, abs=1e-4)
    rest = [row for row in rows if row["status"] != "ok"]
    assert {(row["key"], row["label"]) for row in rest} == {
        (key, label) for key in ("red.png", "blue.png") for label in ("young woman", "ethnicity")
    }
    assert all(row["status"] == "refused" and WHY in row["error"] and not row["probability"] for row in rest)


def test_labels_that_differ_by_case_alone_are_asked_once(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.txt").write_text("Red dress\nblue shirt\nred  dress\nRED DRESS\n")
    assert call("classify", photos, "--labels", tmp_path / "l.txt", "--output", tmp_path / "c.csv") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "the label 'RED DRESS' differs from 'Red dress' by case or spaces alone: asked once, as 'Red dress'" in said
    with (tmp_path / "c.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"Red dress", "blue shirt"}
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(2, abs=1e-4)


def test_classify_with_nothing_left_cannot_start(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.txt").write_text("woman\nman\n")
    assert call("classify", photos, "--labels", tmp_path / "l.txt", "--output", tmp_path / "c.csv") == 2
    assert "all 2 are refused" in capsys.readouterr().err
    assert not (tmp_path / "c.csv").exists()


def test_embed_is_raw(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("young woman\n")
    assert call("embed", "--texts", tmp_path / "t.txt", "--output", tmp_path / "t.jsonl") == 0


@pytest.mark.parametrize("words", ["an old lady", "asian woman in a red dress", "dark skin"])
def test_search_refuses_words_about_people(
    home: Workspace, site: TestClient, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("search", words, "--workspace", home.root) == 2
    assert WHY in capsys.readouterr().err
    assert WHY in problem(site.get("/v1/search", params={"q": words}), 422)["detail"]
    assert WHY in problem(site.get("/v1/search.csv", params={"q": words}), 422)["detail"]
    page = site.get("/search", params={"q": words}, headers={"accept": "text/html"})
    assert page.status_code == 422
    assert WHY in page.text


def test_search_finds_what_is_worn(site: TestClient) -> None:
    for words in ("red shirt", "dress for women over 50", "nude bodysuit"):
        assert site.get("/v1/search", params={"q": words}).json()["hits"]
        assert site.get("/search", params={"q": words}, headers={"accept": "text/html"}).status_code == 200


def test_a_taxonomy_of_the_users_own_is_judged(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [
        {"value": name, "id": f"trendloom:{name}", "part": "whole", "prompts": [prompt]}
        for name, prompt in (("dress", "a dress"), ("gown", "an old lady in a gown"))
    ]
    fields = {"name": "type", "label": "Type", "exclusive": "false", "templates": '["{}"]', "values": values}
    lines = [f"  {'- ' if name == 'name' else '  '}{name}: {value}" for name, value in fields.items()]
    text = "name: mine\nversion: 1\ngroups:\n" + "\n".join(lines).replace("'", '"') + "\n"
    (tmp_path / "taxonomy.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("TRENDLOOM_MODELS_DIR", str(tmp_path))
    assert call("tag", photos, "--output", tmp_path / "t.csv") == 2
    said = capsys.readouterr().err
    assert "taxonomy.yaml: type: label 'an old lady in a gown' asks for a person" in said
