"""Convolutions in eight-bit integers: the nodes of a graph that OpenVINO makes int8 kernels of.

Weights are rounded per output channel. An input is divided by the largest magnitude met in each of its channels, and
the weights multiplied by it, so that one step serves all channels (Xiao et al., ICML 2023, arXiv:2211.10438, with all
of the difficulty moved to the weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import openvino as ov
from openvino import opset13

from limpid.core.errors import ModelError
from limpid.core.image import FloatArray

__all__ = ["costs", "observe", "quantise"]

#: Channel axes of what multiplies an input, by the type of the node: of the input, and of the output.
_AXES: Final = {"Convolution": (1, 0), "ConvolutionBackpropData": (0, 1)}

#: Channels are divided by no less than this share of what the largest is: those that held little may hold more
#: elsewhere, and clipping costs more than rounding.
_LEAST_SHARE: Final = 0.5

#: Below every float that a network gives.
_LOWEST: Final = np.float32(-3e38)


def observe(model: ov.Model) -> dict[str, str]:
    """Add an output for each convolution that may become int8: the largest magnitude in each channel of its input.

    Returns
    -------
    dict of str to str
        Name of the output -> name of the convolution's weights, which is met again where they are.
    """
    names, outputs = {}, []
    for index, (weights, node) in enumerate(_convolutions(model)):
        magnitude = opset13.absolute(node.input_value(0))
        rank = len(node.get_output_partial_shape(0))
        axes = opset13.constant([axis for axis in range(rank) if axis != 1])
        largest = opset13.reduce_max(magnitude, axes).output(0)
        largest.set_names({f"largest {index}"})
        names[f"largest {index}"] = weights
        outputs.append(largest)
    model.add_outputs(outputs)
    return names


def costs(model: ov.Model, *, side: int) -> dict[str, int]:
    """Return the multiply-accumulates of each convolution that may become int8, by its weights, for so many pixels."""
    shapes = {port.any_name: [1, port.partial_shape[1].get_length(), side, side] for port in model.inputs}
    model.reshape(shapes)
    found: dict[str, int] = {}
    for name, node in _convolutions(model):
        # A kernel is laid over each place of what a convolution gives, of what its transpose takes.
        port = node.output(0) if node.get_type_name() == "Convolution" else node.input_value(0)
        places = int(np.prod(tuple(port.get_shape())[2:]))
        found[name] = found.get(name, 0) + places * int(np.prod(tuple(node.input_value(1).get_shape())))
    return found


def quantise(model: ov.Model, ranges: Mapping[str, Sequence[float]], *, rest: str = "f32") -> None:
    """Make int8 of the convolutions that `ranges` names, in place.

    What lies between them stays in fp32, and so do the first convolution, whose rounding would be that of the pixels
    themselves, and the last.

    Parameters
    ----------
    model : ov.Model
        A network as it was read.
    ranges : mapping of str to sequence of float
        Name of a convolution's weights -> largest magnitude in each channel of its input. What lies beyond is clipped.
    rest : str
        What the convolutions between those two that are not int8 multiply in: ``f32``, or ``bf16``.

    Raises
    ------
    ModelError
        If they are not of this network.
    """
    missing = set(ranges)
    for name, node in _convolutions(model):
        if name in ranges:
            _quantise(node, name, np.asarray(ranges[name], np.float32))
            missing.discard(name)
        elif rest != "f32":
            _multiply_in(node, rest)
    if missing:
        raise ModelError(
            f"the network has no convolution {min(missing)!r} that could be int8, as its card says; install the model "
            "again, or choose another precision."
        )
    model.validate_nodes_and_infer_types()


def _convolutions(model: ov.Model) -> list[tuple[str, ov.Node]]:
    """Return the convolutions between others, with the names of their weights.

    The first and the last take pixels and give them: they are cheap, and what they round is seen.
    """
    nodes = model.get_ordered_ops()
    after = _reached(nodes, lambda node: [port.get_source_output().get_node() for port in node.inputs()])
    before = _reached(
        nodes[::-1], lambda node: [t.get_node() for port in node.outputs() for t in port.get_target_inputs()]
    )
    return [
        (node.input_value(1).get_node().get_friendly_name(), node)
        for node in nodes
        if node.get_type_name() in _AXES and node.get_name() in after & before and _weights(node) is not None
    ]


def _reached(nodes: Sequence[ov.Node], neighbours: Callable[[ov.Node], list[ov.Node]]) -> set[str]:
    """Return the names of nodes that follow a convolution, in the direction of `nodes`."""
    reached: set[str] = set()
    for node in nodes:
        for other in neighbours(node):
            if other.get_type_name() in _AXES or other.get_name() in reached:
                reached.add(node.get_name())
    return reached


def _weights(node: ov.Node) -> FloatArray | None:
    """Return the weights of a convolution, which may be stored in fp16; None where they are computed."""
    source = node.input_value(1).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return np.asarray(source.data, np.float32) if source.get_type_name() == "Constant" else None


def _quantise(node: ov.Node, name: str, magnitude: FloatArray) -> None:
    weights = _weights(node)
    assert weights is not None
    taken, given = _AXES[node.get_type_name()]
    if magnitude.shape != (weights.shape[taken],) or not np.all(magnitude >= 0):  # neither is NaN
        raise ModelError(
            f"the card names {magnitude.size} ranges for the {weights.shape[taken]} channels of {name!r}, or ranges "
            "that are none; install the model again, or choose another precision."
        )
    if not magnitude.any():
        return
    scale = np.maximum(magnitude, _LEAST_SHARE * magnitude.max())
    along = [1] * weights.ndim
    input_scale = scale.reshape([1, -1, *along[2:]])
    one = np.float32(1)
    # 128 steps below 0 and 127 above it, so that 0 is one of them; after a ReLU, nothing lies below.
    low = np.float32(0 if _is_relu(node.input_value(0)) else -128 / 127)
    rounded = opset13.fake_quantize(node.input_value(0), low * input_scale, input_scale, low, one, levels=256)
    along[taken] = -1
    weights = weights * scale.reshape(along)
    most = np.abs(weights).max(axis=tuple(axis for axis in range(weights.ndim) if axis != given), keepdims=True)
    most = np.maximum(most, np.finfo(np.float32).tiny)
    stored = opset13.fake_quantize(opset13.constant(weights), -most, most, -most, most, levels=255)
    node.input(0).replace_source_output(rounded.output(0))
    node.input(1).replace_source_output(stored.output(0))
    _keep_scale_here(node)


def _multiply_in(node: ov.Node, kind: str) -> None:
    """Round what a convolution multiplies to another type; what it gives is fp32 again."""
    targets = list(node.output(0).get_target_inputs())
    for index in (0, 1):
        rounded = opset13.convert(node.input_value(index), kind)
        node.input(index).replace_source_output(rounded.output(0))
    given = opset13.convert(node.output(0), "f32")
    for target in targets:
        target.replace_source_output(given.output(0))


def _is_relu(port: ov.Output) -> bool:
    kind: str = port.get_node().get_type_name()
    return kind == "Relu"


def _keep_scale_here(node: ov.Node) -> None:
    """Let OpenVINO apply the scale of a convolution before its result goes several ways.

    It moves scales down the graph to save multiplications. Where the ways meet again in a sum, those of the two are
    wrong then (2026.4: errors of a tenth of the range); no scale is moved over a maximum.
    """
    targets = list(node.output(0).get_target_inputs())
    if len(targets) > 1:
        kept = opset13.maximum(node.output(0), opset13.constant(_LOWEST))
        for target in targets:
            target.replace_source_output(kept.output(0))
