"""Jobs over images in shards, tables, arrays and stores, into folders and into stores; killed, and gone on with."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
import tifffile
from PIL import Image

LIMPID = [str(Path(sys.executable).with_name("limpid"))]
COUNT = 24


def encoded(pixels: np.ndarray, kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def table(path: Path, contents: list[bytes | None]) -> Path:
    connection = duckdb.connect()
    connection.execute("create table t (image struct(bytes blob, path varchar))")
    for content in contents:
        connection.execute("insert into t values (?)", [{"bytes": content, "path": None}])
    connection.execute(f"copy t to '{path}' (format parquet)")
    return path


def rows(folder: Path) -> list[dict]:
    receipts = sorted((folder / "limpid-job").glob("*/receipts/*.jsonl"))
    return [json.loads(line) for path in receipts for line in path.read_text().splitlines()]


def images(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and "limpid-job" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def wait_for(condition: Callable[[], object], timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.01)


@pytest.fixture
def shards(tmp_path: Path, noisy) -> Path:
    """Return a folder of two tar shards."""
    for number in range(2):
        members = {f"{n:02}.png": encoded(noisy((120, 120), seed=100 * number + n)) for n in range(COUNT // 2)}
        shard(tmp_path / "in" / f"{number}.tar", members)
    return tmp_path / "in"


def test_every_kind_of_source_has_its_place_in_the_mirrored_tree(limpid, noisy, picture, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    picture(tmp_path / "in" / "a.png")
    shard(tmp_path / "in" / "day" / "s.tar", {"b.jpg": encoded(noisy(), "jpeg"), "c/d.png": encoded(noisy(seed=1))})
    table(tmp_path / "in" / "photos.parquet", [encoded(noisy(seed=n), "jpeg") for n in range(2)])
    planes = np.random.default_rng(0).normal(1000, 60, (2, 3, 40, 40)).astype(np.uint16)
    zarr.create_array(tmp_path / "in" / "stack.zarr", data=planes)
    (tmp_path / "list.txt").write_text("in/a.png\nin/day\n")

    folder = limpid("denoise", "in", "-o", "out", "-m", "median", "--json")
    listed = limpid("denoise", "list.txt", "-o", "listed", "-m", "median")
    converted = limpid("denoise", "in/day/s.tar", "-o", "converted", "-m", "median", "--format", "webp")

    assert folder.returncode == listed.returncode == converted.returncode == 0
    assert list(images(tmp_path / "out")) == [
        "a.png",
        "day/s/b.jpg",
        "day/s/c/d.png",
        "photos/00000.jpg",
        "photos/00001.jpg",
        *(f"stack/{n},{plane}.tif" for n in range(2) for plane in range(3)),
    ]
    names = {row["input"]: row["output"] for row in json.loads(folder.stdout)["results"]}
    assert names["in/day/s.tar#c/d.png"] == "out/day/s/c/d.png"
    assert tifffile.imread(tmp_path / "out" / "stack" / "1,2.tif").dtype == np.uint16
    assert list(images(tmp_path / "listed")) == ["in/a.png", "in/day/s/b.jpg", "in/day/s/c/d.png"]
    assert list(images(tmp_path / "converted")) == ["s/b.webp", "s/c/d.webp"]
    again = json.loads(limpid("denoise", "in", "-o", "out", "-m", "median", "--resume", "--json").stdout)
    assert (again["skipped"], again["done"]) == (11, 0)


def test_an_image_in_a_shard_is_denoised_as_the_file_of_it_is(limpid, noisy, tmp_path: Path) -> None:
    content = encoded(noisy())
    (tmp_path / "a.png").write_bytes(content)
    shard(tmp_path / "s.tar", {"a.png": content})
    table(tmp_path / "t.parquet", [content])

    limpid("denoise", "a.png", "s.tar", "t.parquet", "-o", "out", "-m", "nlm")

    assert len(images(tmp_path / "out")) == 3
    assert len(set(images(tmp_path / "out").values())) == 1


def test_a_killed_job_over_shards_is_resumed_to_the_same_bytes(limpid, start, shards, tmp_path: Path) -> None:
    command = ("denoise", "in", "-o", "out", "-m", "nlm")
    killed = start(*command)
    wait_for(lambda: len(rows(tmp_path / "out")) >= 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = len(rows(tmp_path / "out"))

    resumed = json.loads(limpid(*command, "--resume", "--json").stdout)
    limpid("denoise", "in", "-o", "whole", "-m", "nlm")

    assert before < COUNT
    assert resumed["skipped"] == before
    assert resumed["done"] == COUNT - before
    assert sorted(row["item"] for row in rows(tmp_path / "out")) == list(range(COUNT))
    assert images(tmp_path / "out") == images(tmp_path / "whole")
    assert limpid("verify", "out", "--checksums").returncode == 0


def test_what_a_killed_process_left_half_written_is_swept_away_and_no_more(limpid, start, shards, tmp_path) -> None:
    command = ("denoise", "in", "-o", "out", "-m", "nlm")
    killed = start(*command)
    wait_for(lambda: list((tmp_path / "out").glob("limpid-job/0001/receipts/*.claim")))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    claim = next((tmp_path / "out").glob("limpid-job/0001/receipts/*.claim"))
    place = tmp_path / "out" / ("0" if int(claim.stem) < COUNT // 2 else "1")
    place.mkdir(exist_ok=True)
    left = [place / ".limpid-0123456789abcdef.tmp", claim.parent / ".limpid-0123456789abcdef.tmp"]
    for path in left:
        path.write_bytes(b"half of it")
    mine = place / ".limpid-notes.txt"
    mine.write_text("mine")
    program = (
        "import sys, time; from pathlib import Path; from limpid.io.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as file: print(file.name, flush=True); time.sleep(60)"
    )
    command_line = [sys.executable, "-c", program, str(place / "another.png")]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        held = Path(writer.stdout.readline().strip())

        resumed = limpid(*command, "--resume")

        assert resumed.returncode == 0, resumed.stderr
        assert not any(path.exists() for path in left)
        assert held.exists()
        assert mine.exists()
        writer.kill()


def test_shards_that_changed_or_lost_images_since_they_were_planned_are_on_record(limpid, noisy, tmp_path) -> None:
    contents = [encoded(noisy(seed=n)) for n in range(3)]
    shard(tmp_path / "s.tar", {"a.png": contents[0], "b.png": contents[1]})
    table(tmp_path / "t.parquet", [contents[0], contents[1]])
    median = ("denoise", "s.tar", "t.parquet", "-o", "out", "-m", "median", "--checksums")
    limpid(*median, "--plan")
    shard(tmp_path / "s.tar", {"new.png": contents[2], "a.png": contents[0]})
    table(tmp_path / "t.parquet", [contents[2]])

    done = limpid(*median, "--shards", ":")

    assert "s.tar#b.png: it is no longer in there" in done.stderr
    assert [(row["status"], row["changed"]) for row in rows(tmp_path / "out")] == [
        ("ok", False),  # at another place of the shard, with the same bytes
        ("error", False),
        ("ok", True),
        ("error", False),
    ]


def test_what_is_wrong_inside_of_shards_is_a_row_each(limpid, noisy, tmp_path: Path) -> None:
    good = encoded(noisy())
    path = shard(tmp_path / "cut.tar", {"a.png": good, "b.png": good})
    path.write_bytes(path.read_bytes()[: 512 + 512 * -(-len(good) // 512) + 700])
    shard(tmp_path / "same.tar", {"x/a.png": good, "bad.png": good[: len(good) // 2], "empty.png": b""})
    (tmp_path / "same" / "x").mkdir(parents=True)
    (tmp_path / "same" / "x" / "a.png").write_bytes(good)
    table(tmp_path / "t.parquet", [None, good])
    (tmp_path / "no.parquet").write_bytes(b"no table")

    done = limpid("denoise", *(tmp_path / n for n in ("cut.tar", "same.tar", "same", "t.parquet", "no.parquet")), *(
        "-o", "out", "-m", "median", "--json"
    ))  # fmt: skip

    status = {Path(row["input"]).name: row["error"] for row in json.loads(done.stdout)["results"]}
    assert "ends inside it" in status["cut.tar#b.png"]
    assert "unexpected end of data" in status["cut.tar"]
    assert "truncated" in status["same.tar#bad.png"]
    assert "empty" in status["same.tar#empty.png"]
    assert status["t.parquet#0"] == "the row holds no image."
    assert "can't be read" in status["no.parquet"]
    assert list(images(tmp_path / "out")) == ["cut/a.png", "same/x/a.png", "t/00001.png", "x/a.png"]


def test_any_name_is_denoised_recorded_and_gone_on_with(limpid, picture, tmp_path: Path) -> None:
    names = [b"two\nlines.png", b"latin\xe9.png", b"50%#1.png", b"%41.png", b"file:a.png", "日本 é.png".encode()]
    for number, name in enumerate(names):
        picture(tmp_path / "in" / os.fsdecode(b"day\xff\n") / os.fsdecode(name), seed=number)
    command = ("denoise", "in", "-o", "out", "-m", "median")

    first = limpid(*command, "--json")
    again = limpid(*command, "--resume", "--json")
    verified = limpid("verify", "out", "--checksums")

    assert first.returncode == 0, first.stderr
    assert json.loads(again.stdout)["skipped"] == len(names)
    assert verified.stdout == "6 images: 6 done\n"
    found = {os.fsencode(path.name) for path in (tmp_path / "out" / os.fsdecode(b"day\xff\n")).iterdir()}
    assert found == set(names)


def test_of_many_files_with_some_damaged_all_others_are_done(limpid, picture, tmp_path: Path) -> None:
    for number in range(60):
        path = picture(tmp_path / "in" / f"{number:02}.png", seed=number)
        if number % 20 == 7:
            path.write_bytes(path.read_bytes()[:-20])

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--json")
    again = limpid("denoise", "in", "-o", "out", "-m", "median", "--resume", "--json")

    assert done.returncode == again.returncode == 1
    for answer, counts in ((done, (57, 3, 0)), (again, (0, 3, 57))):
        found = json.loads(answer.stdout)
        assert (found["done"], found["failed"], found["skipped"]) == counts
    assert len(images(tmp_path / "out")) == 57


def test_images_in_shards_are_not_replaced_in_place(limpid, noisy, picture, tmp_path: Path) -> None:
    path = shard(tmp_path / "in" / "s.tar", {"a.png": encoded(noisy())})
    picture(tmp_path / "in" / "b.png")
    before = path.read_bytes()

    done = limpid("denoise", "in", "--in-place", "-m", "median", "--json")
    elsewhere = limpid("denoise", "s3://bucket/a.png", "--in-place", "-m", "median")

    assert [row["status"] for row in json.loads(done.stdout)["results"]] == ["ok", "error"]
    assert "can't be replaced there" in done.stderr
    assert path.read_bytes() == before
    assert elsewhere.returncode == 2


@pytest.fixture
def files(s3: dict[str, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Return a bucket of its own, named ``photos``."""
    from limpid.io.stores.filesystem import filesystem

    environment.update(s3)
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    filesystem.cache_clear()
    found = filesystem("s3")
    found.mkdir("photos")
    yield found
    found.rm("photos", recursive=True)
    filesystem.cache_clear()


