"""Published denoisers in PyTorch: a file of weights, whose architecture spandrel recognises."""

from __future__ import annotations

import copy
import logging
import math
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ModelError
from limpid.core.plain import error_text
from limpid.core.tiling import round_up
from limpid.inference.foreign.card import OnnxCard
from limpid.inference.foreign.denoiser import ForeignDenoiser, Sizes, chosen_runtime, file_digest
from limpid.inference.foreign.reach import found_halo
from limpid.inference.precision import made_picture
from limpid.inference.runtimes.openvino import OpenVINORuntime
from limpid.inference.runtimes.torch import TorchRuntime
from limpid.models.checkpoint import measure_cost, to_onnx

__all__ = ["Residual", "imported_spandrel", "load"]

_log = logging.getLogger(__name__)

#: Architectures with a plane of the noise level as their last input channel, and what spandrel calls the variant that
#: has it. Spandrel itself tells them 15 of 255, whatever the image.
_TOLD: Final = {"DRUNet": None, "DnCNN": "FDnCNN"}

#: Takes another range of values than [0, 1] and says which scale it is for in a way of its own.
_REFUSED: Final = frozenset({"IPT"})

#: Networks that halve the image and pad it by themselves don't say how often: tiles begin at multiples of this.
_GRID_PX: Final = 16

#: Largest difference between a network and what it is exported as: fp32 arithmetic in another order.
_EXPORT_TOLERANCE: Final = 1e-3

_WHOLE: Final = (
    "%s (%s) sees the whole image, so that large ones are not cut into tiles: about %.2g GB for each megapixel"
)

#: Below it, padding to the smallest size a network takes would decide its cost.
_COST_SIDE_PX: Final = 128


def load(path: Path, *, runtime: str, device: str, precision: str, threads: int | None) -> ForeignDenoiser:
    """Return the denoiser whose weights a file holds; see :func:`limpid.inference.foreign.load_foreign`."""
    spandrel = imported_spandrel()
    chosen, arithmetic = chosen_runtime(
        path, "torch", runtime=runtime, device=device, precision=precision, threads=threads
    )
    assert isinstance(chosen, TorchRuntime)
    digest, found = file_digest(path), _recognised(path, spandrel)
    architecture = str(found.architecture.id)
    needs = found.size_requirements
    sizes = Sizes(multiple=needs.multiple_of, minimum=needs.minimum, square=needs.square)
    module = Residual(
        found.model,
        told=architecture in _TOLD and _TOLD[architecture] in (None, *found.tags),
        size_multiple=sizes.multiple,
    ).eval()
    channels = int(found.output_channels)
    grid = math.lcm(sizes.multiple, _GRID_PX)
    try:
        cost = measure_cost(module, channels=channels, side=max(_COST_SIDE_PX, sizes.minimum))
    except Exception as error:  # what a network that does not fit raises may be anything
        raise _unfit(path, error) from error
    halo = None
    if found.tiling is spandrel.ModelTiling.SUPPORTED and not sizes.square:
        exact = chosen.prepare(module, precision="fp32")
        halo = found_halo(exact, channels=channels, multiple=grid, key=f"{architecture} {digest}")
    if halo is None:
        _log.warning(_WHOLE, path.name, architecture, cost.bytes / 1000)
    return ForeignDenoiser(
        name=path.stem,
        identity={"model": path.stem, "sha256": [digest], "architecture": architecture},
        capabilities=Capabilities(
            channels=(channels,),
            level_map=True,
            blind=not module.told,
            halo_px=halo,
            align_px=grid,
            bytes_per_pixel=cost.bytes,
        ),
        sizes=sizes,
        runtime=chosen,
        network=chosen.prepare(module, precision=arithmetic),
        as_onnx=lambda: _exported(module, path, sizes, channels=channels, align_px=grid),
        as_weights=module.network.state_dict,
    )


