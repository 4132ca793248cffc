"""Write measured figures as CSV that names date, versions and hardware."""

from __future__ import annotations

import csv
import datetime as dt
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def record(name: str, rows: Sequence[Mapping[str, object]], *, part: str | None = None) -> Path:
    """Write ``results/<name>.csv``, each row ending with where and when it was measured, and print the rows.

    All of the table is replaced; with `part`, the name of a column, only the rows that agree with a new one in it.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    where = {"date": dt.datetime.now(tz=dt.UTC).date().isoformat(), "hardware": hardware(), "versions": versions()}
    made: list[Mapping[str, object]] = [{**row, **where} for row in rows]
    if part is not None and path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            measured = {str(row[part]) for row in rows}
            made = [row for row in csv.DictReader(file) if row[part] not in measured] + made
    columns = [key for key in dict.fromkeys(key for row in made for key in row) if key not in where]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*columns, *where])
        writer.writeheader()
        writer.writerows(made)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    return path


def hardware() -> str:
    """Return the processor, what matters of its instructions, and how many cores this process may use."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    flags = next((v.split() for k, v in fields.items() if k.startswith("flags")), [])
    model = next((v.strip() for k, v in fields.items() if k.startswith("model name")), platform.processor())
    family = next((f" family {v.strip()}" for k, v in fields.items() if k.startswith("cpu family")), "")
    wide = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}{family} ({', '.join(wide) or platform.machine()}), {cores} cores"


def versions() -> str:
    """Return Python and the packages that decide speed and results."""
    names = ["limpid", "numpy", "openvino", "torch", "scikit-image", "ray"]
    found = [f"{n} {metadata.version(n)}" for n in names if _installed(n)]
    return ", ".join([f"python {platform.python_version()}", *found])


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
