"""Measures that compare an image with its clean reference: pure functions, and sums of them that can be merged."""

from limpid.evaluation.metrics.mean import Mean
from limpid.evaluation.metrics.psnr import mse, psnr
from limpid.evaluation.metrics.ssim import ssim

__all__ = ["Mean", "mse", "psnr", "ssim"]
