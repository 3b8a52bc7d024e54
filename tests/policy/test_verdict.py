"""What exceptions and groups of them ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite.errors import JobDead, StepFailed, StepNotStored
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.policy.verdict import Verdict, Wish, alone, is_wanted, judge

AGAIN = Verdict(Wish.AGAIN)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUSY, BAD = TimeoutError("busy"), ValueError("bad")
FAILED, UNSTORED = StepFailed(7, "pay", 3, "ValueError", "no card"), StepNotStored(7, "pay", "too big")
DEAD = JobDead(7, "all used up", None)


def group(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("a task group", errors)


def never(name: str) -> Verdict:
    return Verdict(Wish.NEVER, name)


def leaves(error: BaseException) -> set[BaseException]:
    return set().union(*map(leaves, error.exceptions)) if isinstance(error, BaseExceptionGroup) else {error}


class Grouped(ExceptionGroup[Exception]):
    pass


TABLE: list[tuple[str, BaseException, dict[str, Any], Verdict]] = [
    ("any", BAD, {}, AGAIN),
    ("abandoned", BAD, {"abandon_on": ValueError}, never("ValueError")),
    ("not named", BAD, {"retry_on": TimeoutError}, never("ValueError")),
    ("named", BUSY, {"retry_on": TimeoutError}, AGAIN),
    ("alone, abandoned", group(group(BAD)), {"abandon_on": ValueError}, never("ValueError")),
    ("alone, named", group(group(BUSY)), {"retry_on": TimeoutError}, AGAIN),
    ("final", FAILED, {"retry_on": StepFailed}, never("StepFailed")),
    ("final, among others", group(BUSY, UNSTORED), {}, never("StepNotStored")),
    ("not final", DEAD, {}, AGAIN),
    ("several, all named", group(BUSY, group(BUSY)), {"retry_on": TimeoutError}, AGAIN),
    ("several, one not named", group(BUSY, group(BUSY, BAD)), {"retry_on": TimeoutError}, never("ValueError")),
    ("several, one abandoned", group(BUSY, group(BUSY, BAD)), {"abandon_on": ValueError}, never("ValueError")),
    ("the group is named", Grouped("g", [BAD, BUSY]), {"retry_on": Grouped}, AGAIN),
    ("the group is abandoned", group(BUSY, Grouped("g", [BAD])), {"abandon_on": Grouped}, never("Grouped")),
    ("Abandon", Abandon("no"), {}, Verdict(Wish.ABANDON, "no")),
    ("Abandon among others", group(BUSY, Retry(after=1), Cancel("c"), Abandon("no")), {}, Verdict(Wish.ABANDON, "no")),
    ("Cancel", Cancel("gone"), {}, Verdict(Wish.CANCEL, "gone")),
    ("Cancel among others", group(BUSY, Snooze(1), Cancel("gone")), {}, Verdict(Wish.CANCEL, "gone")),
    ("Cancel and an abandoned one", group(Cancel("gone"), BAD), {"abandon_on": ValueError}, never("ValueError")),
    ("Retry, not named", Retry("r", after=3), {"retry_on": ()}, Verdict(Wish.RETRY, "r", 3)),
    ("Retry, all abandoned", group(Retry("r")), {"abandon_on": BaseException}, Verdict(Wish.RETRY, "r")),
    ("Retry at once", Retry(after=0), {}, Verdict(Wish.RETRY, "", 0)),
    ("Retry several times", group(Retry("a", after=3), Retry("b", after=9), Retry()), {}, Verdict(Wish.RETRY, "a", 9)),
    ("Retry and one named", group(BUSY, Retry("r", after=3)), {"retry_on": OSError}, Verdict(Wish.RETRY, "r", 3)),
    ("Retry and one not named", group(BAD, Retry("r", after=3)), {"retry_on": OSError}, never("ValueError")),
    ("Snooze", Snooze("10s", "s"), {"abandon_on": BaseException}, Verdict(Wish.SNOOZE, "s", 10)),
    ("Snooze twice", group(Snooze(1, "a"), group(Snooze(5, "b"))), {}, Verdict(Wish.SNOOZE, "a", 5)),
    ("At an instant", Retry("r", after=EPOCH + timedelta(seconds=3)), {}, Verdict(Wish.RETRY, "r", None, 3_000_000)),
    (
        "At several instants and after a delay",
        group(Snooze(EPOCH + timedelta(seconds=3)), Snooze(5), Snooze(EPOCH + timedelta(seconds=2))),
        {},
        Verdict(Wish.SNOOZE, "", 5, 3_000_000),
    ),
    ("Snooze and a failure", group(Snooze(7, "s"), BUSY), {}, Verdict(Wish.RETRY, "s", 7)),
]


@pytest.mark.parametrize(("error", "policy", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_every_exception_in_a_group_counts(error: BaseException, policy: dict[str, Any], expected: Verdict) -> None:
    kinds = {name: kind if isinstance(kind, tuple) else (kind,) for name, kind in policy.items()}
    verdict = judge(error, kinds.get("retry_on"), kinds.get("abandon_on", ()))
    assert verdict[:3] == expected[:3]
    assert verdict.is_wanted is is_wanted(error) is {BUSY, BAD, FAILED, UNSTORED, DEAD}.isdisjoint(leaves(error))


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (Retry("r", details={"n": 1}), '{"n":1}'),
        (group(BUSY, Retry("r"), group(Retry(details={"n": 2}), Retry(details={"n": 3}))), '{"n":2}'),
        (group(Retry(details={"n": 2}), Abandon("no", details={"n": 4})), '{"n":4}'),
        (group(Retry(details={"n": 2}), Abandon("no")), None),
        (group(Retry(details={"n": 2}), Cancel()), None),
        (Snooze(1), None),
    ],
)
def test_the_details_are_those_of_what_decides(error: BaseException, details: str | None) -> None:
    assert judge(error, None, ()).details == details


def test_a_group_that_holds_itself_or_nothing_is_judged_as_an_exception() -> None:
    class Endless(ExceptionGroup[Exception]):
        def __getattribute__(self, name: str) -> Any:
            return (self, self) if name == "exceptions" else super().__getattribute__(name)

    class Empty(ExceptionGroup[Exception]):
        exceptions = ()

    for kind in (Endless, Empty):
        error = kind("odd", [BAD])
        assert judge(error, None, ()) == AGAIN
        assert judge(error, (TimeoutError,), ()).wish is Wish.NEVER
        assert judge(error, None, (kind,)) == never(kind.__qualname__)
    assert isinstance(alone(Endless("odd", [BAD])), Endless)
    assert alone(group(group(BAD))) is BAD
