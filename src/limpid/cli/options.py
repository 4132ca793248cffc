"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = [
    "AllowPickle",
    "Collection",
    "Device",
    "Inputs",
    "Json",
    "MaxPixels",
    "Memory",
    "Pairs",
    "Precision",
    "Quiet",
    "Runtime",
    "Seed",
    "Threads",
    "ValueRange",
    "Verbose",
    "set_up_logging",
    "shards_value",
    "sigma_value",
    "size_value",
]

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def size_value(text: str) -> int:
    """Return bytes: ``500MB``, ``2GB``, ``1.5GiB``, or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip(), re.IGNORECASE)
    if match is None or not (size := int(float(match[1]) * _UNITS[(match[2] or "").lower()])):
        raise typer.BadParameter(f"{text!r} is no size; write it like 500MB or 2GB.")
    return size


def sigma_value(text: str) -> float | None:
    """Return sigma, or None for ``auto``."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor auto.") from None


def shards_value(text: str) -> slice:
    """Return shards: ``0:100``, or with an end left out."""
    match = re.fullmatch(r"(\d*):(\d*)", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} are no shards; write them like 0:100, the last one not included, or 900:.")
    return slice(*(int(end) if end else None for end in match.groups()))


def set_up_logging(*, quiet: bool, verbose: int) -> None:
    """Send logs to standard error: errors only, warnings, steps (``-v``) or everything (``-vv``)."""
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=logging.WARNING, format="limpid: %(message)s")
    logging.getLogger("limpid").setLevel(level)
    # Libraries warn of matters that users can do nothing about.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose > 1 else logging.ERROR)


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help="Files, folders (with all below them) or globs.", show_default=False),
]
Collection = Annotated[
    list[str],
    typer.Argument(
        metavar="COLLECTION",
        help="Folders, files, globs, tar, Parquet and Zarr files, lists (.txt); also s3:// and the like.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, metavar="", help="Say more; twice: everything.", show_default=False),
]
Threads = Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads.", show_default="all cores")]
Memory = Annotated[
    int | None,
    typer.Option(
        parser=size_value, metavar="SIZE", help="Peak memory to stay below, such as 500MB or 2GB.", show_default=False
    ),
]
Runtime = Annotated[str, typer.Option(metavar="NAME", help="What runs networks: auto, openvino, onnxruntime or torch.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="What networks run on: auto, cpu or cuda.")]
Precision = Annotated[
    str,
    typer.Option(metavar="NAME", help="Arithmetic of networks: auto (the fastest harmless one), int8, bf16 or fp32."),
]
AllowPickle = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Open .pth, .pt and .ckpt models too, which are pickles; for weights only."),
]
ValueRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LO HI", help="Values of black and white, for float files that do not state them.", show_default=False
    ),
]
Pairs = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Another exposure of the same name for each noisy one.", show_default=False),
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Every random number follows from it.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Refuse files that announce more pixels.", show_default="500 million"),
]
