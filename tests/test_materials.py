"""Materials: what texts name, from which source, and how it moves."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendloom.artifacts import find_model, load_card
from trendloom.cli import main
from trendloom.counting.materials import KINDS, MATERIALS, materials_in
from trendloom.errors import InputError, NotEnoughData
from trendloom.pipeline.materials import Taken, materials, take_catalogue
from trendloom.pipeline.study import study
from trendloom.store import Workspace, frame

START = datetime(2022, 1, 3, 12, tzinfo=UTC)
WEEKS = 120


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("new linen shirt", {"linen"}),
        ("#linenshirt #ootd", {"linen"}),
        ("60 % cotton, 40% polyester", {"cotton", "polyester"}),
        ("95% organic cotton 5% recycled elastane", {"cotton"}),
        ("no leather, all cotton", {"cotton"}),
        ("vegan leather bag #leather", {"imitation leather"}),
        ("Chemise en lin, pull de lana", {"linen", "wool"}),
        ("Lana del Rey and cotton candy, #silkroad, lace-up boots", set()),
        ("jersey number 10", set()),
        ("95.5% cotton, 4.5% elastane", {"cotton"}),
        ("97,5 % Baumwolle, 2,5 % Elasthan", {"cotton"}),
        ("Cotton 95%, Elastane 5%", {"cotton"}),
        ("Elastane 5% Cotton 95%", {"cotton"}),
        ("polyamide: 80 %; elastane (20%)", {"polyamide", "elastane"}),
        ("Shell: cotton 90%, elastane 10%. Lining: 5% silk 95% viscose", {"cotton", "viscose"}),
        ("55% lin, 45% lana", {"linen", "wool"}),
        ("Seta 70%, 30% di lino", {"silk", "linen"}),
        ("100% pura lana", {"wool"}),
        ("20% off Lana del Rey", set()),
        ("", set()),
    ],
)
def test_texts_name_materials(text: str, found: set[str]) -> None:
    assert materials_in(text) == found


def test_the_words_are_each_of_one_material() -> None:
    words = [word for _, said in MATERIALS.values() for word in said]
    assert len(words) == len(set(words))
    assert all(word == word.lower() for word in words)
    assert {kind for kind, _ in MATERIALS.values()} == set(KINDS)
    for name, (_, said) in MATERIALS.items():
        assert name in materials_in(said[0])


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert materials_in(text) <= set(MATERIALS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace without tags."""
    return filled(tmp_path_factory.mktemp("materials") / "w", model="nothing 1", tagged=())


def filled(root: Path, *, model: str, tagged: tuple[str, ...]) -> Workspace:
    """A workspace: 40 people a week, some 12 name cotton, linen rises from 3 to 12; photos take turns in fabrics."""
    made = Workspace.create(root, model=model, taxonomy="t 1", source="")
    posts: list[dict[str, object]] = []
    chance = np.random.default_rng(0)
    for week in range(WEEKS):
        cotton = int(chance.integers(10, 15))
        linen = int(chance.integers(2, 5)) * (1 if week < WEEKS - 26 else 4)
        for i in range(40):
            caption = "cotton tee" if i < cotton else "linen day" if i < cotton + linen else "hello"
            posts.append(
                {"post_id": f"p{week}-{i}", "key": f"p{week}-{i}", "posted_at": START + timedelta(weeks=week, hours=i),
                 "author_hash": f"a{i}", "caption": caption}
            )  # fmt: skip
    photos = [
        {"key": p["key"], "post_id": p["post_id"], "sha256": f"{p['key']}", "phash": i * 7919, "width": 9, "height": 9,
         "status": "ok", "model": model}
        for i, p in enumerate(posts)
    ]  # fmt: skip
    tags = [
        {"key": p["key"], "garment": 0, "group": "fabric", "value": tagged[i % len(tagged)], "probability": 0.9, "sure": True}
        for i, p in enumerate(posts) if tagged
    ]  # fmt: skip
    with made.writing():
        made.append("posts", frame("posts", posts))
        made.append("photos", frame("photos", photos))
        made.append("tags", frame("tags", tags))
        study(made)
    return made


