"""Which tracebacks are known: by class and lines of code, a job type each, and not for ever."""

from __future__ import annotations

import pytest

from aiojobs_lite.sizes import MOST_TRACEBACKS_KNOWN
from aiojobs_lite.telemetry.tracebacks import KnownTracebacks, Trace

TEXT = """Traceback (most recent call last):
  File "app.py", line {line}, in welcome
    send(user)
{kind}: no such user: {user}
"""


def trace(*, line: int = 1, kind: str = "KeyError", user: str = "7") -> Trace:
    return Trace(kind, TEXT.format(line=line, kind=kind, user=user))


@pytest.mark.parametrize(
    ("other", "first"),
    [
        (trace(user="8"), "job 1 attempt 1"),
        (trace(user="8\nof the city"), "job 1 attempt 1"),
        (trace(line=2), None),
        (trace(kind="ValueError"), None),
        (Trace("KeyError", ""), None),
    ],
)
def test_two_are_one_by_their_class_and_their_lines_of_code(other: Trace, first: str | None) -> None:
    known = KnownTracebacks()
    assert known.find("email", trace(), "job 1 attempt 1") is None
    assert known.find("email", other, "job 2 attempt 1") == first
    assert known.find("report", other, "job 3 attempt 1") is None


def test_the_lines_of_a_group_count() -> None:
    known = KnownTracebacks()
    texts = [f'  + Exception Group Traceback:\n  |   File "app.py", line {line}, in one\n' for line in (1, 2)]
    found = [known.find("email", Trace("ExceptionGroup", text), "job 1 attempt 1") for text in texts]
    assert found == [None, None]


def test_of_too_many_the_one_that_was_not_found_for_longest_is_forgotten() -> None:
    known = KnownTracebacks()
    for line in range(MOST_TRACEBACKS_KNOWN):
        known.find("email", trace(line=line), f"job {line} attempt 1")
    assert known.find("email", trace(line=0), "job 0 attempt 2") == "job 0 attempt 1"
    assert known.find("email", trace(line=-1), "job 1 attempt 3") is None
    assert known.find("email", trace(line=0), "job 0 attempt 4") == "job 0 attempt 1"
    assert known.find("email", trace(line=1), "job 1 attempt 5") is None
