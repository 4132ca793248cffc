"""``auto``: the shipped network that fits the noise of each image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limpid.core.apply import level_removed
from limpid.core.denoiser import Capabilities, Denoiser
from limpid.core.image import FloatArray, Image
from limpid.noise.result import NoiseEstimate, rms
from limpid.workflows.level import level_of, measured_sigma

if TYPE_CHECKING:
    from limpid.inference.denoiser import NetworkDenoiser
    from limpid.inference.runtimes import Runtime

__all__ = ["CAMERA", "WHITE", "Choosing", "Fitting", "fitting"]

#: The family for white noise.
WHITE: Final = "best"

#: The family that was trained on noise as cameras make it.
CAMERA: Final = "camera"

#: Share of clipped values from which on the noise itself is cut off, which only ``camera`` has learnt.
_CLIPPED: Final = 0.15

#: ``camera`` never removes so many times the white noise that was measured,
_MORE_THAN_MEASURED: Final = 1.1

#: nor so many times what a network for white noise removes of it.
_MORE_THAN_WHITE: Final = 1.3

#: What it removes below this share of the range is texture.
_FAINT: Final = 0.01

#: Longest side of the parts in which that is seen. It and the limits above were chosen on held-out pictures of the pool
#: (recipes/LOG.md).
_PART_PX: Final = 96


class Fitting(NamedTuple):
    """A denoiser, and what of an image it was chosen for, in a few words; None where there was no choice."""

    denoiser: Denoiser
    reason: str | None


class Choosing:
    """Two families of networks, of which :func:`fitting` takes the one for an image.

    By itself, told a level, it is the one for white noise.

    Parameters
    ----------
    white : NetworkDenoiser
        For white noise, in single channels and in colour.
    camera : NetworkDenoiser
        For noise as cameras make it, in colour.
    """

    name: Final = "auto"

    def __init__(self, white: NetworkDenoiser, camera: NetworkDenoiser) -> None:
        self.white = white
        self.camera = camera

    @property
    def families(self) -> tuple[NetworkDenoiser, NetworkDenoiser]:
        """Both."""
        return self.white, self.camera

    @property
    def runtime(self) -> Runtime:
        """Where both run."""
        return self.white.runtime

    @property
    def capabilities(self) -> Capabilities:
        """Those of the network for white noise, with room for either."""
        white, camera = (one.capabilities for one in self.families)
        return dataclasses.replace(
            white,
            halo_px=max(one.halo_px or 0 for one in (white, camera)),
            align_px=math.lcm(white.align_px, camera.align_px),
            bytes_per_pixel=max(white.bytes_per_pixel, camera.bytes_per_pixel),
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """Its name, and what both are: which is taken for an image follows from its pixels."""
        return {"model": self.name, "networks": [dict(one.identity) for one in self.families]}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return what the network for white noise returns (see :class:`limpid.core.denoiser.Denoiser`)."""
        return self.white.denoise_plane(noisy, level)

    def named(self, name: str | None) -> Denoiser | None:
        """Return the one that goes by a name, if one does."""
        return next((one for one in self.families if one.name == name), None)


def fitting(denoiser: Denoiser, noise: NoiseEstimate | None, *, image: Image) -> Fitting:
    """Return what is to denoise an image; a denoiser that leaves no choice is returned as it is.

    A network trained on white noise takes other noise for structure, and leaves much of it; one trained on what cameras
    make gives away some of what the other reaches on white noise, and takes texture for noise where there is hardly
    any. So JPEG files go to the second, and images whose black and white cut much of the noise off. Of others, what
    both networks remove from some parts is compared: correlation alone may be that of texture, and noise that is no
    Gaussian, or grows with the signal otherwise than that of photons, shows none.

    Parameters
    ----------
    denoiser : Denoiser
        As :func:`limpid.load_model` returned it.
    noise : NoiseEstimate or None
        What was measured in the image; None where its level was told, which tells nothing of its kind.
    image : Image
        As it is to be denoised.
    """
    if not isinstance(denoiser, Choosing):
        return Fitting(denoiser, None)
    white, camera = denoiser.families
    if image.channels != 3:
        return Fitting(white, "an image that is not RGB")
    if noise is None:
        return Fitting(white, "a level that was told")
    if noise.jpeg:
        return Fitting(camera, "traces of JPEG")
    if not noise.measured:
        return Fitting(white, "noise that can't be measured")
    return _compared(white, camera, noise, image)


def _compared(white: Denoiser, camera: Denoiser, noise: NoiseEstimate, image: Image) -> Fitting:
    """Return which of the two is for an image, by what they remove from parts of it."""
    level, sigmas = level_of(image, measured_sigma(noise))

    def look(denoiser: Denoiser) -> tuple[float, float]:
        each = level_removed(image, denoiser, level=level, side_px=_PART_PX)
        return rms(each[0].tolist()), rms(each[1].tolist())

    most, told = look(camera) if any(sigmas) else (0.0, 0.0)
    if most < _FAINT:
        return Fitting(white, "hardly any noise")
    if sum(noise.clipped_share) > _CLIPPED:
        return Fitting(camera, "noise that black and white cut off")
    stronger = most > _MORE_THAN_MEASURED * told
    if stronger or most > _MORE_THAN_WHITE * look(white)[0]:
        other = "noise stronger than measured" if stronger else f"noise that {white.name} leaves"
        return Fitting(camera, "correlated noise" if noise.white is False else other)
    return Fitting(white, "white noise" if noise.white else f"noise that {white.name} removes")
