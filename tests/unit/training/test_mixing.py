"""A pixel's own value, mixed back."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from limpid.training.mixing import mix_back


class FromNeighbours(nn.Module):
    """Answer with the mean of the four neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0

    def forward(self, noisy, level):
        kernel = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
        mean = functional.conv2d(functional.pad(noisy, (1, 1, 1, 1), mode="circular"), kernel[None, None])
        return self.factor * (mean - noisy)

    def scale_residual(self, factor: float) -> None:
        self.factor *= factor


def test_what_is_left_becomes_least_and_is_told():
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    clean = (torch.sin(x / 3) + torch.cos(y / 4))[None, None]
    noisy = clean + torch.randn(clean.shape, generator=generator)

    def left(network):
        return float((noisy + network(noisy, None) - clean).square().mean())

    network = FromNeighbours()
    before = left(network)
    told = mix_back(network, before)
    after, best = left(network), network.factor
    assert after == pytest.approx(told, rel=0.05)
    assert after < 0.85 * before
    for nearby in (0.9, 1.1):
        network.factor = nearby * best
        assert left(network) > after


@pytest.mark.parametrize("noise_left", [0.0, -0.1])
def test_nothing_is_mixed_where_nothing_is_left(noise_left):
    network = FromNeighbours()
    assert mix_back(network, noise_left) == noise_left
    assert network.factor == 1


def test_a_network_that_can_not_remove_less_stays_as_it_is():
    assert mix_back(nn.Conv2d(1, 1, 1), 0.3) == 0.3
