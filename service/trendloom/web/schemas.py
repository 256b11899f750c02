"""What the API says: every number finite or null, nothing of a group that is too small."""

from __future__ import annotations

import base64
import math
from datetime import date, datetime
from typing import Annotated, Any, Self, TypeVar

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trendloom.types import Box
from trendloom.web.reading import HitRow, OverviewRow, Tagged

__all__ = [
    "BY",
    "BoxOut",
    "Cell",
    "Garment",
    "Group",
    "Health",
    "Hit",
    "Hits",
    "ImageTags",
    "Number",
    "Panel",
    "Point",
    "Problem",
    "Ready",
    "Row",
    "Shown",
    "TagOut",
    "TagReply",
    "Trend",
    "TrendDetail",
    "Trends",
    "Whole",
    "rows_of",
]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Whole = Annotated[int | None, BeforeValidator(_finite)]
BY = ("country", "platform", "cohort")
"""Fields by which a trend is told apart."""

RowT = TypeVar("RowT", bound="Row")


class Row(BaseModel):
    """A row of a table; what the table has beyond it is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Cell(Row):
    """A row about people: withheld as a whole where they are fewer than k."""

    suppressed: bool = Field(
        False, description="True where fewer than k people stand behind the row; numbers are null."
    )

    @model_validator(mode="before")
    @classmethod
    def _withhold(cls, row: Any) -> Any:
        if isinstance(row, dict) and row.get("suppressed"):
            return {k: v for k, v in row.items() if k not in _WITHHELD}
        return row


_WITHHELD = frozenset(
    "growth growth_low growth_high q_value authors posts share share_low share_high numerator".split()  # noqa: SIM905
)

_SHARE = "Share of active people who show it, 0..1."
_GROWTH = "How many times the share it is compared with; 1 is unchanged."


class Trend(Cell):
    """A look or an attribute, and what became of it."""

    rank: int = Field(description="1 is the strongest evidence.", examples=[1])
    trend_id: str = Field(examples=["look-7f3a"])
    kind: str = Field(description="`look`, `attribute` or `prompt`.", examples=["look"])
    label: str = Field(examples=["Red check shirts"])
    stage: str | None = Field(
        None, description="emerging, rising, peaking, steady, seasonal, burst or fading.", examples=["emerging"]
    )
    since: date | None = Field(None, description="First window of the stage.", examples=["2025-02-03"])
    growth: Number = Field(None, description=_GROWTH, examples=[3.1])
    growth_low: Number = Field(None, description="Lower end of the 95 % interval.", examples=[2.2])
    growth_high: Number = Field(None, description="Upper end.", examples=[4.4])
    q_value: Number = Field(
        None, description="Share of false alarms to expect among trends with evidence this strong.", examples=[0.0004]
    )
    authors: Whole = Field(None, description="People who show it.", examples=[84])
    posts: Whole = Field(None, examples=[131])
    share: Number = Field(None, description=_SHARE, examples=[0.019])
    share_low: Number = Field(None, description="Lower end of the 95 % interval.", examples=[0.015])
    share_high: Number = Field(None, description="Upper end.", examples=[0.024])
    countries: Whole = Field(None, description="Countries in which ten people or more show it.", examples=[3])
    loudest_share: Number = Field(
        None, description="Share of its posts that its ten loudest authors posted.", examples=[0.14]
    )
    growth_without_loudest: Number = Field(
        None, description="Growth without these ten authors, of trends that are called.", examples=[2.9]
    )
    first_seen: date | None = None
    last_seen: date | None = None
    reason: str | None = Field(None, description="Why this stage, in words.")
    under: str | None = Field(None, description="The trend that tells this story better, if one does.")


class Point(Cell):
    """A trend in one window."""

    trend_id: str
    window_start: date = Field(description="First day of the half-open window, UTC.", examples=["2025-02-03"])
    numerator: Number = Field(None, description="People who show it.")
    denominator: Number = Field(None, description="People who were active.")
    authors: Whole = None
    share: Number = Field(None, description=_SHARE)
    share_low: Number = None
    share_high: Number = None
    posts: Whole = Field(None, description="Posts that show it, as they came.")
    distinct: Whole = Field(None, description="The same, copies of one photo being one.")
    windows: int = Field(1, description="Windows that are pooled here, so that enough people stand behind the row.")


class Group(Cell):
    """A trend in one country or on one platform."""

    value: str = Field(examples=["FR"])
    authors: Whole = None
    share: Number = Field(None, description=_SHARE)
    share_low: Number = None
    share_high: Number = None
    growth: Number = Field(None, description=_GROWTH)
    growth_low: Number = None
    growth_high: Number = None


class Shown(Row):
    """A value that the trend's posts show."""

    group: str = Field(examples=["colour"])
    value: str = Field(examples=["red"])
    share: Number = Field(None, description="Share of the trend's posts that show it, 0..1.")


class Panel(Row):
    """What the numbers are made of."""

    authors: int
    posts: int
    first: date | None
    last: date | None
    now: date | None = Field(description="End of the last complete window; comparisons end here.")
    window: str = Field(description="`week`, `month`, or empty before the first result.")
    model: str
    taxonomy: str
    run: str | None = Field(description="The complete result that is shown; null before the first.")
    running: bool = Field(description="Whether a run is writing a newer one.")
    k: int = Field(description="Smallest number of people that is published.")
    remarks: list[str] = Field(description="What the counts leave out, and what came late, in words.")

    @classmethod
    def of(cls, overview: OverviewRow) -> Self:
        """Returns the panel of an overview."""
        return cls(**{name: getattr(overview, name) for name in cls.model_fields})


