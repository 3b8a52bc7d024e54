"""What Sentry gets: the events and check-ins that its SDK would send."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from aiojobs_lite import Abandon, InvalidOption, JobRunner, Jobs, Snooze, job
from aiojobs_lite.observe import SentryJobs
from aiojobs_lite.observe.sentry import monitored_schedule, slug_of
from aiojobs_lite.schedules import every
from aiojobs_lite.testing import JobKit

Sent = dict[str, Any]


class Kept(Transport):
    """Sends nothing; keeps all items."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[tuple[str, Sent]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keeps them."""
        self.items += [(item.type or "", item.payload.json or {}) for item in envelope.items]

    def of(self, kind: str) -> list[Sent]:
        """Those of a kind."""
        return [payload for found, payload in self.items if found == kind]


@pytest.fixture
def kept() -> Iterator[Kept]:
    transport = Kept()
    with sentry_sdk.new_scope():
        client = sentry_sdk.get_global_scope().client
        sentry_sdk.init(dsn="https://key@sentry.example.org/1", transport=transport, default_integrations=False)
        yield transport
        sentry_sdk.get_global_scope().set_client(client)


async def test_the_last_failure_is_an_event_with_the_tags_of_its_job(kept: Kept, job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", middleware=[SentryJobs()])

    @runner.job(name="charge", max_attempts=3)
    async def charge(how: str) -> None:
        if how == "abandon":
            raise Abandon("no such user")
        if how == "snooze" and not kept.items:
            raise Snooze("1h")
        if how == "fail":
            raise ConnectionError("the bank is closed")

    async with job_kit(runner):
        failing = await runner.enqueue(charge, "fail")
        await job_kit.run_to_end()
        await runner.enqueue(charge, "abandon")
        await job_kit.run_to_end()
        await runner.enqueue(charge, "snooze")
        await runner.run_until_idle()
    found = [(sent["exception"]["values"][-1]["type"], sent["tags"]) for sent in kept.of("event")]
    assert found == [
        ("ConnectionError", {"job_type": "charge", "job_id": str(failing.id), "job_attempt": "3"}),
        ("Abandon", {"job_type": "charge", "job_id": str(failing.id + 1), "job_attempt": "1"}),
    ]


async def test_the_runs_of_a_schedule_check_in(kept: Kept, job_kit: JobKit) -> None:
    sentry = SentryJobs()
    runner = JobRunner(":memory:", middleware=[sentry])
    is_failing: list[bool] = []

    @sentry.monitor
    @runner.cron("@hourly", tz="Europe/London", timeout="90s", max_attempts=1, name="Daily digest")
    async def digest() -> None:
        if is_failing:
            raise ConnectionError

    async with job_kit(runner):
        for _ in range(2):
            job_kit.clock.advance(3600)
            await runner.run_until_idle()
            is_failing.append(True)
        is_failing.clear()
        await runner.enqueue(digest)
        await runner.run_until_idle()
    found = kept.of("check_in")
    assert [sent["status"] for sent in found] == ["in_progress", "ok", "in_progress", "error"]
    assert {sent["monitor_slug"] for sent in found} == {"daily-digest"}
    assert found[0]["check_in_id"] == found[1]["check_in_id"] != found[2]["check_in_id"]
    assert found[0]["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 * * * *"}, "timezone": "Europe/London", "max_runtime": 2,
    }  # fmt: skip


async def handler() -> None: ...


@pytest.mark.parametrize("wrong", [None, handler, job(handler)])
def test_only_a_job_type_with_minutes_is_monitored(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match=r"a job type of @runner\.cron with five fields: Sentry has no seconds"):
        SentryJobs().monitor(wrong)


def test_a_schedule_with_seconds_is_refused() -> None:
    runner = JobRunner(":memory:")
    with pytest.raises(InvalidOption, match=r"a job type of @runner\.cron with five fields: Sentry has no seconds"):
        SentryJobs().monitor(runner.cron("*/5 * * * * *")(handler))


@pytest.mark.parametrize(
    ("expression", "schedule"),
    [
        (every("1h15m"), {"type": "interval", "value": 75, "unit": "minute"}),
        ("0 9 * * *", {"type": "crontab", "value": "0 9 * * *"}),
        (every("90s"), None),
    ],
)
def test_an_interval_of_whole_minutes_is_monitored(expression: str, schedule: dict[str, Any] | None) -> None:
    declared = Jobs().cron(expression, jitter="30s")(handler).cron
    assert declared is not None
    assert monitored_schedule(declared.cron) == schedule


@pytest.mark.parametrize(
    ("name", "slug"), [("email.welcome", "email-welcome"), ("ÄÖ", "job"), ("a" * 60, "a" * 50), ("A_b-c", "a_b-c")]
)
def test_the_slug_of_a_monitor(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(InvalidOption, match=r'pip install "aiojobs_lite\[sentry\]"'):
        SentryJobs()
