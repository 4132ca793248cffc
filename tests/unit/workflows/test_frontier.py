"""The frontier of made pictures, with small doubles of the table of what others published."""

import csv
import os
import sys

import numpy as np
import PIL.Image
import pytest
from skimage import data

from limpid.classical.registry import CLASSICAL
from limpid.core.errors import DataError, MissingExtraError, OptionError, WriteError
from limpid.evaluation.published import Published
from limpid.models.store import shipped_names
from limpid.workflows.choosing import CAMERA
from limpid.workflows.frontier import frontier
from limpid.workflows.published import cost_of

_SCORES = (33.0, 30.5, 27.5)


def _published(name, folder, **given):
    kmac = {1: 121.0, 3: 213.0}
    scores = {str(folder): _SCORES}
    return Published(
        name=name,
        authors="A. Author",
        venue="VENUE",
        year=2020,
        table="table 1",
        scores=scores,
        kmac_per_pixel=kmac,
        **given,
    )


@pytest.fixture
def clean(tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    for k in range(2):
        PIL.Image.fromarray(data.camera()[k * 100 : k * 100 + 48, :64]).save(folder / f"{k}.png")
    return folder


def _read(folder):
    with (folder / "frontier.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_kind_of_method_is_measured_or_quoted_and_written(clean, tmp_path):
    known = [_published("timed", clean, architecture="ffdnet"), _published("unknown", clean)]
    heard = []
    found = frontier(
        tmp_path / "out", data=clean, sigma=[25, 40], seconds=0.05, published=known, on_row=lambda *a: heard.append(a)
    )
    kinds = {row.method: row.kind for row in found.rows}
    assert kinds == (
        dict.fromkeys(shipped_names(channels=1), "limpid") | dict.fromkeys(CLASSICAL, "classical")
        | dict.fromkeys(["timed", "unknown"], "published")
    )  # fmt: skip
    assert [row for row, _ in heard] == list(found.rows)
    assert max(len(heard), 1) <= heard[0][1]
    by_name = {row.method: row for row in found.rows if row.sigma == 25}
    timed, unknown, fast, median = (by_name[name] for name in ("timed", "unknown", "fast", "median"))
    assert (timed.psnr, timed.psnr_is, timed.source) == (30.5, "published", "A. Author, VENUE 2020, table 1")
    assert timed.megapixels_per_s > 0
    assert timed.runtime in ("openvino", "torch")
    assert (round(timed.kmac_per_pixel), timed.kmac_is, timed.parameters) == (121, "counted", 484416)
    assert (unknown.megapixels_per_s, unknown.kmac_is) == (None, "published")
    assert "no way to build" in unknown.note
    assert (fast.psnr_is, fast.runtime) == ("measured", "openvino")
    assert fast.precision in ("bf16", "fp32")
    assert (median.runtime, median.kmac_per_pixel) == ("", None)
    assert {row.sigma for row in found.rows if row.method == "timed"} == {25}  # 40 is not published
    assert [path.name for path in found.files] == ["frontier.csv", "frontier.png", "frontier.svg"]
    with PIL.Image.open(tmp_path / "out" / "frontier.png") as drawn:
        assert drawn.width > 1000
    written = _read(tmp_path / "out")
    assert [(row["method"], float(row["sigma"])) for row in written] == [(row.method, row.sigma) for row in found.rows]
    assert all(row["cpu"] and row["date"] and "limpid" in row["versions"] for row in written)


def test_what_a_method_scores_is_what_the_benchmark_says(clean, tmp_path):
    import limpid

    found = frontier(tmp_path / "out", data=clean, sigma=25, seconds=0, published=[])
    told = limpid.benchmark(clean, sigma=25, denoisers=["median", "fast"])
    assert {row.denoiser: row.psnr for row in told.rows} == {
        row.method: row.psnr for row in found.rows if row.method in ("median", "fast")
    }
    assert found.left_out == {
        f"published methods on {clean}": "no scores of them are known",
        f"{CAMERA} on {clean}": "it is for noise as cameras make it, none that is added",
    }


def test_a_set_that_can_not_be_had_is_left_out_and_said_so(clean, tmp_path):
    found = frontier(tmp_path / "out", data=["bsd86", clean], sigma=50, seconds=0, published=[])
    assert "did you mean bsd68" in found.left_out["bsd86"]
    assert {row.data for row in found.rows} == {str(clean)}
    with pytest.raises(DataError, match="none of the data sets can be had: bsd86 is neither"):
        frontier(tmp_path / "out", data="bsd86")


def test_a_method_that_can_not_do_all_images_is_left_out_and_the_others_are_kept(clean, tmp_path, monkeypatch):
    monkeypatch.setattr("limpid.workflows.frontier.shipped_names", lambda: ["fast", "fast-color"])
    PIL.Image.fromarray(data.astronaut()[100:148, :64]).save(clean / "0.png")  # the other one is gray
    found = frontier(tmp_path / "out", data=clean, sigma=50, seconds=0, published=[])
    assert "takes images of 3 channels" in found.left_out[f"fast-color on {clean}"]
    assert {row.method for row in found.rows} >= {"fast", "nlm"}


def test_an_interrupt_leaves_what_is_done_in_all_three_files(clean, tmp_path):
    def stop(row, _):
        if row.method == "wavelet":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="rows that were done are in"):
        frontier(tmp_path / "out", data=clean, sigma=25, seconds=0, published=[], on_row=stop)
    assert [row["method"] for row in _read(tmp_path / "out")] == [*shipped_names(channels=1), "nlm", "wavelet"]
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_an_interrupt_before_the_first_row_leaves_earlier_files_as_they_are(clean, tmp_path, monkeypatch):
    frontier(tmp_path / "out", data=clean, sigma=25, seconds=0, published=[])
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("limpid.workflows.frontier.measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        frontier(tmp_path / "out", data=clean, sigma=25, seconds=0, published=[])
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_what_is_missing_is_said_before_any_work(clean, tmp_path, monkeypatch):
    def measured(*_):
        raise AssertionError

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="can't be created"):
        frontier(tmp_path / "file" / "out", data=clean, on_row=measured)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "limpid\[plot\]"'):
        frontier(tmp_path / "out", data=clean, on_row=measured)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sigma": -1}, "sigma"),
        ({"sigma": [25, 0]}, "sigma is 0: without noise nothing is denoised"),
        ({"sigma": []}, "sigma"),
        ({"data": []}, "data"),
        ({"seed": 0.5}, "seed"),
        ({"seconds": -1}, "seconds"),
    ],
)
def test_wrong_arguments_are_refused_by_name(clean, tmp_path, given, message):
    with pytest.raises(OptionError, match=message):
        frontier(tmp_path / "out", **{"data": clean} | given)


