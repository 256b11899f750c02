"""Trends in the user's own words: from stored vectors, refused about people, counted like the others."""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from trendloom.cli import main
from trendloom.drawn import draw_garment, draw_scene
from trendloom.errors import InputError, StoreError
from trendloom.pipeline.ingest import ingest
from trendloom.pipeline.prompts import Factor, Prompt, add_prompt, define, load_prompts, prompt_members, remove_prompt
from trendloom.pipeline.study import garment_vectors, results, study
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.vision import registry
from trendloom.vision.gibberish import gibberish


@pytest.fixture(scope="module")
def model() -> registry.Model:
    return registry.load()


@pytest.fixture(scope="module")
def home(model: registry.Model, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Ten weeks of drawn handbags and shirts, in green and black."""
    dump = tmp_path_factory.mktemp("dump")
    rng = np.random.default_rng(3)
    rows: list[Mapping[str, object]] = []
    for n in range(60):
        kind, colour = ("handbag", "shirt")[n % 2], ("green", "black")[n // 2 % 2]
        name = f"{n:02d} {colour} {kind}.png"
        drawing = draw_garment(rng, type=kind, colour=colour, pattern="plain", size=224)
        Image.fromarray(draw_scene(rng, [drawing], size=224)).save(dump / name)
        when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(weeks=n // 6, hours=n)
        rows.append({"image": name, "post_id": name, "posted_at": when.isoformat(), "author": f"a{n % 20}"})
    with (dump / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    made = Workspace.create(
        tmp_path_factory.mktemp("home") / "w", model=model.identity, taxonomy=model.taxonomy.identity, source=str(dump)
    )
    ingest(made, open_source([dump]), model.encoder, model.tagger, workers=1)
    study(made)
    return made


def asks(text: str, model: registry.Model) -> list[str]:
    return [factor.asks for factor in define(text, model).factors]


def test_a_prompt_is_cut_into_what_the_taxonomy_knows_and_the_rest(model: registry.Model) -> None:
    assert asks("Leopard print ballet flats", model) == ["type flats", "'leopard print' among the values of pattern"]
    assert asks("green handbags", model) == ["colour green", "type handbag"]
    assert asks("black and white striped shirt", model) == ["colour black or white", "pattern striped", "type shirt"]
    assert asks("tabi", model) == ["'tabi' among the values of type"]
    assert asks("a photo of a dress", model) == ["type dress"]
    assert asks("metallic heels", model) == ["colour gold or silver", "type heels"]
    assert asks("blue jeans", model) == ["colour blue", "type jeans"]
    assert asks("denim jackets", model) == ["pattern denim", "type jacket"]
    assert asks("black leggings/tights", model) == ["colour black", "type leggings or tights"]


def test_the_same_words_are_the_same_trend(model: registry.Model) -> None:
    one, two = define("Red boots", model), define("  red   BOOTS ", model)
    assert one.trend_id == two.trend_id != define("red boot", model).trend_id
    assert one.cut == 0.125


@pytest.mark.parametrize("text", ["", "   ", "x" * 121, "?!", "a photo of the", "old women", "teenage girls in skirts"])
def test_what_cannot_be_a_trend_is_refused(text: str, model: registry.Model) -> None:
    with pytest.raises(InputError, match="trends add"):
        define(text, model)


def test_words_without_meaning_are_no_trend_unless_asked_for_anyway(home: Workspace, model: registry.Model) -> None:
    for text, strange in (("qwrtzx blorp", "'qwrtzx' is"), ("hfgdjs jacket in mnbvcxz", "'hfgdjs' and 'mnbvcxz' are")):
        with pytest.raises(InputError, match=f"{strange} not understood: .* --anyway"):
            add_prompt(home, text, model)
    assert not load_prompts(home)
    made, new = add_prompt(home, "qwrtzx blorp", model, anyway=True)
    assert new
    add_prompt(home, "black shirts", model)  # what was taken anyway is in no other's way
    for one in load_prompts(home):
        remove_prompt(home, one.trend_id)
    assert made.text == "qwrtzx blorp"


def test_few_words_that_are_worn_are_taken_for_gibberish_and_most_gibberish_is(model: registry.Model) -> None:
    worn = [
        "leopard print",
        "gorpcore",
        "kitten",
        "barn",
        "maxi",
        "espadrilles",
        "culottes",
        "dirndl",
        "kaftan",
        "crocs",
    ]
    worn += ["birkenstocks", "uggs", "tabi", "y2k", "boho", "houndstooth", "cerulean", "paisley", "anorak", "moccasins"]
    words = " ".join(worn).split()
    assert gibberish(words, model.encoder, ["shirt", "red", "dress", "striped", "boots"]) == []
    made_up = ["qwrtzx", "asdfgh", "bnmq", "zxcvbnm", "lkjhg", "kjsdhf", "grfntz", "mxyzptlk", "oiuhjk", "qqqqqq"]
    assert len(gibberish(made_up, model.encoder, ["shirt", "red", "dress", "striped", "boots"])) >= 8


def test_probabilities_are_multiplied_and_compared_with_the_cut() -> None:
    two = np.eye(2, dtype=np.float32)
    factor = Factor(asks="x", scale=float(np.log(3)), targets=1, vectors=two)  # 3 : 1 where it points at the first
    assert factor.probability(two).tolist() == pytest.approx([0.75, 0.25])
    prompt = Prompt(trend_id="prompt:x", text="x", model="m 1", factors=(factor, factor))
    assert prompt.shown(two).tolist() == [True, False]  # .56 and .06 against .125
    both = Factor(asks="x", scale=1.0, targets=2, vectors=two)
    assert both.probability(two).tolist() == pytest.approx([1.0, 1.0])


def test_members_are_the_posts_that_show_it(home: Workspace, model: registry.Model) -> None:
    garments = home.read("garments").sort("key", "garment")
    photos = home.read("photos").select("key", "post_id")
    wanted = define("green handbag", model)
    found = prompt_members([wanted], garments, garment_vectors(garments), photos)["post_id"].to_list()
    right = [post for post in found if "green handbag" in post]
    assert len(right) >= 12  # of 15
    assert len(right) / len(found) >= 0.8
    assert prompt_members([], garments, garment_vectors(garments), photos).is_empty()


def test_a_prompt_has_its_history_at_once_and_goes_without_trace(home: Workspace, model: registry.Model) -> None:
    before = results(home).trends.sort("trend_id")
    made, new = add_prompt(home, "black shirts", model)
    assert new
    assert not add_prompt(home, "Black shirts", model)[1]
    run = study(home)
    assert study(home) == run  # nothing to do
    found = results(home)
    row = found.trends.filter(trend_id=made.trend_id)
    assert row.select("kind", "label").rows() == [("prompt", "Black shirts")]
    assert found.series.filter(trend_id=made.trend_id).height == found.series["window_start"].n_unique()
    assert found.members.filter(trend_id=made.trend_id).height >= 10
    assert remove_prompt(home, "BLACK shirts").trend_id == made.trend_id
    study(home)
    after = results(home).trends.sort("trend_id")
    assert after.select("trend_id", "posts").rows() == before.select("trend_id", "posts").rows()
    with pytest.raises(InputError, match="got 'black shirts'"):
        remove_prompt(home, "black shirts")


def test_prompts_of_another_model_are_left_out_and_made_again(home: Workspace, model: registry.Model) -> None:
    made, _ = add_prompt(home, "green shirts", model)
    (path,) = (home.root / "prompts").glob("*.json")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"model": "other 1"}))
    study(home)
    assert made.trend_id not in results(home).trends["trend_id"]
    add_prompt(home, "black handbags", model)
    assert {p.model for p in load_prompts(home)} == {model.identity}
    path.write_text("{}")
    with pytest.raises(StoreError, match="add the prompt again"):
        load_prompts(home)
    for one in (home.root / "prompts").glob("*.json"):
        one.unlink()


def test_at_the_command_line(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["trends", *arguments])
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out + shown.err

    where = ("--workspace", str(home.root))
    code, text = run("add", "green handbags", *where)
    assert code == 0
    assert "colour green; type handbag" in text
    assert "green handbags" in run("list", *where)[1]
    assert run(*where)[0] == 0
    assert run("remove", "green handbags", *where)[0] == 0
    assert run("list", *where) == (0, "")
    assert run("add", "asian women", *where)[0] == 2
    assert run()[0] == 2
