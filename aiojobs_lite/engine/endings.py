"""How an attempt ended, of what its handler returned or raised; what is saved of it, and what the log shows."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiojobs_lite.engine.failures import describe, exc_info_of
from aiojobs_lite.engine.results import dump_result, limit_result, refuse_unfinished
from aiojobs_lite.engine.running import Running
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import Failure
from aiojobs_lite.policy.settle import RETURNED, Ending, Policy, settle
from aiojobs_lite.policy.verdict import Verdict, Wish, is_wanted
from aiojobs_lite.telemetry.tracebacks import Raised
from aiojobs_lite.telemetry.wording import span
from aiojobs_lite.text import show_duration

_KILLED: Final = "Its worker process was killed, the stack of the handler with it. ctx.log(...) shows how far it comes."
_SECONDS_BELOW: Final = 120.0  # longer spans are given in minutes


def ending_of(run: Running, value: Any) -> Ending:
    """How an attempt ended whose handler returned a value."""
    if run.stopped is not None and run.job_type.mode == "async":
        return Ending(stopped=run.stopped)  # it swallowed its cancellation: what it returns is not to be trusted
    if value is None:
        return RETURNED
    if isinstance(value, Ending):  # it ran elsewhere: in a worker process, or by calls of a driver
        return limit_result(run.job_type, value)
    result, note = dump_result(run.job_type, refuse_unfinished(value))
    return Ending(result, note)


def with_timeout(run: Running, ending: Ending) -> Ending:
    """How an attempt ended that its timeout stopped; of the cancellation only the lines where it met the handler."""
    error, cancelled = ending.error, asyncio.CancelledError
    if ending.stopped is None or (error is not None and not issubclass(type(error), cancelled)):
        return ending
    late = TimeoutError(_timeout_words(run.job_type.timeout or 0.0))
    if error is None:  # it swallowed the cancellation
        return ending._replace(failure=Failure("TimeoutError", str(late), None))
    late = late.with_traceback(exc_info_of(error)[2])
    if run.worker is not None and not run.worker.is_alive:
        late.add_note(_KILLED)
    return ending._replace(error=late, failure=describe(late))


def settled(run: Running, ending: Ending, now: int) -> End:
    """What is to be saved of an attempt. Never raises, whatever its handler raised.

    Args:
        run: The attempt.
        ending: How it ended.
        now: The instant, in microseconds.
    """
    claimed, policy = run.claimed, run.job_type.policy
    if ending is not RETURNED and (run.restarts or run.suspension is not None):
        ending = ending._replace(suspension=run.suspension, restarts=run.restarts)
    try:
        return settle(claimed, ending, policy, now, cancel=run.cancel_reason)
    except BaseException as error:  # noqa: BLE001  # an exception of the handler that cannot even be looked at
        stand_in = RuntimeError()  # `error` may be the same one
        failed = Ending(error=stand_in, failure=describe(error), verdict=Verdict(Wish.AGAIN))
        return settle(claimed, failed, Policy(), now, cancel=run.cancel_reason)  # the type's may be the cause


def raised_of(run: Running, ending: Ending) -> Raised:
    """What the log needs to know of an attempt that did not succeed. Never raises."""
    most, error, verdict = run.claimed.max_attempts, ending.error, ending.verdict
    if error is None:
        return Raised(most)
    if verdict is not None:  # of a worker process: the exception stayed there
        return Raised(most, None, verdict.is_wanted)
    try:
        return Raised(most, error, is_wanted(error))
    except BaseException:  # noqa: BLE001  # an exception of the handler that cannot even be looked at
        return Raised(most)


def _timeout_words(timeout: float) -> str:
    words = f"{timeout:g} s" if timeout < _SECONDS_BELOW else span(timeout)
    return f'no end after {words} (timeout="{show_duration(timeout)}")'
