"""An argument of a wrong kind is refused by name, in every public function."""

import numpy as np
import pytest

import limpid

PIXELS = np.random.default_rng(0).normal(128, 20, (24, 24)).clip(0, 255).astype(np.uint8)

WRONG = [
    ("denoise", {"strength": None}, "strength"),
    ("denoise", {"strength": "1"}, "strength must be a number from 0 to 2, got '1'"),
    ("denoise", {"strength": float("nan")}, "strength"),
    ("denoise", {"chroma_strength": "1"}, "chroma_strength"),
    ("denoise", {"memory": "500MB"}, "memory"),
    ("denoise", {"memory": 0}, "memory"),
    ("denoise", {"model": None}, "model"),
    ("denoise", {"model": 3}, "model must be a name, a path"),
    ("denoise", {"value_range": 5}, "low < high"),
    ("denoise", {"value_range": ("a", "b")}, "low < high"),
    ("denoise", {"value_range": (0,)}, "low < high"),
    ("denoise", {"value_range": (0, 1, 2)}, r"low < high, got \(0, 1, 2\)"),
    ("denoise", {"value_range": (1, 0)}, "low < high"),
    ("estimate_noise", {"offset": "x"}, "offset"),
    ("estimate_noise", {"offset": float("nan")}, "offset must be a finite number, got nan"),
    ("assess", {"model": 3}, "model must be"),
    ("benchmark", {"sigma": "x"}, "sigma must be a number, or a list of at least one, got 'x'"),
    ("benchmark", {"sigma": []}, "sigma"),
    ("benchmark", {"sigma": -1}, "sigma"),
    ("benchmark", {"sigma": [25, None]}, "sigma"),
    ("benchmark", {"denoisers": []}, "denoisers"),
    ("benchmark", {"denoisers": [3]}, "denoisers"),
    ("benchmark", {"data": []}, "data"),
    ("benchmark", {"data": 3}, "data"),
    ("benchmark", {"seed": "x"}, "seed"),
    ("load_model", {"name": None}, "name"),
    ("load_model", {"name": ""}, "name of the model is empty"),
    ("read_image", {"source": ""}, "name of the file is empty"),
    ("denoise", {"image": ""}, "name of the file is empty"),
    ("load_model", {"threads": "x"}, "threads"),
    ("load_model", {"threads": 0}, "threads must be a whole number >= 1, got 0"),
    ("load_model", {"threads": -1}, "threads"),
    ("load_model", {"threads": 1.5}, "threads"),
    ("survey", {"collection": 3}, "collection must be an address, or a list of at least one, got 3"),
    ("survey", {"collection": []}, "collection"),
    ("survey", {"collection": ""}, "name of an input is empty"),
    ("survey", {"threads": 0}, "threads must be a whole number >= 1, got 0"),
    ("survey", {"value_range": (1, 0)}, "low < high"),
    ("survey", {"max_pixels": "x"}, "max_pixels"),
    ("write_image", {"quality": "x"}, "quality"),
    ("write_image", {"quality": 101}, "quality"),
    ("write_image", {"format": 3}, "format 3 is not known"),
    ("read_image", {"value_range": 5}, "low < high"),
    ("read_image", {"max_pixels": "x"}, "max_pixels"),
]


@pytest.fixture
def call(tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    path = folder / "a.png"
    limpid.write_image(PIXELS, path)

    def call(function, **given):
        if function == "benchmark":
            return limpid.benchmark(**{"data": folder, "denoisers": ["noisy"]} | given)
        if function == "survey":
            return limpid.survey(**{"collection": folder, "output": tmp_path / "census"} | given)
        if function == "load_model":
            return limpid.load_model(**{"name": "median"} | given)
        if function == "write_image":
            return limpid.write_image(PIXELS, tmp_path / "out.png", **given)
        if function == "read_image":
            return limpid.read_image(**{"source": path} | given)
        if function == "denoise":
            return limpid.denoise(**{"image": PIXELS, "model": "median"} | given)
        return getattr(limpid, function)(PIXELS, **given)

    return call


@pytest.mark.parametrize(("function", "given", "says"), WRONG)
def test_an_argument_of_a_wrong_kind_is_refused_by_name(call, function, given, says):
    with pytest.raises((limpid.OptionError, limpid.InputError, limpid.ModelError), match=says):
        call(function, **given)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        ("denoise", {"strength": np.float32(1), "chroma_strength": np.int64(1), "memory": np.int64(10**8)}),
        ("denoise", {"value_range": np.array([0, 255])}),
        ("denoise", {"value_range": [0, 255]}),
        ("estimate_noise", {"offset": np.float64(3)}),
        ("benchmark", {"sigma": np.array([15, 25])}),
        ("benchmark", {"sigma": np.float32(15), "seed": np.int64(1)}),
        ("load_model", {"threads": np.int64(2)}),
    ],
)
def test_numbers_of_numpy_are_numbers(call, function, given):
    call(function, **given)


def test_a_strength_of_numpy_can_be_written(tmp_path):
    clean = limpid.denoise(limpid.Image.from_array(PIXELS), model="median", strength=np.float32(0.5))
    limpid.write_image(clean, tmp_path / "out.png")
    assert limpid.read_image(tmp_path / "out.png").metadata == clean.metadata


def test_one_denoiser_or_its_name_needs_no_list(tmp_path):
    limpid.write_image(PIXELS, tmp_path / "a.png")
    for one in ("median", limpid.load_model("median")):
        table = limpid.benchmark(tmp_path, sigma=25, denoisers=one)
        assert [row.denoiser for row in table.rows] == ["median"]


def test_a_model_is_found_by_a_path_as_by_a_name(tiny_model):
    denoised = [limpid.denoise(PIXELS, model=model, sigma=10) for model in (tiny_model.folder, str(tiny_model.folder))]
    assert np.array_equal(*denoised)
