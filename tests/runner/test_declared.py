"""Job types that join, change in, and leave a runner: before its start, and while it runs."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    JobContext,
    JobDead,
    JobRunner,
    Jobs,
    PerAttempt,
    Status,
    UnknownJobType,
    injected,
    job,
)
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.errors import (
    ConflictingResources,
    DuplicateJobType,
    InvalidJobType,
    InvalidOption,
    JobTypeRefused,
    MissingDependency,
)
from aiojobs_lite.events import Event
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.job import Held
from aiojobs_lite.runner.middleware import Middleware
from aiojobs_lite.telemetry.facts import LimitChanged, PayloadsUnfit
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import other, welcome
from tests.helpers.typed import Gate, said, types_of
from tests.helpers.waiting import quiet, until


@job(process=True)
def squared(n: int) -> int:
    return n * n


class Own:
    """A resource of one attempt."""

    def __str__(self) -> str:
        return "own"


async def enqueued_elsewhere(database: Path, job_type: JobType[..., Any], jobs: int = 1) -> None:
    async with JobRunner(database, jobs=[job_type], max_running=0) as runner:
        await runner.enqueue_many([job_type.bind() for _ in range(jobs)])


# Joining.


async def test_what_waits_for_a_type_is_claimed_when_that_joins(database: Path) -> None:
    await enqueued_elsewhere(database, said("done"))
    async with JobRunner(database) as runner:
        await runner.run_until_idle()
        assert (runner.stats().unclaimed, await types_of(runner)) == ({"t": 1}, {})
        assert "t" in await runner.jobs.explain(1)
        await runner.types.add(said("done", concurrency=3))
        await runner.run_until_idle()
        assert (await runner.jobs.get(1)).status is Status.COMPLETED
        stats = runner.stats()
        assert (stats.unclaimed, stats.by_type["t"].concurrency) == ({}, 3)
        assert await types_of(runner) == {"t": 3}
        assert await (await runner.enqueue_named("t")).result() == "done"


async def test_groups_join_whole(database: Path) -> None:
    group = Jobs()
    group.job(name="a")(welcome.handler)
    group.job(name="b")(other.handler)
    async with JobRunner(database) as runner:
        await runner.types.add(group, welcome)
        assert await types_of(runner) == {"a": None, "b": None, "email.welcome": None}
        group.job(name="c")(other.handler)
    async with runner:  # they stay, and groups are read again
        assert set(await types_of(runner)) == {"a", "b", "c", "email.welcome"}


async def test_a_type_that_joins_has_resources_and_a_context(database: Path) -> None:
    made: list[Own] = []

    def own() -> Own:
        made.append(Own())
        return made[-1]

    @job
    async def wants(ctx: JobContext = injected, shared: Path = injected, own: Own = injected) -> str:
        return f"{ctx.attempt} {shared} {own}"

    async with JobRunner(database, deps={Path: Path("x"), Own: PerAttempt(own)}) as runner:
        await runner.types.add(wants)
        for _ in range(2):
            assert await (await runner.enqueue(wants)).result() == "1 x own"
    assert len(made) == 2


async def test_middleware_is_around_a_type_that_joins(database: Path) -> None:
    calls: list[str] = []

    class Noted(Middleware):
        def __init__(self, name: str) -> None:
            self.name = name

        async def around_enqueue(self, jobs: Any, proceed: Callable[[], Awaitable[None]]) -> None:
            calls.append(f"{self.name} enqueue")
            await proceed()

        async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
            calls.append(f"{self.name} attempt")
            return await proceed()

    group = Jobs(middleware=[Noted("group")])
    grouped = group.job(name="grouped")(other.handler)
    async with JobRunner(database, jobs=[welcome], middleware=[Noted("all")]) as runner:
        await runner.types.add(group)
        await (await runner.enqueue(grouped)).result()
        assert calls == ["all enqueue", "group enqueue", "all attempt", "group attempt"]
        calls.clear()
        await (await runner.enqueue(welcome, 1)).result()
        assert calls == ["all enqueue", "all attempt"]


async def test_a_process_type_joins(database: Path) -> None:
    async with JobRunner(database) as runner:
        await runner.types.add(squared)
        assert await (await runner.enqueue(squared, 7)).result() == 49


async def test_the_limit_of_a_type_that_joins_counts_over_all_runners(database: Path) -> None:
    here, there = Gate("here", concurrency=2), Gate("there", concurrency=2)
    async with JobRunner(database) as first, JobRunner(database, jobs=[there.type]) as second:
        await second.enqueue_many([there.type.bind() for _ in range(6)])
        await until(lambda: there.running == 2)
        await first.types.add(here.type)
        await quiet(beside_database=True)
        assert here.running == 0
        here.open.set()
        there.open.set()
        await until(lambda: second.stats().completed == 6)
        assert max(here.most, there.most) <= 2


async def test_limits_by_key_of_a_type_that_joins_are_stored(database: Path) -> None:
    def limited(most: int) -> JobType[..., Any]:
        @job(name="t", limits=[Limit(most, key="account")])
        async def handler(account: int) -> None: ...

        return handler

    async with JobRunner(database) as runner:
        facts = runner.watch()
        await runner.types.add(limited(3))
        (found,) = await runner.limits.list()
        assert found.most == 3
        await runner.types.replace(limited(5))
        (found,) = await runner.limits.list()
        assert found.most == 5
        assert [(fact.most, fact.before) for fact in facts.take() if isinstance(fact, LimitChanged)] == [(5, 3)]
        with pytest.raises(InvalidOption, match="limits"):
            await runner.types.add(job(name="u", limits=[Limit(4, key="account", name=found.name)])(takes_account))


async def takes_account(account: int) -> None: ...


async def test_a_type_that_is_paused_joins_paused(database: Path) -> None:
    handler = said("done")
    await enqueued_elsewhere(database, handler)
    async with JobRunner(database) as runner:
        await runner.types.pause("t")
        await runner.types.add(handler)
        await runner.run_until_idle()
        assert (await runner.jobs.get(1)).status is Status.PENDING
        await runner.types.resume("t")
        await runner.run_until_idle()
        assert (await runner.jobs.get(1)).status is Status.COMPLETED


async def test_a_stored_schedule_fires_when_its_type_has_joined(database: Path, clock: FakeClock) -> None:
    handler = said("done")
    async with JobRunner(database, jobs=[handler], clock=clock) as first:
        await first.schedules.put("often", "* * * * *", handler.bind())
    clock.advance(120)
    async with JobRunner(database, clock=clock) as runner:
        await runner.run_until_idle()
        assert runner.stats().completed == 0
        await runner.types.add(handler)
        await until(lambda: runner.stats().completed > 0)


async def test_payloads_that_do_not_fit_are_reported_when_the_type_joins(database: Path) -> None:
    @job(name="t")
    async def before(old: int) -> None: ...

    @job(name="t")
    async def now(new: int) -> None: ...

    async with JobRunner(database, jobs=[before], max_running=0) as runner:
        await runner.enqueue(before, 1)
    async with JobRunner(database) as runner:
        facts = runner.watch()
        await runner.types.add(now)
        assert [fact.type for fact in facts.take() if isinstance(fact, PayloadsUnfit)] == ["t"]
        await runner.run_until_idle()
        assert (await runner.jobs.get(1)).held is Held.PAYLOAD
        await runner.types.replace(before)  # which takes them: they are released at once
        await until(lambda: runner.stats().completed == 1)


# Events.


def listener(name: str, *patterns: str, given: list[Any]) -> JobType[..., Any]:
    group = Jobs()

    @group.on(*patterns, name=name)
    async def handler(event: Event[Any]) -> None:
        given.append((name, event.name))

    (found,) = group
    return found


async def test_a_listener_that_joins_gets_what_others_send(database: Path) -> None:
    given: list[Any] = []
    async with JobRunner(database) as runner, JobRunner(database, max_running=0) as sender:
        await sender.send("a")
        await runner.types.add(listener("l", "a", given=given))
        await sender.send("a")
        await until(lambda: len(given) == 1)
        await runner.send("a")
        await until(lambda: len(given) == 2)
        assert given == [("l", "a")] * 2  # the first event came before it


async def test_what_is_held_for_a_listener_is_placed_when_that_joins(database: Path) -> None:
    given: list[Any] = []
    async with JobRunner(database, jobs=[listener("l", "a", given=given)], max_running=0):
        pass
    async with JobRunner(database) as runner:
        await runner.send("a")
        assert (await runner.jobs.get(1)).held is Held.LISTENER
        await runner.types.add(listener("l", "a", given=given))
        await until(lambda: given == [("l", "a")])


async def test_a_listener_that_is_replaced_listens_to_what_it_says_now(database: Path) -> None:
    given: list[Any] = []
    old = listener("l", "a", given=given)
    async with JobRunner(database, jobs=[old]) as runner, JobRunner(database, max_running=0) as sender:
        await runner.types.replace(listener("l", "b", given=given))
        assert [one.handles for one in (await runner.send("a"), await sender.send("a"))] == [(), ()]
        assert len((await runner.send("b")).handles) == 1
        await sender.send("b")
        await until(lambda: len(given) == 2)
        await runner.types.replace(job(name="l")(other.handler))
        await sender.send("b")
        assert await sender.jobs.list(status="pending") == []


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_type_that_left_listens_only_where_another_runner_has_it(database: Path, *, is_elsewhere: bool) -> None:
    given: list[Any] = []
    async with JobRunner(database, jobs=[listener("l", "a", given=given)]) as runner:
        async with JobRunner(database, jobs=[listener("l", "a", given=[])] * is_elsewhere, max_running=0):
            await runner.types.remove("l")
            await runner.send("a")
            assert len(await runner.jobs.list()) == int(is_elsewhere)
        found = await runner.jobs.list()
        assert [one.type for one in found] == ["l"] * is_elsewhere
        assert given == []


# Changing.


async def test_attempts_end_by_what_they_began_with_and_new_ones_begin_with_the_new(database: Path) -> None:
    old, new = Gate("old", concurrency=1), Gate("new", concurrency=2)
    async with JobRunner(database, jobs=[old.type]) as runner:
        handles = await runner.enqueue_many([old.type.bind() for _ in range(5)])
        await until(lambda: old.running == 1)
        await runner.types.replace(new.type)
        await until(lambda: new.running == 1)  # the old one takes a slot of the two
        with pytest.raises(UnknownJobType, match="Another handler is registered under this name"):
            await runner.enqueue(old.type)
        old.open.set()
        assert await handles[0].result() == "old"
        await until(lambda: new.running == 2)
        new.open.set()
        assert [await handle.result() for handle in handles[1:]] == ["new"] * 4
        assert (old.most, new.most) == (1, 2)
        assert await types_of(runner) == {"t": 2}


@pytest.mark.parametrize("leaves", [False, True])
async def test_an_attempt_keeps_its_resources_and_its_on_dead(database: Path, *, leaves: bool) -> None:
    """Also one that is claimed, and comes to its first line when its type is another one, or has left."""
    go, dead = asyncio.Event(), list[str]()

    async def died(found: DeadJob) -> None:
        dead.append(f"old {found.id}")

    @job(name="t", max_attempts=1, on_dead=died)
    async def old(own: Own = injected) -> str:
        await go.wait()
        raise ValueError(str(own))

    class Kept(Middleware):
        async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
            dead.append("around")
            return await proceed()

    group = Jobs(middleware=[Kept()])
    group._add(old)  # noqa: SLF001  # a decorator would make another one
    async with JobRunner(database, jobs=[group], deps={Own: PerAttempt(Own)}) as runner:
        handle = await runner.enqueue(old)
        run = Probe(runner).attempt(handle.id)
        assert run is not None
        await (runner.types.remove(old) if leaves else runner.types.replace(said("new")))
        go.set()
        with pytest.raises(JobDead, match="ValueError: own"):
            await handle.result()
        await runner.run_until_idle()
        assert dead == ["around", f"old {handle.id}"]


async def test_modes_change(database: Path) -> None:
    @job(name="t")
    def in_thread() -> str:
        return "thread"

    async with JobRunner(database, jobs=[said("loop")]) as runner:
        for job_type, found in ((in_thread, "thread"), (said("loop"), "loop")):
            await runner.types.replace(job_type)
            assert await (await runner.enqueue_named("t")).result() == found


# Leaving.


async def test_jobs_of_a_type_that_left_stay(database: Path) -> None:
    gate = Gate("done", concurrency=1)
    async with JobRunner(database, jobs=[gate.type, welcome]) as runner:
        first, second = await runner.enqueue_many([gate.type.bind() for _ in range(2)])
        await until(lambda: gate.running == 1)
        await runner.types.remove(gate.type)
        gate.open.set()
        assert await first.result() == "done"  # what runs goes on
        await runner.run_until_idle()
        assert (await second.job()).status is Status.PENDING
        assert runner.stats().unclaimed == {"t": 1}
        assert await types_of(runner) == {"email.welcome": None}
        for call in (runner.enqueue(gate.type), runner.enqueue_named("t")):
            with pytest.raises(UnknownJobType):
                await call
        await runner.types.add(gate.type)
        assert await second.result() == "done"


# What is refused.


@contextmanager
def unchanged(runner: JobRunner) -> Iterator[None]:
    before = repr(runner), runner.stats().by_type.keys()
    yield
    assert (repr(runner), runner.stats().by_type.keys()) == before


async def test_what_cannot_join_changes_nothing(database: Path) -> None:
    group, clashing = Jobs(deps={Path: Path("a")}), Jobs(deps={Path: Path("b")})
    group.job(name="g")(other.handler)
    clashing.job(name="c")(other.handler)
    nightly = Jobs()
    nightly.cron("0 3 * * *", name="nightly")(other.handler)

    @job
    async def wants(own: Path = injected, missing: Counter[str] = injected) -> None: ...

    async with JobRunner(database, jobs=[group, welcome]) as runner:
        for source, error, match in [
            (job(name="email.welcome")(other.handler), DuplicateJobType, "is declared twice"),
            (nightly, JobTypeRefused, r"await runner\.schedules\.put\(name, expression, job_type\)"),
            (wants, MissingDependency, r"Counter.*which deps= lacks"),
            (clashing, ConflictingResources, "two groups"),
            (7, InvalidOption, "job types"),
        ]:
            with unchanged(runner), pytest.raises(error, match=match):
                await runner.types.add(job(name="fine")(other.handler), source)  # type: ignore[arg-type]  # what is tested
        for name in ("unknown", None, 7):
            with unchanged(runner), pytest.raises(UnknownJobType):
                await runner.types.remove(welcome, name)  # type: ignore[arg-type]  # what is tested
        with unchanged(runner), pytest.raises(UnknownJobType):
            await runner.types.replace(said("new"))
        await runner.types.add(job(name="fine")(other.handler))


async def test_a_handler_that_no_worker_process_can_import_does_not_join(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with JobRunner(database) as runner:
        monkeypatch.setattr(squared.handler, "__module__", "__main__")
        monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        with unchanged(runner), pytest.raises(InvalidJobType, match="squared"):
            await runner.types.add(squared)


async def test_a_type_with_a_schedule_of_its_own_changes_before_the_start_alone(database: Path) -> None:
    runner = JobRunner(database)

    @runner.cron("0 3 * * *")
    async def nightly() -> None: ...

    changed = Jobs()
    changed.cron("0 4 * * *", name="nightly")(other.handler)
    await runner.types.replace(changed)
    async with runner:
        assert [one.expression for one in await runner.schedules.list()] == ["0 4 * * *"]
        for call in (runner.types.remove("nightly"), runner.types.replace(job(name="nightly")(other.handler))):
            with unchanged(runner), pytest.raises(JobTypeRefused, match=r"schedules\.put"):
                await call
    await runner.types.remove("nightly")
    async with runner:
        assert runner.stats().by_type == {}


async def test_a_type_that_deaths_enqueue_stays_as_long_as_they_do(database: Path) -> None:
    @job
    async def report(job_id: int) -> int:
        return job_id

    @job(max_attempts=1, on_dead=report)
    async def fails() -> None:
        raise ValueError

    @job(name="report")
    async def report_anew(job_id: int) -> str:
        return f"anew {job_id}"

    async with JobRunner(database) as runner:
        await runner.types.add(fails)
        assert set(await types_of(runner)) == {"fails", "report"}
        with (
            unchanged(runner),
            pytest.raises(
                JobTypeRefused, match=r"enqueues it \(on_dead=\)\. Change that type first, or remove both together\.$"
            ),
        ):
            await runner.types.remove(report)
        await runner.types.replace(report_anew)
        await runner.enqueue(fails)
        await runner.run_until_idle()
        (reported,) = await runner.jobs.list(type="report")
        assert reported.result_json == '"anew 1"'
        await runner.types.remove(report_anew, fails)
        assert await types_of(runner) == {}


async def test_a_type_that_all_deaths_enqueue_stays(database: Path) -> None:
    @job
    async def report(job_id: int) -> None: ...

    runner = JobRunner(database, jobs=[welcome])
    runner.on_dead(report)
    with pytest.raises(JobTypeRefused):
        await runner.types.remove(report)
    await runner.types.remove(welcome)
    async with runner:
        assert set(await types_of(runner)) == {"report"}


# Before the start, and after the end.


async def test_before_the_start_and_after_the_end_they_change_what_is_declared(database: Path) -> None:
    group = Jobs()
    first = group.job(name="t")(other.handler)
    gone = group.job(name="gone")(other.handler)
    runner = JobRunner(database, jobs=[group])
    await runner.types.add(welcome)
    await runner.types.replace(said("new"))
    await runner.types.remove(gone)
    for value in ("new", "newer"):
        async with runner:
            assert set(await types_of(runner)) == {"t", "email.welcome"}
            assert await (await runner.enqueue_named("t")).result() == value
        await runner.types.replace(said("newer"))
    await runner.types.replace(first)
    runner.register(gone)
    async with runner:
        assert await (await runner.enqueue_named("t")).result() is None
        await (await runner.enqueue(gone)).result()


async def test_a_runner_without_slots_takes_types_as_well(database: Path) -> None:
    @job
    async def wants(own: Path = injected) -> None: ...

    async with JobRunner(database, max_running=0) as runner:
        await runner.types.add(wants)  # it needs no resources
        assert (await (await runner.enqueue(wants)).job()).status is Status.PENDING
