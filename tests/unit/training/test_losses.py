"""Losses against other libraries, against NumPy, and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from skimage.metrics import structural_similarity

from limpid.training.losses import LOSSES, weighted_sum

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def value(name, prediction, target):
    tensors = (torch.as_tensor(np.asarray(image, np.float64))[None, None] for image in (prediction, target))
    return float(LOSSES[name](*tensors))


def pictures(height, width, *, sigma=0.1):
    target = data.camera()[100 : 100 + height, 100 : 100 + width] / 255
    return target + sigma * np.random.default_rng(0).standard_normal(target.shape), target


def structure_and_luminance(x, y):
    """Return the means of both at one scale, by the formulas of Wang et al., 2004."""
    places = np.arange(-5, 6)
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(values):
        return ndimage.correlate(values, window)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    structure = (2 * vxy + 0.03**2) / (vx + vy + 0.03**2)
    return structure.mean(), (structure * (2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2)).mean()


@pytest.mark.parametrize("side", [11, 16, 21])
def test_at_one_scale_ms_ssim_is_that_of_scikit_image(side):
    noisy, clean = pictures(side, side + 30)
    expected = structural_similarity(
        noisy, clean, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert value("ms_ssim", noisy, clean) == pytest.approx(1 - expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width", "scales"), [(22, 60, 2), (96, 87, 3), (89, 88, 4), (176, 199, 5)])
def test_ms_ssim_is_the_product_over_as_many_scales_as_fit(height, width, scales):
    noisy, clean = pictures(height, width)
    x, y, expected = noisy, clean, 1.0
    for scale, exponent in enumerate(EXPONENTS[:scales]):
        structure, both = structure_and_luminance(x, y)
        expected *= (both if scale == scales - 1 else structure) ** (exponent / sum(EXPONENTS[:scales]))
        x, y = (i[: len(i) // 2 * 2, : i.shape[1] // 2 * 2] for i in (x, y))
        x, y = (i.reshape(len(i) // 2, 2, -1, 2).mean(axis=(1, 3)) for i in (x, y))
    assert value("ms_ssim", noisy, clean) == pytest.approx(1 - expected, abs=1e-9)


def test_ms_ssim_is_the_mean_over_images_and_channels():
    images = [torch.from_numpy(np.stack(pictures(40, 40, sigma=s))) for s in (0.02, 0.1, 0.3, 0.5)]
    single = [float(LOSSES["ms_ssim"](x[None, None], y[None, None])) for x, y in images]
    x, y = torch.stack(images, dim=1).reshape(2, 2, 2, 40, 40)
    assert float(LOSSES["ms_ssim"](x, y)) == pytest.approx(np.mean(single))


def test_charbonnier_is_quadratic_for_small_errors_and_l1_for_large_ones():
    assert value("charbonnier", [[1.0, -1.0]], [[0.0, 0.0]]) == pytest.approx(np.sqrt(1 + 1e-6) - 1e-3)
    assert value("charbonnier", [[1e-5]], [[0.0]]) == pytest.approx(1e-10 / 2e-3, rel=1e-3)


def test_huber_is_by_hand():
    assert value("huber", [[0.04]], [[0.0]]) == pytest.approx(0.04**2 / 2)
    assert value("huber", [[0.0]], [[0.25]]) == pytest.approx(0.05 * (0.25 - 0.025))


def test_cross_entropy_has_the_gradient_of_the_cross_entropy():
    prediction, target = 0.1 + 0.8 * torch.rand(2, 1, 1, 5, 5, dtype=torch.float64)
    ours, theirs = (prediction.clone().requires_grad_() for _ in range(2))
    LOSSES["cross_entropy"](ours, target).backward()
    torch.nn.functional.binary_cross_entropy(theirs, target).backward()
    assert torch.allclose(ours.grad, theirs.grad)


def test_cross_entropy_is_by_hand():
    assert value("cross_entropy", [[0.25]], [[0.5]]) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    most = np.log(1 - 1 / 510) * (1 - 1 / 510) + np.log(1 / 510) / 510
    assert value("cross_entropy", [[0.5]], [[1.0]]) == pytest.approx(1 / 510 + np.log(2) + most)


def test_the_objective_of_an_autoencoder_can_be_named_by_a_weight():
    """Half the sum over 28 x 28 values, as a mean over images."""
    x, y = torch.rand(2, 6, 1, 28, 28)
    assert float(weighted_sum("392 mse")(x, y)) == pytest.approx(float((x - y).square().sum() / 12), rel=1e-5)
