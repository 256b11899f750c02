"""Heads: learned from the user's labels on stored embeddings, honest about how good they are, applied once."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles import HistogramEncoder
from tests.dumps import ShirtTagger, patch
from trendloom.cli import main
from trendloom.errors import ArtifactError, InputError, ManifestError, NotEnoughData
from trendloom.photos import decode
from trendloom.pipeline.heads import Fitted, apply_heads, fit_head, heads_of, read_head_labels, remove_head
from trendloom.pipeline.ingest import ingest
from trendloom.sources import open_source
from trendloom.store import Workspace
from trendloom.vision.heads import HeadTagger, find_heads, load_head, save_head
from trendloom.vision.learning import Examples, learn_head
from trendloom.vision.logistic import fit_linear, log_softmax

WARM = {"red": "warm", "orange": "warm", "yellow": "warm", "blue": "cold", "green": "cold", "navy": "cold"}


def draw(folder: Path, names: Mapping[str, str], seed: int = 0) -> None:
    """Writes a patch of its colour for every name."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name, colour in names.items():
        (folder / name).write_bytes(patch(colour, rng))


def write_labels(path: Path, rows: Sequence[Sequence[str]], header: str = "key,label") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(header + "\n")
        csv.writer(file).writerows(rows)
    return path


def take_in(root: Path, photos: Path) -> Workspace:
    encoder, tagger = HistogramEncoder(), ShirtTagger()
    home = Workspace.create(root, model=encoder.model, taxonomy=tagger.taxonomy, source=str(photos))
    ingest(home, open_source([photos]), encoder, tagger)
    return home


NAMES = {f"{colour}{n:02d}.png": colour for colour in WARM for n in range(12)}
LABELS = [
    (name, WARM[colour]) for name, colour in NAMES.items() if int(name[-6:-4]) < 10
]  # two of each are not labelled


@pytest.fixture(name="stored", scope="module")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    draw(folder / "photos", NAMES)
    take_in(folder / "w", folder / "photos")
    return folder


