"""Looks from run to run: new photos join them at once, ids last, and what became of each is written down."""

import csv
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump
from trendloom.config import Settings
from trendloom.errors import ConfigError, InputError
from trendloom.export import export
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.study import study, study_again
from trendloom.sources import open_source
from trendloom.store import Workspace


def part(dump: Path, folder: Path, rows: slice) -> Path:
    """A dump of some lines of another's manifest."""
    folder.mkdir()
    shutil.copytree(dump / "images", folder / "images")
    with (dump / "manifest.csv").open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        chosen = list(reader)[rows]
        with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, fieldnames=reader.fieldnames or [])
            writer.writeheader()
            writer.writerows(chosen)
    return folder


def take_in(root: Path, dump: Path) -> Workspace:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(root, model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    ingest(home, open_source([dump]), encoder, tagger, workers=2)
    return home


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump") / "whole", per_week=20)


@pytest.fixture(scope="module")
def begun(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    study(take_in(folder / "w", part(dump, folder / "d", slice(0, 1200))))
    return folder / "w"


@pytest.fixture
def home(begun: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(begun, tmp_path / "w")
    return Workspace.open(tmp_path / "w")


def placed(home: Workspace) -> dict[tuple[str, int], str | None]:
    return {(key, garment): look for key, garment, look in home.result("assignments").iter_rows()}


def test_a_first_run_is_all_births(home: Workspace) -> None:
    rows = home.result("lineage")
    assert set(rows["event"]) == {"birth"}
    assert set(rows["child_id"]) == set(home.result("looks")["look_id"])
    assert rows["now"].null_count() == 0
    assert set(rows["since_run"]) == {home.current_run()}


def test_new_photos_join_at_once_and_nothing_else_moves(home: Workspace, dump: Path, tmp_path: Path) -> None:
    before, looks = placed(home), home.result("looks").sort("look_id")
    take_in(home.root, part(dump, tmp_path / "more", slice(1200, 1260)))
    study(home)
    after = placed(home)
    assert {mark: after[mark] for mark in before} == before
    new = [look for mark, look in after.items() if mark not in before]
    assert len(new) == 60
    assert sum(look is not None for look in new) >= 20
    found = home.result("looks").sort("look_id")
    assert found["centroid"].to_list() == looks["centroid"].to_list()
    assert found["size"].sum() > looks["size"].sum()
    assert set(home.result("lineage")["event"]) == {"birth", "continuation"}


def test_a_tenth_more_is_clustered_again_and_ids_last(home: Workspace, dump: Path, tmp_path: Path) -> None:
    looks = home.result("looks")
    take_in(home.root, part(dump, tmp_path / "more", slice(1200, 1600)))
    study(home)
    found = home.result("looks")
    assert found["clustered"][0] > looks["clustered"][0]
    assert len(set(found["look_id"]) & set(looks["look_id"])) >= looks.height / 2
    events = home.result("lineage")
    assert set(looks["look_id"]) <= set(events["child_id"]) | set(events["parent_id"])
    assert set(found["look_id"]) <= set(events["child_id"])
    assert (
        events.filter(pl.col("event") != "continuation").height
        == events.select("event", "parent_id", "child_id", "since_run")
        .unique()
        .filter(pl.col("event") != "continuation")
        .height
    )


def test_a_horizon_clusters_the_recent_and_older_garments_join(home: Workspace) -> None:
    whole, marks = home.result("looks"), placed(home)
    study(home, horizon=26)
    found, later = home.result("looks"), placed(home)
    assert set(later) == set(marks)  # every garment is still accounted for
    posts = home.read("photos").join(home.read("posts").select("post_id", "posted_at"), on="post_id")
    newest = posts["posted_at"].max()
    assert isinstance(newest, datetime)
    old = set(posts.filter(pl.col("posted_at") < newest - timedelta(weeks=40))["key"])
    assert sum(look is not None for (key, _), look in later.items() if key in old) > 100
    assert found.height <= 2 * whole.height
    assert home.result("series").select("window_start").n_unique() == 13  # months; trends keep their whole history
    series = home.result("series")
    study_again(home)
    assert placed(home) == later  # as it was studied last
    assert home.result("series").equals(series)
    study(home)
    assert placed(home) == marks
    with pytest.raises(ConfigError, match="horizon"):
        Settings(horizon=-1)


def test_the_same_facts_give_the_same_ids_whatever_ran_between(home: Workspace) -> None:
    looks, marks = home.result("looks"), placed(home)
    for day in (date(2023, 7, 1), date(2023, 8, 1), None):
        study(home, as_of=day)
        assert home.result("looks").select("look_id", "label").rows() == looks.select("look_id", "label").rows()
        assert placed(home) == marks
    assert home.result("lineage").filter(pl.col("event") == "birth").height == looks.height


def test_ids_that_died_are_remembered_long_after_their_run(home: Workspace, dump: Path, tmp_path: Path) -> None:
    first = set(home.result("looks")["look_id"])
    gone = home.result("lineage").with_columns(child_id=pl.lit("look:dead"), run=pl.lit(home.current_run())).head(1)
    home.append("lineage", gone)
    for turn, rows in enumerate([slice(1200, 1330), slice(1330, 1480), slice(1480, 1600)]):
        take_in(home.root, part(dump, tmp_path / f"more{turn}", rows))
        study(home)
    assert home.read("lineage")["run"].n_unique() == 2
    events = home.result("lineage")
    assert first | {"look:dead"} <= set(events["child_id"]) | set(events["parent_id"])


def test_a_workspace_of_before_keeps_its_ids(home: Workspace) -> None:
    looks = set(home.result("looks")["look_id"])
    shutil.rmtree(home.root / "tables" / "lineage")
    study(home, as_of=date(2023, 8, 1))
    assert set(home.result("looks")["look_id"]) == looks
    assert set(home.result("lineage")["event"]) == {"continuation"}


def test_lineage_is_exported_and_hides_small_groups(home: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "lineage.csv"
    assert export(home, "lineage", out) == home.result("looks").height
    assert set(pl.read_csv(out)["event"]) == {"birth"}
    export(home, "lineage", out, k=10_000)
    hidden = pl.read_csv(out)
    assert hidden["suppressed"].all()
    assert hidden["garments"].null_count() == hidden.height
    with pytest.raises(InputError, match="no segments"):
        export(home, "lineage", out, segment={"country": "FR"})


def test_the_words_of_its_people_are_in_a_looks_name(home: Workspace) -> None:
    look = home.result("looks").sort("size")["look_id"][-1]
    shown = home.result("assignments").filter(look_id=look).join(home.read("photos"), on="key")["post_id"]
    posts = home.read("posts").with_columns(
        caption=pl.when(pl.col("post_id").is_in(shown.implode()))
        .then(pl.lit("so #grunge with @kate"))
        .otherwise("caption")
    )
    home.delete("posts", "true")
    home.append("posts", posts)
    study(home, as_of=date(2024, 1, 1))
    labels = dict(home.result("looks").select("look_id", "label").iter_rows())
    assert "#grunge" in labels[look]
    assert not any("kate" in label for label in labels.values())
    assert sum("#grunge" in label for label in labels.values()) == 1
