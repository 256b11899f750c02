"""Values that nothing has are told as such, with near ones."""

from datetime import UTC, datetime

import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger
from tests.web_client import client
from trendloom.cli import main
from trendloom.pipeline.absent import absent_tags, absent_values
from trendloom.store import Workspace, frame

TAGS = pl.DataFrame({"group": ["colour"] * 3 + ["type"], "value": ["purple", "purple", "red", "shirt"]})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.create(
        tmp_path_factory.mktemp("home") / "w",
        model=HistogramEncoder().model,
        taxonomy=ShirtTagger().taxonomy,
        source="",
    )
    where = ["FR"] * 3 + ["US"] * 2 + ["NL", None]
    posts: list[dict[str, object]] = [
        {"post_id": f"p{n}", "key": f"p{n}", "posted_at": datetime(2024, 1, 1, tzinfo=UTC), "country": country}
        for n, country in enumerate(where)
    ]
    made.append("posts", frame("posts", posts))
    return made


def test_a_value_that_no_post_has_is_told_with_those_there_are(home: Workspace) -> None:
    assert absent_values(home, {"country": "FR"}) == []
    assert absent_values(home, {"country": "XX"}) == ["no post has country=XX: there is FR, US, NL"]
    assert absent_values(home, {"country": "fr"}) == ["no post has country=fr: near it is FR"]
    assert absent_values(home, {"platform": "tiktok"}) == ["no post has platform=tiktok: nothing has a value there"]
    assert absent_values(home, {"cohort": "mainstream", "shows": "feet"}) == []


def test_values_of_a_few_people_are_not_named(home: Workspace) -> None:
    assert absent_values(home, {"country": "XX"}, k=2) == ["no post has country=XX: there is FR, US"]
    assert absent_values(home, {"country": "NL"}, k=2) == []


def test_a_tag_that_no_garment_has_is_told_with_near_ones() -> None:
    assert absent_tags(TAGS, [("colour", "red"), ("type", "shirt")]) == []
    assert absent_tags(TAGS, [("colour", "purpel")]) == ["no garment has colour=purpel: near it is purple"]
    many = pl.DataFrame({"group": ["colour"] * 20, "value": [f"{n:02d}" for n in range(20)]})
    assert absent_tags(many, [("colour", "blurple")])[0].endswith(
        ": there is 00, 01, 02, 03, 04, 05, 06, 07 and 12 more"
    )


def test_at_the_command_line(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for format in ("table", "json", "csv"):
        with pytest.raises(SystemExit) as end:
            main(["trends", "-w", str(home.root), "--segment", "country=XX", "--format", format])
        said = capsys.readouterr()
        assert (end.value.code, said.err) == (0, "no post has country=XX: there is FR, US, NL\n")


def test_the_api_and_pages_say_it() -> None:
    api = client()
    found = api.get("/v1/trends", params={"segment": "country=XX"}).json()
    assert (found["total"], found["notes"]) == (0, ["no post has country=XX"])
    assert api.get("/v1/trends", params={"segment": "country=FR"}).json()["notes"] == []
    assert "<p>No post has country=XX.</p>" in api.get("/", params={"country": "XX"}).text
    assert api.get("/v1/search", params={"q": "nothing", "segment": "country=XX"}).json() == {
        "model": "fashion-lite 1.0", "hits": [], "notes": ["no post has country=XX"],
    }  # fmt: skip
    assert "<p>No post has country=XX.</p>" in api.get("/search", params={"q": "nothing", "country": "XX"}).text
