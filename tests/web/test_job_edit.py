"""The page on which the arguments of one job are changed."""

from __future__ import annotations

import json
from typing import Any

from aiojobs_lite import JobRunner
from tests.helpers.dashboard import dashboard, press, tags_of, text_of


def runner_of_mails() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(name="mail.send", max_attempts=1)
    async def send(to: str, copies: int = 1) -> None:
        raise LookupError(to)

    return runner


def written(page: str) -> dict[str, Any]:
    """The arguments that stand in the form."""
    found: dict[str, Any] = json.loads(
        text_of("<p>" + page.partition("<textarea")[2].partition(">")[2].partition("</")[0])
    )
    return found


async def die(runner: JobRunner) -> None:
    await runner.enqueue_named("mail.send", to='ann"</textarea>', copies=2)
    await runner.run_until_idle()


async def test_what_is_changed_is_changed_and_retried() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await die(runner)
        await runner.types.pause("mail.send")
        assert "jobs/1/edit" in (await client.get("/jobs/1")).text
        page = (await client.get("/jobs/1/edit")).text
        assert written(page) == {"to": 'ann"</textarea>', "copies": 2}
        done = await press(client, "/jobs/1/edit", payload='{"to": "ben", "copies": 2}', retry="1")
        assert "Job 1 has other arguments, and is pending again." in text_of(done.text)
        job = await runner.jobs.get(1)
        assert (job.payload, job.status) == ({"to": "ben", "copies": 2}, "pending")


async def test_a_change_is_undone_and_nothing_is_nothing() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await die(runner)
        done = await press(client, "/jobs/1/edit", payload='{"to": "ben", "copies": 2}')
        assert "Job 1 has other arguments." in text_of(done.text)
        (token,) = [given["value"] for _, given in tags_of(done.text) if given.get("name") == "token"]
        undone = await press(client, "/undo", token=token)
        assert "The job has the arguments that it had." in text_of(undone.text)
        assert (await runner.jobs.get(1)).payload["to"] == 'ann"</textarea>'
        done = await press(client, "/jobs/1/edit", payload=json.dumps((await runner.jobs.get(1)).payload))
        assert "Nothing was changed." in text_of(done.text)


async def test_arguments_that_do_not_fit_come_back_with_what_is_wrong() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await die(runner)
        for text, problem in (
            ("{", "the arguments are a JSON object, such as {}"), ("[]", "the arguments are a JSON object"),
            ('{"to": "x"}', "an argument cannot be left out: copies. Give it the value that it is to have"),
            ('{"to": "x", "copies": "many"}', "copies"),
        ):  # fmt: skip
            found = await press(client, "/jobs/1/edit", payload=text)
            assert (found.status_code, problem in text_of(found.text)) == (400, True), text
            assert text in text_of(found.text)
        assert (await runner.jobs.get(1)).payload["copies"] == 2


async def test_what_is_hidden_stays_as_it_is() -> None:
    runner = runner_of_mails()

    def redact(what: str, name: str, value: Any) -> Any:
        return {**value, "to": "***"} if what == "payload" else value

    async with dashboard(runner, redact=redact) as client:
        await die(runner)
        assert written((await client.get("/jobs/1/edit")).text) == {"to": "***", "copies": 2}
        done = await press(client, "/jobs/1/edit", payload='{"to": "***", "copies": 3}')
        assert "Undo" not in done.text
        assert (await runner.jobs.get(1)).payload == {"to": 'ann"</textarea>', "copies": 3}


async def test_a_reader_an_ended_job_and_hidden_arguments_are_not_edited() -> None:
    runner = runner_of_mails()
    async with dashboard(runner, "read") as client:
        await die(runner)
        assert (await client.get("/jobs/1/edit")).status_code == 403
    runner = runner_of_mails()
    async with dashboard(runner, redact=lambda what, name, value: "hidden") as client:
        await die(runner)
        found = await client.get("/jobs/1/edit")
        assert (found.status_code, "too long for this page: use runner.jobs.edit" in found.text) == (409, True)
        await runner.types.pause("mail.send")
        await runner.jobs.redrive(1)
        await runner.jobs.cancel(1)
        found = await client.get("/jobs/1/edit")
        assert "job 1 is cancelled: the arguments of a pending or dead job can be changed" in text_of(found.text)
