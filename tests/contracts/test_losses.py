"""What every loss promises, alone and in a sum."""

import pytest
import torch

from limpid.training.config import LOSS_NAMES
from limpid.training.losses import LOSSES, weighted_sum

SUM = "0.84 ms_ssim + 0.16 l1 + mse"


def test_recipes_may_name_every_loss_and_no_other():
    assert LOSSES.keys() == LOSS_NAMES


@pytest.fixture(params=[*LOSSES, SUM])
def loss(request):
    return weighted_sum(request.param)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (1, 3, 50, 41), (3, 1, 5, 7), (1, 1, 1, 1), (2, 3, 4, 32, 30)])
def test_it_is_nothing_for_equal_images_and_grows_with_the_error(loss, shape):
    target = 0.7 * torch.rand(shape, generator=torch.Generator().manual_seed(0))
    values = [float(loss(target + error, target)) for error in (0.0, 0.1, 0.2)]
    assert values[0] == 0
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize(("at", "to"), [(0.5, 0.0), (0.5, 0.2), (1.2, 0.9), (1.4, 1.2)])
def test_it_is_a_scalar_with_a_gradient_towards_the_target(loss, at, to):
    target, test = torch.full((1, 1, 8, 8), to), torch.full((1, 1, 8, 8), at, requires_grad=True)
    value = loss(test, target)
    value.backward()
    assert value.shape == ()
    assert (test.grad > 0).all()


def test_its_gradient_is_finite_for_equal_images_and_for_opposite_ones(loss):
    target = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0)).round()
    for test in (target.clone(), 1 - target):
        loss(test.requires_grad_(), target).backward()
        assert test.grad.isfinite().all()


def test_it_leaves_both_images_as_they_are(loss):
    images = torch.rand(2, 1, 1, 16, 16)
    before = images.clone()
    loss(*images)
    assert torch.equal(images, before)


def test_a_sum_is_that_of_its_terms_times_their_weights():
    images = torch.rand(2, 1, 3, 24, 24)
    expected = 0.84 * LOSSES["ms_ssim"](*images) + 0.16 * LOSSES["l1"](*images) + LOSSES["mse"](*images)
    assert float(weighted_sum(SUM)(*images)) == pytest.approx(float(expected), rel=1e-6)


def test_a_stack_counts_as_its_planes(loss):
    images = torch.rand(2, 2, 1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    planes = [image.transpose(1, 2).flatten(0, 1) for image in images]
    assert float(loss(*images)) == pytest.approx(float(loss(*planes)), rel=1e-5)
