"""A workspace to another model: all of it or nothing of it, and nothing lost on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, make_dump, patch
from trendloom.errors import StoreError, WorkspaceBusy
from trendloom.pipeline import reembed as room
from trendloom.pipeline.indexing import vector_index
from trendloom.pipeline.ingest import ingest, statuses
from trendloom.pipeline.reembed import reembed
from trendloom.pipeline.study import study
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.types import Floats, Pixels


class Mirrored(HistogramEncoder):
    """Another model: the same space, its axes in the opposite order."""

    model = "mirrored 2"

    def images(self, batch: Pixels) -> Floats:
        return np.ascontiguousarray(super().images(batch)[:, ::-1])


class Stopping(Mirrored):
    """Stops after a few calls, as a killed run does."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def images(self, batch: Pixels) -> Floats:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().images(batch)


@pytest.fixture(name="dump")
def _dump(tmp_path: Path) -> Path:
    return make_dump(tmp_path / "dump", weeks=20, per_week=6, broken=1)


@pytest.fixture(name="root")
def _root(tmp_path: Path, dump: Path) -> Path:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source=str(dump))
    ingest(home, open_source([dump]), encoder, tagger, workers=1)
    study(home)
    vector_index(home)
    return home.root


def vectors(root: Path) -> Floats:
    raw = Workspace.open(root).read("garments").sort("key", "garment")["vector"]
    return np.stack([np.frombuffer(v, dtype="<f2") for v in raw]).astype(np.float32)


def state(root: Path) -> dict[str, object]:
    home = Workspace.open(root)
    return {"meta": home.meta} | {
        name: home.read(name).sort("key" if name != "posts" else "post_id").rows()
        for name in ("photos", "garments", "posts")
    }


def test_every_photo_gets_its_new_vector_and_all_else_stays(root: Path, dump: Path) -> None:
    before, old = Workspace.open(root), vectors(root)
    posts, photos, counts = before.read("posts"), before.read("photos"), statuses(before)
    looks = set(before.result("looks")["look_id"])
    (root / "heads").mkdir()
    (root / "heads" / "mine.json").write_text("{}")
    found = reembed(root, [open_source([dump])], Mirrored(), ShirtTagger())
    assert (root / "heads" / "mine.json").read_text() == "{}"
    (root / "heads" / "mine.json").unlink()
    assert (found.done, found.missing, found.photos) == (True, (), counts["ok"])
    home = Workspace.open(root)
    assert (home.meta.model, home.meta.source) == ("mirrored 2", str(dump))
    np.testing.assert_allclose(vectors(root), old[:, ::-1], atol=1e-3)
    assert home.read("posts").sort("post_id").equals(posts.sort("post_id"))
    same = ["key", "post_id", "sha256", "status"]
    assert home.read("photos").sort(same).select(same).equals(photos.sort(same).select(same))
    for table in ("photos", "garments", "tags"):
        assert set(home.read(table)["model"]) == {"mirrored 2"}
    assert home.secret() == before.secret()
    study(home)
    assert set(home.result("looks")["look_id"]) & looks == looks  # found again, known by their members
    hits = vector_index(home).search(vectors(root)[:1], 1)[0]
    assert hits[0][1] == pytest.approx(1, abs=1e-3)
    assert sorted(p.name for p in root.parent.iterdir()) == ["dump", "w"]


def test_a_killed_run_leaves_the_workspace_and_goes_on(root: Path, dump: Path) -> None:
    before = state(root)
    with pytest.raises(KeyboardInterrupt):
        reembed(root, [open_source([dump])], Stopping(5), ShirtTagger())
    assert state(root) == before
    seen: list[int] = []
    again = reembed(
        root, [open_source([dump])], Mirrored(), ShirtTagger(), progress=lambda done, total: seen.append(done)
    )
    assert again.done
    assert Workspace.open(root).read("garments").height == len(vectors(root)) == again.photos
    assert len(seen) == 120


