"""A job from its plan to its last receipt, with a task that knows no images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpid.core.errors import MissingExtraError, OptionError, WriteError
from limpid.io.lock import take_lock
from limpid.io.stores.folder import Folder
from limpid.jobs import About, Item, Job, JobFolder, Row, check_same, last_rows
from limpid.jobs.engines.local import run_local
from limpid.jobs.engines.ray import run_ray
from limpid.jobs.manifest import read_shards, shard_size, write_manifest
from limpid.jobs.names import path_of, texts_from
from limpid.jobs.work import overlapped, process_shard

ABOUT = About(model={"model": "fast", "sha256": ["ab"]}, options={"strength": 1.0, "sigma": "auto"})


def items(count: int) -> list[Item]:
    return [Item(n, f"../in/{n}", str(n), None, 10 * n, str(n)) for n in range(count)]


def planned(folder: JobFolder, count: int) -> Job:
    return folder.add(items(count), ABOUT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobFolder:
    # Processes of a job find the tasks of this module by its name, from the root of the project.
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    return JobFolder(Folder(tmp_path))


class Writing:
    """Writes each item's number into its output; counts how often."""

    def __init__(self, root: str, *, seconds: float = 0.0) -> None:
        self.root = Path(root)
        self.seconds = seconds

    def __call__(self, item: Item, *, begun: bool) -> Row:
        time.sleep(self.seconds)
        if item.output is None:
            return {"status": "error", "begun": begun}
        with (self.root / item.output).open("a") as file:
            file.write("x")
        return {"status": "ok", "begun": begun}


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@settings(deadline=None, max_examples=25)  # a file and two connections each
@given(
    st.lists(
        st.builds(Item, st.just(0), text, st.none() | text, st.none() | text, st.none() | st.integers(0, 2**60)),
        max_size=5,
    )
)
def test_a_manifest_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, made: list[Item]) -> None:
    store = Folder(tmp_path_factory.mktemp("job [*] é"))
    numbered = [Item(n, one.input, one.output, one.error, one.size) for n, one in enumerate(made)]

    assert write_manifest(store, numbered)[0] == len(made)

    shards = list(read_shards(store, range(len(made)), size=1))
    assert [shard.items for shard in shards] == [(item,) for item in numbered]


@given(st.integers(1, 10**10))
def test_there_are_about_a_thousand_shards_until_they_grow_too_long(count: int) -> None:
    size = shard_size(count)

    assert 1 <= size <= 4096
    assert -(-count // size) < 2000 or size == 4096


def test_shards_are_read_by_their_numbers(tmp_path: Path) -> None:
    write_manifest(Folder(tmp_path), items(4500))

    shards = list(read_shards(Folder(tmp_path), [0, 7, 1124], size=4))

    assert [shard.number for shard in shards] == [0, 7, 1124]
    assert [item.number for item in shards[1].items] == [28, 29, 30, 31]
    assert [item.number for item in shards[2].items] == [4496, 4497, 4498, 4499]


@given(
    st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & set(b"\0/") and name not in (b".", b".."))
)
def test_any_name_is_text_and_comes_back(name: bytes) -> None:
    root = "/data/out"
    path = Path("/data/in") / os.fsdecode(name)

    text_of = texts_from(root)
    found = text_of(path)

    found.encode("utf-8")
    assert path_of(found, root) == path
    assert path_of(text_of("/data/out/file:a"), root) == Path("/data/out/file:a")
    assert path_of(text_of("/data/in"), root) == Path("/data/in")


def test_a_way_between_folders_leads_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "deep" / "in").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "in").symlink_to(tmp_path / "disk" / "deep" / "in")
    (tmp_path / "disk" / "deep" / "in" / "a.png").symlink_to("b.png")

    text = texts_from(str(tmp_path / "out"))(tmp_path / "in" / ".." / "in" / "a.png")  # .. of where the link leads

    assert text == "../disk/deep/in/a.png"


