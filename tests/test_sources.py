"""Keys, posts and refusals of every kind of source."""

import io
import json
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendloom.errors import ImageError, InputError, ManifestError
from trendloom.photos import MAX_BYTES
from trendloom.sources import open_source, parse_map, read_time
from trendloom.sources.stores import Store
from trendloom.types import Item


def items(path: Path, **options: object) -> dict[str, Item]:
    return {item.key: item for item in open_source([path], **options).items()}  # type: ignore[arg-type]  # test options


def test_a_folder_gives_relative_keys_and_leaves_other_files_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.PNG", "notes.txt", ".hidden.jpg", ".git/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = items(tmp_path)
    assert list(found) == ["a.jpg", "sub/b.PNG"]
    assert found["sub/b.PNG"].post.post_id == "sub/b.PNG"
    assert found["a.jpg"].load() == b"x"
    assert open_source([tmp_path]).total == 2


def test_a_file_list_keeps_paths_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(b"1")
    Path("d").mkdir()
    Path("d/b.jpg").write_bytes(b"2")
    assert [i.key for i in open_source([Path("a.jpg"), Path("d")]).items()] == ["a.jpg", "d/b.jpg"]


def manifest(folder: Path, text: str) -> Path:
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder


def test_a_manifest_gives_posts(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    rows = 'image,post_id,posted_at,author,caption,likes,country\na.jpg,p1,2024-05-01T10:00:00+02:00,Ann,hi @bob mail a@b.org,"1,204",FR\n'
    post = items(manifest(tmp_path, rows))["a.jpg"].post
    assert post.posted_at == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert (post.post_id, post.author, post.country, post.counts.likes) == ("p1", "Ann", "FR", 1204)
    assert post.caption == "hi @… mail @…"  # handles and addresses name people


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_manifest_of_a_spreadsheet_elsewhere(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    rows = 'image,post_id,caption\na.jpg,p1,"one, two"\n'.replace(",", delimiter, 2).replace(
        "a.jpg,p1,", f"a.jpg{delimiter}p1{delimiter}"
    )
    post = items(manifest(tmp_path, rows))["a.jpg"].post
    assert (post.post_id, post.caption) == ("p1", "one, two")


def test_paths_that_leave_the_source_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.jpg").write_bytes(b"secret")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "out.jpg")
    found = items(manifest(tmp_path / "in", f'image\n../out.jpg\n{tmp_path / "out.jpg"}\nlink.jpg\ngone.jpg\n""\n'))
    status = {}
    for key, item in found.items():
        with pytest.raises(ImageError) as caught:
            item.load()
        status[key] = caught.value.status
    assert status == {
        "../out.jpg": "refused",
        str(tmp_path / "out.jpg"): "refused",
        "link.jpg": "refused",
        "gone.jpg": "missing",
        "manifest.csv:6": "missing",
    }


def test_a_manifest_without_image_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="--map image=COLUMN"):
        open_source([manifest(tmp_path, "file,when\na.jpg,2024-01-01\n")])
    (tmp_path / "a.jpg").write_bytes(b"x")
    found = items(tmp_path, columns={"image": "file", "posted_at": "when"})
    assert found["a.jpg"].post.posted_at == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("make", [lambda p: p / "gone", lambda p: p, lambda p: p / "x.bin"])
def test_what_cannot_be_a_source_is_one_clear_line(tmp_path: Path, make: object) -> None:
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(InputError):
        open_source([make(tmp_path)])  # type: ignore[operator]  # a lambda of the list above


def tar(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            file.addfile(member)
    return path


def test_tar_shards_pair_photos_with_json(tmp_path: Path) -> None:
    side = json.dumps({"created": "2024-02-03T00:00:00Z", "author": "Ann", "likes": 3}).encode()
    tar(
        tmp_path / "s-0.tar",
        {"000/a.jpg": b"A", "000/a.json": side, "b.jpg": b"B", "b.json": b"{broken", "../c.jpg": b"C"},
        {"d.jpg": "/etc/passwd"},
    )
    tar(tmp_path / "s-1.tar", {"b.jpg": b"second"})
    found = items(tmp_path, columns=parse_map(["posted_at=created"]))
    assert list(found) == ["000/a", "b", "../c", "d", "s-1/b"]
    assert found["000/a"].post.posted_at == datetime(2024, 2, 3, tzinfo=UTC)
    assert found["000/a"].load() == b"A"
    assert found["b"].load() == b"B"
    assert found["s-1/b"].load() == b"second"
    for key in ("../c", "d"):
        with pytest.raises(ImageError) as caught:
            found[key].load()
        assert caught.value.status == "refused"


def test_no_photo_of_many_shards_is_lost_to_another_of_its_name(tmp_path: Path) -> None:
    for folder in "abc":  # as img2dataset numbers photos and shards, from nought in every run
        (tmp_path / folder).mkdir()
        tar(tmp_path / folder / "00000.tar", {"000.jpg": folder.encode(), "000.png": b"P", "001.jpg": b"x"})
    for paths in ([tmp_path / f for f in "abc"], [tmp_path / f / "00000.tar" for f in "abc"]):
        source = open_source(paths)
        found = {item.key: item.load() for item in source.items()}
        assert len(found) == source.total == 9
        assert [found[key] for key in ("000", "00000/000", "001", "00000/000~2")] == [b"a", b"P", b"x", b"b"]


def test_a_folder_of_both_images_and_shards_says_so(tmp_path: Path) -> None:
    tar(tmp_path / "s.TAR", {"a.jpg": b"A"})
    assert list(items(tmp_path)) == ["a"]
    (tmp_path / "b.jpg").write_bytes(b"B")
    with pytest.raises(InputError, match="found both"):
        open_source([tmp_path])
    assert list(items(tmp_path, format="folder")) == ["b.jpg"]
    assert list(items(tmp_path, format="tar")) == ["a"]


def test_names_of_other_bytes_stay_apart(tmp_path: Path) -> None:
    for name in (b"\xfe.jpg", b"\xff.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    assert {key: item.load() for key, item in items(tmp_path).items()} == {
        "\\xfe.jpg": b"\xfe.jpg",
        "\\xff.jpg": b"\xff.jpg",
    }


def test_a_pipe_among_the_files_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.jpg")
    with pytest.raises(ImageError, match="expected a file, got"):
        items(tmp_path)["p.jpg"].load()


class Vast(io.BytesIO):
    """A file of an object store that says it is larger than a photo may be."""

    def size(self) -> int:
        return MAX_BYTES + 1


class Disk:
    """A file system of one such file."""

    def open_input_file(self, _: str) -> Vast:
        return Vast(b"rows")


def test_the_cap_on_photos_is_none_on_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store("s3://bucket/parts")
    monkeypatch.setattr(store, "_opened", (Disk(), "bucket/parts"))
    with pytest.raises(ImageError, match="expected at most"):
        store.read("a.jpg")
    assert store.read("plan.parquet", most=None) == b"rows"


def test_an_address_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trendloom cluster"):
        open_source([Path("s3://bucket/photos")])


def test_a_tar_that_is_cut_keeps_what_came_before(tmp_path: Path) -> None:
    whole = tar(tmp_path / "w.tar", {"a.jpg": b"A" * 600, "b.jpg": b"B" * 9000}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:4000])
    found = {item.key: item for item in open_source([tmp_path / "cut.tar"]).items()}
    assert found["a"].load() == b"A" * 600
    with pytest.raises(ImageError):
        found["b"].load()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-01-01T00:30:00+01:00", datetime(2023, 12, 31, 23, 30, tzinfo=UTC)),
        ("2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        (" 2024-01-01T05:00:00Z ", datetime(2024, 1, 1, 5, tzinfo=UTC)),
        ("31/12/2024 10:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(text: str | None, wanted: datetime | None) -> None:
    assert read_time(text) == wanted


@given(st.text())
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    moment = read_time(text)
    assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize("pair", ["posted_at", "posted_at=", "nonsense=x"])
def test_a_map_of_another_form_is_refused(pair: str) -> None:
    with pytest.raises(ManifestError):
        parse_map([pair])
