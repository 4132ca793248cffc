"""On a processor without bf16 everything runs in fp32, right, and says so."""

import json

import numpy as np
import openvino as ov
import pytest
from typer.testing import CliRunner

import limpid
from limpid.cli.main import app
from limpid.workflows.denoise import _shipped


@pytest.fixture
def without_bf16(monkeypatch, tmp_path):
    """Hide from limpid, at its source, what the processor could do beyond fp32."""
    asked = ov.Core.get_property

    def able(self, *names):
        found = asked(self, *names)
        return ["FP32"] if names[-1] == "OPTIMIZATION_CAPABILITIES" else found

    monkeypatch.setattr(ov.Core, "get_property", able)
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path / "cache"))
    _shipped.cache_clear()
    yield
    _shipped.cache_clear()


@pytest.fixture
def noisy(tmp_path):
    pixels = np.random.default_rng(0).normal(128, 20, (96, 96)).clip(0, 255).astype(np.uint8)
    limpid.write_image(limpid.Image.from_array(pixels), tmp_path / "noisy.png")
    return tmp_path / "noisy.png"


def test_denoise_runs_in_fp32_and_says_so(noisy, without_bf16, tmp_path, caplog):
    caplog.set_level("INFO", logger="limpid")
    result = CliRunner().invoke(app, ["denoise", str(noisy), "-o", str(tmp_path / "clean.png"), "--sigma", "20", "-v"])
    assert result.exit_code == 0, result.output
    said = " ".join(caplog.messages)
    assert "best-gray runs in fp32 on" in said
    assert "which has no int8 and no bf16" in said
    exact = limpid.denoise(noisy, sigma=20, model=limpid.load_model("best", precision="fp32"))
    assert np.array_equal(limpid.read_image(tmp_path / "clean.png").values, exact.values)


def test_models_says_what_the_device_has_not(without_bf16):
    text = CliRunner().invoke(app, ["models"])
    assert text.exit_code == 0, text.output
    assert "It has no int8 and no bf16." in " ".join(text.output.split())
    (first, *_) = json.loads(CliRunner().invoke(app, ["models", "--json"]).output)["models"]
    assert first["precision"] == "fp32"
    assert first["precisions"] == {"fp32": {"speedup": 1.0, "error": 0.0, "sigma_min": 0.0}}


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_what_is_asked_for_and_not_there_is_refused(noisy, without_bf16, tmp_path, precision):
    arguments = ["denoise", str(noisy), "-o", str(tmp_path / "clean.png"), "--precision", precision]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert f"has no {precision}; choose one of auto, fp32" in " ".join(result.output.split())