class Residual(nn.Module):
    """A network that gives an image, as limpid calls networks: the residual of image and level.

    Parameters
    ----------
    network : torch.nn.Module
        From an image of shape (N, C, H, W) in [0, 1] to another one.
    told : bool
        Whether its last input channel is the noise level, one for all channels: their root mean square.
    size_multiple : int
        Height and width of the input are multiples of this.
    """

    homogeneous = False

    def __init__(self, network: nn.Module, *, told: bool, size_multiple: int) -> None:
        super().__init__()
        self.network = network
        self.told = told
        self.size_multiple = size_multiple

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return what to add to `noisy`; all of shape (N, C, H, W)."""
        given = noisy
        if self.told:
            given = torch.cat([noisy, level.square().mean(dim=1, keepdim=True).sqrt()], dim=1)
        clean: Tensor | tuple[Tensor, ...] = self.network(given)
        if isinstance(clean, tuple):  # FBCNN also returns the quality it found
            clean = clean[0]
        return clean - noisy


def _exported(module: Residual, path: Path, sizes: Sizes, *, channels: int, align_px: int) -> tuple[bytes, OnnxCard]:
    multiple = round_up(max(sizes.minimum, 1), sizes.multiple)  # none of its multiples is too small
    card = OnnxCard(output="residual", noisy="noisy", level="level", size_multiple=multiple, align_px=align_px)
    try:
        alone = copy.deepcopy(module).cpu()
        content = to_onnx(alone, channels=channels, size_multiple=multiple, weights="fp32")
    except Exception as error:  # the exporter raises errors of many kinds where it does not know an operation
        raise ModelError(
            f"{path}: torch can't export this network to ONNX: {error_text(error, 200)}", source=str(path)
        ) from error
    if not _gives_the_same(content, alone, channels=channels, multiple=multiple):
        raise ModelError(
            f"{path}: this network can't be exported: what torch makes of it gives another image at another size.",
            source=str(path),
        )
    return content, card


def _gives_the_same(content: bytes, module: nn.Module, *, channels: int, multiple: int) -> bool:
    """Return whether an exported network gives what the module does, at a size the exporter was not shown."""
    noisy = np.ascontiguousarray(made_picture(channels, 7 * multiple)[None, :, : 5 * multiple])
    level = np.full_like(noisy, 0.1)
    with torch.inference_mode():
        expected = module(*(torch.from_numpy(array) for array in (noisy, level))).numpy()
    try:
        found = OpenVINORuntime().network(content, precision="fp32")(noisy, level)
    except RuntimeError:
        return False
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= _EXPORT_TOLERANCE)


def imported_spandrel() -> ModuleType:
    """Return spandrel, also beside a torchvision that was built for another torch.

    The torchvision on PyPI is built for CUDA, and beside a torch for the CPU alone its compiled operators are missing.
    It is made to do without them, but for two that it registers all the same, which fails until they are declared.
    Spandrel uses none.
    """
    try:
        import spandrel
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import spandrel
    module: ModuleType = spandrel
    return module


def _recognised(path: Path, spandrel: ModuleType) -> Any:
    """Return spandrel's description of the network whose weights a file holds, if it is a denoiser."""
    weights = _weights(path)
    try:
        found = spandrel.ModelLoader().load_from_state_dict(weights)
    except spandrel.UnsupportedModelError as error:
        raise ModelError(
            f"{path}: spandrel {spandrel.__version__} recognises no architecture in these weights; export the network "
            "to ONNX with the program that made it, and use that file.",
            source=str(path),
        ) from error
    except Exception as error:  # what a wrong guess of the architecture raises may be anything
        raise _unfit(path, error) from error
    _check(found, path, spandrel)
    return found


def _weights(path: Path) -> dict[str, Any]:
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, SafetensorError, EOFError, OSError, ValueError, KeyError) as error:
        # Not torch's own words: they tell how to run whatever the file holds.
        raise ModelError(
            f"{path} is damaged, or holds more than weights ({type(error).__name__}), and was not opened. Where the "
            "network was made, save its state_dict as safetensors.",
            source=str(path),
        ) from error
    if not isinstance(state, dict):
        raise ModelError(f"{path} holds no weights by name but {type(state).__name__}.", source=str(path))
    return state


def _check(found: Any, path: Path, spandrel: ModuleType) -> None:
    """Refuse what is recognised and no denoiser of gray or RGB images."""
    architecture = found.architecture.name
    why = ""
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.purpose != "Restoration":
        why = f"it is for another task ({found.purpose}), not for restoration"
    elif found.input_channels != found.output_channels or found.output_channels not in (1, 3):
        why = f"it turns {found.input_channels} channels into {found.output_channels}; gray or RGB images are denoised"
    elif found.architecture.id in _REFUSED:
        why = "it is called in a way of its own"
    if why:
        raise ModelError(f"{path} is a {architecture} that limpid can't denoise with: {why}.", source=str(path))


def _unfit(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path}: the weights don't fit the architecture they look like: {error_text(error, 200)}", source=str(path)
    )
