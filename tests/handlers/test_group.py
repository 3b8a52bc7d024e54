"""Groups of declarations, and what `jobs=` takes: job types, groups and modules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Jobs, injected, job
from aiojobs_lite.errors import (
    ConflictingResources,
    DuplicateJobType,
    InvalidJobType,
    InvalidOption,
    InvalidSchedule,
    RunnerAlreadyStarted,
    UnknownJobType,
)
from aiojobs_lite.handlers.group import job_types_of
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers import mail


def module(**names: Any) -> ModuleType:
    made = ModuleType("emails")
    vars(made).update(names)
    return made


@job
async def single(number: int) -> int:
    return number


def a_group() -> Jobs:
    group = Jobs()

    @group.job
    async def first(number: int) -> int:
        return number + 1

    @group.job(name="second", max_attempts=2)
    def other(number: int) -> int:
        return number + 2

    @group.cron("0 9 * * *", tz="Europe/London", catch_up="skip", max_attempts=1)
    async def daily(ctx: JobContext = injected) -> str:
        return str(ctx.tick)

    return group


def names(runner: JobRunner) -> list[str]:
    return sorted(runner.stats().by_type)


async def test_a_group_is_declared_without_a_runner_and_runs_in_several() -> None:
    group = a_group()
    assert [job_type.name for job_type in group] == ["first", "second", "daily"]
    assert len(group) == 3
    assert repr(group) == "<Jobs first, second, daily>"
    first, second, daily = group
    assert (first.cron, second.max_attempts, daily.max_attempts) == (None, 2, 1)
    for runner in (JobRunner(":memory:", jobs=[group]), JobRunner(":memory:", jobs=group)):
        async with runner:
            handles = [await runner.enqueue(job_type, number=1) for job_type in (first, second)]
            assert [await handle.result() for handle in handles] == [2, 3]
            assert runner.schedules.names() == ("daily",)


async def test_a_cron_handler_of_a_group_runs_by_the_clock() -> None:
    clock = FakeClock()
    async with JobRunner(":memory:", jobs=[a_group()], clock=clock) as runner:
        clock.jump_to(runner.schedules.preview("daily", 1)[0])
        await runner.run_until_idle()
        (ran,) = await runner.jobs.list(type="daily")
        assert (ran.schedule, ran.result) == ("daily", str(ran.tick))


async def test_a_module_gives_all_that_is_among_its_names_once() -> None:
    group = a_group()
    source = module(a=single, b=single, group=group, again=group, first=next(iter(group)), text="x", runner=JobRunner)
    assert {job_type.name for job_type in job_types_of(source)} == {"single", "first", "second", "daily"}
    runner = JobRunner(":memory:", jobs=[source, mail, group])
    runner.register(single, source)
    async with runner:
        assert names(runner) == ["daily", "dies", "email.welcome", "first", "other", "second", "single"]


def test_a_lazy_object_of_a_module_is_left_alone() -> None:
    class Lazy:
        @property  # type: ignore[misc]  # as lazy objects have it
        def __class__(self) -> Any:
            raise RuntimeError("it is set up")

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"it is set up for {name}")

    assert list(job_types_of(module(settings=Lazy(), single=single))) == [single]


async def test_what_a_group_and_a_module_are_given_later_is_there_at_the_start() -> None:
    group, source = Jobs(), module(single=single)
    runner = JobRunner(":memory:", jobs=[group, source])
    late = group.job(name="late")(mail.other.handler)
    source.later = job(name="later")(mail.other.handler)  # type: ignore[attr-defined]  # as its own code does
    async with runner:
        assert names(runner) == ["late", "later", "single"]
        await (await runner.enqueue(late)).result()
        too_late = group.job(name="too late")(mail.other.handler)
        with pytest.raises(UnknownJobType, match="'too late' is not registered"):
            await runner.enqueue(too_late)
    async with runner:
        await (await runner.enqueue(too_late)).result()


async def test_a_started_runner_takes_no_more() -> None:
    async with JobRunner(":memory:") as runner:
        with pytest.raises(RunnerAlreadyStarted, match="given more job types"):
            runner.register(a_group())


def test_two_handlers_of_one_name_are_refused_in_a_group_and_over_groups() -> None:
    group = a_group()
    with pytest.raises(DuplicateJobType, match="'first' is declared twice"):
        group.job(name="first")(mail.other.handler)
    with pytest.raises(DuplicateJobType, match="'first' is declared twice"):
        JobRunner(":memory:", jobs=[group, a_group()])


def test_a_cron_handler_of_a_group_is_checked_where_it_is_declared() -> None:
    group = Jobs()
    with pytest.raises(InvalidSchedule, match="minute"):
        group.cron("61 * * * *")
    with pytest.raises(InvalidOption, match="overlap='never'"):
        group.cron("* * * * *", overlap="never")  # type: ignore[arg-type]  # what is tested

    async def greet(name: str, title: str, ending: str = "!") -> None: ...

    with pytest.raises(
        InvalidJobType,
        match=r"takes nothing but the context .*a scheduled job gets no arguments\. Give 'name' and 'title' a default$",
    ):
        group.cron("* * * * *")(greet)
    wrong: Any
    for wrong in (greet, job(greet)):
        with pytest.raises(
            InvalidSchedule,
            match=r'it is a function, for there are no parentheses: write `@runner\.cron\("0 3 \* \* \*"\)`$',
        ):
            group.cron(wrong)
    assert len(group) == 0


# Resources of a group.


class Mailer(str):
    """A resource."""


def mailing(mailer: Any, name: str = "send") -> Jobs:
    """A group that brings its resource."""
    group = Jobs(deps={Mailer: mailer})

    @group.job(name=name)
    async def send(*, mailer: Mailer = injected) -> str:
        return str(mailer)

    return group


async def sent(runner: JobRunner, name: str = "send") -> Any:
    return await (await runner.enqueue_named(name)).result("5s")


async def test_a_group_brings_its_resources_to_each_runner_that_it_joins() -> None:
    made: list[str] = []

    async def make() -> AsyncIterator[Mailer]:
        made.append("entered")
        yield Mailer(f"mailer {len(made)}")
        made.append("left")

    group = mailing(make)
    for runner in (JobRunner(":memory:", jobs=[group]), JobRunner(":memory:", jobs=[module(group=group)])):
        async with runner:
            assert await sent(runner) == f"mailer {len(made)}"
            assert made[-1] == "entered"
    assert made == ["entered", "left"] * 2


async def test_what_the_runner_has_itself_replaces_what_a_group_brings() -> None:
    group = mailing(Mailer("of the group"))
    async with JobRunner(":memory:", jobs=[group], deps={Mailer: Mailer("of the runner")}) as runner:
        assert await sent(runner) == "of the runner"
    with JobRunner(":memory:", jobs=[group]).replaced(
        database=":memory:", clock=FakeClock(), deps={Mailer: Mailer("of the test")}
    ):
        pass  # a type that only a group knows


async def test_two_groups_may_share_a_resource_and_never_differ() -> None:
    shared = Mailer("shared")
    async with JobRunner(":memory:", jobs=[mailing(shared), mailing(shared, "again")]) as runner:
        assert [await sent(runner), await sent(runner, "again")] == ["shared", "shared"]
    groups = mailing(Mailer("one")), mailing(Mailer("two"), "again")
    for refused in (lambda: JobRunner(":memory:", jobs=groups), lambda: JobRunner(":memory:").register(*groups)):
        with pytest.raises(ConflictingResources, match=r"for Mailer in Jobs\(deps=\.\.\.\)") as caught:
            refused()
        assert caught.value.wanted is Mailer
    async with JobRunner(":memory:", jobs=groups, deps={Mailer: Mailer("one for both")}) as runner:
        assert [await sent(runner), await sent(runner, "again")] == ["one for both"] * 2


async def test_a_conflict_that_comes_up_later_is_refused_at_the_start() -> None:
    group = Jobs(deps={Mailer: Mailer("two")})
    runner = JobRunner(":memory:", jobs=[mailing(Mailer("one")), group])
    group.job(name="later")(mail.other.handler)
    with pytest.raises(ConflictingResources):
        await runner.start()


def test_resources_of_a_group_are_checked_where_they_are_given() -> None:
    with pytest.raises(InvalidOption, match=r"deps=3: expected a dict, type -> resource\.$"):
        Jobs(deps=3)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (mail.other.handler, "expected job types (made by @job), groups (Jobs()) or modules that have some."),
        (single.using(delay=1), "expected job types (made by @job), groups (Jobs()) or modules that have some."),
        (None, "expected job types (made by @job), groups (Jobs()) or modules that have some."),
        ("emails", "expected job types (made by @job), groups (Jobs()) or modules that have some."),
        (module(text="x"), "expected a module with job types or a group among its names: it has none."),
    ],
)
def test_what_is_no_source_is_refused(source: Any, text: str) -> None:
    for take in (lambda: JobRunner(":memory:", jobs=[source]), lambda: JobRunner(":memory:").register(source)):
        with pytest.raises(InvalidOption) as caught:
            take()
        assert str(caught.value).endswith(text)


def test_an_empty_group_is_fine_and_a_word_of_another_library_is_answered() -> None:
    assert list(job_types_of(module(group=Jobs()))) == []
    with pytest.raises(AttributeError, match=r"in aiojobs_lite it is @runner\.job"):
        Jobs().task  # type: ignore[attr-defined]  # noqa: B018  # what is tested
