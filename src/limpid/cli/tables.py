"""Results as columns and rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from limpid.catalog.cohorts import Cohort
    from limpid.catalog.question import Answer
    from limpid.catalog.rules import Check
    from limpid.evaluation.reference_free.assessment import Assessment
    from limpid.workflows.assess_files import FileAssessment
    from limpid.workflows.auto import Course
    from limpid.workflows.benchmark import BenchmarkTable
    from limpid.workflows.cache import CacheKind
    from limpid.workflows.demo import Demo
    from limpid.workflows.files import FilesSummary
    from limpid.workflows.frontier import Frontier

__all__ = [
    "Table",
    "answer_document",
    "answer_table",
    "assessed_table",
    "assessment_table",
    "benchmark_table",
    "cache_table",
    "check_table",
    "cohort_table",
    "course_table",
    "demo_document",
    "demo_table",
    "frontier_lines",
    "frontier_table",
    "insight_lines",
    "models_table",
    "protocol_text",
    "size",
    "tests_table",
]

#: Column -> side its text is set on, and the rows.
Table = tuple[Mapping[str, str], Iterable[Sequence[str]]]


def benchmark_table(table: BenchmarkTable) -> Table:
    """Return the scores."""
    columns = {
        "data": "left",
        "denoiser": "left",
        "sigma": "right",
        "images": "right",
        "PSNR dB": "right",
        "SSIM": "right",
        "MP/s": "right",
        "peak MB": "right",
    }
    return columns, (
        (
            row.data,
            row.denoiser,
            ("real" if row.sigma is None else f"{row.sigma:g}") + (" blind" if row.blind else ""),
            str(row.images),
            f"{row.psnr:.2f}",
            f"{row.ssim:.4f}",
            f"{row.megapixels_per_s:.3g}",
            "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f}",
        )
        for row in table.rows
    )


def frontier_table(found: Frontier) -> Table:
    """Return what each method reaches for what it costs."""
    columns = {
        "data": "left",
        "method": "left",
        "sigma": "right",
        "PSNR dB": "right",
        "MP/s": "right",
        "kMAC/pixel": "right",
        "": "left",
    }
    return columns, (
        (
            row.data,
            row.method,
            f"{row.sigma:g}",
            f"{row.psnr:.2f}",
            "" if row.megapixels_per_s is None else f"{row.megapixels_per_s:.3g}",
            "" if row.kmac_per_pixel is None else f"{row.kmac_per_pixel:.0f}",
            ", ".join(filter(None, (f"PSNR {row.psnr_is}", row.runtime, row.precision))),
        )
        for row in found.rows
    )


def frontier_lines(found: Frontier) -> Iterator[str]:
    """Yield what is not in the plot, and why, a sentence for each."""
    notes = {row.method: row.note for row in found.rows if row.note}
    for name, why in {**found.left_out, **notes}.items():
        yield f"{name}: {why.removesuffix('.')}."


def assessment_table(rows: Sequence[FileAssessment]) -> Table:
    """Return a line for each image that could be assessed."""
    return _assessments((row.input, row.found.to_dict()) for row in rows if row.found is not None)


def assessed_table(summary: FilesSummary) -> Table:
    """Return the same for images that were denoised in this call."""
    return _assessments((row.input, row.assessment) for row in summary.results if row.assessment is not None)


def _assessments(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Table:
    columns = {"input": "left", "PSNR dB": "right", "90 % interval": "right", "doubtful": "right", "verdict": "left"}
    return columns, (
        (
            name,
            "" if found["psnr"] is None else f"{found['psnr']:.2f}",
            "" if found["psnr_interval"] is None else "{:.2f} to {:.2f}".format(*found["psnr_interval"]),
            "" if found["doubtful_share"] is None else f"{found['doubtful_share']:.0%}",
            found["verdict"],
        )
        for name, found in rows
    )


def tests_table(found: Assessment) -> Table:
    """Return a line for each test."""
    columns = {"test": "left", "statistic": "right", "threshold": "right", "": "left", "what it asks": "left"}
    return columns, (
        (
            name,
            f"{test.statistic:.3f}",
            f"{test.threshold:.3f}",
            "passed" if test.passed else "FAILED",
            test.asks,
        )
        for name, test in found.tests.items()
    )


#: What of the protocol differs between calls, machines and other people's tables first.
_STATED: Final = ("noise", "seed", "channels", "cpu", "versions")


def protocol_text(protocol: Mapping[str, Any]) -> str:
    """Return what scores and speeds can't be compared without, in a few lines."""
    values = (protocol[name] for name in _STATED)
    texts = [
        ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else value for value in values
    ]
    return f"{'; '.join(texts)}; {protocol['threads']} threads. All of it: --json"


def models_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the installed networks in 80 columns; the JSON document has the rest of their cards."""
    columns = {
        "name": "left",
        "channels": "right",
        "parameters": "right",
        "kMAC/pixel": "right",
        "size": "right",
        "precision": "left",
        "licence": "left",
    }
    return columns, (
        (
            row["name"],
            str(row["channels"]),
            f"{row['parameters']:,}",
            f"{row['kmac_per_pixel']:.1f}",
            size(row["bytes"]),
            row["precision"],
            row["licence"],
        )
        for row in rows
    )


def precisions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a line for each network and arithmetic of this machine."""
    columns = {"name": "left", "precision": "left", "speed": "right", "error": "right", "from sigma": "right"}
    return columns, (
        (
            row["name"],
            f"{precision} (chosen)" if precision == row["precision"] else precision,
            "" if one["speedup"] is None else f"{one['speedup']:.2f}x",
            "" if one["error"] is None else f"{100 * one['error']:.1f} %",
            "not allowed" if one["sigma_min"] is None else f"{255 * one['sigma_min']:.3g}",
        )
        for row in rows
        for precision, one in row["precisions"].items()
    )


