"""`runner.types`."""

from __future__ import annotations

import pytest

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.errors import (
    UnknownJobType,
)
from aiojobs_lite.telemetry.facts import (
    AttemptStarted,
    TypePaused,
    TypeResumed,
)
from tests.helpers.mail import other, welcome
from tests.helpers.waiting import next_fact


async def test_a_paused_type_waits_until_it_is_resumed(working: JobRunner) -> None:
    async with working:
        events = working.watch()
        assert await working.types.paused() == {}
        await working.types.pause(welcome)
        assert (await next_fact(events, TypePaused)).type == "email.welcome"
        held = await working.enqueue(welcome, 1)
        await (await working.enqueue(other)).result()
        assert (await held.job()).status is Status.PENDING
        with pytest.raises(UnknownJobType):
            await working.types.pause("nothing")
        await working.types.pause("dies")
        assert list(await working.types.paused()) == ["dies", "email.welcome"]
    async with working:  # it is kept in the database
        await working.run_until_idle()
        assert working.stats().by_type["email.welcome"].pending == 1
        started = working.watch()
        await working.types.resume("email.welcome")
        assert list(await working.types.paused()) == ["dies"]
        assert (await next_fact(started, AttemptStarted)).job_id == held.id
        await working.run_until_idle()
        assert working.stats().completed == 2
    assert [event async for event in events if isinstance(event, TypeResumed)] == []
