"""Work that nothing would wake: it is planted here, found within seconds, and goes on."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import committer as committer_module
from aiojobs_lite.engine.maintenance import Maintenance
from aiojobs_lite.telemetry.facts import DefectFound
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.defects import fails_once, nothing_to_do, parts_of, quick, started
from tests.helpers.waiting import next_fact

pytestmark = pytest.mark.plants_defects


async def test_due_jobs_for_which_no_claim_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def writes_nothing(_: Maintenance) -> None: ...

    monkeypatch.setattr(Maintenance, "prune", writes_nothing)  # each transaction says what is due
    clock = FakeClock()
    async with started(quick, clock=clock) as (runner, facts):
        handle = await runner.enqueue(quick.using(delay="5s"))
        await nothing_to_do(runner)
        parts_of(runner).dispatcher._next = None
        clock.advance("8s")
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, found.type) == (handle.id, "quick")
        assert await handle.result() == "done"


async def test_a_type_that_is_taken_for_paused_or_full_and_is_not() -> None:
    @job(concurrency=1)
    async def alone() -> str:
        return "done"

    for handler in (quick, alone):
        clock = FakeClock()
        async with started(handler, clock=clock) as (runner, facts):
            dispatcher = parts_of(runner).dispatcher
            await nothing_to_do(runner)
            dispatcher._limited_types[handler.name] = 1
            dispatcher._offer(handler.name)
            handle = await runner.enqueue(handler)
            clock.advance("3s")
            assert (await next_fact(facts, DefectFound)).job_id == handle.id
            assert await handle.result() == "done"


async def test_a_write_that_nothing_carries_out() -> None:
    async with started(quick) as (runner, facts):
        committer = parts_of(runner).committer
        await nothing_to_do(runner)
        future = asyncio.get_running_loop().create_future()
        committer._queue.waiting.append(((), future, None))  # and rings no alarm
        assert "writes wait" in (await next_fact(facts, DefectFound)).what
        await future


async def test_a_caller_whose_job_has_ended() -> None:
    async with started(quick) as (runner, facts):
        handle = await runner.enqueue(quick)
        await handle.result()
        waits = Probe(runner).engine.waiters.add(handle.id)
        assert (await next_fact(facts, DefectFound)).job_id == handle.id
        assert (await waits).result == "done"


async def test_a_transaction_that_fails_as_no_store_may_answers_its_callers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(quick) as (runner, _):
        committer = parts_of(runner).committer
        await nothing_to_do(runner)
        fails_once(monkeypatch, committer_module, "hand_out", IndexError())
        waits = committer._queue.add(())
        with pytest.raises(Exception, match="IN_DOUBT: it failed while it was being written: it may be there or not"):
            await waits
        assert await (await runner.enqueue(quick)).result() == "done"
    assert "a part of the runner failed, for a defect of the library" in caplog.text
