"""Stored counts are those of the facts, and a point that is not is found."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, patch
from trendloom.cli import main
from trendloom.counting import attributes
from trendloom.errors import InputError, NotEnoughData
from trendloom.pipeline import verify as recount
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.study import study
from trendloom.pipeline.verify import COMPARED, verify
from trendloom.sources import open_source
from trendloom.store import Workspace


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """Posts of two colours over ten weeks: loud authors, posts without one, photos posted by several, no time, 2004."""
    rng = np.random.default_rng(1)
    dump = tmp_path / "dump"
    dump.mkdir()
    rows: list[Mapping[str, object]] = []
    for n in range(160):
        name = f"{n % 140:03d}.png"  # the last twenty show photos of the first again
        if n < 140:
            (dump / name).write_bytes(patch(("red", "blue")[n % 2], rng, side=40))
        when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=float(rng.uniform(0, 24 * 69.9)))
        stamp = {3: "yesterday", 5: "2004-12-30T10:00:00Z"}.get(n, when.isoformat())
        author = "" if n % 17 == 0 else f"a{rng.integers(4) if n % 5 == 0 else rng.integers(40)}"
        rows.append({"image": name, "post_id": f"p{n}", "posted_at": stamp, "author": author})
    with (dump / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    made = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    ingest(made, open_source([dump]), encoder, tagger, workers=1)
    study(made)
    return made


def test_every_stored_point_is_that_of_the_facts(home: Workspace) -> None:
    found = verify(home, sample=100_000)
    assert found.points == home.result("series").height > 30
    assert found.mismatches == ()
    assert sum(found.kinds.values()) == found.points
    assert "attribute" in found.kinds


def test_months_too(home: Workspace) -> None:
    study(home, step="month")
    assert verify(home, sample=100_000).mismatches == ()


def test_a_sample_is_its_seed_and_mostly_of_what_was_seen(home: Workspace) -> None:
    few = verify(home, sample=7, seed=1)
    assert few.points == 7
    assert few == verify(home, sample=7, seed=1)


@pytest.mark.parametrize("column", COMPARED)
def test_a_tampered_point_is_found(home: Workspace, column: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = home.result("series").filter(pl.col("numerator") > 0).sort("trend_id", "window_start").row(3, named=True)
    where = f"trend_id = '{row['trend_id']}' AND window_start = '{row['window_start']}'"
    changed = "0.0001" if column.startswith("share") else "1"
    DeltaTable(str(home.root / "tables" / "series")).update(predicate=where, updates={column: f"{column} + {changed}"})
    (found,) = verify(home, sample=100_000).mismatches
    assert (found.trend_id, found.window_start, found.column) == (row["trend_id"], row["window_start"], column)
    with pytest.raises(SystemExit) as end:
        main(["trends", "verify", "-w", str(home.root), "--sample", "100000"])
    assert end.value.code == 1
    assert f"{column} is" in capsys.readouterr().out


def test_a_member_that_was_taken_away_is_found(home: Workspace) -> None:
    key = home.read("tags").filter(group="colour")["key"][0]
    home.delete("tags", f"key = '{key}'")
    assert verify(home, sample=100_000).mismatches


def test_it_says_when_there_is_nothing_to_compare(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="1 or more"):
        verify(home, sample=0)
    home.append("posts", home.read("posts").head(1).with_columns(post_id=pl.lit("late")))
    with pytest.raises(NotEnoughData, match="holds 161"):
        verify(home)
    home.delete("runs", "true")
    with pytest.raises(NotEnoughData, match="found none"):
        verify(home)
    with pytest.raises(SystemExit) as end:
        main(["trends", "verify", "--workspace", str(home.root)])
    assert end.value.code == 2
    assert "trendloom run" in capsys.readouterr().err


def test_families_of_shades_are_those_that_are_counted() -> None:
    counted: dict[str, set[str]] = {}
    for shade, family in attributes._FAMILIES.items():
        counted.setdefault(family, set()).add(shade)
    assert {family: set(shades) for family, shades in recount._FAMILIES.items()} == counted
