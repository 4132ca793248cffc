"""Denoising files from Python: plans, options, memory; the rest is seen through the command line in tests/e2e."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import OptionError
from limpid.core.image import Image
from limpid.io import read_image, write_image
from limpid.workflows.expand import find_images
from limpid.workflows.files import FileResult, _tile_bytes, denoise_files
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.plan import format_named, plan_outputs


def picture(path: Path, shape: tuple[int, ...] = (32, 32), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(120, 12, shape).clip(0, 255).astype(np.uint8)
    write_image(Image.from_array(values), path)
    return path


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Note the resident memory after each file."""

    def __init__(self) -> None:
        self.count = 0
        self.samples: list[int] = []

    def planned(self, count: int) -> None:
        self.count = count

    def finished(self, row: FileResult) -> None:
        assert row.status == "ok", row.error
        self.samples.append(resident_bytes())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize(
    ("model", "bound"),
    [
        # Keeping every image and its output, in float32 of about 64 x 64 pixels, would take 6 MB.
        ("median", 4_000_000),
        # A runtime that keeps its kernels for every shape it meets took 60 MB here; the allocator rounds by 10 MB.
        ("fast", 30_000_000),
    ],
)
def test_memory_is_flat_from_the_twentieth_file_to_the_last(tmp_path: Path, model: str, bound: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        picture(tmp_path / "in" / f"{number:03}.png", tuple(rng.integers(32, 97, 2)), number)
    sampler = Sampler()

    denoise_files([tmp_path / "in"], tmp_path / "out", options=DenoiseOptions(model=model), watcher=sampler)

    assert sampler.count == len(sampler.samples) == 200
    assert max(sampler.samples[20:]) - sampler.samples[20] < bound


def test_an_output_folder_below_an_input_is_no_input(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "a.png")

    assert [hit.path.name for hit in find_images([tmp_path], outside=tmp_path / "out")] == ["a.png"]
    assert len(find_images([tmp_path])) == 2


def test_a_file_without_an_image_suffix_is_taken_when_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png").rename(tmp_path / "scan.0001")

    assert find_images([tmp_path / "scan.0001"])[0].error is None
    assert "no images" in (find_images([tmp_path])[0].error or "")
    assert plan_outputs([tmp_path / "scan.0001"], tmp_path / "out").jobs[0].output.name == "scan.0001.png"


def test_in_place_through_a_link_changes_the_file_and_keeps_the_link(tmp_path: Path) -> None:
    file = picture(tmp_path / "store" / "a.png")
    before = np.asarray(read_image(file))
    link = tmp_path / "in" / "a.png"
    link.parent.mkdir()
    link.symlink_to(file)

    summary = denoise_files([link], options=DenoiseOptions(model="median", in_place=True))

    assert summary.count("ok") == 1
    assert link.is_symlink()
    assert not np.array_equal(np.asarray(read_image(file)), before)


def test_in_place_keeps_the_format_of_a_file_without_a_suffix(tmp_path: Path) -> None:
    picture(tmp_path / "a.png").rename(tmp_path / "scan")

    summary = denoise_files([tmp_path / "scan"], options=DenoiseOptions(model="median", in_place=True))

    assert summary.results[0].error is None
    assert (tmp_path / "scan").read_bytes()[:4] == b"\x89PNG"


def test_an_error_inside_a_denoiser_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png")

    def broken(image: Image, *_: object, **__: object) -> None:
        raise MemoryError if "a.png" in (image.source or "") else IndexError("oops")

    monkeypatch.setattr("limpid.workflows.files.run_denoise", broken)
    summary = denoise_files([tmp_path / "in"], tmp_path / "out", options=DenoiseOptions(model="median"))

    assert [row.status for row in summary.results] == ["error", "error"]
    assert "not enough memory" in (summary.results[0].error or "")
    assert "IndexError: oops" in (summary.results[1].error or "")


@given(st.integers(1, 2**40), st.integers(1, 400))
def test_the_budget_of_tiles_leaves_room_for_image_and_output(memory: int, side: int) -> None:
    image = Image.from_array(np.zeros((side, side), np.uint16))

    left = _tile_bytes(memory, image)

    assert left == 32_000_000 or left + 2 * image.values.nbytes + 200_000_000 == memory


@pytest.mark.parametrize("name", ["jpg", "JPEG", ".jpeg"])
def test_a_format_goes_by_its_suffixes_too(name: str) -> None:
    assert format_named(name) == DenoiseOptions(format=name).format == "jpeg"


@pytest.mark.parametrize(
    "wrong",
    [{"strength": 2.1}, {"sigma": -1.0}, {"sigma": float("inf")}, {"threads": 0}, {"quality": 101}, {"memory": 0}],
)
def test_an_option_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(wrong))} must be"):
        DenoiseOptions(**wrong)  # type: ignore[arg-type]
