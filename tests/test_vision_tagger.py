from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import HistogramEncoder, write_model
from trendloom.artifacts import ModelCard, load_card, record_file, records, verify
from trendloom.errors import ArtifactError
from trendloom.taxonomy import Absence, Group, Part, Taxonomy, Value
from trendloom.types import Floats
from trendloom.vision.tagger import (
    PromptTagger,
    Unsaid,
    find_prompt_vectors,
    make_prompt_vectors,
    prompt_vectors,
    save_prompt_vectors,
)
from trendloom.vision.values import NONE, VALUES, read_values, write_values

DIM = 4
AXES = np.eye(DIM, dtype=np.float32)


def value(name: str, *prompts: str, part: Part | None = None) -> Value:
    return Value(
        value=name, id=f"trendloom:{name}", prompts=prompts or (name,), plural=name, part=part, google_id=None,
        fashionpedia_id=None,
    )  # fmt: skip


NOTHING = Absence(id="trendloom:no-garment", means="no garment", prompts=("a dog", "a car"))
TYPES = Group(
    name="type", label="Type", exclusive=False, templates=("{}", "a photo of {}"),
    values=(value("dress", part="whole"), value("ring", part="jewellery")), none=NOTHING, applies_to=None,
)  # fmt: skip
COLOUR = Group(
    name="colour", label="Colour", exclusive=False, templates=("{}",),
    values=(value("red", "red", "scarlet"), value("blue"), value("green")), applies_to=None,
)  # fmt: skip
SLEEVES = Group(
    name="sleeves", label="Sleeves", exclusive=True, templates=("{}",),
    values=(value("long"), value("short")), applies_to=frozenset({"dress"}),
)  # fmt: skip
TAXONOMY = Taxonomy(name="small", version="1", groups=(TYPES, COLOUR, SLEEVES))


def make_card(folder: Path, scale: float = 1.0, threshold: float = 0.3, **changes: object) -> ModelCard:
    tags = {name: {"scale": scale, "threshold": threshold} for name in ("type", "colour", "sleeves")}
    classify = {"templates": ["{}"], "softmax_scale": 10.0, "sigmoid_scale": 10.0, "sigmoid_bias": -5.0}
    calibration = {"classify": classify, "tags": tags} | changes
    return load_card(write_model(folder, dim=DIM, calibration=calibration))


def tagger(folder: Path, scale: float = 1.0, threshold: float = 0.3) -> PromptTagger:
    vectors = {"type": AXES[:3], "colour": AXES[:3], "sleeves": AXES[2:4]}
    return PromptTagger(taxonomy=TAXONOMY, card=make_card(folder, scale, threshold), vectors=vectors)


def row(*numbers: float) -> Floats:
    return np.asarray([numbers], dtype=np.float32)


def test_a_garment_gets_the_values_over_the_threshold_most_probable_first(tmp_path: Path) -> None:
    # types (dress, ring, none): softmax of (1.2, 0.8, 0) = .497, .333, .150 with exp 3.32, 2.23, 1 -> /6.55
    (tags,) = tagger(tmp_path / "toy", scale=2.0).tag(row(0.6, 0.4, 0.0, 0.3))
    assert [(tag.group, tag.value) for tag in tags] == [
        ("type", "dress"), ("type", "ring"), ("colour", "red"), ("colour", "blue"), ("sleeves", "short"),
    ]  # fmt: skip
    assert tags[0].probability == pytest.approx(3.3201 / 6.5457, abs=1e-3)
    assert tags[1].probability == pytest.approx(2.2255 / 6.5457, abs=1e-3)
    assert tags[4].probability == pytest.approx(1 / (1 + np.exp(-0.6)), abs=1e-4)
    assert tags[0].value_id == "trendloom:dress"


