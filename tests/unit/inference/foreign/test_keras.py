"""Keras models, made and saved here with Keras itself."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import limpid
from limpid.core.errors import MissingExtraError, ModelError, OptionError

# Keras converts tensors in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def keras():
    """Return Keras on torch, as limpid loads it."""
    from limpid.inference.foreign.keras import _imported

    return _imported()


@pytest.fixture
def write(keras, tmp_path):
    """Save a chain of layers and return the file and the model."""

    def save(shape, *layers):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input(shape), *layers])
        model.save(tmp_path / "net.keras")
        return tmp_path / "net.keras", model

    return save


@pytest.fixture
def classic(keras, write):
    """Return a dense autoencoder of images of 12 pixels, behind a convolution."""
    layers = keras.layers
    return write(
        (12, 12, 1),
        layers.Conv2D(4, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(8),
        layers.Dense(144, activation="sigmoid"),
        layers.Reshape((12, 12, 1)),
    )


def noisy(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def denoised(model, image, **options):
    return limpid.denoise(image, model=model, sigma=0.1, value_range=(0, 1), **options)


def test_an_image_of_the_models_size_gives_what_the_model_gives(classic):
    path, model = classic
    image = noisy(12, 12)
    theirs = model.predict_on_batch(image[None, :, :, None])[0, :, :, 0]
    assert denoised(path, image) == pytest.approx(theirs, abs=1e-6)


def test_a_larger_image_is_a_grid_of_squares(classic):
    path, model = classic
    image = noisy(24, 30)
    squares = np.stack([image[y : y + 12, x : x + 12] for y in (0, 12) for x in (0, 12)])
    theirs = model.predict_on_batch(squares[..., None])[..., 0]
    whole = denoised(path, image)
    assert whole[12:, 12:24] == pytest.approx(theirs[3], abs=1e-6)
    assert whole[12:, :12] == pytest.approx(theirs[2], abs=1e-6)
    assert denoised(path, image, memory=1) == pytest.approx(whole, abs=1e-6)


def test_what_it_can_do_is_seen_from_its_layers(classic):
    model = limpid.load_model(classic[0])
    assert model.name == "net"
    assert model.capabilities.blind
    assert (model.capabilities.align_px, model.capabilities.halo_px) == (12, 0)


def test_of_a_model_for_any_size_multiple_and_reach_are_found(keras, write):
    layers = keras.layers
    path, _ = write(
        (None, None, 3),
        layers.Conv2D(4, 3, padding="same"),
        layers.AveragePooling2D(2),
        layers.UpSampling2D(2),
        layers.Conv2D(3, 3, padding="same"),
    )
    caps = limpid.load_model(path).capabilities
    assert (caps.channels, caps.align_px) == ((3,), 2)
    assert 2 <= caps.halo_px <= 4
    assert denoised(path, noisy(9, 11, 3)).shape == (9, 11, 3)


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        ((12, 12, 1), [("Flatten",), ("Dense", 10)], r"returns an array of shape \(1, 10\)"),
        ((144,), [("Dense", 144)], r"inputs of the shapes \(None, 144\)"),
        ((12, 14, 1), [("Conv2D", 1, 1)], "free or the same"),
        ((12, 12, 2), [("Conv2D", 2, 1)], "1 or 3"),
    ],
)
def test_what_is_no_denoiser_is_refused(keras, write, shape, layers, message):
    path, _ = write(shape, *(getattr(keras.layers, name)(*arguments) for name, *arguments in layers))
    with pytest.raises(ModelError, match=message):
        limpid.load_model(path)


def test_a_layer_that_holds_code_is_refused(keras, write):
    path, _ = write((12, 12, 1), keras.layers.Lambda(lambda x: x + 1))
    with pytest.raises(ModelError, match="no lambdas"):
        limpid.load_model(path)


@pytest.mark.parametrize("change", [lambda c: c[:-100], lambda c: b"", lambda c: b"\x80\x04junk"])
def test_a_damaged_file_is_refused(classic, change):
    path, _ = classic
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ModelError, match="damaged"):
        limpid.load_model(path)


def test_it_runs_in_torch_and_fp32_only(classic):
    with pytest.raises(OptionError, match="torch only"):
        limpid.load_model(classic[0], runtime="openvino")


def test_keras_on_another_backend_is_left_alone_and_said(classic, monkeypatch):
    other = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", other)
    with pytest.raises(OptionError, match=r"runs on tensorflow in this process already.*KERAS_BACKEND=torch"):
        limpid.load_model(classic[0])


def test_without_keras_the_command_that_installs_it_is_named(classic, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r'keras, which is not installed; run: pip install "limpid\[keras\]"'):
        limpid.load_model(classic[0])


@pytest.mark.parametrize("before", [None, "tensorflow"])
def test_the_environment_is_left_as_it_was(classic, before):
    program = (
        "import os, sys, limpid\n"
        f"limpid.load_model({str(classic[0])!r})\n"
        "print(sys.modules['keras'].backend.backend(), os.environ.get('KERAS_BACKEND'), 'tensorflow' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | (
        {} if before is None else {"KERAS_BACKEND": before}
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["torch", str(before), "False"]
    assert ("KERAS_BACKEND is tensorflow" in done.stderr) == (before is not None)
