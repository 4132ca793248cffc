"""What a call over files comes down to, in few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limpid.workflows.account import Account
    from limpid.workflows.files import FileResult, FilesSummary
    from limpid.workflows.shards import PlannedJob

__all__ = ["account_lines", "duration", "planned_line", "summary_line"]


def summary_line(summary: FilesSummary) -> str:
    """Return such as ``12 files cleaned, 1 failed, 3 skipped in 4.2 s -> clean (fast, sigma 9.8 measured)``.

    Where several models were taken, a line for each says how many files it cleaned, and what it was chosen for.
    """
    done = [result for result in summary.results if result.status == "ok"]
    parts = [f"{len(done)} file{'' if len(done) == 1 else 's'} cleaned"]
    parts += [
        f"{n} {word}" for word, n in (("failed", summary.count("error")), ("skipped", summary.count("skipped"))) if n
    ]
    line = f"{', '.join(parts)} in {duration(summary.seconds)}"
    if not done:
        return line
    target = "in place" if summary.output is None else f"-> {summary.output}"
    first, *others = models = _models(done)
    if not others:
        return f"{line} {target} ({first}, {_sigmas(done)})"
    counted = (f"{models[name]:>5} by {name}" for name in models)
    return "\n".join([f"{line} {target} ({_sigmas(done)})", *counted])


def planned_line(planned: PlannedJob) -> str:
    """Return such as ``12 images planned in 12 shards, 0:12 -> clean/limpid-job/0001``."""
    if not planned.images:
        return "nothing is left to do"
    counts = (planned.images, "image"), (planned.shards, "shard")
    images, shards = (f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in counts)
    return f"{images} planned in {shards}, 0:{planned.shards} -> {planned.folder}"


def account_lines(account: Account) -> list[str]:
    """Return what is accounted for in one line, then a line for each job that is not done and for each problem."""
    counts = [
        (account.done, "done"),
        (account.failed, "failed"),
        (account.changed, "changed after they were planned"),
        (account.pending, "not done"),
    ]
    first = f"{account.images:,} images: {', '.join(f'{n:,} {what}' for n, what in counts if n)}"
    left = [f"{job}: shards {ranges(numbers)} are not done" for job, numbers in account.pending_shards.items()]
    return [first, *left, *(f"{problem.output}: {problem.what}" for problem in account.problems)]


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as ``--shards`` takes them.

    Examples
    --------
    >>> ranges([0, 1, 2, 7, 9, 10])
    '0:3, 7:8, 9:11'
    """
    begins = [n for n, before in zip(numbers, [None, *numbers], strict=False) if before is None or n != before + 1]
    ends = [n + 1 for n, after in zip(numbers, [*numbers[1:], None], strict=False) if after is None or n != after - 1]
    return ", ".join(f"{begin}:{end}" for begin, end in zip(begins, ends, strict=True))


def duration(seconds: float) -> str:
    """Return seconds for people: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _models(done: Sequence[FileResult]) -> dict[str, int]:
    """Return the models that were taken, what for where there was a choice, and for how many files; the most first."""
    counts = Counter(f"{one.model} for {one.chosen_for}" if one.chosen_for else str(one.model) for one in done)
    return dict(counts.most_common())


def _sigmas(done: Sequence[FileResult]) -> str:
    values = [result.sigma for result in done if result.sigma is not None]
    low, high = (f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in (min(values), max(values)))
    return f"sigma {low if low == high else f'{low} to {high}'} {'measured' if done[0].blind else 'told'}"
