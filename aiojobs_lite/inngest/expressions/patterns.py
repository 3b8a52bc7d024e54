"""The regular expressions of `matches`: those of RE2, whose time is linear in the length of the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from aiojobs_lite.inngest.expressions.nodes import Call, Literal
from aiojobs_lite.inngest.expressions.scope import Scope

LONGEST_PATTERN_CHARS: Final = 1_000
"""Of a regular expression that `matches` takes, and of all constant ones of an expression together."""

_LARGEST_PROGRAM_BYTES: Final = 256 * 1024
_COMPILING_STEPS: Final = 40  # for each character of a pattern that is no constant: classes such as \\pL are slow
_CHARS_A_STEP: Final = 9  # a power of two: so many characters of the text, for each instruction of the program


def fits_pattern(scope: Scope, text: Any, pattern: Any) -> bool:
    """Whether a regular expression fits some part of a text; not, if it is none."""
    if not isinstance(text, str) or not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN_CHARS:
        return False
    scope.spend(_COMPILING_STEPS * (1 + len(pattern)))
    return _fits(scope, text, _compiled(pattern))


def fitting(pattern: str) -> Callable[[Scope, Any], bool]:
    """`fits_pattern` of a constant pattern, which is compiled once."""
    program = _compiled(pattern)
    return lambda scope, text: isinstance(text, str) and _fits(scope, text, program)


def constant_pattern(call: Call) -> str | None:
    """The regular expression of a call that has a constant one."""
    pattern = call.arguments[-1] if call.function == "matches" else None
    return pattern.value if isinstance(pattern, Literal) and isinstance(pattern.value, str) else None


def problem_of(pattern: str) -> str | None:
    """What is wrong with a regular expression, if anything is."""
    program = _compiled(pattern)
    return program if isinstance(program, str) else None


def _fits(scope: Scope, text: str, program: Any) -> bool:
    if isinstance(program, str):  # it is none
        return False
    scope.spend(1 + (len(text) * program.programsize >> _CHARS_A_STEP))
    return program.search(text.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    """The program of a pattern; or what is wrong with it."""
    import re2  # noqa: PLC0415  # the extra: imported where it is used

    options = re2.Options()
    options.max_mem = _LARGEST_PROGRAM_BYTES
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        problem = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        return f"the regular expression is none of RE2: {problem}. Write one of its syntax."
