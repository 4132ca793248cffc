"""What a call over files comes down to, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limpid.workflows.files import FileResult, FilesSummary

__all__ = ["duration", "summary_line"]


def summary_line(summary: FilesSummary) -> str:
    """Return such as ``12 files cleaned, 1 failed, 3 skipped in 4.2 s -> clean (fast, sigma 9.8 measured)``."""
    done = [result for result in summary.results if result.status == "ok"]
    parts = [f"{len(done)} file{'' if len(done) == 1 else 's'} cleaned"]
    parts += [
        f"{n} {word}" for word, n in (("failed", summary.count("error")), ("skipped", summary.count("skipped"))) if n
    ]
    line = f"{', '.join(parts)} in {duration(summary.seconds)}"
    if not done:
        return line
    target = "in place" if summary.output is None else f"-> {summary.output}"
    return f"{line} {target} ({done[0].model}, {_sigmas(done)})"


def duration(seconds: float) -> str:
    """Return seconds for people: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _sigmas(done: Sequence[FileResult]) -> str:
    values = [result.sigma for result in done if result.sigma is not None]
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return f"sigma {low if low == high else f'{low} to {high}'} {'measured' if done[0].blind else 'told'}"