def test_no_garment_no_tags(tmp_path: Path) -> None:
    # none is likeliest, though the dress too is over the threshold of .3
    (tags,) = tagger(tmp_path / "toy", scale=2.0).tag(row(0.6, 0.1, 0.7, 0.0))
    assert tags == []


def test_an_unsure_type_is_left_out_but_the_rest_is_told(tmp_path: Path) -> None:
    (tags,) = tagger(tmp_path / "toy", scale=1.0, threshold=0.45).tag(row(0.3, 0.2, 0.1, 0.9))
    assert [tag.group for tag in tags if tag.sure] == ["sleeves"]
    unsure = [tag for tag in tags if tag.group == "type"]
    assert unsure[0].probability == max(tag.probability for tag in unsure)  # the likeliest is kept, to be counted
    assert not any(tag.sure for tag in unsure)


def test_a_second_value_is_sure_only_from_where_the_card_says(tmp_path: Path) -> None:
    told = {"scale": 2.0, "threshold": 0.3, "further": 0.35}
    card = make_card(tmp_path / "toy", tags=dict.fromkeys(("type", "colour", "sleeves"), told))
    vectors = {"type": AXES[:3], "colour": AXES[:3], "sleeves": AXES[2:4]}
    (tags,) = PromptTagger(taxonomy=TAXONOMY, card=card, vectors=vectors).tag(row(0.6, 0.4, 0.0, 0.3))
    types = {tag.value: tag.sure for tag in tags if tag.group == "type"}
    assert types == {"dress": True, "ring": False}  # .497 and .333: the second is counted, not said


def test_a_question_that_does_not_fit_the_type_is_not_asked(tmp_path: Path) -> None:
    (tags,) = tagger(tmp_path / "toy", scale=9.0).tag(row(0.1, 0.9, 0.0, 0.4))
    assert [tag.group for tag in tags] == ["type", "colour"]
    assert tags[0].value == "ring"


def test_exclusive_values_give_one_tag(tmp_path: Path) -> None:
    (tags,) = tagger(tmp_path / "toy").tag(row(0.5, 0.0, 0.1, 0.1))
    assert [tag.value for tag in tags if tag.group == "sleeves"] == ["long"]


@pytest.mark.parametrize(
    ("among", "dress"),
    [
        # types (dress, ring, none) have .5072, .3400, .1528 by themselves; the finder says a ring, so the dress counts
        # 1, .2 or .02 of that and none always .02
        (1, 0.5072 / (0.5072 + 0.3400 + 0.02 * 0.1528)),
        (2, 0.2 * 0.5072 / (0.2 * 0.5072 + 0.3400 + 0.02 * 0.1528)),
        (3, 0.02 * 0.5072 / (0.02 * 0.5072 + 0.3400 + 0.02 * 0.1528)),
        (7, 0.02 * 0.5072 / (0.02 * 0.5072 + 0.3400 + 0.02 * 0.1528)),
    ],
)
def test_a_finders_kind_counts_the_more_the_more_garments_it_found(tmp_path: Path, among: int, dress: float) -> None:
    vectors = {"type": AXES[:3], "colour": AXES[:3], "sleeves": AXES[2:4]}
    card, kinds = make_card(tmp_path / "toy", 2.0, 0.0), {"jewellery": ("ring",)}
    told = PromptTagger(taxonomy=TAXONOMY, card=card, vectors=vectors, kinds=kinds)
    garment = row(0.6, 0.4, 0.0, 0.3)
    whole, found = told.tag(np.concatenate([garment, garment]), ["", "jewellery"], [among, among])
    chances = {tag.value: tag.probability for tag in found if tag.group == "type"}
    assert chances["dress"] == pytest.approx(dress, abs=1e-3)
    assert [tag for tag in whole if tag.group == "type"] == [tag for tag in told.tag(garment)[0] if tag.group == "type"]


