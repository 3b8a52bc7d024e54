"""What a test replaces in an application: its resources, its database."""

from __future__ import annotations

import pytest

from aiojobs_lite import InvalidOption, JobRunner, Jobs, injected
from aiojobs_lite.testing import JobKit


class Mail:
    """A resource of an application."""


class FakeMail(Mail):
    """What a test gives in its place."""


class Bank:
    """A resource that a handler asks for, and the runner lacks."""


async def test_a_resource_of_a_type_that_the_runner_does_not_know_is_refused(job_kit: JobKit) -> None:
    runner = JobRunner(deps={Mail: Mail()})

    @runner.job
    async def send(mail: Mail = injected, bank: Bank = injected) -> str:
        return type(mail).__name__

    expected = "expected types that the runner knows: Mail, Bank; no handler that is declared by now asks for FakeMail"
    with pytest.raises(InvalidOption, match=expected):
        async with job_kit(runner, deps={FakeMail: FakeMail(), Bank: Bank()}):
            pass
    with JobKit() as kit:
        with pytest.raises(InvalidOption, match=expected):
            kit.replace(runner, deps={FakeMail: FakeMail(), Bank: Bank()})  # at this line: no start need follow
        kit.replace(runner, deps={Mail: FakeMail()})
        kit.replace(runner, deps={Bank: Bank()})
        async with runner:  # nothing is left of what was refused
            assert await (await runner.enqueue(send)).result() == "FakeMail"
    async with job_kit(runner, deps={Mail: FakeMail(), Bank: Bank()}):
        assert await (await runner.enqueue(send)).result() == "FakeMail"
    async with job_kit(deps={FakeMail: FakeMail()}):
        pass  # they are those of the new runner


async def test_a_replaced_resource_may_be_of_a_handler_that_was_added_to_a_group_since(job_kit: JobKit) -> None:
    group = Jobs()
    runner = JobRunner(jobs=group)
    with pytest.raises(InvalidOption, match="expected types that the runner knows: none; no handler"):
        job_kit.replace(runner, deps={Mail: FakeMail()})

    @group.job
    async def send(mail: Mail = injected) -> str:
        return type(mail).__name__

    job_kit.replace(runner, deps={Mail: FakeMail()})
    async with runner:
        assert await (await runner.enqueue(send)).result() == "FakeMail"


async def test_the_start_of_a_runner_in_the_kit_names_its_database(
    job_kit: JobKit, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="aiojobs_lite"):
        async with job_kit(JobRunner("shop.db")):
            pass
    assert ":memory:" in caplog.text
    assert "KitStore" not in caplog.text
