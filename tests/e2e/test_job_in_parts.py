"""A job that several plain processes do side by side, and the account of it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LIMPID = [str(Path(sys.executable).with_name("limpid"))]
COUNT = 24


def images(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def rows(folder: Path) -> list[dict]:
    receipts = sorted((folder / "limpid-job").glob("*/receipts/*.jsonl"))
    return [json.loads(line) for path in receipts for line in path.read_text().splitlines()]


def wait_for(condition: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


@pytest.fixture
def folder(tmp_path: Path, picture) -> Path:
    for number in range(COUNT):
        picture(tmp_path / "in" / f"{number:02}.png", shape=(120, 120), seed=number)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    return tmp_path / "in"


COMMAND = ("denoise", "in", "-o", "out", "-m", "nlm")


def test_processes_side_by_side_do_each_shard_once_whatever_their_ranges(limpid, start, folder, tmp_path) -> None:
    planned = json.loads(limpid(*COMMAND, "--plan", "--json").stdout)
    assert (planned["images"], planned["shards"], planned["folder"]) == (COUNT + 1, COUNT + 1, "out/limpid-job/0001")
    assert images(tmp_path / "out") == {}

    parts = [start(*COMMAND, "--shards", part, "--json") for part in (":10", "5:20", "10:")]
    answers = [json.loads(part.communicate(timeout=120)[0]) for part in parts]

    assert sorted(part.returncode for part in parts) == [0, 0, 1]  # the bad file is in one of them
    assert sorted(row["item"] for row in rows(tmp_path / "out")) == list(range(COUNT + 1))
    assert sum(answer["done"] for answer in answers) == COUNT
    account = json.loads(limpid("verify", "out", "--checksums", "--json").stdout)
    assert (account["images"], account["done"], account["failed"]) == (COUNT + 1, COUNT, 1)
    assert account["pending"] == 0
    assert account["problems"] == []
    limpid("denoise", "in", "-o", "whole", "-m", "nlm")
    assert images(tmp_path / "out") == images(tmp_path / "whole")


def test_what_a_killed_process_left_is_named_and_its_range_is_run_again(limpid, start, folder, tmp_path) -> None:
    limpid(*COMMAND, "--plan")
    killed = start(*COMMAND, "--shards", ":")
    wait_for(lambda: len(rows(tmp_path / "out")) >= 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = len(rows(tmp_path / "out"))

    found = limpid("verify", "out")
    again = limpid(*COMMAND, "--shards", ":", "--json")

    assert found.returncode == 1
    assert f"{COUNT + 1 - before} not done" in found.stdout
    assert "limpid-job/0001: shards " in found.stdout
    assert json.loads(again.stdout)["skipped"] >= before - 1  # the bad one is said again
    assert sorted(row["item"] for row in rows(tmp_path / "out")) == list(range(COUNT + 1))
    assert limpid("verify", "out").returncode == 0


def test_a_second_run_into_the_same_folder_is_refused_while_the_first_is_at_work(limpid, start, folder, tmp_path):
    first = start(*COMMAND)
    wait_for(lambda: rows(tmp_path / "out"))
    first.send_signal(signal.SIGSTOP)

    for more in ((), ("--resume",), ("--plan",), ("--shards", ":")):
        second = limpid(*COMMAND, *more)
        assert second.returncode == 2
        assert "another limpid is at work in" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("denoise", "in", "-o", "out", "-m", "median", "--shards", "7:9"), "has the shards 0:2"),
        (("denoise", "in", "-o", "out", "-m", "bilateral", "--shards", ":"), "model was median, now bilateral"),
        (("denoise", "other", "-o", "out", "-m", "median", "--shards", ":"), "was planned for ../in, not for ../other"),
        (("denoise", "in", "-o", "new", "-m", "median", "--shards", ":"), "no job is planned in"),
        (("denoise", "in", "-o", "out", "-m", "median", "--shards", "1-2"), "are no shards"),
        (("denoise", "in", "-o", "out", "-m", "median", "--shards", ":", "--plan"), "give one of them"),
        (("denoise", "in", "-o", "out", "-m", "median", "--resume", "--plan"), "planned and not done, from 0 on"),
        (("denoise", "in/a.png", "-o", "out.png", "-m", "median", "--plan"), "one named file has no record"),
        (("verify", "in"), "has no record of a job"),
    ],
)
def test_parts_that_cannot_be_meant_so_are_refused_with_2(limpid, picture, tmp_path, arguments, says) -> None:
    for name in ("in/a.png", "in/b.png", "other/a.png"):
        picture(tmp_path / name)
    limpid("denoise", "in", "-o", "out", "-m", "median", "--plan")

    done = limpid(*arguments)

    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())
    assert images(tmp_path / "out") == {}


def test_files_that_changed_or_vanished_since_they_were_planned_are_on_record(limpid, picture, tmp_path) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    median = ("denoise", "in", "-o", "out", "-m", "median")
    limpid(*median, "--plan")
    picture(tmp_path / "in" / "a.png", seed=7)
    os.utime(tmp_path / "in" / "a.png", (1, 1))
    (tmp_path / "in" / "b.png").unlink()

    done = limpid(*median, "--shards", ":")

    assert done.returncode == 1
    assert "in/a.png: it is another file than when it was planned" in done.stderr
    assert "in/b.png: no such file" in done.stderr
    assert [(row["status"], row["changed"]) for row in rows(tmp_path / "out")] == [
        ("ok", True),
        ("error", False),
        ("ok", False),
    ]
    assert "3 images: 2 done, 1 failed, 1 changed after they were planned" in limpid("verify", "out").stdout


def test_outputs_that_are_not_as_they_were_written_are_found(limpid, picture, tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / "in" / f"{name}.png")
    limpid("denoise", "in", "-o", "out", "-m", "median")
    (tmp_path / "out" / "a.png").unlink()
    (tmp_path / "out" / "b.png").write_bytes(b"x")
    content = (tmp_path / "out" / "c.png").read_bytes()
    (tmp_path / "out" / "c.png").write_bytes(content[:-1] + b"x")

    quick, thorough = limpid("verify", "out"), limpid("verify", "out", "--checksums")

    assert quick.returncode == thorough.returncode == 1
    assert "out/a.png: the output is gone" in quick.stdout
    assert "out/b.png: 1 bytes; " in quick.stdout
    assert "c.png" not in quick.stdout
    assert "out/c.png: its contents are not what was written" in thorough.stdout
    assert "d.png" not in thorough.stdout


def test_a_plan_that_is_gone_on_with_holds_only_what_is_left(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    median = ("denoise", "in", "-o", "out", "-m", "median")
    limpid(*median)
    nothing = limpid(*median, "--plan", "--resume")
    picture(tmp_path / "in" / "b.png")

    planned = json.loads(limpid(*median, "--plan", "--resume", "--json").stdout)

    assert nothing.stdout == "nothing is left to do\n"
    assert (planned["images"], planned["folder"]) == (1, "out/limpid-job/0002")
    assert json.loads(limpid(*median, "--shards", ":", "--json").stdout)["done"] == 1
    assert limpid("verify", "out").stdout == "2 images: 2 done\n"


def test_with_checksums_contents_tell_what_changed(limpid, picture, tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    median = ("denoise", "in", "-o", "out", "-m", "median", "--checksums")
    limpid(*median, "--plan")
    os.utime(tmp_path / "in" / "a.png", (1, 1))
    before = (tmp_path / "in" / "b.png").stat()
    content = (tmp_path / "in" / "b.png").read_bytes()
    other = picture(tmp_path / "other.png", seed=3).read_bytes()
    (tmp_path / "in" / "b.png").write_bytes(other)
    os.utime(tmp_path / "in" / "b.png", ns=(before.st_atime_ns, before.st_mtime_ns))

    limpid(*median, "--shards", ":")
    os.utime(tmp_path / "in" / "c.png", (1, 1))
    (tmp_path / "in" / "b.png").write_bytes(content)
    again = json.loads(limpid(*median, "--resume", "--json").stdout)

    assert [row["changed"] for row in rows(tmp_path / "out")][:3] == [False, True, False]
    assert [row["status"] for row in again["results"]] == ["skipped", "ok", "skipped"]