_NOTES = "Values asked for that nothing has, with those that were perhaps meant."


class Trends(BaseModel):
    """A page of the list, strongest evidence first."""

    panel: Panel
    total: int = Field(description="Trends that pass the filter.")
    stages: dict[str, int] = Field(description="How many of each stage, before the stage filter.")
    trends: list[Trend]
    next_cursor: str | None = Field(None, description="Pass as `cursor` for the next page; null on the last.")
    notes: list[str] = Field([], description=_NOTES)


class TrendDetail(BaseModel):
    """One trend with its evidence."""

    panel: Panel
    trend: Trend
    series: list[Point]
    countries: list[Group]
    platforms: list[Group]
    cohorts: list[Group] = Field(
        description="By audience: who is ahead, who follows soon, everybody else; empty where the data do not tell."
    )
    shows: list[Shown]
    beneath: list[Trend] = Field(description="Trends that are told by this one.")


class BoxOut(Row):
    """A rectangle in shares of the photo's width and height, origin at the top left."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def of(cls, box: Box) -> Self:
        """Returns the box as the API says it."""
        return cls(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)


class TagOut(Row):
    """A value of a group that a garment shows."""

    group: str = Field(examples=["pattern"])
    value: str = Field(examples=["check"])
    value_id: str = Field(description="Public id where there is one.", examples=["fashionpedia:296"])
    probability: float = Field(description="Calibrated, 0..1.", ge=0, le=1, examples=[0.87])


class ColourOut(Row):
    """One of the two main colours of a garment's pixels."""

    name: str = Field(examples=["navy"])
    hex: str = Field(description="sRGB.", examples=["#1f2a44"])
    lab: tuple[float, float, float] = Field(description="CIE Lab under D65.", examples=[(17.2, 4.1, -18.9)])
    share: float = Field(description="Of the garment's pixels, 0..1.", ge=0, le=1, examples=[0.71])


class Garment(BaseModel):
    """A region of an image, its tags and colours; garment 0 is the whole image."""

    garment: int
    box: BoxOut
    tags: list[TagOut]
    colours: list[ColourOut] = Field(default_factory=list, description="At most two, the larger first.")
    heat: str | None = Field(
        None, description="With heat=true: where the tower looked, a PNG over the image as data URI."
    )


class ImageTags(BaseModel):
    """One image: its garments, or why it could not be read."""

    name: str = Field(description="The file name that was sent, without folders.")
    status: str = Field(description="ok, empty, too_large, truncated, unreadable or unsupported.", examples=["ok"])
    error: str | None = None
    garments: list[Garment]

    @classmethod
    def of(cls, result: Tagged) -> Self:
        """Returns the tags of one image, by garment."""
        garments: dict[int, Garment] = {}
        for number, box, tag in result.tags:
            place = garments.setdefault(number, Garment(garment=number, box=BoxOut.of(box), tags=[], heat=None))
            chance = min(max(tag.probability, 0.0), 1.0) if math.isfinite(tag.probability) else 0.0
            place.tags.append(TagOut(group=tag.group, value=tag.value, value_id=tag.value_id, probability=chance))
        for number, place in garments.items():
            place.colours = [
                ColourOut.model_validate(colour, from_attributes=True) for colour in result.colours.get(number, ())
            ]
            if number in result.heats:
                place.heat = "data:image/png;base64," + base64.b64encode(result.heats[number]).decode()
        return cls(name=result.key, status=result.status, error=result.error, garments=list(garments.values()))


class TagReply(BaseModel):
    """The tags of every image sent, in the order sent."""

    model: str = Field(examples=["fashion-lite 1.0"])
    taxonomy: str = Field(examples=["trendloom 1"])
    images: list[ImageTags]


class Hit(Row):
    """A photo near to what was searched."""

    key: str = Field(description="The photo, as the manifest or folder names it.")
    post_id: str
    posted_at: datetime | None
    score: Number = Field(description="Cosine to the query; comparable within one answer only.")
    tags: list[str]

    @classmethod
    def of(cls, hit: HitRow) -> Self:
        """Returns the hit as the API says it."""
        return cls(key=hit.key, post_id=hit.post_id, posted_at=hit.posted_at, score=hit.score, tags=list(hit.tags))


class Hits(BaseModel):
    """Nearest photos first."""

    model: str
    hits: list[Hit]
    notes: list[str] = Field([], description=_NOTES)


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """The workspace can be read."""

    status: str = "ready"
    run: str | None = Field(description="The complete result that is served.")
    running: bool


class Problem(BaseModel):
    """An error, after RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["limit: Input should be less than or equal to 500"])
    request_id: str = Field(description="Also in the X-Request-ID header and in the log.")


def rows_of(kind: type[RowT], frame: pl.DataFrame) -> list[RowT]:
    """Returns the rows of a table as `kind`."""
    return [kind.model_validate(row) for row in frame.iter_rows(named=True)]
