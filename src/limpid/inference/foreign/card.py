"""The card of someone else's ONNX file: what can't be seen from the file itself."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from limpid.core.arguments import hint
from limpid.core.errors import ModelError

__all__ = ["CARD_NOTE", "OnnxCard"]

#: Key of the card among the metadata of an ONNX file that limpid wrote.
CARD_NOTE: Final = "limpid_card"

_OUTPUTS: Final = ("image", "residual")
_NAMES: Final = ("noisy", "level")
_FLAGS: Final = ("blind", "level_again")
_COUNTS: Final = {
    "channels": 1,
    "size_multiple": 1,
    "align_px": 1,
    "halo_px": 0,
    "halo_planes": 0,
    "bytes_per_pixel": 1,
}


@dataclass(frozen=True, kw_only=True)
class OnnxCard:
    """What is known about an ONNX file; what is None is found from the file or by running it.

    Attributes
    ----------
    output : str
        ``image``, or ``residual``: what is to be added to the noisy image.
    noisy, level : str or None
        Names of the inputs for the image and the noise level. Needed where there are two, unless these are their names.
    channels : int or None
        1 or 3.
    size_multiple : int or None
        Height and width of what the network is fed are multiples of this.
    align_px : int or None
        Tiles also begin at multiples of this: for networks that halve the image and pad it themselves.
    halo_px : int or None
        Pixels around a tile that the network must see.
    halo_planes : int or None
        Planes around a slab that the network must see. It says that the network takes stacks, and goes with `halo_px`
        and `size_multiple`.
    sigma_max : float
        Largest noise level it was made for, as a share of the value range.
    bytes_per_pixel : int or None
        Working memory for each pixel of a tile.
    blind : bool
        Whether the network judges the noise by itself though it takes a level; one that takes none does so anyway.
    level_again : bool
        Whether a blind network does better when it is told a second time, what it removed at first.
    """

    output: str
    noisy: str | None = None
    level: str | None = None
    channels: int | None = None
    size_multiple: int | None = None
    align_px: int | None = None
    halo_px: int | None = None
    halo_planes: int | None = None
    sigma_max: float = math.inf
    bytes_per_pixel: int | None = None
    blind: bool = False
    level_again: bool = False

    @classmethod
    def beside(cls, path: Path, notes: Mapping[str, str]) -> Self | None:
        """Return the card of an ONNX file: ``NAME.json`` beside it, the note limpid left in it, or ``card.json``.

        Raises
        ------
        ModelError
            If there is one that can't be used.
        """
        own = cls._at(path.with_suffix(".json"))
        if own is None and CARD_NOTE in notes:
            return cls.from_json(notes[CARD_NOTE], source=str(path))
        return own or cls._at(path.with_name("card.json"))

    @classmethod
    def _at(cls, place: Path) -> Self | None:
        try:
            return cls.from_json(place.read_text(encoding="utf-8"), source=str(place))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{place} can't be read: {error}", source=str(place)) from error

    @classmethod
    def from_json(cls, text: str, *, source: str) -> Self:
        """Parse a card; `source` is named in errors.

        Raises
        ------
        ModelError
            If it is no card.
        """
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ModelError(f"{source} is no JSON: {error}", source=source) from error
        if not isinstance(raw, dict):
            raise ModelError(f"{source} must hold one object, such as {cls.example()}.", source=source)
        if "architecture" in raw:
            raise ModelError(f"{source} is the card of a model folder; name the folder as the model.", source=source)
        known = [field.name for field in dataclasses.fields(cls)]
        for key in raw:
            if key not in known:
                nearest = hint(key, known, otherwise="known: ")
                raise ModelError(f"unknown entry {key!r} in {source}; {nearest}", source=source)
        wrong = [key for key, value in raw.items() if not _fits(key, value)]
        if wrong or "output" not in raw:
            key = wrong[0] if wrong else "output"
            raise ModelError(f"{source}: {key} must be {_rule(key)}, got {raw.get(key)!r}.", source=source)
        card = cls(**raw)
        if card.halo_planes is not None and None in (card.halo_px, card.size_multiple):
            raise ModelError(
                f"{source}: halo_planes says that the network takes stacks; halo_px and size_multiple go with it, add "
                "them.",
                source=source,
            )
        if card.halo_planes is not None and card.level_again:
            raise ModelError(
                f"{source}: level_again looks at parts of single planes, and halo_planes says that the network takes "
                "stacks; leave one of them out.",
                source=source,
            )
        return card

    @classmethod
    def example(cls, *, noisy: str | None = None, level: str | None = None, channels: int | None = None) -> str:
        """Return a minimal card as JSON."""
        told = {"output": "image", "noisy": noisy, "level": level, "channels": channels}
        return json.dumps({key: value for key, value in told.items() if value is not None})

    def to_json(self) -> str:
        """Return the card in one line, without what it doesn't say."""
        told = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        return json.dumps({name: value for name, value in told.items() if value != defaults[name]})


def _fits(key: str, value: Any) -> bool:
    if key == "output":
        return value in _OUTPUTS
    if key in _NAMES:
        return value is None or isinstance(value, str)
    if key in _FLAGS:
        return isinstance(value, bool)
    if key == "sigma_max":
        return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return value is None or (type(value) is int and value >= _COUNTS[key])


def _rule(key: str) -> str:
    if key == "output":
        return "'image' or 'residual'"
    if key in _NAMES:
        return "the name of an input"
    if key in _FLAGS:
        return "true or false"
    return "a number above 0" if key == "sigma_max" else f"a whole number from {_COUNTS[key]}"
