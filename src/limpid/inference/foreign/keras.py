"""Keras models (``.keras``), by Keras 3 on its torch backend: TensorFlow is not needed."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ModelError, OptionError
from limpid.core.image import FloatArray
from limpid.core.plain import error_text
from limpid.inference.foreign.denoiser import ForeignDenoiser, Sizes, chosen_runtime, file_digest
from limpid.inference.foreign.reach import check_size, found_halo, found_multiple
from limpid.inference.foreign.squares import in_squares
from limpid.inference.runtimes import Network
from limpid.inference.runtimes.torch import TorchRuntime

__all__ = ["load"]

_log = logging.getLogger(__name__)

_BACKEND: Final = "KERAS_BACKEND"

#: Feature maps alive at once, see :mod:`limpid.models.checkpoint`.
_LIVE_MAPS: Final = 7


def load(path: Path, *, runtime: str, device: str, precision: str, threads: int | None) -> ForeignDenoiser:
    """Return the denoiser in a Keras file; see :func:`limpid.inference.foreign.load_foreign`.

    The model takes one image of shape (height, width, channels) in [0, 1] and returns another. Where height and width
    are fixed, larger images are a grid of separate squares.
    """
    keras = _imported()
    chosen, arithmetic = chosen_runtime(
        path, "torch", runtime=runtime, device=device, precision=precision, threads=threads
    )
    assert isinstance(chosen, TorchRuntime)
    if arithmetic != "fp32":
        raise OptionError(f"{path.name} runs in fp32 only; leave the precision to auto.")
    digest = file_digest(path)
    place = "cpu" if chosen.torch_device.type == "cpu" else "gpu:0"
    with keras.device(place):
        model = _opened(keras, path)
    channels, side = _image(model, path)
    network = _network(keras, model, place=place, side=side)
    try:
        if side is not None:
            check_size(network, channels=channels, side=side)
        multiple = side or found_multiple(network, channels=channels)
    except ModelError as error:
        raise ModelError(f"{path} is no denoiser: {error}", source=str(path)) from error
    halo = 0 if side else found_halo(network, channels=channels, multiple=multiple, key=f"keras {digest}")
    return ForeignDenoiser(
        name=path.stem,
        identity={"model": path.stem, "sha256": [digest]},
        capabilities=Capabilities(
            channels=(channels,),
            level_map=True,
            blind=True,
            halo_px=halo,
            align_px=multiple,
            bytes_per_pixel=_LIVE_MAPS * 4 * max(_values_per_pixel(layer, side) for layer in model.layers),
        ),
        sizes=Sizes(multiple=multiple),
        runtime=chosen,
        network=network,
    )


def _imported() -> ModuleType:
    """Return keras on torch; the environment is left as it was.

    Raises
    ------
    OptionError
        If this process has keras on another backend already, which can't be changed.
    """
    if "keras" not in sys.modules:
        before = os.environ.get(_BACKEND)
        if before not in (None, "torch"):
            _log.warning(
                "%s is %s, but limpid runs Keras models on torch: keras is now loaded with it", _BACKEND, before
            )
        os.environ[_BACKEND] = "torch"
        try:
            import keras
        finally:
            if before is None:
                del os.environ[_BACKEND]
            else:
                os.environ[_BACKEND] = before
    import keras

    module: ModuleType = keras
    backend = module.backend.backend()
    if backend != "torch":
        raise OptionError(
            f"keras runs on {backend} in this process already, and limpid runs Keras models on torch; set "
            f"{_BACKEND}=torch before keras is first imported."
        )
    return module


def _opened(keras: ModuleType, path: Path) -> Any:
    """Return the model; what would run code of the file's own is refused by Keras (``safe_mode``)."""
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is damaged or no .keras file; save the model again with Keras 3.", source=str(path))
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # layers may raise anything while they are built
        why = error_text(error).partition(". ")[0][:200]
        raise ModelError(
            f"{path} can't be opened: {why}. Only layers that come with Keras can be used, and no lambdas.",
            source=str(path),
        ) from error


def _image(model: Any, path: Path) -> tuple[int, int | None]:
    """Return the channels, and height and width where they are fixed."""
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) == 1 and len(model.outputs) == 1 and len(shapes[0]) == 4:
        _, height, width, channels = shapes[0]
        if channels in (1, 3) and height == width:
            return int(channels), height
    raise ModelError(
        f"{path} takes inputs of the shapes {', '.join(map(str, shapes))} and has {len(model.outputs)} outputs; what "
        "can be used is one image (N, height, width, 1 or 3) and one output, with height and width free or the same.",
        source=str(path),
    )


def _network(keras: ModuleType, model: Any, *, place: str, side: int | None) -> Network:
    lock = threading.Lock()

    def run(noisy: FloatArray, level: FloatArray) -> FloatArray:  # noqa: ARG001 (every network is told the level)
        given = np.ascontiguousarray(noisy.transpose(0, 2, 3, 1))
        with lock, keras.device(place):
            image = np.asarray(model.predict_on_batch(given), np.float32)
        if image.shape != given.shape:
            raise ModelError(f"it returns an array of shape {image.shape} for images of {given.shape}")
        return image.transpose(0, 3, 1, 2) - noisy

    if side is None:
        return run
    return lambda noisy, level: in_squares(run, noisy, level, side=side)


def _values_per_pixel(layer: Any, side: int | None) -> int:
    """Return the values of a layer's output for each pixel of the image, at most."""
    shape = layer.output.shape[1:]
    if side is None:  # which layers halve the image is not known
        return int(shape[-1] or 1)
    return -(-math.prod(int(n) for n in shape) // side**2)
