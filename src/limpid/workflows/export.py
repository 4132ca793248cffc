"""Write a network in the format of another program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limpid.core.denoiser import Denoiser
from limpid.core.errors import ModelError, OptionError, WriteError
from limpid.io.atomic import replacing
from limpid.workflows.choosing import Choosing
from limpid.workflows.models import load_model

if TYPE_CHECKING:
    from limpid.inference.foreign.denoiser import ForeignDenoiser
    from limpid.models.store import StoredModel

__all__ = ["FORMATS", "Exported", "export"]

#: Format -> ending of its file.
FORMATS: Final = {"onnx": ".onnx", "openvino": ".xml", "torch": ".safetensors"}

#: Key of a model folder's card in files that are written.
_MODEL_CARD: Final = "limpid_model_card"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    model : str
        Name of the model.
    format : str
        One of :data:`FORMATS`.
    files : tuple of Path
        The file named, and what belongs to it.
    bytes : int
        Of all files.
    """

    model: str
    format: str
    files: tuple[Path, ...]
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self) | {"files": [str(path) for path in self.files]}


def export(
    model: str | PathLike[str] | Denoiser,
    output: str | PathLike[str],
    *,
    to: str = "onnx",
    allow_pickle: bool = False,
) -> Exported:
    """Write one network for another program to run.

    Parameters
    ----------
    model : str, path or Denoiser
        One network: a shipped one (``fast-gray``), a model folder, or a file as in :func:`limpid.load_model`.
    output : path
        File to write, with the ending of the format, or a folder to write it into. Replaced where it exists.
    to : str
        ``onnx``: one ``.onnx`` file with its card in it, which :func:`limpid.load_model` takes again. ``openvino``: an
        ``.xml`` and a ``.bin`` beside it. ``torch``: the weights by name, as ``.safetensors``.
    allow_pickle : bool
        As in :func:`limpid.load_model`.

    Returns
    -------
    Exported

    Raises
    ------
    ModelError
        If there is no such network, it is several, or the format can't hold it.
    OptionError
        If the format is unknown or `output` has another ending.
    MissingExtraError
        If what writes the format is not installed.
    WriteError
        If the file can't be written.
    """
    if to not in FORMATS:
        raise OptionError(f"no format {to!r}; choose one of: {', '.join(FORMATS)}.")
    denoiser = model if isinstance(model, Denoiser) else load_model(model, allow_pickle=allow_pickle)
    path = _path(Path(output), denoiser.name, FORMATS[to])
    if not isinstance(model, Denoiser) and path.exists() and Path(model).exists() and path.samefile(model):
        raise OptionError(f"{path} is the model itself; name another output.")
    if path.parent.resolve() in _folders(denoiser):
        raise OptionError(f"{path.parent} is the folder of the model itself; name an output elsewhere.")
    contents = _contents(denoiser, path, to)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent} can't be made: {error.strerror}.", source=str(path)) from error
    for file, content in contents.items():
        with replacing(file) as stream:
            stream.write(content)
    return Exported(denoiser.name, to, (path, *(f for f in contents if f != path)), sum(map(len, contents.values())))


def _path(output: Path, name: str, ending: str) -> Path:
    if output.is_dir():
        return output / f"{name}{ending}"
    if output.suffix.lower() != ending:
        raise OptionError(f"the output must end in {ending} or be a folder that exists, got {str(output)!r}.")
    return output


def _folders(denoiser: Denoiser) -> list[Path]:
    """Return the folders whose files a denoiser is made of."""
    from limpid.inference.denoiser import NetworkDenoiser

    return [one.folder.resolve() for one in denoiser.models.values()] if isinstance(denoiser, NetworkDenoiser) else []


def _contents(denoiser: Denoiser, path: Path, to: str) -> Mapping[Path, bytes]:
    """Return files and what goes into them, the one that refers to others last."""
    from limpid.inference.denoiser import NetworkDenoiser
    from limpid.inference.foreign.card import CARD_NOTE
    from limpid.inference.foreign.denoiser import ForeignDenoiser
    from limpid.models.checkpoint import to_safetensors, with_notes

    if isinstance(denoiser, NetworkDenoiser):
        stored = _single(denoiser)
        if to == "torch":
            return {path: to_safetensors(_weights(stored), {_MODEL_CARD: stored.card.to_json()})}
        if stored.card.preprocessing:
            steps = ", ".join(step.name for step in stored.card.preprocessing)
            raise ModelError(
                f"{denoiser.name!r} does something to the whole image first ({steps}), which no such file can "
                "hold; export its weights (to torch), or train without preprocessing."
            )
        content, notes = stored.network, {CARD_NOTE: _short_card(stored), _MODEL_CARD: stored.card.to_json()}
    elif isinstance(denoiser, ForeignDenoiser):
        if to == "torch":
            return {path: to_safetensors(_foreign_weights(denoiser), {})}
        if denoiser.as_onnx is None:
            raise ModelError(
                f"{denoiser.name!r} is a Keras model; export it with Keras: model.export({path.stem + '.onnx'!r}, "
                'format="onnx").'
            )
        content, card = denoiser.as_onnx()
        notes = {CARD_NOTE: card.to_json()}
    elif isinstance(denoiser, Choosing):
        names = ", ".join(one.name for one in denoiser.families)
        raise ModelError(f"{denoiser.name!r} chooses among {names}; name one network, such as 'fast-gray'.")
    else:
        raise ModelError(f"{denoiser.name!r} is a method without a network; there is nothing to export.")
    if to == "onnx":
        return {path: with_notes(content, notes)}
    from limpid.inference.runtimes.openvino import OpenVINORuntime

    xml, weights = OpenVINORuntime().to_ir(content, notes=notes)
    return {path.with_suffix(".bin"): weights, path: xml}


def _single(denoiser: Any) -> StoredModel:
    models = list(denoiser.models.values())
    if len(models) > 1:
        names = " and ".join(model.card.name for model in models)
        raise ModelError(f"{denoiser.name!r} is {len(models)} networks, {names}; name one of them.")
    found: StoredModel = models[0]
    return found


def _weights(model: StoredModel) -> Mapping[str, Any]:
    from limpid.models.checkpoint import load_network

    return load_network(model).state_dict()


def _foreign_weights(denoiser: ForeignDenoiser) -> Mapping[str, Any]:
    if denoiser.as_weights is None:
        raise ModelError(f"the weights of {denoiser.name!r} belong to no torch network; choose the format onnx.")
    return denoiser.as_weights()


def _short_card(model: StoredModel) -> str:
    from limpid.inference.foreign.card import OnnxCard

    card = model.card
    return OnnxCard(
        output="residual",
        noisy="noisy",
        level="level",
        channels=card.channels,
        size_multiple=card.size_multiple,
        halo_px=card.halo_px,
        halo_planes=card.halo_planes,
        sigma_max=card.sigma_max,
        bytes_per_pixel=card.bytes_per_pixel,
        blind=card.blind,
        level_again=card.blind,
    ).to_json()
