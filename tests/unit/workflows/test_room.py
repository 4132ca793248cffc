from __future__ import annotations

import threading
import time

from limpid.workflows.room import Room


def most_at_once(total: int, sizes: list[int]) -> tuple[int, int]:
    """Let threads take room; return the most that was taken at a time, and by how many."""
    room, taken, most, lock = Room(total), [], [(0, 0)], threading.Lock()

    def work(size: int) -> None:
        with room.taken(size):
            with lock:
                taken.append(size)
                most.append((sum(taken), len(taken)))
            time.sleep(0.01)
            with lock:
                taken.remove(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(bytes_ for bytes_, _ in most), max(count for _, count in most)


def test_no_more_is_taken_than_there_is() -> None:
    bytes_, count = most_at_once(10, [4, 4, 4, 4, 4, 4])

    assert bytes_ == 8
    assert count == 2


def test_who_needs_more_than_there_is_is_alone() -> None:
    assert most_at_once(10, [25, 25, 3])[1] == 1


def test_by_default_a_few_megabytes_never_wait() -> None:
    assert most_at_once(Room()._total, [1_000_000] * 4)[1] == 4
