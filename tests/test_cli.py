"""The command line: exit codes, one clear line for what cannot start, outputs as agreed."""

import csv
import gc
import importlib
import importlib.abc
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.dumps import make_dump, patch
from trendloom.artifacts import find_model, load_card
from trendloom.cli import main
from trendloom.cli.show import sparkline, trend_table
from trendloom.store import Workspace


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump"), weeks=20, per_week=6, broken=1)


@pytest.fixture(scope="module")
def home(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home") / "w"
    assert call("run", dump, "--workspace", root) == 1  # one file is broken
    return root


def photo(folder: Path, name: str = "a.png", colour: str = "red") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(patch(colour, np.random.default_rng(0), side=64))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_exit_codes_of_tag(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    assert call("tag", tmp_path / "in", "--output", tmp_path / "t.csv") == 0
    (tmp_path / "in" / "b.jpg").write_bytes(b"")
    assert call("tag", tmp_path / "in", "--output", tmp_path / "t.csv") == 1
    assert {row["key"]: row["status"] for row in rows_of(tmp_path / "t.csv")} == {"a.png": "ok", "b.jpg": "empty"}


def test_a_catalogue_names_its_photos_by_a_column_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in")
    (tmp_path / "in" / "catalogue.csv").write_text("SKU;Photo;Price\n7;a.png;3,40\n8;b.png;\n", encoding="utf-8")
    (tmp_path / "labels.txt").write_text("red\nblue\n", encoding="utf-8")
    more = {"tag": (), "embed": (), "classify": ("--labels", tmp_path / "labels.txt")}
    for command, options in more.items():
        given = (command, tmp_path / "in" / "catalogue.csv", "--output", tmp_path / f"{command}.csv", *options)
        assert call(*given) == 2
        assert "--map image=COLUMN" in capsys.readouterr().err
        assert call(*given, "--map", "image=Photo") == 1
        came = {row["key"]: row["status"] for row in rows_of(tmp_path / f"{command}.csv")}
        assert came == {"a.png": "ok", "b.png": "missing"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "{gone}", "--output", "{out}/t.csv"],
        ["tag", "{empty}", "--output", "{out}/t.csv"],
        ["tag", "{in}", "--output", "{out}/t.doc"],
        ["tag", "{in}", "--output", "{gone}/t.csv"],
        ["tag", "{in}", "--format", "zip", "--output", "{out}/t.csv"],
        ["tag", "{in}", "--output", "{out}/t.csv", "--model", "no-such"],
        ["classify", "{in}", "--labels", "{blank}", "--output", "{out}/t.csv"],
        ["classify", "{in}", "--labels", "{twice}", "--output", "{out}/t.csv"],
        ["classify", "{in}", "--labels", "{gone}", "--output", "{out}/t.csv"],
        ["embed", "--output", "{out}/t.parquet"],
        ["embed", "{in}", "--texts", "{blank}", "--output", "{out}/t.parquet"],
        ["run", "{nomap}", "--workspace", "{out}/w"],
        ["run", "{in}", "--workspace", "{thesis}"],
        ["run", "{in}", "--workspace", "{out}/w", "--as-of", "soon"],
        ["run", "{in}", "--workspace", "{out}/w", "--window", "year"],
        ["run", "{in}", "--workspace", "{out}/w", "--map", "x"],
        ["trends", "--workspace", "{gone}"],
        ["search", "red", "--workspace", "{gone}"],
        ["serve", "--workspace", "{gone}"],
        ["export", "trends", "--workspace", "{gone}", "--output", "{out}/t.csv"],
        ["no-such-command"],
        ["tag"],
    ],
)
def test_what_cannot_start_is_one_line_and_exit_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in")
    for name in ("empty", "out", "thesis", "nomap"):
        (tmp_path / name).mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    (tmp_path / "nomap" / "manifest.csv").write_text("file\na.png\n")
    (tmp_path / "blank").write_text("red\n\nblue\n")
    (tmp_path / "twice").write_text("red\nred\n")
    places = {p: str(tmp_path / p) for p in ("in", "gone", "empty", "out", "blank", "twice", "thesis", "nomap")}
    assert call(*[a.format(**places) for a in arguments]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.strip()
    assert not list((tmp_path / "out").glob("t.*"))


def test_an_interruption_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trendloom.sources.open_source", interrupted)
    assert call("tag", tmp_path, "--output", tmp_path / "t.csv") == 130
    assert "interrupted; run the same command again to go on" in capsys.readouterr().err


def test_an_interruption_before_the_command_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trendloom.cli.register", interrupted)
    assert call("tag") == 130
    assert capsys.readouterr().err.startswith("trendloom: interrupted")


def test_parts_of_a_cluster_name_the_model_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def mapped(*_: object, **how: object) -> Counter[str]:
        asked.update(how)
        return Counter(ok=1)

    monkeypatch.setattr("trendloom.pipeline.cluster.tag_on_cluster", mapped)
    assert call("cluster", tmp_path, "--output", tmp_path / "o", "--garments", "off", "--workers", 3) == 0
    assert (asked["stamp"], asked["workers"]) == (f"{load_card(find_model('fashion-lite')).identity} off", 3)
    assert call("cluster", tmp_path, "--output", tmp_path / "o", "--model", "no-such") == 2
    assert call("cluster", tmp_path, "--output", tmp_path / "o", "--engine", "no-such") == 2


def test_what_could_not_start_leaves_nothing_behind(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    assert call("tag", tmp_path / "in", "--output", tmp_path / "t.csv", "--engine", "onnxruntime-cuda-fp32") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_manifest_with_other_columns_is_tagged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "in")
    (tmp_path / "in" / "manifest.csv").write_text("file\na.png\n")
    (tmp_path / "labels").write_text("red\nblue\n")
    for command in (["tag"], ["embed"], ["classify", "--labels", tmp_path / "labels"]):
        assert call(*command, tmp_path / "in", "--output", tmp_path / "t.jsonl") == 2
        assert "--map image=COLUMN" in capsys.readouterr().err
        assert call(*command, tmp_path / "in", "--output", tmp_path / "t.jsonl", "--map", "image=file") == 0
        assert '"key":"a.png","status":"ok"' in (tmp_path / "t.jsonl").read_text()


def test_an_unwritable_workspace_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "in")
    (tmp_path / "file").write_text("")
    assert call("run", tmp_path / "in", "--workspace", tmp_path / "file" / "w") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_address_that_is_taken_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert call("serve", "--workspace", home, "--port", port) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"trendloom: 127.0.0.1:{port} cannot be bound")
    assert "choose another --port" in said


