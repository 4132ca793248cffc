"""Between torch modules and model folders (needs torch and onnx)."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from limpid.core.errors import MissingExtraError, ModelError
from limpid.core.tiling import round_up
from limpid.io.atomic import replacing
from limpid.models.cards import ModelCard
from limpid.models.registry import build_network, is_volumetric
from limpid.models.store import CARD_FILE, NETWORK_FILE, StoredModel

if TYPE_CHECKING:
    import onnx
    from torch import nn

__all__ = [
    "Cost",
    "load_network",
    "measure_cost",
    "save_model",
    "to_onnx",
    "to_safetensors",
    "with_notes",
    "write_card",
]

_OPSET = 20

#: How many of the largest feature maps are alive at once while a residual U-Net runs, skips and scratch included;
#: by the peak memory of a process. Chains and autoencoders, which keep nothing for later, need fewer.
_LIVE_MAPS = 7

#: Planes of the stacks that volumetric networks are tried on: one has neighbours on both sides, and none is special.
_PLANES = 4

#: Suffix of the fp16 copy of a weight in the file.
_HALF = ".fp16"


class Cost(NamedTuple):
    """Multiply-accumulates, and bytes of working memory in fp32, per pixel of the image."""

    macs: float
    bytes: int


def save_model(network: nn.Module, card: ModelCard, folder: Path) -> StoredModel:
    """Write a model folder: the network as ONNX with fp16 weights, and its card.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(noisy, level)``.
    card : ModelCard
        Its ``sha256`` is replaced by that of the file written.
    folder : Path
        Created where it does not exist; files in it are replaced one by one, each atomically.
    """
    content = to_onnx(network, channels=card.channels, size_multiple=card.size_multiple, weights="fp16")
    card = dataclasses.replace(card, sha256=hashlib.sha256(content).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / NETWORK_FILE) as file:
        file.write(content)
    model = StoredModel(folder, card)
    write_card(model)
    return model


def write_card(model: StoredModel) -> None:
    """Replace the card in a model's folder by the one the model holds."""
    with replacing(model.folder / CARD_FILE) as file:
        file.write(model.card.to_json().encode())


def load_network(model: StoredModel) -> nn.Module:
    """Return the network of a stored model as a torch module, in evaluation mode.

    Raises
    ------
    ModelError
        If the file's tensors are not those of the architecture its card names.
    """
    try:
        import onnx
        import torch
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "onnx", extra="train", purpose="loading weights into torch") from error

    network = build_network(model.card.architecture, model.card.parameters)
    graph = onnx.load_model_from_string(model.network).graph
    stored = {t.name.removesuffix(_HALF): numpy_helper.to_array(t) for t in graph.initializer}
    try:
        state = {n: torch.from_numpy(stored[n].astype(np.float32)) for n in network.state_dict()}
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"{model.folder}: the weights don't fit {model.card.architecture!r} as the card describes it: {error}",
            source=str(model.folder),
        ) from error
    return network.eval()


def to_onnx(
    network: nn.Module,
    *,
    channels: int,
    size_multiple: int,
    weights: Literal["fp16", "fp32"],
    side: int | None = None,
) -> bytes:
    """Return the network as an ONNX file with free height and width, and free depth where it takes stacks.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(noisy, level)``.
    channels : int
        Channels of the image.
    size_multiple : int
        Height and width are multiples of this.
    weights : str
        How they are stored: ``fp16`` is half as large, and rounds them; all arithmetic is in float32.
    side : int, optional
        The one height and width that it is to take, where they are not to be free.
    """
    import torch

    lengths = _lengths(network, side or 4 * size_multiple)
    noisy, level = (torch.zeros(1, channels, *lengths) for _ in range(2))  # one tensor twice would become one input
    shape = dict.fromkeys((0, *range(2, noisy.ndim)), torch.export.Dim.DYNAMIC) if side is None else {}
    with _quiet_exporter():
        program = torch.onnx.export(
            network.eval(),
            (noisy, level),
            input_names=["noisy", "level"],
            output_names=["residual"],
            dynamic_shapes=(shape, shape),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # only where the exporter is told to write a file itself
    model: onnx.ModelProto = program.model_proto
    _strip_traces(model)
    if weights == "fp16":
        _halve_weights(model.graph, {name for name, _ in network.named_parameters()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def with_notes(content: bytes, notes: Mapping[str, str]) -> bytes:
    """Return an ONNX file with notes among its metadata; those of the same names are replaced."""
    try:
        import onnx
        from onnx import helper
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "onnx", extra="train", purpose="writing an ONNX file") from error
    model = onnx.load_model_from_string(content)
    helper.set_model_props(model, {**{p.key: p.value for p in model.metadata_props}, **notes})
    noted: bytes = model.SerializeToString(deterministic=True)
    return noted


def to_safetensors(weights: Mapping[str, Any], notes: Mapping[str, str]) -> bytes:
    """Return torch tensors as a safetensors file with notes among its metadata."""
    try:
        from safetensors.torch import save
    except ModuleNotFoundError as error:
        purpose = "writing weights as safetensors"
        raise MissingExtraError.of(error.name or "safetensors", extra="train", purpose=purpose) from error
    # Each a copy: tensors that share memory are refused.
    return save({name: one.detach().cpu().clone().contiguous() for name, one in weights.items()}, dict(notes))


def measure_cost(network: nn.Module, *, channels: int, side: int = 64) -> Cost:
    """Return what one pixel of the image costs, counted over all convolutions and matrices.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(noisy, level)``.
    channels : int
        Channels of the image.
    side : int
        Height and width of the image it is counted on, rounded up to a multiple of the network's ``size_multiple``.
    """
    import torch
    from torch import nn

    multiple: int = network.size_multiple  # type: ignore[assignment]  # a module's attributes have no types
    lengths = _lengths(network, round_up(side, multiple))
    pixels = math.prod(lengths)
    macs, widest = 0, 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal macs, widest
        weight: torch.Tensor = module.weight  # type: ignore[assignment]  # a module's attributes have no types
        # A transposed convolution applies its weights once per input pixel, and has input channels as their first axis;
        # the others do so per output pixel, with output channels first. Squares of an image count like the image.
        applied = inputs[0] if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d) else output
        macs += weight.numel() * (applied.numel() // weight.shape[0])
        widest = max(widest, output.numel() * output.element_size())

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Conv3d, nn.ConvTranspose3d, nn.Linear)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    zeros = torch.zeros(1, channels, *lengths)
    with torch.inference_mode():
        network(zeros, zeros)
    for hook in hooks:
        hook.remove()
    return Cost(macs / pixels, _LIVE_MAPS * widest // pixels)


def _lengths(network: nn.Module, side: int) -> tuple[int, ...]:
    """Return the lengths of an image, or of a stack where the network takes such, of so many pixels a side."""
    return (_PLANES, side, side) if is_volumetric(network) else (side, side)


def _strip_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about the source code it came from."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
    for part in (*model.graph.node, model.graph):
        part.doc_string = ""


def _halve_weights(graph: onnx.GraphProto, names: set[str]) -> None:
    """Store weights as fp16, each widened to float32 by a Cast that runtimes fold when they load the file.

    Rounding moves a number by at most 1 in 2048 from 6e-5 to 65504, by at most 3e-8 below: biases bear it as well.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.name in names:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            casts.append(helper.make_node("Cast", [tensor.name + _HALF], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name + _HALF))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's remarks on packages it does not need, and on itself, from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
