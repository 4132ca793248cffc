"""Structural similarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limpid.core.errors import ImageError, OptionError

__all__ = ["ssim"]

#: Side of the window of Wang et al.; an image needs at least as much.
_WINDOW_PX = 11
_WINDOW_SIGMA_PX = 1.5


def ssim(test: npt.ArrayLike, reference: npt.ArrayLike, *, data_range: float, channel_axis: int | None = None) -> float:
    """Return the mean structural similarity, at most 1; more is better.

    The settings are those of Wang et al. (11x11 Gaussian window of sigma 1.5 px, ``K1 = 0.01``, ``K2 = 0.03``,
    biased covariance, no reduction of the image beforehand); windows that leave the image don't count.

    Parameters
    ----------
    test, reference : array_like, shape (Y, X), or with channels
        Real values of equal shape, at least 11 px along ``Y`` and ``X``.
    data_range : float
        White minus black, ``> 0``: 255 for 8-bit images.
    channel_axis : int, optional
        The axis that holds channels: the result is their mean.

    Raises
    ------
    ImageError
        If the shapes differ or an image is smaller than the window.
    OptionError
        If the range is not positive.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error
       visibility to structural similarity", IEEE Transactions on Image Processing 13 (2004), equation 13.
       :doi:`10.1109/TIP.2003.819861`
    """
    from skimage.metrics import structural_similarity  # slow to import

    if not data_range > 0:
        raise OptionError(f"data_range must be positive (white minus black, such as 255), got {data_range}.")
    # scikit-image would compute in float32 where it is handed float32.
    first, second = np.asarray(test, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if first.shape != second.shape:
        raise ImageError(
            f"the test image has shape {first.shape} and the reference {second.shape}; compare images of one shape."
        )
    sides = first.shape if channel_axis is None else np.delete(first.shape, channel_axis)
    if min(sides, default=0) < _WINDOW_PX:
        raise ImageError(
            f"SSIM slides a window of {_WINDOW_PX}x{_WINDOW_PX} pixels, which an image of shape {first.shape} "
            "can't hold; use a larger image."
        )
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            first,
            second,
            data_range=data_range,
            channel_axis=channel_axis,
            gaussian_weights=True,
            sigma=_WINDOW_SIGMA_PX,
            use_sample_covariance=False,
        )
    )
