"""One message to many URLs: the job that enqueues a delivery to each."""

from __future__ import annotations

from typing import Any

from aiojobs_lite import JobRunner
from aiojobs_lite.http.fan_out import FAN_OUT
from aiojobs_lite.limits import DECLARED, Fixed, Limit
from tests.helpers.endpoints import endpoint, local, reply
from tests.helpers.waiting import until

ENDPOINTS = [{"url": "/1", "name": "a"}, {"url": "/2"}]


async def test_each_url_gets_the_message_with_its_options_and_its_own_metadata() -> None:
    async with endpoint(reply(200)) as receiver:
        http = local()
        async with JobRunner(":memory:", jobs=[http]) as runner:
            await runner.documents.put("g", "news", [{**one, "url": receiver.url + one["url"]} for one in ENDPOINTS])
            request = http.request(
                "https://group.invalid", json={"a": 1}, secret_headers={"X": "hidden"}, max_attempts=2, label="l",
                metadata={"mine": 1},
            ).using(limits=[DECLARED, Limit(1, key=Fixed("queue", "q"))])  # fmt: skip
            (fanned,) = await runner.enqueue_many([http.fan_out.bind("g", "news", request)])
            keys = await fanned.result(timeout="10s")
            await until(lambda: runner.stats().completed == 3)
            found = await runner.jobs.list(type="http.delivery")
            assert {runner.jobs.key_of(one.id) for one in found} == {*keys}
            assert {(one.max_attempts, one.label) for one in found} == {(2, "l")}
            assert sorted(one.metadata["path"] for one in found) == ["/1", "/2"]
            (named,) = [one for one in found if "endpoint" in one.metadata]
            assert named.metadata == {
                "mine": 1, "host": "127.0.0.1", "url": f"{receiver.url}/1", "path": "/1", "endpoint": "a",
            }  # fmt: skip
            assert "queue" in (named.lane or "")
            assert (await fanned.job()).payload["secret"] == "REDACTED"
    assert {(one.header("x"), one.body) for one in receiver.received} == {("hidden", b'{"a":1}')}
    assert receiver.most_open == 1


async def test_an_attempt_that_is_repeated_enqueues_nothing_twice_and_a_group_that_is_gone_gets_nothing() -> None:
    http = local()
    runner = JobRunner(":memory:", jobs=[http], max_running=0)

    class Attempt:
        key = "k"

    async with runner:
        await runner.documents.put("g", "news", [{"url": "https://a.example"}, {"url": "https://b.example"}])
        message: Any = http.request("https://group.invalid", json=1).arguments()
        made = [
            await http.fan_out.enqueue_each("g", "news", message, {}, None, ctx=Attempt, runner=runner)  # type: ignore[arg-type]
            for _ in range(2)
        ]
        assert made[0] == made[1]
        assert runner.stats().pending == len(made[0]) == 2
        gone = await http.fan_out.enqueue_each("g", "gone", message, {}, None, ctx=Attempt, runner=runner)  # type: ignore[arg-type]
        assert gone == []


def test_its_job_type_is_one_of_the_group() -> None:
    assert FAN_OUT in {one.name for one in local()}