def stored(files, prefix: str) -> dict[str, bytes]:
    found = sorted(path.removeprefix(f"{prefix}/") for path in files.find(prefix))
    return {name: files.cat_file(f"{prefix}/{name}") for name in found if not name.startswith("limpid-job")}


def receipts(files, prefix: str) -> list[dict]:
    paths = sorted(files.glob(f"{prefix}/limpid-job/*/receipts/*.jsonl"))
    return [json.loads(line) for path in paths for line in files.cat_file(path).splitlines()]


def test_a_bucket_is_denoised_into_another_and_back(limpid, files, noisy, tmp_path: Path) -> None:
    for name in ("a.png", "day/b c.png", "day/50%#é.png"):
        files.pipe(f"photos/in/{name}", encoded(noisy(seed=len(name))))
    shard(tmp_path / "s.tar", {"d.png": encoded(noisy(seed=9))})
    files.pipe("photos/in/s.tar", (tmp_path / "s.tar").read_bytes())
    command = ("denoise", "s3://photos/in", "-m", "median")

    there = limpid(*command, "-o", "s3://photos/out", "--json")
    here = limpid(*command, "-o", "out")
    again = limpid(*command, "-o", "s3://photos/out/", "--resume", "--json")
    files.pipe("photos/in/a.png", encoded(noisy(seed=77)))
    changed = limpid(*command, "-o", "s3://photos/out", "--resume", "--json")

    assert there.returncode == here.returncode == 0, there.stderr
    assert json.loads(there.stdout)["results"][0]["output"] == "s3://photos/out/a.png"
    assert json.loads(again.stdout)["skipped"] == 4
    assert json.loads(changed.stdout)["done"] == 1
    names = ["a.png", "day/50%#é.png", "day/b c.png", "s/d.png"]
    assert list(images(tmp_path / "out")) == list(stored(files, "photos/out")) == names
    assert stored(files, "photos/out")["s/d.png"] == (tmp_path / "out" / "s" / "d.png").read_bytes()
    verified = limpid("verify", "s3://photos/out", "--checksums")
    assert (verified.returncode, verified.stdout) == (0, "4 images: 4 done\n")
    files.pipe("photos/out/day/b c.png", b"x")
    files.rm("photos/out/s/d.png")
    broken = limpid("verify", "s3://photos/out")
    assert "s3://photos/out/day/b c.png: 1 bytes; " in broken.stdout
    assert "s3://photos/out/s/d.png: the output is gone" in broken.stdout


