"""Who posts in a drawn dump and what they write: invented handles, counters, captions and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

import numpy as np

from trendloom.drawn.plan import Look

__all__ = ["Author", "Counters", "caption", "counters", "make_authors", "stamp"]

_FIRST = (
    "amber", "birch", "cedar", "coral", "cotton", "denim", "ember", "fern", "hazel", "indigo", "ivory", "jade", "linen",
    "lunar", "maple", "mellow", "misty", "olive", "opal", "paper", "pebble", "plum", "quiet", "river", "saffron", "slow",
    "sunny", "tidal", "velvet", "willow",
)  # fmt: skip
_LAST = (
    "atelier", "avenue", "closet", "corner", "diary", "drawer", "edit", "finds", "garden", "hanger", "journal", "lane",
    "loft", "market", "mood", "notes", "outfits", "parade", "room", "street", "studio", "thread", "wardrobe", "weekend",
)  # fmt: skip
# country: weight, hours from UTC
_COUNTRIES: dict[str, tuple[float, float]] = {
    "FR": (0.24, 1), "DE": (0.13, 1), "IT": (0.11, 1), "ES": (0.1, 1), "GB": (0.12, 0), "NL": (0.05, 1), "US": (0.13, -5),
    "BR": (0.05, -3), "IN": (0.04, 5.5), "JP": (0.03, 9),
}  # fmt: skip
_PLATFORMS = {"instagram": 0.55, "tiktok": 0.27, "pinterest": 0.13, "snapchat": 0.05}
_OPENERS = (
    "new in", "today's pick", "laid out for tomorrow", "a little flat lay", "found this one", "back in the wardrobe", "still on my mind",
    "weekend plans", "monday again", "sorting the closet", "what do you think?", "packed and ready", "morning light", "one more for the list",
    "second-hand find", "keeping it simple", "from the market", "small joys", "not sure yet", "ok, this one stays",
)  # fmt: skip
_NAMING = (
    "my {} and coffee",
    "this {}",
    "the {} of the week",
    "{} day",
    "how would you wear this {}?",
    "a {}, at last",
    "{} season",
)
_TAGS = (
    "#ootd", "#flatlay", "#style", "#wardrobe", "#outfitinspo", "#slowfashion", "#whatiwore", "#fashion", "#thrifted", "#dailylook",
    "#capsulewardrobe", "#mystyle", "#newin", "#weekend", "#lookbook",
)  # fmt: skip
_UNREADABLE = ("yesterday", "", "32/13/2024 25:61", "n/a", "last summer")


@dataclass(frozen=True, kw_only=True)
class Author:
    """An invented account."""

    name: str
    country: str
    platform: str
    followers: int
    offset: float
    reach: float


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Public counters of a post; None where the platform does not say."""

    likes: int | None
    comments: int | None
    shares: int | None
    views: int | None


def make_authors(rng: np.random.Generator, count: int) -> tuple[list[Author], list[float]]:
    """Returns invented accounts and how much each posts, as shares that fall off slowly and sum to 1."""
    names = [f"{first}.{last}" for first in _FIRST for last in _LAST]
    chosen = [names[i] for i in rng.permutation(len(names))[:count].tolist()]
    chosen += [f"{names[i % len(names)]}{i}" for i in range(count - len(chosen))]
    countries = rng.choice(list(_COUNTRIES), size=count, p=[w for w, _ in _COUNTRIES.values()])
    platforms = rng.choice(list(_PLATFORMS), size=count, p=list(_PLATFORMS.values()))
    followers = np.exp(rng.normal(7.4, 1.5, count)).astype(int) + 12
    reach = np.exp(rng.normal(-3.3, 0.5, count))
    people = [
        Author(name=n, country=str(c), platform=str(p), followers=int(f), offset=_COUNTRIES[str(c)][1], reach=float(r))
        for n, c, p, f, r in zip(chosen, countries, platforms, followers, reach, strict=True)
    ]
    weight = 1 / (np.arange(count) + 4.0) ** 0.85
    shares: list[float] = (weight / weight.sum()).tolist()
    return people, shares


def counters(rng: np.random.Generator, author: Author) -> Counters:
    """Returns counters that fit the account's followers."""
    likes = int(author.followers * author.reach * np.exp(rng.normal(0, 0.6))) + int(rng.integers(0, 9))
    comments = int(rng.poisson(0.03 * likes + 0.4))
    shares = int(rng.poisson(0.015 * likes)) if author.platform != "snapchat" else None
    views = int(likes * rng.uniform(6, 18)) if author.platform in {"tiktok", "instagram"} else None
    return Counters(likes=None if rng.uniform() < 0.02 else likes, comments=comments, shares=shares, views=views)


def caption(rng: np.random.Generator, look: Look | None) -> str:
    """Returns a caption; about two in five name the garment, a few are empty."""
    if rng.uniform() < 0.07:
        return ""
    words = str(rng.choice(_OPENERS))
    if look is not None and rng.uniform() < 0.4:
        name = look.type if rng.uniform() < 0.5 else look.label
        words = str(rng.choice(_NAMING)).format(name) if rng.uniform() < 0.6 else f"{words}: {name}"
    tags = [str(t) for t in rng.choice(_TAGS, size=int(rng.integers(0, 5)), replace=False)]
    if look is not None and rng.uniform() < 0.25:
        tags.append("#" + look.type.replace(" ", "").replace("-", ""))
    return " ".join([words, *tags])


def stamp(rng: np.random.Generator, monday: date, author: Author, *, readable: bool) -> str:
    """Returns a time in the week of `monday`, UTC, as ISO 8601 in UTC or in the account's own offset."""
    if not readable:
        return str(rng.choice(_UNREADABLE))
    seconds = int(rng.uniform(0, 7 * 86400))
    moment = datetime.combine(monday, time(), UTC) + timedelta(seconds=seconds)
    if rng.uniform() < 0.35:
        return moment.astimezone(timezone(timedelta(hours=author.offset))).isoformat()
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