@pytest.mark.parametrize(("processes", "threads"), [(1, 1), (1, 3), (2, 2)])
def test_every_item_is_done_once_and_has_one_row(folder: JobFolder, processes: int, threads: int) -> None:
    job = planned(folder, 30)

    receipts = dict(run_local(job, Writing(folder.root.address), job.pending(), processes=processes, threads=threads))

    assert sorted(receipts) == list(range(30))
    assert job.pending() == []
    assert [row["item"] for number in range(30) for row in job.receipt(number)] == list(range(30))
    assert all(Path(folder.root.address, str(n)).read_text() == "x" for n in range(30))
    assert not list(Path(job.address).rglob("*.claim"))


def test_what_is_committed_is_not_done_again_and_what_was_begun_is_said_to_be(folder: JobFolder) -> None:
    job = planned(folder, 3)
    first, second, third = job.read_shards([0, 1, 2])
    process_shard(job, first, Writing(folder.root.address))
    with pytest.raises(RuntimeError, match="killed"):
        process_shard(job, second, lambda *_, **__: (_ for _ in ()).throw(RuntimeError("killed")))

    again = Job.open(job.store)

    assert again.pending() == [1, 2]
    assert process_shard(again, first, Writing(folder.root.address)) is None
    for shard, begun in ((second, True), (third, False)):
        receipt = process_shard(again, shard, Writing(folder.root.address))
        assert receipt is not None
        assert receipt[1][0]["begun"] == begun


def test_a_shard_that_another_has_is_left_to_it(folder: JobFolder) -> None:
    job = planned(folder, 2)
    claim = job.claim(0)
    assert claim is not None

    with claim:
        assert job.claim(0) is None
        assert [number for number, _ in overlapped(job, Writing(folder.root.address), [0, 1], threads=2)] == [1]


def test_closing_an_engine_ends_it_after_the_items_in_work(folder: JobFolder) -> None:
    job = planned(folder, 30)

    with closing(overlapped(job, Writing(folder.root.address, seconds=0.01), job.pending(), threads=2)) as receipts:
        next(receipts)

    assert 1 <= len(job.committed()) < 30
    assert not list(Path(job.address).rglob("*.tmp"))


