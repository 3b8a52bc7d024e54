"""Handlers and callers of all that holds jobs back or puts them together: limits by key, rates, batches, debounce.

Keys change all the time: what is left behind of a key that no caller uses any more is moved on by nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiojobs_lite import JobContext, injected, job
from aiojobs_lite.flow import Debounce
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.testing.probe import claimed_of
from tests.chaos.work import NOT_YET, SHORT, Run, Work
from tests.helpers.pauses import work_for

MOST_OF_KEY: Final = 2  # jobs of one key at once
MOST_STARTS: Final = 3  # of one key within the period
PERIOD_S: Final = 1.0  # of the rate
DEBOUNCE_S: Final = 0.5
MAX_WAIT_S: Final = 1.0
_KEYS: Final = range(4)
_KEYS_LAST_S: Final = 4.0


def _key(work: Work) -> int:
    """A key that the other processes use now, too."""
    return 10 * int(time.monotonic() / _KEYS_LAST_S) + work.chance.choice(_KEYS)


@job(backoff=SHORT, limits=[Limit(MOST_OF_KEY, key="key")])
async def keyed(call: str, key: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx, key=key) as run:
        await work_for(0.03)
        return run.result


@job(backoff=SHORT, limits=[Limit(1, key="key", ordered=True)])
async def ordered(call: str, key: int, fails: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx, key=key) as run:
        await work_for(0.005)
        if fails and ctx.attempt == 1:
            raise ValueError(NOT_YET)
        return run.result


@job(backoff=SHORT, limits=[Limit(MOST_OF_KEY, key="key"), Rate(MOST_STARTS, per=PERIOD_S, key="key")])
async def rated(call: str, key: int, fails: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx, key=key, claimed_at=claimed_of(ctx).started_at) as run:
        await work_for(0.005)
        if fails and ctx.attempt == 1:
            raise ValueError(NOT_YET)
        return run.result


@job(backoff=SHORT, debounce=Debounce(DEBOUNCE_S, max_wait=MAX_WAIT_S, key="key"))
async def debounced(latest: str, key: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    claimed = claimed_of(ctx)
    waited = {} if ctx.attempt > 1 or claimed.interruptions else {"put_off": claimed.scheduled_at - claimed.created_at}
    with Run(work.journal, ctx, key=key, latest=latest, **waited) as run:
        return run.result


@job(backoff=SHORT, max_attempts=2)
async def member(call: str, fails: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work_for(0.01)
        if fails and work.chance.random() < 0.6:  # twice; or not, if it is redriven
            raise ValueError(NOT_YET)
        return run.result


@job(backoff=SHORT)
async def completed(batch: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job(backoff=SHORT)
async def succeeded(batch: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


JOBS: Final = (keyed, ordered, rated, debounced, member, completed, succeeded)


class _BlockFails(Exception):
    pass


def _fails(work: Work) -> bool:
    return work.chance.random() < 0.25


async def _many_rated(work: Work) -> None:
    key = _key(work)
    for _ in range(work.chance.randint(1, 8)):
        await work.enqueue(rated, key, _fails(work))


async def _debounce(work: Work) -> None:
    """A stream of enqueues with one key, which is put off by each, and by some for longer than it may be."""
    key = _key(work)
    for _ in range(work.chance.randint(1, 8)):
        await work.debounce(debounced, key)
        await work_for(work.chance.uniform(0.0, 0.4))


async def _batch(work: Work) -> None:
    """A batch whose block ends, or fails."""
    with suppress(_BlockFails):
        async with work.runner.batches.open(on_complete=completed, on_success=succeeded) as batch:
            for _ in range(work.chance.randint(0, 4)):
                await work.enqueue(member, _fails(work), into=batch)
            await work.enqueue_many(work.chance.randint(1, 5), into=batch)
            if work.chance.random() < 0.1:
                raise _BlockFails
        work.journal.note("closed", batch=batch.id)


_Calls = tuple[tuple[int, Callable[[Work], Awaitable[object]]], ...]
CALLS: Final[_Calls] = (
    (6, lambda work: work.enqueue(keyed, _key(work))),
    (2, lambda work: work.enqueue_in(keyed, _key(work))),
    (6, lambda work: work.enqueue(ordered, _key(work), _fails(work))),
    (3, _many_rated),
    (1, lambda work: work.enqueue_in(rated, _key(work), _fails(work))),
    (4, _batch),
)
STREAMS: Final[_Calls] = ((1, _debounce),)
"""They take longer, and have a caller of their own."""