@pytest.fixture(name="home")
def _home(stored: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(stored / "w", tmp_path / "w")
    return Workspace.open(tmp_path / "w")


def fit(home: Workspace, labels: Sequence[Sequence[str]] = LABELS, group: str = "mood") -> Fitted:
    return fit_head(home, write_labels(home.root.parent / "labels.csv", labels), group=group)


def moods(home: Workspace, group: str = "mood") -> dict[str, str]:
    rows = home.read("tags").filter(pl.col("group") == group)
    assert rows["key"].is_unique().all()
    return dict(rows.select("key", "value").iter_rows())


# ---- a workspace and its heads


def test_stored_photos_get_the_new_groups_tags_without_being_read(home: Workspace) -> None:
    fitted = fit(home)  # the photos are not beside this copy of the workspace
    assert moods(home) == {name: WARM[colour] for name, colour in NAMES.items()}
    assert (fitted.tagged, fitted.changed, fitted.left_out) == (len(NAMES), True, ())
    row = home.read("tags").filter(pl.col("group") == "mood").row(0, named=True)
    assert (row["taxonomy"], row["model"], row["garment"]) == ("head mood 1", "hist 1", 0)
    assert row["value_id"] == f"head:mood/{row['value']}"


def test_the_same_labels_again_change_nothing(home: Workspace) -> None:
    first = fit(home)
    before = (home.version("tags"), (home.root / "heads" / "mood.json").read_bytes())
    again = fit(home, LABELS[::-1])
    assert (again.changed, again.tagged, again.head.version) == (False, 0, 1)
    assert again.head.learned_from == first.head.learned_from
    assert (home.version("tags"), (home.root / "heads" / "mood.json").read_bytes()) == before


def test_new_photos_are_tagged_as_stored_ones_are(stored: Path, home: Workspace, tmp_path: Path) -> None:
    fit(home)
    shutil.copytree(stored / "photos", tmp_path / "photos")
    draw(tmp_path / "photos", {"new.png": "orange", "other.png": "navy"}, seed=5)
    take_in(home.root, tmp_path / "photos")
    found = moods(home)
    assert (found["new.png"], found["other.png"]) == ("warm", "cold")
    assert len(found) == len(NAMES) + 2
    rows = home.read("tags").filter((pl.col("group") == "mood") & (pl.col("key") == "new.png"))
    home.delete("tags", "key = 'new.png' AND taxonomy = 'head mood 1'")
    assert apply_heads(home) == 1  # from the stored vector it is the same to the last bit
    assert home.read("tags").filter((pl.col("group") == "mood") & (pl.col("key") == "new.png")).equals(rows)


def test_a_photo_that_is_not_stored_is_tagged_as_a_stored_one(home: Workspace) -> None:
    head = fit(home).head
    encoder, data = HistogramEncoder(), patch("orange", np.random.default_rng(3))
    vectors = encoder.images(encoder.prepare(decode(data, target=encoder.size).pixels)[None])
    tagger = HeadTagger(ShirtTagger(), [head])
    ((*rest, last),) = tagger.tag(vectors)
    assert (last.group, last.value) == ("mood", "warm")
    assert rest == ShirtTagger().tag(vectors)[0]
    assert [tag.group for tag in tagger.tag(vectors, ["upper"])[0]].count("mood") == 0
    assert tagger.tag(vectors[:0]) == []


def test_other_labels_make_a_new_version_that_replaces_the_old(home: Workspace) -> None:
    fit(home)
    swapped = [(key, {"warm": "cold", "cold": "warm"}[label]) for key, label in LABELS]
    assert fit(home, swapped).head.version == 2
    assert moods(home)["red00.png"] == "cold"
    assert set(home.read("tags").filter(pl.col("group") == "mood")["taxonomy"]) == {"head mood 2"}


def test_what_a_killed_fit_left_is_completed_by_the_next_run(home: Workspace) -> None:
    fit(home)
    whole = home.read("tags").sort("key", "group", "value")
    old = whole.filter(pl.col("group") == "mood").head(7).with_columns(taxonomy=pl.lit("head mood 7"))
    home.append("tags", old)  # killed before the tags of another version went
    home.delete("tags", "taxonomy = 'head mood 1' AND key LIKE 'red%'")  # killed before all were written
    assert apply_heads(home) == 12
    assert home.read("tags").sort("key", "group", "value").equals(whole)
    assert apply_heads(home) == 0


def test_a_removed_head_leaves_no_tags(home: Workspace) -> None:
    before = home.read("tags").sort("key", "group", "value")
    fit(home)
    fit(home, group="other")
    remove_head(home, "mood")
    assert moods(home) == {}
    assert len(moods(home, "other")) == len(NAMES)
    remove_head(home, "other")
    assert home.read("tags").sort("key", "group", "value").equals(before)
    with pytest.raises(InputError, match="there: none"):
        remove_head(home, "mood")


def test_a_damaged_head_stops_a_run_before_it_begins_and_can_be_removed(home: Workspace, stored: Path) -> None:
    fit(home)
    (home.root / "heads" / "mood.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"heads/mood\.json"):
        take_in(home.root, stored / "photos")
    remove_head(home, "mood")
    assert moods(home) == {}


def test_a_head_of_another_model_is_not_applied(home: Workspace) -> None:
    fit(home)
    path = home.root / "workspace.toml"
    path.write_text(path.read_text().replace("hist 1", "hist 2"))
    changed = Workspace.open(home.root)
    apply_heads(changed)
    assert moods(changed) == {}
    assert [head.model for head in heads_of(changed)] == ["hist 1"]


def test_a_photo_without_a_garment_gets_no_tags(home: Workspace) -> None:
    home.delete("tags", "key = 'red00.png'")
    fit(home)
    assert "red00.png" not in moods(home)


def test_labels_that_cannot_be_used_are_named_and_the_others_are_used(home: Workspace) -> None:
    fitted = fit(home, [*LABELS, ("gone.png", "warm")])
    assert [(entry.line, entry.key, why) for entry, why in fitted.left_out] == [
        (len(LABELS) + 2, "gone.png", "is not in the workspace")
    ]
    assert fitted.head.scores.photos == len(LABELS)


def test_one_refused_label_does_not_stop_the_others(home: Workspace) -> None:
    labels = [(key, "young woman" if n % 7 == 0 else label) for n, (key, label) in enumerate(LABELS)]
    fitted = fit(home, labels)
    assert list(fitted.refused) == ["young woman"]
    assert "asks for" in fitted.refused["young woman"]
    assert fitted.head.values == ("cold", "warm")
    assert fitted.left_out == ()
    assert fitted.head.scores.photos == sum(label != "young woman" for _, label in labels)
    again = fit(home, labels)
    assert not again.changed
    assert again.refused == fitted.refused


def test_labels_of_other_photos_are_refused(home: Workspace) -> None:
    with pytest.raises(NotEnoughData, match=r"line 2, 'a' is not in the workspace"):
        fit(home, [("a", "warm"), ("b", "cold")])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([row for row in LABELS if row[1] == "warm"], "at least 2 values"),
        (
            [row for row in LABELS if row[1] == "warm" or row[0] < "blue05"],
            "at least 8 photos of each value, got cold 5",
        ),
        ([(key, "ab"[n % 2]) for n, (key, _) in enumerate(LABELS)], "always naming the most frequent value"),
    ],
)
def test_too_little_evidence_is_refused_and_nothing_is_left(
    home: Workspace, labels: Sequence[tuple[str, str]], told: str
) -> None:
    before = home.version("tags")
    with pytest.raises(NotEnoughData, match=told):
        fit(home, labels)
    assert heads_of(home) == []
    assert home.version("tags") == before


