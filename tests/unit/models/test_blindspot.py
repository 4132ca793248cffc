"""The blind-spot network, and what it makes of its prior."""

import pytest
import torch

from limpid.core.errors import ModelError
from limpid.models.prior import Prior, negative_log_likelihood, posterior_residual
from limpid.models.registry import build_network

SIGMA = 0.1


@pytest.fixture(params=[1, 3])
def channels(request):
    return request.param


@pytest.fixture
def network(channels):
    torch.manual_seed(0)
    return build_network("blindspot", {"channels": channels, "width": 4, "levels": 2})


@pytest.fixture
def noisy(channels):
    return torch.rand(1, channels, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("place", [(0, 0), (7, 8), (8, 15), (15, 23), (4, 12)])
@torch.no_grad()
def test_the_prior_of_a_pixel_does_not_change_when_only_that_pixel_does(network, noisy, place):
    y, x = place
    changed = noisy.clone()
    changed[..., y, x] += 1
    before, after = network.prior(noisy), network.prior(changed)
    for one, two in zip(before, after, strict=True):
        assert torch.allclose(one[..., y, x], two[..., y, x], rtol=0, atol=1e-6)
        moved = (one - two).abs().flatten(0, -3).amax(0) > 1e-6
        around = moved[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert around.sum() == around.numel() - 1  # all but the pixel itself


@torch.no_grad()
def test_the_answer_is_the_mean_of_the_clean_pixel_given_the_noisy_one(network, noisy, channels):
    """Against the textbook: precisions add, and means are weighted by them."""
    level = SIGMA * (1 + torch.rand(noisy.shape, generator=torch.Generator().manual_seed(2)))
    mean, covariance = (t.double() for t in network.prior(noisy))
    covariance = covariance.permute(0, 3, 4, 1, 2) + 1e-6 * torch.eye(channels)
    precision = torch.diag_embed(level.double().square().permute(0, 2, 3, 1)).inverse()
    right = covariance.inverse() @ mean.permute(0, 2, 3, 1)[..., None]
    right = right + precision @ noisy.double().permute(0, 2, 3, 1)[..., None]
    expected = torch.linalg.solve(covariance.inverse() + precision, right)[..., 0].permute(0, 3, 1, 2)
    assert torch.allclose((noisy + network(noisy, level)).double(), expected, atol=1e-3)


def test_the_likelihood_is_that_of_a_normal_distribution(channels):
    generator = torch.Generator().manual_seed(3)
    root = torch.randn(2, 5, 6, channels, channels, generator=generator)
    covariance = root @ root.mT
    mean, noisy = (torch.randn(2, channels, 5, 6, generator=generator) for _ in range(2))
    level = 0.5 + torch.rand(2, channels, 5, 6, generator=generator)
    found = negative_log_likelihood(Prior(mean, covariance.permute(0, 3, 4, 1, 2)), noisy, level)
    total = covariance + torch.diag_embed(level.square().permute(0, 2, 3, 1))
    normal = torch.distributions.MultivariateNormal(mean.permute(0, 2, 3, 1), total)
    constant = channels / 2 * torch.log(torch.tensor(2 * torch.pi))
    assert torch.allclose(found + constant, -normal.log_prob(noisy.permute(0, 2, 3, 1)), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_without_noise_the_image_stays_as_it_is(network, noisy):
    nothing = torch.zeros_like(noisy)
    assert torch.equal(network(noisy, nothing), nothing)
    assert torch.equal(network(nothing, nothing), nothing)


@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1, 1.0])
def test_channels_that_go_together_entirely_are_no_trouble(spread):
    """A covariance of rank 1 can't be inverted, and with little noise hardly so what is added to it."""
    covariance = torch.full((1, 3, 3, 1, 1), spread**2)
    noisy, mean = torch.rand(2, 1, 3, 1, 1, generator=torch.Generator().manual_seed(4))
    for level in (0.0, 1e-4, 0.1):
        residual = posterior_residual(Prior(mean, covariance), noisy, torch.full_like(noisy, level))
        assert residual.abs().max() <= 3 * (mean - noisy).abs().max()


@pytest.mark.parametrize("changes", [{"width": 0}, {"levels": 0}])
def test_networks_that_are_none_are_refused(changes):
    with pytest.raises(ModelError, match=r"must be at least 1, got width=\d, levels=\d"):
        build_network("blindspot", {"channels": 1, "width": 4, "levels": 2, **changes})
