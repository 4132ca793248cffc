"""What an autopilot refuses before any work, and what it goes by when it is called again."""

import numpy as np
import pytest

import limpid
from limpid.core.errors import OptionError
from limpid.io.lock import take_lock
from limpid.workflows.auto.decisions import key_of

IMAGES = [("/in/a.png", "aa"), ("/in/b.png", "bb")]


def _picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    limpid.write_image(np.random.default_rng(seed).normal(120, 12, (32, 32)).clip(0, 255).astype(np.uint8), path)
    return path


@pytest.mark.parametrize(
    ("collection", "output", "options", "says"),
    [
        (["in/a.png"], "in", {}, "in/a.png"),  # the result would replace the image
        (["in"], "in/other", {}, "no record of writing"),
        (["in"], "out.png", {}, "a folder"),
        (["in/a.png"], "out.png", {}, "must be a folder"),
        (["in"], "", {}, "empty"),
        (["in"], "out", {"memory": 0}, "memory"),
        (["in"], "out", {"threads": 0}, "threads"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch, collection, output, options, says
):
    monkeypatch.chdir(tmp_path)
    _picture(tmp_path / "in/a.png")
    _picture(tmp_path / "in/other/b.png")
    with pytest.raises(OptionError, match=says):
        limpid.auto(collection, output, minutes=0, **options)
    assert not list(tmp_path.rglob("limpid-auto"))


def test_a_dry_run_tells_what_is_decided_and_denoises_nothing(tmp_path):
    _picture(tmp_path / "in/a.png")
    planned = limpid.auto(tmp_path / "in", tmp_path / "out", minutes=0, dry_run=True)
    assert planned.cohorts[0].decision is None
    done = limpid.auto(tmp_path / "in", tmp_path / "out", minutes=0)
    assert done.cohorts[0].proof.results == ()  # the only image raced
    (tmp_path / "out/a.png").unlink()
    again = limpid.auto(tmp_path / "in", tmp_path / "out", minutes=0, dry_run=True)
    assert again.cohorts[0].decision == done.cohorts[0].decision
    assert not (tmp_path / "out/a.png").exists()


def test_two_at_a_time_are_refused(tmp_path):
    _picture(tmp_path / "in/a.png")
    (tmp_path / "out/limpid-auto").mkdir(parents=True)
    lock = take_lock(tmp_path / "out/limpid-auto/auto.lock")
    assert lock is not None
    with lock, pytest.raises(OptionError, match="another limpid auto is at work"):
        limpid.auto(tmp_path / "in", tmp_path / "out", dry_run=True)


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    _picture(tmp_path / "in/a.png")
    done = limpid.auto("in", "~/out", dry_run=True)
    assert done.report == tmp_path / "home/out/limpid-auto/report.html"
    assert done.report.exists()


def test_a_decision_follows_from_images_and_what_was_asked_for():
    asked = {"clean": False, "minutes": 20.0, "seed": 0, "settings": (None, 1)}
    key = key_of(IMAGES, **asked)
    assert key == key_of(IMAGES, **asked)
    assert key != key_of([IMAGES[0], ("/in/b.png", "changed")], **asked)
    for changed in ({"clean": True}, {"minutes": 30.0}, {"seed": 1}, {"settings": ((0.0, 1.0), 1)}):
        assert key != key_of(IMAGES, **{**asked, **changed})
