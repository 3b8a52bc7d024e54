"""What the official client of Python finds: events, the dead letter list, and what is cancelled and deleted by it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from qstash.errors import QStashError
from qstash.log import LogState

from tests.helpers.qstash_service import Service, service
from tests.helpers.rings import slow
from tests.helpers.waiting import until

pytestmark = slow

URL: Final = "https://mock.httpstatus.io/200"
FAILS: Final = "https://mock.httpstatus.io/404"


async def published(api: Service, url: str = URL, **options: Any) -> str:
    sent = await api.client.message.publish(url=url, **options)
    assert not isinstance(sent, list)
    return sent.message_id


async def test_events_tell_the_life_of_a_message_the_newest_first() -> None:
    async with service() as api:
        good = await published(api, body="1", label="eu", headers={"n": "1"})
        bad = await published(api, FAILS, retries=0, label="us")
        await api.runner.run_until_idle()
        logs = (await api.client.log.list(filter={"message_id": good})).logs
        assert [log.state for log in logs] == [LogState.DELIVERED, LogState.ACTIVE, LogState.CREATED]
        assert {(log.url, log.label, log.method, log.body_base64) for log in logs} == {(URL, "eu", "POST", "MQ==")}
        assert [log.time for log in logs] == sorted((log.time for log in logs), reverse=True)
        (failed,) = (await api.client.log.list(filter={"state": LogState.FAILED})).logs
        assert (failed.message_id, failed.response_status, failed.label) == (bad, 404, "us")
        assert (await api.client.log.list(filter={"label": "asia"})).logs == []
        assert {log.message_id for log in (await api.client.log.list(filter={"message_ids": [good, bad]})).logs} == {
            good, bad,
        }  # fmt: skip


async def test_events_come_in_pages_and_the_last_one_has_no_cursor() -> None:
    async with service() as api:
        for _ in range(3):
            await published(api)
        await api.runner.run_until_idle()
        whole = (await api.client.log.list()).logs
        pages, cursor = [], None
        while True:
            page = await api.client.log.list(count=4, cursor=cursor)
            pages.append(page.logs)
            if (cursor := page.cursor) is None:
                break
        assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
        assert [log for page in pages for log in page] == whole
        assert len(whole) == 9


async def test_a_dead_message_is_found_by_each_filter_and_deleted_once() -> None:
    async with service() as api:
        dead = await published(api, FAILS, retries=0, label="eu", retry_delay="7000 * retried", body="1")
        await published(api, retries=0)
        await api.runner.run_until_idle()
        filters: list[Any] = [
            {}, {"message_id": dead}, {"url": FAILS}, {"label": "eu"}, {"response_status": 404}, {"from_time": 1},
        ]  # fmt: skip
        for each in filters:
            (found,) = (await api.client.dlq.list(filter=each)).messages
            assert (found.message_id, found.response_status, found.response_body) == (dead, 404, "404 Not Found")
            assert (found.retry_delay_expression, found.body) == ("7000 * retried", "1")
        others: list[Any] = [{"message_id": "msg"}, {"url": URL}, {"label": "us"}, {"to_time": 1}, {"queue": "line"}]
        for each in others:
            assert (await api.client.dlq.list(filter=each)).messages == []
        assert (await api.client.dlq.get(found.dlq_id)).message_id == dead
        await api.client.dlq.delete(found.dlq_id)
        for gone in (api.client.dlq.get, api.client.dlq.delete):
            with pytest.raises(QStashError, match="404"):
                await gone(found.dlq_id)


async def test_of_the_dead_those_that_are_named_are_deleted() -> None:
    async with service() as api:
        for _ in range(3):
            await published(api, FAILS, retries=0)
        await api.runner.run_until_idle()
        ids = [message.dlq_id for message in (await api.client.dlq.list()).messages]
        assert len(set(ids)) == 3
        assert await api.client.dlq.delete_many([]) == 0
        assert await api.client.dlq.delete_many([*ids[:2], "none"]) == 2
        assert await api.client.dlq.delete_many(ids) == 1
        page = await api.client.dlq.list()
        assert (page.messages, page.cursor) == ([], None)


async def test_of_the_waiting_those_that_are_named_are_cancelled_and_none_by_an_empty_list() -> None:
    async with service() as api:
        ids = [await published(api, delay="1h") for _ in range(4)]
        assert await api.client.message.cancel_many([]) == 0
        assert await api.client.message.cancel_many([*ids[:2], "none"]) == 2
        await api.client.message.cancel(ids[2])
        with pytest.raises(QStashError, match="404"):
            await api.client.message.cancel("none")
        assert await api.client.message.cancel_all() == 1
        await api.runner.run_until_idle()
        logs = (await api.client.log.list(filter={"state": LogState.CANCELED})).logs
        assert {log.message_id for log in logs} == set(ids)
        assert api.endpoint.received == []
        assert (await api.client.dlq.list()).messages == []


async def test_a_message_in_flight_is_cancelled() -> None:
    async with service() as api:
        sent = await published(api, f"{URL}?sleep=30000", retries=0)
        await until(lambda: bool(api.endpoint.received), 0.001)
        await api.client.message.cancel(sent)
        await api.runner.run_until_idle()
        logs = (await api.client.log.list(filter={"message_id": sent})).logs
        assert logs[0].state is LogState.CANCELED
