"""An inbox in the database of a runner: what all of its processes know, and what ends by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.http import DatabaseInbox, Http, MessageStatus, Signer, VerifyMiddleware
from aiojobs_lite.runner.documents import Documents, StoredDocument
from aiojobs_lite.testing import FakeClock, JobKit
from tests.helpers.asgi_server import served
from tests.helpers.signed import BODY, KEYS, signed, verifier
from tests.helpers.waiting import until

NEW, RUNNING, HANDLED = MessageStatus.NEW, MessageStatus.RUNNING, MessageStatus.HANDLED


async def test_every_runner_of_the_database_knows_what_runs_and_what_was_handled(database: Path) -> None:
    async with JobRunner(database) as one, JobRunner(database) as other:
        inbox, second = DatabaseInbox(one), DatabaseInbox(other)
        assert [await of.begin("a") for of in (inbox, second, inbox)] == [NEW, RUNNING, RUNNING]
        assert await second.begin("b\n" * 500) is NEW
        await inbox.keep("a")
        assert [await of.begin("a") for of in (inbox, second)] == [HANDLED, HANDLED]
    async with JobRunner(database) as later:
        assert await DatabaseInbox(later).begin("a") is HANDLED


async def test_a_message_whose_handler_failed_is_new_again() -> None:
    async with JobRunner(":memory:") as runner:
        inbox = DatabaseInbox(runner)
        await inbox.begin("a")
        await inbox.release("a")
        assert await inbox.begin("a") is NEW
        await inbox.release("never begun")


async def test_of_many_copies_at_once_one_is_new(database: Path) -> None:
    async with JobRunner(database) as one, JobRunner(database) as other:
        inboxes = DatabaseInbox(one), DatabaseInbox(other)
        for number in range(10):
            statuses = await asyncio.gather(*[inboxes[n % 2].begin(f"{number}") for n in range(10)])
            assert (statuses.count(NEW), statuses.count(RUNNING)) == (1, 9)


async def test_a_lease_ends_by_itself_and_what_was_handled_is_forgotten_in_time() -> None:
    clock = FakeClock()
    async with JobRunner(":memory:", clock=clock) as runner:
        inbox = DatabaseInbox(runner, keep_for="1h", lease="5m")
        await inbox.begin("dies")
        await inbox.begin("kept")
        await inbox.keep("kept")
        clock.advance("299s")
        assert await inbox.begin("dies") is RUNNING
        clock.advance("1s")
        assert await inbox.begin("dies") is NEW
        clock.advance("54m59s")
        assert await inbox.begin("kept") is HANDLED
        clock.advance("1s")
        assert await inbox.begin("kept") is NEW


async def test_a_handler_that_outlives_its_lease_ends_no_other_one(database: Path) -> None:
    clock = FakeClock()
    async with JobRunner(database, clock=clock) as one, JobRunner(database, clock=clock) as other:
        slow, quick = DatabaseInbox(one, lease="1m"), DatabaseInbox(other, lease="1m")
        assert await slow.begin("a") is NEW
        clock.advance("61s")
        assert await quick.begin("a") is NEW
        await slow.release("a")
        assert await slow.begin("a") is RUNNING
        await quick.keep("a")
        assert await slow.begin("a") is HANDLED


class Late(Documents):
    """Documents that are written before the writer knows."""

    def __init__(self, documents: Documents) -> None:
        self.get, self.delete = documents.get, documents.delete  # type: ignore[method-assign]
        self.has_written, self.gate = asyncio.Event(), asyncio.Event()
        self._put = documents.put

    async def put(self, *args: Any, **options: Any) -> StoredDocument | None:
        """Writes, and says so late."""
        found = await self._put(*args, **options)
        self.has_written.set()
        await self.gate.wait()
        return found


async def test_a_caller_that_is_cancelled_while_it_begins_leaves_no_lease() -> None:
    async with JobRunner(":memory:") as runner:
        inbox, runner.documents = DatabaseInbox(runner), Late(runner.documents)
        beginning = asyncio.ensure_future(DatabaseInbox(runner).begin("a"))
        await runner.documents.has_written.wait()
        assert await inbox.begin("a") is RUNNING
        beginning.cancel()
        runner.documents.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        assert await inbox.begin("a") is NEW


async def test_a_repeat_answers_200_and_two_copies_at_once_run_one_handler(database: Path) -> None:
    gate, ran = asyncio.Event(), list[bytes]()

    async def handler(request: Request) -> dict[str, Any]:
        ran.append(await request.body())
        await gate.wait()
        return {"ok": True}

    async with JobRunner(database) as runner:
        app = FastAPI()
        app.add_api_route("/hooks", handler, methods=["POST"])
        app.add_middleware(VerifyMiddleware, verifier=verifier("standard"), inbox=DatabaseInbox(runner))
        async with served(app) as address, httpx.AsyncClient(base_url=address) as client:

            async def post() -> httpx.Response:
                return await client.post("/hooks", content=BODY, headers=signed("standard"))

            copies = [asyncio.ensure_future(post()) for _ in range(2)]
            await until(lambda: any(copy.done() for copy in copies))
            gate.set()
            answers = sorted([await copy for copy in copies], key=lambda answer: answer.status_code)
            assert [answer.status_code for answer in answers] == [200, 503]
            assert (await post()).json() == {"repeated": True}
            assert ran == [BODY]


async def test_a_delivery_outlives_the_lease_of_a_receiver_that_died(job_kit: JobKit) -> None:
    http = Http(signer=Signer(KEYS["standard"]), allow_http=True, allow_private=True)

    async def handler(request: Request) -> str:
        return str(request.state.verified_message.id)

    async with job_kit(jobs=[http]) as runner:
        inbox, app = DatabaseInbox(runner), FastAPI()
        app.add_api_route("/hooks", handler, methods=["POST"])
        app.add_middleware(VerifyMiddleware, verifier=verifier("standard"), inbox=inbox)
        async with served(app) as address:
            handle = await runner.publish(f"{address}/hooks", json=1, delay="1s")
            assert await inbox.begin(f"{verifier('standard').url} {handle.key}") is MessageStatus.NEW  # and it died
            await job_kit.run_to_end()
        assert (await handle.result()).json() == handle.key
        job = await handle.job()
        assert (job.attempts, job.history[0].message) == (len(job.history) + 1, "the receiver answered 503")


def test_an_argument_that_cannot_work_is_refused() -> None:
    runner = JobRunner(":memory:")
    for options, option in (({"keep_for": "soon"}, "keep_for"), ({"lease": 0}, "lease"), ({"runner": 7}, "runner")):
        with pytest.raises(InvalidOption) as caught:
            DatabaseInbox(**{"runner": runner, **options})  # type: ignore[arg-type]  # what is tested
        assert caught.value.option == option
    with pytest.raises(InvalidOption, match="the JobRunner whose database remembers"):
        DatabaseInbox("app.db")  # type: ignore[arg-type]
