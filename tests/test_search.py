"""A search keeps up with the store, and finds as many as pass its filters, the nearest of them, by brute force."""

import random
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump, patch
from trendloom.errors import InputError
from trendloom.index import VectorIndex
from trendloom.pipeline import indexing
from trendloom.pipeline.indexing import index_to_read, vector_index
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.searching import Filters, Hit, parse_filters
from trendloom.pipeline.views import Views
from trendloom.sources import open_source
from trendloom.store import Workspace, frame


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dump(tmp_path_factory.mktemp("dump"), weeks=30, per_week=8, broken=1)


def filled(root: Path, dump: Path) -> Workspace:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(root, model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    with home.writing():
        ingest(home, open_source([dump]), encoder, tagger)
        vector_index(home)
    return home


@pytest.fixture(scope="module")
def home(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return filled(tmp_path_factory.mktemp("home") / "w", dump)


def views_of(home: Workspace) -> Views:
    return Views(home, lambda: (HistogramEncoder(), ShirtTagger(), None), k=1)


def expected(home: Workspace, words: str, filters: Filters) -> list[tuple[float, str]]:
    """Score and key of every post that passes, by hand, nearest first."""
    query = HistogramEncoder().texts([f"a photo of {words}"])[0]
    posts = {row["post_id"]: row for row in home.read("posts").iter_rows(named=True)}
    tags: dict[str, set[tuple[str, str]]] = {}
    for row in home.read("tags").filter(pl.col("sure")).iter_rows(named=True):
        tags.setdefault(row["key"], set()).add((row["group"], row["value"]))
    vectors = dict(home.read("garments").select("key", "vector").iter_rows())
    found = []
    for row in home.read("photos").filter(status="ok").iter_rows(named=True):
        post = posts[row["post_id"]]
        at = post["posted_at"]
        dated = at is not None or not (filters.since or filters.until)
        dated &= filters.since is None or (
            at is not None and at >= datetime(*filters.since.timetuple()[:3], tzinfo=UTC)
        )
        dated &= filters.until is None or (at is not None and at < datetime(*filters.until.timetuple()[:3], tzinfo=UTC))
        there = all(post[name] == value for name, value in filters.segment.items())
        if dated and there and set(filters.tags) <= tags.get(row["key"], set()):
            vector = np.frombuffer(vectors[row["key"]], dtype="<f2").astype(np.float32)
            found.append((float(query @ vector / np.linalg.norm(vector)), row["key"]))
    return sorted(found, reverse=True)


def agree(hits: list[Hit], wanted: list[tuple[float, str]], n: int) -> None:
    assert len(hits) == min(n, len(wanted))
    np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in wanted[:n]], atol=2e-3)
    assert {hit.key for hit in hits} <= {key for _, key in wanted}
    assert len({(hit.key, hit.post_id) for hit in hits}) == len(hits)


@pytest.mark.parametrize("n", [1, 10, 1000])
@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(since=date(2023, 3, 6)),
        Filters(until=date(2023, 3, 6)),
        Filters(since=date(2023, 2, 1), until=date(2023, 2, 8), segment={"country": "FR"}),
        Filters(tags=(("colour", "red"),)),
        Filters(tags=(("colour", "red"), ("type", "shirt")), segment={"country": "US", "platform": "instagram"}),
        Filters(tags=(("colour", "no such colour"),)),
        Filters(segment={"country": "XX"}),
    ],
)
def test_it_finds_the_nearest_that_pass_and_n_if_there_are_n(home: Workspace, filters: Filters, n: int) -> None:
    hits = views_of(home).search("green shirt", n=n, filters=filters)
    agree(hits, expected(home, "green shirt", filters), n)
    agree(views_of(home).search("green shirt", n=n, filters=filters), expected(home, "green shirt", filters), n)


def test_filters_of_words() -> None:
    assert parse_filters() == Filters()
    asked = parse_filters(since="2025-01-01", until="", segment=["country=FR"], tags=["colour = red", "a=b=c"])
    assert asked.since == date(2025, 1, 1)
    assert asked.tags == (("a", "b=c"), ("colour", "red"))
    for wrong in (
        {"since": "2025-01-02", "until": "2025-01-02"},
        {"since": "yesterday"},
        {"until": "2025-13-01"},
        {"segment": ["age=20"]},
        {"tags": ["red"]},
    ):
        with pytest.raises(InputError, match=next(iter(wrong)).removesuffix("s")):
            parse_filters(**wrong)


def test_a_group_that_tags_do_not_have_is_told(home: Workspace) -> None:
    with pytest.raises(InputError, match=r"expected a group of colour, type, got 'shape'"):
        views_of(home).search("red", filters=Filters(tags=(("shape", "round"),)))


