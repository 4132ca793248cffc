"""The card of a model: what it is, what it was made for, and what was measured."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from limpid.core.errors import ModelError, OptionError
from limpid.core.preprocess import Step, parse_steps
from limpid.models.int8 import Int8

__all__ = ["CARD_VERSION", "ModelCard"]

#: Raised when a reader of older cards could misread a newer one. 1: up to `sha256`. 2: `training` and `test_vector`.
#: 3: `int8`.
CARD_VERSION: Final = 3

#: Numbers in a list, one in a line.
_NUMBERS: Final = re.compile(r"\[\n[-+.\deE,\s]*\]")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known about one weight file.

    Attributes
    ----------
    name : str
        Such as ``fast-gray``.
    architecture : str
        Name in the architecture registry.
    parameters : mapping
        What the architecture is built with.
    channels : int
        Channels of the images it takes.
    weights : int
        Number of trained numbers.
    kmac_per_pixel : float
        Multiply-accumulates per pixel, in thousands.
    sigma_max : float
        Largest noise level it was trained on, as a share of the value range.
    bf16_sigma_min : float
        Smallest level, as a share of the value range, at which bf16 arithmetic is harmless.
    halo_px : int
        Pixels around a tile that the network must see: measured, so that tiles differ from the whole by at most a
        quarter of an 8-bit step at the edge of what they keep.
    halo_planes : int or None
        Planes around a slab of a stack that the network must see, measured in the same way; None where it takes single
        planes.
    bytes_per_pixel : int
        Working memory for each pixel of a tile, in fp32.
    size_multiple : int
        Height and width of what the network is fed are multiples of this.
    noise, data, recipe, licence : str
        What it was trained for, on what and how, and the licence of the weights.
    metrics : mapping
        Measured figures by name, with their protocol under ``protocol``.
    sha256 : str
        Of the weight file.
    training : mapping or None
        The whole configuration of the run that made the weights; None where there was none.
    test_vector : mapping or None
        What the network gives for a made input, see :mod:`limpid.inference.test_vector`; None where that is not known.
    int8 : Int8 or None
        How the network runs in int8; None where that was not measured.
    preprocessing : tuple of Step
        What is done to an image before the network sees it, and undone afterwards.
    blind : bool
        Whether it judges the noise by itself, since the levels it was trained with were often far from the truth: see
        :class:`~limpid.core.denoiser.Capabilities`.
    version : int
        Of this card's format.
    """

    name: str
    architecture: str
    parameters: Mapping[str, Any]
    channels: int
    weights: int
    kmac_per_pixel: float
    sigma_max: float
    bf16_sigma_min: float
    halo_px: int
    bytes_per_pixel: int
    size_multiple: int
    noise: str
    data: str
    recipe: str
    licence: str
    metrics: Mapping[str, Any]
    sha256: str
    halo_planes: int | None = None
    training: Mapping[str, Any] | None = None
    test_vector: Mapping[str, Any] | None = None
    int8: Int8 | None = None
    preprocessing: tuple[Step, ...] = ()
    blind: bool = False
    version: int = CARD_VERSION

    @classmethod
    def from_json(cls, text: str, *, source: str) -> Self:
        """Parse a card of this or an earlier version, and return it as one of this version.

        Raises
        ------
        ModelError
            If the text is no card, or one of a later version.
        """
        try:
            raw = json.loads(text)
            version = raw.get("version")
        except (ValueError, AttributeError) as error:
            raise ModelError(f"{source} is not a model card: {error}", source=source) from error
        if not isinstance(version, int):
            raise ModelError(f"{source} is not a model card: it says no version.", source=source)
        if version > CARD_VERSION:
            raise ModelError(
                f"{source} is a card of version {version}; this limpid reads up to {CARD_VERSION}: upgrade it.",
                source=source,
            )
        try:
            steps = parse_steps(raw.get("preprocessing", ()))
            int8 = None if raw.get("int8") is None else _int8_of(raw["int8"], source=source)
            return cls(**raw | {"version": CARD_VERSION, "preprocessing": steps, "int8": int8})
        except OptionError as error:
            raise ModelError(f"{source}: {error}", source=source) from error
        except TypeError as error:
            raise ModelError(
                f"{source} lacks an entry of a model card, or has one too many: {error}", source=source
            ) from error

    def to_json(self) -> str:
        """Return the card as indented JSON, a list of numbers in one line."""
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
        return _NUMBERS.sub(lambda numbers: "[" + " ".join(numbers[0][1:-1].split()) + "]", text)


def _int8_of(plain: Any, *, source: str) -> Int8:
    try:
        return Int8.of(plain)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(
            f"the entry int8 of {source} can't be read ({type(error).__name__}: {error}); install the model again.",
            source=source,
        ) from error