def test_why_a_group_says_nothing(tmp_path: Path) -> None:
    told: dict[str, dict[str, object]] = {
        name: {"scale": 2.0, "threshold": 0.4} for name in ("type", "colour", "sleeves")
    }
    told["colour"]["threshold"] = 0.9
    card = make_card(tmp_path / "toy", tags=told)
    vectors = {"type": AXES[:3], "colour": AXES[:3], "sleeves": AXES[2:4]}
    one = PromptTagger(taxonomy=TAXONOMY, card=card, vectors=vectors)
    dress, ring, dog = (one.tag(row(*numbers))[0] for numbers in ((0.9, 0, 0, 0.3), (0.1, 0.9, 0, 0), (0, 0, 0.9, 0)))
    (colour,) = one.unsaid(dress)
    assert (colour.group, colour.why) == ("colour", "unsure")
    assert colour.probability == max(tag.probability for tag in dress if tag.group == "colour")
    assert one.unsaid(ring)[-1] == Unsaid(group="sleeves", why="does not apply")
    assert one.unsaid(dog) == [
        Unsaid(group="type", why="none", value_id="trendloom:no-garment"),
        Unsaid(group="colour", why="does not apply"),
        Unsaid(group="sleeves", why="does not apply"),
    ]
    told["sleeves"]["validated"] = False
    del told["colour"]
    off = PromptTagger(taxonomy=TAXONOMY, card=make_card(tmp_path / "off", tags=told), vectors=vectors)
    assert off.unsaid(off.tag(row(0.9, 0, 0, 0.3))[0]) == [
        Unsaid(group="colour", why="off"), Unsaid(group="sleeves", why="off"),
    ]  # fmt: skip


def test_no_rows_give_no_tags(tmp_path: Path) -> None:
    assert tagger(tmp_path / "toy").tag(np.zeros((0, DIM), dtype=np.float32)) == []


