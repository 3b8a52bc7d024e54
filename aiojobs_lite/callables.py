"""Functions of the user's that the library calls, and does not await."""

from __future__ import annotations

import inspect

from aiojobs_lite.errors import InvalidOption


def plain_function(returns: str) -> str:
    """What a function has to be whose result nothing awaits, for the text of an error."""
    return f"a plain function that returns {returns}, no `async def`: nothing awaits what it returns"


def check_plain(option: str, function: object, returns: str) -> None:
    """Checks that a function is no coroutine function.

    Args:
        option: The option that it was given as.
        function: The function, or an object that can be called.
        returns: What it has to return, for the text of the error.

    Raises:
        InvalidOption: If it is one.
    """
    if any(map(inspect.iscoroutinefunction, (function, type(function).__call__))):
        raise InvalidOption(option, function, plain_function(returns))
