from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import OptionError, WriteError
from limpid.jobs import Entry, Manifest, Stamp

HEADER = {"model": {"model": "fast", "sha256": ["ab"]}, "options": {"strength": 1.0, "sigma": "auto"}}

text = st.text(min_size=1, max_size=20)
stamps = st.builds(Stamp, st.integers(0, 2**50), st.integers(0, 2**63))
entries = st.builds(
    Entry,
    input=text,
    output=st.none() | text,
    input_stamp=st.none() | stamps,
    output_stamp=st.none() | stamps,
    status=st.sampled_from(["started", "ok", "error"]),
    error=st.none() | text,
    model=st.none() | text,
    sigma=st.none() | st.floats(0, 1e5),
    strength=st.none() | st.floats(0, 2),
    seconds=st.none() | st.floats(0, 1e5),
)


def entry(name: str, **columns: object) -> Entry:
    return Entry(input=f"../in/{name}", output=name, input_stamp=Stamp(10, 20), output_stamp=Stamp(30, 40), **columns)  # type: ignore[arg-type]


@given(entries)
def test_a_row_is_read_as_it_was_written(one: Entry) -> None:
    assert Entry.from_row(json.loads(json.dumps(one.to_row(), allow_nan=False))) == one


def test_keys_of_a_later_version_are_left_out() -> None:
    assert Entry.from_row({**entry("a").to_row(), "later": 1}) == entry("a")


@given(st.integers(0, 400))
def test_cut_anywhere_it_keeps_every_whole_row_and_takes_new_ones(tmp_path_factory, cut: int) -> None:
    path = tmp_path_factory.mktemp("job") / "manifest"
    with Manifest.create(path, HEADER) as manifest:
        begin = path.stat().st_size
        for name in "abc":
            manifest.append(entry(name))
    content = path.read_bytes()
    kept = content[: max(begin, len(content) - cut)]
    path.write_bytes(kept)

    with Manifest.resume(path, HEADER) as manifest:
        whole = [name for name in "abc" if manifest.entry(name) is not None]
        manifest.append(entry("d"))

    assert len(whole) == kept[begin:].count(b"\n")
    with Manifest.resume(path, HEADER) as manifest:
        assert manifest.entry("d") == entry("d")
        assert all(manifest.entry(name) == entry(name) for name in whole)


def test_the_last_row_about_an_output_counts(tmp_path: Path) -> None:
    with Manifest.create(tmp_path / "m", HEADER) as manifest:
        manifest.append(entry("a", status="error", error="torn"))
        manifest.append(entry("a"))

    with Manifest.resume(tmp_path / "m", HEADER) as manifest:
        assert manifest.entry("a") == entry("a")


def test_creating_replaces_and_resuming_without_one_creates(tmp_path: Path) -> None:
    for open_ in (Manifest.resume, Manifest.create):
        with open_(tmp_path / "m", HEADER) as manifest:
            assert manifest.entry("a") is None
            manifest.append(entry("a"))
    assert len((tmp_path / "m").read_text().splitlines()) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_each_option_that_differs_is_named_with_both_values(tmp_path: Path) -> None:
    Manifest.create(tmp_path / "m", HEADER).close()
    now = {"model": HEADER["model"], "options": {"strength": 0.5, "sigma": 7.0}}

    with pytest.raises(OptionError, match=r"strength was 1\.0, now 0\.5; sigma was auto, now 7\.0"):
        Manifest.resume(tmp_path / "m", now)


def test_another_model_is_named_by_its_name_and_other_weights_by_their_hash(tmp_path: Path) -> None:
    Manifest.create(tmp_path / "m", HEADER).close()

    with pytest.raises(OptionError, match=r"options: model was fast, now median\. "):
        Manifest.resume(tmp_path / "m", {**HEADER, "model": {"model": "median", "radius": 1}})
    with pytest.raises(OptionError, match=r"sha256 was .*ab.*, now .*cd"):
        Manifest.resume(tmp_path / "m", {**HEADER, "model": {"model": "fast", "sha256": ["cd"]}})


@pytest.mark.parametrize(
    "content",
    [b"", b"not json\n", b"[1]\n", b'{"limpid_manifest": 99}\n', b'{"limpid_manifest": 1, "model": 3}\n'],
)
def test_a_file_that_is_no_manifest_is_never_overwritten_by_resume(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)

    with pytest.raises(OptionError, match=r"is no manifest|has format 99"):
        Manifest.resume(tmp_path / "m", HEADER)

    assert (tmp_path / "m").read_bytes() == content


def test_a_folder_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="gone"):
        Manifest.create(tmp_path / "gone" / "m", HEADER)


def test_a_row_whose_paths_are_no_text_counts_as_not_written(tmp_path: Path) -> None:
    with Manifest.create(tmp_path / "m", HEADER) as manifest:
        manifest.append(entry("a"))
    with (tmp_path / "m").open("a") as file:
        file.write(json.dumps({**entry("b").to_row(), "output": [1]}) + "\n")

    with Manifest.resume(tmp_path / "m", HEADER) as manifest:
        assert manifest.entry("a") == entry("a")


class Disk:
    """A file that refuses what it is told to."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.refused: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in self.refused:
            return self.refuse
        return self.half if name == "write" and "half" in self.refused else getattr(self.file, name)

    def refuse(self, *_: object) -> None:
        raise OSError(5, "Input/output error")

    def half(self, line: bytes) -> int:
        return self.file.write(line[: len(line) // 2])


@pytest.mark.parametrize("refused", [{"seek"}, {"write"}, {"write", "truncate"}, {"half"}, {"half", "truncate"}])
def test_a_row_that_the_disk_refuses_is_a_warning_and_harms_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, refused: set[str]
) -> None:
    with Manifest.create(tmp_path / "m", HEADER) as manifest:
        manifest._file = disk = Disk(manifest._file)  # type: ignore[assignment]
        manifest.append(entry("a"))
        disk.refused = refused
        manifest.append(entry("b"))
        disk.refused = set()
        manifest.append(entry("c"))

    assert "b is not on record" in caplog.text
    with Manifest.resume(tmp_path / "m", HEADER) as manifest:
        assert [manifest.entry(name) for name in "abc"] == [entry("a"), None, entry("c")]
