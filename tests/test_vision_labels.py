from __future__ import annotations

import pytest

from trendloom.errors import InputError
from trendloom.vision.classifier import refuse_labels

REFUSED = [
    "man", "Women", "Girls", "Baby/Children", "male", "male model", "men's", "Womens", "for men", "group of women",
    "asian woman", "young man", "a fat person", "a beautiful girl", "old lady", "white people", "African American",
    "pregnant woman face", "dark skin person", "woman in a red dress", "man wearing a hat", "a photo of a young man",
    "skin tone", "dark skin", "skin colour", "face", "round face", "face shape", "blue eyes", "blonde hair",
    "body type", "woman\u2019s body", "slim body", "asian features", "caucasian",
    "age", "age 25", "age group", "person's age", "20 years old", "over 50 years old", "gender", "ethnicity",
    "elderly", "overweight", "attractive", "beautiful",
]  # fmt: skip
ACCEPTED = [
    "Skin", "Nude", "body", "bodysuit", "body mist", "Perfume and Body Mist", "Underwear body", "upper body",
    "men's shirt", "mens shirt", "girls' dress", "Kids shoes", "dress for women", "lady bag", "mom jeans", "menswear",
    "Age of Ultron t-shirt", "Man of Steel tee", "Womens Everyday Collection", "Unisex", "Baby Dolls", "baby blue",
    "black", "white", "light brown", "dark olive", "hot pink", "old rose", "tan", "Indian", "african print",
    "short", "long", "skinny", "slim fit", "plus size", "wide leg", "round neck", "pretty dress", "feminine",
    "Hair clip", "Hair/alice band", "face mask", "snake skin", "evil eye", "race car", "vintage", "space age",
    "\u044e\u0431\u043a\u0430", "\u88d9\u5b50", "!!!", "T-shirt", "Casual Shoes",
]  # fmt: skip


@pytest.mark.parametrize("label", REFUSED)
def test_a_label_that_describes_a_person_is_refused(label: str) -> None:
    with pytest.raises(InputError, match="infers nothing about people") as told:
        refuse_labels(["dress", label])
    assert repr(label) in str(told.value)


def test_labels_of_things_worn_are_accepted() -> None:
    refuse_labels(ACCEPTED)
