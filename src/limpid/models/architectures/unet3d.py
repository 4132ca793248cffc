"""The house U-Net in volumes: convolutions of 3 x 3 x 3, for stacks whose planes show what their neighbours show.

All is as in :mod:`limpid.models.architectures.unet`, but that convolutions see the planes on either side as well (3D
U-Net: Çiçek, Abdulkadir, Lienkamp, Brox, Ronneberger, MICCAI 2016, doi:10.1007/978-3-319-46723-8_49). Only the plane is
halved, never the stack: stacks are of any depth, and mostly sampled more coarsely along it than in the plane. What lies
beyond the first and the last plane is 0, and so is its level, by which the network tells it from what is dark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from limpid.models.architectures.unet import Layers, UNet

__all__ = ["UNet3D"]

#: Size and step of what halves the plane and leaves the stack as deep as it is.
_HALF: Final = (1, 2, 2)

#: What the planes on either side count for in a new network, as a share of the plane between them. It begins close to
#: the network of that plane: after 1000 steps, 0.36 of the noise was left, and 0.38 where all three began alike.
_BESIDE: Final = 0.1


def _in_planes(change: Callable[[Tensor, int], Tensor], volume: Tensor) -> Tensor:
    """Return a volume, shape (N, C, D, H, W), each plane of which is changed by itself."""
    count, _, depth, *_ = volume.shape
    planes = change(volume.transpose(1, 2).flatten(0, 1), 2)
    return planes.reshape(count, depth, *planes.shape[1:]).transpose(1, 2)


_VOLUME: Final = Layers(
    conv=lambda inputs, outputs: nn.Conv3d(inputs, outputs, kernel_size=3, padding=1, bias=False),
    down=lambda inputs, outputs: nn.Conv3d(inputs, outputs, kernel_size=_HALF, stride=_HALF, bias=False),
    up=lambda inputs, outputs: nn.ConvTranspose3d(inputs, outputs, kernel_size=_HALF, stride=_HALF, bias=False),
    unshuffle=lambda volume: _in_planes(functional.pixel_unshuffle, volume),
    shuffle=lambda volume: _in_planes(functional.pixel_shuffle, volume),
)


class UNet3D(UNet):
    """Predict the noise of a stack from the stack and its noise level, both of shape (N, C, D, H, W).

    Parameters
    ----------
    **parameters
        Those of :class:`~limpid.models.architectures.unet.UNet`. D may be anything.
    """

    #: Tensors have an axis for the planes of a stack.
    volumetric = True

    layers: ClassVar[Layers] = _VOLUME

    @torch.no_grad()
    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        for weight in self.parameters():
            if weight.shape[2] == 3:
                weight.mul_(3**0.5)  # a third of the inputs now makes up for all
                weight[:, :, ::2] *= _BESIDE
