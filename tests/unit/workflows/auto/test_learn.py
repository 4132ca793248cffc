import io
import tarfile
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import ndimage

import limpid
from limpid.catalog.measure import Settings
from limpid.catalog.question import opened
from limpid.core.errors import DataError
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.io.sources import find_items
from limpid.workflows.auto import learn as learning
from limpid.workflows.auto.learn import LESSONS, forget_copies, learn
from limpid.workflows.auto.sample import draw

SETTINGS = Settings(None, DEFAULT_MAX_PIXELS)


def _picture(number, side=96):
    rng = np.random.default_rng(number)
    shades = ndimage.zoom(rng.uniform(60, 190, (5, 5)), side / 5, order=1)
    return (shades + rng.normal(0, 15, (side, side))).round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Return a tar file of pictures."""
    folder = tmp_path_factory.mktemp("shard")
    with tarfile.open(folder / "shard.tar", "w") as file:
        for number in range(6):
            limpid.write_image(_picture(number), folder / "one.png")
            content = (folder / "one.png").read_bytes()
            header = tarfile.TarInfo(f"{number}.png")
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
    return folder / "shard.tar"


def test_a_network_learns_from_members_of_shards_and_is_found_again(shard, tmp_path):
    uris = [item.uri for item in find_items([str(shard)])]
    trained = next(lesson for lesson in LESSONS if lesson.name == "trained")
    steps = []
    arguments = {"minutes": 0.02, "seed": 0, "settings": SETTINGS, "watcher": lambda *told: steps.append(told)}
    candidate, how = learn(trained, uris, tmp_path / "trained", **arguments)
    assert candidate is not None, how
    assert "recorrupted" in how
    assert steps
    clean = limpid.denoise(_picture(9), model=candidate.model)
    assert clean.shape == (96, 96)
    again, _ = learn(trained, uris, tmp_path / "trained", **arguments)
    assert again == candidate


def test_why_nothing_was_trained_is_said(tmp_path):
    limpid.write_image(np.full((64, 64), 7, np.uint8), tmp_path / "flat.png")
    flat, folder = [str(tmp_path / "flat.png")], tmp_path / "net"
    candidate, how = learn(LESSONS[1], flat, folder, minutes=0.02, seed=0, settings=SETTINGS, watcher=None)
    assert candidate is None
    assert "trained" in how


def test_a_sample_is_the_middle_of_images_and_leaves_others_to_learn_from(shard, tmp_path):
    found = limpid.survey(shard, tmp_path / "census", pictures=False)
    (cohort,) = found.cohorts
    sample = draw(opened(tmp_path / "census"), cohort, SETTINGS)
    assert sample.raced.values.shape == (3, 96, 96, 1)
    assert len(sample.others) == 3
    assert not set(sample.others) & set(sample.raced_uris)
    assert sample.noise.sigma == pytest.approx(15, rel=0.1)
    again = draw(opened(tmp_path / "census"), cohort, SETTINGS)
    assert again.raced_uris == sample.raced_uris


def test_images_that_are_gone_are_not_in_a_sample(tmp_path):
    for number in range(4):
        path = tmp_path / "in" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        limpid.write_image(_picture(number), path)
    (cohort,) = limpid.survey(tmp_path / "in", tmp_path / "census", pictures=False).cohorts
    connection = opened(tmp_path / "census")
    first = draw(connection, cohort, SETTINGS).raced_uris[0]
    next(path for path in (tmp_path / "in").iterdir() if str(path) == first).unlink()
    assert first not in draw(connection, cohort, SETTINGS).raced_uris


def _images(folder, count=4):
    folder.mkdir()
    for number in range(count):
        limpid.write_image(_picture(number), folder / f"{number}.png")
    return [item.uri for item in find_items([str(folder)])]


def test_images_that_are_gone_are_not_learned_from(tmp_path, monkeypatch):
    uris = _images(tmp_path / "in")
    (tmp_path / "in/0.png").unlink()
    files = _taught(monkeypatch, [*uris, f"{tmp_path}/gone.tar#a.png"], tmp_path)
    assert [path.name for path in files] == ["1.png", "2.png", "3.png"]


def test_a_copy_that_was_cut_short_is_made_again(shard, tmp_path, monkeypatch):
    uris = [item.uri for item in find_items([str(shard)])]
    monkeypatch.setattr(learning, "replacing", _cut_short)
    with pytest.raises(KeyboardInterrupt):
        _taught(monkeypatch, uris, tmp_path)
    monkeypatch.undo()
    files = _taught(monkeypatch, uris, tmp_path)
    assert len({limpid.read_image(path).values.tobytes() for path in files}) == 6
    forget_copies(tmp_path)
    assert not any(path.exists() for path in files)


@contextmanager
def _cut_short(path):
    """Die while a file is written, as :func:`limpid.io.atomic.replacing` leaves it."""
    yield io.BytesIO()
    raise KeyboardInterrupt


def _taught(monkeypatch, uris, folder):
    """Return the files that a network would learn from."""
    given = []
    monkeypatch.setattr(learning, "train", lambda files, *_, **__: given.extend(files) or _refuse())
    learn(LESSONS[1], uris, folder / "net", minutes=1, seed=0, settings=SETTINGS, watcher=None)
    return given


def _refuse():
    raise DataError("nothing can be learned.")


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_again(tmp_path, monkeypatch):
    uris = _images(tmp_path / "in")
    (tmp_path / "net/run").mkdir(parents=True)
    candidate, how = learn(LESSONS[1], uris, tmp_path / "net", minutes=0.02, seed=0, settings=SETTINGS, watcher=None)
    assert candidate is not None, how


def test_images_of_two_types_and_one_range_are_one_sample(tmp_path):
    _images(tmp_path / "in", count=3)
    for number in range(3, 6):
        floats = limpid.Image.from_array(_picture(number).astype(np.float32), value_range=(0, 255))
        limpid.write_image(floats, tmp_path / f"in/{number}.tif")
    (cohort,) = limpid.survey(tmp_path / "in", tmp_path / "census", pictures=False).cohorts
    sample = draw(opened(tmp_path / "census"), cohort, SETTINGS)
    assert sample.raced.values.dtype == np.float32
    assert sample.raced.value_range == (0, 255)
    assert sample.noise.sigma == pytest.approx(15, rel=0.1)
