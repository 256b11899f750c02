from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from trendloom.artifacts import taxonomy_path
from trendloom.errors import ArtifactError
from trendloom.taxonomy import Absence, Taxonomy, load_taxonomy, write_parsed

SMALL: dict[str, Any] = {
    "name": "small",
    "version": 3,
    "groups": [
        {
            "name": "type",
            "label": "Type",
            "exclusive": False,
            "templates": ["{}", "a photo of {}"],
            "values": [
                {"value": "dress", "plural": "dresses", "part": "whole", "id": "fashionpedia:10", "prompts": ["dress"]},
                {"value": "cap", "part": "head", "id": "shopify:aa-2-17-1", "google_id": 173, "prompts": ["cap"]},
            ],
            "none": {"id": "trendloom:no-garment", "means": "nothing is worn", "prompts": ["an animal"]},
            "not_visible": {"id": "trendloom:type-not-visible", "means": "too little is seen"},
        },
        {
            "name": "sleeves",
            "label": "Sleeves",
            "exclusive": True,
            "templates": ["{}"],
            "applies_to": ["dress"],
            "values": [{"value": "sleeveless", "id": "shopify:174", "prompts": ["no sleeves"]}],
            "none": {"value": "sleeveless", "means": "the armholes have no sleeves"},
        },
    ],
}


def load(tmp_path: Path, raw: object) -> Taxonomy:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw), encoding="utf-8")
    return load_taxonomy(path)


def test_a_small_taxonomy_is_read_whole(tmp_path: Path) -> None:
    taxonomy = load(tmp_path, SMALL)
    assert taxonomy.identity == "small 3"
    types, sleeves = taxonomy.groups
    assert [value.plural for value in types.values] == ["dresses", "cap"]
    assert (types.values[1].google_id, types.values[1].part) == (173, "head")
    assert types.none == Absence(id="trendloom:no-garment", means="nothing is worn", prompts=("an animal",))
    assert types.none_prompts == ("an animal",)
    assert types.not_visible == Absence(id="trendloom:type-not-visible", means="too little is seen")
    assert sleeves.none == Absence(id="shopify:174", means="the armholes have no sleeves", value="sleeveless")
    assert (sleeves.none_prompts, sleeves.not_visible) == ((), None)
    assert sleeves.exclusive
    assert sleeves.fits("dress")
    assert not sleeves.fits("cap")
    assert types.fits("cap")
    found = types.find("cap")
    assert found is not None
    assert found.id == "shopify:aa-2-17-1"
    assert types.find("kilt") is None
    with pytest.raises(ArtifactError, match="type, sleeves"):
        taxonomy.group("colour")


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda t: t.update(names=1), "unknown field names"),
        (lambda t: t.pop("name"), "name"),
        (lambda t: t.pop("version"), "version"),
        (lambda t: t.update(groups=[]), "groups"),
        (lambda t: t["groups"].pop(0), "type"),
        (lambda t: t["groups"].append(t["groups"][1]), "sleeves more than once"),
        (lambda t: t["groups"][0].pop("exclusive"), "type: exclusive"),
        (lambda t: t["groups"][0].update(templates=["a photo"]), "type: templates"),
        (lambda t: t["groups"][0].update(prompt="x"), "unknown field prompt"),
        (lambda t: t["groups"][0].update(none={"prompts": []}), "type: none: prompts"),
        (lambda t: t["groups"][0].update(none=["an animal"]), "type: none"),
        (lambda t: t["groups"][0].update(none={"means": "nothing"}), "type: none: id"),
        (lambda t: t["groups"][0].update(none={"id": "trendloom:no", "prompts": ["dress"]}), "type: prompts: .*dress"),
        (lambda t: t["groups"][0]["none"].update(id="fashionpedia:10"), "type: ids: .*fashionpedia:10"),
        (lambda t: t["groups"][0]["not_visible"].update(id="trendloom:no-garment"), "type: ids: .*no-garment"),
        (lambda t: t["groups"][0]["not_visible"].pop("means"), "type: not_visible: means"),
        (
            lambda t: t["groups"][0]["not_visible"].update(prompts=["a blur"]),
            "type: not_visible: unknown field prompts",
        ),
        (
            lambda t: t["groups"][1]["none"].update(value="long"),
            "sleeves: none: value: expected one of sleeveless, got",
        ),
        (
            lambda t: t["groups"][1]["none"].update(id="shopify:1"),
            "sleeves: none: expected either value or id, got both",
        ),
        (lambda t: t["groups"][0]["values"][1].update(value="dress"), "type: values: .*dress"),
        (lambda t: t["groups"][0]["values"][1].update(id="fashionpedia:10"), "fashionpedia:10 more than once"),
        (lambda t: t["groups"][0]["values"][1].update(prompts=["dress"]), "type: prompts: .*dress"),
        (lambda t: t["groups"][0]["values"][1].update(id="cap"), "type: cap: id"),
        (lambda t: t["groups"][0]["values"][1].update(part="nose"), "type: cap: part"),
        (lambda t: t["groups"][0]["values"][1].pop("part"), "type: cap: part is missing"),
        (lambda t: t["groups"][0]["values"][1].pop("prompts"), "type: cap: prompts"),
        (lambda t: t["groups"][0]["values"][1].update(prompts=["cap", ""]), "type: cap: prompts"),
        (lambda t: t["groups"][0]["values"][1].update(google_id="173"), "type: cap: google_id"),
        (lambda t: t["groups"][0]["values"][1].update(value=True), "value"),
        (lambda t: t["groups"][1].update(applies_to=["kilt"]), "sleeves: applies_to: expected types, got kilt"),
    ],
)
def test_odd_fields_are_refused_with_their_place(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], place: str
) -> None:
    raw = copy.deepcopy(SMALL)
    edit(raw)
    with pytest.raises(ArtifactError, match=place):
        load(tmp_path, raw)


