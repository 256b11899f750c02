"""Which labels are refused: those that ask what a person is instead of what is worn. English words only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trendloom.errors import InputError

__all__ = ["refuse_labels"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PEOPLE = _words(
    "man men woman women boy boys girl girls male males female females person persons people human humans "
    "lady ladies gentleman gentlemen guy guys gal gals dude dudes child children kid kids baby babies infant infants "
    "toddler toddlers teen teens teenager teenagers tween tweens adult adults senior seniors adolescent adolescents "
    "mother mothers father fathers mom moms mum mums dad dads daughter daughters son sons sister sisters brother "
    "brothers husband husbands wife wives grandmother grandmothers grandfather grandfathers grandma grandpa granny "
    "mens womens"  # as shops write men's and women's: a person only where no garment follows
)
_ETHNIC = _words(
    "asian african caucasian hispanic latino latina latinx arab arabic european american indian chinese japanese "
    "korean mexican jewish muslim black white brown"
)
_TRAITS = _words(
    "young younger old older elderly aged middle-aged teenage underage youthful mature fat obese overweight chubby "
    "curvy skinny thin slim slender muscular pregnant bald blond blonde brunette redhead tall short attractive "
    "unattractive beautiful pretty handsome ugly sexy hot cute fair pale dark light tan tanned olive freckled wrinkled "
    "smooth bare naked nude masculine feminine gay lesbian straight transgender disabled round oval facial "
    "big small full wide long curly wavy grey gray red ginger blue green hazel"
)
_DESCRIBING = _PEOPLE | _ETHNIC | _TRAITS
_TRAITS_OF_PEOPLE_ONLY = _words(
    "asian african caucasian hispanic latino latina latinx arab jewish muslim young old elderly middle-aged teenage "
    "underage fat obese overweight chubby pregnant naked bald blond blonde brunette redhead attractive unattractive "
    "beautiful pretty handsome ugly gay lesbian transgender disabled"
)
_BODY = _words(
    "face faces body bodies skin complexion hair hairstyle eye eyes eyebrow eyebrows nose noses lip lips mouth "
    "breast breasts boobs bust butt buttocks belly stomach thigh thighs figure physique model models features"
)
_BODY_ALONE = _BODY - _words("skin body model models features figure bust")  # a colour, a garment, a shop's words
_QUALITY = _words("tone tones colour color colours colors type types shape shapes size sizes weight")
_ASKED = _words("age ages gender genders sex ethnicity ethnicities race races nationality attractiveness religion")
_FILLERS = _words(
    "a an the of very and with or some one two three group photo picture portrait image looking is what which "
    "his her their estimated"
)
_RELATIONS = _words("in wearing on at for from who that holding carrying by under near sitting standing walking")
_YEARS = re.compile(r"\b(\d+|under|over)[ -]*(\d+[ -]*)?(years?|yrs?)?[ -]*(old|of age)\b")
_WORN = _words(
    "shirt shirts t-shirt t-shirts tshirt tshirts tee tees top tops blouse blouses polo sweater sweaters jumper jumpers "
    "pullover cardigan hoodie hoodies sweatshirt sweatshirts jacket jackets blazer blazers coat coats vest vests "
    "waistcoat suit suits dress dresses frock gown skirt skirts trousers pants jeans shorts leggings tights stockings "
    "jumpsuit romper bodysuit swimsuit bikini bra underwear briefs pyjamas pajamas nightwear socks shoes shoe "
    "sneakers trainers boots heels flats sandals slippers bag bags handbag backpack clutch wallet hat hats cap caps "
    "beanie scarf scarves tie ties gloves belt belts sunglasses glasses watch watches jewellery jewelry earrings "
    "necklace bracelet ring kurta saree sari tunic clothes clothing garment garments outfit outfits wear fashion style "
    "print pattern fabric collection accessories costume uniform perfume mist spray lotion cream mask"
)


def refuse_labels(labels: Sequence[str]) -> None:
    """Refuses labels that ask what a person is instead of what is worn.

    A label is judged by what it names, not by single words: `men's shirt` names a shirt, `young man` a person.

    Raises:
        InputError: a label asks for a person's gender, age, body, skin, face or ethnicity.
    """
    for label in labels:
        if asked := _asks_for(label):
            raise InputError(
                f"label {label!r} asks for {asked}; trendloom infers nothing about people: "
                "name a garment, an accessory, a colour or a pattern"
            )


def _asks_for(label: str) -> str:
    """Returns what the label asks about a person, in words for a message; an empty text if nothing."""
    text = label.lower().replace("\u2019", "'")
    words = [word for word in re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text) if word not in _FILLERS]
    subject = next((words[:n] for n, word in enumerate(words) if n and word in _RELATIONS), words)
    if not subject:
        return ""
    bare = [word.removesuffix("'s") for word in subject]
    head, before = bare[-1], set(bare[:-1])
    if head in _PEOPLE:
        return "a person"
    if set(words) & _WORN:
        return ""
    described = before <= _DESCRIBING
    rules = {
        "a person's body, skin or face": (head in _BODY and described and bool(before or head in _BODY_ALONE))
        or (head in _QUALITY and bool(before & _BODY)),
        "a person's age, gender or ethnicity": (head in _ASKED and described)
        or bare[0] == "age"
        or bool(_YEARS.search(text)),
        "what a person looks like": set(bare) <= _DESCRIBING and bool(set(bare) & _TRAITS_OF_PEOPLE_ONLY),
    }
    return next((asked for asked, holds in rules.items() if holds), "")
