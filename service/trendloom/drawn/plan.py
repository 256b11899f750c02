"""What a drawn dump contains: its looks, which of them move and how, and whether the calls made on it are right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import ConfigError, InputError

__all__ = [
    "BACKGROUND",
    "START",
    "Call",
    "Finding",
    "Kind",
    "Look",
    "Plan",
    "Planted",
    "load_plan",
    "planted_looks",
    "rates",
    "score_plan",
    "summary",
]

Kind = Literal["rising", "seasonal", "fading", "steady"]
START = date(2024, 9, 2)
SHORTEST = 26
RECENT = 13
UPWARD = ("emerging", "rising")


@dataclass(frozen=True, kw_only=True)
class Look:
    """A garment that is posted again and again."""

    type: str
    colour: str
    pattern: str = "plain"

    @property
    def label(self) -> str:
        """Its words, such as `light blue striped shirt`."""
        words = (self.colour, self.type) if self.pattern == "plain" else (self.colour, self.pattern, self.type)
        return " ".join(words)


def _looks(lines: str) -> tuple[Look, ...]:
    """Returns looks from lines of `type, colour, pattern`."""
    rows = [[word.strip() for word in line.split(",")] for line in lines.strip().splitlines()]
    return tuple(Look(type=kind, colour=colour, pattern=pattern) for kind, colour, pattern in rows)


BACKGROUND = _looks("""
    t-shirt, white, plain
    t-shirt, black, graphic
    t-shirt, navy, striped
    t-shirt, yellow, plain
    shirt, white, plain
    shirt, red, checked
    polo shirt, green, plain
    sweater, beige, plain
    sweater, red, striped
    cardigan, grey, plain
    hoodie, grey, plain
    hoodie, purple, plain
    sweatshirt, navy, graphic
    jacket, blue, denim
    jacket, black, plain
    blazer, navy, plain
    blazer, beige, checked
    coat, brown, plain
    coat, black, plain
    dress, black, plain
    dress, red, dotted
    dress, turquoise, floral
    jumpsuit, olive, plain
    skirt, black, plain
    skirt, pink, plain
    skirt, green, checked
    trousers, beige, plain
    trousers, black, plain
    jeans, blue, denim
    jeans, light blue, denim
    shorts, orange, plain
    leggings, black, plain
    sneakers, white, plain
    boots, black, plain
    heels, red, plain
    handbag, black, plain
    handbag, beige, plain
    backpack, olive, plain
    scarf, grey, checked
    hat, brown, plain
    cap, red, plain
    beanie, orange, plain
""")
_PLANTED: tuple[tuple[Look, Kind, float], ...] = (
    (Look(type="handbag", colour="green"), "rising", 3.8),
    (Look(type="skirt", colour="purple"), "rising", 3.8),
    (Look(type="dress", colour="yellow", pattern="floral"), "seasonal", 3.2),
    (Look(type="sneakers", colour="pink"), "fading", 0.28),
)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A look that does not stay as it is, and the truth about it.

    Attributes:
        label: its words.
        kind: rising, seasonal or fading.
        onset: the Monday of the week in which its change begins; for a seasonal one, in which its last rise does.
        growth: its rate after the change as a multiple of the rate before.
        weekly: its posts in each week of the dump.
        posts: the ids of its posts, oldest first.
    """

    label: str
    type: str
    colour: str
    pattern: str
    kind: Kind
    onset: date
    growth: float
    weekly: tuple[int, ...]
    posts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The truth about a drawn dump.

    Attributes:
        version: counts up when the same seed would draw another dump.
        start: its first Monday.
        posts: how many posts the manifest names.
        broken: how many files of each kind of damage.
        undated: posts whose time cannot be read.
        background: labels of the looks that stay as they are.
        planted: the looks that do not.
    """

    version: int
    seed: int
    start: date
    weeks: int
    per_week: int
    posts: int
    broken: dict[str, int]
    undated: int
    background: tuple[str, ...]
    planted: tuple[Planted, ...]

    def save(self, path: Path) -> None:
        """Writes the plan as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n", encoding="utf-8")


