"""What `deps=` may hold for a type: a value, or how it is made, once for all or for each attempt."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.text import name_of

Factory = Callable[[], Any]
_FACTORY = "a function or a class that can be called without arguments (functools.partial gives it some)"


class PerAttempt:
    """For `deps=`: a resource that is made anew for each attempt whose handler asks for it.

    If the factory makes a context manager, it is entered before the handler is called and left after it, with the
    exception that the handler raised. An exception of the factory or the context manager counts as an exception of the
    handler. The timeout of the attempt includes both.

    For a plain `def` handler a plain factory is called, entered and left in the thread of the handler. An asynchronous
    factory is called and entered on the event loop before the handler, and left there after it.

    Args:
        factory: A plain or async callable without arguments, such as a class or SQLAlchemy's `async_sessionmaker`.

    Attributes:
        factory: The factory as given; a function that yields once is turned into a context manager.
    """

    def __init__(self, factory: Factory) -> None:
        if not callable(factory):
            raise InvalidOption("factory", factory, _FACTORY)
        self.factory = _checked("factory", factory, _FACTORY)

    def __repr__(self) -> str:
        return f"PerAttempt({self.factory!r})"


class Recipe(NamedTuple):
    """How the resource of a type comes to be.

    Attributes:
        value: The resource itself, if there is no factory.
        factory: Makes it, or a context manager that gives it; or None.
        is_per_attempt: Whether it is made for each attempt, and not once for all.
    """

    value: Any = None
    factory: Factory | None = None
    is_per_attempt: bool = False


def recipe_of(key: Any, value: Any) -> Recipe:
    """What `deps={key: value}` means.

    The first line that fits:

    - `PerAttempt(...)`: made for each attempt.
    - An instance of the key, or a mock: the resource itself.
    - A function, a class, a method or a `functools.partial`: a factory.
    - A context manager that cannot be called: it is entered.
    - Any other object that cannot be called: the resource itself.

    Raises:
        InvalidOption: If it is an object that can be called and is not of the type, a factory that needs arguments, or
            a coroutine.
    """
    if isinstance(value, PerAttempt):
        if _is_of(value.factory, key) and not _is_function(value.factory):
            kind = name_of(key)
            raise InvalidOption("factory", value.factory, f"what makes a {kind} for each attempt, not a {kind} itself")
        return Recipe(factory=value.factory, is_per_attempt=True)
    if _is_of(value, key) or _is_mock(value):
        return Recipe(value)
    name = name_of(key)
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidOption("deps", value, f"the async function for {name}, not a call of it")
    if _is_function(value):
        advice = f"{_FACTORY} and makes the {name}; contextlib.nullcontext(...) around it gives it as it is"
        return Recipe(factory=_checked("deps", value, advice))
    is_decorator = isinstance(value, contextlib.ContextDecorator | contextlib.AsyncContextDecorator)
    if callable(value) and not is_decorator:
        raise InvalidOption(
            "deps", value,
            f"a {name}, or what makes one; this object can be called and is none. If it makes one, give "
            "`lambda: it()`; if it is to be injected as it is, give `contextlib.nullcontext(it)`",
        )  # fmt: skip
    return Recipe(factory=lambda: value) if is_entered(value) else Recipe(value)


async def enter(stack: AsyncExitStack, key: object, factory: Factory) -> Any:
    """Makes a resource. What is a context manager is entered, and left with the stack.

    Raises:
        TypeError: If it is None, and the type does not allow that.
    """
    made = factory()
    if inspect.isawaitable(made) and not is_entered(made):
        made = await made
    if not is_entered(made):
        return _not_none(key, made)
    stack.push(functools.partial(_explain_generator, key, made))
    if hasattr(type(made), "__aenter__"):
        return _not_none(key, await stack.enter_async_context(made))
    return _not_none(key, stack.enter_context(made))


def enter_in_thread(stack: ExitStack, key: object, factory: Factory) -> Any:
    """Makes a resource of an attempt in the thread of its handler. What is a context manager is entered, and left with
    the stack.

    Raises:
        TypeError: If what the factory makes needs the event loop, or is None, and the type does not allow that.
    """
    made = factory()
    if is_entered(made) and hasattr(type(made), "__enter__"):
        stack.push(functools.partial(_explain_generator, key, made))
        return _not_none(key, stack.enter_context(made))
    if not is_entered(made) and not inspect.isawaitable(made):
        return _not_none(key, made)
    if inspect.iscoroutine(made):
        made.close()
    raise TypeError(
        f"the factory for {name_of(key)} makes a {type(made).__qualname__}, which needs the event loop, and is called "
        "in the thread of a plain `def` handler. Give PerAttempt an `async def` or an @asynccontextmanager itself, not "
        "a plain function that calls it."
    )


def is_asynchronous(factory: Factory) -> bool:
    """Whether a factory is to be called on the event loop, as far as that can be seen before it is called."""
    called = inspect.unwrap(factory)  # of what yields the function that does
    while isinstance(called, functools.partial):
        called = inspect.unwrap(called.func)
    if isinstance(called, type):
        return hasattr(called, "__aenter__") and not hasattr(called, "__enter__")
    ways = called, type(called).__call__
    return any(map(inspect.iscoroutinefunction, ways)) or any(map(inspect.isasyncgenfunction, ways))


def is_entered(made: object) -> bool:
    """Whether it is a context manager that is to be entered. A lock is not: its users enter it."""
    kind = type(made)
    if _is_mock(made) or hasattr(made, "acquire"):
        return False
    return (hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")) or (
        hasattr(kind, "__enter__") and hasattr(kind, "__exit__")
    )


def _checked(option: str, factory: Factory, expected: str) -> Factory:
    """A factory that can be called without arguments; of one that yields a context manager is made."""
    try:
        inspect.signature(factory).bind()
    except ValueError:
        pass  # it has no signature that Python knows
    except TypeError:
        raise InvalidOption(option, factory, expected) from None
    if inspect.isasyncgenfunction(factory):
        return contextlib.asynccontextmanager(factory)
    return contextlib.contextmanager(factory) if inspect.isgeneratorfunction(factory) else factory


def _not_none(key: object, made: Any) -> Any:
    """A resource that is there. Another class may stand in for its type; None comes of a `return` that is missing."""
    if made is None and not _is_of(None, key):
        problem = f"the factory for {name_of(key)} gives None. Let it return the resource, or yield it"
        raise TypeError(f"{problem}; to have None injected, give deps={{{name_of(key)}: None}}.")
    return made


def _explain_generator(
    key: object, made: object, _kind: object, error: BaseException | None, trace: TracebackType | None
) -> None:
    """As an exit of a stack: names the resource whose generator yields twice, or never, which contextlib does not."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_its_own = trace is not None and trace.tb_frame.f_locals.get("self") is made
    if is_its_own and isinstance(error, RuntimeError) and str(error).startswith("generator didn't"):
        raise RuntimeError(f"the function for {name_of(key)} does not yield exactly once: {error}.") from None


def _is_of(value: object, key: Any) -> bool:
    """Whether it is an instance of the type that a key of `deps=` names."""
    while get_origin(key) is Annotated:
        key = key.__origin__
    key = getattr(key, "__supertype__", key)  # of a NewType
    kind = get_origin(key) or key
    if kind is Union or kind is UnionType:
        return any(_is_of(value, one) for one in get_args(key))
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol, or no type
        return False


def _is_function(value: object) -> bool:
    """Whether it is made to be called, as a function or a class is."""
    return inspect.isroutine(value) or isinstance(value, type | functools.partial)


def _is_mock(value: object) -> bool:
    """Whether it is a mock, which can be called and entered whatever it stands for."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)
