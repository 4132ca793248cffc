"""Collections that are not on this machine."""

import io
import pickle
import tarfile

import duckdb
import numpy as np
import pytest
from PIL import Image

import limpid
from limpid.core.errors import MissingExtraError, OptionError
from limpid.io.sources import find_items
from limpid.io.stores.filesystem import filesystem

fsspec = pytest.importorskip("fsspec")


def encoded(seed):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).normal(120, 10, (48, 48)).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def shard(*contents):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, content in enumerate(contents):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def table(folder, *contents):
    connection = duckdb.connect()
    connection.execute("create table t (image blob)")
    connection.executemany("insert into t values (?)", [[content] for content in contents])
    connection.execute(f"copy t to '{folder}/t.parquet'")
    return (folder / "t.parquet").read_bytes()


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def test_a_store_is_searched_as_a_folder_is(memory, tmp_path):
    contents = [encoded(seed) for seed in range(4)]
    for name, content in (
        ("b.png", contents[0]),
        ("a/50%#\n.png", contents[1]),
        ("s.tar", shard(contents[2])),
        ("t.parquet", table(tmp_path, contents[3])),
        ("notes.txt", b"a/x.png"),
        (".hidden.png", b""),
    ):
        memory.pipe(f"/c/{name}", content)
    found = [pickle.loads(pickle.dumps(item)) for item in find_items(["memory://c"])]
    assert [item.uri.removeprefix("memory:///c/") for item in found] == [
        "b.png",
        "s.tar#0.png",
        "t.parquet#0",
        "a/50%25%23%0A.png",
    ]
    assert [item.read() for item in found] == [contents[0], contents[2], contents[3], contents[1]]


def test_globs_lists_and_single_files_work_in_a_store(memory):
    for name in ("a.png", "b.png", "in/c.png"):
        memory.pipe(f"/c/{name}", name.encode())
    memory.pipe("/c/list.txt", b"in\nb.png\n")
    for address, wanted in (
        ("memory://c/*.png", [b"a.png", b"b.png"]),
        ("memory://c/list.txt", [b"in/c.png", b"b.png"]),
        ("memory://c/in/c.png", [b"in/c.png"]),
    ):
        assert [item.read() for item in find_items([address])] == wanted


def test_arrays_in_a_store_are_images(memory):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array("memory://c/a.zarr", shape=(2, 8, 8), chunks=(1, 8, 8), dtype="uint8")
    array[:] = 7
    found = list(find_items(["memory://c"]))
    assert [item.uri.rpartition("#")[2] for item in found] == ["0", "1"]
    assert (limpid.read_image(found[0].read()).values == 7).all()


def test_what_is_not_there_is_an_item_and_what_is_no_store_is_refused(memory):
    (item,) = find_items(["memory://none/a.png"])
    assert "no such file" in item.error
    with pytest.raises(OptionError, match=r"no store of kind nothing://"):
        list(find_items(["nothing://bucket/a.png"]))


def test_a_store_whose_package_is_missing_names_what_installs_it(monkeypatch):
    def refuse(scheme, **options):
        raise ImportError("Install s3fs to access S3")

    filesystem.cache_clear()
    monkeypatch.setattr(fsspec, "filesystem", refuse)
    with pytest.raises(MissingExtraError, match=r'pip install "limpid\[s3\]"'):
        list(find_items(["s3://bucket/a.png"]))
    filesystem.cache_clear()


@pytest.fixture
def bucket(s3, monkeypatch):
    """Return a bucket."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    filesystem.cache_clear()
    files = filesystem("s3")
    files.mkdir("photos")
    yield files
    files.rm("photos", recursive=True)
    filesystem.cache_clear()


def test_a_bucket_is_surveyed_and_only_what_changed_is_measured_again(bucket, tmp_path):
    first, second, third = (encoded(seed) for seed in range(3))
    bucket.pipe("photos/in/a.png", first)
    bucket.pipe("photos/in/50 %.png", second)
    bucket.pipe("photos/in/s.tar", shard(first, second))
    bucket.pipe("photos/in/t.parquet", table(tmp_path, first))
    assert limpid.survey("s3://photos/in", tmp_path / "census", threads=1).failed == 0
    bucket.pipe("photos/in/a.png", third)
    seen = []
    watcher = type("Watcher", (), {"finished": lambda self, row: seen.append(row.input)})()
    found = limpid.survey("s3://photos/in", tmp_path / "census", threads=1, watcher=watcher)
    assert (found.images, found.failed) == (5, 0)
    assert seen == ["s3://photos/in/a.png"]


def test_one_request_reads_an_object(bucket):
    bucket.pipe("photos/a.png", b"0123456789")
    (item,) = find_items(["s3://photos/*.png"])
    assert item.read() == b"0123456789"
    assert item.version == bucket.info("photos/a.png")["ETag"]
