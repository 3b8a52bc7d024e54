"""Whatever is written in whatever order: the counts are those of the rows, and no job moves in a forbidden way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_lite.model.job import TRANSITIONS, Claimed, Outcome, Status
from aiojobs_lite.model.writes import (
    Cancel,
    Claim,
    Delete,
    Finish,
    Insert,
    MarkInterrupted,
    Pause,
    Prune,
    Redrive,
    Unpark,
    Write,
)
from aiojobs_lite.stores.base import Store, TypeCounts
from aiojobs_lite.stores.open import store_for
from tests.helpers.stores import at, claim, counted, end, everything, new, shown

_TYPES = ("a", "b")
_OWNERS = ("one", "two")
_ENDS = tuple(
    (outcome, status)
    for outcome in Outcome
    for status in (Status.PENDING, Status.DEAD, Status.CANCELLED)
    if outcome is not Outcome.SUCCEEDED
)
_small = st.integers(0, 7)
_step = st.tuples(
    st.sampled_from(
        ["insert", "insert", "keyed", "claim", "claim", "finish", "finish", "succeed", "succeed", "stale", "cancel",
         "mark", "redrive", "redrive all", "delete", "pause", "park", "unpark", "prune"]
    ), _small, _small, _small,
)  # fmt: skip
_transactions = st.lists(st.tuples(st.integers(0, 3), st.lists(_step, max_size=7)), min_size=1, max_size=25)


class _World:
    """What the owners hold, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.last_id = 0
        self.held: list[Claimed] = []
        self.past: list[Claimed] = []

    def write(self, kind: str, a: int, b: int, c: int) -> Write | None:
        job_id = max(1, self.last_id - a)
        simple: Mapping[str, Callable[[], Write]] = {
            "insert": lambda: Insert(tuple(self._row(a + n, b, c) for n in range(c % 4))),
            "keyed": lambda: Insert(tuple(self._row(a, n, b, key=n % 3 != 2) for n in range(c))),
            "claim": lambda: self._claim(a, b, c),
            "cancel": lambda: Cancel(job_id, "because"),
            "redrive": lambda: Redrive(job_id, None),
            "redrive all": lambda: Redrive(None, (*_TYPES, None)[a % 3]),
            "delete": lambda: Delete(job_id),
            "pause": lambda: Pause(_TYPES[a % 2], paused=b == 0),
            "unpark": lambda: Unpark(_TYPES[: a % 3]),
            "prune": lambda: Prune(at(self.now - a), at(self.now - b), at(0), c),
        }
        return simple[kind]() if kind in simple else self._end(kind, a, b)

    def _row(self, a: int, b: int, c: int, *, key: bool = False) -> Any:
        due = self.now + (0, -2, 1, 3)[b % 4]
        return new(_TYPES[a % 2], priority=c % 3, due=due, idempotency_key=f"k{b}" if key else None)

    def _claim(self, a: int, b: int, c: int) -> Claim:
        limits = {"a": 3} if c % 2 else {}
        return claim(_OWNERS[a % 2], limit=b, slots={"a": c, "b": a}, concurrency=limits, look_at=_TYPES[: b % 3])

    def _end(self, kind: str, a: int, b: int) -> Write | None:
        known = self.past if kind == "stale" else self.held
        if not known:
            return None
        held = known[a % len(known)]
        if kind == "mark":
            return MarkInterrupted(held.id, held.attempt, held.owner)
        if kind == "park":
            return end(held, Outcome.SNOOZED, attempts=held.attempt - 1, parked="x")
        if kind != "finish":
            return end(held)
        outcome, status = _ENDS[(a + 3 * b) % len(_ENDS)]
        refund = outcome in {Outcome.SNOOZED, Outcome.INTERRUPTED} and status is Status.PENDING
        return end(held, outcome, status=status, attempts=held.attempt - refund, scheduled_at=at(self.now + b - 2))

    def learn(self, writes: Sequence[Write], answers: Sequence[Any]) -> None:
        """Takes the answers over: what ended is held no more, what was claimed is."""
        for write, answer in zip(writes, answers, strict=True):
            if isinstance(write, Finish) and answer:
                ended = [job for job in self.held if (job.id, job.attempt, job.owner) == (write.id, write[2], write[3])]
                assert len(ended) == 1, "an attempt was ended that nobody held"
                self.held.remove(ended[0])
                self.past.append(ended[0])
            elif isinstance(write, Insert):
                self.last_id = max([self.last_id, *(job.id for job in answer)])
        for write, answer in zip(writes, answers, strict=True):
            if isinstance(write, Claim):
                assert len(answer.jobs) <= write.limit
                assert not {job.id for job in answer.jobs} & {job.id for job in self.held}, "one job, two owners"
                self.held += answer.jobs


@settings(max_examples=150)
@given(_transactions)
async def test_no_sequence_of_writes_breaks_the_rules(transactions: list[tuple[int, list[Any]]]) -> None:
    store = store_for(":memory:", "normal")
    await store.open()
    try:
        await _play(store, transactions)
    finally:
        await store.close()


async def _play(store: Store, transactions: list[tuple[int, list[Any]]]) -> None:
    world, before = _World(), dict[int, Status]()
    for passed, steps in transactions:
        world.now += passed
        claims = 0
        writes: list[Write] = []
        for step in steps:
            write = world.write(*step)
            claims += isinstance(write, Claim)
            if write is not None and not (isinstance(write, Claim) and claims > 1):
                writes.append(write)
        applied = await store.apply(writes, at(world.now))
        world.learn(writes, applied.answers)
        before = await _check(store, world, before, len(writes))
        await store.apply([claim(limit=0, slots={}, look_at=_TYPES)], at(world.now))
        assert shown(store) == await counted(store, world.now)


async def _check(store: Store, world: _World, before: Mapping[int, Status], steps: int) -> dict[int, Status]:
    jobs = {job.id: job for job in await everything(store)}
    after = {job_id: job.status for job_id, job in jobs.items()}
    processing = {(job.id, job.attempts, job.owner) for job in jobs.values() if job.status is Status.PROCESSING}
    assert processing == {(held.id, held.attempt, held.owner) for held in world.held}
    for job_id in before.keys() & after.keys():
        assert (before[job_id], after[job_id]) in _reachable(steps), job_id
    assert sum(counts.processing for counts in shown(store).values()) == len(world.held)
    assert _without_scheduled(shown(store)) == _without_scheduled(await counted(store))
    return after


def _without_scheduled(counts: Mapping[str, TypeCounts]) -> dict[str, tuple[int, ...]]:
    """All but what depends on when a type was last looked at."""
    return {
        name: (one.pending, one.retrying, one.parked, one.processing, one.completed, one.dead, one.cancelled)
        for name, one in counts.items()
    }


def _reachable(steps: int) -> set[tuple[Status, Status]]:
    """What may follow what after at most so many allowed transitions."""
    reached = {(status, status) for status in Status}
    for _ in range(steps):
        reached |= {(first, later) for first, middle in reached for start, later in TRANSITIONS if start is middle}
    return reached