def test_new_photos_are_added_without_building(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = filled(tmp_path / "w", dump)
    views = views_of(home)
    before = len(vector_index(home))
    monkeypatch.setattr(indexing, "_built", None)  # calling it fails
    more = tmp_path / "more"
    more.mkdir()
    (more / "late.png").write_bytes(patch("purple", np.random.default_rng(5)))
    with home.writing():
        ingest(home, open_source([more]), HistogramEncoder(), ShirtTagger())
        assert views.search("purple", n=1)[0].key != "late.png"  # a run is writing: the last state is searched
    assert views.search("purple", n=1)[0].key == "late.png"
    assert len(VectorIndex.load(home.root / "index")) == before + 1
    assert views_of(Workspace.open(home.root)).search("purple", n=1)[0].key == "late.png"


def test_photos_that_are_deleted_vanish(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = filled(tmp_path / "w", dump)
    views = views_of(home)
    first = views.search("red", n=3)[0].key
    monkeypatch.setattr(indexing, "_built", None)
    home.delete("photos", f"key = '{first}'")
    home.delete("garments", f"key = '{first}'")
    assert first not in {hit.key for hit in views.search("red", n=1000)}
    assert first not in set(VectorIndex.load(home.root / "index").names["key"])
    again = vector_index(home)
    assert len(again) == home.read("photos").filter(status="ok")["key"].n_unique()


def test_another_photo_under_a_deleted_name_has_its_own_vector(dump: Path, tmp_path: Path) -> None:
    home = filled(tmp_path / "w", dump)
    key = views_of(home).search("red", n=1)[0].key
    for table in ("photos", "garments", "tags"):
        home.delete(table, f"key = '{key}'")
    other = tmp_path / "other"
    (other / key).parent.mkdir(parents=True)
    (other / key).write_bytes(patch("blue", np.random.default_rng(5)))
    with home.writing():
        ingest(home, open_source([other]), HistogramEncoder(), ShirtTagger())
    scores = {hit.key: hit.score for hit in views_of(home).search("red", n=1000)}
    assert scores[key] < 0.5


def test_a_damaged_or_unwritable_index_does_not_stop_a_search(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = filled(tmp_path / "w", dump)
    wanted = views_of(home).search("red", n=5)
    file = next((home.root / "index").glob("vectors-*"))
    raw = bytearray(file.read_bytes())
    for place in random.Random(0).sample(range(len(raw)), 50):
        raw[place] ^= 255
    file.write_bytes(bytes(raw))
    assert views_of(home).search("red", n=5) == wanted
    assert VectorIndex.verify(home.root / "index") > 0

    def refuse(*_: object) -> None:
        raise PermissionError

    home.delete("photos", f"key = '{wanted[0].key}'")
    monkeypatch.setattr(VectorIndex, "save", refuse)
    held = index_to_read(home, None)
    assert wanted[0].key not in set(held.names["key"])
    assert index_to_read(home, held) is held


def test_a_workspace_that_was_empty_is_searched_when_it_is_not(dump: Path, tmp_path: Path) -> None:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    views = views_of(home)
    assert views.search("red") == []
    with home.writing():
        ingest(home, open_source([dump]), encoder, tagger)
    assert len(views.search("red", n=5)) == 5


def test_tags_are_asked_of_one_garment_and_this_one_is_compared(tmp_path: Path) -> None:
    encoder = HistogramEncoder()
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=ShirtTagger().taxonomy, source="")
    worn = [("a", 0, "dress", "black"), ("a", 1, "bag", "red"), ("a", 2, "shirt", "blue"), ("b", 0, "bag", "blue")]
    vectors = encoder.texts([colour for *_, colour in worn]).astype("<f2")
    for key in ("a", "b"):
        photo: dict[str, object] = {"key": key, "post_id": f"p{key}", "sha256": key * 64, "status": "ok"}
        home.append("photos", frame("photos", [photo]))
        home.append("posts", frame("posts", [{"post_id": f"p{key}", "key": key}]))
    for (key, garment, kind, colour), vector in zip(worn, vectors, strict=True):
        row: dict[str, object] = {"key": key, "garment": garment, "vector": vector.tobytes()}
        home.append("garments", frame("garments", [row]))
        for group, value in (("type", kind), ("colour", colour)):
            tag: dict[str, object] = {"key": key, "garment": garment, "group": group, "value": value, "sure": True}
            home.append("tags", frame("tags", [tag]))
    views = views_of(home)

    def found(*tags: tuple[str, str]) -> dict[str, float]:
        return {hit.key: round(hit.score, 1) for hit in views.search("red", filters=Filters(tags=tags))}

    red_by_blue = round(float(encoder.texts(["red"])[0] @ encoder.texts(["blue"])[0]), 1)
    assert found() == {"a": 1.0, "b": red_by_blue}
    assert found(("type", "shirt")) == {"a": red_by_blue}
    assert found(("type", "bag")) == {"a": 1.0, "b": red_by_blue}
    assert found(("type", "shirt"), ("colour", "red")) == {}
    assert found(("type", "bag"), ("colour", "red")) == {"a": 1.0}
