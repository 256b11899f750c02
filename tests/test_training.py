"""The training workshop: what a run promises, on a few drawn pictures."""

from __future__ import annotations

import json
import tarfile
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'trendloom[train]'")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install 'trendloom[train]'")
onnx = pytest.importorskip("onnx", reason="training needs onnx: pip install 'trendloom[train]'")

from PIL import Image, ImageDraw  # noqa: E402

from training import captions, cutout, shards  # noqa: E402
from training.cache import Cache, Record, build, letterbox, open_cache  # noqa: E402
from training.calibrate import surely, threshold_of  # noqa: E402
from training.fit import Plan, Trainer  # noqa: E402
from training.heads import Pass, fit_pass, mean_of, shared, store  # noqa: E402
from training.losses import Objective, Pictures  # noqa: E402
from training.measures import auroc, average_precision, ece, ece_by_chance  # noqa: E402
from training.model import DIM, TEXT_DIM, GarmentHead, ImageHead, ImageTower  # noqa: E402
from training.prompts import Tags, TaskTexts, Words  # noqa: E402
from training.sampling import SHARES, sampling_weights, trainable  # noqa: E402
from training.texts import rounded  # noqa: E402
from training.trunk import Trunk  # noqa: E402
from training.values import accuracy, learn  # noqa: E402
from training.views import Batches, Recipe  # noqa: E402
from training.vocab import Task, taxonomy_tasks  # noqa: E402

COLOURS = {"red": (200, 20, 20), "green": (20, 160, 40), "blue": (20, 40, 200), "black": (15, 15, 15)}


