"""Labels that ask about people are refused, and nothing else: the whole list stands in labels_about_people.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trendloom.artifacts import taxonomy_path
from trendloom.errors import InputError
from trendloom.taxonomy import load_taxonomy
from trendloom.vision.labels import refusal, refuse_group, refuse_labels, split_labels

CASES: dict[str, dict[str, list[str]]] = yaml.safe_load(
    (Path(__file__).parent / "labels_about_people.yaml").read_text(encoding="utf-8")
)
REFUSED = [label for labels in CASES["refused"].values() for label in labels]
ACCEPTED = [label for labels in CASES["accepted"].values() for label in labels]


def test_the_list_is_long_and_has_nothing_twice() -> None:
    assert all(isinstance(label, str) for label in REFUSED + ACCEPTED)
    assert len(set(REFUSED + ACCEPTED)) == len(REFUSED + ACCEPTED)
    assert min(len(REFUSED), len(ACCEPTED)) >= 500


@pytest.mark.parametrize("kind", CASES["refused"])
def test_labels_that_ask_about_a_person_are_refused(kind: str) -> None:
    assert [label for label in CASES["refused"][kind] if not refusal(label)] == []


@pytest.mark.parametrize("kind", CASES["accepted"])
def test_labels_of_what_is_worn_are_accepted(kind: str) -> None:
    assert {label: why for label in CASES["accepted"][kind] if (why := refusal(label))} == {}


def test_the_message_names_the_label_and_says_why() -> None:
    with pytest.raises(InputError, match="infers nothing about people: name a garment") as told:
        refuse_labels(["dress", "Young Woman"])
    assert "'Young Woman' asks for a person" in str(told.value)


@pytest.mark.parametrize("kind", CASES["refused"])
def test_case_and_punctuation_change_nothing(kind: str) -> None:
    plain = [label for label in CASES["refused"][kind] if label.isascii() and "_" not in label]
    turned = [label.lower() if label[0].isupper() else label.upper() for label in plain]
    assert [label for label in turned + [f"  {label}!  " for label in plain] if not refusal(label)] == []


def test_one_refused_label_does_not_stop_the_others() -> None:
    usable, refused = split_labels(["dress", "old lady", "men's shirt", "woman"])
    assert usable == ["dress", "men's shirt"]
    assert list(refused) == ["old lady", "woman"]
    assert all("name a garment" in why for why in refused.values())


def test_every_refused_label_is_named_at_once() -> None:
    with pytest.raises(InputError, match=r"'woman'.*'elderly'"):
        refuse_labels(["woman", "dress", "elderly"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("skin", ["light", "dark"]),
        ("age_group", ["18-24", "25-34"]),
        ("hair", ["short", "curly"]),
        ("wearer", ["elderly", "other"]),
        ("department", ["men", "women"]),
        ("gender", ["a", "b"]),
    ],
)
def test_a_group_is_judged_with_its_values(name: str, values: list[str]) -> None:
    with pytest.raises(InputError, match="infers nothing about people"):
        refuse_group(name, name, values, ())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fit", ["boyfriend", "mom", "slim"]),
        ("length", ["short", "long"]),
        ("season", ["summer", "winter"]),
        ("shade", ["skin", "nude", "light"]),
        ("waist", ["high", "low"]),
        ("department", ["menswear", "womenswear", "kidswear"]),
    ],
)
def test_groups_of_what_is_worn_pass(name: str, values: list[str]) -> None:
    refuse_group(name, name, values, ())


def test_the_shipped_taxonomy_asks_nothing_about_people() -> None:
    for group in load_taxonomy(taxonomy_path()).groups:
        prompts = [prompt for value in group.values for prompt in value.prompts]
        refuse_group(group.name, group.label, [value.value for value in group.values], prompts)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(refusal(text), str)


@settings(deadline=None)
@given(st.sampled_from(ACCEPTED), st.sampled_from(["young woman", "dark skin", "an old man"]))
def test_what_is_refused_is_refused_beside_what_is_not(accepted: str, person: str) -> None:
    assert refusal(f"{person}; {accepted}")


@pytest.mark.parametrize(
    "text", ["1" * 4_000, "a photo of " * 400, "1-" * 2_000, "a " * 2_000, "(" * 4_000, "-" * 4_000]
)
def test_long_texts_are_judged_too(text: str) -> None:
    refusal(text)  # no regular expression may take more than linear time for long
