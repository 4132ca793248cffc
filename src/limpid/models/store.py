"""Model folders: a card and an ONNX file, shipped inside the package or anywhere on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final, Self

from limpid.core.arguments import hint
from limpid.core.errors import ModelError
from limpid.io import is_folder
from limpid.models.cards import ModelCard

__all__ = ["CARD_FILE", "NETWORK_FILE", "StoredModel", "find_models", "shipped_models", "shipped_names"]

CARD_FILE: Final = "card.json"
NETWORK_FILE: Final = "model.onnx"

_SHIPPED: Final = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class StoredModel:
    """One model on disk.

    Attributes
    ----------
    folder : Path
        Holds ``card.json`` and ``model.onnx``. The network takes ``noisy`` and ``level``, both float32 of shape
        (N, C, H, W), or (N, C, D, H, W) where the card says ``halo_planes``, and returns ``residual`` of the same
        shape, to be added to ``noisy``.
    card : ModelCard
        What is known about it.
    """

    folder: Path
    card: ModelCard

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the card of a model folder.

        Raises
        ------
        ModelError
            If the folder is no model.
        """
        try:
            text = (folder / CARD_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ModelError(
                f"{folder} is not a model folder: {CARD_FILE} can't be read ({why}).", source=str(folder)
            ) from error
        return cls(folder, ModelCard.from_json(text, source=str(folder / CARD_FILE)))

    @property
    def size(self) -> int:
        """Bytes of the network file."""
        return (self.folder / NETWORK_FILE).stat().st_size

    @cached_property
    def network(self) -> bytes:
        """The ONNX file, checked against the card.

        Raises
        ------
        ModelError
            If it is missing or not the one the card describes.
        """
        path = self.folder / NETWORK_FILE
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path} can't be read ({error.strerror}); install the model again.", source=str(path)
            ) from error
        if hashlib.sha256(content).hexdigest() != self.card.sha256:
            raise ModelError(
                f"{path} is damaged or was changed: its SHA-256 is not the card's {self.card.sha256[:12]}...; "
                "install the model again.",
                source=str(path),
            )
        return content


@cache
def shipped_models() -> tuple[StoredModel, ...]:
    """Return the models inside the package, by name."""
    return tuple(StoredModel.open(card.parent) for card in sorted(_SHIPPED.glob(f"*/{CARD_FILE}")))


def shipped_names(*, channels: int | None = None) -> list[str]:
    """Return the names of shipped families: ``fast`` for ``fast-gray`` and ``fast-color``.

    Parameters
    ----------
    channels : int, optional
        Of the images that they have to take: together, or, where one of a family is for gray, one by one.
    """
    takes = {channels, 1}
    return sorted(
        {
            model.card.name.rpartition("-")[0]
            for model in shipped_models()
            if channels is None or model.card.channels in takes
        }
    )


def find_models(name: str) -> Mapping[int, StoredModel]:
    """Return the models a name or path stands for, by their number of channels.

    Parameters
    ----------
    name : str
        A shipped family (``fast``), one shipped model (``fast-gray``), or a model folder.

    Raises
    ------
    ModelError
        If there is none.
    """
    shipped = {model.card.name: model for model in shipped_models()}
    if name in shipped:
        return {shipped[name].card.channels: shipped[name]}
    family = {m.card.channels: m for n, m in shipped.items() if n.rpartition("-")[0] == name}
    if family:
        return family
    folder = Path(name)
    if is_folder(folder):
        model = StoredModel.open(folder)
        return {model.card.channels: model}
    known = [*shipped_names(), *shipped]
    nearest = hint(name, known, otherwise="installed: ")
    raise ModelError(f"no model {name!r}: it is neither installed nor a model folder; {nearest}")