def test_each_material_has_share_growth_and_a_quarter_ahead(home: Workspace) -> None:
    found = materials(home, k=5)
    rows = {row["material"]: row for row in found.rows.iter_rows(named=True)}
    assert set(rows) == {"cotton", "linen"}
    assert all(row["source"] == "captions" for row in rows.values())
    assert rows["linen"]["growth"] > 2
    assert rows["cotton"]["growth"] == pytest.approx(1, abs=0.1)
    assert rows["linen"]["ahead"] > 1.5
    assert rows["linen"]["ahead_low"] <= rows["linen"]["ahead"] <= rows["linen"]["ahead_high"]
    assert "nothing is not at hand" in found.sources["photos"]
    assert "4,800 captions" in found.sources["captions"]
    assert "no catalogue" in found.sources["catalogue"]


def test_a_photo_shows_fabrics_and_no_fibre(tmp_path: Path) -> None:
    model = load_card(find_model("fashion-lite")).identity
    found = materials(filled(tmp_path / "w", model=model, tagged=("linen", "woven cotton")), k=5)
    kinds = {(row["source"], row["material"]): row["kind"] for row in found.rows.iter_rows(named=True)}
    assert kinds == {
        ("photos", "linen"): "fabric", ("photos", "woven cotton"): "fabric",
        ("captions", "linen"): "fibre", ("captions", "cotton"): "fibre",
    }  # fmt: skip


def test_few_people_have_no_numbers(home: Workspace) -> None:
    rows = {row["material"]: row for row in materials(home, k=30).rows.iter_rows(named=True)}
    assert rows["linen"]["suppressed"]
    assert rows["linen"]["share"] is None
    assert rows["linen"]["ahead"] is None


def test_a_catalogue_is_a_source_of_its_own(
    home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["post_id", "Composition"])
        writer.writerows([[f"p{week}-20", "80% wool, 20 % polyester"] for week in range(WEEKS)])
        writer.writerow(["elsewhere", "silk"])
        writer.writerow([" p0-21 ", "unknown"])
    with pytest.raises(SystemExit) as code:
        main(["materials", "-w", str(home.root), "--catalogue", str(path), "--format", "json", "--k", "1"])
    assert not code.value.code
    said = capsys.readouterr()
    told = "materials of 120 posts taken from c.csv; of its 122 rows 1 name no post of this workspace, 1 name no known"
    assert told in said.err.replace("\n", " ")
    rows = [row for row in json.loads(said.out) if row["source"] == "catalogue"]
    assert sorted(row["material"] for row in rows) == ["polyester", "wool"]
    with pytest.raises(SystemExit):
        main(["materials", "-w", str(home.root)])
    assert "compositions of 120 posts" in capsys.readouterr().out
    path.write_text("name,colour\na,red\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected a column post_id or image"):
        take_catalogue(home, path)
    path.write_text("post_id,material\nnobody,wool\n", encoding="utf-8")
    with pytest.raises(InputError, match="none of its 1 rows"):
        take_catalogue(home, path)
    path.write_text("SKU;image;Fibre\n1; p0-20 ;60 % silk, 40 % linen\n", encoding="utf-8")
    assert take_catalogue(home, path) == Taken(posts=1, rows=1, strangers=0, silent=0)
    path.write_text("image,fibre\nété,soie\n", encoding="latin-1")
    with pytest.raises(InputError, match="save it as CSV in UTF-8"):
        take_catalogue(home, path)
    with pytest.raises(InputError, match="found none"):
        take_catalogue(home, tmp_path / "none.csv")


def test_materials_need_a_study(tmp_path: Path) -> None:
    empty = Workspace.create(tmp_path / "w", model="m 1", taxonomy="t 1", source="")
    with pytest.raises(NotEnoughData, match="without: run it first"):
        materials(empty)
