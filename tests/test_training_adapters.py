"""Data adapters: every source gives the same typed photos, and nothing bad in one ends a run."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.adapters import ADAPTERS, Found, Sample, Skipped
from training.adapters.checked import LabelRule, SkipReport, checked
from training.adapters.fashionpedia import Fashionpedia
from training.adapters.folders import Folders
from training.adapters.imaterialist import IMaterialist, mask_box
from training.adapters.img2dataset import Img2dataset
from training.adapters.shards import Shards
from training.adapters.table import Table
from training.config import load_config
from trendloom.errors import ConfigError, InputError


def photo(colour: str = "red", size: tuple[int, int] = (20, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def said(**labels: Any) -> bytes:
    return json.dumps(labels).encode()


def samples(found: list[Found]) -> list[Sample]:
    return [f for f in found if isinstance(f, Sample)]


def skipped(found: list[Found]) -> list[Skipped]:
    return [f for f in found if isinstance(f, Skipped)]


class TestShards:
    def test_photos_with_labels_captions_and_boxes(self, tmp_path: Path) -> None:
        labels = said(
            caption=" A red\n dress ",
            type="dress",
            tags=["red", "long"],
            year=2020,
            boxes={"dress": {"box": [1, 2, 10, 20]}},
        )
        shard(tmp_path / "a.tar", {"x/1.jpg": photo(), "x/1.json": labels})
        (found,) = samples(list(Shards(path=tmp_path).read()))
        assert (found.id, found.captions) == ("x/1", ("A red dress",))
        assert found.labels == {"type": ("dress",), "tags": ("red", "long"), "year": ("2020",)}
        assert found.place == f"{tmp_path / 'a.tar'}, member x/1.jpg"
        assert [(b.label, b.x0, b.y1) for b in found.boxes] == [("dress", 1, 20)]
        assert found.data() == photo()

    def test_members_apart_belong_together(self, tmp_path: Path) -> None:
        shard(tmp_path / "a.tar", {"1.jpg": photo(), "2.jpg": photo(), "2.json": said(a="b"), "1.json": said(a="c")})
        assert [(s.id, s.labels["a"]) for s in samples(list(Shards(path=tmp_path).read()))] == [
            ("1", ("c",)),
            ("2", ("b",)),
        ]

    @pytest.mark.parametrize(
        ("members", "says"),
        [
            ({"1.jpg": photo()}, "expected a JSON of labels"),
            ({"1.jpg": photo(), "1.json": b"{"}, "expected JSON in UTF-8"),
            ({"1.jpg": photo(), "1.json": b"[]"}, "expected a JSON object, got list"),
            ({"1.json": said(a="b")}, "expected a photo beside .json"),
        ],
    )
    def test_a_bad_photo_is_named_and_left_out(self, tmp_path: Path, members: dict[str, bytes], says: str) -> None:
        shard(tmp_path / "a.tar", {**members, "2.jpg": photo(), "2.json": said(a="b")})
        found = list(Shards(path=tmp_path).read())
        assert [s.id for s in samples(found)] == ["2"]
        (bad,) = skipped(found)
        assert says in bad.message
        assert bad.place.startswith(f"{tmp_path / 'a.tar'}, member 1")

    def test_a_bad_box_costs_the_box(self, tmp_path: Path) -> None:
        boxes = [{"label": "hat", "box": [5, 5, 5, 9]}, {"label": "hat", "box": [0, 0, 4, 4]}, "what"]
        shard(tmp_path / "a.tar", {"1.jpg": photo(), "1.json": said(boxes=boxes)})
        found = list(Shards(path=tmp_path).read())
        assert [len(s.boxes) for s in samples(found)] == [1]
        assert [s.place.rpartition(", ")[2] for s in skipped(found)] == ["box 0", "box 2"]

    def test_a_folder_without_shards_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected tar shards"):
            list(Shards(path=tmp_path).read())


class TestCorruptShards:
    def four(self, tmp_path: Path) -> bytes:
        members = {f"{n}.{e}": c for n in range(4) for e, c in (("jpg", photo()), ("json", said(n=n)))}
        return shard(tmp_path / "a.tar", members).read_bytes()

    def read(self, tmp_path: Path, data: bytes) -> tuple[list[Sample], list[Skipped]]:
        (tmp_path / "a.tar").write_bytes(data)
        shard(tmp_path / "b.tar", {"9.jpg": photo(), "9.json": said(n=9)})
        found = list(Shards(path=tmp_path).read())
        return samples(found), skipped(found)

    def test_cut_inside_a_member(self, tmp_path: Path) -> None:
        whole, bad = self.read(tmp_path, self.four(tmp_path)[: 512 * 7])
        assert whole[-1].id == "9"
        assert bad
        assert all(str(tmp_path / "a.tar") in s.place for s in bad)

    def test_damaged_header(self, tmp_path: Path) -> None:
        data = bytearray(self.four(tmp_path))
        start = bytes(data).index(b"2.jpg")
        data[start : start + 400] = b"\xff" * 400
        whole, bad = self.read(tmp_path, bytes(data))
        assert [s.id for s in whole] == ["0", "1", "9"]
        assert [s.kind for s in bad] == ["shard"]
        assert "damaged at byte" in bad[0].message
        assert "2 photos before it were read" in bad[0].message

    def test_not_a_tar(self, tmp_path: Path) -> None:
        whole, bad = self.read(tmp_path, b"this is no tar" * 100)
        assert [s.id for s in whole] == ["9"]
        assert "expected a tar file" in bad[0].message

    def test_end_mark_missing(self, tmp_path: Path) -> None:
        data = self.four(tmp_path).rstrip(b"\0")
        whole, bad = self.read(tmp_path, data + b"\0" * (-len(data) % 512))
        assert len(whole) == 5
        assert "without its end mark" in bad[0].message

    @settings(max_examples=25, deadline=None)
    @given(cut=st.integers(0, 8192), noise=st.binary(max_size=40))
    def test_whatever_is_cut_or_overwritten_the_next_shard_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
    ) -> None:
        folder = tmp_path_factory.mktemp("x")
        data = bytearray(self.four(folder))
        data[cut : cut + len(noise)] = noise
        whole, _ = self.read(folder, bytes(data[: cut + len(noise)]))
        assert whole[-1].id == "9"


class TestImg2dataset:
    def test_texts_and_columns(self, tmp_path: Path) -> None:
        shard(tmp_path / "00000.tar", {
            "000000000.jpg": photo(), "000000000.txt": b"a blue coat", "000000000.json": said(key="000000000", url="u", colour="blue", status="success"),
            "000000001.jpg": photo(), "000000001.json": said(key="000000001", caption="grey shoes")})  # fmt: skip
        pl.DataFrame({"key": ["000000000", "000000001", "000000002"], "status": ["success", "success", "failed_to_download"],
                      "error_message": [None, None, "HTTP Error 404"], "brand": ["x", "y", "z"]}).write_parquet(tmp_path / "00000.parquet")  # fmt: skip
        (tmp_path / "00000_stats.json").write_text("{}")
        found = list(Img2dataset(path=tmp_path).read())
        assert [s.captions for s in samples(found)] == [("a blue coat",), ("grey shoes",)]
        assert [s.labels for s in samples(found)] == [{"brand": ("x",), "colour": ("blue",)}, {"brand": ("y",)}]
        (missing,) = skipped(found)
        assert missing.place.endswith("00000.parquet, key 000000002")
        assert "HTTP Error 404" in missing.message

    def test_a_broken_parquet_costs_its_columns(self, tmp_path: Path) -> None:
        shard(tmp_path / "00000.tar", {"0.jpg": photo(), "0.txt": b"a hat"})
        (tmp_path / "00000.parquet").write_bytes(b"no parquet")
        found = list(Img2dataset(path=tmp_path).read())
        assert [s.captions for s in samples(found)] == [("a hat",)]
        assert "expected a parquet file" in skipped(found)[0].message


class TestTable:
    def write(self, tmp_path: Path, text: str | bytes) -> Path:
        path = tmp_path / "photos.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def test_columns(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'image;title;type;tags\na.jpg;"A coat;\nlong";coat;wool|grey\nsub/b.png;;hat;\n')
        found = samples(list(Table(path=path, captions=("title",), separator="|").read()))
        assert [(s.id, s.image, s.captions) for s in found] == [
            ("a.jpg", tmp_path / "a.jpg", ("A coat;\nlong",)), ("sub/b.png", tmp_path / "sub" / "b.png", ("",))]  # fmt: skip
        assert [s.labels for s in found] == [
            {"type": ("coat",), "tags": ("wool", "grey")},
            {"type": ("hat",), "tags": ()},
        ]
        assert [s.place.rpartition(", ")[2] for s in found] == ["line 2", "line 4"]

    def test_bad_lines_are_named(self, tmp_path: Path) -> None:
        lines = b"path,caption\na.jpg,one\nb.jpg\n,two\nc.jpg,\xff\xfe\n\nd.jpg," + b"x" * 200_000 + b"\ne.jpg,five\n"
        found = list(Table(path=self.write(tmp_path, lines)).read())
        assert [s.id for s in samples(found)][-1] == "e.jpg"
        assert [s.place.rpartition(" ")[2] for s in skipped(found)][:3] == ["3", "4", "5"]
        assert samples(found)[-1].place.endswith("line 8")

    def test_a_missing_column_or_file_is_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "path,caption\na.jpg,one\n")
        with pytest.raises(InputError, match=r"line 1: expected the columns title, the header has path, caption"):
            list(Table(path=path, captions=("title",)).read())
        with pytest.raises(InputError, match="expected a CSV at"):
            list(Table(path=tmp_path / "none.csv").read())

    def test_a_missing_photo_is_named_when_it_is_read(self, tmp_path: Path) -> None:
        (found,) = samples(list(Table(path=self.write(tmp_path, "path\na.jpg\n")).read()))
        with pytest.raises(InputError, match=r"expected a photo at .*a\.jpg"):
            found.data()


class TestFolders:
    def test_classes_captions_and_strays(self, tmp_path: Path) -> None:
        for name in ("ankle_boots/1.jpg", "ankle_boots/deep/2.PNG", "hat/3.jpg", "stray.jpg"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(photo())
        (tmp_path / "hat" / "3.txt").write_text("a straw hat")
        (tmp_path / "hat" / "notes.md").write_text("no photo")
        found = list(Folders(path=tmp_path).read())
        assert [(s.id, s.labels["label"], s.captions) for s in samples(found)] == [
            ("ankle_boots/1.jpg", ("ankle boots",), ()), ("ankle_boots/deep/2.PNG", ("ankle boots",), ()),
            ("hat/3.jpg", ("hat",), ("a straw hat",))]  # fmt: skip
        assert [s.place for s in skipped(found)] == [str(tmp_path / "stray.jpg")]

    def test_levels_are_fields(self, tmp_path: Path) -> None:
        (tmp_path / "shoes" / "red").mkdir(parents=True)
        (tmp_path / "shoes" / "red" / "1.jpg").write_bytes(photo())
        (found,) = samples(list(Folders(path=tmp_path, levels=2, fields=("type", "colour")).read()))
        assert found.labels == {"type": ("shoes",), "colour": ("red",)}
        with pytest.raises(InputError, match="expected 2 names in `fields`"):
            list(Folders(path=tmp_path, levels=2).read())


CATEGORIES = [
    {"id": 10, "name": "dress", "supercategory": "wholebody", "level": 2},
    {"id": 31, "name": "sleeve", "supercategory": "garment parts"},
]
ATTRIBUTES = [
    {"id": 115, "name": "floral", "supercategory": "textile pattern"},
    {"id": 7, "name": "a-line", "supercategory": "Silhouette"},
]


class TestFashionpedia:
    def write(self, tmp_path: Path, annotations: list[Any], images: list[Any] | None = None) -> Fashionpedia:
        raw = {"images": images or [{"id": 1, "file_name": "p.jpg", "width": 20, "height": 30}], "annotations": annotations,
               "categories": CATEGORIES, "attributes": ATTRIBUTES}  # fmt: skip
        (tmp_path / "train.json").write_text(json.dumps(raw))
        return Fashionpedia(path=tmp_path / "train.json")

    def test_garments_with_attributes(self, tmp_path: Path) -> None:
        dress = {
            "id": 5,
            "image_id": 1,
            "category_id": 10,
            "attribute_ids": [115, 7],
            "bbox": [2, 3, 10, 20],
            "segmentation": [],
        }
        sleeve = {"id": 6, "image_id": 1, "category_id": 31, "attribute_ids": [], "bbox": [2, 3, 4, 4]}
        adapter = self.write(tmp_path, [dress, sleeve])
        (found,) = samples(list(adapter.read()))
        assert found.labels == {"category": ("dress",), "textile pattern": ("floral",), "silhouette": ("a-line",)}
        assert found.image == tmp_path / "images" / "p.jpg"
        assert [(b.label, b.x0, b.y0, b.x1, b.y1, b.attributes) for b in found.boxes] == [
            ("dress", 2, 3, 12, 23, ("floral", "a-line"))
        ]
        (with_parts,) = samples(list(Fashionpedia(path=adapter.path, parts=True).read()))
        assert with_parts.labels["category"] == ("dress", "sleeve")

    def test_bad_annotations_are_named(self, tmp_path: Path) -> None:
        good = {"image_id": 1, "category_id": 10, "attribute_ids": [999], "bbox": [0, 0, 5, 5]}
        bad = [good | {"image_id": 8}, good | {"category_id": 77}, good | {"bbox": [0, 0, 0, 5]}, "text", good]
        found = list(self.write(tmp_path, bad, [{"id": 1, "file_name": "p.jpg"}, {"id": 2}]).read())
        assert [len(s.boxes) for s in samples(found)] == [1]
        assert [(s.place.rpartition(", ")[2], s.kind) for s in skipped(found)] == [
            ("annotations[0]", "box"), ("annotations[1]", "label"), ("annotations[2]", "box"), ("annotations[3]", "box"),
            ("annotations[4]", "label"), ("images[1]", "photo")]  # fmt: skip

    def test_a_damaged_file_is_refused_with_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "train.json").write_text('{"images": [\n1, ')
        with pytest.raises(InputError, match=r"train\.json: expected JSON in UTF-8 \(.*line 2"):
            list(Fashionpedia(path=tmp_path / "train.json").read())


class TestIMaterialist:
    def write(self, tmp_path: Path, text: str) -> IMaterialist:
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / "aa.jpg").write_bytes(photo())
        (tmp_path / "label_descriptions.json").write_text(
            json.dumps({"categories": CATEGORIES, "attributes": ATTRIBUTES})
        )
        (tmp_path / "train.csv").write_text(text)
        return IMaterialist(path=tmp_path / "train.csv")

    def test_the_csv_of_2020(self, tmp_path: Path) -> None:
        adapter = self.write(tmp_path, "ImageId,EncodedPixels,Height,Width,ClassId,AttributesIds\n"
                             'aa,"32 3 62 3",30,20,10,"115,7"\naa,1 2,30,20,31,\nbb,1 2,30,20,10,\naa,1 2,30,20,44,\ncc,1 x,30,20,10,9\n')  # fmt: skip
        found = list(adapter.read())
        assert [s.id for s in samples(found)] == ["aa", "bb", "cc"]
        first = samples(found)[0]
        assert first.image == tmp_path / "train" / "aa.jpg"
        assert first.labels == {"category": ("dress",), "textile pattern": ("floral",), "silhouette": ("a-line",)}
        assert [(b.x0, b.y0, b.x1, b.y1) for b in first.boxes] == [(1, 1, 3, 4)]
        assert [(s.place.rpartition(" ")[2], s.kind) for s in skipped(found)] == [
            ("5", "label"),
            ("6", "label"),
            ("6", "box"),
        ]

    def test_the_csv_of_2019_writes_attributes_into_the_class(self, tmp_path: Path) -> None:
        (found,) = samples(
            list(self.write(tmp_path, "ImageId,EncodedPixels,Height,Width,ClassId\naa.jpg,1 2,30,20,10_115\n").read())
        )
        assert found.labels == {"category": ("dress",), "textile pattern": ("floral",)}

    def test_the_json_of_labels(self, tmp_path: Path) -> None:
        (tmp_path / "names.csv").write_text("labelId,taskId,labelName,taskName\n1,4,Leather,material\n2,5,Red,color\n")
        (tmp_path / "train.json").write_text(
            json.dumps({"annotations": [{"imageId": "7", "labelId": ["1", "2", "3"]}, {"imageId": 8}]})
        )
        found = list(IMaterialist(path=tmp_path / "train.json", descriptions=tmp_path / "names.csv").read())
        assert [s.labels for s in samples(found)] == [{"material": ("Leather",), "color": ("Red",)}]
        assert [s.place.rpartition(", ")[2] for s in skipped(found)] == ["annotations[0]", "annotations[1]"]

    @given(data=st.data())
    def test_a_masks_box_holds_exactly_its_pixels(self, data: st.DataObject) -> None:
        height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
        cells = sorted(data.draw(st.sets(st.integers(0, height * width - 1), min_size=1)))
        runs = " ".join(f"{cell + 1} 1" for cell in cells)
        columns, rows = [c // height for c in cells], [c % height for c in cells]
        assert mask_box(runs, str(height)) == (min(columns), min(rows), max(columns) + 1, max(rows) + 1)

    def test_a_run_over_a_columns_end_fills_the_height(self) -> None:
        assert mask_box("9 4", "10") == (0, 0, 2, 10)
        assert mask_box("9 4 5", "10") is None
        assert mask_box("0 4", "10") is None


def sample(**given: Any) -> Sample:
    return Sample(**({"id": "1", "place": "f.csv, line 2", "image": b""} | given))


RULES = {"type": LabelRule(column="kind", map={"Frock": "dress"}, values=frozenset({"dress", "hat"}))}


class TestChecked:
    def test_captions(self) -> None:
        found = list(checked([sample(captions=("", "fine\tone\x00", "x" * 10_000))], {}))
        assert [s.captions for s in samples(found)] == [("fine one",)]
        assert [s.message.split(":")[0] for s in skipped(found)] == [
            "the caption is empty", "the caption has 10,000 characters, expected at most 2,000"]  # fmt: skip
        assert {(s.kind, s.place) for s in skipped(found)} == {("caption", "f.csv, line 2")}

    def test_labels(self) -> None:
        found = list(checked([sample(labels={"kind": ("Frock", "HAT", "drss", "Frock")})], RULES))
        assert [s.labels for s in samples(found)] == [{"type": ("dress", "hat")}]
        (unknown,) = skipped(found)
        assert "'kind' says 'drss', which the list 'type' does not have (nearest: dress)" in unknown.message

    def test_nothing_left_and_ids_twice(self) -> None:
        found = list(
            checked(
                [
                    sample(captions=("",), labels={"kind": ()}),
                    sample(id="2", captions=("a",)),
                    sample(id="2", place="g", captions=("b",)),
                ],
                RULES,
            )
        )
        assert [s.captions for s in samples(found)] == [("a",)]
        assert [s.message.split(":")[0] for s in skipped(found)] == [
            "the caption is empty", "no caption and no label is left to learn from", "the id 2 was seen at f.csv, line 2"]  # fmt: skip

    def test_words_that_say_nothing_are_no_news(self) -> None:
        rules = {"type": LabelRule(column="kind", map={"misc": None}, values=frozenset({"hat"}))}
        found = list(checked([sample(labels={"kind": ("misc", "hat")})], rules))
        assert [s.labels for s in samples(found)] == [{"type": ("hat",)}]
        assert not skipped(found)

    def test_other_things_need_no_label(self) -> None:
        assert len(samples(list(checked([sample()], RULES, other=True)))) == 1

    def test_a_field_that_no_photo_has_is_refused(self) -> None:
        found = [sample(captions=("a",), labels={"sort": ("hat",)}), sample(id="2", labels={"sort": (), "sku": ()})]
        with pytest.raises(
            InputError, match=r"^shop: expected photos with kind, none of 2 has it; .* have: sku, sort\."
        ):
            list(checked(found, RULES, source="shop"))
        with pytest.raises(InputError, match="expected photos with model, none of 2"):
            list(checked(found, {"type": LabelRule(column="sort", map={})}, group="model"))
        assert len(samples(list(checked(found, {"type": LabelRule(column="sort", map={})}, group="sku")))) == 1

    def test_labels_about_people_are_left_out_of_open_lists(self) -> None:
        rules = {"type": LabelRule(column="kind", map={})}
        found = list(checked([sample(labels={"kind": ("elderly woman", "women's shirt")})], rules))
        assert [s.labels for s in samples(found)] == [{"type": ("women's shirt",)}]
        assert "asks for" in skipped(found)[0].message

    def test_report(self, tmp_path: Path) -> None:
        with SkipReport(tmp_path / "skipped.jsonl") as report:
            for kind in ("photo", "photo", "caption"):
                report.add("shop", Skipped(kind=kind, place="f.csv, line 2", message="why"))
        assert report.summary() == ["shop: left out 1 caption, 2 photos"]
        lines = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
        assert lines[0] == {"source": "shop", "kind": "photo", "place": "f.csv, line 2", "message": "why"}


HEAD = "name: mine\nwork: work\nrun: runs/mine\n"
SOURCE = "sources:\n  - {name: shop, adapter: csv, path: shop.csv, captions: [title], labels: {type: category}}\n"


class TestConfig:
    def load(self, tmp_path: Path, text: str) -> Any:
        (tmp_path / "run.yaml").write_text(text)
        return load_config(tmp_path / "run.yaml")

    def test_sources_lists_and_stages(self, tmp_path: Path) -> None:
        config = self.load(tmp_path, HEAD + SOURCE + "lists: {type: {values: {dress: [dress, frock], hat: }, weight: 0.5}}\n"
                           "stages: [{name: heads, steps: 10}, {name: all, sizes: [64, 96]}]\nlosses: {captions: 2}\n")  # fmt: skip
        (source,) = config.sources
        assert source.adapter == Table(path=tmp_path / "shop.csv", captions=("title",))
        assert source.labels["type"].values == {"dress", "hat"}
        assert config.lists["type"].values == {"dress": ("dress", "frock"), "hat": ("hat",)}
        assert [s.sizes for s in config.stages] == [(128, 128, 160), (64, 96)]
        assert (config.run, config.losses.captions) == (tmp_path / "runs" / "mine", 2.0)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (HEAD, "line 1: expected either sources or commands"),
            (HEAD + "stepps: 3\n" + SOURCE, r"line 4: stepps: expected one of .*"),
            (
                HEAD + SOURCE.replace("captions", "captoins"),
                r"line 5: sources\.0\.captoins: the adapter csv knows .*did you mean captions",
            ),
            (
                HEAD + SOURCE.replace("csv,", "cvs,"),
                r"line 5: sources\.0\.adapter: expected an adapter: one of shards.*got 'cvs'",
            ),
            (HEAD + SOURCE + "seed: many\n", "line 6: seed: expected int, got 'many'"),
            (HEAD + SOURCE + "stages: [{steps: 0}]\n", "expected steps, batch and sizes of at least 1"),
            (HEAD + SOURCE + "seed: 1\nseed: 2\n", "line 7: seed stands twice"),
            (HEAD + SOURCE + "device: gpu\n", "device: expected one of auto, cpu, cuda, got 'gpu'"),
            (
                HEAD + SOURCE.replace("shop.csv", "'${NO_SUCH_THING}/a'"),
                "expected the environment to hold NO_SUCH_THING",
            ),
            (HEAD + SOURCE.replace("type: category", "gender: category"), r"labels\.gender: .*asks for"),
            (HEAD + SOURCE + "lists: {type: {values: [old man]}}\n", r"lists\.type: .*asks for"),
            ("name: [", "expected YAML in UTF-8"),
        ],
    )
    def test_what_does_not_fit_is_named(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(ConfigError, match=rf"run\.yaml.*{says}"):
            self.load(tmp_path, text)

    def test_the_environment_gives_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PHOTOS", "/photos")
        config = self.load(tmp_path, HEAD + SOURCE.replace("shop.csv", "'${PHOTOS}/a.csv'"))
        assert config.sources[0].adapter.path == Path("/photos/a.csv")

    def test_photos_are_read_anew_only_when_what_decides_them_changes(self, tmp_path: Path) -> None:
        one = self.load(tmp_path, HEAD + SOURCE).photos()
        shared = SOURCE.replace("name: shop", "name: shop, share: 0.2")
        assert self.load(tmp_path, HEAD + shared + "seed: 5\nlists: {colour: {weight: 0.1}}\n").photos() == one
        assert self.load(tmp_path, HEAD + SOURCE + "lists: {type: {values: [hat]}}\n").photos() != one
        assert self.load(tmp_path, HEAD + SOURCE + "data: {size: 64}\n").photos() != one

    @pytest.mark.parametrize("name", ["fashion-lite", "fashion-sets", "own-photos"])
    def test_the_configs_that_ship_are_whole(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATA", "/data")
        monkeypatch.setenv("WORK", "/work")
        config = load_config(Path(__file__).parents[1] / "training" / "configs" / f"{name}.yaml")
        assert config.name == name
        assert config.sources or set(config.commands) == {"fit", "calibrate", "evaluate", "export"}

    @pytest.mark.parametrize("name", sorted(ADAPTERS))
    def test_every_adapter_is_configured_by_name(self, tmp_path: Path, name: str) -> None:
        config = self.load(tmp_path, HEAD + f"sources: [{{name: a, adapter: {name}, path: p}}]\n")
        assert config.sources[0].adapter.path == tmp_path / "p"
