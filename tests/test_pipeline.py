"""Photos to rows: nothing lost, nothing twice, every failure with its reason."""

import csv
import os
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump, patch
from trendloom.errors import InputError
from trendloom.export import EXPORT_ENDINGS, export, parse_segment, publish
from trendloom.pipeline.ingest import Ingested, ingest, statuses
from trendloom.pipeline.output import PartWriter, write_table
from trendloom.pipeline.stateless import classify_to, embed_texts_to, embed_to, read_labels, tag_to
from trendloom.pipeline.study import results, study
from trendloom.pipeline.views import Views
from trendloom.sources import open_source
from trendloom.stages import STAGES
from trendloom.store import Workspace
from trendloom.types import Floats, Pixels, Tag
from trendloom.vision.tagger import Unsaid
from trendloom.web import words

QUIET = {"workers": 2, "progress": lambda done, total: None}


def take_in(root: Path, dump: Path, **options: object) -> tuple[Workspace, Ingested]:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(root, model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    return home, ingest(home, open_source([dump]), encoder, tagger, workers=2, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump"))


@pytest.fixture(scope="module")
def home(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made, _ = take_in(tmp_path_factory.mktemp("home") / "w", dump, batch=100)
    study(made)
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_image_is_accounted_for(dump: Path, home: Workspace) -> None:
    wanted = {row["image"] for row in rows_of(dump / "manifest.csv")}
    photos = home.read("photos")
    assert set(photos["key"]) == wanted
    assert photos.height == len(wanted)
    failed = photos.filter(pl.col("status") != "ok")
    assert set(failed["status"]) <= {"truncated", "unreadable"}
    assert failed.height == 3
    assert failed["error"].null_count() == 0
    assert sum(statuses(home).values()) == len(wanted)
    assert set(home.read("garments")["key"]) == set(photos.filter(pl.col("status") == "ok")["key"])
    assert set(home.read("garments")["engine"]) == {"numpy-cpu-fp32"}


def test_raw_author_names_are_nowhere_in_the_workspace(home: Workspace) -> None:
    for folder, _, files in os.walk(home.root):
        for name in files:
            assert b"author 1" not in Path(folder, name).read_bytes(), name


def test_posts_without_a_readable_time_are_kept_and_counted(home: Workspace) -> None:
    posts = home.read("posts")
    assert posts["posted_at"].null_count() == 16
    members = results(home).members
    assert members["window_start"].null_count() > 0


def test_a_photo_of_two_posts_is_looked_at_once_and_counts_for_both(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").write_bytes(patch("red", np.random.default_rng(0)))
    (tmp_path / "d" / "manifest.csv").write_text("image,post_id\na.png,p1\na.png,p2\na.png,p1\n")
    home, found = take_in(tmp_path / "w", tmp_path / "d")
    assert sorted(home.read("photos").select("key", "post_id").rows()) == [("a.png", "p1"), ("a.png", "p2")]
    assert home.read("garments").height == 1
    assert (found.added["ok"], found.known) == (2, 1)


def test_another_photo_of_the_same_name_is_refused_not_mixed_up(tmp_path: Path) -> None:
    for name, colour in (("march", "red"), ("april", "blue")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(patch(colour, np.random.default_rng(0)))
        (tmp_path / name / "manifest.csv").write_text(f"image,post_id\na.png,{name}\n")
    take_in(tmp_path / "w", tmp_path / "march")
    home, found = take_in(tmp_path / "w", tmp_path / "april")
    assert found.added == {"ok": 1}  # it was looked at ...
    rows = home.read("photos").sort("post_id")
    assert rows["status"].to_list() == ["refused", "ok"]  # ... and its row says why it is not in
    assert "workspace of its own" in rows["error"][0]
    assert home.read("garments").height == 1


def test_failed_images_are_looked_at_again_when_asked(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").write_bytes(b"")
    home, _ = take_in(tmp_path / "w", tmp_path / "d")
    assert statuses(home) == {"empty": 1}
    (tmp_path / "d" / "a.png").write_bytes(patch("red", np.random.default_rng(0)))
    assert take_in(tmp_path / "w", tmp_path / "d")[1].known == 1
    assert statuses(take_in(tmp_path / "w", tmp_path / "d", retry=True)[0]) == {"ok": 1}


def test_what_a_killed_run_left_half_done_is_removed(tmp_path: Path, dump: Path) -> None:
    home, _ = take_in(tmp_path / "w", dump)
    before = home.read("garments").height
    extra = home.read("garments").head(2).with_columns(key=pl.Series(["x'y.png", "z.png"]))
    home.append("garments", extra)
    take_in(tmp_path / "w", dump)
    assert home.read("garments").height == before


def test_the_planted_rise_is_found_and_nothing_else(home: Workspace) -> None:
    found = results(home).trends.filter(pl.col("under").is_null())
    called = found.filter(pl.col("stage").is_in(["emerging", "rising"]))
    assert called.height >= 1
    assert all("red" in label for label in called["label"])
    first = called.sort("rank").row(0, named=True)
    assert first["growth_low"] > 1


def test_a_stage_that_there_is_not_is_refused(home: Workspace) -> None:
    views = Views(home, lambda: (HistogramEncoder(), ShirtTagger(), None), k=1)
    assert set(views.trends(stage="steady")["stage"]) == {"steady"}
    for stage in ("steddy", ""):
        with pytest.raises(InputError, match="expected one of emerging"):
            views.trends(stage=stage)
    assert tuple(STAGES) == tuple(words.STAGES)


def test_a_segment_counts_its_own_posts_alone(home: Workspace) -> None:
    everywhere, france = results(home), results(home, {"country": "FR"})
    assert 0 < france.series["denominator"].sum() < everywhere.series["denominator"].sum()
    assert results(home, {"country": "XX"}).trends["authors"].fill_null(0).sum() == 0


def test_a_trend_within_countries_is_what_each_country_says(home: Workspace) -> None:
    views = Views(home, lambda: (HistogramEncoder(), ShirtTagger(), None), k=1)
    trend = results(home).trends["trend_id"][0]
    found = views.by(trend, "country")
    assert set(found["value"]) == {"FR", "US"}
    for row in found.iter_rows(named=True):
        alone = results(home, {"country": row["value"]}).trends.row(
            by_predicate=pl.col("trend_id") == trend, named=True
        )
        assert {name: row[name] for name in ("authors", "share", "share_high")} == {
            name: alone[name] for name in ("authors", "share", "share_high")
        }
    assert views.by(trend, "platform")["value"].to_list() == ["instagram"]
    assert views.by(trend, "cohort").is_empty()  # nobody's followers are known
    with pytest.raises(InputError, match="expected one of country, platform, cohort"):
        views.by(trend, "department")


def test_reasons_begin_with_people_and_say_the_part_of_the_loudest(home: Workspace) -> None:
    first = publish(results(home).trends, "trends", 1).sort("rank").row(0, named=True)
    assert first["reason"].startswith(f"{100 * first['share']:.0f} % of people (")
    assert f"in the last 3 months, {first['authors']} people, spread over 2 countries, " in first["reason"]
    assert first["countries"] == 2
    assert 0 < first["loudest_share"] < 1
    assert first["growth_without_loudest"] > 1


def test_who_shows_a_part_is_a_denominator_of_its_own(home: Workspace) -> None:
    upper, feet = results(home, {"shows": "upper"}), results(home, {"shows": "feet"})
    assert upper.posts.height == results(home).posts.height  # everybody wears a shirt here
    assert feet.posts.is_empty()


# ---- stateless


def test_tag_writes_a_row_per_image_garment_and_tag(tmp_path: Path, dump: Path) -> None:
    counts = tag_to(open_source([dump]), HistogramEncoder(), ShirtTagger(), tmp_path / "t.csv", **QUIET)  # type: ignore[arg-type]
    rows = rows_of(tmp_path / "t.csv")
    assert list(rows[0]) == [
        "key",
        "status",
        "error",
        "garment",
        "group",
        "value",
        "value_id",
        "probability",
        "x0",
        "y0",
        "x1",
        "y1",
        "model",
        "taxonomy",
        "hex",
        "lab_l",
        "lab_a",
        "lab_b",
        "share",
        "engine",
    ]
    assert {row["key"] for row in rows} == {row["image"] for row in rows_of(dump / "manifest.csv")}
    bad = [row for row in rows if row["status"] != "ok"]
    assert len(bad) == counts.total() - counts["ok"] == 3
    assert all(row["error"] and not row["group"] and not row["x0"] for row in bad)


def test_why_a_garment_has_no_tag_of_a_group_is_told_when_asked(tmp_path: Path, dump: Path) -> None:
    asked: list[list[str]] = []

    def reasons(tags: Sequence[Tag]) -> list[Unsaid]:
        asked.append([tag.group for tag in tags])
        return [
            Unsaid(group="heel", why="does not apply"),
            Unsaid(group="fit", why="none", value_id="trendloom:no-fit"),
        ]

    plain, told = tmp_path / "plain.parquet", tmp_path / "told.parquet"
    for output, unsaid in ((plain, None), (told, reasons)):
        tag_to(open_source([dump]), HistogramEncoder(), ShirtTagger(), output, unsaid=unsaid, **QUIET)  # type: ignore[arg-type]
    rows = pl.read_parquet(told)
    silent = rows.filter(pl.col("why").is_not_null())
    assert rows.columns == [*pl.read_parquet(plain).columns, "why"]
    said = rows.filter(pl.col("why").is_null()).drop("why")
    assert said.equals(pl.read_parquet(plain))  # what is said stays as it is
    assert silent.height == 2 * len(asked)
    assert silent["value"].null_count() == silent.height  # so nothing can take it for a tag
    assert set(silent.select("group", "value_id", "why").rows()) == {
        ("heel", None, "does not apply"), ("fit", "trendloom:no-fit", "none"),
    }  # fmt: skip


def test_an_interrupted_output_goes_on_where_it_stopped(tmp_path: Path, dump: Path) -> None:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    of_all = tag_to(open_source([dump]), encoder, tagger, whole, **QUIET)  # type: ignore[arg-type]

    def stop(done: int, total: int) -> None:
        if done > 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tag_to(open_source([dump]), encoder, tagger, resumed, workers=2, progress=stop)
    assert not resumed.exists()
    counts = tag_to(open_source([dump]), encoder, tagger, resumed, **QUIET)  # type: ignore[arg-type]
    assert counts == of_all  # what failed before the interruption is told as well
    order = ["key", "group", "value"]
    assert pl.read_parquet(resumed).sort(order).equals(pl.read_parquet(whole).sort(order))
    assert not list(tmp_path.glob("*.parts"))


def test_embeddings_are_unit_float32_lists(tmp_path: Path, dump: Path) -> None:
    embed_to(open_source([dump]), HistogramEncoder(), tmp_path / "e.parquet", **QUIET)  # type: ignore[arg-type]
    rows = pl.read_parquet(tmp_path / "e.parquet")
    assert dict(rows.schema) == {
        "key": pl.String,
        "status": pl.String,
        "error": pl.String,
        "embedding": pl.List(pl.Float32),
        "engine": pl.String,
        "model": pl.String,
    }
    assert set(rows["model"]) == {HistogramEncoder().model, None}
    assert set(rows["engine"]) == {"numpy-cpu-fp32", None}
    good = rows.filter(pl.col("status") == "ok")["embedding"].to_list()
    np.testing.assert_allclose(np.linalg.norm(np.array(good), axis=1), 1, atol=1e-5)
    assert rows.filter(pl.col("status") != "ok")["embedding"].null_count() == 3


def test_texts_keep_their_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("red\n\n  \nblue shirt", encoding="utf-8")
    embed_texts_to(tmp_path / "t.txt", HistogramEncoder(), tmp_path / "e.jsonl", progress=lambda done, total: None)
    rows = pl.read_ndjson(tmp_path / "e.jsonl")
    assert rows["key"].to_list() == ["0", "1", "2", "3"]
    assert rows["status"].to_list() == ["ok", "empty", "empty", "ok"]
    assert rows["model"].to_list() == [HistogramEncoder().model, None, None, HistogramEncoder().model]


@pytest.mark.parametrize("text", ["", "red\n\nblue\n", "red\nblue\nred\n", " \n"])
def test_blank_or_repeated_labels_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(InputError):
        read_labels(tmp_path / "l.txt")


def test_classify_ranks_every_label_per_image(tmp_path: Path, dump: Path) -> None:
    labels = ["Red ", "blue", "-dash"]
    (tmp_path / "l.txt").write_text("".join(f"{x}\r\n" for x in labels))
    assert read_labels(tmp_path / "l.txt") == labels

    def chances(vectors: object) -> np.ndarray:
        n = len(vectors)  # type: ignore[arg-type]
        return np.tile(np.array([[0.2, 0.7, 0.1]], np.float32), (n, 1))

    classify_to(open_source([dump]), HistogramEncoder(), labels, chances, tmp_path / "c.parquet", job="single", **QUIET)  # type: ignore[arg-type]
    rows = pl.read_parquet(tmp_path / "c.parquet")
    one = rows.filter(pl.col("key") == "images/00001.png").sort("rank")
    assert one["label"].to_list() == ["blue", "Red ", "-dash"]
    assert one["rank"].to_list() == [1, 2, 3]
    assert set(one["model"]) == {HistogramEncoder().model}
    assert rows.filter(pl.col("status") != "ok").height == 3


# ---- exports


@pytest.mark.parametrize("ending", EXPORT_ENDINGS)
@pytest.mark.parametrize("table", ["trends", "series", "members", "tags", "posts"])
def test_every_table_in_every_format(home: Workspace, tmp_path: Path, table: str, ending: str) -> None:
    path = tmp_path / f"{table}{ending}"
    assert export(home, table, path) > 0
    assert path.stat().st_size > 0
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_trend_columns_are_the_contract(home: Workspace, tmp_path: Path) -> None:
    export(home, "trends", tmp_path / "t.csv")
    contract = "rank trend_id kind label stage growth growth_low growth_high q_value authors posts share share_low share_high suppressed first_seen last_seen"
    rows = rows_of(tmp_path / "t.csv")
    assert list(rows[0])[:17] == contract.split()
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    export(home, "series", tmp_path / "s.csv")
    assert list(rows_of(tmp_path / "s.csv")[0]) == [
        "trend_id",
        "window_start",
        "numerator",
        "denominator",
        "authors",
        "share",
        "share_low",
        "share_high",
        "suppressed",
        "posts",
        "distinct",
    ]
    export(home, "members", tmp_path / "m.csv")
    assert list(rows_of(tmp_path / "m.csv")[0]) == ["trend_id", "post_id", "window_start", "probability"]


def test_a_post_shows_a_value_as_surely_as_its_likeliest_garment(home: Workspace, tmp_path: Path) -> None:
    members, tags, posts = (tmp_path / f"{table}.csv" for table in ("members", "tags", "posts"))
    for path in (members, tags, posts):
        export(home, path.stem, path)
    shown_in = defaultdict(list)
    for row in rows_of(posts):
        shown_in[row["key"]].append(row["post_id"])
    likeliest: dict[tuple[str, str], float] = {}
    for tag in rows_of(tags):
        for post in shown_in[tag["key"]]:
            place = (f"attribute:{tag['group']}:{tag['value']}", post)
            likeliest[place] = max(likeliest.get(place, 0.0), float(tag["probability"]))
    given = {(row["trend_id"], row["post_id"]): float(row["probability"]) for row in rows_of(members)}
    of_one_value = given.keys() & likeliest.keys()
    assert any(given[place] < 1 for place in of_one_value)
    assert all(given[place] == pytest.approx(likeliest[place], abs=1e-6) for place in of_one_value)


def test_small_groups_are_nulled_never_removed(home: Workspace, tmp_path: Path) -> None:
    export(home, "series", tmp_path / "all.csv")
    export(home, "series", tmp_path / "k.csv", k=10)
    every, published = rows_of(tmp_path / "all.csv"), rows_of(tmp_path / "k.csv")
    assert len(every) == len(published)
    small = [p for e, p in zip(every, published, strict=True) if 0 < int(e["authors"]) < 10]
    assert small
    assert all(p["suppressed"] == "true" and not p["share"] and not p["numerator"] for p in small)
    assert all(e["suppressed"] == "false" for e in every)


def test_members_of_small_groups_are_left_out(home: Workspace, tmp_path: Path) -> None:
    export(home, "members", tmp_path / "all.csv")
    export(home, "members", tmp_path / "k.csv", k=10)
    export(home, "series", tmp_path / "s.csv", k=10)
    every = rows_of(tmp_path / "all.csv")
    small = {
        (row["trend_id"], row["window_start"]) for row in rows_of(tmp_path / "s.csv") if row["suppressed"] == "true"
    }
    known = [row for row in every if row["window_start"] and (row["trend_id"], row["window_start"]) not in small]
    published = rows_of(tmp_path / "k.csv")
    assert [row for row in published if row["window_start"]] == known
    assert 0 < len(published) < len(every)


@pytest.mark.parametrize("table", ["posts", "tags"])
def test_facts_of_a_segment_are_of_its_posts_and_have_no_k(home: Workspace, tmp_path: Path, table: str) -> None:
    french = set(home.read("posts").filter(country="FR")["key"])
    count = export(home, table, tmp_path / "fr.csv", segment={"country": "FR"})
    found = rows_of(tmp_path / "fr.csv")
    assert {row["key"] for row in found} <= french
    assert 0 < count == len(found) < export(home, table, tmp_path / "all.csv")
    with pytest.raises(InputError, match="no --k"):
        export(home, table, tmp_path / "k.csv", k=10)


def test_text_cells_are_text_to_a_spreadsheet(home: Workspace, tmp_path: Path) -> None:
    export(home, "posts", tmp_path / "p.csv")
    assert {row["caption"] for row in rows_of(tmp_path / "p.csv") if row["caption"]} == {"'=new in"}
    export(home, "posts", tmp_path / "p.parquet")
    assert "=new in" in set(pl.read_parquet(tmp_path / "p.parquet")["caption"])


@pytest.mark.parametrize("name", ["t.txt", "t", "gone/t.csv"])
def test_another_ending_or_folder_is_refused(home: Workspace, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--output"):
        export(home, "trends", tmp_path / name)


def test_an_unknown_table_or_segment_is_refused(home: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of"):
        export(home, "secrets", tmp_path / "t.csv")
    with pytest.raises(InputError, match="segment"):
        parse_segment(["gender=f"])
    with pytest.raises(InputError, match="country once, got 'FR' and 'DE'"):
        parse_segment(["country=FR", "country=DE"])
    with pytest.raises(InputError, match="one of upper, lower, feet"):
        parse_segment(["shows=elbows"])


def test_publish_hides_one_to_k_minus_one() -> None:
    rows = pl.DataFrame({"authors": [0, 1, 9, 10], "share": [0.0, 0.1, 0.2, 0.3]})
    found = publish(rows, "series", 10)
    assert found["suppressed"].to_list() == [False, True, True, False]
    assert found["share"].to_list() == [0.0, None, None, 0.3]


def test_a_small_trend_has_no_days_and_one_that_is_gone_is_small() -> None:
    days = pl.Series([date(2024, 1, 1)] * 3)
    rows = pl.DataFrame({"authors": [0, 9, 10], "first_seen": days, "last_seen": days, "since": days})
    found = publish(rows, "trends", 10)
    assert found["suppressed"].to_list() == [True, True, False]
    assert found["first_seen"].is_null().to_list() == [True, True, False]
    assert not publish(rows, "trends", 1)["suppressed"].any()


def test_a_share_of_nobody_is_none() -> None:
    rows = pl.DataFrame(
        {
            "denominator": [0, 4],
            "authors": [0, 0],
            "share": [0.0, 0.0],
            "share_low": [0.0, 0.0],
            "share_high": [1.0, 0.5],
        }
    )
    assert publish(rows, "series", 1).select("share", "share_high").rows() == [(None, None), (0.0, 0.5)]


def test_parts_of_another_job_are_not_gone_on_from(tmp_path: Path) -> None:
    rows = pl.DataFrame({"key": ["a", "a", "b"], "status": ["ok", "refused", "empty"]})
    with PartWriter(tmp_path / "o.csv", {"job": 1}) as writer:
        writer.add(rows)
    with PartWriter(tmp_path / "o.csv", {"job": 1}) as writer:
        assert writer.done() == {}
        writer.add(rows)
        writer.flush()
    with PartWriter(tmp_path / "o.csv", {"job": 1}) as writer:
        assert writer.done() == {"a": "ok", "b": "empty"}
    with PartWriter(tmp_path / "o.csv", {"job": 2}) as writer:
        assert writer.done() == {}


def test_an_output_has_one_writer_and_no_folder_is_taken_from_its_owner(tmp_path: Path) -> None:
    with (
        PartWriter(tmp_path / "o.csv", {"job": 1}),
        pytest.raises(InputError, match="another command"),
        PartWriter(tmp_path / "o.csv", {"job": 1}),
    ):
        pass
    (tmp_path / "mine.csv.parts").mkdir()
    (tmp_path / "mine.csv.parts" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="in the way"), PartWriter(tmp_path / "mine.csv", {"job": 1}):
        pass
    assert (tmp_path / "mine.csv.parts" / "thesis.txt").read_text() == "mine"


def test_parts_of_other_photos_of_the_same_names_are_not_gone_on_from(tmp_path: Path, dump: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(dump, other)
    output = tmp_path / "t.csv"
    shown: list[int] = []

    def stop(done: int, total: int) -> None:
        if done > 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tag_to(open_source([dump]), HistogramEncoder(), ShirtTagger(), output, workers=2, progress=stop)

    class Counting(HistogramEncoder):
        def images(self, batch: Pixels) -> Floats:
            shown.append(len(batch))
            return super().images(batch)

    tag_to(open_source([other]), Counting(), ShirtTagger(), output, **QUIET)  # type: ignore[arg-type]
    assert sum(shown) >= len({row["key"] for row in rows_of(output) if row["status"] == "ok"})


def test_small_numbers_are_shown_in_a_sheet(tmp_path: Path) -> None:
    path = tmp_path / "o.xlsx"
    write_table(pl.LazyFrame({"q_value": [4.4e-7, 0.25]}), path)
    with zipfile.ZipFile(path) as book:
        assert "0.000" not in book.read("xl/styles.xml").decode()
        assert "4.4E-07" in book.read("xl/worksheets/sheet1.xml").decode()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "o.xlsx"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="sheet holds"):
        write_table(pl.LazyFrame({"n": range(1_048_577)}), path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["o.xlsx"]
