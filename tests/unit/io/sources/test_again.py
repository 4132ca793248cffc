"""Items are found again from their names."""

import io
import os
import pickle
import tarfile

import duckdb
import numpy as np
import pytest
import tifffile

from limpid.core.errors import ReadError
from limpid.io.sources import find_items, item_of


def tar(path, *names):
    with tarfile.open(path, "w") as shard:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            shard.addfile(info, io.BytesIO(name.encode()))


def table(path):
    connection = duckdb.connect()
    connection.execute("create table shard (image blob)")
    connection.executemany("insert into shard values (?)", [[bytes([row] * 5)] for row in range(5)])
    connection.execute(f"copy shard to '{path}'")


@pytest.fixture
def collection(tmp_path):
    """Return a folder with every kind of source, under names that are hard to write."""
    folder = tmp_path / "50%#[1]*"
    folder.mkdir()
    for name in (b"plain.png", b"two\nlines.png", b"latin\xe9.png", "café 1%41.png".encode(), b"~a.png"):
        (folder / os.fsdecode(name)).write_bytes(name)
    tar(folder / "s.tar", "b.png", "d/x#\n.png", "notes.txt")
    table(folder / "t%.parquet")
    return folder


def check(found, count):
    assert len(found) == count
    for item in found:
        again = pickle.loads(pickle.dumps(item_of(item.uri)))
        assert (again.uri, again.size, again.version) == (item.uri, item.size, item.version)
        assert again.read() == item.read()


def test_an_item_of_any_local_source_is_found_again(collection):
    check(list(find_items([str(collection)])), 5 + 2 + 5)


def test_a_plane_of_a_zarr_array_is_found_again(tmp_path):
    zarr = pytest.importorskip("zarr")
    pixels = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
    zarr.create_array(tmp_path / "stack.zarr", data=pixels)
    zarr.create_array(tmp_path / "plane.zarr", data=pixels[0, 0])
    group = zarr.create_group(tmp_path / "group.zarr")
    group.create_array("a/b", data=pixels[0])
    check(list(find_items([str(tmp_path)])), 6 + 1 + 3)
    found = item_of(f"{tmp_path}/group.zarr#a/b/2")
    assert np.array_equal(tifffile.imread(io.BytesIO(found.read())), pixels[0, 2])


def test_an_item_in_a_store_is_found_again(collection):
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    for name in ("s.tar", "t%.parquet", "~a.png"):
        files.pipe(f"/c d/50%#?/{name}", (collection / name).read_bytes())
    try:
        check(list(find_items(["memory://c d"])), 2 + 5 + 1)
        assert "no such file" in item_of("memory://c d/gone.png").error
    finally:
        files.rm("/", recursive=True)


def test_what_is_gone_or_damaged_says_so(collection):
    *_, plain = (item.uri for item in find_items([str(collection / "plain.png")]))
    (collection / "plain.png").unlink()
    assert "no such file" in item_of(plain).error
    with pytest.raises(ReadError):
        item_of(plain).read()
    first, second = (item.uri for item in find_items([str(collection / "s.tar")]))
    tar(collection / "s.tar", "b.png")
    assert item_of(first).read() == b"b.png"
    assert "no longer" in item_of(second).error
    (collection / "s.tar").write_bytes((collection / "s.tar").read_bytes()[:700])
    assert "the shard" in item_of(second).error
