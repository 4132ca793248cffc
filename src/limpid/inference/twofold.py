"""Pixels in two parts, for networks in bf16, whose 8 significant bits would round the pixels themselves.

What bf16 rounds inside a network is averaged away by its convolutions; what it rounds in the pixels, up to half a level
of 255, is noise that goes through to the end, and nearly all of what bf16 costs. So the convolution they come to first,
which is linear, is given them as bf16 holds them and, in as many channels more, what is missing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import openvino as ov
from openvino import opset13

from limpid.core.image import FloatArray

__all__ = ["REST", "parts", "take_rest"]

#: The input that takes the second part.
REST: Final = "noisy rest"

_WHOLE: Final = "noisy"

#: 1 and as many zeros between it and its last bit as fp32 has significant bits more than bf16.
_SPLITTER: Final = np.float32(2**16 + 1)

#: Nodes that move values and leave them as they are, and which of their inputs are values.
_MOVES: Final = {"Concat": slice(None), "SpaceToDepth": slice(1), "Reshape": slice(1), "Transpose": slice(1)}


def parts(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return values to 8 significant bits, as bf16 holds them, and what is missing: their sum is exact.

    References
    ----------
    .. [1] T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18,
       1971, section 5.
    """
    spread = values * _SPLITTER
    head = spread - (spread - values)
    return head, values - head


def take_rest(model: ov.Model) -> bool:
    """Give a network another input, :data:`REST`, whose sum with ``noisy`` convolutions of the pixels take; in place.

    Returns
    -------
    bool
        Whether it has it: not where its inputs are more than moved on their way, or go to no convolution.
    """
    names = {port.any_name for port in model.inputs}
    first = _first_convolutions(model)
    if _WHOLE not in names or not first:
        return False
    # The way to the convolutions once more, on which the rest goes in place of the pixels, and nothing beside it.
    copy = model.clone()
    copied = _first_convolutions(copy)
    for name in names - {_WHOLE}:
        nothing = opset13.multiply(model.input(name), np.float32(0))
        for target in copy.input(name).get_target_inputs():
            target.replace_source_output(nothing.output(0))
    rest = copy.input(_WHOLE).get_node()
    rest.output(0).set_names({REST})
    model.add_parameters([rest])
    for one, its_copy in zip(first, copied, strict=True):
        values = opset13.concat([one.input_value(0), its_copy.input_value(0)], 1)
        weights = opset13.concat([one.input_value(1)] * 2, 1)
        one.input(0).replace_source_output(values.output(0))
        one.input(1).replace_source_output(weights.output(0))
    model.validate_nodes_and_infer_types()
    return True


def _first_convolutions(model: ov.Model) -> list[ov.Node]:
    """Return those that inputs come to as they are: one, or of several networks side by side one each."""
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    return [node for node in convolutions if _only_moved(node.input_value(0))]


def _only_moved(port: ov.Output) -> bool:
    node = port.get_node()
    kind = node.get_type_name()
    if kind == "Parameter":
        return True
    return kind in _MOVES and all(_only_moved(value) for value in node.input_values()[_MOVES[kind]])
