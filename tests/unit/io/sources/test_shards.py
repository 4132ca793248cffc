"""Images inside of other files."""

import io
import pickle
import tarfile

import duckdb
import numpy as np
import pytest

import limpid
from limpid.core.errors import ReadError
from limpid.io import read_image
from limpid.io.sources import find_items


def items(path):
    return [pickle.loads(pickle.dumps(item)) for item in find_items([str(path)])]


def tar(path, members):
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, io.BytesIO(content))
    return path


def table(path, columns, rows):
    connection = duckdb.connect()
    connection.execute(f"create table shard ({columns})")
    connection.executemany(f"insert into shard values ({', '.join('?' * len(rows[0]))})", rows)
    connection.execute(f"copy shard to '{path}' (format parquet, row_group_size 2)")
    return path


def test_a_tar_shard_holds_its_members_in_their_order(tmp_path):
    shard = tar(tmp_path / "s.tar", [("b.png", b"one"), ("b.json", b"{}"), ("d/a.jpg", b"two"), ("x#\n.png", b"three")])
    found = items(shard)
    assert [item.uri.removeprefix(str(shard)) for item in found] == ["#b.png", "#d/a.jpg", "#x%23%0A.png"]
    assert [item.read() for item in found] == [b"one", b"two", b"three"]
    assert [item.size for item in found] == [3, 3, 5]


@pytest.mark.parametrize("keep", [700, 1024, 1536])
def test_a_tar_shard_that_ends_early_says_so_after_what_is_whole(tmp_path, keep):
    shard = tar(tmp_path / "s.tar", [("a.png", b"one"), ("b.png", b"two")])
    shard.write_bytes(shard.read_bytes()[:keep])
    *_, last = items(shard)
    assert "the shard" in last.error


def test_a_compressed_tar_is_refused_by_name(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w:gz"):
        pass
    (item,) = items(path)
    assert "not compressed" in item.error


def test_rows_of_a_parquet_file_are_images(tmp_path):
    rows = [(i, {"bytes": bytes([i]) * 5, "path": f"{i}.png"}) for i in range(7)]
    path = table(tmp_path / "[1]*.parquet", "id INTEGER, photo STRUCT(bytes BLOB, path VARCHAR)", rows)
    table(tmp_path / "1.parquet", "image BLOB", [(b"other",)])
    found = items(path)
    assert [item.uri.rpartition("#")[2] for item in found] == [str(i) for i in range(7)]
    assert [item.read() for item in found] == [bytes([i]) * 5 for i in range(7)]


def test_the_column_called_image_is_taken_and_nothing_is_guessed(tmp_path):
    both = table(tmp_path / "a.parquet", "thumb BLOB, image BLOB", [(b"small", b"large"), (b"small", None)])
    first, second = items(both)
    assert first.read() == b"large"
    with pytest.raises(ReadError, match="no image"):
        second.read()
    (several,) = items(table(tmp_path / "b.parquet", "a BLOB, b BLOB", [(b"", b"")]))
    assert "several columns hold bytes (a, b)" in several.error
    (none,) = items(table(tmp_path / "c.parquet", "a INTEGER", [(1,)]))
    assert "no image in it" in none.error
    assert "column of bytes" in none.error
    (tmp_path / "a.png").write_bytes(b"picture")
    assert [item.error for item in items(tmp_path / "*[!a].p*")] == [several.error]  # b, and nothing of c


def test_a_file_that_is_no_table_is_an_item_with_an_error(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"nothing of the kind")
    (item,) = items(tmp_path / "a.parquet")
    assert "can't be read" in item.error


class TestZarr:
    zarr = pytest.importorskip("zarr")

    def array(self, path, pixels, **options):
        made = self.zarr.create_array(
            str(path),
            shape=pixels.shape,
            chunks=(1,) * (pixels.ndim - 2) + pixels.shape[-2:],
            dtype=pixels.dtype,
            **options,
        )
        made[:] = pixels

    def test_planes_of_an_array_are_images(self, tmp_path):
        pixels = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
        self.array(tmp_path / "a.zarr", pixels)
        found = items(tmp_path / "a.zarr")
        assert [item.uri.rpartition("#")[2] for item in found] == ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
        assert np.array_equal([read_image(item.read()).values for item in found], pixels.reshape(6, 8, 9))

    @pytest.mark.parametrize("names", [None, ("t", "y", "x", "c")])
    def test_a_last_axis_of_three_is_colour(self, tmp_path, names):
        pixels = np.random.default_rng(0).integers(0, 255, (2, 8, 9, 3), dtype=np.uint8)
        self.array(tmp_path / "a.zarr", pixels, dimension_names=names)
        assert np.array_equal([read_image(item.read()).values for item in items(tmp_path / "a.zarr")], pixels)

    def test_of_a_pyramid_the_full_resolution_counts(self, tmp_path):
        group = self.zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        for path, side in (("0", 16), ("1", 8)):
            group.create_array(path, shape=(2, side, side), dtype="uint8")
        axes = [{"name": name} for name in ("c", "y", "x")]
        group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]
        assert [item.uri.rpartition("#")[2] for item in items(tmp_path / "a.zarr")] == ["0/0", "0/1"]

    def test_what_is_no_image_is_refused_by_name(self, tmp_path):
        self.array(tmp_path / "a.zarr", np.zeros((4, 8, 8), np.int32))
        (item,) = items(tmp_path / "a.zarr")
        assert "int32" in item.error

    def test_a_changed_chunk_is_another_version(self, tmp_path):
        pixels = np.zeros((1, 8, 9), np.uint8)
        self.array(tmp_path / "a.zarr", pixels)
        (before,) = items(tmp_path / "a.zarr")
        self.zarr.open_array(str(tmp_path / "a.zarr"), mode="r+")[:] = 7
        (after,) = items(tmp_path / "a.zarr")
        assert before.version != after.version


def test_a_folder_holds_images_and_shards(tmp_path):
    limpid.write_image(np.zeros((4, 4), np.uint8), tmp_path / "a.png")
    tar(tmp_path / "b.tar", [("c.png", b"")])
    assert [item.uri.removeprefix(str(tmp_path)) for item in items(tmp_path)] == ["/a.png", "/b.tar#c.png"]
