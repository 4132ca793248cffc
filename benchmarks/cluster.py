"""A job on a cluster that loses nodes and drivers, in simulated time, with limpid's own record of what is done.

Simulated are time, nodes, what a shard takes, and when a node or the driver is lost: all drawn from one generator. Real
are the claims, the receipts and the question what is pending, where the record is a :class:`limpid.jobs.Job` on disk;
:class:`Remembered` keeps the same rules in memory, for runs that would take minutes. A node that is lost leaves its
claims as a killed process does: the lock is released, the file stays.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from limpid.jobs import Row

__all__ = ["Cluster", "Outcome", "Record", "Remembered", "simulate"]

#: Seconds until a node that was lost is back, and until somebody has started a driver again.
_NODE_BACK_S: Final = 600.0
_DRIVER_BACK_S: Final = 900.0

#: Spread of speed, as a share: between nodes, and between shards on the same node.
_NODES_VARY: Final = 0.1
_SHARDS_VARY: Final = 0.1


class Record(Protocol):
    """What is known of a job, see :class:`limpid.jobs.Job`; a claim that an exception leaves was lost with its node."""

    @property
    def shards(self) -> int: ...
    def pending(self) -> list[int]: ...
    def claim(self, number: int) -> Any: ...
    def commit(self, number: int, rows: Sequence[Row]) -> None: ...


class Remembered:
    """A record in memory."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self._done = bytearray(shards)
        self._claimed: set[int] = set()

    def pending(self) -> list[int]:
        return [number for number, done in enumerate(self._done) if not done]

    def claim(self, number: int) -> Any:
        if self._done[number] or number in self._claimed:
            return None
        self._claimed.add(number)
        return _Held(self._claimed, number)

    def commit(self, number: int, rows: Sequence[Row]) -> None:  # noqa: ARG002 (as on disk)
        self._done[number] = True


