"""How much memory a stretch of work took at its worst."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["PeakMemory"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak resident memory of this process between creation and :meth:`megabytes`.

    Linux keeps a high-water mark that a process may reset, which gives the peak itself. Where it can't be reset, only
    the peak since the process began is known: it is the answer if it rose meanwhile, and otherwise there is none.
    """

    def __init__(self) -> None:
        self._reset = _reset_high_water_mark()
        self._before = _lifetime_peak_bytes()

    def megabytes(self) -> float | None:
        """Return the peak in megabytes (10^6 bytes), all of the process included; None where it can't be known."""
        if self._reset:
            return _high_water_mark_bytes() / 1e6
        peak = _lifetime_peak_bytes()
        return None if peak is None or self._before is None or peak <= self._before else peak / 1e6


def _reset_high_water_mark() -> bool:
    try:
        _CLEAR.write_text("5")  # 5: reset the peak resident set size, see proc(5)
        _high_water_mark_bytes()
    except (OSError, ValueError):
        return False
    return True


def _high_water_mark_bytes() -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError("the kernel states no VmHWM")


def _lifetime_peak_bytes() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
