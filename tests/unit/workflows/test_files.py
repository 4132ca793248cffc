"""Denoising files from Python: plans, options, memory; the rest is seen through the command line in tests/e2e."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import OptionError, WriteError
from limpid.core.image import Image
from limpid.io import read_image, write_image
from limpid.io.own import JOB_FOLDER
from limpid.io.stores.folder import Folder
from limpid.workflows.collisions import _ignores_case
from limpid.workflows.expand import find_images
from limpid.workflows.files import denoise_files
from limpid.workflows.noise_files import measure_files
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.plan import plan_outputs
from limpid.workflows.task import _tile_bytes


def picture(path: Path, shape: tuple[int, ...] = (32, 32), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(120, 12, shape).clip(0, 255).astype(np.uint8)
    write_image(Image.from_array(values), path)
    return path


#: A process of its own, since the heap of one that has run other tests rises and falls by itself; it prints its
#: resident memory in bytes after each file.
MEMORY = """
import json, os, sys
from pathlib import Path
from limpid.workflows.files import denoise_files
from limpid.workflows.options import DenoiseOptions
class Watcher:
    sizes = []
    def planned(self, count): assert count == 200
    def finished(self, row):
        assert row.status == "ok", row.error
        self.sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
denoise_files(sys.argv[1:2], Path(sys.argv[2]), options=DenoiseOptions(model=sys.argv[3]), watcher=Watcher())
print(json.dumps(Watcher.sizes))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize(
    ("model", "sides", "bound"),
    [
        # Keeping every image and its output, in float32 of about 144 x 144 pixels, would take 33 MB.
        ("median", (96, 192), 12_000_000),
        # A runtime that keeps its kernels for every shape it meets took 50 MB here; the allocator rounds by 10 MB.
        ("fast", (32, 96), 30_000_000),
    ],
)
def test_memory_is_flat_from_the_fiftieth_file_to_the_last(
    tmp_path: Path, model: str, sides: tuple[int, int], bound: int
) -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        picture(tmp_path / "in" / f"{number:03}.png", tuple(rng.integers(*sides, 2, endpoint=True)), number)
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "in"), str(tmp_path / "out"), model]

    sizes = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    assert len(sizes) == 200
    assert max(sizes[50:]) - sizes[50] < bound


def test_an_output_folder_below_an_input_is_no_input(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "a.png")

    assert [hit.path.name for hit in find_images([tmp_path], outside=tmp_path / "out")] == ["a.png"]
    assert len(find_images([tmp_path])) == 2


def test_an_output_folder_with_images_of_the_users_own_below_an_input_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    own = picture(tmp_path / "a" / "x.png", seed=1).read_bytes()
    median = DenoiseOptions(model="median")

    for inputs in (tmp_path, tmp_path / "**"):
        with pytest.raises(OptionError, match=r"no record of writing, such as .*a/x\.png"):
            denoise_files([inputs], tmp_path / "a", options=median)
    assert (tmp_path / "a" / "x.png").read_bytes() == own
    # What an earlier run wrote is no input of the next.
    for _ in range(2):
        assert denoise_files([tmp_path], tmp_path / "out", options=median).count("ok") == 2


def test_a_file_without_an_image_suffix_is_taken_when_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png").rename(tmp_path / "scan.0001")

    assert find_images([tmp_path / "scan.0001"])[0].error is None
    assert "no images" in (find_images([tmp_path])[0].error or "")
    assert plan_outputs([tmp_path / "scan.0001"], tmp_path / "out").images[0].output == "scan.0001.png"


def test_a_root_that_cannot_be_read_is_a_row_and_the_rest_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = picture(tmp_path / "good.png")
    (tmp_path / "locked").mkdir()
    listing = os.scandir

    def refusing(folder: str) -> object:
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    locked, done = plan_outputs([tmp_path / "locked", good], tmp_path / "out").images

    assert "can't be read: Permission denied" in (locked.error or "")
    assert (done.error, done.output) == (None, "good.png")


def test_the_current_folder_without_images_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")

    (job,) = plan_outputs(["."], "../out").images

    assert "no images" in (job.error or "")


def test_an_input_that_failed_stands_in_no_other_s_way(tmp_path: Path) -> None:
    good = picture(tmp_path / "y" / "a.png")
    photo = picture(tmp_path / "photo.png")
    (tmp_path / "photo").mkdir()

    plan = plan_outputs([tmp_path / "x" / "a.png", good, tmp_path / "photo", photo], tmp_path / "out", format="png")

    assert [job.error is None for job in plan.images] == [False, True, False, True]


def test_an_image_named_twice_is_replaced_once(tmp_path: Path) -> None:
    file = picture(tmp_path / "in" / "sub" / "a.jpg")
    (tmp_path / "in" / "link.jpg").symlink_to(file)

    plan = plan_outputs([tmp_path / "in", file], None, in_place=True)

    assert [(job.output, job.error) for job in plan.images] == [("sub/a.jpg", None)]


