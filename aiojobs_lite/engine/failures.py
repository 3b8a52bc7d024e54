"""What is recorded of an exception, and where a coroutine stands."""

from __future__ import annotations

import re
import traceback
from types import FrameType, TracebackType
from typing import Any, Final

from aiojobs_lite.model.job import Failure
from aiojobs_lite.policy.outcomes import Signal
from aiojobs_lite.sizes import LONGEST_ERROR_TYPE_CHARS, LONGEST_MESSAGE_CHARS, LONGEST_TRACEBACK_CHARS
from aiojobs_lite.text import make_storable

_MOST_NAMED: Final = 10  # exceptions of a group that its message names
_MOST_RENDERED: Final = 2000  # exceptions and lines of code of a traceback, some 40 ms; of more an excerpt is rendered
_MOST_OF_EXCERPT: Final = 50  # exceptions
_WIDEST_OF_EXCERPT: Final = 15  # exceptions of a group; `traceback` prints no more
_DEEPEST_OF_EXCERPT: Final = 10  # groups and causes in each other
_LINES_OF_EXCERPT: Final = 30  # of code, an exception
_OWN_FRAMES: Final = re.compile(r"aiojobs_lite[/\\](engine|durable)[/\\]")
_frames_of = BaseException.__dict__["__traceback__"].__get__  # whatever the class makes of it
_parts_of = BaseExceptionGroup.__dict__["exceptions"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__
_is_context_hidden = BaseException.__dict__["__suppress_context__"].__get__


def describe(error: BaseException) -> Failure:
    """The record of an exception: its type, its text, its traceback without local variables. Never raises."""
    message = _text(error)
    if issubclass(type(error), BaseExceptionGroup):  # a task group's own text says how many there are, and not which
        message = f"{message}: {'; '.join(_parts(error))}"
    return Failure(
        make_storable(_name(error), LONGEST_ERROR_TYPE_CHARS),
        make_storable(message, LONGEST_MESSAGE_CHARS),
        make_storable(_traceback(error), LONGEST_TRACEBACK_CHARS, keep_end=True) if _keeps_traceback(error) else None,
    )


def _keeps_traceback(error: BaseException) -> bool:
    try:
        return not isinstance(error, Signal) or bool(error.keeps_traceback)
    except BaseException:  # noqa: BLE001  # whatever its class makes of it
        return True


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


def exc_info_of(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """An exception as `logging` takes it, with its frames from the first one that is not the library's own."""
    return type(error), error, _frames(error)


def _frames(error: BaseException) -> TracebackType | None:
    frames: TracebackType | None = _frames_of(error)
    while frames is not None and _is_own(frames.tb_frame):
        frames = frames.tb_next
    return frames


def _traceback(error: BaseException) -> str:
    frames, limit = _frames(error), None
    try:
        if _is_large(error):
            limit, error = -_LINES_OF_EXCERPT, _Excerpt().of(error)
        return "".join(traceback.format_exception(type(error), error, frames, limit))
    except BaseException:  # noqa: BLE001  # the same
        return "".join(traceback.format_tb(frames, limit))


def _is_large(error: BaseException) -> bool:
    """Whether an exception has more in it than can be rendered while an event loop waits."""
    known: set[int] = set()
    left, size = [error], 0
    while left:
        one = left.pop()
        if id(one) in known:
            continue
        known.add(id(one))
        frames = _frames_of(one)
        size += 1
        while frames is not None and size <= _MOST_RENDERED:
            size, frames = size + 1, frames.tb_next
        if size > _MOST_RENDERED:
            return True
        left += [other for other in (_cause_of(one), _context_of(one)) if other is not None]
        if issubclass(type(one), BaseExceptionGroup):
            left += _parts_of(one)[: _MOST_RENDERED + 1]
    return False


class _Excerpt:
    """Exceptions that print as others do, with some of what these have in them."""

    def __init__(self) -> None:
        self._left = _MOST_OF_EXCERPT

    def of(self, error: BaseException, depth: int = 0) -> BaseException:
        """An exception like this one."""
        self._left -= 1
        text, parts, inner = _text(error), (), []
        if issubclass(type(error), BaseExceptionGroup):
            parts = _parts_of(error)
            inner = [self.of(part, depth + 1) for part in parts[:_WIDEST_OF_EXCERPT] if self._has_more(depth)]
        base = BaseExceptionGroup if inner else BaseException
        kind = type(_name(error), (base,), {"__module__": type(error).__module__, "__str__": lambda _: text})
        excerpt: BaseException = kind("", inner) if inner else kind()
        if len(inner) < len(parts):
            excerpt.add_note(f"({len(inner)} of {len(parts):,} exceptions are shown)")
        before = _cause_of(error)
        if before is None and not _is_context_hidden(error):
            before = _context_of(error)
        if before is not None and self._has_more(depth):
            excerpt.__context__ = self.of(before, depth + 1)
            excerpt.__cause__ = excerpt.__context__ if _cause_of(error) is not None else None
            excerpt.__suppress_context__ = _cause_of(error) is not None
        elif before is not None:
            excerpt.add_note("(what came before it is not shown)")
        return excerpt.with_traceback(_frames_of(error))

    def _has_more(self, depth: int) -> bool:
        return self._left > 0 and depth < _DEEPEST_OF_EXCERPT


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
    return _OWN_FRAMES.search(frame.f_code.co_filename) is not None
