"""What a network learns from another network."""

import numpy as np
import pytest
import torch

from limpid.core.errors import ConfigError
from limpid.models.store import find_models
from limpid.training.batch import Synthetic
from limpid.training.config import Data, Noise, Teacher
from limpid.training.data import Pool
from limpid.training.distillation import Taught
from limpid.workflows.models import load_model

SIGMA = 25


def source():
    y, x = np.mgrid[:128, :128]
    picture = (128 + 60 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)[..., None]
    data = Data(pool="none", channels=1, reductions=(1.0,))
    return Synthetic(Pool([picture], data), Noise(sigma_max=SIGMA, zero_share=0, poisson_share=0, level_error=0))


def drawn(source):
    return source.draw(2, patch_px=64, rng=np.random.default_rng(5), step=0)


def test_a_target_lies_between_the_clean_patch_and_what_the_teacher_answers():
    plain, wholly = drawn(source()), drawn(Taught(source(), Teacher(model="fast", share=1.0), channels=1))
    partly = drawn(Taught(source(), Teacher(model="fast", share=0.25), channels=1))
    torch.testing.assert_close(wholly.noisy, plain.noisy)
    torch.testing.assert_close(partly.target, 0.75 * plain.target + 0.25 * wholly.target)

    denoiser = load_model("fast", precision="fp32")
    for noisy, level, target in zip(plain.noisy, plain.level, wholly.target, strict=True):
        answer = denoiser.denoise_plane(*(np.moveaxis(t.numpy(), 0, -1) for t in (noisy, level)))
        # bf16 in training, fp32 here.
        assert np.abs(answer[..., 0] - target[0].numpy()).mean() < 0.05 * SIGMA / 255


def test_what_is_learnt_from_a_teacher_does_not_change_it():
    taught = Taught(source(), Teacher(model=str(find_models("fast")[1].folder), share=1.0), channels=1)
    assert not drawn(taught).target.requires_grad
    torch.testing.assert_close(drawn(taught).target, drawn(taught).target)


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_the_share_of_a_teacher_is_a_share(share):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        Teacher(model="fast", share=share)


def test_a_teacher_for_other_channels_is_refused():
    with pytest.raises(ConfigError, match="'fast-color' takes no patches of 1 channels"):
        Taught(source(), Teacher(model="fast-color", share=0.5), channels=1)
