"""What is recorded and told of an attempt's end."""

from __future__ import annotations

import traceback
from types import FrameType
from typing import Any

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import Failure, Outcome, Status
from aiojobs_lite.model.writes import Finish
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    Fact,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobHeld,
    JobInterrupted,
    JobSnoozed,
)

_LONGEST_MESSAGE = 2_000
_LONGEST_TRACEBACK = 20_000
_OURS = "aiojobs_lite/engine/"
_FRAMES_OF = BaseException.__dict__["__traceback__"].__get__  # past whatever the class makes of it


def describe(error: BaseException) -> Failure:
    """The record of an exception: its type, its text, its traceback without local variables. Never raises."""
    try:
        message = str.__str__(str(error))  # a plain one: what __str__ returns may be of the user's making as well
    except BaseException as worse:  # noqa: BLE001  # __str__ is the user's code
        message = f"(its __str__ raised {_name(worse)})"
    return Failure(_storable(_name(error)), _storable(message[:_LONGEST_MESSAGE]), _storable(_traceback(error)))


def _name(error: BaseException) -> str:
    """The name of its class, read past whatever its metaclass makes of that."""
    name: str = type.__dict__["__qualname__"].__get__(type(error))
    return name


def _traceback(error: BaseException) -> str:
    frames = _FRAMES_OF(error)
    while frames is not None and _is_ours(frames.tb_frame):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:  # noqa: BLE001  # the same
        text = "".join(traceback.format_tb(frames))
    if len(text) > _LONGEST_TRACEBACK:
        text = f"(shortened)\n...{text[-_LONGEST_TRACEBACK:]}"
    return text


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def stack_of(awaited: Any) -> str:
    """Where a suspended coroutine is, down to what it waits for; a task's own stack stops at its first frame."""
    lines: list[str] = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not _is_ours(frame):
            lines += traceback.format_stack(frame, limit=1)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return "".join(lines)


def _is_ours(frame: FrameType) -> bool:
    return _OURS in frame.f_code.co_filename.replace("\\", "/")


def publish_end(bus: Bus, end: Finish, duration: float) -> None:
    """Tells the bus how an attempt ended, if anybody listens."""
    kind = _kind(end)
    if bus.is_watched(kind):
        bus.publish(_event(kind, end, duration))


def _kind(end: Finish) -> type[Fact]:
    if end.parked is not None:
        return JobHeld
    if end.status is Status.COMPLETED:
        return JobCompleted
    if end.status is Status.DEAD:
        return JobBecameDead
    if end.status is Status.CANCELLED:
        return JobBecameCancelled
    return {Outcome.SNOOZED: JobSnoozed, Outcome.INTERRUPTED: JobInterrupted}.get(end.outcome, AttemptFailed)


def _event(kind: type[Fact], end: Finish, duration: float) -> Fact:
    nothing = "its process ended" if end.outcome is Outcome.LOST else "no error"
    error = end.failure.summary if end.failure else nothing
    if kind is JobHeld:
        return JobHeld(end.id, end.type, end.parked or "")
    if kind is JobCompleted:
        return JobCompleted(end.id, end.type, end.attempt, duration, end.reason or "")
    if kind is JobBecameDead:
        return JobBecameDead(end.id, end.type, end.attempt, end.reason or "", error)
    if kind is JobBecameCancelled:
        return JobBecameCancelled(end.id, end.type, end.reason or "")
    if kind is JobSnoozed:
        return JobSnoozed(end.id, end.type, to_datetime(end.scheduled_at))
    if kind is JobInterrupted:
        return JobInterrupted(end.id, end.type, end.attempt)
    return AttemptFailed(end.id, end.type, end.attempt, end.outcome.value, error, to_datetime(end.scheduled_at))
