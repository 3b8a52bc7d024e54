"""What the official client of Python does with the API: messages, queues, URL groups, schedules, flow control, keys."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest
from qstash import AsyncQStash, Receiver
from qstash.errors import QStashError
from qstash.message import BatchRequest, FlowControl

from tests.helpers.qstash_service import KEYS, service
from tests.helpers.rings import slow

pytestmark = slow

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


async def test_a_batch_goes_to_urls_queues_and_groups() -> None:
    async with service() as api:
        await api.client.url_group.upsert_endpoints(
            "both", [{"url": f"{URL}?1"}, {"url": f"{URL}?2", "name": "second"}]
        )
        requests: list[BatchRequest] = [
            {"url": URL, "body": "one", "headers": {"n": "1"}},
            {"url": URL, "queue": "line"},
            {"url_group": "both", "body": "all"},
        ]
        one, queued, group = await api.client.message.batch(requests)
        assert isinstance(group, list)
        assert [made.url for made in group] == [f"{URL}?1", f"{URL}?2"]
        assert not isinstance(one, list)
        assert not isinstance(queued, list)
        assert len({one.message_id, queued.message_id, *(made.message_id for made in group)}) == 4
        assert (await api.client.message.get(queued.message_id)).queue == "line"
        read = await api.client.message.get(group[1].message_id)
        assert (read.url_group, read.endpoint) == ("both", "second")
        await api.runner.run_until_idle()
    assert sorted(one.target for one in api.endpoint.received) == ["/200", "/200", "/200?1", "/200?2"]


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


async def test_a_queue_delivers_in_its_order_when_it_is_not_paused() -> None:
    async with service() as api:
        queues = api.client.queue
        await queues.upsert("line", paused=True)
        for number in range(4):
            await api.client.message.enqueue(queue="line", url=f"{URL}?{number}", body=str(number))
        await api.runner.run_until_idle()
        queue = await queues.get("line")
        assert (queue.name, queue.parallelism, queue.paused, queue.lag) == ("line", 1, True, 4)
        assert api.endpoint.received == []
        await queues.resume("line")
        await api.runner.run_until_idle()
        queue = await queues.get("line")
        assert (queue.paused, queue.lag) == (False, 0)
        assert [one.body for one in api.endpoint.received] == [b"0", b"1", b"2", b"3"]
        await queues.upsert("line", parallelism=3)
        assert [(one.name, one.parallelism) for one in await queues.list()] == [("line", 3)]
        await queues.delete("line")
        assert await queues.list() == []
        with pytest.raises(QStashError, match="404"):
            await queues.get("line")


async def test_a_schedule_is_replaced_wholly_paused_and_deleted() -> None:
    async with service() as api:
        schedules = api.client.schedule
        made = await schedules.create_json(
            destination=URL, cron="1 1 1 1 1", body={"a": 1}, headers={"n": "1"}, queue="line", label="eu",
            retry_delay="5000 * retried", flow_control=FlowControl(key="tenant", parallelism=2), schedule_id="nightly",
        )  # fmt: skip
        assert made == "nightly"
        read = await schedules.get(made)
        assert (read.cron, read.destination, read.body, read.queue) == ("1 1 1 1 1", URL, '{"a": 1}', "line")
        assert (read.label, read.retry_delay_expression, read.paused) == ("eu", "5000 * retried", False)
        assert read.headers == {"Content-Type": ["application/json"], "N": ["1"]}
        flow = read.flow_control
        assert flow is not None
        assert (flow.key, flow.parallelism, flow.rate, flow.period) == ("tenant", 2, None, 1)
        await schedules.pause(made)
        assert (await schedules.get(made)).paused
        await schedules.resume(made)
        await schedules.create(destination=URL, cron="2 2 2 2 2", schedule_id=made)
        read = await schedules.get(made)
        assert (read.cron, read.body, read.label, read.paused) == ("2 2 2 2 2", None, None, False)
        assert [one.schedule_id for one in await schedules.list()] == ["nightly"]
        await schedules.delete(made)
        assert await schedules.list() == []
        with pytest.raises(QStashError, match="404"):
            await schedules.get(made)


async def test_flow_control_is_paused_pinned_and_counts() -> None:
    async with service() as api:
        flows = api.client.flow_control
        with pytest.raises(QStashError, match="404"):
            await flows.get("tenant 1")
        for _ in range(3):
            await api.client.message.publish(url=URL, flow_control={"key": "tenant 1", "rate": 2, "period": "1h"})
        await api.runner.run_until_idle()
        state = await flows.get("tenant 1")
        assert (state.key, state.rate_max, state.rate_count, state.rate_period) == ("tenant 1", 2, 2, 3600)
        assert (state.wait_list_size, len(api.endpoint.received)) == (1, 2)
        await flows.pause("tenant 1")
        await flows.reset_rate("tenant 1")
        await api.runner.run_until_idle()
        state = await flows.get("tenant 1")
        assert (state.is_paused, state.rate_count, len(api.endpoint.received)) == (True, 0, 2)
        await flows.pin("tenant 1", {"parallelism": 3, "rate": 20, "period": 120})
        state = await flows.get("tenant 1")
        assert (state.parallelism_max, state.rate_max, state.rate_period) == (3, 20, 120)
        assert (state.is_pinned_parallelism, state.is_pinned_rate) == (True, True)
        await flows.unpin("tenant 1", {"parallelism": True})
        state = await flows.get("tenant 1")
        assert (state.is_pinned_parallelism, state.is_pinned_rate) == (False, True)
        await flows.resume("tenant 1")
        await api.runner.run_until_idle()
        assert (await flows.get("tenant 1")).is_paused is False
        assert len(api.endpoint.received) == 3
        everywhere = await flows.get_global_parallelism()
        assert everywhere.parallelism_count == 0
        assert everywhere.parallelism_max is not None
        assert everywhere.parallelism_max > 0


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


async def test_a_wrong_token_does_nothing() -> None:
    async with service() as api:
        stranger = AsyncQStash("another", base_url=api.url, retry=False)
        with pytest.raises(QStashError, match="401"):
            await stranger.message.publish(url=URL)
        await vars(stranger.http)["_client"].aclose()
        assert (await api.client.log.list()).logs == []


async def test_what_is_redacted_is_true_in_the_delivery_alone() -> None:
    async with service() as api:
        sent: Any = await api.client.message.publish(
            url=URL, body="secret-body", headers={"Authorization": "secret-1", "Plain": "1"},
            redact={"body": True, "header": ["Authorization"]},
        )  # fmt: skip
        read = await api.client.message.get(sent.message_id)
        assert read.body is not None
        assert read.body.startswith("REDACTED:")
        assert read.headers is not None
        assert (read.headers["Authorization"][0][:9], read.headers["Plain"]) == ("REDACTED:", ["1"])
        await api.runner.run_until_idle()
        shown = json.dumps([vars(log) for log in (await api.client.log.list()).logs], default=str)
    assert "secret" not in shown
    assert base64.b64encode(b"secret-body").decode() not in shown
    (received,) = api.endpoint.received
    assert (received.body, received.header("Authorization")) == (b"secret-body", "secret-1")
