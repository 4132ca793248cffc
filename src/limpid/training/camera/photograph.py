"""A photograph that a camera took of a clean picture, and the same without noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.camera.demosaic import DEMOSAICS
from limpid.training.camera.development import Development, draw_development
from limpid.training.camera.finish import Finish, as_stored, draw_finish
from limpid.training.camera.sensor import Mosaic, Sensor, draw_sensor, mosaic_of
from limpid.training.config import Camera

__all__ = ["Shot", "draw_shot"]

#: Pixels beside a photograph that filters can't fill, and that a change of size can't.
_EDGE_PX: Final = 4
_RESIZED_EDGE_PX: Final = 2

#: Side of JPEG's blocks: a photograph begins at any place of one.
_BLOCK_PX: Final = 8


@dataclass(frozen=True)
class Shot:
    """One camera in one light, and what becomes of its picture.

    Attributes
    ----------
    sensor, development, demosaic, finish, mosaic
        Of the camera.
    halved : bool
        Whether the picture is reduced by two before it is finished, as by cameras that store fewer pixels than they
        have. Noise is nearly white then.
    scale : float
        Of the size that the stored picture is given afterwards; 1 for none.
    corner : (int, int)
        Row and column of the crop's first pixel in a block of JPEG.
    """

    sensor: Sensor
    development: Development
    demosaic: str
    finish: Finish
    mosaic: Mosaic
    halved: bool
    scale: float
    corner: tuple[int, int]

    def scene_px(self, side_px: int) -> int:
        """Return the side of the clean picture that it takes for a photograph of so many pixels a side."""
        stored = self._stored_px(side_px) + _BLOCK_PX + 2 * _EDGE_PX
        return 2 * stored if self.halved else stored + stored % 2

    def take(self, scene: Tensor, rng: np.random.Generator, *, side_px: int) -> tuple[Tensor, Tensor]:
        """Return a photograph of a scene, and the same without noise and without JPEG.

        Without noise it has gone the same way, mosaic, tone and size: nothing but noise, and what JPEG did to it, is
        between the two.

        Parameters
        ----------
        scene : Tensor, shape (3, scene_px, scene_px)
            Clean picture in ``[0, 1]``.
        rng : numpy.random.Generator
            For the sensor's noise.
        side_px : int
            Of the photograph.

        Returns
        -------
        noisy, clean : Tensor, shape (3, side_px, side_px)
            In ``[0, 1]``.
        """
        signal = mosaic_of(self.development.sensed(scene), self.mosaic)
        seen = torch.stack([self.sensor.expose(signal, rng), signal.clamp(max=1)])
        balanced = self.development.balanced(seen, self.mosaic)
        pictures = self.development.shown(DEMOSAICS[self.demosaic](balanced, self.mosaic))
        if self.halved:
            pictures = functional.avg_pool2d(pictures, 2)
        noisy, clean = self.finish.corrected(pictures)
        both = torch.stack([self.finish.stored(noisy), clean])
        top, left = (_EDGE_PX + place for place in self.corner)
        side = self._stored_px(side_px)
        both = both[..., top : top + side, left : left + side]
        if self.scale != 1:
            size = side_px + 2 * _RESIZED_EDGE_PX
            both = functional.interpolate(both, size=(size, size), mode="bicubic", antialias=True)
            both = both[..., _RESIZED_EDGE_PX:-_RESIZED_EDGE_PX, _RESIZED_EDGE_PX:-_RESIZED_EDGE_PX]
        noisy, clean = both
        return as_stored(noisy), clean.clamp(0, 1)

    def _stored_px(self, side_px: int) -> int:
        return side_px if self.scale == 1 else math.ceil((side_px + 2 * _RESIZED_EDGE_PX) / self.scale)


def draw_shot(camera: Camera, rng: np.random.Generator) -> Shot:
    """Return a random shot."""
    size = rng.random()
    halved = size < camera.halved_share
    resized = camera.halved_share <= size < camera.halved_share + camera.resized_share
    return Shot(
        sensor=draw_sensor(camera, rng),
        development=draw_development(rng),
        demosaic=str(rng.choice(sorted(DEMOSAICS))),
        finish=draw_finish(camera, rng),
        mosaic=Mosaic(*(int(place) for place in rng.integers(2, size=2))),
        halved=halved,
        scale=float(rng.uniform(*camera.scale)) if resized else 1.0,
        corner=(int(rng.integers(_BLOCK_PX)), int(rng.integers(_BLOCK_PX))),
    )
