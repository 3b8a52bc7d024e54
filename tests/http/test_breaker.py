"""The circuit breaker: a host in trouble is left alone, one delivery looks how it is, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import InvalidOption, StoreUnavailable
from aiojobs_lite.http import PER_HOST_LIMIT, Breaker, Publish
from aiojobs_lite.http import breaker as module
from aiojobs_lite.http.breaker import CircuitBreaker
from aiojobs_lite.limits import LimitState
from tests.helpers.endpoints import Names, Received, delivering, endpoint, local, reply
from tests.helpers.waiting import until

HOST = "127.0.0.1"
LONG = Breaker(3, wait="1h", longest="10h")
AGAIN = 0.001


async def of_host(runner: JobRunner) -> LimitState | None:
    """The limit of the host alone, if it has one."""
    states = [state for state in await runner.limits.list() if (state.name, state.key) == (PER_HOST_LIMIT, HOST)]
    return states[0] if states else None


def seconds_left(state: LimitState | None) -> float:
    """How long a pause goes on."""
    assert state is not None
    assert state.paused_until is not None
    return (state.paused_until - datetime.now(UTC)).total_seconds()


async def test_a_host_in_trouble_is_left_alone_and_the_others_go_on() -> None:
    names = Names([HOST])
    async with endpoint(reply(500)) as server, delivering(breaker=LONG, per_host=1, resolver=names) as runner:
        await runner.publish_many([Publish(server.url, backoff=[AGAIN])] * 10)
        await until(lambda: len(server.received) == 3)
        await until(lambda: runner.stats().by_type["http.delivery"].processing == 0)
        state = await of_host(runner)
        assert state is not None
        assert (state.most, state.is_pinned, state.is_paused, state.paused_by) == (1, False, True, "circuit breaker")
        assert 3590 < seconds_left(state) <= 3600
        other = await runner.publish(server.url.replace(HOST, "other.example"), max_attempts=1)
        await until(lambda: runner.stats().dead == 1)
        assert [attempt.message for attempt in (await other.job()).history] == ["the receiver answered 500"]
        assert len(server.received) == 4
        assert runner.stats().by_type["http.delivery"].pending == 10  # nothing is lost


async def test_one_delivery_looks_first_and_a_success_opens_the_way_for_all() -> None:
    gate = asyncio.Event()

    async def late(received: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(reply())

    answers: list[Any] = [*[reply(500)] * 3, late]
    async with endpoint(*answers) as server, delivering(breaker=LONG, per_host=5) as runner:
        await runner.limits.change(PER_HOST_LIMIT, 1)
        handles = await runner.publish_many([Publish(server.url, backoff=[AGAIN])] * 10)
        await until(lambda: len(server.received) == 3)
        await until(lambda: runner.stats().by_type["http.delivery"].processing == 0)
        await runner.limits.change(PER_HOST_LIMIT, 5)
        server.most_open = 0
        await runner.limits.resume(PER_HOST_LIMIT, key=HOST)  # the wait is over
        await until(lambda: server.open == 1)
        assert runner.stats().by_type["http.delivery"].processing == 1
        gate.set()
        for handle in handles:
            assert (await handle.result("10s")).status == 200
        assert await of_host(runner) is None
        assert len(server.received) == 3 + 10


async def test_each_failure_of_the_delivery_that_looks_doubles_the_wait_up_to_the_longest() -> None:
    breaker = Breaker(1, wait="1h", longest="3h")
    async with endpoint(reply(503)) as server, delivering(breaker=breaker, per_host=1) as runner:
        await runner.publish(server.url, backoff=[AGAIN])
        for attempt, hours in ((1, 1), (2, 2), (3, 3), (4, 3)):
            await until(lambda number=attempt: len(server.received) == number)  # type: ignore[misc]
            await until(lambda: runner.stats().by_type["http.delivery"].processing == 0)
            assert hours * 3600 - 10 < seconds_left(await of_host(runner)) <= hours * 3600
            await runner.limits.resume(PER_HOST_LIMIT, key=HOST)


async def test_a_pause_ends_by_itself() -> None:
    breaker = Breaker(1, wait="10ms", longest="20ms")
    async with endpoint(*[reply(500)] * 4, reply()) as server, delivering(breaker=breaker) as runner:
        assert (await (await runner.publish(server.url, backoff=[AGAIN])).result("10s")).status == 200
        assert len(server.received) == 5
        assert await of_host(runner) is None


@pytest.mark.parametrize("answer", [reply(404), reply(200), reply(408)])
async def test_a_host_that_answers_is_not_in_trouble(answer: bytes) -> None:
    async with endpoint(answer) as server, delivering(breaker=Breaker(1, wait="1h", longest="1h")) as runner:
        await runner.publish(server.url, max_attempts=1)
        await until(lambda: len(server.received) == 1)
        await until(lambda: runner.stats().by_type["http.delivery"].processing == 0)
        assert await of_host(runner) is None


async def test_a_success_ends_the_count() -> None:
    answers = [reply(500), reply(500), reply()] * 3
    async with endpoint(*answers) as server, delivering(breaker=LONG, per_host=1) as runner:
        for _ in range(3):
            await (await runner.publish(server.url, backoff=[AGAIN])).result("10s")
        assert len(server.received) == 9
        assert await of_host(runner) is None


async def test_another_runner_and_a_later_one_know_which_hosts_are_narrow(database: Path) -> None:
    async with endpoint(reply(500), reply()) as server:
        http = local(breaker=Breaker(1, wait="1h", longest="1h"))
        async with JobRunner(database, jobs=[http]) as runner:
            handle = await runner.publish(server.url, backoff=[AGAIN])
            await until(lambda: runner.stats().retrying == 1)
        async with JobRunner(database, jobs=[http]) as runner:
            assert (await of_host(runner)) is not None
            await runner.limits.resume(PER_HOST_LIMIT, key=HOST)
            assert (await (await runner.publish(server.url)).result("10s")).status == 200
            await until(lambda: runner.stats().completed == 2)
            assert await of_host(runner) is None
            assert (await runner.jobs.get(handle.id)).attempts == 2


# The counting alone.


class Limits:
    """Keeps what is ordered; stands for `runner.limits`."""

    def __init__(self) -> None:
        self.orders: list[tuple[Any, ...]] = []
        self.listed: list[LimitState] = []
        self.error: Exception | None = None

    async def list(self) -> list[LimitState]:
        if self.error is not None:
            raise self.error
        return self.listed

    async def pause(self, limit: str, *, key: str, until: float, by: str) -> None:
        self.orders.append(("pause", key, until))

    async def change(self, limit: str, most: int, *, key: str, pin: bool) -> None:
        self.orders.append(("change", key, most))

    async def reset(self, limit: str, *, key: str) -> None:
        self.orders.append(("reset", key))


async def ended(breaker: CircuitBreaker, limits: Limits, *, has_failed: bool, begun: float | None = None) -> None:
    at = time.monotonic() if begun is None else begun
    await breaker.ended("a", limits, begun=at, has_failed=has_failed)  # type: ignore[arg-type]  # no more is needed


async def test_what_began_before_a_host_was_left_alone_says_nothing_of_it() -> None:
    limits, breaker, begun = Limits(), CircuitBreaker(Breaker(2, wait=1, longest=8)), time.monotonic()
    for _ in range(5):
        await ended(breaker, limits, has_failed=True, begun=begun)
    await ended(breaker, limits, has_failed=False, begun=begun)
    opened = [("pause", "a", 1.0), ("change", "a", 1)]
    assert limits.orders == opened
    await ended(breaker, limits, has_failed=True)
    assert limits.orders == [*opened, ("pause", "a", 2.0), ("change", "a", 1)]
    await ended(breaker, limits, has_failed=False)
    assert limits.orders[4:] == [("reset", "a")]
    await ended(breaker, limits, has_failed=False)
    assert len(limits.orders) == 5


async def test_a_host_that_another_runner_has_narrowed_is_left_alone_at_the_first_failure() -> None:
    limits = Limits()
    limits.listed = [LimitState(PER_HOST_LIMIT, "a", 1, None, False, False, None, None, None)]
    await ended(CircuitBreaker(Breaker(9)), limits, has_failed=True)
    assert limits.orders == [("pause", "a", 30.0), ("change", "a", 1)]
    for other in (
        LimitState(PER_HOST_LIMIT, "a", 1, None, True, False, None, None, None),
        LimitState(PER_HOST_LIMIT, "a", 2, None, False, False, None, None, None),
        LimitState("other", "a", 1, None, False, False, None, None, None),
    ):  # what a person has set
        limits.orders, limits.listed = [], [other]
        await ended(CircuitBreaker(Breaker(9)), limits, has_failed=True)
        assert limits.orders == []


async def test_a_breaker_that_cannot_be_set_says_so_and_costs_no_delivery(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits()
    limits.error = StoreUnavailable("SQLITE_BUSY", "locked")
    await ended(CircuitBreaker(Breaker()), limits, has_failed=True)
    assert "the circuit breaker of a could not be set: " in caplog.text
    await ended(CircuitBreaker(None), limits, has_failed=True)
    assert len(caplog.records) == 1


async def test_of_very_many_hosts_the_counts_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 2)
    limits, breaker = Limits(), CircuitBreaker(Breaker(2))
    for host in ("a", "b", "c", "a"):
        await breaker.ended(host, limits, begun=time.monotonic(), has_failed=True)  # type: ignore[arg-type]
    assert limits.orders == []


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"failures": 0}, "failures"),
        ({"failures": "5"}, "failures"),
        ({"wait": 0}, "wait"),
        ({"longest": 1}, "longest"),
    ],
)
def test_a_breaker_that_cannot_work_is_refused(options: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Breaker(**options)
    assert caught.value.option == option
    assert Breaker(5, wait="1s", longest="1m").waits == (1.0, 60.0)
