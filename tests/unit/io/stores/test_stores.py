"""What every place that results are committed to keeps, whichever it is."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest

from limpid.core.errors import ReadError, WriteError
from limpid.io.stores import Stamp, Store, is_url, lease, store_at
from limpid.io.stores.filesystem import filesystem


@pytest.fixture
def s3_bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    filesystem.cache_clear()
    filesystem("s3").mkdir("results")
    yield "s3://results/out"
    filesystem("s3").rm("results", recursive=True)
    filesystem.cache_clear()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        found = store_at(tmp_path / "out")
        found.ready()
        yield found
    elif request.param == "memory":
        yield store_at("memory://results/out/")
        fsspec.filesystem("memory").rm("/", recursive=True)
    else:
        yield store_at(request.getfixturevalue("s3_bucket"))


def put(store: Store, name: str, content: bytes) -> None:
    with store.replacing(name) as file:
        file.write(content)


def get(store: Store, name: str) -> bytes:
    with store.open(name) as file:
        return file.read()


def test_what_is_written_is_there_under_its_name_and_no_other(store: Store) -> None:
    for name in ("a.png", "day/b.png", "day/50%#é [1].png"):
        put(store, name, name.encode())
        assert get(store, name) == name.encode()

    assert sorted(store.names()) == ["a.png", "day"]
    assert sorted(store.below("day").names()) == ["50%#é [1].png", "b.png"]
    assert list(store.stamps()) == ["a.png"]
    assert store.below("nothing").names() == []
    assert get(pickle.loads(pickle.dumps(store)), "a.png") == b"a.png"


def test_a_file_can_be_read_again_and_sought_in_while_it_is_written(store: Store) -> None:
    with store.replacing("a") as file:
        file.write(b"0123456789")
        file.seek(2)
        file.write(b"xx")
        file.seek(0)
        assert file.read() == b"01xx456789"

    assert get(store, "a") == b"01xx456789"


@pytest.mark.parametrize("error", [ReadError("no"), MemoryError(), KeyboardInterrupt(), ValueError("odd")])
def test_what_ends_early_is_not_there_and_what_was_there_stays(store: Store, error: BaseException) -> None:
    put(store, "a", b"before")

    def fail(name: str) -> None:
        with store.replacing(name) as file:
            file.write(b"half")
            raise error

    for name in ("a", "b"):
        with pytest.raises(WriteError if isinstance(error, ValueError) else type(error)):
            fail(name)

    assert get(store, "a") == b"before"
    assert store.names() == ["a"]


def test_stamps_tell_a_changed_file_and_a_missing_one(store: Store) -> None:
    put(store, "day/a", b"12345")
    first = store.stamp("day/a")
    time.sleep(0.01)
    put(store, "day/a", b"54321")
    second = store.stamp("day/a")

    assert first is not None
    assert second is not None
    assert first.size == second.size == 5
    assert first.version != second.version
    assert store.stamp("day/b") is None
    stamp_of = store.lookup()
    assert [stamp_of(name) for name in ("day/a", "day/b", "none/a", "b")] == [second, None, None, None]


def test_files_and_folders_are_removed_and_nothing_is_no_error(store: Store) -> None:
    for name in ("a", "day/b", "day/deep/c", "daylight"):
        put(store, name, b"x")

    for name in ("a", "day", "nothing"):
        store.remove(name)

    assert store.names() == ["daylight"]


def test_a_mark_says_that_something_was_begun_until_it_is_done(store: Store) -> None:
    put(store, "other", b"")

    def work(error: Exception | None) -> bool:
        mark = store.mark("claim")
        assert mark is not None
        with mark:
            assert "claim" in store.names()
            mark.beat()
            if error is not None:
                raise error
        return mark.begun

    with pytest.raises(ZeroDivisionError):
        work(ZeroDivisionError())
    assert work(None) is True
    assert work(None) is False
    assert store.names() == ["other"]


def test_one_is_in_at_a_time(store: Store) -> None:
    with store.locked("lock") as ours, store.locked("lock") as theirs, store.locked("lock", shared=True) as shared:
        assert (ours, theirs, shared) == (True, False, False)
    with store.locked("lock", shared=True) as first, store.locked("lock", shared=True) as second:
        assert (first, second) == (True, True)
    with store.locked("lock") as again:
        assert again


def test_of_many_that_come_at_once_one_gets_the_lock(s3_bucket: str) -> None:
    begin = threading.Barrier(6)
    release = threading.Event()
    got: list[bool] = []

    def come() -> None:
        with ExitStack() as stack:
            begin.wait()
            got.append(stack.enter_context(store_at(s3_bucket).locked("lock")))
            release.wait(60)

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(got) < 6:
        time.sleep(0.01)
    release.set()
    for thread in threads:
        thread.join()

    assert sorted(got) == [False] * 5 + [True]
    assert store_at(s3_bucket).names() == []


HOLD = """
import sys, time
from limpid.io.stores import store_at
with store_at(sys.argv[1]).locked("lock") as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_process_that_was_killed_is_taken_at_once(s3_bucket: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, s3_bucket], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with store_at(s3_bucket).locked("lock") as ours:
            assert not ours
        process.kill()
    started = time.monotonic()

    with store_at(s3_bucket).locked("lock") as ours:
        assert ours
        assert store_at(s3_bucket).names() == ["lock-2"]

    assert time.monotonic() - started < 10


@pytest.mark.parametrize("renewed", [True, False])
def test_the_lock_of_another_machine_is_taken_when_it_is_not_renewed(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, renewed: bool
) -> None:
    if not is_url(store.address):
        pytest.skip("a disk has locks of its own")
    monkeypatch.setattr(lease, "_PATIENCE_S", 0.6)
    monkeypatch.setattr(lease, "_LOOK_S", 0.05)
    owner = {"machine": "another", "process": os.getpid(), "started": "1"}
    put(store, "lock-7", json.dumps(owner).encode())
    ended = threading.Event()

    def renew() -> None:
        while renewed and not ended.wait(0.1):
            put(store, "lock-7", json.dumps({**owner, "once": time.monotonic()}).encode())

    other = threading.Thread(target=renew)
    other.start()
    with store.locked("lock") as ours:
        assert ours != renewed
    ended.set()
    other.join()

    assert "lock-7 is another process'" in caplog.text
    assert store.names() == (["lock-7"] if renewed else [])


def test_what_a_store_refuses_names_its_reason(s3_bucket: str) -> None:
    nowhere = store_at("s3://nowhere/out")

    with pytest.raises(WriteError, match="bucket does not exist"):
        put(nowhere, "a", b"x")
    with pytest.raises(OSError, match="bucket does not exist"), nowhere.locked("lock"):
        pass


def test_a_sweep_takes_what_nobody_holds(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    left, other = tmp_path / ".limpid-00.tmp", tmp_path / ".limpid-00.txt"
    for path in (left, other):
        path.write_bytes(b"x")

    with store.replacing("a") as file:
        file.write(b"whole")
        store.sweep("")

    assert sorted(store.names()) == [".limpid-00.txt", "a"]
    assert get(store, "a") == b"whole"


def test_a_file_that_is_swept_in_the_moment_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limpid.io import atomic

    hold, tries = atomic.hold, []

    def swept(file, path: Path):
        tries.append(path)
        if len(tries) == 1:
            path.unlink()
        return hold(file, path)

    monkeypatch.setattr(atomic, "hold", swept)
    put(store_at(tmp_path), "a", b"whole")

    assert len(tries) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"whole"}


def test_stamps_compare_by_what_they_say() -> None:
    assert Stamp(1, "2") == Stamp(1, "2") != Stamp(1, "3")
