"""What every strategy promises."""

import numpy as np
import pytest
import torch

from limpid.models.prior import Prior
from limpid.noise.models import PoissonGaussian
from limpid.training.batch import Batch
from limpid.training.config import LIKELIHOOD_STRATEGIES, STRATEGY_NAMES
from limpid.training.losses import LOSSES
from limpid.training.strategies import STRATEGIES
from limpid.training.strategies.noise2void import Noise2Void

SIGMA = 0.1


class Sure:
    """A network that is sure of its answer: no variance is left in its prior."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, noisy, level):
        return self.answer(noisy, level)

    def prior(self, noisy, level):
        mean = self.answer(noisy, level)
        return Prior(mean, torch.zeros(len(mean), 1, *mean.shape[1:]))


def test_a_configuration_may_name_every_strategy_and_no_other():
    assert STRATEGIES.keys() == STRATEGY_NAMES


def test_a_loss_is_named_for_all_but_those_that_learn_from_the_likelihood_of_a_prior():
    assert {name for name, one in STRATEGIES.items() if one.needs_prior} == LIKELIHOOD_STRATEGIES


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param]


@pytest.fixture(params=[(32, 1), (4, 1, 8)], ids=["planes", "stacks"])
def clean(request):
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    return (0.5 + 0.3 * torch.sin(5 * x) * torch.cos(4 * y)).expand(*request.param, 64, 64)


def batch_of(clean, *, target, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noisy, other = (clean + SIGMA * torch.randn(clean.shape, generator=generator) for _ in range(2))
    return Batch(noisy, torch.full_like(noisy, SIGMA), other if target else None)


def value(strategy, answer, batch, seed=0):
    """Return the objective as a mean squared error: a likelihood tells it as a multiple of twice the variance."""
    found = strategy.objective(Sure(answer), batch, LOSSES["mse"], torch.Generator().manual_seed(seed))
    return found * (2 * SIGMA**2 if strategy.needs_prior else 1)


def test_it_is_a_scalar_that_follows_from_the_generator(strategy, clean):
    batch = batch_of(clean, target=strategy.needs_target)
    weight = torch.tensor(0.9, requires_grad=True)
    first, again = (value(strategy, lambda noisy, _: weight * noisy, batch) for _ in range(2))
    first.backward()
    assert first.shape == ()
    assert first == again
    assert weight.grad is not None
    assert torch.isfinite(weight.grad)


def test_denoising_better_makes_it_smaller_by_what_the_error_falls(strategy, clean):
    """No clean image is seen, but the objective falls with the true error: as much, or three times where terms add."""
    batch = batch_of(clean, target=strategy.needs_target)

    def shifted(by):
        def predict(noisy, _):
            # The clean image of the size and number asked for: half-size images are of every second pixel.
            step = 64 // noisy.shape[-1]
            return torch.cat([clean[..., ::step, ::step]] * (len(noisy) // len(clean))) + by

        return predict

    right, off = value(strategy, shifted(0.0), batch), value(strategy, shifted(0.05), batch)
    assert 0.75 < float(off - right) / 0.05**2 < 3.75


def test_a_level_that_follows_the_signal_is_made_of_what_the_network_is_given(strategy, clean):
    """The level of the whole patch would tell the pixels that were hidden, or kept apart as the target."""
    model = PoissonGaussian(gain=0.05, floor=0.001)
    noisy = torch.from_numpy(model.sample(clean.numpy(), rng=np.random.default_rng(0)))
    level = Batch(noisy, noisy, None, [(model,)] * len(noisy)).level_of(noisy)
    batch = Batch(noisy, level, noisy if strategy.needs_target else None, [(model,)] * len(noisy))
    told = []

    def answer(given, level):
        told.append((given, level))
        return given

    value(strategy, answer, batch)
    if strategy.needs_prior:
        return  # the blind spot's network is told no level: tests/unit/models/test_blindspot.py
    for given, level in told:
        ratio = (level / batch.level_of(given)).flatten(1)
        assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4)
        assert (ratio >= 1 - 1e-4).all()


def test_keeping_the_noise_is_no_answer(strategy, clean):
    """An input that is handed back is off by its noise, although no pixel of it is known to be wrong."""
    if strategy.needs_prior:
        pytest.skip("its network can't hand back what it does not see; see the next test")
    batch = batch_of(clean, target=strategy.needs_target)
    assert value(strategy, lambda noisy, _: noisy, batch) > 0.9 * SIGMA**2


def test_a_prior_that_keeps_the_noise_is_less_likely_than_one_that_knows_better(clean):
    batch = batch_of(clean, target=False)

    def likelihood(variance):
        prior = Prior(clean + 0.05 * torch.sin(40 * clean), torch.full((len(clean), 1, *clean.shape[1:]), variance))
        predict = type("Predict", (), {"prior": lambda *_: prior})()
        return float(STRATEGIES["blind_spot"].objective(predict, batch, LOSSES["mse"], torch.Generator()))

    true = 0.05**2 / 2
    assert likelihood(true) < min(likelihood(0.0), likelihood(4 * true), likelihood(1.0))


@pytest.mark.parametrize("name", ["noise2void", "neighbor2neighbor", "recorrupted", "blind_spot"])
def test_those_that_look_at_neighbours_alone_say_that_noise_must_be_white(name):
    assert STRATEGIES[name].needs_white_noise
    assert not STRATEGIES[name].needs_target


def test_hiding_neighbours_makes_noise_that_is_correlated_with_them_valid():
    assert Noise2Void().needs_white_noise
    assert not Noise2Void((0, 2)).needs_white_noise


def test_hidden_pixels_are_not_seen(clean):
    batch = batch_of(clean, target=False)
    seen = []
    value(STRATEGIES["noise2void"], lambda noisy, _: seen.append(noisy) or noisy, batch)
    changed = (seen[0] != batch.noisy).flatten(-2).sum(dim=-1)
    assert (changed == 256).all()  # one in each 4 x 4 of 64 x 64


@pytest.mark.parametrize("mask_px", [(0, 0), (0, 3), (2, 0), (1, 2)])
def test_a_mask_hides_a_pixel_and_its_neighbours_and_what_they_get_comes_from_outside_of_it(mask_px):
    (down, across), count = mask_px, 16
    # Images of one cell, so of one mask, in which no two values are alike.
    noisy = torch.arange(float(count * (4 + 2 * down) * (4 + 2 * across))).reshape(count, 1, 4 + 2 * down, -1)
    seen, asked = [], []

    def loss(_, target):
        asked.extend(target.flatten())
        return target.sum()

    Noise2Void(mask_px).objective(
        lambda image, _: seen.append(image) or image,
        Batch(noisy, torch.ones_like(noisy)),
        loss,
        torch.Generator().manual_seed(0),
    )
    assert len(asked) == count
    for before, after, value in zip(noisy[:, 0], seen[0][:, 0], asked, strict=True):
        y, x = (before == value).nonzero()[0].tolist()
        hidden = torch.zeros_like(before, dtype=torch.bool)
        hidden[max(y - down, 0) : y + down + 1, max(x - across, 0) : x + across + 1] = True
        assert torch.isin(after[hidden], before[~hidden]).all()
        assert torch.equal(after[~hidden], before[~hidden])


def test_half_images_are_made_of_adjacent_pixels():
    """Where every pixel is unlike all others, each pair must come from one cell of 2 x 2, along a row or a column."""
    noisy = torch.arange(16.0 * 16).reshape(1, 1, 16, 16)
    given = []
    STRATEGIES["neighbor2neighbor"].objective(
        lambda image, _: given.append(image) or image,
        Batch(noisy, torch.ones_like(noisy)),
        lambda first, second: (first - second).abs().flatten().unique().sum(),
        torch.Generator().manual_seed(0),
    )
    assert given[0].shape == (1, 1, 8, 8)
    cell = (given[0] // 32).long() * 8 + (given[0] % 16 // 2).long()
    assert torch.equal(cell.flatten(), torch.arange(64))
    differences = STRATEGIES["neighbor2neighbor"].objective(
        lambda image, _: image,
        Batch(noisy, torch.ones_like(noisy)),
        lambda first, second: torch.isin((first - second).abs(), torch.tensor([1.0, 16.0])).all().float(),
        torch.Generator().manual_seed(0),
    )
    assert differences == 1


def test_half_stacks_are_made_of_the_same_pixels_of_every_plane():
    noisy = torch.arange(16.0 * 16).reshape(1, 1, 1, 16, 16).repeat(1, 1, 3, 1, 1)
    given = []
    STRATEGIES["neighbor2neighbor"].objective(
        lambda image, _: given.append(image) or image,
        Batch(noisy, torch.ones_like(noisy)),
        LOSSES["mse"],
        torch.Generator().manual_seed(0),
    )
    assert given[0].shape == (1, 1, 3, 8, 8)
    assert (given[0] == given[0][:, :, :1]).all()


def test_hidden_pixels_of_a_stack_get_values_of_their_own_plane_and_channel():
    """Where each plane of each channel is of one value, nothing changes."""
    noisy = torch.arange(24.0).reshape(2, 3, 4, 1, 1).expand(2, 3, 4, 16, 16)
    given = []
    STRATEGIES["noise2void"].objective(
        lambda image, _: given.append(image) or image,
        Batch(noisy, torch.ones_like(noisy)),
        LOSSES["mse"],
        torch.Generator().manual_seed(0),
    )
    assert torch.equal(given[0], noisy)
