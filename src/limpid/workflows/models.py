"""Denoisers by name: classical ones, shipped networks, and networks in a folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limpid.classical.registry import CLASSICAL, load_classical
from limpid.core.arguments import check_number
from limpid.core.denoiser import Denoiser
from limpid.core.errors import MissingExtraError, ModelError, OptionError
from limpid.workflows.choosing import CAMERA, WHITE, Choosing

if TYPE_CHECKING:
    from limpid.inference.precision import SelfTest
    from limpid.inference.runtimes import Precision, Runtime
    from limpid.models.cards import ModelCard

__all__ = ["as_denoiser", "denoiser_names", "list_models", "load_model"]

#: The denoiser that learns from the image it is given.
ZERO_SHOT = "zero-shot"


def denoiser_names() -> list[str]:
    """Return the names that :func:`load_model` knows, shipped networks first."""
    from limpid.models.store import shipped_names

    return [*shipped_names(), *CLASSICAL, ZERO_SHOT]


def load_model(
    name: str | PathLike[str] = "auto",
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    allow_pickle: bool = False,
) -> Denoiser:
    """Return a denoiser.

    Parameters
    ----------
    name : str or path
        ``auto`` (``best``, or ``camera`` where the noise of a colour image is seen to be as cameras make it), a shipped
        network (``fast``, or ``fast-gray`` for that file alone), a classical method (``nlm``, ``wavelet``, ``tv``,
        ``bilateral``, ``median``), ``zero-shot`` (a small network that learns from the image alone, in about a minute),
        a model folder, or a file of someone else's network: ``.onnx``, ``.keras``, ``.safetensors``, ``.pth``, ``.pt``,
        ``.ckpt``.
    runtime : str
        For networks: ``openvino``, ``onnxruntime``, ``torch``, or ``auto``, which is OpenVINO on the CPU and torch on
        CUDA.
    device : str
        For networks: ``cpu``, ``cuda``, or ``auto``, which is CUDA only where the runtime is torch or ONNX Runtime and
        has it.
    precision : str
        For networks: ``int8``, ``bf16``, ``fp32``, or ``auto``: the first that the model's card calls harmless at the
        level and a self-test found right and much faster than those after it.
    threads : int, optional
        CPU threads for networks; all cores where not given.
    allow_pickle : bool
        Open ``.pth``, ``.pt`` and ``.ckpt`` files too. They are pickles; nothing but weights is taken from them.

    Returns
    -------
    Denoiser

    Raises
    ------
    ModelError
        If there is no such model, or its files are damaged.
    OptionError
        If runtime or precision are unknown or not to be had on this machine, or another argument is wrong.
    MissingExtraError
        If the runtime is not installed.
    """
    if not isinstance(name, str | PathLike):
        raise OptionError(f"name must be the name of a model or the path of its folder, got {name!r}.")
    if threads is not None:
        check_number("threads", threads, low=1, whole=True)
    if not (name := fspath(name)):
        raise ModelError(f"the name of the model is empty; choose one of: auto, {', '.join(denoiser_names())}.")
    if name in CLASSICAL:
        return load_classical(name)
    if name == ZERO_SHOT:
        return _zero_shot()
    from limpid.inference.denoiser import NetworkDenoiser
    from limpid.inference.foreign import is_foreign, load_foreign
    from limpid.inference.runtimes import load_runtime
    from limpid.models.store import find_models, shipped_names

    if is_foreign(name) and not Path(name).is_dir():
        return load_foreign(
            Path(name), allow_pickle=allow_pickle, runtime=runtime, device=device, precision=precision, threads=threads
        )
    if name == "auto":
        return _auto(load_runtime(runtime, device=device, threads=threads), precision)
    try:
        models = find_models(name)
    except ModelError as error:
        raise ModelError(f"{error} Classical methods: {', '.join(CLASSICAL)}.", source=error.source) from None
    if name not in (*shipped_names(), *(model.card.name for model in models.values())):
        name = next(iter(models.values())).card.name  # a folder: where it lies is nobody else's business
    return NetworkDenoiser(
        name, models, runtime=load_runtime(runtime, device=device, threads=threads), precision=precision
    )


def _auto(runtime: Runtime, precision: str) -> Denoiser:
    """Return what chooses between the families for white noise and for that of cameras."""
    from limpid.inference.denoiser import NetworkDenoiser
    from limpid.models.store import find_models

    white, camera = (
        NetworkDenoiser(name, find_models(name), runtime=runtime, precision=precision) for name in (WHITE, CAMERA)
    )
    return Choosing(white, camera)


def _zero_shot() -> Denoiser:
    try:
        from limpid.training.zero_shot import ZeroShot
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "torch", extra="train", purpose=ZERO_SHOT) from error
    return ZeroShot()


def as_denoiser(model: Any, *, load: Callable[[str], Denoiser] = load_model) -> Denoiser:
    """Return what any public function takes as a model, as a :class:`Denoiser`; `load` is for names and paths.

    Raises
    ------
    OptionError
        If it is neither a name, nor a path, nor a denoiser.
    """
    if isinstance(model, str | PathLike):
        return load(fspath(model))
    if not isinstance(model, Denoiser):
        raise OptionError(f"a model must be a name, a path or what load_model returned, got {model!r}.")
    return model


def _measured(card: ModelCard, test: SelfTest, precision: Precision) -> dict[str, Any]:
    """Return what the self-test found of one arithmetic, which may be nothing, and what the card says of it."""
    from limpid.inference.precision import sigma_min

    trial, least = test.trials.get(precision), sigma_min(card, precision)
    return {
        "speedup": 1.0 if precision == "fp32" else trial and trial.speedup,
        "error": 0.0 if precision == "fp32" else trial and trial.error,
        "sigma_min": least if math.isfinite(least) else None,
    }


def list_models(*, runtime: str = "auto") -> list[dict[str, Any]]:
    """Return one row per shipped network: its card's main figures and the precision it runs in here."""
    from limpid.inference.precision import self_test
    from limpid.inference.runtimes import load_runtime
    from limpid.models.store import shipped_models

    chosen = load_runtime(runtime)
    rows = []
    for model in shipped_models():
        card, test = model.card, self_test(chosen, model)
        rows.append(
            {
                "name": card.name,
                "architecture": card.architecture,
                "channels": card.channels,
                "parameters": card.weights,
                "kmac_per_pixel": card.kmac_per_pixel,
                "bytes": model.size,
                "sha256": card.sha256,
                "precision": test.fastest(),
                "precisions": {p: _measured(card, test, p) for p in chosen.precisions},
                "runtime": chosen.name,
                "device": test.device,
                "sigma_max": card.sigma_max,
                "licence": card.licence,
                "noise": card.noise,
                "data": card.data,
                "metrics": dict(card.metrics),
            }
        )
    return rows