def drawn(colour: str, number: int) -> Image.Image:
    """A shape on white whose form and place vary a little."""
    image = Image.new("RGB", (90, 120), (255, 255, 255))
    ImageDraw.Draw(image).rectangle((20 + number % 7, 25, 68, 95 - number % 5), fill=COLOURS[colour])
    return image


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shards with one set."""
    root = tmp_path_factory.mktemp("shards")
    (root / "catalogue").mkdir()
    with tarfile.open(root / "catalogue" / "catalogue-00000.tar", "w") as tar:
        for number in range(48):
            colour = list(COLOURS)[number % 4]
            buffer = BytesIO()
            drawn(colour, number).save(buffer, "JPEG", quality=90)
            labels = {
                "articleType": "Tshirts",
                "baseColour": colour.title(),
                "caption": f"Plain {colour} thing {number}",
            }
            for ending, content in (("jpg", buffer.getvalue()), ("json", json.dumps(labels).encode())):
                info = tarfile.TarInfo(f"{number}.{ending}")
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
    return root


@pytest.fixture(scope="module")
def cache(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    work = tmp_path_factory.mktemp("work")
    assert build(data, work) == 48
    return open_cache(work)


def colour_words(cache: Cache) -> Words:
    """One task, the colours, with random sentence vectors; captions per colour."""
    names = [r.labels["baseColour"].lower() for r in cache.records]
    classes = list(COLOURS)
    task = Task(
        name="catalogue.baseColour", classes=classes, prompts=[[c] for c in classes], templates=("{}",), weight=1.0
    )
    targets = torch.zeros(len(names), len(classes))
    for row, name in enumerate(names):
        targets[row, classes.index(name)] = 1.0
    rows = [np.array([n]) for n in range(len(classes))]
    said = [np.array([classes.index(name)]) for name in names]
    vectors = torch.nn.functional.normalize(
        torch.randn(len(classes), TEXT_DIM, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return Words(vectors=vectors, tasks=[TaskTexts(task=task, prompts=rows, targets=targets)], written=said, composed=said,
                 tags=Tags(names=classes, prompts=rows, shown=torch.zeros(len(names), 4), absent_weight=torch.zeros(len(names))))  # fmt: skip


def make_trainer(cache: Cache, steps: int) -> Trainer:
    torch.manual_seed(0)
    tower = ImageTower(Trunk(frozen=2), ImageHead(width=16), GarmentHead(width=16))
    objective = Objective(colour_words(cache), np.zeros(len(cache.records), bool), np.arange(len(cache.records)))
    return Trainer(Plan(steps=steps, batch=8, warm_up=2, head_rate=3e-3), tower, objective, frozen=False)


TAXONOMY = Path("models/taxonomy.yaml")


def run(trainer: Trainer, batches: Batches, until: int) -> list[float]:
    return [trainer.update(batches[step])["loss"] for step in range(trainer.step, until)]


def make_batches(cache: Cache) -> Batches:
    return Batches(cache, Recipe(sizes=(64,), grey=0.0), batch=8, steps=40, seed=3, taxonomy=TAXONOMY)


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def test_loss_falls(cache: Cache) -> None:
    losses = run(make_trainer(cache, 30), make_batches(cache), 30)
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


def test_the_last_layers_learn_from_stored_inputs(cache: Cache) -> None:
    torch.manual_seed(0)
    tower = ImageTower(Trunk(frozen=2), ImageHead(width=16), GarmentHead(width=16)).eval()
    batches = Batches(cache, Recipe(sizes=(64,), grey=0.0), batch=8, steps=6, seed=3, taxonomy=TAXONOMY)
    every, plain = store(cache, tower, batches, 64)
    stored = shared(every, plain, 0.25)
    assert plain == sum(trainable(r) for r in cache.records)
    assert stored.chance[:plain].sum() == pytest.approx(0.25)
    words = colour_words(cache)
    told = replace(words.tasks[0], task=replace(words.tasks[0].task, colour=True))
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    losses = []
    for steps in (10, 150):
        tower.load_state_dict(before)
        objective = Objective(replace(words, tasks=[told]), np.zeros(len(cache.records), bool), np.arange(48))
        plan = Pass(steps=steps, smoothing=0.0, plain=0.25, drop=0.1, average=0.9, anchor=0.1, batch=32, rate=1e-2)
        loss, average = fit_pass(plan, tower.head, objective, stored)
        losses.append(loss)
    assert losses[1] < 0.9 * losses[0]
    moved = {name for name, value in tower.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in moved} == {"inner", "outer", "skip"}
    assert "text.inner.weight" in average


def test_the_mean_of_two_runs_by_hand() -> None:
    assert torch.equal(
        mean_of([{"a": torch.tensor([1.0, 4.0])}, {"a": torch.tensor([3.0, 0.0])}])["a"], torch.tensor([2.0, 2.0])
    )


def test_learned_values_tell_apart_what_prompts_do_not() -> None:
    garments = torch.nn.functional.normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    shown = torch.nn.functional.one_hot((garments[:, 0] > 0).long(), 2).float()
    prompts = torch.eye(8)[6:].numpy()  # they say nothing of the first number, which tells the two apart
    near, free = (learn(garments, shown, prompts, pull=pull) for pull in (1e4, 0.0))
    assert accuracy(garments, shown, free) > 0.9 > accuracy(garments, shown, prompts)
    np.testing.assert_allclose(near, prompts, atol=0.02)  # a strong pull leaves the prompts
    np.testing.assert_allclose(np.linalg.norm(free, axis=1), 1, rtol=1e-5)


def test_a_precision_seen_on_few_photos_is_not_sure() -> None:
    assert surely(0.8, 100) == pytest.approx(0.7112, abs=1e-4)  # Wilson's interval of 80 of 100
    assert surely(0.8, 10) < 0.5 < surely(0.8, 1000) < 0.8
    assert surely(1.0, 0) == 0.0


def test_accuracy_counts_every_class_that_a_garment_shows() -> None:
    garments, shown = torch.eye(3), torch.tensor([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]])
    classes = np.array([[1.0, 0.0, 0.0], [0.0, 0.9, 0.1]], np.float32)  # likeliest: first, second, second
    assert accuracy(garments, shown, classes) == pytest.approx(2 / 3)


def test_run_goes_on_after_a_kill_as_if_it_had_not_been(cache: Cache, tmp_path: Path) -> None:
    whole = make_trainer(cache, 6)
    run(whole, make_batches(cache), 6)
    first = make_trainer(cache, 6)
    run(first, make_batches(cache), 3)
    first.save(tmp_path / "state.pt")
    second = make_trainer(cache, 6)
    second.load(tmp_path / "state.pt")
    run(second, make_batches(cache), 6)
    assert second.step == whole.step == 6
    assert same(whole.model.state_dict(), second.model.state_dict())
    assert same(whole.average, second.average)


def test_frozen_blocks_keep_their_weights(cache: Cache) -> None:
    trainer = make_trainer(cache, 2)
    before = {
        k: v.clone()
        for k, v in trainer.tower.state_dict().items()
        if k.startswith(("trunk.stem", "trunk.blocks.0", "trunk.blocks.1."))
    }
    run(trainer, make_batches(cache), 2)
    assert same(before, {k: trainer.tower.state_dict()[k] for k in before})


def test_validation_and_tuning_photos_are_never_drawn(cache: Cache) -> None:
    chances = sampling_weights(cache.records)
    assert chances.sum() == pytest.approx(1.0)
    assert all((chance > 0) == trainable(record) for chance, record in zip(chances, cache.records, strict=True))
    rows = {int(row) for step in range(40) for row in make_batches(cache).rows(step)[0]}
    assert all(trainable(cache.records[row]) for row in rows)
    assert any(not trainable(r) for r in cache.records)


def test_second_products_come_from_the_training_split(cache: Cache) -> None:
    batches = Batches(cache, Recipe(sizes=(64,), scenes=1.0, second=1.0), batch=16, steps=4, seed=1, taxonomy=TAXONOMY)
    seconds = batches[0]["rows"][:, 1].tolist()
    assert any(row >= 0 for row in seconds)
    assert all(trainable(cache.records[row]) for row in seconds if row >= 0)


def test_shares_sum_to_one_or_a_little_more() -> None:
    assert 0.99 < sum(SHARES.values()) < 1.1


def test_colourways_of_an_article_share_their_bucket() -> None:
    assert shards.bucket_of("articles", "0853654004") == shards.bucket_of("articles", "0853654001")
    buckets = [shards.bucket_of("catalogue", str(n)) for n in range(1000)]
    assert set(buckets) == set(range(10))


def test_tower_gives_unit_rows_at_any_training_size() -> None:
    tower = ImageTower(Trunk(), ImageHead(width=8), GarmentHead(width=8)).eval()
    for size in (64, 112, 160):
        with torch.no_grad():
            vectors = tower(torch.rand(2, 3, size, size))
        assert vectors.shape == (2, DIM)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)


def test_graph_gives_the_towers_vectors(tmp_path: Path) -> None:
    graphs = pytest.importorskip("training.graphs")
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(1)
    tower = ImageTower(Trunk(), ImageHead(width=8), GarmentHead(width=8)).eval()
    with warnings.catch_warnings():  # the exporter announces its successor
        warnings.simplefilter("ignore")
        graphs.write_image_graphs(tower, 64, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "image.onnx"), providers=["CPUExecutionProvider"])
    shipped = session.run(["embedding"], {"pixels": pixels})[0]
    with torch.no_grad():
        trained = tower(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    assert (shipped * trained).sum(1).min() > 0.999
    nodes = graphs.onnx.load(str(tmp_path / "image.onnx")).graph.node
    assert "Pad" not in {node.op_type for node in nodes}, "a Pad costs a third of the tower's time"


def test_rounded_weights_are_near_and_stay_when_rounded_again() -> None:
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(2))
    whole, scale = rounded(weight)
    back = whole * scale[:, None]
    assert (back - weight).abs().max() <= scale.max() / 2 + 1e-6
    assert torch.equal(rounded(back)[0], whole)


def test_cut_out_keeps_white_inside_the_product() -> None:
    pixels = np.full((60, 60, 3), 255, np.uint8)
    pixels[10:50, 10:50] = 90
    pixels[25:35, 25:35] = 255
    alpha = cutout.product_alpha(pixels)
    assert alpha is not None
    assert alpha[30, 30] == 255
    assert alpha[2, 2] == 0
    assert cutout.product_alpha(np.full((60, 60, 3), 120, np.uint8)) is None


def test_letterbox_centres_on_white() -> None:
    square = letterbox(Image.new("RGB", (40, 80), (0, 0, 0)), 64)
    assert square.shape == (64, 64, 3)
    assert (square[:, :16] == 255).all()
    assert (square[:, 16:48] == 0).all()
    assert (square[:, 48:] == 255).all()


def record(set_name: str, **labels: Any) -> Record:
    return Record(set=set_name, id="x", bucket=5, height=9, width=9, cut=False, labels=labels)


def test_labels_say_values_of_the_taxonomy() -> None:
    records = [
        record("articles", type="T-shirt", colour="Dark Blue", pattern="Stripe", group="Garment Upper body",
               caption="T-shirt in soft jersey with a round neckline and long sleeves."),
        record("articles", type="Trousers", colour="Black", pattern="Solid", group="Garment Lower body", caption="Trousers with a hood."),
        record("other", label="zebra"),
        record("clothing", label="hoodie", top10=False),
    ]  # fmt: skip
    tasks = {t.name: t for t in taxonomy_tasks(records, Path("models/taxonomy.yaml"))}

    def said(group: str, row: int) -> list[str]:
        task = tasks[f"taxonomy.{group}"]
        return [task.classes[n] for n in task.targets.get(row, [])]

    assert [said(group, 0) for group in ("type", "colour", "pattern", "sleeves", "neckline")] == [
        ["t-shirt"], ["navy"], ["striped"], ["long sleeves"], ["round neck"]]  # fmt: skip
    assert said("neckline", 1) == []
    assert said("type", 2) == ["none"]
    assert said("colour", 2) == []
    assert said("neckline", 3) == ["hood"]


def test_captions_speak_of_the_labels() -> None:
    one = record("catalogue", articleType="Tshirts", baseColour="Navy Blue", gender="Men", caption="Acme  Navy Tee")
    assert captions.written(one) == ["Acme Navy Tee"]
    assert "navy blue t-shirt" in captions.composed(one)
    assert captions.composed(record("other", label="zebra"))[0] == "a photo of a zebra"


def test_measures_by_hand() -> None:
    assert auroc(np.array([0.9, 0.5], np.float32), np.array([0.5, 0.1], np.float32)) == pytest.approx(0.875)
    assert average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7], np.float32)) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert ece(np.array([0.8, 0.8], np.float32), np.array([True, False])) == pytest.approx(0.3, abs=1e-6)


def test_exact_confidences_have_the_calibration_error_of_chance() -> None:
    even = np.full(400, 0.5, np.float32)  # of a fair coin's mean of 400, |mean - .5| is sqrt(2 / pi) .5 / 20 = .0199
    found = ece_by_chance(even)
    assert found["value"] == pytest.approx(0.0199, abs=0.003)
    assert found["low"] < found["value"] < found["high"]
    assert ece_by_chance(np.ones(9, np.float32))["high"] == 0


def test_threshold_reaches_the_precision_and_is_never_low() -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.3, 0.7]], np.float32)
    truth = np.array([[True, False], [True, False], [False, True], [False, True]])
    found = threshold_of(p, truth)
    assert found["threshold"] >= 0.25
    assert found["precision"] >= 0.8


def test_second_values_have_a_threshold_of_their_own() -> None:
    # the likeliest value is right in every row; at .4 the second would be wrong in three of four
    p = np.array([[0.55, 0.45], [0.42, 0.4], [0.45, 0.4], [0.45, 0.4]], np.float32)
    truth = np.array([[True, True], [True, False], [True, False], [True, False]])
    found = threshold_of(p, truth)
    assert found["threshold"] == 0.25
    assert found["further"] == 0.41
    assert found["precision"] == 1.0
    assert found["recall"] == 1.0


def test_grey_pictures_do_not_teach_colours(cache: Cache) -> None:
    objective = Objective(colour_words(cache), np.zeros(len(cache.records), bool), np.arange(len(cache.records)))
    task = objective.words.tasks[0]
    grey = TaskTexts(task=Task(name="c", classes=task.task.classes, prompts=[], templates=("{}",), weight=1.0, colour=True),
                     prompts=task.prompts, targets=task.targets)  # fmt: skip
    images = torch.nn.functional.normalize(torch.randn(4, DIM), dim=1)
    rows = torch.tensor([[n, -1] for n in range(4)])
    loss = objective.task(
        grey, images, Pictures(rows=rows, flags=torch.ones(4, dtype=torch.int64)), np.random.default_rng(0)
    )
    assert float(loss) == 0.0


def test_export_refuses_a_version_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = pytest.importorskip("training.export")
    (tmp_path / "card.json").write_text(json.dumps({"version": "1.0.0"}))
    folders = ["--data", "d", "--work", "w", "--run", "r", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["export", *folders, "--version", "1.0.0"])
    with pytest.raises(SystemExit, match=r"holds version 1\.0\.0"):
        export.main()