def test_an_error_of_a_task_is_raised_and_nothing_is_recorded_of_its_shard(folder: JobFolder) -> None:
    job = planned(folder, 2)

    with pytest.raises(ZeroDivisionError):
        list(overlapped(job, lambda item, begun: {"status": 1 // item.number}, [0], threads=1))

    assert job.pending() == [0, 1]


def test_a_receipt_that_the_disk_refuses_ends_the_job_with_advice(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(folder, 2)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(WriteError, match=r"disk is full.*--resume"):
        list(overlapped(job, Writing(folder.root.address), [0, 1], threads=1))
    monkeypatch.undo()

    assert job.pending() == [0, 1]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("manifest.parquet", lambda content: content + b"\n", "manifest.parquet is not as it was written"),
        ("job.json", lambda content: content.replace(b'"strength": 1.0', b'"strength": 2.0'), "job.json is not as"),
        ("job.json", lambda content: content.replace(b'"limpid_job": 2', b'"limpid_job": 9'), "has format 9"),
        ("job.json", lambda _: b"[]", "can't be read"),
        ("job.json", lambda _: b"{}", "can't be read"),
    ],
)
def test_a_job_that_was_edited_is_refused_by_name(folder: JobFolder, name: str, change, says: str) -> None:
    job = planned(folder, 2)
    path = Path(job.address, name)
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(OptionError, match=says):
        folder.jobs()


def test_the_id_follows_from_plan_model_and_options_alone(folder: JobFolder) -> None:
    first = planned(folder, 2).header.id

    assert planned(folder, 2).header.id == first
    assert planned(folder, 3).header.id != first
    assert folder.add(items(2), replace(ABOUT, inputs=["elsewhere"])).header.id == first
    assert folder.add(items(2), replace(ABOUT, options={"strength": 2.0})).header.id != first


def test_what_differs_is_named_with_both_values(folder: JobFolder) -> None:
    job = planned(folder, 1)

    check_same(job, ABOUT)
    with pytest.raises(OptionError, match=r"strength was 1\.0, now 0\.5; sigma was auto, now 7\.0"):
        check_same(job, replace(ABOUT, options={"strength": 0.5, "sigma": 7.0}))
    with pytest.raises(OptionError, match=r"options: model was fast, now median\. "):
        check_same(job, replace(ABOUT, model={"model": "median", "radius": 1}))
    with pytest.raises(OptionError, match=r"sha256 was .*ab.*, now .*cd"):
        check_same(job, replace(ABOUT, model={"model": "fast", "sha256": ["cd"]}))


def test_the_last_job_about_an_item_counts(folder: JobFolder) -> None:
    for status in ("error", "ok"):
        job = planned(folder, 1)
        list(overlapped(job, lambda item, begun, status=status: {"status": status}, [0], threads=1))

    assert [row["status"] for row in last_rows(folder.jobs()).values()] == ["ok"]
    folder.clear()
    assert folder.jobs() == []
    assert folder.store.names() == []


def test_a_plan_that_is_not_whole_is_none(folder: JobFolder) -> None:
    left = planned(folder, 2)
    left.store.remove("job.json")

    assert folder.jobs() == []
    assert planned(folder, 1).address == left.address
    assert [job.header.items for job in folder.jobs()] == [1]


def test_the_record_of_an_earlier_limpid_is_refused_until_all_is_done_anew(folder: JobFolder) -> None:
    journal = Path(folder.root.address, "limpid-manifest.jsonl")
    journal.write_text('{"limpid_manifest": 1}\n')

    assert JobFolder.exists_in(folder.root)
    with pytest.raises(OptionError, match=r"record of an earlier limpid.*without --resume"):
        folder.jobs()
    assert journal.exists()
    folder.clear()
    assert folder.jobs() == []


def test_one_is_in_a_folder_at_a_time_or_several_who_share(folder: JobFolder) -> None:
    with folder.locked(), pytest.raises(OptionError, match="another limpid is at work"), folder.locked(shared=True):
        pass
    with (
        folder.locked(shared=True),
        folder.locked(shared=True),
        pytest.raises(OptionError, match="another limpid is at work"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from limpid.io.lock import take_lock\n"
        "lock = take_lock(Path(sys.argv[1])); print('taken', flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        taken = take_lock(path)
        process.kill()
        process.wait()
        lock = take_lock(path)

    assert taken is None
    assert lock is not None
    lock.release()


def test_a_receipt_is_lines_of_json_that_people_read(folder: JobFolder) -> None:
    job = planned(folder, 1)
    list(overlapped(job, Writing(folder.root.address), [0], threads=1))

    line = Path(job.address, "receipts", "000000.jsonl").read_text("ascii")

    assert json.loads(line) == {"item": 0, "input": "../in/0", "output": "0", "status": "ok", "begun": False}


def test_ray_that_is_not_installed_is_named_with_its_extra(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    job = planned(folder, 1)

    with pytest.raises(MissingExtraError, match=r'pip install "limpid\[ray\]"'):
        list(run_ray(job, Writing(folder.root.address), [0], address=None, cores=1))


def is_running(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_the_processes_of_a_job_end_with_the_one_that_started_them(folder: JobFolder) -> None:
    job = planned(folder, 200)
    program = f"""
import time
from limpid.io.stores import store_at
from limpid.jobs import Job
from limpid.jobs.engines.local import run_local

class Slower:
    def __call__(self, item, *, begun):
        time.sleep(0 if item.number < 4 else 60)
        return {{"status": "ok"}}

if __name__ == "__main__":
    job = Job.open(store_at({job.address!r}))
    list(run_local(job, Slower(), job.pending(), processes=2, threads=1))
"""
    script = Path(folder.root.address, "program.py")
    script.write_text(program)
    with subprocess.Popen([sys.executable, str(script)]) as process:
        deadline = time.monotonic() + 60
        while len(job.committed()) < 4:
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    deadline = time.monotonic() + 20
    while any(map(is_running, children)):
        assert time.monotonic() < deadline, "they went on"
        time.sleep(0.01)

    assert len(children) >= 2
    assert len(job.committed()) < 200
    assert not list(Path(job.address).rglob("*.tmp"))
    assert list(run_local(job, Writing(folder.root.address), job.pending()[:1], processes=1, threads=1))