@pytest.mark.parametrize(
    ("group", "labels", "told"),
    [
        ("type", LABELS, "the taxonomy has a group 'type' already"),
        ("Mood!", LABELS, "small letters"),
        ("gender", LABELS, "infers nothing about people"),
        ("mood", [(key, {"warm": "woman", "cold": "man"}[label]) for key, label in LABELS], "'man'.*'woman'"),
        ("skin", [(key, {"warm": "light", "cold": "dark"}[label]) for key, label in LABELS], "dark skin"),
        ("age-group", LABELS, "infers nothing about people"),
    ],
)
def test_names_that_cannot_be_used_are_refused(
    home: Workspace, group: str, labels: Sequence[tuple[str, str]], told: str
) -> None:
    path = write_labels(home.root.parent / "labels.csv", labels)
    with pytest.raises(InputError, match=told):
        fit_head(home, path, group=group, taken=("type", "colour"))
    assert heads_of(home) == []


def test_copies_of_a_photo_are_judged_together(stored: Path, tmp_path: Path) -> None:
    # ten photos, eight uploads of each, labels by chance: knowing the copies would get all of them right
    folder = tmp_path / "photos"
    draw(folder, {f"{n}-0.png": list(WARM)[n % 6] for n in range(10)}, seed=3)
    for n in range(10):
        for copy in range(1, 8):
            shutil.copy(folder / f"{n}-0.png", folder / f"{n}-{copy}.png")
    home = take_in(tmp_path / "w", folder)
    labels = [(f"{n}-{copy}.png", "ab"[n in (0, 1, 4, 6, 9)]) for n in range(10) for copy in range(8)]
    with pytest.raises(NotEnoughData, match="most frequent value"):
        fit(home, labels)


# ---- the file of labels


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"line 1: expected the columns key and label, got nothing"),
        ("photo,label\na,b\n", r"line 1: .*key is missing"),
        ("key,label\n", "below the header"),
        ("key,label\na,\n", r"line 2: expected a key and a label"),
        ("key,label\na,red, with dots\n", r"line 2: expected 2 cells, got 3.*in double quotes"),
        ("key,label\na,x\n\nb\n", r"line 4: expected a key and a label"),
        ("key,label\na,x\nb,x\na,y\n", r"line 4: expected one label for 'a', got 'y' here and 'x' in line 2"),
        ("key,label\na,x\nb,X\n", r"line 3: the label 'X' is written 'x' in line 2"),
        ('key,label\n"a,x\n', "cannot be read as CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "l.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError, match=told):
        read_head_labels(tmp_path / "l.csv")