def load_plan(path: Path) -> Plan:
    """Returns the plan stored in a `planted.json`.

    Raises:
        InputError: the file is missing or is not a plan.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        planted = tuple(
            Planted(
                **{
                    **p,
                    "onset": date.fromisoformat(p["onset"]),
                    "weekly": tuple(p["weekly"]),
                    "posts": tuple(p["posts"]),
                }
            )
            for p in raw["planted"]
        )
        start = date.fromisoformat(raw["start"])
        return Plan(**{**raw, "start": start, "background": tuple(raw["background"]), "planted": planted})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected the plan of a drawn dump in {path}, got {error!r}; draw the dump again") from error


def planted_looks(rng: np.random.Generator, weeks: int) -> list[tuple[Look, Kind, int, float]]:
    """Returns (look, kind, week of the onset, growth) of the planted looks of a dump of so many weeks.

    Raises:
        ConfigError: the dump is too short to hold a trend and what came before it.
    """
    if weeks < SHORTEST:
        raise ConfigError(f"expected at least {SHORTEST} weeks, got {weeks}; a shorter dump has no before and after")
    first = max(weeks - 19, weeks // 3)
    onsets = {
        "green handbag": first + int(rng.integers(0, 3)),
        "purple skirt": max(weeks - 15, weeks // 3) + int(rng.integers(0, 3)),
        "yellow floral dress": weeks - 10,
        "pink sneakers": max(weeks - 26, weeks // 4) + int(rng.integers(0, 4)),
    }
    return [(look, kind, onsets[look.label], growth) for look, kind, growth in _PLANTED]


def rates(kind: Kind, *, onset: int, growth: float, weeks: int) -> NDArray[np.float64]:
    """Returns how much a look is posted in each week, (weeks,), as a multiple of its rate in quiet times.

    Rising and fading are logistic, five weeks from the onset to the middle. A seasonal look has a bump every 52 weeks,
    with its top 17 weeks after the onset of the rise.
    """
    week = np.arange(weeks, dtype=np.float64)
    if kind == "steady":
        return np.ones(weeks)
    if kind == "seasonal":
        away = np.mod(week - (onset + 17) + 26, 52) - 26
        seasonal: NDArray[np.float64] = 1 + (growth - 1) * np.exp(-0.5 * (away / 7.5) ** 2)
        return seasonal
    risen = 1 / (1 + np.exp(-(week - onset - 5) / 1.7))
    if kind == "rising":
        rising: NDArray[np.float64] = 1 + (growth - 1) * risen
        return rising
    fading: NDArray[np.float64] = (1 + (growth - 1) * risen) / growth
    return fading


@dataclass(frozen=True, kw_only=True)
class Call:
    """A trend that was found in the dump."""

    trend_id: str
    label: str
    stage: str
    post_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of a planted look, or a call that nothing was planted for.

    Attributes:
        planted: the planted look's words; None for a call of something that does not move.
        kind: what was planted; steady where nothing was.
        call: words of the call that holds the look; None if none does.
        stage: that call's stage.
        right: rising was called emerging or rising, or the others were not.
    """

    planted: str | None
    kind: Kind
    call: str | None
    stage: str | None
    right: bool


def score_plan(plan: Plan, calls: Sequence[Call]) -> list[Finding]:
    """Returns a finding for each planted look, then one for each upward call that has no planted rise behind it.

    A call holds a look if it has at least half of the look's posts of the last 13 weeks, and at least half of the
    call's posts are the look's.
    """
    findings: list[Finding] = []
    claimed: set[str] = set()
    for look in plan.planted:
        held = [call for call in calls if _holds(call, look)]
        held.sort(key=lambda call: (call.stage not in UPWARD, -len(call.post_ids), call.trend_id))
        claimed.update(call.trend_id for call in held)
        best = held[0] if held else None
        upward = best is not None and best.stage in UPWARD
        findings.append(
            Finding(
                planted=look.label,
                kind=look.kind,
                call=best.label if best else None,
                stage=best.stage if best else None,
                right=upward == (look.kind == "rising"),
            )
        )
    for call in calls:
        if call.stage in UPWARD and call.trend_id not in claimed:
            findings.append(Finding(planted=None, kind="steady", call=call.label, stage=call.stage, right=False))
    return findings


def _holds(call: Call, look: Planted) -> bool:
    """Returns whether a call is about a planted look."""
    recent = set(look.posts[len(look.posts) - sum(look.weekly[-RECENT:]) :])
    called = set(call.post_ids)
    if not recent or not called:
        return False
    return 2 * len(called & recent) >= len(recent) and 2 * len(called & set(look.posts)) >= len(called)


def summary(findings: Sequence[Finding]) -> str:
    """Returns the findings in one sentence."""
    planted = [f for f in findings if f.planted is not None]
    rising = [f for f in planted if f.kind == "rising"]
    words = [f"planted {len(planted)}: found {sum(f.right for f in rising)} of {len(rising)} rising"]
    words += [f"{f.kind} {'not called' if f.right else f'called {f.stage}'}" for f in planted if f.kind != "rising"]
    others = len(findings) - len(planted)
    words.append("1 other look called" if others == 1 else f"{others or 'no'} other looks called")
    return ", ".join(words)
