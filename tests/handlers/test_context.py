"""What a handler sees of its attempt."""

from __future__ import annotations

import copy
import pickle
import threading
from datetime import UTC, datetime

import pytest

from aiojobs_lite.errors import MissingDependency
from aiojobs_lite.handlers.context import AttemptContext, injected
from aiojobs_lite.model.job import Claimed

CLAIMED = Claimed(
    id=7, type="email", payload='{"to":"secret"}', priority=1, scheduled_at=2_000_000, attempt=2, max_attempts=3,
    created_at=1_000_000, started_at=3_000_000, interruptions=0, snoozes=0, crashes=0, tick=None, owner="me",
)  # fmt: skip


class Mailer: ...


def test_the_context_tells_of_the_attempt() -> None:
    ctx = AttemptContext(CLAIMED)
    assert (ctx.id, ctx.type, ctx.attempt, ctx.max_attempts) == (7, "email", 2, 3)
    assert ctx.created_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert ctx.scheduled_at == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


@pytest.mark.parametrize(("attempt", "last"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_last_attempt_is_known_as_such(attempt: int, last: bool) -> None:
    assert AttemptContext(CLAIMED._replace(attempt=attempt)).is_last_attempt is last


def test_only_a_cron_job_has_a_tick() -> None:
    assert AttemptContext(CLAIMED).tick is None
    assert AttemptContext(CLAIMED._replace(tick=0)).tick == datetime(1970, 1, 1, tzinfo=UTC)


def test_stopping_follows_the_runner() -> None:
    event = threading.Event()
    ctx = AttemptContext(CLAIMED, {}, event)
    assert ctx.stopping is False
    event.set()
    assert ctx.stopping is True
    assert AttemptContext(CLAIMED).stopping is False


def test_a_resource_is_found_by_its_type() -> None:
    mailer = Mailer()
    assert AttemptContext(CLAIMED, {Mailer: mailer}).get(Mailer) is mailer


def test_a_resource_may_be_falsy() -> None:
    assert AttemptContext(CLAIMED, {int: 0}).get(int) == 0


@pytest.mark.parametrize("deps", [None, {}, {str: "x"}])
def test_a_missing_resource_is_named_with_what_to_do(deps: dict[type, object] | None) -> None:
    with pytest.raises(MissingDependency) as caught:
        AttemptContext(CLAIMED, deps).get(Mailer)
    assert str(caught.value) == "'email' asks for Mailer, which deps= lacks. Pass JobRunner(deps={Mailer: ...})."
    assert caught.value.wanted is Mailer
    assert caught.value.__suppress_context__


def test_the_context_shows_what_it_is_but_not_the_payload() -> None:
    assert repr(AttemptContext(CLAIMED)) == "<AttemptContext 'email' job 7 attempt 2/3>"


def test_nothing_can_be_stuck_onto_the_context() -> None:
    with pytest.raises(AttributeError):
        AttemptContext(CLAIMED).user = "x"  # type: ignore[attr-defined]  # that it fails is what is tested


def test_injected_is_one_mark_with_a_name() -> None:
    assert repr(injected) == "injected"
    assert copy.copy(injected) is injected
    assert copy.deepcopy(injected) is injected
    assert pickle.loads(pickle.dumps(injected)) is injected
    with pytest.raises(AttributeError, match=r"^'enqueue' of a parameter that is `injected`.*ctx=testing\.context\(\)"):
        injected.enqueue  # noqa: B018  # what a plain call without a context does
