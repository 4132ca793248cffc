"""What others published of their denoisers, under the protocol that limpid measures by.

White Gaussian noise, neither clipped nor rounded, PSNR over all channels with peak 255, mean over whole images.
Figures of other protocols differ by 0.15 to 0.6 dB and have no place here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["PUBLISHED", "PUBLISHED_SIGMAS", "Published"]

#: What the scores of a set are for, in this order.
PUBLISHED_SIGMAS: Final = (15.0, 25.0, 50.0)


@dataclass(frozen=True, kw_only=True)
class Published:
    """One denoiser, as its authors or those who compared with it report it.

    Attributes
    ----------
    name : str
        Of the method.
    kind : str
        ``published`` for a network, ``classical`` for what is none.
    authors, venue : str
        Of the paper that the scores are from.
    year : int
        Of that paper.
    table : str
        Where in the paper they stand, and what they are of where that is not the method itself.
    scores : mapping of str to tuple of float
        PSNR in dB at :data:`PUBLISHED_SIGMAS`, by data set.
    kmac_per_pixel : mapping of int to float
        Multiply-accumulates per pixel, in thousands, by the channels of the image.
    parameters : mapping of int to int
        Trained numbers, likewise, as they are reported: rounded.
    architecture : str or None
        What it is built from to be timed; None where limpid has no way to build it.
    """

    name: str
    kind: Literal["classical", "published"] = "published"
    authors: str
    venue: str
    year: int
    table: str
    scores: Mapping[str, tuple[float, float, float]]
    kmac_per_pixel: Mapping[int, float] = field(default_factory=dict)
    parameters: Mapping[int, int] = field(default_factory=dict)
    architecture: str | None = None

    @property
    def source(self) -> str:
        """Authors, venue, year and table in one line."""
        return f"{self.authors}, {self.venue} {self.year}, {self.table}"

    def psnr(self, data: str, sigma: float) -> float | None:
        """Return the score on a data set at a noise level, in dB; None where there is none."""
        if data not in self.scores or sigma not in PUBLISHED_SIGMAS:
            return None
        return self.scores[data][PUBLISHED_SIGMAS.index(sigma)]


#: The authors of DRUNet, whose tables compare it with the methods before it.
_ZHANG: Final = "K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool, R. Timofte"

PUBLISHED: Final = (
    Published(
        name="BM3D",
        kind="classical",
        authors=_ZHANG,
        venue="IEEE TPAMI",
        year=2022,
        table="Gaussian denoising, gray and colour: BM3D and CBM3D of K. Dabov et al. (2007)",
        scores={"set12": (32.37, 29.97, 26.72), "bsd68": (31.08, 28.57, 25.60), "cbsd68": (33.52, 30.71, 27.38)},
        architecture="bm3d",
    ),
    Published(
        name="DnCNN",
        authors=_ZHANG,
        venue="IEEE TPAMI",
        year=2022,
        table="Gaussian denoising: DnCNN-S (gray, one for each sigma) and CDnCNN-B (colour) of K. Zhang et al. (2017)",
        scores={
            "set12": (32.86, 30.44, 27.18),
            "bsd68": (31.73, 29.23, 26.23),
            "cbsd68": (33.90, 31.24, 27.95),
            "kodak24": (34.60, 32.14, 28.95),
        },
        kmac_per_pixel={1: 554, 3: 667},
        parameters={1: 560_000, 3: 670_000},
        architecture="dncnn",
    ),
    Published(
        name="FFDNet",
        authors=_ZHANG,
        venue="IEEE TPAMI",
        year=2022,
        table="Gaussian denoising, gray and colour: FFDNet of K. Zhang et al. (2018)",
        scores={
            "set12": (32.75, 30.43, 27.32),
            "bsd68": (31.63, 29.19, 26.29),
            "cbsd68": (33.87, 31.21, 27.96),
            "kodak24": (34.63, 32.13, 28.98),
        },
        kmac_per_pixel={1: 121, 3: 213},
        parameters={1: 490_000, 3: 850_000},
        architecture="ffdnet",
    ),
    Published(
        name="DRUNet",
        authors=_ZHANG,
        venue="IEEE TPAMI",
        year=2022,
        table="Gaussian denoising, gray and colour",
        scores={
            "set12": (33.25, 30.94, 27.90),
            "bsd68": (31.91, 29.48, 26.59),
            "cbsd68": (34.30, 31.69, 28.51),
            "kodak24": (35.31, 32.89, 29.86),
        },
        kmac_per_pixel={1: 2118, 3: 2118},
        parameters={1: 32_600_000, 3: 32_600_000},
        architecture="drunet",
    ),
    Published(
        name="SCUNet",
        authors="K. Zhang, Y. Li, J. Liang, J. Cao, Y. Zhang, H. Tang, D.-P. Fan, R. Timofte, L. Van Gool",
        venue="Machine Intelligence Research",
        year=2023,
        table="Gaussian denoising, gray and colour",
        scores={
            "set12": (33.43, 31.09, 28.04),
            "bsd68": (31.99, 29.55, 26.67),
            "cbsd68": (34.40, 31.79, 28.61),
            "kodak24": (35.34, 32.92, 29.87),
        },
        kmac_per_pixel={1: 1201, 3: 1201},
        parameters={1: 17_900_000, 3: 17_900_000},
        architecture="scunet",
    ),
    Published(
        name="Restormer",
        authors="S. W. Zamir, A. Arora, S. Khan, M. Hayat, F. S. Khan, M.-H. Yang",
        venue="CVPR",
        year=2022,
        table="tables 4 and 5, a network for each sigma",
        scores={
            "set12": (33.42, 31.08, 28.00),
            "bsd68": (31.96, 29.52, 26.62),
            "cbsd68": (34.40, 31.79, 28.60),
            "kodak24": (35.47, 33.04, 30.01),
        },
        kmac_per_pixel={1: 2363, 3: 2363},
        parameters={1: 26_100_000, 3: 26_100_000},
    ),
    Published(
        name="Xformer",
        authors="J. Zhang, Y. Zhang, J. Gu, J. Dong, L. Kong, X. Yang",
        venue="ICLR",
        year=2024,
        table="table 4, a network for each sigma",
        scores={"set12": (33.46, 31.16, 28.10), "bsd68": (31.98, 29.55, 26.65)},
        kmac_per_pixel={1: 2576},
        parameters={1: 25_200_000},
    ),
)
