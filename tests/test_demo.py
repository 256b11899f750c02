"""The README's main command, small: draws, runs the whole path, and says what was found."""

from pathlib import Path

import pytest

from trendloom.cli import main
from trendloom.store import Workspace


def test_the_demo_runs_and_a_second_time_adds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo", "--folder", str(tmp_path / "demo"), "--weeks", "26", "--per-week", "10"]
    for turn in range(2):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        said = capsys.readouterr()
        assert "planted 4: found" in said.out
        assert "green handbag: planted rising" in said.out
        assert "serve --workspace" in said.out
        assert ("in the workspace already" in said.err) == bool(turn)
    home = Workspace.open(tmp_path / "demo" / "workspace")
    photos = home.read("photos")
    assert photos.height == len(set(photos["key"]))
    assert set(photos["status"]) - {"ok"}  # a few files are broken on purpose
    assert home.read("runs").height == 1
