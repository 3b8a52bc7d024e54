"""What is recorded of an exception, and where a coroutine stands."""

from __future__ import annotations

import traceback
from types import FrameType
from typing import Any, Final

from aiojobs_lite.model.job import Failure
from aiojobs_lite.sizes import LONGEST_ERROR_TYPE_CHARS, LONGEST_MESSAGE_CHARS, LONGEST_TRACEBACK_CHARS
from aiojobs_lite.text import make_storable

_MOST_NAMED: Final = 10  # exceptions of a group that its message names
_OWN_FRAMES: Final = "aiojobs_lite/engine/"
_frames_of = BaseException.__dict__["__traceback__"].__get__  # whatever the class makes of it
_parts_of = BaseExceptionGroup.__dict__["exceptions"].__get__


def describe(error: BaseException) -> Failure:
    """The record of an exception: its type, its text, its traceback without local variables. Never raises."""
    message = _text(error)
    if issubclass(type(error), BaseExceptionGroup):  # a task group's own text says how many there are, and not which
        message = f"{message}: {'; '.join(_parts(error))}"
    return Failure(
        make_storable(_name(error), LONGEST_ERROR_TYPE_CHARS),
        make_storable(message, LONGEST_MESSAGE_CHARS),
        make_storable(_traceback(error), LONGEST_TRACEBACK_CHARS, keep_end=True),
    )


def _text(error: BaseException) -> str:
    try:
        return str.__str__(str(error))  # a plain one: what __str__ returns may be of the user's making as well
    except BaseException as worse:  # noqa: BLE001  # __str__ is the user's code
        return f"(its __str__ raised {_name(worse)})"


def _parts(group: BaseException) -> list[str]:
    """Type and text of the exceptions in a group, of those in groups within it too, the first ones."""
    texts: list[str] = []
    left: list[BaseException] = list(_parts_of(group))
    while left:
        error = left.pop(0)
        if len(texts) == _MOST_NAMED:
            return [*texts, "..."]
        if issubclass(type(error), BaseExceptionGroup):
            left[:0] = _parts_of(error)
        else:
            texts.append(": ".join(filter(None, (_name(error), _text(error)))))
    return texts


def _name(error: BaseException) -> str:
    """The name of its class, read past whatever its metaclass makes of that."""
    name: str = type.__dict__["__qualname__"].__get__(type(error))
    return name


def _traceback(error: BaseException) -> str:
    frames = _frames_of(error)
    while frames is not None and _is_own(frames.tb_frame):
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:  # noqa: BLE001  # the same
        return "".join(traceback.format_tb(frames))


def stack_of(awaited: Any) -> str:
    """Where a suspended coroutine is, down to what it waits for; a task's own stack stops at its first frame."""
    lines: list[str] = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not _is_own(frame):
            lines += traceback.format_stack(frame, limit=1)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return "".join(lines)


def _is_own(frame: FrameType) -> bool:
    return _OWN_FRAMES in frame.f_code.co_filename.replace("\\", "/")