@pytest.mark.parametrize("ignored", [True, False])
def test_names_that_differ_in_case_collide_where_the_disk_ignores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignored: bool
) -> None:
    monkeypatch.setattr("limpid.workflows.collisions._ignores_case", lambda _: ignored)
    inputs = [picture(tmp_path / "x" / "A.png"), picture(tmp_path / "y" / "a.png"), picture(tmp_path / "y" / "b.png")]

    plan = plan_outputs(inputs, tmp_path / "out")

    assert [job.error is None for job in plan.images] == [not ignored, not ignored, True]


def test_the_disk_is_asked_whether_it_ignores_case_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    truth = (tmp_path / "A").exists()
    (tmp_path / "a").unlink()

    assert _ignores_case(str(tmp_path / "not" / "yet")) == truth
    assert not list(tmp_path.iterdir())


def test_outputs_stay_below_the_output_folder_whatever_the_glob(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "a.png")
    (tmp_path / "p1" / "q").mkdir(parents=True)

    for pattern in ("p*/../x/*.png", "p*/q/../../x/*.png", "**/../x/*.png"):
        (job,) = plan_outputs([tmp_path / pattern], tmp_path / "out").images
        assert ".. after a wildcard" in (job.error or "")
    assert plan_outputs([tmp_path / "p1/../x/*.png"], tmp_path / "out").images[0].output == "a.png"


def test_the_record_of_a_call_in_place_lies_where_the_inputs_do_whatever_is_in_them(tmp_path: Path) -> None:
    deep, other = picture(tmp_path / "in" / "sub" / "a.png"), picture(tmp_path / "else" / "b.png")

    def folder(*inputs: Path) -> Path:
        return Path(plan_outputs(inputs, None, in_place=True).store.address)

    assert folder(tmp_path / "in") == tmp_path / "in"
    assert folder(deep) == folder(tmp_path / "in" / "sub" / "*.png") == deep.parent
    assert folder(tmp_path / "in", tmp_path / "in" / "..") == tmp_path
    assert folder(deep, other) == folder(deep, other.with_name("gone.png")) == tmp_path


@pytest.mark.parametrize("common", ["/", ValueError("Paths don't have the same drive")])
def test_in_place_without_a_common_folder_is_done_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, common: str | ValueError
) -> None:
    def shared(_: object) -> str:
        if isinstance(common, ValueError):
            raise common
        return common

    files = [picture(tmp_path / "x" / "a.png"), picture(tmp_path / "y" / "b.png")]
    monkeypatch.setattr("os.path.commonpath", shared)

    summary = denoise_files(files, options=DenoiseOptions(model="median", in_place=True))

    assert summary.count("ok") == 2
    with pytest.raises(OptionError, match="resume needs"):
        denoise_files(files, options=DenoiseOptions(model="median", in_place=True, resume=True))


def test_in_place_is_done_where_the_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(self: Folder) -> None:
        raise WriteError(f"nothing can be written in {self.path}")

    files = [picture(tmp_path / "x" / "a.png"), picture(tmp_path / "y" / "b.png")]
    monkeypatch.setattr(Folder, "ready", refused)

    summary = denoise_files(files, options=DenoiseOptions(model="median", in_place=True))

    assert summary.count("ok") == 2
    assert "can't be resumed" in caplog.text
    assert not (tmp_path / JOB_FOLDER).exists()
    with pytest.raises(WriteError):
        denoise_files(files, options=DenoiseOptions(model="median", in_place=True, resume=True))


@pytest.mark.parametrize("inputs", [[], [JOB_FOLDER]])
def test_no_input_but_the_record_is_none(tmp_path: Path, inputs: list[str]) -> None:
    (tmp_path / JOB_FOLDER).mkdir()
    named = [tmp_path / name for name in inputs]

    with pytest.raises(OptionError, match="no input"):
        plan_outputs(named, None, in_place=True)
    with pytest.raises(OptionError, match="no input"):
        measure_files(named)


def test_each_file_has_a_row_on_record_the_one_without_a_plan_too(tmp_path: Path) -> None:
    good = picture(tmp_path / "a.png")

    summary = denoise_files([tmp_path / "gone.png", good], tmp_path / "out", options=DenoiseOptions(model="median"))

    receipts = sorted((tmp_path / "out" / JOB_FOLDER / "0001" / "receipts").iterdir())
    rows = [json.loads(line) for path in receipts for line in path.read_text().splitlines()]
    assert [(row["input"], row["output"], row["status"]) for row in rows] == [
        ("../gone.png", None, "error"),
        ("../a.png", "a.png", "ok"),
    ]
    assert "no such file" in rows[0]["error"]
    assert [row.output for row in summary.results] == [None, str(tmp_path / "out" / "a.png")]
    again = denoise_files(
        [tmp_path / "gone.png", good], tmp_path / "out", options=DenoiseOptions(model="median", resume=True)
    )
    assert [row.status for row in again.results] == ["error", "skipped"]


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

    monkeypatch.setattr("limpid.workflows.task.run_denoise", broken)
    summary = denoise_files([tmp_path / "in"], tmp_path / "out", options=DenoiseOptions(model="median"))

    assert [row.status for row in summary.results] == ["error", "error"]
    assert "not enough memory" in (summary.results[0].error or "")
    assert "IndexError: oops" in (summary.results[1].error or "")