def test_labels_are_read_as_tables_come(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes("\ufeffLabel;note; key\nété ;x;a\n\nété;y;b\nété;z;a\n".encode())
    assert [(e.line, e.key, e.label) for e in read_head_labels(tmp_path / "l.csv")] == [
        (2, "a", "été"),
        (4, "b", "été"),
    ]
    (tmp_path / "l.csv").write_bytes(b"key,label\na,x,\n")  # as spreadsheets end lines
    assert [(e.key, e.label) for e in read_head_labels(tmp_path / "l.csv")] == [("a", "x")]
    (tmp_path / "l.csv").write_bytes(b"key,label\n\xff,x\n")
    with pytest.raises(ManifestError, match="UTF-8"):
        read_head_labels(tmp_path / "l.csv")
    with pytest.raises(ManifestError, match="there is no"):
        read_head_labels(tmp_path / "gone.csv")


# ---- learning


def made(n: int, values: int, *, noise: float, seed: int, dim: int = 24) -> Examples:
    """Unit vectors around a centre for each value."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dim, dim)))[0][:values]
    classes = rng.integers(0, values, n)
    rows = centres[classes] + noise * rng.normal(size=(n, dim)) / np.sqrt(dim)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Examples(
        embeddings=rows.astype(np.float32), labels=[f"v{c}" for c in classes], origins=np.arange(n, dtype=np.int64)
    )


def test_the_fit_is_the_minimum_of_the_stated_loss() -> None:
    examples = made(60, 3, noise=2.0, seed=1, dim=4)
    classes = np.asarray([int(label[1]) for label in examples.labels], dtype=np.int64)
    found = fit_linear(examples.embeddings, classes, 3, penalty=0.5)
    centre = examples.embeddings.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(((examples.embeddings - centre) ** 2).sum(axis=1).mean())

    def loss(weights: np.ndarray, bias: np.ndarray) -> float:
        told = log_softmax(examples.embeddings.astype(np.float64) @ weights + bias)
        return -float(told[np.arange(60), classes].sum()) + 0.25 * float(((weights * scale) ** 2).sum())

    least = loss(found.weights, found.bias)
    rng = np.random.default_rng(0)
    for size in (1e-2, 1e-1):
        for _ in range(50):
            other = found.weights + size * rng.normal(size=found.weights.shape)
            assert loss(other, found.bias + size * rng.normal(size=3)) > least - 1e-4


def test_two_points_are_split_in_the_middle() -> None:
    rows = np.asarray([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    found = fit_linear(rows, np.asarray([0, 1], dtype=np.int64), 2, penalty=0.1)
    chances = np.exp(log_softmax(found.scores(np.asarray([[0.5, 0.5], [1.0, 0.0]], dtype=np.float32))))
    assert chances[0] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert chances[1, 0] > 0.8


def test_out_of_fold_figures_hold_on_new_photos() -> None:
    drawn, seen = made(4_000, 4, noise=3.5, seed=2), 1_000
    known = Examples(embeddings=drawn.embeddings[:seen], labels=drawn.labels[:seen], origins=drawn.origins[:seen])
    head = learn_head(known, group="g", model="m 1", precision=0.85)
    chances = head.chances(drawn.embeddings[seen:])
    right = np.asarray([f"v{n}" for n in chances.argmax(axis=1)]) == np.asarray(drawn.labels[seen:])
    sure = chances.max(axis=1) >= head.threshold
    assert 0.1 < sure.mean() < 0.95
    assert right.mean() == pytest.approx(head.scores.accuracy, abs=0.04)
    assert right[sure].mean() == pytest.approx(0.85, abs=0.04)
    place = np.minimum((chances.max(axis=1) * 15).astype(int), 14)
    ece = np.abs(np.bincount(place, chances.max(axis=1) - right)).sum() / len(right)
    assert ece < 0.05
    assert head.scores.ece < 0.06


def test_labels_without_meaning_are_refused() -> None:
    passed = 0
    for seed in range(8):
        examples = made(90, 3, noise=1.0, seed=seed)
        chance = np.random.default_rng(seed + 100).permutation(examples.labels).tolist()
        try:
            learn_head(
                Examples(embeddings=examples.embeddings, labels=chance, origins=examples.origins), group="g", model="m"
            )
            passed += 1
        except NotEnoughData:
            pass
    assert passed <= 2


def test_a_precision_out_of_reach_is_refused() -> None:
    examples = made(400, 3, noise=6.0, seed=4)
    with pytest.raises(NotEnoughData, match=r"a share of 0\.99 is right, the best .* is 0\.\d\d"):
        learn_head(examples, group="g", model="m", precision=0.99)
    for precision in (0.0, 1.0, 80.0):
        with pytest.raises(InputError, match="between 0 and 1"):
            learn_head(examples, group="g", model="m", precision=precision)


def test_a_split_that_is_perfect_so_far_is_not_taken_for_certain() -> None:
    head = learn_head(made(40, 2, noise=0.2, seed=5), group="g", model="m")
    assert head.scores.accuracy == 1.0
    far = made(40, 2, noise=0.2, seed=6).embeddings
    assert head.chances(far).max() < 0.999


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1_000), values=st.integers(2, 4))
def test_every_head_gives_probabilities_and_counts_every_photo(seed: int, values: int) -> None:
    examples = made(120, values, noise=0.8, seed=seed)
    head = learn_head(examples, group="g", model="m", precision=0.5)
    chances = head.chances(examples.embeddings)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert sum(value.support for value in head.scores.values) == head.scores.photos == 120
    assert all(0 <= value.recall <= 1 for value in head.scores.values)
    assert [tag.value for tag in head.tags(examples.embeddings)] == [head.values[n] for n in chances.argmax(axis=1)]


# ---- stored heads


def test_a_head_is_the_same_after_it_was_stored(tmp_path: Path) -> None:
    examples = made(80, 3, noise=0.6, seed=8)
    head = learn_head(examples, group="g", model="m 1", version=3)
    save_head(tmp_path / "heads", head)
    (found,) = find_heads(tmp_path / "heads")
    np.testing.assert_array_equal(found.chances(examples.embeddings), head.chances(examples.embeddings))
    assert (found.identity, found.scores, found.learned_from) == ("head g 3", head.scores, head.learned_from)
    assert [path.name for path in (tmp_path / "heads").iterdir()] == ["g.json"]


@pytest.mark.parametrize("damage", ["cut", "value", "form", "list", "empty"])
def test_a_damaged_head_is_never_applied(tmp_path: Path, damage: str) -> None:
    path = save_head(tmp_path / "heads", learn_head(made(60, 2, noise=0.5, seed=9), group="g", model="m 1"))
    stored = json.loads(path.read_text())
    if damage == "value":
        stored["head"]["values"][0] = "other"
    if damage == "form":
        stored["form"] = 2
    text = json.dumps([] if damage == "list" else stored)
    path.write_text({"cut": text[: len(text) // 2], "empty": ""}.get(damage, text))
    with pytest.raises(ArtifactError, match=r"heads/g\.json"):
        load_head(path)


# ---- the command line


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


def test_fit_list_and_remove_from_the_command_line(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    labels = write_labels(home.root.parent / "l.csv", LABELS)
    assert call("models", "fit-head", labels, "--workspace", home.root, "--group", "mood") == 0
    said = capsys.readouterr()
    assert "72 photos tagged" in said.err
    assert "warm" in said.out
    assert "60 labelled photos" in said.out
    write_labels(labels, [*LABELS, ("gone.png", "warm")])
    again = ["models", "fit-head", labels, "-w", home.root, "--group", "mood", "--format", "json"]
    assert call(*again) == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["version"], report["changed"], report["tagged"]) == (1, False, 0)
    assert report["left_out"][0] | {"reason": ""} == {"line": 62, "key": "gone.png", "label": "warm", "reason": ""}
    assert {value["value"]: value["support"] for value in report["out_of_fold"]["values"]} == {"cold": 30, "warm": 30}
    assert "l.csv, line 62: 'gone.png' is not in the workspace" in said.err
    assert call("models", "heads", "-w", home.root, "--format", "json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["applied"], listed["sure"] + listed["unsure"]) == (True, 72)
    assert call("models", "remove-head", "mood", "-w", home.root) == 0
    assert call("models", "heads", "-w", home.root) == 0
    assert "no heads" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit-head", "{gone}", "-w", "{home}", "--group", "mood"],
        ["fit-head", "{labels}", "-w", "{gone}", "--group", "mood"],
        ["fit-head", "{labels}", "-w", "{home}", "--group", "colour"],
        ["fit-head", "{labels}", "-w", "{home}", "--group", "aesthetic"],
        ["fit-head", "{labels}", "-w", "{home}", "--group", "mood", "--format", "xml"],
        ["fit-head", "{labels}", "-w", "{home}", "--group", "mood", "--precision", "2"],
        ["remove-head", "mood", "-w", "{home}"],
    ],
)
def test_what_cannot_start_is_one_line(
    home: Workspace, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    labels = write_labels(home.root.parent / "l.csv", LABELS)
    places = {"gone": str(home.root.parent / "gone"), "home": str(home.root), "labels": str(labels)}
    assert call("models", *[a.format(**places) for a in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("trendloom: ")
