from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trendloom import drawn
from trendloom.drawn import BACKGROUNDS, COLOURS, PATTERNED, PATTERNS, TYPES, Call, Plan, draw_garment, draw_scene
from trendloom.drawn.dump import COLUMNS
from trendloom.drawn.fabric import PALETTE
from trendloom.drawn.plan import BACKGROUND, Kind, rates
from trendloom.errors import ConfigError, InputError

SMALL = 96
# a case, a dial, lenses or fittings of another colour cover much of these
MIXED = {"sunglasses", "watch", "belt", "sneakers", "socks", "flip flops", "backpack"}
PEOPLE = {"person", "man", "woman", "face", "body", "skin", "hair", "hand", "girl", "boy", "child"}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def lab(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE Lab (D65) of sRGB bytes, IEC 61966-2-1 and CIE 15."""
    c = colours / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    out: NDArray[np.float64] = np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )
    return out


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_draws_every_pattern_inside_the_frame(kind: str) -> None:
    for i, pattern in enumerate(PATTERNS):
        rgba = draw_garment(rng(i), type=kind, colour=COLOURS[i], pattern=pattern, size=SMALL).rgba
        assert rgba.shape == (SMALL, SMALL, 4)
        assert rgba.dtype == np.uint8
        cover = rgba[..., 3]
        assert 0.04 < (cover > 127).mean() < 0.7
        rim = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
        assert rim.max() == 0


def test_the_same_state_draws_the_same_garment_and_another_draws_another() -> None:
    one, two = (draw_garment(rng(4), type="dress", colour="red", pattern="floral", size=SMALL) for _ in range(2))
    other = draw_garment(rng(5), type="dress", colour="red", pattern="floral", size=SMALL)
    assert np.array_equal(one.rgba, two.rgba)
    assert not np.array_equal(one.rgba, other.rgba)
    assert (one.type, one.colour, one.pattern) == ("dress", "red", "floral")
    assert one.sleeves in {"sleeveless", "short sleeves", "long sleeves"}


def test_a_plain_garment_has_the_colour_it_is_named_by() -> None:
    # the mean of a garment, its shade and its buttons included; near tones may change places, seldom
    palette = lab(np.array(list(PALETTE.values()), np.float64))
    near = {"white": {"silver"}, "silver": {"grey"}, "yellow": {"gold"}, "beige": {"silver", "grey"}, "blue": {"navy"}}
    kinds = [kind for kind in TYPES if kind not in MIXED]
    wrong = []
    for i, kind in enumerate(kinds):
        for k in range(i % 3, len(COLOURS), 3):
            colour = COLOURS[k]
            rgba = draw_garment(rng(i, k), type=kind, colour=colour, size=SMALL).rgba.astype(np.float64)
            mean = np.average(rgba[..., :3].reshape(-1, 3), axis=0, weights=rgba[..., 3].ravel())
            named = COLOURS[int(((palette - lab(mean[None])) ** 2).sum(axis=1).argmin())]
            if named != colour and named not in near.get(colour, set()):
                wrong.append((kind, colour, named))
    assert len(wrong) <= 0.01 * len(kinds) * len(COLOURS), wrong


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p not in {"plain", "denim", "melange", "glitter"}])
def test_a_pattern_brings_a_second_colour(pattern: str) -> None:
    def spread(name: str) -> float:
        rgba = draw_garment(rng(3), type="t-shirt", colour="white", pattern=name, size=128).rgba
        return float(rgba[rgba[..., 3] == 255][:, :3].astype(np.float64).std())

    assert spread(pattern) > 1.5 * spread("plain")


def test_patterned_types_have_more_than_plain() -> None:
    assert set(PATTERNED) < set(TYPES)
    assert all(set(drawn.patterns_of(kind)) <= set(PATTERNS) for kind in TYPES)
    assert {kind for kind in TYPES if len(drawn.patterns_of(kind)) > 1} == set(PATTERNED)


def test_every_look_of_the_dump_can_be_drawn() -> None:
    for look in BACKGROUND:
        assert look.type in TYPES
        assert look.colour in COLOURS
        assert look.pattern in drawn.patterns_of(look.type)


def test_no_person_is_drawn() -> None:
    words = {word for name in (*TYPES, *BACKGROUNDS) for word in name.replace("-", " ").split()}
    assert not words & PEOPLE


@pytest.mark.parametrize(
    ("kind", "colour", "pattern"),
    [("cloak", "red", "plain"), ("dress", "mauve", "plain"), ("dress", "red", "zigzag")],
)
def test_unknown_words_are_refused_with_the_known_ones(kind: str, colour: str, pattern: str) -> None:
    with pytest.raises(ConfigError, match="choose one of"):
        draw_garment(rng(1), type=kind, colour=colour, pattern=pattern)


def redness(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of red pixels in each column."""
    colour = image.astype(np.float64)
    share: NDArray[np.float64] = (colour[..., 0] - colour[..., 1:].max(axis=2) > 60).mean(axis=0)
    return share


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_scene_shows_its_garments_on_the_background(background: str) -> None:
    size = 128
    red = draw_garment(rng(1), type="t-shirt", colour="red", size=size)
    navy = draw_garment(rng(2), type="jeans", colour="navy", size=size)
    bare = draw_scene(rng(9), [], background=background, size=size)
    both = draw_scene(rng(9), [red, navy], background=background, size=size)
    assert both.shape == (size, size, 3)
    assert both.dtype == np.uint8
    columns = redness(both)
    assert columns[: size // 2].mean() > 0.1 > columns[size // 2 + 10 :].mean()
    assert redness(bare).mean() < 0.02
    assert bare.mean() > both.mean()


def test_a_scene_keeps_one_garment_inside_the_frame() -> None:
    for seed in range(12):
        garment = draw_garment(rng(seed), type="belt", colour="red", size=SMALL)
        scene = draw_scene(rng(seed), [garment], background="white", size=SMALL).astype(np.float64)
        rim = np.concatenate([scene[0], scene[-1], scene[:, 0], scene[:, -1]])
        assert (rim[:, 0] - rim[:, 1] < 60).all()


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    folder = tmp_path_factory.mktemp("drawn") / "demo"
    return folder, drawn.make_dump(folder, seed=3, weeks=26, per_week=4, workers=1)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_two_processes_draw_the_same_bytes(dump: tuple[Path, Plan], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    plan = drawn.make_dump(
        tmp_path / "again",
        seed=3,
        weeks=26,
        per_week=4,
        workers=2,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert plan == dump[1]
    assert digests(tmp_path / "again") == digests(dump[0])
    assert steps[-1] == (plan.posts, plan.posts)
    assert steps == sorted(steps)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_manifest_names_every_post_once(dump: tuple[Path, Plan]) -> None:
    folder, plan = dump
    rows = rows_of(folder)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == plan.posts == len({row["post_id"] for row in rows})
    assert all((folder / row["image"]).is_file() for row in rows)
    assert all(row["department"] == "" for row in rows)
    assert all(int(row["followers"]) > 0 and row["author"] and row["country"] and row["platform"] for row in rows)
    assert (
        0.2 < sum("+00:00" in row["posted_at"] or not row["posted_at"].endswith("Z") for row in rows) / len(rows) < 0.6
    )


def test_broken_files_are_as_many_as_the_plan_says(dump: tuple[Path, Plan]) -> None:
    folder, plan = dump
    found: Counter[str] = Counter()
    for row in rows_of(folder):
        blob = (folder / row["image"]).read_bytes()
        try:
            image = Image.open(io.BytesIO(blob))
            image.load()
            assert image.size == (224, 224)
        except OSError:
            found["empty" if not blob else "html" if blob.startswith(b"<!doctype") else "truncated"] += 1
    assert dict(found) == plan.broken
    assert set(found) == {"truncated", "empty", "html"}


def test_times_fall_in_the_week_of_the_folder_and_a_few_cannot_be_read(dump: tuple[Path, Plan]) -> None:
    folder, plan = dump
    lost = 0
    for row in rows_of(folder):
        monday = plan.start + timedelta(weeks=int(row["image"].split("/")[1]))
        try:
            moment = datetime.fromisoformat(row["posted_at"].replace("Z", "+00:00"))
        except ValueError:
            lost += 1
            continue
        offset = moment.utcoffset()
        assert offset is not None
        assert monday <= (moment - offset).date() < monday + timedelta(weeks=1)
    assert lost == plan.undated > 0


def test_the_plan_counts_what_the_manifest_holds(dump: tuple[Path, Plan]) -> None:
    folder, plan = dump
    assert drawn.load_plan(folder / "planted.json") == plan
    weeks = {row["post_id"]: int(row["image"].split("/")[1]) for row in rows_of(folder)}
    assert [look.kind for look in plan.planted] == ["rising", "rising", "seasonal", "fading"]
    for look in plan.planted:
        counted = Counter(weeks[post] for post in look.posts)
        assert tuple(counted[w] for w in range(plan.weeks)) == look.weekly
        assert sum(look.weekly) == len(look.posts)
        assert look.onset.weekday() == 0
        assert plan.start < look.onset < plan.start + timedelta(weeks=plan.weeks)
        assert look.label not in plan.background


def test_rates_change_at_the_onset_and_by_the_growth() -> None:
    rising = rates("rising", onset=60, growth=4.0, weeks=120)
    assert rising[:58] == pytest.approx(np.ones(58), abs=0.1)
    assert rising[65] == pytest.approx(2.5)
    assert rising[-1] == pytest.approx(4.0)
    fading = rates("fading", onset=60, growth=0.25, weeks=120)
    assert (fading[0], fading[-1]) == (pytest.approx(4.0), pytest.approx(1.0))
    seasonal = rates("seasonal", onset=20, growth=3.0, weeks=120)
    assert seasonal[37] == seasonal[89] == pytest.approx(3.0)
    assert seasonal[:52] == pytest.approx(seasonal[52:104])
    assert rates("steady", onset=0, growth=9.0, weeks=3) == pytest.approx(np.ones(3))


def test_a_dump_that_is_there_is_kept_and_another_folder_is_refused(dump: tuple[Path, Plan], tmp_path: Path) -> None:
    folder, plan = dump
    assert drawn.make_dump(folder, seed=3, weeks=26, per_week=4) == plan
    with pytest.raises(InputError, match="another folder"):
        drawn.make_dump(folder, seed=4, weeks=26, per_week=4)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="another folder"):
        drawn.make_dump(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_too_short_a_dump_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 26 weeks"):
        drawn.make_dump(tmp_path / "short", weeks=12)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "planted.json").write_text('{"seed": 1}')
    with pytest.raises(InputError, match="draw the dump again"):
        drawn.load_plan(tmp_path / "planted.json")


def planted_plan() -> Plan:
    def look(label: str, kind: Kind, first: int) -> drawn.Planted:
        posts = tuple(f"p{first + i}" for i in range(40))
        weekly = (*(1,) * 20, *(0,) * 3, *(2,) * 10)
        words = {"type": "dress", "colour": "red", "pattern": "plain"}
        return drawn.Planted(
            label=label, kind=kind, onset=date(2025, 3, 3), growth=3.0, weekly=weekly, posts=posts, **words
        )

    planted = (look("a", "rising", 0), look("b", "rising", 100), look("c", "seasonal", 200), look("d", "fading", 300))
    return Plan(
        version=1, seed=1, start=date(2024, 9, 2), weeks=33, per_week=5, posts=400, broken={}, undated=0,
        background=(), planted=planted,
    )  # fmt: skip


def call(trend_id: str, stage: str, *spans: tuple[int, int]) -> Call:
    posts = tuple(f"p{i}" for low, high in spans for i in range(low, high))
    return Call(trend_id=trend_id, label=trend_id, stage=stage, post_ids=posts)


def test_calls_are_scored_against_what_was_planted() -> None:
    calls = [
        call("t1", "emerging", (25, 40)),  # 15 of the last 20 posts of a, nothing else
        call("t2", "rising", (105, 129)),  # 9 of the last 20 of b: too few
        call("t3", "rising", (200, 240), (500, 539)),  # 40 of c, 39 of others: holds c
        call("t4", "fading", (300, 340), (600, 641)),  # 40 of d, 41 of others: too mixed
    ]
    findings = drawn.score_plan(planted_plan(), calls)
    assert [(f.planted, f.stage, f.right) for f in findings] == [
        ("a", "emerging", True),
        ("b", None, False),
        ("c", "rising", False),
        ("d", None, True),
        (None, "rising", False),
    ]
    assert drawn.summary(findings) == (
        "planted 4: found 1 of 2 rising, seasonal called rising, fading not called, 1 other look called"
    )


def test_perfect_calls_score_perfectly() -> None:
    calls = [
        call("t1", "rising", (0, 40)),
        call("t2", "emerging", (100, 140)),
        call("t3", "seasonal", (200, 240)),
        call("t5", "steady", (500, 540)),
    ]
    findings = drawn.score_plan(planted_plan(), calls)
    assert all(f.right for f in findings)
    assert drawn.summary(findings) == (
        "planted 4: found 2 of 2 rising, seasonal not called, fading not called, no other looks called"
    )


def test_no_calls_find_nothing() -> None:
    findings = drawn.score_plan(planted_plan(), [])
    assert [f.right for f in findings] == [False, False, True, True]
