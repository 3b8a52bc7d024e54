"""What a handler raises to decide what becomes of its job."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aiojobs_lite.errors import AiojobsError, InvalidOption
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Signal, Snooze
from aiojobs_lite.sizes import LARGEST_DETAILS_BYTES


def test_signals_keep_their_delay_in_seconds_and_their_reason() -> None:
    assert Retry("busy", after="30s").after == 30.0
    assert str(Retry("busy")) == "busy"
    assert Retry().after is None
    assert Snooze("10m", "early").delay == 600.0
    assert str(Snooze(1, "early")) == "early"
    assert str(Abandon("bad input")) == "bad input"
    assert str(Cancel("gone")) == "gone"


@pytest.mark.parametrize(
    ("make", "option"),
    [(lambda: Retry(after=-1), "after"), (lambda: Snooze("soon"), "delay"), (lambda: Snooze(float("nan")), "delay")],
)
def test_a_signal_with_an_impossible_delay_is_refused(make: Callable[[], Signal], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert caught.value.option == option


@pytest.mark.parametrize("make", [lambda: Retry(after="soon"), lambda: Snooze("soon")])
def test_a_refusal_lists_all_that_a_delay_may_be(make: Callable[[], Signal]) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert str(caught.value).endswith(
        '=\'soon\': expected seconds, a timedelta, or text such as "30s", "5m", "1h30m", "7d", an aware datetime, '
        'or the text of a header Retry-After, "120" or "Wed, 21 Oct 2026 07:28:00 GMT".'
    )


WEDNESDAY = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "delay", "at"),
    [
        ("120", 120.0, None),
        (" 0 ", 0.0, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, WEDNESDAY),
        (WEDNESDAY, None, WEDNESDAY),
        (WEDNESDAY.astimezone(timezone(timedelta(hours=9))), None, WEDNESDAY),
    ],
)
def test_both_forms_of_the_header_retry_after_are_taken_as_they_are(
    given: str | datetime, delay: float | None, at: datetime | None
) -> None:
    assert (Retry(after=given).after, Retry(after=given).at) == (delay, at)
    assert (Snooze(given).delay, Snooze(given).at) == (delay, at)


@pytest.mark.parametrize(
    "given",
    [
        "Wed, 31 Feb 2026 07:28:00 GMT", "Wed, 21 Okt 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 CET",
        WEDNESDAY.replace(tzinfo=None), datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(given: Any) -> None:
    for make in (lambda: Retry(after=given), lambda: Snooze(given)):
        with pytest.raises(InvalidOption, match=r"expected (seconds, a timedelta|an aware datetime, such as)"):
            make()


@pytest.mark.parametrize("reason", ["30s", "1h30m", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_delay_in_place_of_the_reason_is_refused_with_the_way_out(reason: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Retry(reason)
    assert str(caught.value) == (f"reason={reason!r}: expected text; the delay goes by name, Retry(after={reason!r}).")
    assert str(Retry("in 30s", after="30s")) == "in 30s"
    assert str(Retry(reason, after="30s")) == reason  # beside the delay it is a reason, whatever it says
    assert str(Retry("429")) == "429"  # a status


@pytest.mark.parametrize("signal", [Retry("busy", after=3), Retry(), Snooze("10m", "early"), Retry(after=WEDNESDAY),
                                    Abandon("x"), Cancel()])  # fmt: skip
def test_signals_survive_the_way_from_another_process(signal: Signal) -> None:
    for found in (pickle.loads(pickle.dumps(signal)), copy.copy(signal)):
        assert type(found) is type(signal)
        assert (found.args, vars(found)) == (signal.args, vars(signal))


@pytest.mark.parametrize("kind", [Retry, Abandon])
def test_a_signal_keeps_its_details_as_plain_json_values(kind: type[Retry | Abandon]) -> None:
    given = {"status": 503, "headers": [("retry-after", "1")]}
    signal = kind("busy", details=given)
    given["status"] = 200
    for found in (signal, pickle.loads(pickle.dumps(signal))):
        assert found.details == {"status": 503, "headers": [["retry-after", "1"]]}
        assert str(found) == "busy"
    assert kind("busy").details is None
    assert kind("busy", details={}).details == {}


def nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("kind", [Retry, Abandon])
@pytest.mark.parametrize(
    "details",
    [
        {"at": WEDNESDAY}, {"n": float("nan")}, {"text": "\ud800"}, {"body": "x" * (LARGEST_DETAILS_BYTES - 10)},
        {1: 2}, [("a", 1)], {"deep": nested(100_000)},
    ],
    ids=["datetime", "nan", "surrogate", "large", "number", "list", "deep"],
)  # fmt: skip
def test_details_that_cannot_be_kept_cost_nothing_else(kind: type[Retry | Abandon], details: Any) -> None:
    signal = kind("busy", details=details)
    assert signal.details is None
    assert str(signal).startswith("busy (without its details: details=")
    assert "expected a dict of text to plain JSON values, of at most 131,072 bytes as JSON" in str(signal)
    assert isinstance(signal.__cause__, InvalidOption)
    assert str(kind(details=details)).startswith("(without its details: ")


def test_the_largest_details_are_kept() -> None:
    assert Retry(details={"body": "x" * (LARGEST_DETAILS_BYTES - 11)}, after="30s").details is not None
    assert Retry(details={1: 2}, after="30s").after == 30.0  # type: ignore[dict-item]  # that is the matter


def test_signals_are_no_errors_of_the_library() -> None:
    assert all(issubclass(kind, Signal) for kind in (Retry, Snooze, Abandon, Cancel))
    assert not issubclass(Signal, AiojobsError)