@pytest.fixture(name="shared", scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> PromptTagger:
    return tagger(tmp_path_factory.mktemp("models") / "toy", scale=8.0)


@given(
    rows=st.lists(
        st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM), min_size=1, max_size=6
    ),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_each_garment_is_tagged_as_if_alone(shared: PromptTagger, rows: list[list[float]], seed: int) -> None:
    embeddings = np.asarray(rows, dtype=np.float32)
    together = shared.tag(embeddings)
    order = np.random.default_rng(seed).permutation(len(rows))
    turned = shared.tag(embeddings[order])
    for at, n in enumerate(order):
        assert [(tag.group, tag.value) for tag in turned[at]] == [(tag.group, tag.value) for tag in together[n]]
        for group in ("type", "colour", "sleeves"):
            chances = [tag.probability for tag in together[n] if tag.group == group]
            assert chances == sorted(chances, reverse=True)
            assert sum(chances) <= 1 + 1e-5


class CountingEncoder(HistogramEncoder):
    """Remembers the sentences that it reads; its space is folded to four dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def texts(self, lines: Sequence[str]) -> Floats:
        self.read += lines
        rows = super().texts(lines).reshape(len(lines), DIM, -1).sum(axis=2) + 0.01
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_vectors_are_the_mean_over_prompts_and_templates(tmp_path: Path) -> None:
    encoder, card = CountingEncoder(), make_card(tmp_path / "toy")
    vectors = make_prompt_vectors(encoder, TAXONOMY, card)
    assert {name: rows.shape for name, rows in vectors.items()} == {"type": (3, 4), "colour": (3, 4), "sleeves": (2, 4)}
    mean = CountingEncoder().texts(["red", "scarlet"]).mean(axis=0)
    np.testing.assert_allclose(vectors["colour"][0], mean / np.linalg.norm(mean), rtol=1e-5)
    mean = CountingEncoder().texts(["a dog", "a photo of a dog", "a car", "a photo of a car"]).mean(axis=0)
    np.testing.assert_allclose(vectors["type"][2], mean / np.linalg.norm(mean), rtol=1e-5)
    assert len(encoder.read) == len(set(encoder.read))


def test_templates_of_the_card_come_first(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    tags = {name: {"scale": 1.0, "threshold": 0.3, "templates": ["worn {}"]} for name in ("type", "colour", "sleeves")}
    make_prompt_vectors(encoder, TAXONOMY, make_card(tmp_path / "toy", tags=tags))
    assert "worn dress" in encoder.read
    assert "a photo of dress" not in encoder.read


def test_shipped_vectors_spare_the_text_tower(tmp_path: Path) -> None:
    encoder, card = CountingEncoder(), make_card(tmp_path / "toy")
    assert find_prompt_vectors(TAXONOMY, card) is None
    made = prompt_vectors(encoder, TAXONOMY, card)
    path = save_prompt_vectors(made, TAXONOMY, card)
    assert [entry.name for entry in path.parent.iterdir() if entry.suffix == ".npz"] == ["prompts.npz"]
    encoder.read.clear()
    shipped = prompt_vectors(encoder, TAXONOMY, load_card(card.folder))
    assert encoder.read == []
    for name, rows in made.items():
        np.testing.assert_array_equal(shipped[name], rows)


def test_vectors_of_another_taxonomy_or_tower_are_made_anew(tmp_path: Path) -> None:
    encoder, card = CountingEncoder(), make_card(tmp_path / "toy")
    save_prompt_vectors(make_prompt_vectors(encoder, TAXONOMY, card), TAXONOMY, card)
    other = Taxonomy(name="small", version="1", groups=(TYPES, COLOUR))
    card = load_card(card.folder)
    assert find_prompt_vectors(TAXONOMY, card) is not None
    assert find_prompt_vectors(other, card) is None
    stored = {"text.onnx": b"other", "prompts.npz": (tmp_path / "toy" / "prompts.npz").read_bytes()}
    retrained = load_card(write_model(tmp_path / "new", dim=DIM, stored=stored))
    assert find_prompt_vectors(TAXONOMY, retrained) is None


def test_vectors_are_verified_like_weights_and_not_read_unlisted(tmp_path: Path) -> None:
    encoder, card = CountingEncoder(), make_card(tmp_path / "toy")
    path = save_prompt_vectors(make_prompt_vectors(encoder, TAXONOMY, card), TAXONOMY, card)
    assert find_prompt_vectors(TAXONOMY, card) is None  # a card from before the file, which does not list it
    listed = load_card(card.folder)
    verify(listed)
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    for check in (verify, lambda card: find_prompt_vectors(TAXONOMY, card)):
        with pytest.raises(ArtifactError, match=r"toy/prompts\.npz: expected SHA-256"):
            check(listed)
    path.unlink()
    with pytest.raises(ArtifactError, match=r"prompts\.npz"):
        load_card(card.folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all", b"PK\x05\x06" + bytes(18)])
def test_damaged_vectors_are_told(tmp_path: Path, content: bytes) -> None:
    card = make_card(tmp_path / "toy")
    (card.folder / "prompts.npz").write_bytes(content)
    record_file(card.folder, "prompts.npz")
    card = load_card(card.folder) if content else replace(card, files=records(card.folder, ["prompts.npz"]))
    with pytest.raises(ArtifactError, match=r"toy/prompts\.npz"):
        find_prompt_vectors(TAXONOMY, card)


def test_a_tagger_needs_calibration_and_vectors_of_every_group(tmp_path: Path) -> None:
    card = make_card(tmp_path / "toy")
    with pytest.raises(ArtifactError, match="colour: expected prompt vectors"):
        PromptTagger(taxonomy=TAXONOMY, card=card, vectors={"type": AXES[:3]})
    with pytest.raises(ArtifactError, match=r"type: expected prompt vectors \(3, 4\), got \(2, 4\)"):
        PromptTagger(taxonomy=TAXONOMY, card=card, vectors={"type": AXES[:2]})
    bare = make_card(tmp_path / "bare", tags={"type": {"scale": 1.0, "threshold": 0.3}})
    tags = PromptTagger(taxonomy=TAXONOMY, card=bare, vectors={"type": AXES[:3]}).tag(AXES[:1])[0]
    assert {tag.group for tag in tags} == {"type"}  # a group that the card does not know is not asked
    typeless = make_card(tmp_path / "typeless", tags={"colour": {"scale": 1.0, "threshold": 0.3}})
    with pytest.raises(ArtifactError, match="calibrates no group 'type'"):
        PromptTagger(taxonomy=TAXONOMY, card=typeless, vectors={"colour": AXES[:3]})


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    rooms = "trendloom.vision.tagger, trendloom.vision.classifier, trendloom.vision.registry, trendloom.vision.encoder"
    heavy = "{'onnxruntime', 'tokenizers', 'faiss', 'polars', 'sknetwork', 'scipy', 'fastapi'}"
    told = f"import sys, {rooms}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def with_learned(folder: Path, groups: dict[str, dict[str, Floats]]) -> ModelCard:
    write_values(folder.parent / VALUES, groups)
    raw = (folder.parent / VALUES).read_bytes()
    tags = {name: {"scale": 1.0, "threshold": 0.3} for name in ("type", "colour", "sleeves")}
    classify = {"templates": ["{}"], "softmax_scale": 10.0, "sigmoid_scale": 10.0, "sigmoid_bias": -5.0}
    return load_card(
        write_model(folder, dim=DIM, stored={VALUES: raw}, calibration={"classify": classify, "tags": tags})
    )


def test_learned_vectors_stand_for_their_values_and_no_others(tmp_path: Path) -> None:
    encoder, plain = CountingEncoder(), make_card(tmp_path / "plain")
    learned = {
        "sleeves": {"short": AXES[3], "three-quarter": AXES[2]},
        "type": {NONE: AXES[1]},
        "heel": {"high": AXES[0]},
    }
    card = with_learned(tmp_path / "learned", learned)
    of_prompts, found = (make_prompt_vectors(encoder, TAXONOMY, one) for one in (plain, card))
    np.testing.assert_array_equal(found["sleeves"], [of_prompts["sleeves"][0], AXES[3]])
    np.testing.assert_array_equal(found["type"], [*of_prompts["type"][:2], AXES[1]])
    np.testing.assert_array_equal(found["colour"], of_prompts["colour"])


def test_stored_vectors_are_made_anew_for_other_learned_ones(tmp_path: Path) -> None:
    card = with_learned(tmp_path / "one", {"sleeves": {"short": AXES[3]}})
    save_prompt_vectors(make_prompt_vectors(CountingEncoder(), TAXONOMY, card), TAXONOMY, card)
    card = load_card(card.folder)
    assert find_prompt_vectors(TAXONOMY, card) is not None
    other = with_learned(tmp_path / "two", {"sleeves": {"short": AXES[2]}})
    (other.folder / "prompts.npz").write_bytes((card.folder / "prompts.npz").read_bytes())
    record_file(other.folder, "prompts.npz")
    assert find_prompt_vectors(TAXONOMY, load_card(other.folder)) is None


def test_learned_vectors_are_read_as_written(tmp_path: Path) -> None:
    write_values(tmp_path / VALUES, {"fit": {"slim": AXES[0], "loose": AXES[1]}, "length": {"mini": AXES[2]}})
    found = read_values(tmp_path / VALUES)
    assert {group: list(values) for group, values in found.items()} == {"fit": ["slim", "loose"], "length": ["mini"]}
    np.testing.assert_array_equal(found["fit"]["loose"], AXES[1])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all", b"PK\x05\x06" + bytes(18)])
def test_damaged_learned_vectors_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / VALUES).write_bytes(content)
    with pytest.raises(ArtifactError, match=VALUES):
        read_values(tmp_path / VALUES)
