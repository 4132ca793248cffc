"""How a denoiser answers when its input is changed a little: its divergence, without looking inside.

References
----------
.. [1] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of regularization parameters for
   general denoising algorithms", IEEE Trans. Image Process. 17(9), 2008, theorem 2. :doi:`10.1109/TIP.2008.2001404`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from limpid.core.image import FloatArray
from limpid.noise.correlation import Correlation

__all__ = ["Rerun", "Response", "correlated_probe", "respond", "white_probe"]

#: Denoises planes, shape (N, Y, X, C), float32 in units of the value range, as the image at hand was denoised.
Rerun = Callable[[FloatArray], FloatArray]

#: The probe, in units of the noise. Its square times 0.12 is what the divergence is off by. Networks have to run in
#: fp32: the steps that bf16 rounds its input to are as large, and on 8-bit pixels they do not average out.
_STEP: Final = 0.03

#: Lags that a correlated probe may have, from minus a half of these to a half.
_PERIOD_PX: Final = 16


@dataclass(frozen=True)
class Response:
    """One probe and the answer to it, both in units of the noise at each pixel, shape (N, Y, X, C)."""

    probe: FloatArray
    answer: FloatArray

    def channel(self, index: int) -> Response:
        """Return that of one channel, shape (N, Y, X)."""
        return Response(self.probe[..., index], self.answer[..., index])


def respond(rerun: Rerun, noisy: FloatArray, denoised: FloatArray, sigma: FloatArray, probe: FloatArray) -> Response:
    """Return how the denoiser answers to a probe.

    Parameters
    ----------
    rerun : callable
        The denoiser.
    noisy, denoised : float32 array, shape (N, Y, X, C)
        Its input and its output, not rounded.
    sigma : float32 array, same shape
        Standard deviation of the noise, ``> 0``.
    probe : float32 array, same shape
        Of unit variance, with the correlation of the noise.
    """
    step = np.float32(_STEP)
    answer: FloatArray = (rerun(noisy + step * sigma * probe) - denoised) / (step * sigma)
    return Response(probe, answer)


def white_probe(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Return 1 and -1 at random: of all white probes the one whose divergence varies least."""
    signs: FloatArray = rng.integers(0, 2, shape, dtype=np.int8).astype(np.float32)
    return 2 * signs - 1


def correlated_probe(shape: tuple[int, ...], rng: np.random.Generator, correlation: Correlation) -> FloatArray:
    """Return Gaussian noise of unit variance, shape (N, Y, X, C), with the correlations that were measured.

    Off the axes, but for the diagonal neighbours, the correlation is taken to be the product of that along the rows and
    that along the columns. Where no stationary noise has these correlations, that nearest to it by clipping its
    spectrum is drawn.
    """
    rows, columns = (np.array([1.0, *along]) for along in (correlation.along_x, correlation.along_y))
    rows[1], columns[1] = correlation.x, correlation.y
    covariance = np.zeros((_PERIOD_PX, _PERIOD_PX))
    for (down, right), value in np.ndenumerate(np.outer(columns, rows)):
        one = correlation.diagonal if down == right == 1 else value
        for place in ((down, right), (-down, right), (down, -right), (-down, -right)):
            covariance[place] = one
    spectrum = np.maximum(np.fft.fft2(covariance).real, 0)
    kernel = np.roll(np.fft.ifft2(np.sqrt(spectrum)).real, _PERIOD_PX // 2, axis=(0, 1))
    kernel /= np.sqrt((kernel**2).sum())
    white = rng.standard_normal(shape, dtype=np.float32)
    probe: FloatArray = ndimage.convolve(white, kernel[None, :, :, None].astype(np.float32), mode="wrap")
    return probe
