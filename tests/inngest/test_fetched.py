"""What an SDK fetches of a run is what its call would have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from aiojobs_lite.http.session import HttpSession, open_session
from aiojobs_lite.inngest.fetched import actions_text, batch_text
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import endpoint
from tests.helpers.inngest import App, Rig, hashed, operation, sdk

A, B = hashed("a"), hashed("b")


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with open_session(allow_private=True, resolver=None, ssl_context=None) as made:
        yield made


async def test_the_steps_and_the_events_are_those_of_the_last_call(job_kit: JobKit, session: HttpSession) -> None:
    opts = {"event": "shop/paid", "timeout": "2h", "if": "async.data.sum > 5"}

    def script(body: Mapping[str, Any]) -> bytes:
        if A not in body["steps"]:
            return sdk(206, f'[{{"op":"StepRun","id":"{A}","data":[1.0,12345678901234567890]}}]')
        return sdk(200, "1") if B in body["steps"] else sdk(206, [operation("WaitForEvent", "b", opts=opts)])

    app = App(script)
    async with endpoint(app.answers) as server:
        rig = Rig(job_kit, session, server.url)
        async with job_kit(rig.runner):
            (handle,) = (await rig.runner.send("shop/ordered", {"id": 7.0})).handles
            await job_kit.advance("1m")
            await rig.runner.send("shop/paid", {"sum": 1})
            await job_kit.advance("1m")
            waiting = await actions_text(rig.ask, await handle.job())
            await rig.runner.send("shop/paid", {"sum": 6.0})
            await job_kit.run_to_end()
            job = await handle.job()
            fetched, batch = await actions_text(rig.ask, job), batch_text(job)
    step = f'"{A}":{{"data":[1.0,12345678901234567890]}}'
    assert waiting == f"{{{step}}}"
    assert json.loads(fetched)[B]["data"] == {"sum": 6}
    assert f'"steps":{fetched},' in app.bodies[-1]
    assert f'"events":{batch},' in app.bodies[-1]
    assert '"data":{"id":7.0}' in batch