@given(st.integers(1, 2**40), st.integers(1, 400))
def test_the_budget_of_tiles_leaves_room_for_image_and_output(memory: int, side: int) -> None:
    image = Image.from_array(np.zeros((side, side), np.uint16))

    left = _tile_bytes(memory, image.values.nbytes)

    assert left == 32_000_000 or left + 2 * image.values.nbytes + 200_000_000 == memory


@pytest.mark.parametrize("name", ["jpg", "JPEG", ".jpeg"])
def test_a_format_goes_by_its_suffixes_too(name: str) -> None:
    assert DenoiseOptions(format=name).format == "jpeg"


@pytest.mark.parametrize(
    "wrong",
    [{"strength": 2.1}, {"sigma": -1.0}, {"sigma": float("inf")}, {"threads": 0}, {"quality": 101}, {"memory": 0}],
)
def test_an_option_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(wrong))} must be"):
        DenoiseOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "dtype", "alpha", "output", "lost"),
    [
        ((8, 8), np.uint16, False, "jpeg", "uint16 pixels"),
        ((8, 8, 3), np.uint8, True, "jpeg", "the alpha channel"),
        ((8, 8), np.uint16, False, "webp", "uint16 pixels"),
        ((2, 8, 8), np.uint8, False, "png", "a stack"),
    ],
)
def test_what_the_output_cannot_hold_is_refused_before_the_denoiser_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    dtype: type,
    alpha: bool,
    output: str,
    lost: str,
) -> None:
    monkeypatch.setattr("limpid.workflows.task.run_denoise", lambda *_, **__: pytest.fail("the denoiser ran"))
    image = Image(
        np.full(shape, 9, dtype),
        "ZYX" if shape[0] == 2 else "YXC"[: len(shape)],
        (0, np.iinfo(dtype).max),
        alpha=np.full(shape[:2], 8, dtype) if alpha else None,
    )
    write_image(image, tmp_path / "a.tif")

    summary = denoise_files(
        [tmp_path / "a.tif"], tmp_path / "out", options=DenoiseOptions(model="median", format=output)
    )

    assert f"can't hold {lost}" in (summary.results[0].error or "")
    assert "TIFF" in (summary.results[0].error or "")


@pytest.mark.parametrize(("model", "said"), [("tv", True), ("wavelet", True), ("median", False)])
def test_a_budget_that_a_denoiser_without_tiles_cannot_keep_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, model: str, said: bool
) -> None:
    options = DenoiseOptions(model=model, memory=10**9, dry_run=True)

    denoise_files([picture(tmp_path / "a.png")], tmp_path / "out", options=options)

    assert (f"{model} needs whole planes" in caplog.text) == said


class Chosen:
    """A network's runtime and device, as far as they are recorded."""

    def __init__(self, name: str, device: str) -> None:
        self.runtime = self
        self.name, self.device = name, device


@pytest.mark.parametrize(
    ("denoiser", "recorded"),
    [
        (Chosen("openvino", "Some CPU, openvino 2026.1"), ("openvino", "cpu")),
        (Chosen("torch", "cpu, torch 2.9"), ("torch", "cpu")),
        (Chosen("torch", "Some GPU, torch 2.9"), ("torch", "cuda")),
        (object(), (None, None)),
    ],
)
def test_runtime_and_device_are_recorded_as_chosen(denoiser: Any, recorded: tuple[str | None, str | None]) -> None:
    options = DenoiseOptions().deciding(denoiser)

    assert (options["runtime"], options["device"]) == recorded


def test_a_run_is_resumed_under_either_name_of_its_runtime(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png")
    denoise_files([file], tmp_path / "out", options=DenoiseOptions(model="fast"))

    named = DenoiseOptions(model="fast", runtime="openvino", device="cpu", resume=True)

    assert denoise_files([file], tmp_path / "out", options=named).count("skipped") == 1


def test_several_processes_give_the_bytes_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        picture(tmp_path / "in" / f"{number}.png", seed=number)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    median = DenoiseOptions(model="median", memory=10**9, threads=2)
    one = denoise_files([tmp_path / "in"], tmp_path / "one", options=median)
    monkeypatch.setattr("limpid.workflows.engines.core_groups", lambda _: 2)
    monkeypatch.setattr("limpid.workflows.engines._WORTH_A_PROCESS", 1)

    two = denoise_files([tmp_path / "in"], tmp_path / "two", options=median)

    assert [row.status for row in two.results] == [row.status for row in one.results]
    assert [(row.sigma, row.error) for row in two.results] == [(row.sigma, row.error) for row in one.results]
    for path in (tmp_path / "one").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