def test_a_killed_job_into_a_bucket_is_resumed_to_the_same_bytes(limpid, start, files, shards, tmp_path) -> None:
    command = ("denoise", "in", "-o", "s3://photos/out", "-m", "nlm")
    killed = start(*command)
    wait_for(lambda: len(receipts(files, "photos/out")) >= 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = len(receipts(files, "photos/out"))

    found = limpid("verify", "s3://photos/out")
    resumed = limpid(*command, "--resume", "--json")
    limpid("denoise", "in", "-o", "whole", "-m", "nlm")

    assert before < COUNT
    assert f"{COUNT - before} not done" in found.stdout
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["skipped"] == before
    assert sorted(row["item"] for row in receipts(files, "photos/out")) == list(range(COUNT))
    assert stored(files, "photos/out") == images(tmp_path / "whole")
    assert not files.glob("photos/out/limpid-job/lock*")


def test_a_second_job_into_the_same_prefix_is_refused_while_the_first_is_at_work(limpid, start, files, shards):
    command = ("denoise", "in", "-o", "s3://photos/out", "-m", "nlm")
    first = start(*command)
    wait_for(lambda: receipts(files, "photos/out"))
    first.send_signal(signal.SIGSTOP)

    second = [limpid(*command, *more) for more in ((), ("--resume",), ("--plan",), ("--shards", ":"))]

    assert [done.returncode for done in second] == [2] * 4
    assert all("another limpid is at work in s3://photos/out" in done.stderr for done in second)
    first.send_signal(signal.SIGCONT)
    assert first.wait(120) == 0


def test_parts_of_a_job_into_a_bucket_are_done_by_several_processes(limpid, start, files, shards, tmp_path) -> None:
    command = ("denoise", "in", "-o", "s3://photos/out", "-m", "median")
    planned = json.loads(limpid(*command, "--plan", "--json").stdout)

    parts = [start(*command, "--shards", part) for part in (":9", "9:")]

    assert (planned["shards"], planned["folder"]) == (COUNT, "s3://photos/out/limpid-job/0001")
    assert [part.wait(120) for part in parts] == [0, 0]
    assert sorted(row["item"] for row in receipts(files, "photos/out")) == list(range(COUNT))
    assert limpid("verify", "s3://photos/out").returncode == 0


def test_a_manifest_in_a_bucket_that_was_edited_is_refused(limpid, files, shards) -> None:
    command = ("denoise", "in", "-o", "s3://photos/out", "-m", "median")
    limpid(*command, "--plan")
    files.pipe("photos/out/limpid-job/0001/manifest.parquet", b"edited")

    done = limpid(*command, "--shards", ":")

    assert done.returncode == 2
    assert "manifest.parquet is not as it was written" in done.stderr


@pytest.mark.parametrize(
    ("output", "status", "says"),
    [
        ("s3://nowhere/out", 1, "s3://nowhere/out/limpid-job can't be written"),
        ("s3://photos/*", 2, "can't hold *, ? or ["),
        ("s3://photos/a.png", 2, "not an image"),
        ("s3://photos/in", 2, "it is the input s3://photos/in/a.png"),
        ("nothing://photos/in", 2, "no store of kind nothing://"),
    ],
)
def test_an_output_that_no_store_takes_is_refused_by_name(limpid, files, noisy, output, status, says) -> None:
    files.pipe("photos/in/a.png", encoded(noisy()))

    done = limpid("denoise", "s3://photos/in", "-o", output, "-m", "median")

    assert (done.returncode, says in " ".join(done.stderr.split())) == (status, True), done.stderr
    assert list(stored(files, "photos")) == ["in/a.png"]
