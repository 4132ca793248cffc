"""Surveys: python benchmarks/survey.py [speed|memory|catalogue|cohorts ...] (all: about 25 minutes on two cores).

``speed``: images per second. ``memory``: peak of the largest process over 1,000 and 100,000 images. ``catalogue``:
queries and a report over 5 million rows. ``cohorts``: three known noises found again, on pictures in ``LIMPID_DATA``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
from record import record
from scipy import ndimage

import limpid
from limpid.catalog.cohorts import Cohort, assign, describe, fit_cohorts
from limpid.catalog.columns import COLUMNS
from limpid.catalog.database import connect, copy_to
from limpid.catalog.insight import insight
from limpid.catalog.measure import Settings
from limpid.catalog.question import ask, opened
from limpid.catalog.report import write_report
from limpid.catalog.report.aggregate import reduce
from limpid.catalog.report.choice import choose
from limpid.catalog.report.survey import Surveyed, survey_sections
from limpid.catalog.store import CATALOGUE, open_store
from limpid.workflows.gallery import gallery
from limpid.workflows.models import load_model

ROWS = 5_000_000

#: Correlated noise of variance 1 is white noise through this.
KERNEL = np.outer([1, 2, 1], [1, 2, 1]) / 6


def main() -> None:
    parts = {"speed": speed, "memory": memory, "catalogue": catalogue, "cohorts": cohorts}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    chosen = parser.parse_args().parts or list(parts)
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            rows = [{"part": name, **row} for row in parts[name](Path(folder))]
        record("survey", rows, part="part")


def speed(folder: Path, count: int = 400) -> Iterator[dict[str, object]]:
    """Yield the rate over pictures of 512 x 512, start of the processes included."""
    for kind, shape in (("gray", (512, 512)), ("colour", (512, 512, 3))):
        for number in range(count):
            rng = np.random.default_rng(number)
            scene = ndimage.zoom(
                rng.uniform(40, 210, (9, 9, *shape[2:])), (512 / 9, 512 / 9, *[1] * len(shape[2:])), order=1
            )
            save(folder / kind / f"{number:04}.png", scene + rng.normal(0, 10, shape))
        seconds, _ = surveyed(folder / kind, folder / f"census-{kind}")
        yield row(f"images/s, {kind} 512x512 8-bit PNG", count / seconds)
        again, _ = surveyed(folder / kind, folder / f"census-{kind}")
        yield row(f"seconds for {count} unchanged, {kind}", again)


def memory(folder: Path) -> Iterator[dict[str, object]]:
    """Yield the peak of the largest process; the files are links to one, so that the disk holds them."""
    rng = np.random.default_rng(0)
    save(folder / "one.png", 120 + rng.normal(0, 10, (64, 64)))
    for count in (1_000, 100_000):
        for number in range(count):
            path = folder / f"{count}/{number // 1000:03}/{number:06}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            # File systems allow some ten thousand links to a file.
            if number % 10_000 == 0:
                path.write_bytes((folder / "one.png").read_bytes())
                first = path
            else:
                path.hardlink_to(first)
        seconds, peak = surveyed(folder / f"{count}", folder / f"census-{count}")
        yield row(f"peak MB over {count} images", peak)
        yield row(f"images/s, 64x64, of {count}", count / seconds)


def catalogue(folder: Path) -> Iterator[dict[str, object]]:
    """Yield seconds of queries over made-up rows."""
    made = {
        "uri": "'/photos/' || (i % 5000) || '/' || i || '.png'",
        "folder": "'/photos/' || (i % 5000)",
        "size": "200000 + i % 1000",
        "fingerprint": "(hash(i) >> 1)::bigint",
        "sha256": "md5(i::varchar) || md5((i + 1)::varchar)",
        "phash": "(hash(i + 7) >> 1)::bigint",
        "width": "512",
        "height": "512",
        "planes": "1",
        "channels": "1",
        "dtype": "'uint8'",
        "low": "0",
        "high": "255",
        "camera": "'camera ' || (i % 40)",
        "iso": "100 * 2 ** (hash(i) % 7)",
        "taken": "timestamp '2015-01-01' + to_days((hash(i + 3) % 3650)::integer)",
        "mean": "m",
        "sigma": "s",
        "gain": "0",
        "floor": "s ** 2",
        "read_noise": "s",
        "white": "true",
        "snr_db": "20 * log10(m / s)",
        "advice": "['level', 'white']",
    }
    known = made | {"sigma_low": "s * 0.97", "sigma_high": "s * 1.03", "gain_low": "0", "gain_high": "0.05"}
    known |= {"correlation_x": "0.01", "correlation_y": "0.02", "correlation_error": "0.03"}
    columns = ", ".join(f"({known.get(name, 'null')})::{kind} as {name}" for name, kind in COLUMNS.items())
    merged = folder / "merged.parquet"
    numbers = (
        "select i, 40 + 170 * (hash(i + 5) % 1000 / 1000) as m, "
        "(2 + (hash(i) % 7)) * exp(0.1 * (hash(i + 6) % 1000 / 1000 - 0.5)) as s "
        f"from range({ROWS}) numbers(i)"
    )
    copy_to(merged, connect(folder / "spilled"), f"select {columns} from ({numbers})")
    fits, seconds = timed(lambda: fit_cohorts(merged))
    yield row(f"seconds to fit cohorts to {ROWS} rows", seconds)
    with open_store(folder / "census") as store:
        _, seconds = timed(lambda: store.commit(merged, assign(merged, fits)))
    yield row(f"seconds to assign cohorts to {ROWS} rows and write them", seconds)
    yield row(f"MB of {ROWS} rows", (folder / "census" / CATALOGUE).stat().st_size / 1e6)
    question = "select camera, iso, median(sigma), quantile_cont(sigma, 0.95) from catalogue group by all order by 1, 2"
    for repeat in ("first", "again"):
        answer, seconds = timed(lambda: ask(folder / "census", question))
        assert len(answer.rows) == 280
        yield row(f"seconds for grouped medians of {ROWS} rows, {repeat}", seconds)
    found, seconds = timed(lambda: insight(opened(folder / "census"), []))
    yield row(f"seconds for insight into {ROWS} rows", seconds)
    _, seconds = timed(lambda: reported(folder, found, describe(opened(folder / "census"), fits)))
    yield row(f"seconds for the report of {ROWS} rows", seconds)
    yield row(f"MB of the report of {ROWS} rows", (folder / "report.html").stat().st_size / 1e6)


def reported(folder: Path, found: Mapping[str, object], described: Sequence[Cohort]) -> None:
    """Write the report as a survey does; its images are not there, which its gallery says."""
    connection = opened(folder / "census")
    pictures = gallery(choose(connection, found["outliers"]["worst"]), load_model("fast"), Settings())
    told = Surveyed(["photos"], "census", reduce(connection), described, found)
    write_report(folder / "report.html", survey_sections(told, pictures), title="Survey of photos")


def cohorts(folder: Path) -> Iterator[dict[str, object]]:
    """Yield how pure the cohorts are of a mix of three noises, each on the same pictures, at 512 x 512 and smaller."""
    pool = sorted((Path(os.environ["LIMPID_DATA"]) / "train" / "open").glob("*.avif"))
    noises: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
        "white": lambda clean, rng: clean + 10 * rng.standard_normal(clean.shape),
        "poisson": lambda clean, rng: clean + np.sqrt(0.8 * clean + 9) * rng.standard_normal(clean.shape),
        "correlated": lambda clean, rng: clean + 10 * smooth(rng.standard_normal(clean.shape)),
    }
    for number, path in enumerate(np.random.default_rng(0).permutation(np.array(pool, object))[:80]):
        clean = halved(limpid.read_image(path).planes()[0].astype(np.float32).mean(axis=2))[:512, :512]
        if min(clean.shape) < 256:
            continue
        for place, (name, noisy) in enumerate(noises.items()):
            save(folder / name / f"{number:03}.png", noisy(clean, np.random.default_rng([number, place])))
    found = limpid.survey([folder / name for name in noises], folder / "census")
    counts = (
        duckdb.connect()
        .execute(
            f"select cohort, parse_filename(folder), count(*) from '{found.catalogue}' where sigma > 0 group by all"
        )
        .fetchall()
    )
    best = {
        cohort: max(n for other, _, n in counts if other == cohort) for cohort, _, _ in counts if cohort is not None
    }
    yield row("cohorts found of three noises", len(found.cohorts))
    yield row("purity, images of no cohort counted as wrong", sum(best.values()) / sum(n for _, _, n in counts))


def row(what: str, value: float) -> dict[str, object]:
    return {"what": what, "value": f"{value:.4g}"}


def timed(call):
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def surveyed(collection: Path, census: Path) -> tuple[float, float]:
    """Return the seconds that a survey takes as a process, and its peak in MB."""
    command = [sys.executable, "-m", "limpid", "survey", str(collection), "-o", str(census), "--quiet"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, status
    return time.perf_counter() - started, used.ru_maxrss * 1024 / 1e6


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    limpid.write_image(np.rint(pixels).clip(0, 255).astype(np.uint8), path)


def smooth(noise: np.ndarray) -> np.ndarray:
    return ndimage.convolve(noise, KERNEL, mode="wrap")


def halved(pixels: np.ndarray) -> np.ndarray:
    """Return the picture at half its size, with half of what noise it had."""
    whole = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
    return (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4


if __name__ == "__main__":
    main()
