"""Emptying the cache, whatever else its folder is used for."""

from __future__ import annotations

from pathlib import Path

import pytest

from limpid.workflows.cache import clear_cache, list_cache

OWN = (
    "compiled/0123456789abcdef0123456789abcdef.network",
    "datasets/set12/01.png",
    "datasets/bsd68/deep/b.png",
    "self-test/0123456789abcdef.json",
)
OTHERS = ("compiled/notes.txt", "datasets/mine/a.png", "datasets/notes.txt", "self-test/mine/x.txt", "photos/c.png")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    for name in OWN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_clearing_removes_what_limpid_put_there_and_the_folders_that_are_empty_then(folder: Path) -> None:
    rows = clear_cache()

    found = [(row.kind, row.files, row.bytes) for row in rows]
    assert found == [("compiled", 1, 5), ("datasets", 2, 10), ("self-test", 1, 5)]
    assert not list(folder.iterdir())
    assert [row.files for row in list_cache()] == [0, 0, 0]


def test_what_else_lies_in_the_folder_is_neither_counted_nor_removed(folder: Path) -> None:
    for name in OTHERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    rows = clear_cache()

    assert [row.files for row in rows] == [1, 2, 1]
    assert names(folder) == sorted(OTHERS)


def test_a_link_to_a_data_set_elsewhere_is_removed_and_the_data_set_kept(folder: Path, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.png").touch()
    (folder / "datasets" / "cbsd68").symlink_to(elsewhere)

    clear_cache()

    assert (elsewhere / "a.png").exists()
    assert not list(folder.iterdir())