def test_a_change_of_mind_starts_afresh(root: Path, dump: Path) -> None:
    class Third(Mirrored):
        model = "third 3"

    with pytest.raises(KeyboardInterrupt):
        reembed(root, [open_source([dump])], Stopping(5), ShirtTagger())
    assert reembed(root, [open_source([dump])], Third(), ShirtTagger()).done
    assert set(Workspace.open(root).read("photos")["model"]) == {"third 3"}


def test_photos_that_are_gone_stop_it_unless_told(root: Path, dump: Path) -> None:
    before = state(root)
    (dump / "images" / "00007.png").unlink()
    (dump / "images" / "00009.png").write_bytes(patch("pink", np.random.default_rng(9)))
    found = reembed(root, [open_source([dump])], Mirrored(), ShirtTagger())
    assert (found.done, found.missing) == (False, ("images/00007.png", "images/00009.png"))
    assert state(root) == before
    assert reembed(root, [open_source([dump])], Mirrored(), ShirtTagger(), drop_missing=True).done
    photos = Workspace.open(root).read("photos")
    assert photos.height == 120
    gone = photos.filter(pl.col("key") == "images/00007.png")
    assert gone["status"].to_list() == ["missing"]


def test_several_dumps_are_taken_together(tmp_path: Path) -> None:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(patch("red", np.random.default_rng(len(name))))
    (tmp_path / "b" / "torn.png").write_bytes(b"")
    home = Workspace.create(tmp_path / "w", model=encoder.model, taxonomy=tagger.taxonomy, source="")
    for name in ("a", "b"):
        ingest(home, open_source([tmp_path / name]), encoder, tagger)
    first = reembed(home.root, [open_source([tmp_path / "a"])], Mirrored(), tagger)
    assert (first.done, first.missing) == (False, ("b.png",))
    (tmp_path / "b" / "new.png").write_bytes(patch("blue", np.random.default_rng(3)))
    (tmp_path / "b" / "torn.png").unlink()
    assert reembed(home.root, [open_source([tmp_path / "b"])], Mirrored(), tagger).done
    photos = Workspace.open(home.root).read("photos").sort("key")
    assert photos["key"].to_list() == ["a.png", "b.png", "torn.png"]  # what is new is for `ingest`, what failed stays
    assert photos["status"].to_list() == ["ok", "ok", "empty"]


def test_an_exchange_cut_short_is_undone(root: Path, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(root)

    def killed(root: Path, beside: Path, before: Path) -> None:
        root.rename(before)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(room, "_exchange", killed)
        with pytest.raises(KeyboardInterrupt):
            reembed(root, [open_source([dump])], Mirrored(), ShirtTagger())
    assert not root.exists()
    reembed(root, [open_source([dump])], Mirrored(), ShirtTagger())
    assert Workspace.open(root).meta.model == "mirrored 2"
    assert len(Workspace.open(root).read("photos")) == len(before["photos"])  # type: ignore[arg-type]  # rows


def test_what_needs_no_new_vectors_and_what_is_busy_is_told(root: Path, dump: Path) -> None:
    source = [open_source([dump])]
    with pytest.raises(StoreError, match="nothing to do"):
        reembed(root, source, HistogramEncoder(), ShirtTagger())
    with Workspace.open(root).writing(), pytest.raises(WorkspaceBusy):
        reembed(root, source, Mirrored(), ShirtTagger())
    with pytest.raises(StoreError, match="expected a workspace"):
        reembed(root.with_name("none"), source, Mirrored(), ShirtTagger())
    with pytest.raises(StoreError, match=r"trendloom reembed --workspace .* --model mirrored"):
        Workspace.create(root, model="mirrored 2", taxonomy="shirts 1", source="")


def test_a_workspace_whose_neighbourhood_cannot_be_written_is_told(root: Path, dump: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    root.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="beside the workspace"):
            reembed(root, [open_source([dump])], Mirrored(), ShirtTagger())
    finally:
        root.parent.chmod(0o700)
    shutil.rmtree(root)
