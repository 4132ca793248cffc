from __future__ import annotations

import subprocess
import sys

import pytest

from limpid.classical.registry import CLASSICAL, load_classical
from limpid.core.errors import OptionError


def test_every_entry_loads_under_its_own_name() -> None:
    for name in CLASSICAL:
        denoiser = load_classical(name)
        assert denoiser.name == denoiser.identity["model"] == name


def test_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'wavelet'"):
        load_classical("wavelt")


def test_loading_imports_no_image_library_until_pixels_come() -> None:
    code = (
        "import sys; from limpid.classical.registry import CLASSICAL, load_classical;"
        "[load_classical(n).capabilities for n in CLASSICAL];"
        "sys.exit(any(m in sys.modules for m in ('skimage', 'scipy', 'pywt', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