@pytest.mark.parametrize("engine", ["no-such", "onnxruntime-cuda-fp32"])
def test_an_engine_that_cannot_be_is_told_before_anybody_calls(
    engine: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRENDLOOM_ENGINE", engine)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # else a service that does start would run on
        assert call("serve", "--workspace", home, "--port", taken.getsockname()[1]) == 2
    said = capsys.readouterr().err
    assert engine in said
    assert "expected" in said


def test_a_model_of_another_version_is_told_before_anybody_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Workspace.create(tmp_path / "w", model="fashion-lite 0.0.1", taxonomy="1", source="")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert call("serve", "--workspace", tmp_path / "w", "--port", taken.getsockname()[1]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "trends are served: the workspace holds vectors of fashion-lite 0.0.1" in said
    assert "trendloom reembed" in said


def test_interrupted_while_it_is_imported_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "trendloom.cli":
                raise KeyboardInterrupt

    entry = importlib.import_module("trendloom.__main__")
    monkeypatch.delitem(sys.modules, "trendloom.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 130


def test_garbage_is_collected_while_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.import_module("trendloom.__main__")
    seen: list[bool] = []
    monkeypatch.setattr(sys, "argv", ["trendloom", "--version"])
    monkeypatch.setattr("typer.echo", lambda *_: seen.append(gc.isenabled()))
    with pytest.raises(SystemExit):
        entry.main()
    assert seen == [True]


def test_a_busy_workspace_is_one_line(dump: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace.open(home).writing():
        assert call("run", dump, "--workspace", home) == 2
    assert "another run" in capsys.readouterr().err


def test_run_says_what_came_of_the_images(dump: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", dump, "--workspace", home) == 1
    said = capsys.readouterr()
    assert "120 images: 119 ok, 1 failed" in said.err
    assert "no readable time" in said.out


def test_classify_probabilities_sum_to_one(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    labels = ["red", "Blue ", "a green thing"]
    (tmp_path / "l.txt").write_text("\n".join(labels))
    assert call("classify", tmp_path / "in", "--labels", tmp_path / "l.txt", "--output", tmp_path / "c.csv") == 0
    rows = rows_of(tmp_path / "c.csv")
    assert sorted(row["label"] for row in rows) == sorted(labels)
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1, abs=1e-4)
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert (
        call(
            "classify", tmp_path / "in", "--labels", tmp_path / "l.txt", "--multi-label", "--output", tmp_path / "m.csv"
        )
        == 0
    )
    assert all(0 <= float(row["probability"]) <= 1 for row in rows_of(tmp_path / "m.csv"))


def test_embed_photos_and_texts_share_a_space(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    (tmp_path / "t.txt").write_text("red\n\n")
    assert call("embed", tmp_path / "in", "--output", tmp_path / "e.jsonl") == 0
    assert call("embed", "--texts", tmp_path / "t.txt", "--output", tmp_path / "t.jsonl") == 1  # a blank line
    image = json.loads((tmp_path / "e.jsonl").read_text().splitlines()[0])["embedding"]
    texts = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [t["status"] for t in texts] == ["ok", "empty"]
    assert len(image) == len(texts[0]["embedding"])
    assert float(np.linalg.norm(image)) == pytest.approx(1, abs=1e-5)


def test_search_by_words_and_by_photo(home: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("search", "a red shirt", "--workspace", home, "-n", 3) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert call("search", "--image", dump / "images" / "00005.png", "--workspace", home, "-n", 1) == 0
    assert "images/00005.png" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_trends_in_every_format(home: Path, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("trends", "--workspace", home, "--format", format) == 0
    said = capsys.readouterr().out
    if format == "json":
        assert isinstance(json.loads(said), list)
    if format == "csv":
        assert said.startswith("rank,trend_id,")


def test_a_table_tells_too_few_people_from_nothing_earlier() -> None:
    row = {"label": "red shirts", "stage": "steady", "growth": None, "growth_low": None, "growth_high": None}
    shares = {"share": 0.1, "share_low": 0.0, "share_high": 0.2, "authors": 90, "trend_id": "t"}
    series = pl.DataFrame({"trend_id": ["t"], "window_start": [1], "share": [0.1]})
    for suppressed, words in ((False, "-"), (True, "too few people")):
        table = trend_table(pl.DataFrame([row | shares | {"suppressed": suppressed}], infer_schema_length=None), series)
        assert list(table.columns[4].cells) == [words]
    assert sparkline([0.0, None, 1.0]) == "▁ █"
    assert sparkline([None]) == " "


def test_version_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("trendloom ")
    assert call("doctor") == 0
    said = capsys.readouterr().out
    assert "match their sha256" in said
    assert "onnxruntime" in said


def test_stdout_is_for_results_alone(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    done = subprocess.run(
        [sys.executable, "-m", "trendloom", "tag", "in", "--output", "t.jsonl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "1 image: 1 ok" in done.stderr


def test_tagging_never_imports_what_it_does_not_need(tmp_path: Path) -> None:
    photo(tmp_path / "in")
    code = (
        "import sys; from trendloom.cli import _run; _run(['tag', 'in', '--output', 't.csv']); "
        "heavy = {'faiss', 'deltalake', 'fastapi', 'scipy', 'torch', 'jinja2', 'uvicorn', 'tokenizers'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
