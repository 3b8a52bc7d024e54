"""Whether an attempt can still end by itself, as one look shows it."""

from __future__ import annotations

import asyncio
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import evidence
from aiojobs_lite.engine.evidence import Loss, loss_of
from aiojobs_lite.engine.running import Running
from aiojobs_lite.engine.suspects import SURE
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.handlers.job_type import JobType
from tests.helpers.engine import claimed


@job
async def waits() -> None:
    await asyncio.Event().wait()


@job
def threaded() -> None: ...


def plain() -> None: ...


IN_PROCESS: JobType[[], None] = JobType(plain, process=True)


def attempt(job_type: JobType[..., Any] = waits, **known: object) -> Running:
    run = Running(claimed(1, job_type.name), job_type)
    for name, value in known.items():
        setattr(run, name, value)
    return run


def task(*, done: object = False) -> Any:
    """Stands for a task whose coroutine is not known."""
    return SimpleNamespace(done=lambda: done, get_coro=lambda: None)


def thread(*, alive: bool, begun: bool) -> Any:
    return SimpleNamespace(is_alive=lambda: alive, has_begun=begun)


@pytest.mark.parametrize(
    ("run", "loss"),
    [
        (attempt(task=task(done=True), is_entered=True), Loss("its task has ended, and its end was not recorded", 3)),
        (attempt(), Loss("no task was made for it", 3)),
        (attempt(task=task()), Loss("its task does not come to its first step", 30)),
        (attempt(task=object()), Loss("its task does not come to its first step", 30)),
        (attempt(task=task(), is_entered=True), None),
        (attempt(task=task(done=1), is_entered=True), None),  # no task of asyncio's answers so
        (attempt(threaded, task=task(), is_entered=True), None),
        (attempt(threaded, task=task(), is_entered=True, thread=thread(alive=True, begun=False)), None),
        (
            attempt(threaded, task=task(), is_entered=True, thread=thread(alive=False, begun=True)),
            Loss("its thread has ended without a result", 3),
        ),
        (
            attempt(threaded, task=task(), is_entered=True, thread=thread(alive=False, begun=False)),
            Loss("its thread does not come to its first step", 10),
        ),
        (attempt(IN_PROCESS, task=task(), is_entered=True), None),
    ],
)
def test_an_attempt_is_lost_when_nothing_is_left_that_could_end_it(run: Running, loss: Loss | None) -> None:
    assert loss_of(run) == loss


def test_a_thread_that_has_not_begun_is_alive_only_after_its_first_step() -> None:
    made = UnawaitedThread(lambda: None, "never started")
    assert loss_of(attempt(threaded, task=task(), is_entered=True, thread=made)) == Loss(
        "its thread does not come to its first step", 10
    )


async def test_a_coroutine_that_a_task_factory_dropped_or_closed_is_lost() -> None:
    dropped = Loss("its coroutine was dropped by the task factory of the application")
    coroutine = waits.handler()
    run = attempt(task=task(), made=weakref.ref(coroutine), is_entered=True)
    assert loss_of(run) is None
    coroutine.close()
    assert loss_of(run) == dropped
    del coroutine
    assert loss_of(run) == dropped


def test_what_cannot_be_asked_is_not_lost() -> None:
    def fails() -> bool:
        raise RuntimeError("not now")

    assert loss_of(attempt(task=SimpleNamespace(done=fails))) is None


@pytest.mark.parametrize(("worker", "is_lost"), [(None, False), (False, False), (True, True)])
def test_an_attempt_in_a_process_is_lost_when_the_process_ended_unnoticed(worker: bool | None, is_lost: bool) -> None:
    known = None if worker is None else SimpleNamespace(has_ended_unnoticed=worker)
    loss = loss_of(attempt(IN_PROCESS, task=task(), is_entered=True, worker=known))
    expected = Loss("its worker process has ended, and its event loop was not notified")
    assert loss == (expected if is_lost else None)


def test_the_looks_that_are_needed_grow_with_what_may_be_slow() -> None:
    assert 1 < SURE < evidence.THREAD_IS_SLOW < evidence.TASK_IS_SLOW
