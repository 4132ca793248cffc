"""What `import limpid` offers, and what it must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import limpid

SOURCE = Path(limpid.__file__).parent

NAMES = [
    "ConfigError",
    "DataError",
    "Denoiser",
    "Gaussian",
    "Image",
    "ImageError",
    "InputError",
    "LimpidError",
    "MissingExtraError",
    "ModelError",
    "OptionError",
    "PoissonGaussian",
    "ReadError",
    "TooLargeError",
    "WriteError",
    "advise",
    "assess",
    "auto",
    "benchmark",
    "denoise",
    "estimate_noise",
    "export",
    "load_model",
    "read_image",
    "survey",
    "train",
    "write_image",
]


def test_the_public_names_are_these():
    assert sorted(limpid.__all__) == sorted(["__version__", *NAMES])
    assert all(getattr(limpid, name) for name in limpid.__all__)
    assert set(NAMES) <= set(dir(limpid))


def test_type_checkers_see_the_same_names():
    tree = ast.parse((SOURCE / "__init__.pyi").read_text())
    stub = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert stub == set(NAMES)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'denoize'"):
        _ = limpid.denoize


def test_no_module_imports_the_root_package():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert "limpid" not in [alias.name for alias in node.names], path
            if isinstance(node, ast.ImportFrom):
                assert node.module != "limpid", path
                assert node.level == 0, path


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import limpid", ["numpy", "torch", "openvino", "typer"]),
        ("import limpid; limpid.denoise, limpid.Image", ["torch", "openvino", "skimage", "typer", "matplotlib"]),
        ("import limpid, numpy; limpid.denoise(numpy.zeros((16, 16), 'uint8'), sigma=9)", ["torch", "onnx", "typer"]),
        ("import limpid; limpid.survey", ["torch", "openvino", "duckdb", "fsspec", "zarr", "typer"]),
        (
            "import limpid, numpy, tempfile; d = tempfile.mkdtemp();"
            "limpid.write_image(numpy.eye(32, dtype='uint8'), d + '/a.png'); limpid.survey(d, d + '/out', threads=1)",
            ["torch", "onnx", "fsspec", "zarr", "typer", "matplotlib"],
        ),
        ("import limpid, numpy; limpid.estimate_noise(numpy.zeros((16, 16), 'uint8'))", ["torch", "openvino", "typer"]),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code, absent):
    program = f"{code}; import sys; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("Error")])
def test_every_public_error_is_a_limpid_error(name):
    assert issubclass(getattr(limpid, name), limpid.LimpidError)
