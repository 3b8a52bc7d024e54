"""What the official client of Python does with the API: messages, queues, URL groups, schedules, flow control, keys."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest
from qstash import Receiver
from qstash.errors import QStashError
from qstash.message import FlowControl

from tests.helpers.qstash_service import KEYS, service

URL: Final = "https://mock.httpstatus.io/200"
FAILS: Final = "https://mock.httpstatus.io/404"


async def test_a_message_is_delivered_as_it_was_published_and_the_official_receiver_accepts_it() -> None:
    async with service() as api:
        sent: Any = await api.client.message.publish(
            url=f"{URL}?a=%7E%2F&b", method="PUT", body="ä", headers={"Test-Header": "1"}, content_type="text/x-test"
        )
        await api.runner.run_until_idle()
    (received,) = api.endpoint.received
    assert (received.method, received.target, received.body) == ("PUT", "/200?a=%7E%2F&b", "ä".encode())
    names = ("Test-Header", "Content-Type", "User-Agent", "Upstash-Message-Id", "Upstash-Retried", "Host")
    assert [received.header(name) for name in names] == [
        "1", "text/x-test", "Upstash-QStash", sent.message_id, "0", "mock.httpstatus.io",
    ]  # fmt: skip
    signature = received.header("Upstash-Signature")
    assert signature is not None
    assert KEYS.next is not None
    Receiver(KEYS.current, KEYS.next).verify(signature=signature, body="ä", url=f"{URL}?a=%7E%2F&b")


async def test_a_message_is_read_as_it_was_published() -> None:
    async with service() as api:
        sent: Any = await api.client.message.publish_json(
            url=URL, body={"a": 1}, headers={"Test-Header": "1"}, retries=0, delay="1h", label="eu", timeout=90,
            callback="https://example.com/done", failure_callback="https://example.com/failed",
            callback_headers={"Retries": "1", "Forward-Z": "z"}, retry_delay="1000 * (1 + retried)",
            flow_control=FlowControl(key="tenant", parallelism=2, rate=5, period="1m"),
        )  # fmt: skip
        read = await api.client.message.get(sent.message_id)
    assert (read.message_id, read.url, read.method, read.body) == (sent.message_id, URL, "POST", '{"a": 1}')
    assert read.headers == {"Content-Type": ["application/json"], "Test-Header": ["1"]}
    assert (read.max_retries, read.label, read.retry_delay_expression) == (0, "eu", "1000 * (1 + retried)")
    assert (read.callback, read.failure_callback) == ("https://example.com/done", "https://example.com/failed")
    assert read.callback_headers is not None
    assert read.callback_headers["Z"] == ["z"]
    assert abs(read.not_before - read.created_at - 3_600_000) < 60_000
    flow = read.flow_control
    assert flow is not None
    assert (flow.key, flow.parallelism, flow.rate, flow.period) == ("tenant", 2, 5, 60)


async def test_the_callback_tells_what_was_answered() -> None:
    async with service() as api:
        sent: Any = await api.client.message.publish(url=URL, body="asks", callback="https://back.example/done")
        await api.runner.run_until_idle()
    first, second = api.endpoint.received
    assert (first.target, second.target) == ("/200", "/done")
    said = second.json()
    assert (said["status"], said["sourceMessageId"], said["url"]) == (200, sent.message_id, URL)
    assert base64.b64decode(said["body"]) == b"200 OK"
    assert base64.b64decode(said["sourceBody"]) == b"asks"


async def test_a_repeat_is_not_delivered() -> None:
    async with service() as api:
        once: Any = await api.client.message.publish(url=URL, body="1", deduplication_id="order-7")
        again: Any = await api.client.message.publish(url=URL, body="2", deduplication_id="order-7")
        assert (once.deduplicated, again.deduplicated, again.message_id) == (False, True, once.message_id)
        alike = [
            await api.client.message.publish(url=URL, body=body, content_based_deduplication=True)
            for body in ("3", "3", "4")
        ]
        assert [one.deduplicated for one in alike if not isinstance(one, list)] == [False, True, False]
        await api.runner.run_until_idle()
    assert sorted(one.body for one in api.endpoint.received) == [b"1", b"3", b"4"]


async def test_a_url_group_lives_as_long_as_it_has_an_endpoint() -> None:
    async with service() as api:
        groups = api.client.url_group
        await groups.delete("mine")
        with pytest.raises(QStashError, match="404"):
            await api.client.message.publish(url_group="mine", body="1")
        await groups.upsert_endpoints("mine", [{"url": URL}, {"url": FAILS, "name": "other"}])
        await groups.upsert_endpoints("mine", [{"url": f"{FAILS}/2", "name": "other"}])
        found = {(one.url, one.name) for one in (await groups.get("mine")).endpoints}
        assert found == {(URL, None), (f"{FAILS}/2", "other")}
        assert [group.name for group in await groups.list()] == ["mine"]
        await groups.remove_endpoints("mine", [{"name": "other"}])
        assert [one.url for one in (await groups.get("mine")).endpoints] == [URL]
        await groups.remove_endpoints("mine", [{"url": URL}])
        with pytest.raises(QStashError, match="404"):
            await groups.get("mine")


async def test_the_keys_rotate_and_the_next_message_is_signed_with_the_new_one() -> None:
    async with service() as api:
        keys = await api.client.signing_key.get()
        assert (keys.current, keys.next) == KEYS.both
        rotated = await api.client.signing_key.rotate()
        assert rotated.current == KEYS.next
        assert rotated == await api.client.signing_key.get()
        await api.client.message.publish(url=URL, body="1")
        await api.runner.run_until_idle()
    (received,) = api.endpoint.received
    signature = received.header("Upstash-Signature")
    assert signature is not None
    Receiver(rotated.current, rotated.current).verify(signature=signature, body="1", url=URL)
