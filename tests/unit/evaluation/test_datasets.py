"""Named sets from a folder or a server, and the user's own folders."""

import functools
import hashlib
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from limpid.core.errors import DataError
from limpid.evaluation import datasets, sources
from limpid.evaluation.datasets import DatasetEntry, registry, resolve
from limpid.evaluation.metrics import psnr

_COUNTS = {"set12": 12, "bsd68": 68, "cbsd68": 68, "kodak24": 24, "cc15": 15, "train-open": 421}
_REAL_DATA = os.environ.get("LIMPID_DATA", "")


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):  # noqa: A002 (the base class's name)
        pass


@pytest.fixture
def source(tmp_path):
    """A folder that plays the source, its address, and the server's request count."""
    folder = tmp_path / "source"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_QuietHandler, directory=os.fspath(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LIMPID_DATA", raising=False)
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sources, "_RETRIES", 0)


def _write(path, value, shape=(8, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full(shape, value, np.uint8)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _register(monkeypatch, entry):
    monkeypatch.setattr(datasets, "registry", lambda: {"made": entry})


def _entry(files, *, download=None, **more):
    return DatasetEntry(
        title="made",
        licence="CC0",
        source="here",
        channels=1,
        folder="test/made",
        download=download,
        files=files,
        **more,
    )


def _value(image):
    return int(image.values.flat[0])


def test_the_registry_names_every_set_with_its_count():
    assert {name: entry.count for name, entry in registry().items()} == _COUNTS


@pytest.mark.parametrize("name", _COUNTS)
def test_every_entry_is_complete_and_pinned(name):
    entry = registry()[name]
    assert entry.title
    assert entry.licence
    assert entry.source
    assert entry.channels in (1, 3)
    assert all(len(digest) == 64 and int(digest, 16) for digest in entry.files.values())
    assert set(entry.source_names) <= set(entry.files)
    if name != "train-open":
        owner_and_name = entry.source.removeprefix("https://github.com/")
        host, commit = entry.download.split(owner_and_name + "/")
        assert host == "https://raw.githubusercontent.com/"
        assert len(commit.split("/")[0]) == 40


def _need_real(name, monkeypatch):
    monkeypatch.setenv("LIMPID_DATA", _REAL_DATA)
    if sources.local_folder(registry()[name].folder) is None:
        pytest.skip(f"{name} is not below LIMPID_DATA")


@pytest.mark.parametrize("name", _COUNTS)
def test_the_real_files_have_the_registrys_checksums(name, monkeypatch):
    _need_real(name, monkeypatch)
    assert len(resolve(name)) == _COUNTS[name]


def test_the_noisy_images_of_cc15_score_as_the_literature_says(monkeypatch):
    _need_real("cc15", monkeypatch)
    scores = [psnr(noisy.values, clean.values, data_range=255) for noisy, clean in resolve("cc15").pairs()]
    assert sum(scores) / 15 == pytest.approx(33.41, abs=0.005)


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(source, monkeypatch, tmp_path):
    folder, address = source
    files = {"b.png": _write(folder / "b.png", 2), "a.png": _write(folder / "a.png", 1)}
    _register(monkeypatch, _entry(files, download=address))

    first = resolve("made")
    for file in folder.iterdir():
        file.unlink()  # a second request would fail
    second = resolve("made")

    assert first == second
    assert [_value(image) for image in second.images()] == [2, 1]
    assert all(path.is_relative_to(tmp_path / "cache") for path in first.clean)


def test_files_with_other_names_at_the_source_become_pairs(source, monkeypatch):
    folder, address = source
    files = {
        "mean/a.png": _write(folder / "a_mean.png", 10),
        "mean/b.png": _write(folder / "b_mean.png", 20),
        "noisy/b.png": _write(folder / "b_real.png", 21),
        "noisy/a.png": _write(folder / "a_real.png", 11),
    }
    names = {file: f"{Path(file).stem}_{'mean' if 'mean' in file else 'real'}.png" for file in files}
    paired = {"noisy": "noisy", "clean": "mean"}
    _register(monkeypatch, _entry(files, download="http://127.0.0.1:1/", source_names=names, paired=paired))

    found = resolve("made", mirror=address)

    assert len(found) == 2
    assert [(_value(noisy), _value(clean)) for noisy, clean in found.pairs()] == [(11, 10), (21, 20)]
    assert [_value(clean) for clean in found.images()] == [10, 20]


def test_a_download_with_another_checksum_is_refused_by_name_and_not_kept(source, monkeypatch, tmp_path):
    folder, address = source
    _write(folder / "a.png", 1)
    _register(monkeypatch, _entry({"a.png": "0" * 64}, download=address))
    with pytest.raises(DataError, match=r"a\.png.*made.*SHA-256") as caught:
        resolve("made")
    assert caught.value.source == address + "a.png"
    assert not list((tmp_path / "cache").rglob("*.png"))


def test_a_damaged_file_in_the_cache_is_downloaded_again(source, monkeypatch):
    folder, address = source
    _register(monkeypatch, _entry({"a.png": _write(folder / "a.png", 7)}, download=address))
    (path,) = resolve("made").clean
    path.write_bytes(b"damaged")
    assert [_value(image) for image in resolve("made").images()] == [7]


def test_limpid_data_goes_before_a_download(source, monkeypatch, tmp_path):
    folder, address = source
    digest = _write(folder / "a.png", 1)
    _write(tmp_path / "data/test/made/a.png", 1)
    monkeypatch.setenv("LIMPID_DATA", str(tmp_path / "data"))
    _register(monkeypatch, _entry({"a.png": digest}, download=address))
    assert resolve("made").clean == (tmp_path / "data/test/made/a.png",)
    assert not (tmp_path / "cache").exists()


def test_a_set_that_is_not_below_limpid_data_is_downloaded(source, monkeypatch, tmp_path):
    folder, address = source
    monkeypatch.setenv("LIMPID_DATA", str(tmp_path))
    _register(monkeypatch, _entry({"a.png": _write(folder / "a.png", 1)}, download=address))
    assert resolve("made").clean[0].is_relative_to(tmp_path / "cache")


def test_a_changed_file_below_limpid_data_is_refused_by_name(monkeypatch, tmp_path):
    _write(tmp_path / "test/made/a.png", 1)
    monkeypatch.setenv("LIMPID_DATA", str(tmp_path))
    _register(monkeypatch, _entry({"a.png": "0" * 64}))
    with pytest.raises(DataError, match=r"a\.png.*SHA-256"):
        resolve("made")


def test_an_incomplete_folder_below_limpid_data_is_refused_with_what_is_missing(monkeypatch, tmp_path):
    digest = _write(tmp_path / "test/made/a.png", 1)
    monkeypatch.setenv("LIMPID_DATA", str(tmp_path))
    _register(monkeypatch, _entry({"a.png": digest, "b.png": digest}))
    with pytest.raises(DataError, match=r"1 of the 2 files of made; missing: b\.png\."):
        resolve("made")


def test_offline_the_error_says_what_to_do(monkeypatch):
    _register(monkeypatch, _entry({"a.png": "0" * 64}, download="http://127.0.0.1:9/"))
    with pytest.raises(DataError, match=r"offline, put the files into test/made .* LIMPID_DATA"):
        resolve("made")


def test_a_file_that_the_source_lacks_is_named(source, monkeypatch):
    _, address = source
    _register(monkeypatch, _entry({"a.png": "0" * 64}, download=address))
    with pytest.raises(DataError, match=r"a\.png of made can't be downloaded.*HTTP status 404"):
        resolve("made")


def test_the_training_pool_says_that_it_can_not_be_downloaded():
    with pytest.raises(DataError, match=r"train-open.*no download address; put the files into train/open"):
        resolve("train-open")


def test_a_mirror_that_is_no_web_address_is_refused():
    with pytest.raises(DataError, match="https://"):
        resolve("set12", mirror="ftp.example")


@pytest.mark.parametrize(("typed", "meant"), [("set-12", "set12"), ("BSD69", "bsd68"), ("kodak", "kodak24")])
def test_an_unknown_name_is_refused_with_the_nearest(typed, meant):
    with pytest.raises(DataError, match=f"did you mean .*{meant}"):
        resolve(typed)


def test_a_name_far_from_all_is_refused_with_all():
    with pytest.raises(DataError, match="named sets are set12, bsd68"):
        resolve("/nowhere/at/all")


def test_a_folder_is_taken_with_its_subfolders_sorted_and_without_other_files(tmp_path):
    for index, name in enumerate(["b.png", "a/z.PNG", "a/b.tif"]):
        _write(tmp_path / name, index)
    (tmp_path / "notes.txt").write_text("no image")
    found = resolve(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found.clean] == ["a/b.tif", "a/z.PNG", "b.png"]
    assert found.name == str(tmp_path)
    assert found.noisy is None


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        resolve(tmp_path)


def test_noisy_and_clean_folders_are_matched_by_path_without_suffix(tmp_path):
    # The suffixes sort a.b before a on one side and after it on the other.
    for index, name in enumerate(["a.b", "a", "s/a"]):
        _write(tmp_path / f"clean/{name}.png", 10 * index)
        _write(tmp_path / f"noisy/{name}.PNG", 10 * index + 1)
    found = resolve(tmp_path / "clean", noisy=tmp_path / "noisy")
    assert [(_value(noisy), _value(clean)) for noisy, clean in found.pairs()] == [(1, 0), (11, 10), (21, 20)]


@pytest.mark.parametrize("extra", ["noisy/c.png", "clean/c.png"])
def test_images_without_a_counterpart_are_refused_and_named(tmp_path, extra):
    for name in ["clean/a.png", "noisy/a.png", extra]:
        _write(tmp_path / name, 1)
    with pytest.raises(DataError, match=r"1 of the images .*c\.png"):
        resolve(tmp_path / "clean", noisy=tmp_path / "noisy")


def test_names_that_differ_in_their_suffix_only_are_refused_in_pairs(tmp_path):
    for name in ["clean/a.png", "clean/a.tif", "noisy/a.png"]:
        _write(tmp_path / name, 1)
    with pytest.raises(DataError, match="differ in their suffix only"):
        resolve(tmp_path / "clean", noisy=tmp_path / "noisy")


def test_a_missing_noisy_folder_is_refused(tmp_path):
    _write(tmp_path / "a.png", 1)
    with pytest.raises(DataError, match="no folder"):
        resolve(tmp_path, noisy=tmp_path / "nowhere")


@pytest.mark.parametrize("options", [{"noisy": "."}, {"value_range": (0, 1)}])
def test_what_goes_with_a_folder_is_refused_for_a_named_set(options):
    with pytest.raises(DataError, match="set12 is a named data set"):
        resolve("set12", **options)


def test_a_value_range_is_passed_to_every_file_of_a_folder(tmp_path):
    _write(tmp_path / "clean/a.png", 100)
    _write(tmp_path / "noisy/a.png", 101)
    found = resolve(tmp_path / "clean", noisy=tmp_path / "noisy", value_range=(0, 1023))
    assert [image.value_range for pair in found.pairs() for image in pair] == [(0, 1023)] * 2
    assert [image.value_range for image in resolve(tmp_path / "clean", value_range=(0, 50)).images()] == [(0, 50)]


def test_clean_images_have_no_pairs(tmp_path):
    _write(tmp_path / "a.png", 1)
    with pytest.raises(DataError, match="clean images only"):
        next(resolve(tmp_path).pairs())


def test_an_image_is_opened_only_when_its_turn_comes(tmp_path):
    for index, name in enumerate("abc"):
        _write(tmp_path / f"{name}.png", index)
    images = resolve(tmp_path).images()
    assert _value(next(images)) == 0
    _write(tmp_path / "b.png", 99)
    assert _value(next(images)) == 99
