"""Any ONNX file that takes an image, or an image and a noise level, with a card that says what the file can't."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ModelError
from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.foreign.card import OnnxCard
from limpid.inference.foreign.denoiser import ForeignDenoiser, Sizes, chosen_runtime, file_digest
from limpid.inference.foreign.reach import check_size, found_halo, found_multiple, odd_multiple
from limpid.inference.foreign.squares import in_squares
from limpid.inference.runtimes import Network, Precision
from limpid.inference.runtimes.openvino import Graph, OpenVINORuntime, Port

__all__ = ["load"]

#: Working memory where the card doesn't say: seven float32 maps of 64 channels.
_BYTES_PER_PIXEL: Final = 7 * 64 * 4


class _Plan(NamedTuple):
    """How a file is called: its inputs and output, channels, and the one size it takes, if it is one."""

    noisy: Port
    level: Port | None
    output: Port
    channels: int
    side: int | None

    @property
    def maps(self) -> bool:
        """Whether the level is told for each pixel."""
        return (
            self.level is not None
            and self.level.shape is not None
            and len(self.level.shape) in (4, 5)
            and (self.level.shape[-1] != 1 or self.side == 1)
        )


def load(path: Path, *, runtime: str, device: str, precision: str, threads: int | None) -> ForeignDenoiser:
    """Return the denoiser in an ONNX file; see :func:`limpid.inference.foreign.load_foreign`."""
    chosen, arithmetic = chosen_runtime(
        path, "openvino", runtime=runtime, device=device, precision=precision, threads=threads
    )
    assert isinstance(chosen, OpenVINORuntime)
    digest, content = file_digest(path), path.read_bytes()
    try:
        graph = chosen.inspect(content)
    except ModelError as error:
        raise ModelError(f"{path} is damaged or no ONNX file: {error}", source=str(path)) from error
    card = OnnxCard.beside(path, graph.notes)
    plan = _plan(graph, card, path)
    if card is None:
        raise _asking(path, plan, "it does not say whether it returns the image or the residual to add to it")
    networks: dict[Precision, Network] = {
        p: _network(chosen, content, plan, precision=p, residual=card.output == "residual")
        for p in {arithmetic, "fp32"}
    }
    try:
        told = plan.side or card.size_multiple
        if told is not None and card.halo_planes is None:
            check_size(networks["fp32"], channels=plan.channels, side=plan.side or odd_multiple(told))
        multiple = told or found_multiple(networks["fp32"], channels=plan.channels)
    except ModelError as error:
        raise ModelError(f"{path} is no denoiser: {error}", source=str(path)) from error
    grid = math.lcm(multiple, card.align_px or 1)
    if plan.side is not None:
        halo: int | None = 0
    elif card.halo_px is not None:
        halo = round_up(card.halo_px, grid)
    else:
        key = f"{digest} {card.to_json()}"
        halo = found_halo(networks["fp32"], channels=plan.channels, multiple=grid, key=key)
    return ForeignDenoiser(
        name=path.stem,
        identity={"model": path.stem, "sha256": [digest], "card": card.to_json()},
        capabilities=Capabilities(
            channels=(plan.channels,),
            level_map=plan.level is None or plan.maps,
            blind=card.blind or plan.level is None,
            level_again=card.level_again and plan.level is not None,
            sigma_max=card.sigma_max,
            halo_px=halo,
            halo_planes=card.halo_planes,
            align_px=grid,
            bytes_per_pixel=card.bytes_per_pixel or _BYTES_PER_PIXEL,
        ),
        sizes=Sizes(multiple=multiple),
        runtime=chosen,
        network=networks[arithmetic],
        as_onnx=lambda: (content, card),
    )


def _plan(graph: Graph, card: OnnxCard | None, path: Path) -> _Plan:
    if len(graph.inputs) not in (1, 2) or len(graph.outputs) != 1:
        raise ModelError(
            f"{path} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; a denoiser takes an image, or an "
            "image and a noise level, and returns one image.",
            source=str(path),
        )
    ports = {port.name: port for port in graph.inputs}
    names = (None, None) if card is None else (card.noisy, card.level)
    if len(ports) == 1:
        names = (names[0] or next(iter(ports)), None)  # a level that nothing depends on is no input
    elif names == (None, None) and set(ports) == {"noisy", "level"}:
        names = ("noisy", "level")
    wanted = [name for name in names if name is not None]
    if sorted(wanted) != sorted(ports):
        listed = ", ".join(map(repr, ports))
        first, second = (*ports, None)[:2]
        example = OnnxCard.example(noisy=first, level=second)
        raise ModelError(
            f"{path} has the inputs {listed}, and which is the image and which the level must be told; write a card "
            f"{path.stem}.json beside it, such as {example}.",
            source=str(path),
        )
    noisy = ports[wanted[0]]
    level = ports[wanted[1]] if len(wanted) == 2 else None
    for port in (*graph.inputs, graph.outputs[0]):
        if port.dtype != "f32":
            raise ModelError(
                f"{path}: {port.name!r} is {port.dtype}; export the network with float32 inputs and output.",
                source=str(path),
            )
    channels, side = _image(noisy, card, path)
    return _Plan(noisy, level, graph.outputs[0], channels, side)


def _image(port: Port, card: OnnxCard | None, path: Path) -> tuple[int, int | None]:
    """Return the channels, and height and width where they are fixed."""
    shape = port.shape
    stacks = card is not None and card.halo_planes is not None
    if shape is None or len(shape) != (5 if stacks else 4) or shape[0] not in (None, 1):
        raise ModelError(
            f"{path}: the image {port.name!r} has the shape {_written(shape)}; what can be used is (1, channels, "
            "height, width), with any of them free, and where the card says halo_planes, (1, channels, planes, height, "
            "width).",
            source=str(path),
        )
    if stacks and any(length is not None for length in shape[2:]):
        raise ModelError(
            f"{path}: stacks must be {_written(shape)}; export the network with planes, height and width free.",
            source=str(path),
        )
    told = None if card is None else card.channels
    channels = shape[1] or told
    if channels is None:
        raise _asking(path, None, f"the number of channels of {port.name!r} is free", channels=1)
    if channels not in (1, 3) or told not in (None, channels):
        also = f" and its card says {told}" if told not in (None, channels) else ""
        raise ModelError(
            f"{path}: the image {port.name!r} of shape {_written(shape)} has {channels} channels{also}; 1 or 3 can be "
            "used, in the order (1, channels, height, width).",
            source=str(path),
        )
    height, width = shape[-2:]
    if height != width:
        raise ModelError(
            f"{path}: images must be {_written(shape)}; export the network with height and width free, or both the "
            "same.",
            source=str(path),
        )
    return channels, height


def _network(runtime: OpenVINORuntime, content: bytes, plan: _Plan, *, precision: Precision, residual: bool) -> Network:
    call = runtime.prepare(content, precision=precision)

    def one(noisy: FloatArray, level: FloatArray) -> FloatArray:
        inputs = {plan.noisy.name: noisy}
        if plan.level is not None:
            inputs[plan.level.name] = _told(plan, level)
        found = call(inputs)[plan.output.name]
        if found.shape != noisy.shape:
            raise ModelError(f"the network returns an array of shape {found.shape} for an image of {noisy.shape}")
        return found if residual else found - noisy

    def each(noisy: FloatArray, level: FloatArray) -> FloatArray:
        return np.concatenate([one(noisy[i : i + 1], level[i : i + 1]) for i in range(len(noisy))])

    side = plan.side
    if side is None:
        return one
    return lambda noisy, level: in_squares(each, noisy, level, side=side)


def _told(plan: _Plan, level: FloatArray) -> FloatArray:
    """Return the level in the shape that the file takes."""
    assert plan.level is not None
    shape = plan.level.shape
    if plan.maps:
        assert shape is not None
        if shape[1] == level.shape[1] or shape[1] is None:
            return level
        over_channels: FloatArray = np.sqrt(np.mean(np.square(level), axis=1, keepdims=True))
        return over_channels
    one = np.float32(math.sqrt(float(np.mean(np.square(level, dtype=np.float64)))))
    return np.full([1] * len(shape or ()), one, np.float32)


def _asking(path: Path, plan: _Plan | None, what: str, *, channels: int | None = None) -> ModelError:
    noisy = level = None
    if plan is not None and plan.level is not None:
        noisy, level = plan.noisy.name, plan.level.name
    return ModelError(
        f"{path}: {what}, and that can't be seen from the file; write a card {path.stem}.json beside it, such as "
        f"{OnnxCard.example(noisy=noisy, level=level, channels=channels)}, where output is image or residual.",
        source=str(path),
    )


def _written(shape: tuple[int | None, ...] | None) -> str:
    return "any" if shape is None else f"({', '.join('free' if n is None else str(n) for n in shape)})"
