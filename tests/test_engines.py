"""Engines: what is chosen where, what is refused, and what a gate lets through."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.doubles import write_model
from tests.tiny_onnx import tiny_model
from trendloom.artifacts import (
    Gate,
    load_card,
    passed_gates,
    read_gates,
    record_file,
    taxonomy_path,
    verify,
    write_gate,
)
from trendloom.cli import main
from trendloom.errors import ArtifactError, ConfigError, InputError
from trendloom.pipeline.gating import gate, read_gate_labels
from trendloom.sources import open_source
from trendloom.vision import registry, session
from trendloom.vision.engines import ENGINES, Machine, candidates, engine_of, features

BF16 = "openvino-cpu-bf16"
CPU = "onnxruntime-cpu-fp32"
ALL = frozenset(ENGINES)
GPU = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("machine", "passed", "names"),
    [
        (Machine(), ALL, [CPU]),
        (Machine(cpu=frozenset({"avx512_bf16"})), ALL, [CPU]),  # OpenVINO is not installed
        (Machine(cpu=frozenset({"avx512_bf16"}), openvino=True), ALL, [BF16, CPU]),
        (Machine(cpu=frozenset({"amx_bf16"}), openvino=True), ALL, [BF16, CPU]),
        (Machine(cpu=frozenset({"avx512_bf16"}), openvino=True), frozenset(), [CPU]),  # no gate
        (Machine(cpu=frozenset({"avx2", "avx512f"}), openvino=True), ALL, [CPU]),  # bf16 would be emulated
        (Machine(cpu=frozenset({"arm"}), openvino=True), ALL, [CPU]),
        (Machine(providers=GPU), frozenset(), ["onnxruntime-cuda-fp32", CPU]),
        (Machine(providers=GPU), ALL, ["onnxruntime-tensorrt-fp16", "onnxruntime-cuda-fp32", CPU]),
        (Machine(providers=GPU[1:], openvino=True), frozenset(), ["onnxruntime-cuda-fp32", CPU]),
    ],
)
def test_the_fastest_that_runs_and_passed_is_chosen(machine: Machine, passed: frozenset[str], names: list[str]) -> None:
    assert [engine.name for engine in candidates(machine, passed)] == names
    assert f"engine {names[0]}: chosen" in machine.words(passed)
    assert len(machine.words(passed)) == 1 + len(ENGINES)


def test_features_are_read_as_linux_lists_them() -> None:
    intel = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n\nprocessor\t: 1\n"
    assert features(intel) == {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}
    assert features("Features\t: fp asimd bf16 i8mm\n") == {"asimd", "bf16", "i8mm"}
    assert features("") == frozenset()


def made(card_sha: str, **changes: object) -> Gate:
    good = Gate(
        engine=BF16, image_sha256=card_sha, photos=500, cosine=0.9998, cosine_low=0.999, cosine_least=0.998,
        neighbours=0.98, labels=900, f1=0.71, f1_fp32=0.712, same_tags=0.99, machine="one", made="2026-01-01",
    )  # fmt: skip
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]  # a test's changes


@pytest.mark.parametrize(
    "changes",
    [
        {"cosine": 0.9989},
        {"cosine_low": 0.99},
        {"neighbours": 0.94},
        {"f1": 0.7069},
        {"labels": 0},
        {"photos": 99},
    ],
)
def test_a_gate_shuts_for_each_reason(changes: dict[str, object]) -> None:
    assert made("x").failures == []
    shut = made("x", **changes)
    assert len(shut.failures) == 1
    assert "refused" in shut.words


def test_gates_are_of_one_set_of_weights(tmp_path: Path) -> None:
    card = load_card(write_model(tmp_path / "m"))
    own = card.files["image.onnx"].sha256
    write_gate(card, made("other weights"))
    assert read_gates(load_card(card.folder)) == {}
    write_gate(card, made(own, photos=10))
    assert passed_gates(load_card(card.folder)) == frozenset()
    path = write_gate(card, made(own))
    card = load_card(card.folder)
    assert passed_gates(card) == {BF16}
    verify(card)
    path.write_text(path.read_text(encoding="utf-8").replace("0.98", "0.99"), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"gates\.json: expected SHA-256"):  # figures that somebody made better
        read_gates(card)
    path.write_text("[{}]", encoding="utf-8")
    record_file(card.folder, "gates.json")
    with pytest.raises(ArtifactError, match="damaged file"):
        read_gates(load_card(card.folder))


def test_a_precision_without_a_passed_gate_is_refused_with_the_remedy(tmp_path: Path) -> None:
    tiny_model(tmp_path / "tiny")
    with pytest.raises(ArtifactError, match=r"was not measured.*trendloom models gate tiny SRC --labels CSV"):
        registry.load("tiny", tmp_path, engine=BF16)
    card = load_card(tmp_path / "tiny")
    write_gate(card, made(card.files["image.onnx"].sha256, neighbours=0.5))
    with pytest.raises(ArtifactError, match=r"did not pass \(neighbours that stay 0\.5000"):
        registry.load("tiny", tmp_path, engine=BF16)
    write_gate(card, made(card.files["image.onnx"].sha256))
    registry.load("tiny", tmp_path, engine=BF16)  # its session starts with the first photo
    with pytest.raises(ConfigError, match=r"expected auto, .*got 'fast'"):
        engine_of("fast")


def test_a_library_without_its_device_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing says CUDA, the session does not start: the next engine does the work, unless CUDA was asked for."""
    tiny_model(tmp_path / "tiny")
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: Machine(providers=GPU)))
    assert registry.load("tiny", tmp_path).engine == CPU
    with pytest.raises(ArtifactError, match=r"expected an onnxruntime with CUDA.*onnxruntime-gpu"):
        _ = registry.load("tiny", tmp_path, engine="onnxruntime-cuda-fp32").engine