@dataclass(frozen=True)
class _Held:
    claimed: set[int]
    number: int

    def __enter__(self) -> None:
        pass

    def __exit__(self, *failed: object) -> None:
        self.claimed.discard(self.number)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a job runs on, and how its shards are handed out.

    Attributes
    ----------
    nodes, cores : int
        Nodes, and cores of each; a core does one shard at a time.
    node_lives_s, driver_lives_s : float
        Mean seconds until a node, and the driver, is lost.
    portion : int
        Shards that are handed out together.
    to_nodes : bool
        Whether a portion goes to a node, whose cores share it, or to a core.
    ahead : int
        Portions that a node or core has at a time.
    hand_out_s : float
        Seconds that whoever hands out takes for a portion; one after the other.
    begin_s : float
        Seconds from there to the first shard.
    """

    nodes: int
    cores: int
    node_lives_s: float
    driver_lives_s: float
    portion: int
    to_nodes: bool
    ahead: int
    hand_out_s: float
    begin_s: float


@dataclass
class Outcome:
    """What became of a job.

    Attributes
    ----------
    commits : list of int
        How often each shard was committed.
    seconds, ideal_s : float
        Until all was done; until it would have been without a loss, a wait, or a core that has nothing left to do.
    nodes_lost, drivers_lost : int
        How often.
    lost : int
        Shards in work on what was lost: they are begun again.
    lost_with_a_node, lost_with_a_driver : int
        The most at a time.
    in_work : int
        Most shards in work at a time.
    lost_share : float
        Core seconds of lost shards, as a share of all.
    """

    commits: list[int]
    ideal_s: float
    seconds: float = 0.0
    nodes_lost: int = 0
    drivers_lost: int = 0
    lost: int = 0
    lost_with_a_node: int = 0
    lost_with_a_driver: int = 0
    in_work: int = 0
    lost_share: float = 0.0


def simulate(cluster: Cluster, record: Record, *, shard_s: float, rng: np.random.Generator) -> Outcome:
    """Return what became of a job whose shards take a core so many seconds on average."""
    return _Simulation(cluster, record, shard_s, rng).run()


class _LostError(Exception):
    """The node that was at a shard is no more."""


@dataclass(eq=False)
class _Place:
    """What portions are handed to: a node, or a core of one."""

    node: int
    workers: int
    portions: deque[deque[int]] = field(default_factory=deque)
    #: Shard -> claim, and when it was begun.
    work: dict[int, tuple[Any, float]] = field(default_factory=dict)
    #: Grows when it is lost, so that nothing happens there that was still to come.
    life: int = 0


class _Simulation:
    def __init__(self, cluster: Cluster, record: Record, shard_s: float, rng: np.random.Generator) -> None:
        self._cluster = cluster
        self._record = record
        self._rng = rng
        self._now = self._free = 0.0  # and when whoever hands out is free again
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0
        self._queue: deque[deque[int]] = deque()
        self._wanting: deque[tuple[_Place, int]] = deque()
        self._driver = 0  # the number of the driver; None hands out while it is lost
        self._driven = True
        self._done = self._in_work = 0
        self._worked = self._wasted = 0.0
        self._up = [True] * cluster.nodes
        workers = cluster.cores if cluster.to_nodes else 1
        each = range(cluster.cores // workers)
        self._places = [[_Place(node, workers) for _ in each] for node in range(cluster.nodes)]
        self._pace = shard_s * rng.lognormal(0, _NODES_VARY, cluster.nodes)
        self._length = rng.lognormal(0, _SHARDS_VARY, record.shards)
        ideal = float(self._length.sum() / (cluster.cores / self._pace).sum())
        self._outcome = Outcome([0] * record.shards, ideal)

    def run(self) -> Outcome:
        for node in range(self._cluster.nodes):
            self._after(self._lifetime(self._cluster.node_lives_s), self._node_lost, node)
        self._after(self._lifetime(self._cluster.driver_lives_s), self._driver_lost)
        self._drive()
        while self._done < self._record.shards:
            self._now, _, happen, arguments = heapq.heappop(self._events)
            happen(*arguments)
        self._outcome.seconds = self._now
        self._outcome.lost_share = self._wasted / self._worked
        return self._outcome

    def _after(self, seconds: float, happen: Callable[..., None], *arguments: Any) -> None:
        self._planned += 1  # of what happens at the same moment, what was planned first is first
        heapq.heappush(self._events, (self._now + seconds, self._planned, happen, arguments))

    def _lifetime(self, mean_s: float) -> float:
        return float(self._rng.exponential(mean_s))

    def _drive(self) -> None:
        """Begin to hand out what is pending."""
        pending, size = self._record.pending(), self._cluster.portion
        self._queue = deque(deque(pending[start : start + size]) for start in range(0, len(pending), size))
        self._wanting.clear()
        self._free = self._now
        self._welcome([place for places in self._places for place in places if self._up[place.node]])

    def _welcome(self, places: Sequence[_Place]) -> None:
        """Hand a portion to each place, and a second one to each, where they have several."""
        for _ in range(self._cluster.ahead):
            self._wanting.extend((place, place.life) for place in places)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._driven and self._queue and self._wanting:
            place, life = self._wanting.popleft()
            if place.life == life:
                self._free = max(self._free, self._now) + self._cluster.hand_out_s
                delay = self._free - self._now + self._cluster.begin_s
                self._after(delay, self._handed, place, life, self._queue.popleft(), self._driver)

    def _handed(self, place: _Place, life: int, portion: deque[int], driver: int) -> None:
        if driver != self._driver:
            return  # what is pending was asked for again since
        if place.life != life:
            self._queue.appendleft(portion)
            self._hand_out()
            return
        place.portions.append(portion)
        self._go_on(place)

    def _go_on(self, place: _Place) -> None:
        """Begin as many shards as a place has workers without one."""
        while place.portions and len(place.work) < place.workers:
            portion = place.portions[0]
            if portion:
                self._begin(place, portion.popleft())
            elif place.work:
                return
            else:
                place.portions.popleft()
                self._wanting.append((place, place.life))
                self._hand_out()

    def _begin(self, place: _Place, number: int) -> None:
        claim = self._record.claim(number)
        if claim is None:
            return
        place.work[number] = claim, self._now
        self._in_work += 1
        self._outcome.in_work = max(self._outcome.in_work, self._in_work)
        self._after(self._pace[place.node] * self._length[number], self._ended, place, place.life, number)

    def _ended(self, place: _Place, life: int, number: int) -> None:
        if place.life != life:
            return
        claim, begun = place.work.pop(number)
        with claim:
            self._record.commit(number, [{"item": number}])
        self._outcome.commits[number] += 1
        self._worked += self._now - begun
        self._in_work -= 1
        self._done += 1
        self._go_on(place)

    def _lose(self, places: Sequence[_Place]) -> int:
        """Let places forget what they had, and return how many shards were in work there."""
        lost = 0
        for place in places:
            place.life += 1
            for claim, begun in place.work.values():
                with suppress(_LostError), claim:
                    raise _LostError
                self._worked += self._now - begun
                self._wasted += self._now - begun
            lost += len(place.work)
            if place.portions:
                place.portions[0].extendleft(reversed(place.work))
            if self._driven:
                self._queue.extendleft(reversed(place.portions))
            place.work.clear()
            place.portions.clear()
        self._in_work -= lost
        self._outcome.lost += lost
        return lost

    def _node_lost(self, node: int) -> None:
        self._up[node] = False
        self._outcome.nodes_lost += 1
        self._outcome.lost_with_a_node = max(self._outcome.lost_with_a_node, self._lose(self._places[node]))
        self._after(_NODE_BACK_S, self._node_back, node)
        self._hand_out()

    def _node_back(self, node: int) -> None:
        self._up[node] = True
        self._after(self._lifetime(self._cluster.node_lives_s), self._node_lost, node)
        if self._driven:
            self._welcome(self._places[node])

    def _driver_lost(self) -> None:
        self._driven = False
        self._driver += 1
        self._outcome.drivers_lost += 1
        lost = self._lose([place for places in self._places for place in places])
        self._outcome.lost_with_a_driver = max(self._outcome.lost_with_a_driver, lost)
        self._after(_DRIVER_BACK_S, self._driver_back)

    def _driver_back(self) -> None:
        self._driven = True
        self._after(self._lifetime(self._cluster.driver_lives_s), self._driver_lost)
        self._drive()
