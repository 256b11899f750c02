"""A workspace commits whole, refuses what it cannot keep apart, and hashes authors."""

import stat
import threading
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from trendloom.errors import StoreError, WorkspaceBusy
from trendloom.store import RESULTS, SCHEMA_VERSION, TABLES, Workspace, frame, workspace


def home(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", model="m 1", taxonomy="t 1", source="/src")


def test_a_workspace_remembers_what_made_it(tmp_path: Path) -> None:
    home(tmp_path)
    found = Workspace.open(tmp_path / "w").meta
    assert (found.schema, found.model, found.taxonomy, found.source) == (SCHEMA_VERSION, "m 1", "t 1", "/src")


@pytest.mark.parametrize("other", [{"model": "m 2", "taxonomy": "t 1"}, {"model": "m 1", "taxonomy": "t 2"}])
def test_mixing_models_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    home(tmp_path)
    with pytest.raises(StoreError, match="mixing"):
        Workspace.create(tmp_path / "w", source="", **other)


def test_a_newer_workspace_is_refused_with_the_remedy(tmp_path: Path) -> None:
    home(tmp_path)
    path = tmp_path / "w" / "workspace.toml"
    path.write_text(path.read_text().replace(f"schema = {SCHEMA_VERSION}", "schema = 99"))
    with pytest.raises(StoreError, match="upgrade trendloom"):
        Workspace.open(tmp_path / "w")


@pytest.mark.parametrize("text", ["", "schema = ", "schema = 1\n", "\x00\x01"])
def test_a_damaged_workspace_file_is_one_line(tmp_path: Path, text: str) -> None:
    home(tmp_path)
    (tmp_path / "w" / "workspace.toml").write_text(text)
    with pytest.raises(StoreError, match=r"workspace\.toml"):
        Workspace.open(tmp_path / "w")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="not a workspace"):
        home(tmp_path)
    with pytest.raises(StoreError, match="found none"):
        Workspace.open(tmp_path / "elsewhere")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first, second = home(tmp_path), Workspace.open(tmp_path / "w")
    assert not second.busy()
    with first.writing():
        assert second.busy()
        with pytest.raises(WorkspaceBusy, match="another run"), second.writing():
            pass
    with second.writing():
        pass


def test_asking_whether_a_run_writes_keeps_no_run_from_starting(tmp_path: Path) -> None:
    writer, stop = home(tmp_path), threading.Event()
    reader = Workspace.open(tmp_path / "w")

    def ask() -> None:
        while not stop.is_set():
            reader.busy()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(40):
            with writer.writing():
                pass
    finally:
        stop.set()
        asking.join()


def test_authors_are_hashed_with_a_key_of_this_workspace(tmp_path: Path) -> None:
    one = home(tmp_path / "a")
    two = home(tmp_path / "b")
    assert one.author_hash("Ann") == Workspace.open(tmp_path / "a" / "w").author_hash("Ann") != two.author_hash("Ann")
    assert one.author_hash("Ann") != one.author_hash("Bob")
    assert one.author_hash(None) is None
    assert stat.S_IMODE((tmp_path / "a" / "w" / "secret.key").stat().st_mode) == 0o600
    assert "Ann" not in str(one.author_hash("Ann"))


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    home(tmp_path)
    (tmp_path / "w" / "secret.key").write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        Workspace.open(tmp_path / "w").author_hash("Ann")


def run_row(name: str, minute: int) -> pl.DataFrame:
    row: dict[str, object] = {"run": name, "posts": 1, "window": "week"}
    stamped = frame("runs", [row]).with_columns(
        pl.datetime(2024, 1, 1, 0, minute, time_zone="UTC").dt.cast_time_unit("us").alias("finished_at")
    )
    return frame("runs", stamped)


def results(label: str) -> dict[str, pl.DataFrame]:
    empty = {name: pl.DataFrame(schema=TABLES[name]).drop("run") for name in RESULTS}
    return empty | {"trends": frame("trends", [{"trend_id": label, "rank": 1}]).drop("run")}


def test_readers_see_the_last_complete_run_alone(tmp_path: Path) -> None:
    w = home(tmp_path)
    assert w.current_run() is None
    assert w.result("trends").is_empty()
    for minute, name in enumerate(["run-a", "run-b", "run-c"]):
        w.publish(run_row(name, minute), results(name))
        assert w.current_run() == name
        assert w.result("trends")["trend_id"].to_list() == [name]
    assert set(w.read("trends")["run"]) == {"run-b", "run-c"}  # the one before stays for readers still at it


def test_publishing_a_run_again_writes_nothing_twice(tmp_path: Path) -> None:
    w = home(tmp_path)
    for _ in range(2):
        w.publish(run_row("run-a", 0), results("one"))
    assert w.result("trends").height == 1


@pytest.mark.parametrize(("hours", "left"), [(0, 1), (1, 5)])
def test_joined_files_go_when_no_reader_can_be_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, left: int
) -> None:
    monkeypatch.setattr(workspace, "_COMPACT_AFTER", 3)
    monkeypatch.setattr(workspace, "_REPLACED_H", hours)
    w = home(tmp_path)
    for n in range(4):
        w.append("photos", frame("photos", [{"key": str(n)}]))
    reader = w.scan("photos")
    w.compact()
    assert len(list((w.root / "tables" / "photos").glob("*.parquet"))) == left
    assert sorted(w.read("photos")["key"]) == ["0", "1", "2", "3"]
    if hours:
        assert reader.collect().height == 4
    w.compact()
    assert sorted(w.read("photos")["key"]) == ["0", "1", "2", "3"]


def test_frames_get_the_columns_and_types_of_their_table() -> None:
    found = frame("photos", pl.DataFrame({"key": ["a"], "width": [3]}))
    assert dict(found.schema) == TABLES["photos"]
    assert found["width"].dtype == pl.Int32


def test_a_run_that_comes_back_is_not_dropped(tmp_path: Path) -> None:
    w = home(tmp_path)
    for minute, name in enumerate(["run-a", "run-b", "run-c", "run-a"]):
        w.publish(run_row(name, minute), results(name))
    assert w.current_run() == "run-a"
    assert w.result("trends")["trend_id"].to_list() == ["run-a"]
    assert set(w.read("trends")["run"]) == {"run-c", "run-a"}


def test_a_table_made_before_a_column_came_is_read_and_gets_it(tmp_path: Path) -> None:
    w = home(tmp_path)
    old = pl.DataFrame({"look_id": ["look:1"], "label": ["red shirts"], "size": [9], "run": ["run-a"]})
    write_deltalake(str(w.root / "tables" / "looks"), old)
    assert w.read("looks").columns == [*old.columns, *(c for c in TABLES["looks"] if c not in old.columns)]
    assert w.read("looks")["cut"].to_list() == [None]
    w.publish(run_row("run-a", 0), results("one"))
    new = frame("looks", [{"look_id": "look:2", "cut": 0.5, "run": "run-b"}])
    w.publish(run_row("run-b", 1), results("two") | {"looks": new.drop("run")})
    assert w.result("looks").select("look_id", "cut").rows() == [("look:2", 0.5)]
