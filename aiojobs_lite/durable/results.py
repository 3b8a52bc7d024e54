"""What functions return that are called as steps, as JSON both ways."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from json.encoder import encode_basestring_ascii
from types import FunctionType, NoneType, UnionType
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

from aiojobs_lite.durable.step import miswritten
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.sizes import LARGEST_RESULT_BYTES

_PLAIN: Final[frozenset[type]] = frozenset({str, int, bool, NoneType})
_WORDS: Final = {None: "null", True: "true", False: "false"}
_SMALL: Final = 2**16  # a number, or characters of a text, of which JSON cannot be too large


class StepResult(Result):
    """What a function returns that is called as a step.

    Args:
        function: What is called in the end: neither a partial nor a bound method nor an object.

    Attributes:
        plain: The types of values that are the same when they are read back, and need not be.
        is_coroutine: Whether the function is awaited; another one is called in a thread.
    """

    smaller = "Store the data elsewhere, and let the step return their path or key"
    otherwise = ""

    def __init__(self, function: Any) -> None:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        returns = get_type_hints(function, include_extras=True).get("return", Any)
        if get_origin(returns) in {Awaitable, Coroutine}:  # of a plain function that calls an `async def`
            returns = get_args(returns)[-1]
        try:
            super().__init__(name, returns, LARGEST_RESULT_BYTES)
        except InvalidJobType as error:
            problem = str(error).removeprefix(str(InvalidJobType(name, "")))
            raise miswritten("function", function, f"a function whose result JSON can hold; {problem}") from error
        self.plain = _plain_types(returns)
        self.is_coroutine = inspect.iscoroutinefunction(function)

    def dump(self, value: Any) -> str:
        """See `Result`."""
        memo = self.dump_plain(value)
        return super().dump(value) if memo is None else memo

    def dump_plain(self, value: Any) -> str | None:
        """The JSON of a small value of `plain`, which nearly all steps return, by the shortest way; else None."""
        kind = type(value)
        if kind in self.plain:
            if kind is int:
                if -_SMALL < value < _SMALL:
                    return str(value)
            elif kind is str:
                if len(value) < _SMALL and value.isascii():
                    return encode_basestring_ascii(value)
            else:
                return _WORDS[value]
        return None


def _plain_types(returns: Any) -> frozenset[type]:
    """The types of which this annotation takes each value as it is."""
    if returns is Any:
        return _PLAIN
    kinds = get_args(returns) if get_origin(returns) in {Union, UnionType} else (returns or NoneType,)
    return frozenset(cast("tuple[type, ...]", kinds)) if _PLAIN.issuperset(kinds) else frozenset()


class StepResults:
    """Knows what the functions return that one runner calls as steps, each as its annotation says.

    Attributes:
        known: What is known, by the id of the function, as long as that lives.
    """

    def __init__(self) -> None:
        self.known: dict[int, StepResult] = {}
        self._functions: dict[int, weakref.ref[Any]] = {}

    def of(self, function: Callable[..., Any]) -> StepResult:
        """What a function returns; without an annotation anything that is JSON.

        Raises:
            InvalidOption: If JSON cannot hold what the annotation says.
        """
        plain = function if type(function) is FunctionType else _unwrapped(function)
        known = self.known.get(id(plain))
        if known is None:
            known = self.known[id(plain)] = StepResult(plain)
            self._functions[id(plain)] = weakref.ref(plain, partial(self._forget, id(plain)))
        return known

    def _forget(self, number: int, _: object) -> None:
        del self.known[number], self._functions[number]


def _unwrapped(function: Callable[..., Any]) -> Any:
    """What has the annotations: of a partial, a bound method or a callable object that which is called."""
    plain: Any = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    if inspect.ismethod(plain):
        plain = plain.__func__
    return plain if inspect.isroutine(plain) or inspect.isclass(plain) else type(plain).__call__
