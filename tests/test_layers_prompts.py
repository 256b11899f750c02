"""Layers of prompts: asked for, marked as not validated, and never about people."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from tests.doubles import HistogramEncoder, write_model
from tests.dumps import ShirtTagger, patch
from trendloom.artifacts import ModelCard, load_card, models_folder
from trendloom.cli import main
from trendloom.errors import ArtifactError, InputError
from trendloom.pipeline.stateless import tag_to
from trendloom.sources import open_source
from trendloom.taxonomy import Taxonomy, load_layer, load_taxonomy
from trendloom.types import Floats, Tag, Tagger
from trendloom.vision.layers import LayerTagger, add_layers, check_prompts, open_layer

MOOD: dict[str, Any] = {
    "name": "moods",
    "version": 1,
    "groups": [
        {
            "name": "mood",
            "label": "Mood of the colours",
            "exclusive": False,
            "templates": ["{}"],
            "values": [
                {"value": "warm", "id": "trendloom:warm", "prompts": ["red", "orange"]},
                {"value": "cold", "id": "trendloom:cold", "prompts": ["blue"]},
            ],
        }
    ],
}
TAXONOMY = Taxonomy(name="shirts", version="1", groups=())


@dataclass(frozen=True)
class Toy:
    card: ModelCard
    encoder: HistogramEncoder
    tagger: Tagger
    taxonomy: Taxonomy = TAXONOMY


class GatedTagger(ShirtTagger):
    """Sees a shirt in every second photo."""

    def tag(self, embeddings: Floats, kinds: Sequence[str] = (), among: Sequence[int] = ()) -> list[list[Tag]]:
        shirt = Tag(group="type", value="shirt", value_id="trendloom:shirt", probability=0.9)
        return [[shirt] if n % 2 == 0 else [] for n in range(len(embeddings))]


@pytest.fixture(name="toy")
def _toy(tmp_path: Path) -> Toy:
    return Toy(card=load_card(write_model(tmp_path / "toy")), encoder=HistogramEncoder(), tagger=GatedTagger())


def written(folder: Path, raw: object) -> Path:
    path = folder / "moods.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def test_a_value_is_judged_on_its_own_by_the_cards_sigmoid(toy: Toy, tmp_path: Path) -> None:
    tagger, origins = add_layers(toy, [str(written(tmp_path, MOOD))])
    assert origins == {"mood": "moods 1, not validated"}
    red = toy.encoder.texts(["red"])
    mean = toy.encoder.texts(["red", "orange"]).mean(axis=0)
    cosine = float(red[0] @ mean / np.linalg.norm(mean))
    (tags,) = tagger.tag(red)
    assert [tag.group for tag in tags] == ["type", "mood"]
    assert tags[1].value == "warm"
    assert tags[1].probability == pytest.approx(1 / (1 + np.exp(-(10 * cosine - 5))), rel=1e-5)


def test_what_shows_no_garment_gets_no_tags_of_a_layer(toy: Toy, tmp_path: Path) -> None:
    tagger, _ = add_layers(toy, [str(written(tmp_path, MOOD))])
    first, second = tagger.tag(toy.encoder.texts(["red", "red"]))
    assert [tag.group for tag in first] == ["type", "mood"]
    assert second == []


def test_a_layer_is_asked_of_whole_photos_alone(toy: Toy, tmp_path: Path) -> None:
    tagger, _ = add_layers(toy, [str(written(tmp_path, MOOD))])
    assert isinstance(tagger, LayerTagger)
    found = tagger.tag(toy.encoder.texts(["red", "red", "red"]), ["", "upper", "feet"])
    assert [[tag.group for tag in tags] for tags in found] == [["type", "mood"], [], ["type"]]


def test_tags_of_the_model_stay_as_they_are(toy: Toy, tmp_path: Path) -> None:
    plain = ShirtTagger()
    model = Toy(card=toy.card, encoder=toy.encoder, tagger=plain)
    tagger, _ = add_layers(model, [str(written(tmp_path, MOOD))])
    rows = toy.encoder.texts(["red", "blue", "green"])
    assert tagger.taxonomy == plain.taxonomy
    for layered, base in zip(tagger.tag(rows), plain.tag(rows), strict=True):
        assert layered[: len(base)] == base


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda t: t["groups"][0].update(exclusive=True), "mood: exclusive: expected false"),
        (lambda t: t["groups"][0].update(none={"prompts": ["a dog"]}), "mood: none"),
        (lambda t: t["groups"][0].update(applies_to=["dress"]), "mood: applies_to"),
        (lambda t: t["groups"][0].update(name="type"), "type: expected another name"),
        (lambda t: t["groups"][0].update(tempaltes=[]), "unknown field tempaltes"),
        (lambda t: t["groups"][0]["values"].clear(), "mood: values"),
        (lambda t: t.pop("version"), "version"),
    ],
)
def test_a_layer_of_another_form_is_refused_with_its_place(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], place: str
) -> None:
    raw = copy.deepcopy(MOOD)
    edit(raw)
    with pytest.raises(ArtifactError, match=place):
        load_layer(written(tmp_path, raw))


@pytest.mark.parametrize(
    "edit",
    [
        lambda g: g["values"][0].update(value="young"),
        lambda g: g["values"][0]["prompts"].append("an old woman"),
        lambda g: g.update(name="age_group", label="Age"),
        lambda g: g.update(name="skin", values=[{"value": "dark", "id": "trendloom:d", "prompts": ["dark"]}]),
        lambda g: g.update(templates=["a pregnant woman in {}"]),
    ],
)
def test_a_layer_that_asks_about_people_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    raw = copy.deepcopy(MOOD)
    edit(raw["groups"][0])
    with pytest.raises(InputError, match=r"moods\.yaml: .*infers nothing about people"):
        open_layer(str(written(tmp_path, raw)))


def test_a_taxonomy_that_asks_about_people_is_refused(tmp_path: Path) -> None:
    raw = copy.deepcopy(MOOD)
    raw["groups"][0]["name"] = "type"
    raw["groups"][0]["values"][0] |= {"value": "woman", "part": "whole"}
    raw["groups"][0]["values"][1]["part"] = "whole"
    taxonomy = load_taxonomy(written(tmp_path, raw))
    with pytest.raises(InputError, match="'woman' asks for a person"):
        check_prompts(taxonomy, "moods.yaml")


@pytest.mark.parametrize(
    "name", ["no-such", "../models/aesthetics", "taxonomy", "", "/etc/passwd", "fashion-lite/card"]
)
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ArtifactError, match="expected the name of a layer"):
        open_layer(name)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.yaml"):
        open_layer(str(tmp_path / "gone.yaml"))


def test_two_groups_of_one_name_are_refused(toy: Toy, tmp_path: Path) -> None:
    path = str(written(tmp_path, MOOD))
    with pytest.raises(InputError, match="moods 1 has a group 'mood'"):
        add_layers(toy, [path, path])


def test_a_layer_of_the_user_comes_before_the_shipped_one_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "aesthetics.yaml").write_text(yaml.safe_dump(MOOD), encoding="utf-8")
    assert open_layer("aesthetics", tmp_path).identity == "moods 1"
    assert open_layer("aesthetics").identity == "aesthetics 1"


def test_the_shipped_layer_is_sound() -> None:
    layer = open_layer("aesthetics")
    assert [group.name for group in layer.groups] == ["aesthetic"]
    assert "aesthetic" not in {g.name for g in load_taxonomy(models_folder() / "taxonomy.yaml").groups}
    (group,) = layer.groups
    assert {"gorpcore", "quiet luxury", "cottagecore", "streetwear", "y2k"} <= {value.value for value in group.values}
    for value in group.values:
        assert 2 <= len(value.prompts) <= 5, value.value
        assert value.id == "trendloom:" + value.value.replace(" ", "-")


def test_every_row_of_a_layer_says_that_it_is_not_validated(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "red.png").write_bytes(patch("red", np.random.default_rng(0)))
    tagger, origins = add_layers(toy, [str(written(tmp_path, MOOD))])
    out = tmp_path / "t.parquet"
    quiet = {"workers": 1, "progress": lambda done, total: None}
    tag_to(open_source([tmp_path / "in"]), toy.encoder, tagger, out, origins=origins, **quiet)  # type: ignore[arg-type]
    found = dict(pl.read_parquet(out).select("group", "taxonomy").iter_rows())
    assert found == {"type": "shirts 1", "mood": "moods 1, not validated"}


def test_layers_are_tagged_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for colour in ("red", "blue"):
        data = patch(colour, np.random.default_rng(0), side=64)
        (tmp_path / "in" / f"{colour}.png").write_bytes(data)
    plain, layered = tmp_path / "plain.parquet", tmp_path / "layered.parquet"
    # a prompt without words of clothes fits nothing well: every value of this layer is likely for something in it
    wide = copy.deepcopy(MOOD)
    wide["groups"][0]["values"][0]["prompts"] = ["a red t-shirt", "a red cushion", "red fabric", "plain red"]
    for arguments in (["--output", str(plain)], ["--output", str(layered), "--layers", str(written(tmp_path, wide))]):
        with pytest.raises(SystemExit) as ended:
            main(["tag", str(tmp_path / "in"), *arguments])
        assert not ended.value.code
    without, rows = pl.read_parquet(plain), pl.read_parquet(layered)
    assert "mood" not in without["group"].to_list()
    assert set(rows.filter(pl.col("group") == "mood")["taxonomy"]) <= {"moods 1, not validated"}
    own = rows.filter(pl.col("group").is_null() | (pl.col("group") != "mood"))
    order = ["key", "garment", "group", "value"]
    assert own.drop_nulls("group").sort(order).equals(without.drop_nulls("group").sort(order))
