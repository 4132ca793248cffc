"""Files, folders, globs and lists become items."""

import os
import pickle
import random
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limpid.core.errors import ReadError
from limpid.io.sources import find_items, uri_of
from limpid.io.sources.ordering import in_order


def put(path, content=b"picture"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(folder, *addresses, **options):
    return [item.uri.removeprefix(f"{folder}/") for item in find_items(map(str, addresses), **options)]


def test_a_folder_is_searched_in_the_order_of_names_with_its_files_first(tmp_path):
    wanted = ["b.png", "é.png", "a/c.JPG", "a/z/d.tif"]
    for name in random.Random(0).sample([*wanted, "notes.txt", ".hidden.png", ".git/e.png"], 7):
        put(tmp_path / name)
    assert names(tmp_path, tmp_path) == wanted


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["b.png"]),
        ("**/*.png", ["b.png", "a/c.png", "a/z/d.png"]),
        ("a/*", ["a/c.png", "a/z/d.png"]),
        ("?/z", ["a/z/d.png"]),
        ("*/z", ["a/z/d.png"]),
        ("a/**", ["a/c.png", "a/z/d.png"]),
        ("[ab]*", ["a/c.png", "a/z/d.png", "b.png"]),
    ],
)
def test_a_glob_finds_what_a_shell_would(tmp_path, pattern, found):
    for name in ("b.png", "a/c.png", "a/z/d.png", ".e.png", ".f/z/g.png"):
        put(tmp_path / name)
    assert names(tmp_path, tmp_path / pattern) == found


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    put(tmp_path / "in/a.png")
    put(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/round").symlink_to(tmp_path / "in")
    (tmp_path / "in/there").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path, tmp_path / "in") == ["in/a.png", "in/there/b.png"]


def test_the_folder_of_earlier_outputs_is_left_out_unless_it_is_named(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "out/b.png")
    assert names(tmp_path, tmp_path, outside=str(tmp_path / "out")) == ["a.png"]


@pytest.mark.parametrize("name", ["two\nlines.png", "50%#1.png", os.fsdecode(b"latin\xe9.png"), "tab\t.png", "a b.png"])
def test_any_name_survives(tmp_path, name):
    put(tmp_path / name, name.encode("utf-8", "surrogateescape"))
    (item,) = find_items([str(tmp_path)])
    assert item.uri.isprintable()
    assert item.uri.encode("utf-8")
    assert pickle.loads(pickle.dumps(item)).read() == os.fsencode(name)


@given(st.binary(min_size=1))
@example(b"%41#%")
def test_the_bytes_of_a_name_come_back_from_its_uri(name):
    from urllib.parse import unquote_to_bytes

    assert unquote_to_bytes(uri_of(os.fsdecode(name))) == name


def test_what_changes_a_file_changes_its_item(tmp_path):
    path = put(tmp_path / "a.png")
    (before,) = find_items([str(path)])
    os.utime(path, ns=(1, 1))
    (after,) = find_items([str(path)])
    assert before.size == after.size == 7
    assert before.version != after.version


def test_what_can_not_be_read_is_an_item_and_not_the_end(tmp_path):
    put(tmp_path / "z.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "round.png").symlink_to("round.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = {Path(item.uri).name: item.error for item in find_items([str(tmp_path), str(tmp_path / "no.png")])}
    assert found["z.png"] is None
    assert "link" in found["gone.png"]
    assert "can't be read" in found["round.png"]
    assert "no regular file" in found["pipe.png"]
    assert "no such file" in found["no.png"]


def test_a_folder_that_can_not_be_listed_is_an_item(tmp_path, monkeypatch):
    put(tmp_path / "closed/a.png")
    put(tmp_path / "open/b.png")
    listed = os.scandir

    def scandir(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    first, second = find_items([str(tmp_path)])
    assert first.uri.endswith("closed")
    assert "Permission denied" in first.error
    assert second.read() == b"picture"


def test_images_of_other_formats_are_counted_in_a_warning(tmp_path, caplog):
    for name in ("a.png", "b.CR2", "in/c.gif", "in/d.gif", "notes.md"):
        put(tmp_path / name)
    assert names(tmp_path, tmp_path) == ["a.png"]
    assert "3 files of other formats (.cr2, .gif) were left out" in caplog.text


def test_an_address_that_names_nothing_is_one_item_with_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    for address, says in (
        (tmp_path / "empty", "no images in this folder"),
        (tmp_path / "*.png", "matches this pattern"),
    ):
        (item,) = find_items([str(address)])
        with pytest.raises(ReadError, match=says):
            item.read()


def test_a_file_that_is_gone_when_it_is_read_says_so(tmp_path):
    path = put(tmp_path / "a.png")
    (item,) = find_items([str(path)])
    path.unlink()
    with pytest.raises(ReadError, match="gone since"):
        item.read()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\x00"])
def test_a_list_names_files_and_folders_from_where_it_is(tmp_path, end):
    put(tmp_path / "in/b.png")
    put(tmp_path / "in/deep/a.png")
    put(tmp_path / "list.txt", end.join([b"in/deep", b"", b"in/b.png", b"in/c.png", b"list.txt"]) + end)
    found = list(find_items([str(tmp_path / "list.txt")]))
    assert [item.uri.removeprefix(f"{tmp_path}/") for item in found] == [
        "in/deep/a.png",
        "in/b.png",
        "in/c.png",
        "list.txt",
    ]
    assert [item.error is None for item in found] == [True, True, False, False]


@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8"))), st.integers(1, 5))
def test_names_are_sorted_by_their_bytes_whatever_fits_in_memory(names, chunk):
    assert list(in_order(names, chunk=chunk)) == sorted(names, key=os.fsencode)


def test_names_are_sorted_across_the_blocks_that_files_are_read_in():
    names = [f"{number:012}" for number in range(12_000)]
    assert list(in_order(reversed(names), chunk=10_000)) == names


def test_modes_do_not_matter(tmp_path):
    path = put(tmp_path / "a.png")
    path.chmod(stat.S_IRUSR)
    assert names(tmp_path, path) == ["a.png"]


def test_a_tree_deeper_than_calls_can_be_nested_is_walked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    put(Path("a.png"))
    os.chdir(tmp_path)
    try:
        assert [item.below for item in find_items(["."])] == ["d/" * 1200 + "a.png"]
    finally:
        subprocess.run(["rm", "-rf", "d"], check=True)  # pytest could not remove it


def test_the_record_of_a_job_is_no_collection(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "limpid-job/0001/manifest.parquet")
    assert names(tmp_path, tmp_path, tmp_path / "*") == ["a.png", "a.png"]
