"""Images of one call that are denoised in different ways."""

from __future__ import annotations

import numpy as np
import pytest

from limpid.core.image import Image
from limpid.io import read_image, write_image
from limpid.workflows.files import Ways, can_resume, denoise_files, results_in
from limpid.workflows.options import DenoiseOptions, Way

KNOWN = [Way("median"), Way("median", 0.0)]
MEDIAN, UNCHANGED = 0, 1


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        values = np.random.default_rng(number).normal(120, 12, (32, 32)).clip(0, 255).astype(np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        write_image(Image.from_array(values), tmp_path / f"in/{number}.png")
    return tmp_path


def run(folder, places, *, resume=False):
    """Denoise three images, each in the way of its place; return which were done."""
    ways = Ways(KNOWN, lambda uri: places[int(uri[-5])])
    options = DenoiseOptions(resume=resume)
    if resume:
        assert can_resume([folder / "in"], folder / "out", options=options, ways=ways)
    done = denoise_files([folder / "in"], folder / "out", options=options, ways=ways)
    return [one.status for one in done.results]


def unchanged(folder):
    pairs = [[read_image(folder / where / f"{n}.png").values for where in ("in", "out")] for n in range(3)]
    return [bool((before == after).all()) for before, after in pairs]


def test_each_image_is_denoised_in_its_own_way(folder):
    assert run(folder, [MEDIAN, UNCHANGED, MEDIAN]) == ["ok"] * 3
    assert unchanged(folder) == [False, True, False]


def test_an_image_whose_way_is_another_now_is_denoised_again(folder):
    run(folder, [MEDIAN, UNCHANGED, MEDIAN])
    assert run(folder, [MEDIAN, UNCHANGED, UNCHANGED], resume=True) == ["skipped", "skipped", "ok"]
    assert unchanged(folder) == [False, True, True]


def test_so_is_one_that_was_planned_and_not_done(folder):
    run(folder, [MEDIAN, UNCHANGED, MEDIAN])
    (folder / "out/limpid-job/0001/receipts/000002.jsonl").unlink()
    assert run(folder, [MEDIAN, UNCHANGED, UNCHANGED], resume=True) == ["skipped", "skipped", "ok"]
    assert unchanged(folder) == [False, True, True]


def test_results_are_found_by_the_names_of_images_whatever_links_lead_there(folder):
    (folder / "link").symlink_to(folder / "in", target_is_directory=True)
    denoise_files([folder / "link"], folder / "out", options=DenoiseOptions(model="median"))
    result_of = results_in(folder / "out")
    for name in ("link", "in"):
        assert result_of(f"{folder}/{name}/1.png") == str(folder / "out/1.png")
    assert result_of(f"{folder}/in/9.png") is None


def test_what_is_left_as_it_is_is_the_very_file(folder):
    path = folder / "in/0.jpg"
    write_image(read_image(folder / "in/0.png"), path, quality=60)
    ways = Ways(KNOWN, lambda _: UNCHANGED)
    (done,) = denoise_files([path], folder / "out", options=DenoiseOptions(), ways=ways).results
    assert (done.status, done.strength, done.sigma) == ("ok", 0.0, None)
    assert (folder / "out/0.jpg").read_bytes() == path.read_bytes()
    (done,) = denoise_files([path], folder / "png", options=DenoiseOptions(format="png"), ways=ways).results
    assert (read_image(folder / "png/0.png").values == read_image(path).values).all()


def test_a_way_that_needs_more_memory_than_there_may_be_is_named(folder, caplog):
    ways = Ways([Way("tv")], lambda _: 0)
    denoise_files([folder / "in"], folder / "out", options=DenoiseOptions(model="median", memory=1), ways=ways)
    assert "tv needs whole planes" in caplog.text
