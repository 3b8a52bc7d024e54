"""Registrations of hostile apps: refused as a whole, with the reason; nothing of them is kept.

A row has the functions of an app, and words of the refusal.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.inngest.keys import SigningKey
from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import SIGNING_KEY
from tests.helpers.inngest_app import returns, shop

pytestmark = pytest.mark.slow
NEAR = "http://127.0.0.1:9/x"


def function(name: str = "evil-a", url: object = NEAR, **more: object) -> dict[str, Any]:
    """A function, as an SDK registers it."""
    step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": url}}
    return {"id": name, "name": "n", "triggers": [{"event": "evil/go"}], "steps": {"step": step}, **more}


def triggered(**trigger: object) -> list[dict[str, Any]]:
    """Functions, the second of which has this trigger."""
    return [function(), function("evil-b", triggers=[trigger])]


REGISTRATIONS: Final[dict[str, tuple[Any, str]]] = {
    "10,000 functions": ([function(f"evil-{number}") for number in range(10_000)], "at most 1,000 functions"),
    "a function of another app": ([function(), function("shop-pay")], "an id that no other app has"),
    "the name of a job type": ([function(), function("native")], "is declared twice"),
    "the name of a job type of the server": ([function(), function("inngest.ended")], "is declared twice"),
    "a limit of another value": (
        [
            function("evil-a", concurrency={"limit": 1, "scope": "env", "key": "'x'"}),
            function("evil-b", concurrency={"limit": 2, "scope": "env", "key": "'x'"}),
        ],
        "what other job types share by this name",
    ),
    "a function that is too large to be kept": (
        [function(), function("evil-b", x="x" * 300_000)], "at most 262,144 bytes of JSON, not",
    ),
    "a function that is no JSON": ([function(), function("evil-b", x=float("inf"))], "no double can hold"),
    "an id twice": ([function(), function()], "each id once"),
    "an id with NUL": ([function("evil\0")], "printable"),
    "an id from right to left": ([function("evil\u202e")], "printable"),
    "an expression of 64 KiB": (triggered(event="x", expression="a" * 65_536), "an expression"),
    "an expression of 4,000 brackets": (
        triggered(event="x", expression=f"{'(' * 4_000}1{')' * 4_000}"), "an expression",
    ),
    "a pattern that takes for ever": (triggered(event="x", expression=r"event.data.a.matches('(a)\\1')"), "RE2"),
    "a pattern of a million parts": (
        triggered(event="x", expression="event.data.a.matches('((a{1,100}){1,100}){1,100}')"), "RE2",
    ),
    "a cron that never fires": (triggered(cron="0 0 30 2 *"), "it never fires"),
    "a time zone that is a file": (triggered(cron="TZ=../../../etc/passwd * * * * *"), "is not known"),
    "a period of 500 digits": ([function(throttle={"limit": 1, "period": f"{'9' * 500}s"})], "expected a duration"),
    "a limit of 400 digits": ([function(concurrency=10**400)], "a whole number from 0 to"),
    "retries without end": (
        [function(steps={"step": {"runtime": {"url": NEAR}, "retries": {"attempts": 1e300}}})], "from 0 to 20",
    ),
    "a file": ([function(url="file:///etc/passwd")], "begins with https:// or http://"),
    "another machine": ([function(url="http://169.254.169.254/latest")], "a URL of this machine"),
    "a name of another machine": ([function(url="http://127.0.0.1.nip.io/")], "a URL of this machine"),
    "another machine behind a user": ([function(url="http://127.0.0.1@evil.example/")], "without a user"),
    "a line of a header": ([function(url="http://127.0.0.1/\r\nx: y")], "without blanks, control characters"),
}  # fmt: skip


@pytest.mark.parametrize("attack", REGISTRATIONS)
async def test_a_hostile_registration_is_refused_as_a_whole(job_kit: JobKit, attack: str) -> None:
    functions, words = REGISTRATIONS[attack]

    def declare(runner: JobRunner) -> None:
        @runner.job(name="native")
        async def native(x: int) -> None: ...

    async with shop(job_kit, returns(1), before=declare) as made:
        await made.register(made.function())
        body = json.dumps({"appName": "evil", "functions": functions}).replace("Infinity", "1e400")
        answer = await made.client.post("/fn/register", content=body)
        assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text
        assert [one.name for one in await made.runner.documents.list("inngest.app")] == ["shop"]
        assert [one.name for one in await made.runner.documents.list("inngest.function")] == ["shop-pay"]
        assert not [name for name in made.runner.stats().by_type if name.startswith("evil")]
        assert (await made.run())["status"] == "Completed"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:a9fe:a9fe]/", "http://localhost/",
            "http://x.localhost/", "http://[::1]/", NEAR],
)  # fmt: skip
async def test_a_private_address_is_refused_in_the_mode_cloud(job_kit: JobKit, url: str) -> None:
    cloud: dict[str, Any] = {"mode": "cloud", "event_key": "k", "signing_key": SIGNING_KEY}
    async with shop(job_kit, returns(1), **cloud) as made:
        headers = {"Authorization": f"Bearer {SigningKey(SIGNING_KEY).bearer}"}
        body = {"appName": "evil", "functions": [function(url=url)]}
        answer = await made.client.post("/fn/register", json=body, headers=headers)
        assert (answer.status_code, "expected a public address" in answer.text) == (400, True)


async def test_what_an_app_had_before_stays_when_its_next_registration_is_refused(job_kit: JobKit) -> None:
    async with shop(job_kit, returns(1)) as made:
        await made.register(made.function(), made.function("mail"))
        limits = {"limit": 1, "scope": "env", "key": "'x'"}
        refused = await made.register(
            made.function("a", concurrency=limits), made.function("pay", concurrency={**limits, "limit": 2})
        )
        assert refused.status_code == 400
        assert (await made.run("shop/mail"))["status"] == "Completed"
        assert (await made.run("shop/pay"))["status"] == "Completed"
        assert (await made.register(made.function(), made.function("mail"))).json()["modified"] is False
