"""What denoisers reach for what they cost: rows of a table, and which of them no other beats."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

__all__ = ["FrontierRow", "Kind", "frontier_csv", "undominated"]

Kind = Literal["limpid", "classical", "published"]


@dataclass(frozen=True, kw_only=True)
class FrontierRow:
    """One method on one data set at one noise level.

    Attributes
    ----------
    method : str
        Name of the denoiser.
    kind : str
        ``limpid`` (its networks), ``classical``, or ``published``.
    data : str
        Name of the data set.
    channels : int
        Of its images: 1 or 3.
    sigma : float
        Of the noise, on the 0-255 scale.
    psnr : float
        Mean over the images, in dB.
    psnr_is : str
        ``measured`` here, or ``published``.
    megapixels_per_s : float or None
        Pixels (not values) of the picture through the whole call, per second; None where it could not be measured.
    frame_px : int or None
        Height and width of that picture.
    runtime, precision : str
        What the network ran in; empty where it is none.
    kmac_per_pixel : float or None
        Multiply-accumulates per pixel, in thousands; None where there are none to be counted.
    kmac_is : str
        ``counted``, on the network itself or when its card was written, or ``published``; empty where there are none.
    parameters : int or None
        Trained numbers.
    source : str
        Where the PSNR is from.
    note : str
        Why something is not there.
    """

    method: str
    kind: Kind
    data: str
    channels: int
    sigma: float
    psnr: float
    psnr_is: Literal["measured", "published"]
    megapixels_per_s: float | None = None
    frame_px: int | None = None
    runtime: str = ""
    precision: str = ""
    kmac_per_pixel: float | None = None
    kmac_is: Literal["", "counted", "published"] = ""
    parameters: int | None = None
    source: str = ""
    note: str = ""


def frontier_csv(rows: Iterable[FrontierRow], where: Mapping[str, object]) -> bytes:
    """Return rows as a CSV file with a header, each ending with where they were measured.

    Parameters
    ----------
    rows : iterable of FrontierRow
        In their order.
    where : mapping
        The same for all rows: further columns.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [*(field.name for field in fields(FrontierRow)), *where], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _rounded(value) for key, value in asdict(row).items()} | dict(where))
    return text.getvalue().encode()


def _rounded(value: object) -> object:
    """Return a number with as many digits as a repeated measurement would give again."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def undominated(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points no other one is at least equal to in both coordinates and better in one, by rising first.

    Parameters
    ----------
    points : sequence of (float, float)
        More is better in both; negate what is to be small. Of equal points the first counts.

    Examples
    --------
    >>> undominated([(1, 5), (2, 4), (1, 4), (3, 1)])
    [0, 1, 3]
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1], i)):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front[::-1]
