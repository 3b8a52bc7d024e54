"""The page of jobs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.runner import walks
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.web import jobs as jobs_page
from aiojobs_lite.web.jobs import JOBS_A_PAGE
from tests.helpers.dashboard import dashboard, press, tags_of, text_of
from tests.helpers.hostile_text import HOSTILE, is_one_printed_line


def runner_of_mails() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(name="mail.send", max_attempts=2)
    async def send(to: str, text: str = "") -> str:
        if not to:
            raise LookupError(f"no address {text}")
        return to

    @runner.job(name="report")
    async def report(day: str) -> None: ...

    return runner


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="job-(\d+)"', page)]


async def enqueue(runner: JobRunner, name: str = "mail.send", /, **arguments: Any) -> int:
    return (await runner.enqueue_named(name, **arguments)).id


async def test_tabs_have_the_jobs_of_a_status_and_how_many_they_are() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await enqueue(runner, to="ann")
        await enqueue(runner, to="")
        await runner.run_until_idle()
        await runner.jobs.run_now(2)
        await runner.run_until_idle()
        await runner.types.pause("mail.send")
        await runner.jobs.cancel(await enqueue(runner, to="ben"))
        assert ids((await client.get("/jobs")).text) == [3, 2, 1]
        page = (await client.get("/jobs?status=dead")).text
        assert ids(page) == [2]
        assert "All 3 Pending 0 Processing 0 Completed 1 Dead 1 Cancelled 1" in text_of(page)
        assert "LookupError: no address" in page
        assert "Completed 1 Dead 1" in text_of((await client.get("/jobs?type=mail.send")).text)
        assert "Completed 0 Dead 0" in text_of((await client.get("/jobs?type=report")).text)
        assert "All Pending Processing" in text_of((await client.get("/jobs?label=x")).text)


async def test_pages_follow_each_other_by_the_last_id_and_keep_the_filters() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail.send")
        for _ in range(JOBS_A_PAGE + 2):
            await enqueue(runner, to="ann")
        await enqueue(runner, "report", day="1")
        first = (await client.get("/jobs?type=mail.send")).text
        assert ids(first) == list(range(JOBS_A_PAGE + 2, 2, -1))
        (older,) = [given["href"] for tag, given in tags_of(first) if given.get("rel") == "next"]
        second = (await client.get(str(older))).text
        assert ids(second) == [2, 1]
        assert 'rel="next"' not in second
        assert "First" in second


@pytest.mark.parametrize(("order", "says"), [("newest", "job 3; older"), ("oldest", "job 2; newer")])
async def test_an_empty_page_before_the_end_leads_on(monkeypatch: pytest.MonkeyPatch, order: str, says: str) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 2)
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail.send")
        for _ in range(4):
            await enqueue(runner, to="ann")
        path: object = f"/jobs?order={order}&error=none"
        page = (await client.get(str(path))).text
        assert f"None as far as {says} ones may match." in text_of(page)
        (path,) = [given["href"] for _, given in tags_of(page) if given.get("rel") == "next"]
        last = (await client.get(str(path))).text
        assert "No job matches." in text_of(last)
        assert 'rel="next"' not in last


async def test_how_many_match_is_said_by_a_page_that_has_them_all_and_else_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner, counted = runner_of_mails(), list[object]()
    count_jobs = StoredJobs.count

    async def counting(jobs: StoredJobs, *given: Any, **options: Any) -> BoundedCount:
        counted.append(options)
        return await count_jobs(jobs, *given, **options)

    monkeypatch.setattr(StoredJobs, "count", counting)
    async with dashboard(runner) as client:
        await runner.types.pause("mail.send")
        for _ in range(JOBS_A_PAGE + 1):
            await enqueue(runner, to="ann")
        await enqueue(runner, to="bob")
        monkeypatch.setattr(walks, "PAGE_S", 60)
        monkeypatch.setattr(jobs_page, "COUNTED_WITHIN", "1m")
        for asked, says, counts in (
            ("payload=to%3Dbob", "1 match", 0), ("payload=to%3Dann", f"{JOBS_A_PAGE + 1} match", 1),
            (f"payload=to%3Dbob&after={JOBS_A_PAGE}", "1 match", 1), ("", "", 0),
        ):  # fmt: skip
            counted.clear()
            page = text_of((await client.get(f"/jobs?{asked}")).text)
            assert (says in page, "match" in page.replace("all that match", "")) == (True, bool(says)), asked
            assert len(counted) == counts, asked
        monkeypatch.setattr(walks, "PAGE_S", -1)
        monkeypatch.setattr(walks, "FIRST_LOOKS", 2)
        counted.clear()
        assert "1+ match" in text_of((await client.get("/jobs?payload=to%3Dbob")).text)
        assert counted == []


async def test_a_filter_of_the_url_stands_in_its_field_and_a_wrong_one_says_what_was_expected() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        page = await client.get("/jobs", params={"metadata": "<b>", "type": "mail.send", "label": '"x'})
        assert "expected name=value" in page.text
        fields = {
            given["name"]: given["value"] for tag, given in tags_of(page.text) if tag == "input" and "value" in given
        }
        assert (fields["metadata"], fields["type"], fields["label"]) == ("<b>", "mail.send", '"x')
        assert "<details open>" in page.text
        assert "is not registered" in text_of((await client.get("/jobs?type=mail.sent")).text)


async def test_a_job_is_found_by_its_id_or_key_and_a_type_by_its_name() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        handle = await runner.enqueue_named("mail.send", to="ann")
        for text in (str(handle.id), f" {handle.id} ", handle.key):
            assert (await client.get("/find", params={"q": text})).headers["Location"] == "./jobs/1"
        assert (await client.get("/find", params={"q": "mail.send"})).headers["Location"] == "./jobs?type=mail.send"


async def test_a_pending_job_says_why_it_waits() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await enqueue(runner, to="")
        await runner.run_until_idle()
        await runner.types.pause("mail.send")
        await enqueue(runner, to="ann")
        await runner.jobs.reschedule(await enqueue(runner, to="ann"), at="1h")
        states = re.findall(r'data-state="(\w+)"', (await client.get("/jobs?status=pending")).text)
        assert states == ["scheduled", "paused", "retrying"]


async def test_hostile_text_is_text() -> None:
    runner = runner_of_mails()
    hostile = [
        *HOSTILE,
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "عربى \u202e abc",
        "x" * 200_000,
    ]
    async with dashboard(runner) as client:
        for text in hostile:
            await enqueue(runner, to="", text=text.encode("utf-8", "replace").decode())
        await runner.run_until_idle()
        for path in ("/jobs", *[f"/jobs/{number + 1}" for number in range(len(hostile))]):
            page = (await client.get(path)).text
            assert all(is_one_printed_line(line) for line in page.split("\n")), path
            assert [
                tag for tag, given in tags_of(page) if tag == "img" or (tag == "script" and "src" not in given)
            ] == []
        assert "{{ 7*7 }}" in (await client.get("/jobs/11")).text
        assert len(page) < 500_000


async def test_a_payload_is_shown_as_the_hook_lets_it_and_not_at_all_if_that_raises() -> None:
    runner = runner_of_mails()

    def redact(what: str, name: str, value: Any) -> Any:
        return {**value, "to": "***"} if (what, name) == ("payload", "mail.send") else value["gone"]

    async with dashboard(runner, redact=redact) as client:
        await enqueue(runner, to="ann@example.com", text="hi")
        await runner.run_until_idle()
        for path in ("/jobs", "/jobs/1"):
            page = (await client.get(path)).text
            assert "***" in page
            assert ("Payload redacted" in text_of(page)) is (path == "/jobs/1")
            assert "ann@example.com" not in page
        assert "hidden: redact= raised TypeError" in page  # of the result, which is text


async def test_it_works_by_forms_alone() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail.send")
        await enqueue(runner, to="ann")
        asked = await press(client, "/jobs/many", action="cancel", id="1")
        assert "Cancel 1 job?" in text_of(asked.text)
        done = await press(client, "/jobs/many", action="cancel", id="1", confirmed="1")
        assert "1 job cancelled, or asked to stop." in text_of(done.text)
        (token,) = [given["value"] for tag, given in tags_of(done.text) if given.get("name") == "token"]
        undone = await press(client, "/undo", token=token)
        assert "1 job back to pending." in text_of(undone.text)
        assert (await runner.jobs.get(1)).status == "pending"
