"""What functions return that are called as steps, as JSON both ways."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from aiojobs_lite.handlers.result import Result
from aiojobs_lite.sizes import LARGEST_RESULT_BYTES


class StepResults:
    """Knows what the functions return that one runner calls as steps, each as its annotation says."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, Result] = WeakKeyDictionary()

    def of(self, function: Callable[..., Any]) -> Result:
        """What a function returns; without an annotation anything that is JSON.

        Raises:
            InvalidJobType: If JSON cannot hold what the annotation says.
        """
        plain = _unwrapped(function)
        known = self._known.get(plain)
        if known is None:
            name = getattr(plain, "__qualname__", type(plain).__qualname__)
            returns = get_type_hints(plain, include_extras=True).get("return", Any)
            if get_origin(returns) in {Awaitable, Coroutine}:  # of a plain function that calls an `async def`
                returns = get_args(returns)[-1]
            known = self._known[plain] = Result(name, returns, LARGEST_RESULT_BYTES)
        return known


def _unwrapped(function: Callable[..., Any]) -> Any:
    """What has the annotations: of a partial, a bound method or a callable object that which is called."""
    plain: Any = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    if inspect.ismethod(plain):
        plain = plain.__func__
    return plain if inspect.isroutine(plain) or inspect.isclass(plain) else type(plain).__call__
