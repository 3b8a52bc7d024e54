"""The dead letter list: listed, read, deleted from, tried again from. Deliveries go to real servers on loopback."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.qstash import moments
from tests.helpers.qstash import serving
from tests.helpers.qstash_messages import published, world


async def test_a_dead_message_is_listed_with_what_came_back() -> None:
    async with world() as made:
        message_id = await made.dead(Label="eu,vip", Forward_X_Tenant="t1")
        (found,) = (answer := (await made.api.get("/v2/dlq")).json())["messages"]
        assert answer.keys() == {"messages"}
        message = (await made.api.get(f"/v2/messages/{message_id}")).json()
        assert found == message | {
            "dlqId": message_id, "responseStatus": 404, "responseBody": "404 Sorry",
            "responseHeader": {"X-Why": ["test"], "Content-Length": ["9"]},
        }  # fmt: skip
        assert (await made.api.get(f"/v2/dlq/{message_id}")).json() == found
        for path, more in (
            ("/gone", {"responseStatus": 0}),
            ("/500", {"responseStatus": 500, "responseBodyBase64": "/w=="}),
        ):
            one = (await made.api.get(f"/v2/dlq/{await made.dead(path)}")).json()
            assert {name: one.get(name) for name in more} == more
            assert "responseBody" not in one


async def test_dead_messages_are_filtered_and_paged_the_latest_first() -> None:
    async with world() as made:
        first = await made.dead("/404/a", Label="a,b")
        await published(made.api, f"{made.receiver.url}/200")
        await made.runner.publish(f"{made.receiver.url}/404", max_attempts=1)  # no message of the API
        second = await made.dead("/500/b", Label="b,c", Flow_Control_Key="k", Flow_Control_Value="rate=9")
        third = await made.dead("/gone", Label="c")
        for count in (1, 2, 3, 100):
            assert await made.listed(count=count) == [third, second, first]
        answer = (await made.api.get("/v2/dlq", params={"count": 3})).json()
        assert "cursor" not in answer
        for parameters, ids in (
            ({"label": ["a", "b"]}, [second, first]),
            ({"label": "a,b", "responseStatus": "404"}, [first]),
            ({"responseStatus": "0"}, [third]),
            ({"responseStatus": ["404", "500"], "count": "1"}, [second, first]),
            ({"messageId": second}, [second]),
            ({"messageId": second, "label": "a"}, []),
            ({"dlqIds": [first, third, "nonsense"]}, [third, first]),
            ({"dlqIds": f"{first},{third}", "count": "1"}, [third, first]),
            ({"url": f"{made.receiver.url}/gone"}, [third]),
            ({"flowControlKey": "k"}, [second]),
            ({"topicName": "t"}, []),
            ({"fromDate": "0", "toDate": "5"}, []),
            ({"fromDate": "5"}, [third, second, first]),
        ):
            assert await made.listed(**parameters) == ids, parameters


async def test_a_list_looks_at_a_bounded_number_and_goes_on_at_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "MOST_LOOKED_AT", 2)
    monkeypatch.setattr(moments, "MOMENTS_AT_ONCE", 1)
    async with world() as made:
        first = await made.dead(Label="a")
        for _ in range(3):
            await made.dead(Label="b")
        answer = (await made.api.get("/v2/dlq", params={"label": "a"})).json()
        assert (answer["messages"], "cursor" in answer) == ([], True)
        assert await made.listed(label="a") == [first]
        monkeypatch.setattr(moments, "LARGEST_ANSWER_CHARS", 1)
        monkeypatch.setattr(moments, "MOMENTS_AT_ONCE", 9)
        assert len(await made.listed()) == 4


async def test_dead_messages_are_deleted_one_by_one_and_many() -> None:
    async with world() as made:
        ids = [await made.dead(Label=label) for label in "aabbb"]
        assert (await made.api.delete(f"/v2/dlq/{ids[0]}")).status_code == 200
        for method in ("DELETE", "GET"):
            gone = await made.api.request(method, f"/v2/dlq/{ids[0]}")
            assert (gone.status_code, gone.json()) == (404, {"error": f"there is no dead message '{ids[0]}'"})
        for sent, answer in (
            ({"json": {"dlqIds": []}}, {"deleted": 0}),
            ({"json": {"dlqIds": [ids[0], ids[1], ids[1]]}}, {"deleted": 1}),
            ({"params": {"label": "none"}}, {"deleted": 0}),
            ({"params": {"dlqIds": [ids[2]]}}, {"deleted": 1}),
        ):
            assert (await made.api.request("DELETE", "/v2/dlq", **sent)).json() == answer
        refused = await made.api.delete("/v2/dlq")
        assert (refused.status_code, "say which messages are meant" in refused.json()["error"]) == (400, True)
        first = (await made.api.delete("/v2/dlq", params={"label": "b", "count": 1})).json()
        assert first.keys() == {"deleted", "cursor"}
        last = (await made.api.delete("/v2/dlq", params={"count": 100, "cursor": first["cursor"]})).json()
        assert (first["deleted"], last) == (1, {"deleted": 1})
        assert await made.listed() == []


async def test_dead_messages_are_published_again_under_new_ids() -> None:
    async with world() as made:
        ids = [
            await made.dead(f"/404/{n}", Redact_Fields="body,header[X-Key]", Forward_X_Key="k1", Delay="0s")
            for n in range(3)
        ]
        answer = await made.api.post("/v2/dlq/retry", params={"dlqIds": ids[:2]})
        assert answer.status_code == 201
        again = [one["messageId"] for one in answer.json()["responses"]]
        assert not {*again} & {*ids}
        assert len({*again}) == 2
        assert answer.json().keys() == {"responses"}
        await made.runner.run_until_idle()
        assert {*await made.listed()} == {ids[2], *again}
        assert {
            (one.body, one.header("x-key"), one.header("upstash-message-id")) for one in made.receiver.received[3:]
        } == {(b"hello", "k1", message_id) for message_id in again}
        assert sorted(one.target for one in made.receiver.received[3:]) == ["/404/0", "/404/1"]
        nothing: list[dict[str, Any]] = [{"params": {"dlqIds": ids[0]}}, {"json": {"dlqIds": []}}]
        for sent in nothing:
            none = await made.api.post("/v2/dlq/retry", **sent)
            assert (none.status_code, none.json()) == (201, {"responses": []})
        assert (await made.api.post("/v2/dlq/retry")).status_code == 400


async def test_one_is_published_again_with_what_the_headers_say() -> None:
    async with world() as made:
        back = f"{made.receiver.url}/200/back"
        old = await made.dead("/404", Forward_X_A="1", Forward_X_B="2", Delay="0s", Label="eu")
        headers = {
            "Upstash-Method": "PUT", "Upstash-Forward-X-B": "3", "Upstash-Forward-X-C": "4", "Upstash-Retries": "5",
            "Upstash-Delay": "1h", "Upstash-Timeout": "7s", "Upstash-Label": "us,vip", "Upstash-Callback": back,
            "Upstash-Retry-Delay": "1000 * (1 + retried)", "Upstash-Flow-Control-Key": "acme",
            "Upstash-Flow-Control-Value": "parallelism=2, rate=3",
        }  # fmt: skip
        answer = await made.api.post(f"/v2/dlq/retry/{old}", headers=headers)
        assert (answer.status_code, answer.json().keys()) == (201, {"messageId"})
        found = (await made.api.get(f"/v2/messages/{answer.json()['messageId']}")).json()
        assert found["header"] == {"X-A": ["1"], "X-B": ["3"], "X-C": ["4"]}
        assert (found["method"], found["maxRetries"], found["labels"], found["callback"]) == (
            "PUT",
            5,
            ["us", "vip"],
            back,
        )
        assert found["retryDelayExpression"] == "1000 * (1 + retried)"
        assert found["notBefore"] - found["createdAt"] == 3_600_000
        assert (found["flowControlKey"], found["parallelism"], found["rate"]) == ("acme", 2, 3)
        flow = (await made.api.get("/v2/flowControl/acme")).json()
        assert (flow["parallelismMax"], flow["rateMax"]) == (2, 3)
        job = await made.job(answer.json()["messageId"])
        assert (job.payload["timeout"], job.label, (job.scheduled_at - job.created_at).total_seconds()) == (
            7.0,
            "us",
            3600,
        )
        gone = await made.api.post(f"/v2/dlq/retry/{old}")
        assert gone.status_code == 404


async def test_a_message_that_waited_is_due_at_once_when_it_is_published_again() -> None:
    async with world() as made:
        old = await made.dead(Not_Before="5")
        again = (await made.api.post(f"/v2/dlq/retry/{old}")).json()["messageId"]
        found = (await made.api.get(f"/v2/messages/{again}")).json()
        assert found["notBefore"] == found["createdAt"]
        await made.runner.run_until_idle()
        (more,) = (await made.api.post("/v2/dlq/retry", params={"count": 9})).json()["responses"]
        assert (await made.job(more["messageId"])).metadata.keys() == {"by", "host", "url", "path", "caller_ip"}


async def test_what_cannot_be_changed_is_refused_and_the_message_stays_dead() -> None:
    async with world() as made:
        old = await made.dead(Redact_Fields="header[X-Key]", Forward_X_Key="k1")
        before = await made.job(old)
        for name, value in (
            ("Forward-X-Key", "k2"), ("Flow-Control-Key", ""), ("Deduplication-Id", "d"), ("Redact-Fields", "body"),
            ("Content-Based-Deduplication", "true"), ("Cron", "* * * * *"), ("Queue-Name", "q"), ("Retries", "-1"),
            ("Callback", "no url"), ("Schedule-Id", "s"),
        ):  # fmt: skip
            headers = {f"Upstash-{name}": value, **({"Upstash-Flow-Control-Value": "rate=1"} if "Flow" in name else {})}
            refused = await made.api.post(f"/v2/dlq/retry/{old}", headers=headers)
            assert refused.status_code == 400, name
        assert await made.job(old) == before
        assert stored_payload(before.payload_json).count("k1") == 1


@pytest.mark.parametrize(
    "cursor", ["x", "1_dead_1_1", "1_gone_1_1_0", f"1_dead_{2**63}_1_0", "1_dead_1_1_0\n", "\u0661_dead_1_1_0"]
)
async def test_a_cursor_that_no_list_has_answered_is_refused(cursor: str) -> None:
    async with serving() as api:
        for path in ("/v2/dlq", "/v2/events"):
            refused = await api.get(path, params={"cursor": cursor})
            assert (refused.status_code, "the cursor is none that" in refused.json()["error"]) == (400, True)
