"""Limits by key in a runner: what runs at once, in what order, and when."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    Backoff,
    InvalidOption,
    InvalidPayload,
    JobContext,
    JobRunner,
    Jobs,
    JobType,
    Retry,
    Status,
    injected,
)
from aiojobs_lite.errors import UnknownLimit
from aiojobs_lite.flow import Debounce
from aiojobs_lite.limits import DECLARED, EVERY_KEY, Fixed, Limit, LimitState, LimitUse, Rate
from aiojobs_lite.model.limits import LimitRow, ListLimits
from aiojobs_lite.testing import FakeClock, JobKit
from tests.helpers.sqlite_store import opened
from tests.helpers.waiting import PATIENCE, until


class Seen:
    """What runs, by key.

    Attributes:
        most: The most that ran at once.
        order: The numbers of the jobs in the order of their start.
    """

    def __init__(self) -> None:
        self._running: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.order: list[int] = []
        self.go_on = asyncio.Event()

    async def run(self, org_id: int, number: int) -> None:
        """Takes a turn of the event loop, or waits until all may go on."""
        self._running[org_id] += 1
        self.most[org_id] = max(self.most[org_id], self._running[org_id])
        self.order.append(number)
        await (self.go_on.wait() if number < 0 else asyncio.sleep(0))
        self._running[org_id] -= 1


async def test_a_deep_key_runs_to_its_end_within_its_limit_and_delays_no_other() -> None:
    group, seen = Jobs(), Seen()

    @group.job(limits=[Limit(2, key="org_id")])
    async def export(org_id: int, number: int) -> None:
        await seen.run(org_id, number)

    async with JobRunner(":memory:", jobs=[group]) as runner:
        blocking = await runner.enqueue_many([export.bind(1, -1), export.bind(1, -2)])
        waiting = await runner.enqueue_many([export.bind(1, number) for number in range(60)])
        other = await runner.enqueue(export, 2, 99)
        await other.result(timeout="10s")
        assert {(await one.job()).status for one in waiting} == {Status.PENDING}
        seen.go_on.set()
        await runner.run_until_idle()
        assert {(await one.job()).status for one in (*blocking, *waiting)} == {Status.COMPLETED}
    assert seen.most == {1: 2, 2: 1}
    assert [number for number in seen.order if 0 <= number < 99] == sorted(range(60))


async def test_an_ordered_key_keeps_its_order_also_when_a_job_is_tried_again() -> None:
    group = Jobs()
    order: list[tuple[int, int]] = []

    @group.job(limits=[Limit(1, key="account", ordered=True)])
    async def book(account: int, number: int) -> None:
        order.append((account, number))
        if number == 1 and order.count((account, 1)) == 1:
            raise Retry(after=0.01)

    async with JobRunner(":memory:", jobs=[group]) as runner:
        await runner.enqueue_many([book.bind(account, number) for number in range(4) for account in (1, 2)])
        await until(lambda: runner.stats().completed == 8)
    for account in (1, 2):
        assert [number for found, number in order if found == account] == [0, 1, 1, 2, 3]


async def test_a_rate_lets_the_next_start_when_its_period_is_over() -> None:
    group, clock = Jobs(), FakeClock()
    started: list[int] = []

    @group.job(limits=[Rate(2, per="1m", key="org_id")])
    async def ask(org_id: int, number: int) -> None:
        started.append(number)

    async with JobRunner(":memory:", jobs=[group], clock=clock) as runner:
        await runner.enqueue_many([ask.bind(1, number) for number in range(5)])
        await until(lambda: started == [0, 1])
        clock.advance(59)
        await runner.run_until_idle()
        assert started == [0, 1]
        clock.advance(1)
        await until(lambda: started == [0, 1, 2, 3])
        clock.advance(60)
        await until(lambda: started == [0, 1, 2, 3, 4])


async def test_a_rate_of_jobs_counts_the_first_attempt_alone_and_holds_back_no_later_one(job_kit: JobKit) -> None:
    runner, began = JobRunner(":memory:"), list[tuple[int, int]]()

    @runner.job(limits=[Rate(1, per="1h", key="org_id", counts="jobs")], backoff=Backoff(base="1s"))
    async def sync(org_id: int, n: int, ctx: JobContext = injected) -> None:
        began.append((n, ctx.attempt))
        await ctx.sleep("pause", "10s")
        if ctx.attempt == 1:
            raise ValueError("again")

    async with job_kit(runner):
        first, second = await runner.enqueue_many([sync.bind(1, n) for n in (1, 2)])
        await job_kit.advance("1m")
        assert (await first.job()).status is Status.COMPLETED
        assert {n for n, _ in began} == {1}
        assert (await second.job()).status is Status.PENDING
        assert "'sync: starts by org_id' is reached for the key 1" in await runner.jobs.explain(second.id)
        await job_kit.advance("1h")
        assert (await second.job()).status is Status.COMPLETED
    assert len(began) == 6


async def test_the_limits_of_the_runner_that_started_last_count(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    for most in (2, 3):
        group = Jobs()

        @group.job(limits=[Limit(most, key="org_id", name="api"), Rate(9, per="1m", key="org_id")])
        async def call(org_id: int) -> None: ...

        async with JobRunner(path, jobs=[group]):
            pass
    async with opened(path) as store:
        assert await store.ask(ListLimits()) == [
            LimitRow("api", None, 3, None),
            LimitRow("call: rate by org_id", None, 9, 60_000_000),
        ]


async def test_a_key_of_a_wrong_type_is_refused_and_nothing_is_enqueued() -> None:
    group = Jobs()

    @group.job(limits=[Limit(1, key="weight")])
    async def weigh(weight: float) -> None: ...

    async with JobRunner(":memory:", jobs=[group]) as runner:
        with pytest.raises(InvalidPayload, match="weight: is the key of a limit"):
            await runner.enqueue(weigh, 1.5)
        assert runner.stats().pending == 0


NAME = "call: limit by org_id"


def waiting_group(gate: asyncio.Event) -> tuple[Jobs, JobType[[int], None]]:
    """A job type with a limit of 1, whose jobs wait for a gate."""
    group = Jobs()

    @group.job(limits=[Limit(1, key="org_id")])
    async def call(org_id: int) -> None:
        await gate.wait()

    return group, call


async def test_a_limit_is_changed_paused_and_reset_while_jobs_wait() -> None:
    gate = asyncio.Event()
    group, call = waiting_group(gate)
    async with JobRunner(":memory:", jobs=[group]) as runner:
        limits = runner.limits

        def running() -> int:
            return runner.stats().running

        await runner.enqueue_many([call.bind(key) for key in (7, 7, 7, 8, 8)])
        await until(lambda: running() == 2)
        await limits.change(NAME, 2, key=7)
        await until(lambda: running() == 3)
        await limits.pause(NAME, key=8, by="ops")
        await limits.change(NAME, 2, pin=False)
        assert [(one.key, one.most, one.is_pinned, one.paused_by) for one in await limits.list()] == [
            (EVERY_KEY, 2, False, None), (7, 2, True, None), (8, None, False, "ops"),
        ]  # fmt: skip
        await limits.resume(NAME, key=8)
        await until(lambda: running() == 4)
        await limits.change(NAME, 3)
        await limits.reset(NAME, key=7)
        await until(lambda: running() == 5)
        await limits.reset(NAME)
        assert await limits.list() == [LimitState(NAME, EVERY_KEY, 1)]
        gate.set()


async def test_what_a_person_pinned_stays_over_a_start_and_what_only_code_set_does_not(tmp_path: Path) -> None:
    group, _ = waiting_group(asyncio.Event())
    for pin, kept in ((False, 1), (True, 5)):
        async with JobRunner(tmp_path / "jobs.db", jobs=[group]) as runner:
            await runner.limits.change(NAME, 5, pin=pin)
        async with JobRunner(tmp_path / "jobs.db", jobs=[group]) as runner:
            assert (await runner.limits.list())[0].most == kept


async def test_each_change_is_logged_and_a_start_that_changes_a_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aiojobs_lite.engine")
    group, _ = waiting_group(asyncio.Event())
    async with JobRunner(tmp_path / "jobs.db", jobs=[group]) as runner:
        await runner.limits.change(NAME, 5, pin=False)
        await runner.limits.change(NAME, 1_000, key="a")
        await runner.limits.pause(NAME, key="a", by="ops")
        await runner.limits.resume(NAME, key="a")
        await runner.limits.reset(NAME, key="a")
        with pytest.raises(UnknownLimit):
            await runner.limits.resume("unknown")
    async with JobRunner(tmp_path / "jobs.db", jobs=[group]):
        pass
    assert [record.getMessage() for record in caplog.records if record.getMessage().startswith("limit")] == [
        f"limit changed: {NAME} allows 5 for every key",
        f'limit changed: {NAME} allows 1,000 for the key "a"',
        f'limit paused: no runner starts jobs that {NAME} counts for the key "a" until it is resumed, by ops',
        f'limit resumed: jobs that {NAME} counts for the key "a" start again',
        f'limit changed: {NAME} is reset for the key "a"',
        f"limit changed: {NAME} allows 1 for every key; it was 5, and the code says otherwise",
    ]


async def test_a_change_that_cannot_work_is_refused() -> None:
    group, _ = waiting_group(asyncio.Event())
    async with JobRunner(":memory:", jobs=[group]) as runner:
        for made, option in (
            (runner.limits.change(NAME, 0), "most"),
            (runner.limits.change(NAME, 1, per="1m"), "per"),
            (runner.limits.change(NAME, 1, per=0), "per"),
            (runner.limits.change(NAME, 1, pin=1), "pin"),  # type: ignore[arg-type]
            (runner.limits.change(NAME, 1, key=1.5), "key"),  # type: ignore[arg-type]
            (runner.limits.change(7, 1), "limit"),  # type: ignore[arg-type]
            (runner.limits.pause(NAME, by=""), "by"),
        ):
            with pytest.raises(InvalidOption) as refused:
                await made
            assert refused.value.option == option
        with pytest.raises(
            InvalidOption, match=r"the key of a limit, as its jobs have it; this one has a value of the type 'object': "
        ):
            await runner.limits.reset(NAME, key=object())  # type: ignore[arg-type]
        with pytest.raises(InvalidOption, match=r"none: this limit is no rate"):
            await runner.limits.change(NAME, 1, per="1m")
        with pytest.raises(InvalidOption, match=r"the name of a limit, as runner.limits.list\(\) has it"):
            await runner.limits.resume(None)  # type: ignore[arg-type]
        with pytest.raises(
            InvalidOption, match=r"^most=2: expected 1: 'book: ordered by account' runs the jobs of a key"
        ):
            await runner.limits.change("book: ordered by account", 2, key=7)
        with pytest.raises(UnknownLimit, match=r"no runner has stored a limit 'api'; the database has 'call: limit by"):
            await runner.limits.change("api", 1)


async def test_a_limit_that_no_type_declares_is_stored_before_the_first_job_brings_it() -> None:
    gate = asyncio.Event()
    group, call = waiting_group(gate)
    mine = Limit(5, key="org_id", name="mine")
    async with JobRunner(":memory:", jobs=[group]) as runner:
        with pytest.raises(UnknownLimit):
            await runner.limits.pause("mine", key=7)
        await runner.limits.declare(mine, Rate(3, per="1m", key="org_id", name="starts"))
        await runner.limits.pause("mine", key=7)
        held = await runner.enqueue(call.using(limits=[mine]), 7)
        await runner.enqueue(call.using(limits=[mine]), 8)
        await until(lambda: runner.stats().running == 1)
        assert (await held.job()).status == "pending"
        await runner.limits.declare(Limit(6, key="org_id", name="mine"))
        found = {(limit.name, limit.key): (limit.most, limit.per) for limit in await runner.limits.list()}
        assert (found["mine", EVERY_KEY], found["starts", EVERY_KEY]) == ((6, None), (3, 60.0))
        await runner.limits.resume("mine", key=7)
        gate.set()
        await held.result("20s")


async def test_a_limit_without_a_name_or_of_the_other_kind_is_not_declared() -> None:
    async with JobRunner(":memory:") as runner:
        for made in (Limit(1, key="a"), "mine"):
            with pytest.raises(InvalidOption, match="a Limit or Rate with a name=, which job types share"):
                await runner.limits.declare(made)  # type: ignore[arg-type]
        await runner.limits.declare(Limit(1, key="a", name="mine"))
        with pytest.raises(InvalidOption, match="a Limit, as the database has it by the name 'mine'"):
            await runner.limits.declare(Rate(1, per=1, key="a", name="mine"))
        assert [(limit.key, limit.most) for limit in await runner.limits.list()] == [(EVERY_KEY, 1)]


async def test_a_limit_is_looked_at_for_one_key() -> None:
    gate = asyncio.Event()
    group, call = waiting_group(gate)
    async with JobRunner(":memory:", jobs=[group]) as runner:
        await runner.enqueue_many([call.bind(key) for key in (7, 7, 7, 8)])
        await runner.enqueue(call.using(delay="1h"), 7)
        await until(lambda: runner.stats().running == 2)
        used = await runner.limits.get(NAME, key=7)
        assert used == LimitUse(LimitState(NAME, 7, 1), taken=1, waiting=2, pending=3)
        assert [one.taken for one in await runner.limits.get_many(NAME, [8, 9])] == [1, 0]
        with pytest.raises(UnknownLimit):
            await runner.limits.get("api", key=7)
        with pytest.raises(InvalidOption, match="one key: each counts for itself"):
            await runner.limits.get(NAME, key=EVERY_KEY)  # type: ignore[arg-type]
        gate.set()


async def test_the_count_of_a_rate_begins_anew(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "aiojobs_lite.engine")
    group = Jobs()

    @group.job(limits=[Rate(2, per="1h", key="org_id", name="api")])
    async def call(org_id: int) -> None: ...

    async with JobRunner(":memory:", jobs=[group], clock=clock) as runner:
        await runner.enqueue_many([call.bind(7) for _ in range(5)])
        await runner.run_until_idle()
        started = clock.time
        used = await runner.limits.get("api", key=7)
        assert (used.taken, used.waiting, used.began_at) == (2, 3, started)
        assert used.free_at == started + timedelta(hours=1)
        await runner.limits.restart("api", key=7)
        await runner.run_until_idle()
        used = await runner.limits.get("api", key=7)
        assert (used.taken, used.waiting) == (2, 1)
        with pytest.raises(UnknownLimit):
            await runner.limits.restart("other", key=7)
    assert "rate restarted: what has started counts no more for api and the key 7" in caplog.messages


async def test_a_limit_has_no_count_that_could_begin_anew() -> None:
    group, _ = waiting_group(asyncio.Event())
    async with JobRunner(":memory:", jobs=[group]) as runner:
        with pytest.raises(InvalidOption, match="the name of a rate: a limit counts what runs"):
            await runner.limits.restart(NAME, key=7)


async def test_a_job_is_counted_by_a_fixed_key_beside_the_limits_of_its_type() -> None:
    gate = asyncio.Event()
    group, call = waiting_group(gate)
    queue = call.using(limits=[DECLARED, Limit(1, key=Fixed("queue", "letters"))])
    async with JobRunner(":memory:", jobs=[group]) as runner:
        await runner.limits.change(NAME, 2, key=7, pin=False)
        await runner.enqueue_many([queue.bind(7), queue.bind(8), call.bind(7), call.bind(7)])
        await until(lambda: runner.stats().running == 2)
        assert (await runner.limits.get("call: limit by queue", key="letters")).waiting == 1
        assert (await runner.limits.get(NAME, key=7)).state.most == 2  # no job has set it anew
        gate.set()
        await until(lambda: runner.stats().completed == 4)


async def test_a_job_may_have_other_limits_than_its_type_or_none() -> None:
    gate = asyncio.Event()
    group, call = waiting_group(gate)
    async with JobRunner(":memory:", jobs=[group]) as runner:
        await runner.enqueue_many([call.bind(7), call.bind(7)])
        free = await runner.enqueue(call.using(limits=[]), 7)
        assert (await free.job()).lane is None
        await until(lambda: runner.stats().running == 2)
        await runner.enqueue(call.using(limits=[Limit(3, key="org_id")]), 7)
        await until(lambda: runner.stats().running == 4)
        await runner.enqueue_many([call.bind(8), call.bind(8)])
        await until(lambda: runner.stats().running == 5)
        gate.set()


async def test_a_job_whose_rate_has_the_name_of_a_limit_is_refused_wherever_it_is_enqueued() -> None:
    group = Jobs()

    @group.job(limits=[Limit(2, key="org_id", name="api")])
    async def call(org_id: int) -> None: ...

    wrong = call.using(limits=[Rate(1, per="1h", key="org_id", name="api")])
    async with JobRunner(":memory:", jobs=[group]) as runner:
        right = call.using(limits=[Limit(3, key="org_id", name="api")])
        for made in (
            runner.enqueue(wrong, 7),
            runner.enqueue_many([call.bind(7), right.bind(7), wrong.bind(7)]),
        ):
            with pytest.raises(InvalidOption, match="expected a Limit, as what job types declare by the name 'api'"):
                await made
        with pytest.raises(InvalidOption):
            async with runner.batches.open() as batch:
                await batch.enqueue(wrong, 7)
        assert [(limit.key, limit.most, limit.per) for limit in await runner.limits.list()] == [(EVERY_KEY, 2, None)]


async def test_a_debounced_job_waits_for_the_key_of_its_last_arguments(tmp_path: Path) -> None:
    group, clock, seen = Jobs(), FakeClock(), Seen()

    @group.job(limits=[Limit(1, key="org_id")])
    async def export(org_id: int, number: int) -> None:
        await seen.run(org_id, number)

    path = tmp_path / "jobs.db"
    async with JobRunner(path, jobs=[group], clock=clock) as runner:
        await runner.enqueue(export, 1, -1)
        debounced = export.using(debounce=Debounce("5s", key=lambda _arguments: "all"))
        handle = await runner.enqueue(debounced, 1, 2)
        assert (await runner.enqueue(debounced, 2, 3)).id == handle.id
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            joined = await runner.enqueue_in(connection, export, 1, 4)
            connection.execute("COMMIT")
        clock.advance(5)
        await handle.result(timeout="10s")
        assert seen.order == [-1, 3]
        seen.go_on.set()
        await joined.result(timeout="10s")
    assert (seen.order, seen.most) == ([-1, 3, 4], {1: 1, 2: 1})


async def test_a_pause_ends_by_itself_in_every_runner_and_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    group = Jobs()

    @group.job(limits=[Limit(1, key="org_id")])
    async def export(org_id: int) -> int:
        return org_id

    name, database = "export: limit by org_id", tmp_path / "jobs.db"
    async with JobRunner(database, jobs=[group], clock=clock) as first:
        await first.limits.pause(name, key=7, by="ops", until="1h")
        await first.limits.pause(name, key=8, until=clock.time + timedelta(hours=2))
        (_, seven, eight) = await first.limits.list()
        assert (seven.is_paused, seven.paused_until) == (True, clock.time + timedelta(hours=1))
        assert (eight.is_paused, eight.paused_until) == (True, clock.time + timedelta(hours=2))
        waiting = await first.enqueue_many([export.bind(7), export.bind(8)])
        await first.run_until_idle()
        assert {(await one.job()).status for one in waiting} == {Status.PENDING}
        assert "is paused since 2026-01-01 00:00:00 UTC until 2026-01-01 01:00:00 UTC, by ops, for the key 7" in (
            await first.jobs.explain(waiting[0].id)
        )
    async with JobRunner(database, jobs=[group], clock=clock) as second:
        clock.advance("59m")
        await second.run_until_idle()
        assert (await second.jobs.get(waiting[0].id)).status is Status.PENDING
        clock.advance("1m")
        assert [one.key for one in await second.limits.list() if one.is_paused] == [8]
        await until_completed(second, waiting[0].id)
        clock.advance("1h")
        await until_completed(second, waiting[1].id)
        assert [one.key for one in await second.limits.list()] == [EVERY_KEY]


async def until_completed(runner: JobRunner, job_id: int) -> None:
    """Waits for a job that no call of the test starts."""
    async with asyncio.timeout(PATIENCE):
        assert (await runner.jobs.wait(job_id)).status is Status.COMPLETED


@pytest.mark.parametrize("end", ["soon", -1, datetime(2030, 1, 1), True])  # noqa: DTZ001  # that is the matter
async def test_what_is_no_end_of_a_pause_is_refused(end: Any) -> None:
    async with JobRunner(":memory:") as runner:
        with pytest.raises(InvalidOption, match="aware datetime") as caught:
            await runner.limits.pause("any", until=end)
    assert caught.value.option == "until"
