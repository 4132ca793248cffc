"""Other people's models: files of one network each. What opens them is imported when one is met."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from limpid.core.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from limpid.inference.foreign.denoiser import ForeignDenoiser

__all__ = ["FOREIGN", "is_foreign", "load_foreign"]


class _Kind(NamedTuple):
    """Module with a function ``load``, the extra that installs what it needs, and whether the file is a pickle."""

    module: str
    extra: str
    pickled: bool = False


_TORCH: Final = "limpid.inference.foreign.spandrel"

#: Ending of the file's name -> what opens it.
FOREIGN: Final = {
    ".onnx": _Kind("limpid.inference.foreign.onnx", "all"),
    ".keras": _Kind("limpid.inference.foreign.keras", "keras"),
    ".safetensors": _Kind(_TORCH, "spandrel"),
    ".pth": _Kind(_TORCH, "spandrel", pickled=True),
    ".pt": _Kind(_TORCH, "spandrel", pickled=True),
    ".ckpt": _Kind(_TORCH, "spandrel", pickled=True),
}


def is_foreign(name: str) -> bool:
    """Return whether a name ends as other people's model files do."""
    return Path(name).suffix.lower() in FOREIGN


def load_foreign(
    path: Path,
    *,
    allow_pickle: bool = False,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> ForeignDenoiser:
    """Return the network in a file as a denoiser.

    Parameters
    ----------
    path : Path
        A file that :func:`is_foreign` knows.
    allow_pickle : bool
        Open ``.pth``, ``.pt`` and ``.ckpt`` as well, which are pickles; weights alone are taken from them, and a
        pickle that holds anything else is refused.
    runtime, device, precision, threads
        As in :func:`limpid.load_model`. Each kind of file runs in one runtime only; ``auto`` precision is fp32.

    Raises
    ------
    ModelError
        If the file is missing, damaged, a pickle that was not allowed, or no denoiser that can be used.
    OptionError
        If it can't be run as asked.
    MissingExtraError
        If what opens it is not installed.
    """
    kind = FOREIGN[path.suffix.lower()]
    if not path.is_file():
        raise ModelError(f"{path} is no file; name a model file or folder.", source=str(path))
    if kind.pickled and not allow_pickle:
        raise ModelError(
            f"{path} is a pickle, a format that can run programs when it is opened. If you trust where it comes from, "
            "allow it (--allow-pickle, allow_pickle=True): weights alone are then taken from it. Better, ask for "
            "safetensors.",
            source=str(path),
        )
    try:
        denoiser: ForeignDenoiser = importlib.import_module(kind.module).load(
            path, runtime=runtime, device=device, precision=precision, threads=threads
        )
    except ModuleNotFoundError as error:
        purpose = f"opening {path.name}"
        raise MissingExtraError.of(error.name or kind.extra, extra=kind.extra, purpose=purpose) from error
    return denoiser