@pytest.mark.parametrize(
    "raw", ["", "[]", "name: [", "a: !!python/object:os.system {}", "- 1", "[" * 50_000, "- " * 50_000]
)
def test_what_is_no_taxonomy_is_refused(tmp_path: Path, raw: str) -> None:
    with pytest.raises(ArtifactError, match=r"taxonomy\.yaml"):
        load(tmp_path, raw)


def test_none_may_be_prompts_alone(tmp_path: Path) -> None:
    raw = copy.deepcopy(SMALL)
    raw["groups"][0]["none"] = {"prompts": ["an animal"]}  # as taxonomies were written before it had an id
    found = load(tmp_path, raw).group("type").none
    assert found == Absence(id="trendloom:none", means="none of the values", prompts=("an animal",))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="found no file"):
        load_taxonomy(tmp_path / "taxonomy.yaml")


def test_the_shipped_taxonomy_is_sound() -> None:
    taxonomy = load_taxonomy(taxonomy_path())
    assert taxonomy.identity == "trendloom 4"
    assert [group.name for group in taxonomy.groups] == [
        "type", "colour", "pattern", "sleeves", "neckline", "fabric", "fit", "length", "closure", "heel", "occasion",
    ]  # fmt: skip
    types = taxonomy.group("type")
    assert types.none_prompts
    assert [group.name for group in taxonomy.groups if group.none_prompts] == ["type"]
    for group in taxonomy.groups:
        assert group.none is not None, group.name
        assert group.not_visible is not None, group.name
        assert group.not_visible.id == f"trendloom:{group.name}-not-visible"
    known = {group.name: group.none.value for group in taxonomy.groups if group.none and group.none.value}
    assert known == {"pattern": "plain", "sleeves": "sleeveless", "heel": "flat"}
    assert {value.part for value in types.values} == {
        "upper", "lower", "whole", "feet", "bag", "head", "jewellery", "accessory",
    }  # fmt: skip
    for group in taxonomy.groups:
        for value in group.values:
            assert value.value == value.value.lower().strip()
            assert 2 <= len(value.prompts) <= 5, value.value
    assert taxonomy.group("sleeves").fits("dress")
    assert not taxonomy.group("sleeves").fits("belt")
    assert not taxonomy.group("pattern").fits("ring")


def test_the_shipped_taxonomy_is_read_without_a_yaml_parser() -> None:
    read = (
        "import sys; from trendloom.artifacts import taxonomy_path; from trendloom.taxonomy import load_taxonomy; "
        "load_taxonomy(taxonomy_path()); sys.exit('yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", read], check=False).returncode == 0, (
        "run python -m training.card models/fashion-lite"
    )


def test_a_parsed_taxonomy_is_that_of_its_yaml(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_bytes(taxonomy_path().read_bytes())
    plain = load_taxonomy(path)
    assert load_taxonomy(taxonomy_path()) == plain
    parsed = write_parsed(path)
    assert load_taxonomy(path) == plain
    kept = json.loads(parsed.read_text(encoding="utf-8"))
    kept["content"]["name"] = "parsed"
    parsed.write_text(json.dumps(kept), encoding="utf-8")
    assert load_taxonomy(path).name == "parsed"
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert load_taxonomy(path) == plain


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{", b"{}", b'{"sha256": 1}', b"[" * 100_000, b"\xff"])
def test_a_damaged_parsed_taxonomy_is_not_read(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    path.with_suffix(".json").write_bytes(damaged)
    assert load_taxonomy(path).name == "small"
