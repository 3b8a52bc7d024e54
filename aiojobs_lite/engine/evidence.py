"""Whether an attempt can still end by itself: the evidence is its task, its coroutine, its thread, its process."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from aiojobs_lite.engine.running import Running
from aiojobs_lite.engine.suspects import SURE

THREAD_IS_SLOW: Final = 10  # beside many threads the first step of one takes seconds
TASK_IS_SLOW: Final = 30  # a task factory of the application may put something before the first step


class Loss(NamedTuple):
    """Why an attempt cannot end by itself.

    Attributes:
        why: For a person.
        looks: How many looks in a row must agree.
    """

    why: str
    looks: int = SURE


def loss_of(run: Running) -> Loss | None:
    """Why an attempt cannot end by itself, as far as one look shows it; None if it may. Never raises."""
    try:
        if _is_done(run.task):
            return Loss("its task has ended, and its end was not recorded")
        if run.made is not None and _is_finished(run.made()):
            return Loss("its coroutine was dropped by the task factory of the application")
        if not run.is_entered:
            if run.task is None:
                return Loss("no task was made for it")
            return Loss("its task does not come to its first step", TASK_IS_SLOW)
        return _loss_outside(run)
    except Exception:  # noqa: BLE001  # what a task factory of the application made may be no task
        return None


def _loss_outside(run: Running) -> Loss | None:
    """The same of an attempt whose task waits for a thread or a process."""
    if run.job_type.mode == "thread":
        if run.thread is None or run.thread.is_alive():
            return None
        if run.thread.has_begun:
            return Loss("its thread has ended without a result")
        return Loss("its thread does not come to its first step", THREAD_IS_SLOW)
    if run.worker is not None and run.worker.has_ended_unnoticed:
        return Loss("its worker process has ended, and its event loop was not notified")
    return None


def _is_done(task: Any) -> bool:
    done = getattr(task, "done", None)
    return done is not None and done() is True


def _is_finished(coroutine: Any) -> bool:
    """Whether a coroutine has ended, was closed, or is gone."""
    return coroutine is None or coroutine.cr_frame is None