def precisions_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the columns of :func:`precisions_table` mean, and what the device has not."""
    device = rows[0]["device"] if rows else "this device"
    missing = [name for name in ("int8", "bf16") if rows and name not in rows[0]["precisions"]]
    lacks = f" It has no {' and no '.join(missing)}." if missing else ""
    return (
        f"Measured on {device}: speed against fp32; the difference to fp32, of the noise; the level, of 255, from "
        f"which on --precision auto may take it.{lacks}"
    )


def demo_table(demo: Demo) -> Table:
    """Return the pictures of the demo with their scores."""
    columns = {
        "picture": "left",
        "sigma": "right",
        "measured": "right",
        "noisy dB": "right",
        "denoised dB": "right",
        "seconds": "right",
    }
    return columns, (
        (
            row.picture,
            f"{row.sigma:g}",
            f"{row.sigma_measured:.1f}",
            f"{row.psnr_noisy:.2f}",
            f"{row.psnr_denoised:.2f}",
            f"{row.seconds:.2f}",
        )
        for row in demo.rows
    )


def demo_document(demo: Demo) -> dict[str, Any]:
    """Return the same for other programs."""
    return {"rows": [asdict(row) for row in demo.rows], "sheet": str(demo.sheet)}


def cache_table(rows: Sequence[CacheKind]) -> Table:
    """Return what is in the cache."""
    columns = {"kind": "left", "files": "right", "size": "right", "what": "left", "folder": "left"}
    return columns, ((row.kind, str(row.files), size(row.bytes), row.description, str(row.path)) for row in rows)


def cohort_table(cohorts: Sequence[Cohort]) -> Table:
    """Return a line for each cohort of a survey."""
    columns = {
        "cohort": "right",
        "images": "right",
        "sigma": "right",
        "gain": "right",
        "read noise": "right",
        "found": "left",
    }
    return columns, (
        (
            str(one.id),
            str(one.images),
            f"{one.sigma:.4g}",
            f"{one.gain:.3g}" if one.gain > 0 else "",
            "" if one.read_noise is None else f"{one.read_noise:.3g}",
            ", ".join(advice.code for advice in one.advice),
        )
        for one in cohorts
    )


def course_table(courses: Sequence[Course]) -> Table:
    """Return a line for each cohort of an autopilot."""
    columns = {
        "cohort": "right",
        "images": "right",
        "sigma": "right",
        "minutes": "right",
        "denoised by": "left",
        "PSNR dB": "right",
        "others dB": "right",
    }
    return columns, (
        (
            str(one.cohort.id),
            str(one.cohort.images),
            f"{one.cohort.sigma:.4g}",
            f"{one.minutes:.1f}" if one.minutes else "",
            "to be found out" if one.decision is None else one.decision.winner.name,
            _decibels(None if one.decision is None else one.decision.psnr),
            _decibels(None if one.proof is None else one.proof.psnr),
        )
        for one in courses
    )


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def insight_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stands out in a collection, a sentence for each; the rest is in insight.json."""
    outliers, duplicates, denoising = found["outliers"], found["duplicates"], found["denoising"]
    if outliers["images"]:
        worst = outliers["worst"][0]
        yield (
            f"Outliers: {outliers['images']}, such as {worst['uri']}: sigma {worst['sigma']:.3g}, where "
            f"{worst['usual']:.3g} is usual."
        )
    if duplicates["exact"] or duplicates["near"]:
        near = "" if duplicates["near"] is None else f", {duplicates['near']} pairs that look the same"
        yield f"Duplicates: {duplicates['exact']} of the same bytes{near}."
    if found["clean"]:
        yield f"Clean: {found['clean']}; denoising would cost detail."
    if denoising["images"]:
        yield _denoising_line(denoising)


def _denoising_line(found: Mapping[str, Any]) -> str:
    text = f"Denoising the other {found['images']}: {size(found['bytes'])}"
    if found["minutes"] is not None:
        text += f", about {found['minutes']:.2g} minutes with fast"
    if found["gain_db"] is not None:
        low, high = found["gain_db_range"]
        text += f", {found['gain_db']:.1f} dB better ({low:.1f} to {high:.1f})"
    return f"{text}."


def check_table(checks: Sequence[Check]) -> Table:
    """Return a line for each rule."""
    columns = {"rule": "left", "found": "right", "least": "right", "most": "right", "": "left"}
    return columns, (
        (
            one.rule,
            "no images" if one.value is None else f"{one.value:.4g}",
            "" if one.least is None else f"{one.least:g}",
            "" if one.most is None else f"{one.most:g}",
            "kept" if one.passed else "VIOLATED",
        )
        for one in checks
    )


def answer_table(answer: Answer) -> Table:
    """Return what DuckDB answered; numbers on the right."""
    numbers = [isinstance(value, int | float | Decimal) for value in (answer.rows[0] if answer.rows else ())]
    sides = ["right" if number else "left" for number in numbers] or ["left"] * len(answer.columns)
    return dict(zip(answer.columns, sides, strict=True)), ([_shown(value) for value in row] for row in answer.rows)


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return the same for other programs, a row as an object."""
    return {"rows": [dict(zip(answer.columns, map(_value, row), strict=True)) for row in answer.rows]}


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(_value(value))


def _value(value: Any) -> Any:
    """Return a value of DuckDB's as one that JSON holds."""
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def size(count: int) -> str:
    """Return bytes for people: ``2.5 MB``."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
