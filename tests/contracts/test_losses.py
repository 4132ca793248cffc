"""What every loss promises."""

import pytest
import torch

from limpid.training.config import LOSS_NAMES
from limpid.training.losses import LOSSES


def test_recipes_may_name_every_loss_and_no_other():
    assert LOSSES.keys() == LOSS_NAMES


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def test_it_is_nothing_for_equal_images_and_grows_with_the_error(loss):
    target = torch.rand(2, 1, 32, 32)
    values = [float(loss(target + error, target)) for error in (0.0, 0.1, 0.2)]
    assert values[0] == 0
    assert values[0] < values[1] < values[2]


def test_it_is_a_scalar_with_a_gradient_towards_the_target(loss):
    target, test = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    value = loss(test, target)
    value.backward()
    assert value.shape == ()
    assert (test.grad > 0).all()
