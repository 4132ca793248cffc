"""Every program, command and link of the documentation works.

What a fence does is said by its language and its first line:

- ``python`` fences of a page run in order, in one namespace, in a folder that holds what the pages mention;
- ``console`` and ``sh`` fences run each line that begins with ``$ limpid``, in the same order and folder;
- a fence of another language that begins with ``# file: NAME`` is written to that file;
- a fence after a line ``<!-- not run: why -->`` is left out.

CONTRIBUTING.md works on a copy of the source instead: ``# file:`` fences add files to it, ``diff`` fences change
them, and what is left runs there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from skimage import data

import limpid

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "recipes").glob("*.md"))]
SHELL = ("console", "sh")
LIMPID = str(Path(sys.executable).parent / "limpid")

#: Seconds for one command: only so that one that hangs is named.
TIMEOUT_S = 120


class Fence(NamedTuple):
    """A code block: its language, its text, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


def fences(page: Path) -> Iterator[Fence]:
    """Yield the fences of a page that are not excluded."""
    content = page.read_text(encoding="utf-8")
    for match in re.finditer(r"(^<!-- not run: .*? -->\n)?^```(\w+)\n(.*?)^```$", content, re.MULTILINE | re.DOTALL):
        if match[1] is None:
            yield Fence(match[2], match[3], content.count("\n", 0, match.start(3)))


def commands(fence: Fence) -> list[str]:
    """Return the limpid commands of a shell fence; a line that ends in a backslash goes on in the next."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ limpid")]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUNNABLE = [p for p in PAGES if any(f.language == "python" or commands(f) for f in fences(p))]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of what the pages mention, small."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)

    def save(name: str, pixels: Any, *, sigma: float = 0, **options: Any) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noisy = pixels.astype(np.float32) + sigma * rng.standard_normal(pixels.shape, dtype=np.float32)
        if pixels.dtype.kind == "u":
            noisy = noisy.round().clip(0, np.iinfo(pixels.dtype).max)
        limpid.write_image(limpid.Image.from_array(noisy.astype(pixels.dtype), **options), path)

    colour, gray = data.astronaut()[:128, 160:320], data.camera()[100:228, 150:310]
    save("noisy.png", colour, sigma=20)
    save("holiday/beach.jpg", colour, sigma=15)
    save("holiday/day2/tower.png", gray, sigma=25)
    save("reference/astronaut.png", colour)
    save("reference/camera.png", gray)
    for name, pixels in (("a", colour), ("b", gray)):
        save(f"averaged/{name}.png", pixels)
        save(f"single_shots/{name}.png", pixels, sigma=12)
    sixteen = gray.astype(np.uint16) * 257
    save("scan16.tif", sixteen, sigma=3000)
    save("stack.tif", np.stack([sixteen] * 4), sigma=3000, axes="ZYX")
    save("dose.tif", gray.astype(np.float32) * 8, sigma=120, value_range=(0, 2000))
    np.save(folder / "counts.npy", rng.poisson(gray[:96, :96]).astype(np.float64))
    return folder


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_what_a_page_shows_runs(page: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIMPID_DATA", raising=False)
    names: dict[str, Any] = {"__name__": "__main__"}
    for fence in fences(page):
        if fence.language == "python":
            exec(compile("\n" * fence.line + fence.text, str(page), "exec"), names)
        elif fence.language in SHELL:
            for command in commands(fence):
                run_command(command)
        elif fence.text.startswith("# file: "):
            Path(fence.text.splitlines()[0].removeprefix("# file: ")).write_text(fence.text, encoding="utf-8")


def run_command(command: str) -> None:
    line = f'"{LIMPID}"' + command.removeprefix("limpid")
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, f"$ {command}\nexit status {done.returncode}\n{done.stdout}{done.stderr}"


def test_what_contributing_shows_works_on_a_copy_of_the_source(pictures: Path, tmp_path: Path) -> None:
    page = ROOT / "CONTRIBUTING.md"
    for part in ("src", "benchmarks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    checks = []
    for fence in fences(page):
        first = fence.text.splitlines()[0]
        if first.startswith("# file: "):
            path = tmp_path / first.removeprefix("# file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text.partition("\n")[2], encoding="utf-8")
        elif fence.language == "diff":
            apply_diff(fence.text, tmp_path)
        elif fence.language == "python":
            checks.append("\n" * fence.line + fence.text)
    (tmp_path / "checks.json").write_text(json.dumps(checks), encoding="utf-8")
    program = (
        "import json, pathlib, sys; sys.path.insert(0, 'src')\n"
        "for check in json.loads(pathlib.Path('checks.json').read_text(encoding='utf-8')):\n"
        "    exec(compile(check, 'CONTRIBUTING.md', 'exec'), {'__name__': '__main__'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def apply_diff(text: str, root: Path) -> None:
    """Apply a hunk without line numbers: ``+++ PATH``, then lines that begin with a space, ``-`` or ``+``."""
    head, *lines = text.splitlines(keepends=True)
    path = root / head.removeprefix("+++ ").strip()
    content = path.read_text(encoding="utf-8")
    old, new = ("".join(line[1:] for line in lines if line[0] in kinds) for kinds in (" -", " +"))
    assert content.count(old) == 1, f"{path.relative_to(root)} has these lines {content.count(old)} times:\n{old}"
    path.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, re.MULTILINE)
    for target in found:
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{name_of(page)} links {target}, which is not there"
        if anchor:
            assert anchor in anchors(linked), f"{name_of(page)} links {target}; {name_of(linked)} has no such heading"


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index)}
    missing = [name_of(page) for page in PAGES[1:] if page.name != "README.md" and page.resolve() not in linked]
    assert not missing
