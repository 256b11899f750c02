"""The wheel holds what it needs, and works from a fresh environment."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.dumps import patch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    code = f"import os, sys; os.chdir({str(ROOT)!r}); from hatchling.build import build_wheel; print(build_wheel({str(out)!r}))"
    built = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out / built.stdout.strip().splitlines()[-1]


def test_the_wheel_holds_the_package_and_the_models_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"trendloom"}
    tracked = subprocess.run(
        ["git", "ls-files", "models"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for path in tracked or ["models/taxonomy.yaml"]:
        assert f"trendloom/_models/{path.removeprefix('models/')}" in names
    for ending in ("py.typed", ".html", ".css", ".js"):
        assert any(name.endswith(ending) for name in names), ending


@pytest.mark.slow
def test_tag_runs_from_the_wheel_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "a.png").write_bytes(patch("red", np.random.default_rng(0), side=64))
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "trendloom", "tag", "a.png", "--output", "t.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.csv").read_text().splitlines()[1].startswith("a.png,ok,")
    torch = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert torch.returncode != 0
