"""How a handler is called: on the event loop, in a thread or in another process; and what cannot be a handler."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from aiojobs_lite.errors import InvalidJobType

Mode = Literal["async", "thread", "process"]
"""On the event loop, in a thread of this process, or in another process."""

_DEEPEST_WRAPPING: Final = 100  # decorators; a function may wrap itself


def mode_of(name: str, handler: Callable[..., Any], *, process: bool) -> Mode:
    """How a handler is called.

    Args:
        name: The name of its job type.
        handler: The handler.
        process: Whether another process is asked for.

    Raises:
        InvalidJobType: If it cannot be called so, or not at all.
    """
    _check_dispatch(name, handler)
    bare = handler
    while isinstance(bare, functools.partial):
        bare = bare.func
    called = bare, type(bare).__call__
    is_async = any(map(inspect.iscoroutinefunction, called))
    inner = [within for function in called for within in _within(function)]
    if any(map(inspect.isasyncgenfunction, inner)) or any(map(inspect.isgeneratorfunction, inner)):
        raise InvalidJobType(name, "a generator cannot be a handler; return a list")
    if not is_async and any(map(inspect.iscoroutinefunction, inner)):
        problem = (
            "a decorator hides its `async def`, whose coroutine nothing would await. Make the decorator's function an "
            "`async def` too, or delete its `__wrapped__` if it runs the coroutine itself"
        )
        raise InvalidJobType(name, problem)
    if not process:
        return "async" if is_async else "thread"
    if is_async:
        problem = "process=True is for plain `def`; an `async def` runs on the event loop. Leave out one of both"
        raise InvalidJobType(name, problem)
    if inspect.ismethod(handler) or re.search("<(locals|lambda)>", getattr(handler, "__qualname__", "<locals>")):
        raise InvalidJobType(
            name, "process=True takes a function at the top of a module, which a new process can import"
        )
    return "process"


def _check_dispatch(name: str, handler: Callable[..., Any]) -> None:
    """Checks that a handler does not need its first argument by position: a payload is given by name.

    Raises:
        InvalidJobType: If `functools.singledispatch` chooses by that argument.
    """
    for function in _within(handler):
        code = getattr(function, "__code__", None)
        if isinstance(function, functools.partial):
            if function.args:
                return
        elif code is None or code.co_argcount or code.co_kwonlyargcount:  # it need not pass on what it takes
            return
        elif code.co_qualname.startswith("singledispatch") and code.co_filename == functools.__file__:
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is None or first.kind is first.POSITIONAL_ONLY:
                return
            chooser = code.co_qualname.partition(".")[0]
            problem = (
                f"functools.{chooser} chooses by an argument that is given by position, and a payload is given by "
                "name. Declare a function of your own that calls it"
            )
            raise InvalidJobType(name, problem)


def _within(function: Any) -> Iterator[Any]:
    """A function and those that it wraps, as decorators and `functools.partial` leave them."""
    for _ in range(_DEEPEST_WRAPPING):
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif getattr(function, "__wrapped__", None) is not None:
            function = function.__wrapped__
        else:
            return