@pytest.mark.skipif("LIMPID_DATA" not in os.environ, reason="needs the images of cc15")
def test_real_noise_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cc15 holds real noise"):
        frontier(tmp_path / "out", data="cc15")


def test_a_network_whose_library_is_missing_keeps_what_its_paper_says(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    cost = cost_of(_published("one", "mine", architecture="dncnn"), channels=1, seconds=0, threads=None)
    assert cost.megapixels_per_s is None
    assert (cost.kmac_per_pixel, cost.kmac_is) == (121.0, "published")
    assert 'pip install "limpid[spandrel]"' in cost.note


def test_bm3d_is_timed_where_the_user_has_it(monkeypatch):
    one = _published("BM3D", "mine", architecture="bm3d")
    with monkeypatch.context() as patch:
        patch.setattr("limpid.workflows.published.bm3d_installed", lambda: False)
        assert "non-commercial" in cost_of(one, channels=1, seconds=0, threads=None).note
    pytest.importorskip("bm3d")
    for channels in (1, 3):
        assert cost_of(one, channels=channels, seconds=0, threads=None).megapixels_per_s > 0


def test_bm3d_removes_noise():
    pytest.importorskip("bm3d")
    from limpid.classical.bm3d import BM3D

    clean = data.astronaut()[:64, :64].astype(np.float32) / 255
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape).astype(np.float32)
    for planes in (slice(0, 1), slice(None)):
        level = np.full(noisy[..., planes].shape[-1], 0.1, np.float32)
        error = BM3D().denoise_plane(noisy[..., planes], level) - clean[..., planes]
        assert np.mean(error**2) < 0.003  # of 0.01
