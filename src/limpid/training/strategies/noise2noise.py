"""Noise2Noise: a second exposure as the target."""

from __future__ import annotations

from typing import ClassVar

from limpid.training.strategies.supervised import Supervised

__all__ = ["Noise2Noise"]


class Noise2Noise(Supervised):
    """The denoised patch is to be the same scene with other noise [1]_.

    Noise of mean zero that is independent between the two exposures averages out of the mean squared error; it may be
    correlated between pixels. What repeats in both (a fixed pattern) is learnt as if it were signal, and so is motion.

    References
    ----------
    .. [1] J. Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018.
    """

    noisy_target: ClassVar = True
