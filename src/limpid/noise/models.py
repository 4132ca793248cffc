"""Noise models: how the variance follows from the signal, how noise is drawn, and how models combine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from limpid.core.errors import OptionError

__all__ = ["Gaussian", "NoiseModel", "PoissonGaussian"]

_Floats = npt.NDArray[np.floating[Any]]


@runtime_checkable
class NoiseModel(Protocol):
    """Noise that is independent from pixel to pixel and has zero mean.

    Parameters are in data units and hold for one channel; where channels differ there is one model for each.
    """

    def variance(self, signal: npt.ArrayLike) -> _Floats:
        """Return the variance of the noise at a signal, in squared data units; never negative."""
        ...

    def sample(self, signal: npt.ArrayLike, *, rng: np.random.Generator) -> _Floats:
        """Return signal plus noise: same shape, float32 where the signal is float32, float64 otherwise."""
        ...

    def scaled(self, factor: float) -> NoiseModel:
        """Return the model of the image multiplied by `factor`."""
        ...

    def shifted(self, delta: float) -> NoiseModel:
        """Return the model of the image with `delta` added to it."""
        ...

    def __add__(self, other: NoiseModel) -> NoiseModel:
        """Return the model of an image that carries both noises, independent of each other."""
        ...


def in_unit_of(models: Sequence[NoiseModel], value_range: tuple[float, float]) -> tuple[NoiseModel, ...]:
    """Return models of the same noise where the value range is ``[0, 1]``."""
    low, high = value_range
    return tuple(one.shifted(-low).scaled(1 / (high - low)) for one in models)


@dataclass(frozen=True)
class Gaussian:
    """White Gaussian noise of one level everywhere: ``variance = sigma ** 2``.

    Attributes
    ----------
    sigma : float
        Standard deviation in data units, ``>= 0``.

    Examples
    --------
    >>> Gaussian(3.0) + Gaussian(4.0)
    Gaussian(sigma=5.0)
    """

    sigma: float

    def __post_init__(self) -> None:
        _require("sigma", self.sigma, ok=self.sigma >= 0, rule=">= 0")

    def variance(self, signal: npt.ArrayLike) -> _Floats:
        """Return ``sigma ** 2`` for every value of the signal, as float32 or float64 like `sample`."""
        signal = _floats(signal)
        return np.full(signal.shape, self.sigma**2, dtype=signal.dtype)

    def sample(self, signal: npt.ArrayLike, *, rng: np.random.Generator) -> _Floats:
        """Return signal plus noise; the signal is unchanged."""
        signal = _floats(signal)
        return signal + _normal(signal, self.sigma, rng)

    def scaled(self, factor: float) -> Gaussian:
        """Return the model of the image multiplied by `factor`, ``> 0``."""
        _require("factor", factor, ok=factor > 0, rule="> 0")
        return Gaussian(self.sigma * factor)

    def shifted(self, delta: float) -> Gaussian:  # noqa: ARG002 (same signature for every model)
        """Return this model: the noise does not depend on the signal."""
        return self

    def __add__(self, other: NoiseModel) -> NoiseModel:
        if isinstance(other, Gaussian):
            return Gaussian(math.hypot(self.sigma, other.sigma))
        if isinstance(other, PoissonGaussian):
            return other + self
        return NotImplemented


@dataclass(frozen=True)
class PoissonGaussian:
    r"""Counting noise and read noise: ``variance = gain * signal + floor``.

    A sensor that turns each quantum into `gain` data units, lifts the result by `offset` and adds Gaussian
    read noise gives

    .. math:: z = g \cdot \mathrm{Poisson}\left(\frac{s - o}{g}\right) + o + \mathcal{N}(0, r^2), \qquad
              \operatorname{var} z = g s + (r^2 - g o)

    with signal *s*, gain *g*, offset *o* and read noise *r*. A signal below the offset has no quanta: its
    variance is that of the read noise alone.

    Attributes
    ----------
    gain : float
        Data units per quantum, ``> 0``. Without counting noise the model is :class:`Gaussian`.
    floor : float
        Variance at signal 0 by the formula, in squared data units; negative where an offset lifts the
        signal of no light well above 0.
    offset : float
        Data value of no light.

    Raises
    ------
    OptionError
        If the gain is not positive or the parameters ask for a read noise below zero.

    References
    ----------
    .. [1] A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and
       fitting for single-image raw-data", IEEE Trans. Image Process. 17(10), 2008, equations 2 to 5.
       :doi:`10.1109/TIP.2008.2001399`

    Examples
    --------
    >>> PoissonGaussian(gain=2.0, floor=9.0).variance([0.0, 8.0])
    array([ 9., 25.])
    """

    gain: float
    floor: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        _require("gain", self.gain, ok=self.gain > 0, rule="> 0; noise without gain is Gaussian(sigma)")
        _require("offset", self.offset, ok=True, rule="finite")
        # Sums and scalings of valid models may fall below zero by rounding.
        slack = 1e-9 * (abs(self.floor) + abs(self.gain * self.offset))
        _require("floor", self.floor, ok=self._read_variance >= -slack, rule=f">= {-self.gain * self.offset:g}")

    @property
    def _read_variance(self) -> float:
        return self.floor + self.gain * self.offset

    @property
    def read_noise(self) -> float:
        """Standard deviation of the noise where there is no light, in data units."""
        return math.sqrt(max(self._read_variance, 0.0))

    def variance(self, signal: npt.ArrayLike) -> _Floats:
        """Return the variance at a signal, float32 where the signal is; below the offset that of the read noise."""
        light = np.maximum(_floats(signal) - self.offset, 0)
        variance: _Floats = light * self.gain + self.read_noise**2
        return variance

    def sample(self, signal: npt.ArrayLike, *, rng: np.random.Generator) -> _Floats:
        """Return signal plus noise, drawn from a Poisson and a normal distribution; the signal is unchanged."""
        signal = _floats(signal)
        quanta = np.maximum(signal.astype(np.float64) - self.offset, 0) / self.gain
        counting = (rng.poisson(quanta) - quanta) * self.gain
        noisy: _Floats = signal + counting.astype(signal.dtype) + _normal(signal, self.read_noise, rng)
        return noisy

    def scaled(self, factor: float) -> PoissonGaussian:
        """Return the model of the image multiplied by `factor`, ``> 0``."""
        _require("factor", factor, ok=factor > 0, rule="> 0")
        return PoissonGaussian(self.gain * factor, self.floor * factor**2, self.offset * factor)

    def shifted(self, delta: float) -> PoissonGaussian:
        """Return the model of the image with `delta` added to it."""
        return PoissonGaussian(self.gain, self.floor - self.gain * delta, self.offset + delta)

    def __add__(self, other: NoiseModel) -> NoiseModel:
        """Return the model whose variance is the sum of both.

        Raises
        ------
        OptionError
            If both have counting noise with different offsets: between the two offsets, the sum is no
            straight line.
        """
        if isinstance(other, Gaussian):
            return PoissonGaussian(self.gain, self.floor + other.sigma**2, self.offset)
        if isinstance(other, PoissonGaussian):
            if other.offset != self.offset:
                raise OptionError(
                    f"noise with offset {self.offset:g} and noise with offset {other.offset:g} don't add up to one "
                    "Poisson-Gaussian model; shift the images to a common offset first."
                )
            return PoissonGaussian(self.gain + other.gain, self.floor + other.floor, self.offset)
        return NotImplemented


def _require(name: str, value: float, *, ok: bool, rule: str) -> None:
    if not (ok and math.isfinite(value)):
        raise OptionError(f"{name} must be finite and {rule}, got {value:g}.")


def _floats(signal: npt.ArrayLike) -> _Floats:
    signal = np.asarray(signal)
    return signal if signal.dtype == np.float32 else signal.astype(np.float64)


def _normal(signal: _Floats, sigma: float, rng: np.random.Generator) -> _Floats:
    dtype: Any = signal.dtype.type
    return np.asarray(rng.standard_normal(signal.shape, dtype=dtype) * dtype(sigma))
