"""Published architectures with random weights: their arithmetic is that of the papers."""

import logging

import numpy as np
import pytest

from limpid.core.errors import ModelError
from limpid.evaluation.published import PUBLISHED
from limpid.inference.foreign import untrained
from limpid.inference.foreign.untrained import ARCHITECTURES, Untrained

_BUILT = {one.architecture: one for one in PUBLISHED if one.architecture in ARCHITECTURES}


def _given(side=64, channels=1):
    noisy = np.random.default_rng(0).random((side, side, channels), dtype=np.float32)
    return noisy, np.full(channels, 0.1, np.float32)


def test_every_architecture_belongs_to_a_published_method():
    assert set(_BUILT) == set(ARCHITECTURES)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_counted_arithmetic_and_weights_are_those_of_the_papers(name, channels):
    network, published = Untrained(name, channels=channels), _BUILT[name]
    assert network.kmac_per_pixel() == pytest.approx(published.kmac_per_pixel[channels], rel=0.005)
    assert network.parameters == pytest.approx(published.parameters[channels], rel=0.02)


def test_openvino_gives_what_torch_gives():
    network = Untrained("ffdnet", channels=3)
    noisy, level = _given(channels=3)
    both = [*network.in_torch(), *network.in_openvino(64)]
    exact = {one.denoiser.runtime.name: one for one in both if one.precision == "fp32"}
    results = [exact[name].denoiser.denoise_plane(noisy, level) for name in ("torch", "openvino")]
    assert not np.allclose(results[0], noisy)
    np.testing.assert_allclose(*results, atol=1e-4)


def test_an_export_that_gives_another_image_is_not_timed(monkeypatch, caplog):
    exported = untrained.to_onnx
    another = Untrained("ffdnet", channels=1)
    monkeypatch.setattr(untrained, "to_onnx", lambda _, **options: exported(another._module, **options))
    with caplog.at_level(logging.WARNING):
        assert list(Untrained("ffdnet", channels=1).in_openvino(64)) == []
    assert "ffdnet runs in torch only: what torch exports gives another image" in caplog.text


def test_what_torch_can_not_export_runs_in_torch(monkeypatch, caplog):
    def refuse(*_, **__):
        raise TypeError("no such operation")

    monkeypatch.setattr(untrained, "to_onnx", refuse)
    with caplog.at_level(logging.WARNING):
        assert list(Untrained("ffdnet", channels=1).in_openvino(64)) == []
    assert "torch can't export it: no such operation" in caplog.text


def test_an_unknown_architecture_is_refused_with_those_there_are():
    with pytest.raises(ModelError, match="'unet'; there are dncnn, ffdnet"):
        Untrained("unet", channels=1)
