"""The regular expressions of `matches`: those of RE2, whose time is linear in the length of the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from aiojobs_lite.inngest.expressions.nodes import Call, Literal
from aiojobs_lite.inngest.expressions.scope import Scope

LONGEST_PATTERN_CHARS: Final = 1_000
"""Of the regular expression that `matches` takes."""

_LARGEST_PROGRAM_BYTES: Final = 256 * 1024
_COMPILING_STEPS: Final = 1_000
_CHARS_A_STEP: Final = 9  # a power of two: so many characters of the text, for each instruction of the program


def fits_pattern(scope: Scope, text: Any, pattern: Any) -> bool:
    """Whether a regular expression fits some part of a text; not, if it is none."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    program = _compiled(pattern)
    if isinstance(program, str):
        scope.spend(_COMPILING_STEPS)
        return False
    scope.spend(1 + (len(text) * program.programsize >> _CHARS_A_STEP))
    return program.search(text.encode("utf-8", "replace")) is not None


def problem_of(call: Call) -> str | None:
    """What is wrong with the constant regular expression of a call, if anything is."""
    if call.function != "matches":
        return None
    pattern = call.arguments[1]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return None
    program = _compiled(pattern.value)
    return program if isinstance(program, str) else None


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    """The program of a pattern; or what is wrong with it."""
    import re2  # noqa: PLC0415  # the extra: imported where it is used

    if len(pattern) > LONGEST_PATTERN_CHARS:
        return f"a regular expression has at most {LONGEST_PATTERN_CHARS} characters. Give a shorter one."
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