def test_photos_go_one_by_one_through_a_small_tower_and_share_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(tmp_path / "tiny")
    small = registry.load("tiny", tmp_path, engine=CPU).encoder
    assert small.batch == 1
    monkeypatch.setattr(session, "_SMALL", 10)
    large = registry.load("tiny", tmp_path, engine=CPU).encoder
    assert large.batch == 8
    photos = np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(small.images(photos), large.images(photos), atol=1e-6)


def test_openvino_gives_the_vectors_of_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    tiny_model(tmp_path / "tiny")
    ours, other = (registry.load("tiny", tmp_path, engine=name) for name in (CPU, "openvino-cpu-fp32"))
    assert other.engine == "openvino-cpu-fp32"
    photos = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(ours.encoder.images(photos), other.encoder.images(photos), atol=1e-5)


def test_openvino_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ArtifactError, match=r"pip install 'trendloom\[openvino\]'"):
        session.start(tmp_path / "image.onnx", ENGINES["openvino-cpu-fp32"])


def photos_of(folder: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    folder.mkdir()
    for n in range(count):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / f"{n:03d}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")


def test_an_engine_is_measured_on_photos_and_labels(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models" / "tiny")
    photos_of(tmp_path / "photos", 110)
    kinds = registry.open_model(tmp_path / "models" / "tiny", taxonomy_path()).taxonomy.group("type").values
    table = tmp_path / "labels.csv"
    table.write_text(
        "key,group,value\n" + "".join(f"{n:03d}.png,type,{kinds[n % 3].value}\n" for n in range(110)), encoding="utf-8"
    )
    found = gate(
        "tiny", tmp_path / "models", CPU, open_source([tmp_path / "photos"]), read_gate_labels(table),
        machine="here", today=date(2026, 1, 2),
    )  # fmt: skip
    assert (found.photos, found.labels, found.made) == (110, 110, "2026-01-02")
    assert (found.cosine, found.neighbours, found.same_tags) == (1.0, 1.0, 1.0)  # fp32 beside itself
    assert found.f1 == found.f1_fp32
    assert found.failures == []
    assert read_gates(load_card(tmp_path / "models" / "tiny")) == {CPU: found}


def test_labels_with_other_columns_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("photo,value\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected the columns key, group and value, key, group is missing"):
        read_gate_labels(table)


def test_labels_that_fit_no_photo_are_told_and_measure_nothing(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models" / "tiny")
    photos_of(tmp_path / "photos", 3)
    with pytest.raises(InputError, match=r"no label fits: .*the first of 1 keys is 'elsewhere\.jpg'"):
        gate(
            "tiny", tmp_path / "models", CPU, open_source([tmp_path / "photos"]), {"elsewhere.jpg": {"type": "dress"}},
            machine="here", today=date(2026, 1, 2),
        )  # fmt: skip
    assert read_gates(load_card(tmp_path / "models" / "tiny")) == {}


def test_the_gate_command_tells_figures_and_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model(tmp_path / "models" / "tiny")
    photos_of(tmp_path / "photos", 3)
    monkeypatch.setenv("TRENDLOOM_MODELS_DIR", str(tmp_path / "models"))
    with pytest.raises(SystemExit) as ended:
        main(["models", "gate", "tiny", str(tmp_path / "photos"), "--engine", CPU])
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "refused on 3 photos" in said
    assert "3 photos, fewer than 100" in said
    assert "no labels" in said
    assert json.loads((tmp_path / "models" / "tiny" / "gates.json").read_text(encoding="utf-8"))[0]["photos"] == 3
