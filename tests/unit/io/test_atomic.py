"""An output appears whole or not at all, whatever stops the writing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limpid.core.errors import WriteError
from limpid.core.image import Image
from limpid.io import read_image, write_image
from limpid.io.formats import FORMATS, codec_for

IMAGE = Image.from_array(np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8))


def interrupted_write(error: BaseException) -> Any:
    """Return a codec's write that fails after a part is on disk."""

    def write(image: Image, file: Any, *, quality: int | None) -> None:
        file.write(b"half of it")
        file.flush()
        raise error

    return write


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(28, "No space left"), WriteError),
        (ValueError("x"), WriteError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, seen: type[BaseException]
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    monkeypatch.setattr(codec_for(name), "write", interrupted_write(error))
    with pytest.raises(seen):
        write_image(IMAGE, path, format=name)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_of_the_last_step_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteError, match="Input/output error"):
        write_image(IMAGE, tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_whole_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    replace = Path.replace

    def watching(self: Path, target: Path) -> Path:
        seen.append((self.parent == target.parent, read_image(self).values.shape))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watching)
    write_image(IMAGE, tmp_path / "out.tif")
    assert seen == [(True, IMAGE.values.shape)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_limit_on_file_size_is_an_error_that_leaves_nothing(tmp_path: Path, name: str) -> None:
    """RLIMIT_FSIZE stands for a full disk; it is set in a process of its own since it can't be taken back."""
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from limpid.core.errors import WriteError\n"
        "from limpid.core.image import Image\n"
        "from limpid.io import write_image\n"
        "image = Image.from_array(np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_image(image, sys.argv[1], format=sys.argv[2])\n"
        "except WriteError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out"), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "it can't be written: File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs the superuser")
    try:
        with pytest.raises(WriteError, match="the disk is full"):
            write_image(IMAGE, tmp_path / "out.tif")
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_image(IMAGE, tmp_path / "out.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400])
def test_a_replaced_file_passes_its_permissions_on(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    path.chmod(mode)
    before = os.umask(0o022)
    try:
        write_image(IMAGE, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert read_image(path).values.shape == IMAGE.values.shape


def test_what_replaces_a_private_file_is_private_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.png").touch(mode=0o600)
    seen = []

    def watching(image: Image, file: Any, *, quality: int | None) -> None:
        seen.extend(stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.glob(".limpid-*.tmp"))

    monkeypatch.setattr(codec_for("png"), "write", watching)
    write_image(IMAGE, tmp_path / "out.png")
    assert seen == [0o600]


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, "фото 写真 📷", "with space", "-dash", ".hidden"])
def test_long_and_foreign_names_are_written_and_read(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.png"
    write_image(IMAGE, path)
    np.testing.assert_array_equal(read_image(path).values, IMAGE.values)
    assert list(tmp_path.iterdir()) == [path]


def test_paths_that_can_not_be_written_are_refused_by_reason(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    cases = {
        tmp_path / "folder.png": "this is a folder",
        tmp_path / "none" / "a.png": "does not exist",
        tmp_path / "file" / "a.png": "does not exist|not a folder",
        tmp_path / f"{'x' * 300}.png": "more than 255 bytes",
    }
    for path, reason in cases.items():
        with pytest.raises(WriteError, match=reason) as caught:
            write_image(IMAGE, path)
        assert caught.value.source == str(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_refused_by_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="no permission"):
        write_image(IMAGE, tmp_path / "out.png")
