"""The bar that is told of rows, steps and stages."""

import io

from rich.console import Console
from rich.progress import Progress

from limpid.cli.render import Bar


def test_a_stage_that_begins_has_no_length_of_the_one_before():
    console = Console(file=io.StringIO())
    progress = Progress(console=console)
    bar = Bar(progress, console)
    bar.trained(3, 500, 0.1)
    assert (progress.tasks[0].completed, progress.tasks[0].total) == (3, 500)
    bar.stage("images are denoised")
    assert (progress.tasks[0].completed, progress.tasks[0].total) == (0, None)
    bar.planned(7)
    assert progress.tasks[0].total == 7
