"""What functions return that are called as steps, as JSON both ways."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from aiojobs_lite.handlers.result import Result
from aiojobs_lite.sizes import LARGEST_RESULT_BYTES


class StepResult(Result):
    """What a function returns that is called as a step.

    Args:
        function: What is called in the end: neither a partial nor a bound method nor an object.

    Attributes:
        is_coroutine: Whether the function is awaited; another one is called in a thread.
    """

    smaller = "Store the data elsewhere, and let the step return their path or key"

    def __init__(self, function: Any) -> None:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        returns = get_type_hints(function, include_extras=True).get("return", Any)
        if get_origin(returns) in {Awaitable, Coroutine}:  # of a plain function that calls an `async def`
            returns = get_args(returns)[-1]
        super().__init__(name, returns, LARGEST_RESULT_BYTES)
        self.is_coroutine = inspect.iscoroutinefunction(function)


class StepResults:
    """Knows what the functions return that one runner calls as steps, each as its annotation says."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, StepResult] = WeakKeyDictionary()

    def of(self, function: Callable[..., Any]) -> StepResult:
        """What a function returns; without an annotation anything that is JSON.

        Raises:
            InvalidJobType: If JSON cannot hold what the annotation says.
        """
        plain = function if type(function) is FunctionType else _unwrapped(function)
        known = self._known.get(plain)
        if known is None:
            known = self._known[plain] = StepResult(plain)
        return known


def _unwrapped(function: Callable[..., Any]) -> Any:
    """What has the annotations: of a partial, a bound method or a callable object that which is called."""
    plain: Any = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    if inspect.ismethod(plain):
        plain = plain.__func__
    return plain if inspect.isroutine(plain) or inspect.isclass(plain) else type(plain).__call__
